//! Where values come from: the text of a file, or of an environment variable, with its lines and columns.

use std::path::Path;

use crate::node::Span;

/// The number of the file among the sources.
pub(crate) const FILE: u32 = 0;

/// A text that values were read from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// A path, or the name of an environment variable.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// All texts that the values of a configuration were read from, the file first.
#[derive(Clone, Debug)]
pub(crate) struct Sources(Vec<Source>);

/// A place as people count: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody said anything else.
    Default,
    /// The file.
    File {
        /// Its path, or what it was called.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column, in characters from 1.
        column: usize,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// Another setting, which is the default of this one.
    Setting {
        /// The other one's key.
        key: String,
    },
}

// === impl Sources ===

impl Sources {
    pub(crate) fn new(name: &Path, text: String) -> Self {
        Self(vec![Source { name: name.display().to_string(), text }])
    }

    /// Takes another text in, and returns its number.
    pub(crate) fn add(&mut self, source: Source) -> u32 {
        self.0.push(source);
        u32::try_from(self.0.len() - 1).unwrap_or(FILE)
    }

    pub(crate) fn get(&self, span: Span) -> Option<&Source> {
        self.0.get(usize::try_from(span.source).ok()?)
    }

    pub(crate) fn origin(&self, span: Span) -> Origin {
        match self.get(span) {
            None => Origin::Default,
            Some(source) if span.source == FILE => {
                let Position { line, column } = source.position(span.start);
                Origin::File { path: source.name.clone(), line, column }
            }
            Some(source) => Origin::Environment { variable: source.name.clone() },
        }
    }
}

// === impl Source ===

impl Source {
    pub(crate) fn position(&self, at: usize) -> Position {
        let before = self.before(at);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Position { line, column: before[line_start..].chars().count() + 1 }
    }

    /// The line in which a byte stands, without its end, and where it begins.
    pub(crate) fn line(&self, at: usize) -> (&str, usize) {
        let start = self.before(at).rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or("");
        (line, start)
    }

    /// The text before a byte, or before the character that it is in.
    fn before(&self, at: usize) -> &str {
        let mut end = at.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        &self.text[..end]
    }
}

// === impl Origin ===

/// `spanlake.yaml:7:3`, `SPANLAKE_SERVICE`, `default`, `levels.console`
impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Environment { variable } => f.write_str(variable),
            Self::Setting { key } => f.write_str(key),
        }
    }
}
