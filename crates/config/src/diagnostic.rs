//! Diagnostics: what is wrong with a file, for people, all of it at once.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use spanlake_core::render::escape::Escaped;
use spanlake_core::secret::HIDDEN;
use unicode_width::UnicodeWidthStr;

use crate::fault::Fault;
use crate::hidden::may_have_secrets;
use crate::node::Span;
use crate::source::{FILE, Position, Sources};

/// Most faults that are told; the others are counted.
pub const MAX_DIAGNOSTICS: usize = 200;

/// Longest part of a line that an excerpt shows, in characters.
const MAX_EXCERPT: usize = 100;

/// All that is wrong with a configuration, in the order of the file, what the environment said last.
///
/// `Display` is what a person sees: for each fault the message, the place, the line with a caret below it, the key, what
/// was expected and a hint. Nothing of the file acts on a terminal.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    all: Vec<Diagnostic>,
    untold: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// A lowercase fragment.
    pub message: String,
    /// The path of the file, or the name of the environment variable.
    pub source: String,
    /// Line and column from 1, in characters; none for a source that is wrong as a whole.
    pub position: Option<(usize, usize)>,
    /// The path of keys, such as `sinks.console.level`; empty for what has none.
    pub key: String,
    /// What could stand there.
    pub expected: Option<String>,
    /// What was probably meant.
    pub hint: Option<String>,
    /// The line.
    pub excerpt: Option<Excerpt>,
}

/// A line of a source, and what of it is wrong. Already escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excerpt {
    /// What stands before.
    pub before: String,
    /// What is wrong; may be empty, for something that is missing.
    pub wrong: String,
    /// What stands behind.
    pub after: String,
}

// === impl Diagnostics ===

impl Diagnostics {
    /// Puts faults into words. What stands at the hidden places is shown in no excerpt.
    pub(crate) fn of(mut faults: Vec<Fault>, sources: &Sources, hidden: &[Span]) -> Self {
        faults.sort_by_key(|fault| fault.span);
        // An alias that is repeated is wrong in one place only.
        faults.dedup_by(|later, earlier| later.span == earlier.span && later.message == earlier.message);
        let untold = faults.len().saturating_sub(MAX_DIAGNOSTICS);
        faults.truncate(MAX_DIAGNOSTICS);
        Self { all: faults.into_iter().map(|fault| Diagnostic::of(fault, sources, hidden)).collect(), untold }
    }

    /// The one fault of a file that cannot be read at all.
    pub(crate) fn unreadable(path: &Path, message: impl Into<String>) -> Self {
        let diagnostic = Diagnostic {
            message: message.into(),
            source: path.display().to_string(),
            position: None,
            key: String::new(),
            expected: None,
            hint: None,
            excerpt: None,
        };
        Self { all: vec![diagnostic], untold: 0 }
    }

    pub(crate) fn expecting(mut self, expected: impl Into<String>) -> Self {
        let expected = expected.into();
        self.all.iter_mut().for_each(|diagnostic| diagnostic.expected = Some(expected.clone()));
        self
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.all.iter()
    }

    /// How many there are, those above [`MAX_DIAGNOSTICS`] with them.
    pub fn count(&self) -> usize {
        self.all.len() + self.untold
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, diagnostic) in self.all.iter().enumerate() {
            write!(f, "{}{diagnostic}", if at == 0 { "" } else { "\n" })?;
        }
        if self.untold > 0 {
            write!(f, "\nand {} more\n", self.untold)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostics> for spanlake_core::Error {
    fn from(diagnostics: Diagnostics) -> Self {
        use spanlake_core::{Category, Stage};
        let message = match diagnostics.count() {
            1 => "the configuration is wrong".to_owned(),
            count => format!("the configuration is wrong in {count} places"),
        };
        Self::new(Stage::Configuration, "Config", Category::Configuration, message).caused_by(diagnostics)
    }
}

// === impl Diagnostic ===

impl Diagnostic {
    fn of(fault: Fault, sources: &Sources, hidden: &[Span]) -> Self {
        let Fault { span, key, message, expected, hint, is_fatal } = fault;
        let source = sources.get(span);
        let position = source.map(|source| source.position(span.start));
        // Of a file that could not be read nobody knows what a line is.
        let is_shown = |line: &str| !(is_fatal && may_have_secrets(line));
        let excerpt = source.filter(|source| is_shown(source.line(span.start).0)).map(|source| {
            let (line, start) = source.line(span.start);
            let hidden = hidden.iter().filter(|hidden| hidden.source == span.source);
            let hidden: Vec<_> =
                hidden.map(|hidden| within(line, start, hidden)).filter(|bytes| !bytes.is_empty()).collect();
            Excerpt::of(line, within(line, start, &span), &hidden)
        });
        let name = source.map_or_else(String::new, |source| source.name.clone());
        // A variable is one value: where in it the fault is, the excerpt says.
        let position = position.filter(|_| span.source == FILE).map(|Position { line, column }| (line, column));
        Self { message: message.into(), source: name, position, key, expected, hint, excerpt }
    }

    /// `spanlake.yaml:7:3`
    pub fn place(&self) -> String {
        match self.position {
            Some((line, column)) => format!("{}:{line}:{column}", self.source),
            None => self.source.clone(),
        }
    }

    /// What stands behind the excerpt: key, expectation and hint, as far as there are.
    pub fn notes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let key = (!self.key.is_empty()).then_some(("key", self.key.as_str()));
        let expected = self.expected.as_deref().map(|expected| ("expected", expected));
        let hint = self.hint.as_deref().map(|hint| ("hint", hint));
        [key, expected, hint].into_iter().flatten()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.position.map_or_else(String::new, |(line, _)| line.to_string());
        let margin = " ".repeat(number.len());
        writeln!(f, "error: {}", Escaped(&self.message))?;
        writeln!(f, "{margin}--> {}", Escaped(&self.place()))?;
        if let Some(excerpt) = &self.excerpt {
            writeln!(f, "{margin} |")?;
            writeln!(f, "{number} | {}{}{}", excerpt.before, excerpt.wrong, excerpt.after)?;
            writeln!(f, "{margin} | {}{}", " ".repeat(excerpt.indent()), "^".repeat(excerpt.carets()))?;
        }
        for (name, note) in self.notes() {
            writeln!(f, "{margin} = {name}: {}", Escaped(note))?;
        }
        Ok(())
    }
}

// === impl Excerpt ===

impl Excerpt {
    /// These bytes of a line, with what fits around them.
    fn of(line: &str, Range { start, end }: Range<usize>, hidden: &[Range<usize>]) -> Self {
        let wrong: String = shown(line, start..end, hidden).chars().take(MAX_EXCERPT).collect();
        let room = MAX_EXCERPT.saturating_sub(wrong.chars().count());
        let before = last(&shown(line, 0..start, hidden), room);
        let after = first(&shown(line, end..line.len(), hidden), room.saturating_sub(before.chars().count()));
        let escape = |text: String| Escaped(&text.replace('\t', "    ")).to_string();
        Self { before: escape(before), wrong: escape(wrong), after: escape(after) }
    }

    /// How many columns stand before the caret.
    pub fn indent(&self) -> usize {
        self.before.width()
    }

    /// How many carets there are, at least one.
    pub fn carets(&self) -> usize {
        self.wrong.width().max(1)
    }
}

/// The bytes of a line, which begins there in its source, that a stretch has.
fn within(line: &str, line_start: usize, span: &Span) -> Range<usize> {
    let start = floor(line, span.start.saturating_sub(line_start));
    start..floor(line, span.end.saturating_sub(line_start)).max(start)
}

/// A stretch of a line, without what is hidden.
fn shown(line: &str, stretch: Range<usize>, hidden: &[Range<usize>]) -> String {
    let (mut shown, mut next) = (String::new(), stretch.start);
    let mut hidden: Vec<_> =
        hidden.iter().filter(|hidden| hidden.start < stretch.end && hidden.end > stretch.start).collect();
    hidden.sort_by_key(|hidden| hidden.start);
    for hidden in hidden {
        if hidden.end > next {
            shown.push_str(line.get(next..hidden.start).unwrap_or_default());
            shown.push_str(HIDDEN);
            next = hidden.end;
        }
    }
    shown.push_str(line.get(next..stretch.end).unwrap_or_default());
    shown
}

/// The nearest place at or before `at` where a character begins.
fn floor(line: &str, at: usize) -> usize {
    let mut at = at.min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn last(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let kept = text.chars().skip(count - most.saturating_sub(1).min(count));
    std::iter::once('…').chain(kept).collect()
}

fn first(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
