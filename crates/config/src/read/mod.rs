//! Readers: from the text of a file to nodes, with bounds against files that are made to hurt.

mod yaml;
mod toml;
mod json;

use std::path::Path;

use crate::fault::Fault;
use crate::node::{Node, Span, Value};
use crate::source::FILE;

/// Longest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 32;

/// Most values of a file, each repetition of a YAML alias counted anew.
pub const MAX_VALUES: usize = 50_000;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `.yaml`, `.yml`
    Yaml,
    /// `.toml`
    Toml,
    /// `.json`
    Json,
}

impl Format {
    /// The format that a file's extension stands for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads the file. What is no YAML, TOML or JSON comes back as faults, beside as much as could be read.
pub(crate) fn read(text: &str, format: Format) -> (Node, Vec<Fault>) {
    let mut room = Room { left: MAX_VALUES };
    match format {
        Format::Yaml => yaml::read(text, FILE, &mut room),
        Format::Toml => toml::read(text, &mut room),
        Format::Json => json::read(text, &mut room),
    }
}

/// Reads the value of an environment variable, which is YAML.
pub(crate) fn read_variable(text: &str, source: u32) -> (Node, Vec<Fault>) {
    yaml::read(text, source, &mut Room { left: MAX_VALUES })
}

/// Nothing was read.
fn empty(source: u32) -> Node {
    Node { value: Value::Null, span: Span { source, start: 0, end: 0 } }
}

/// How many values may still come.
struct Room {
    left: usize,
}

impl Room {
    /// Room for so many values.
    fn take(&mut self, values: usize, span: Span) -> Result<(), Fault> {
        self.left = self.left.checked_sub(values).ok_or_else(|| too_many(span))?;
        Ok(())
    }
}

fn too_many(span: Span) -> Fault {
    Fault::new(span, "the file has too many values").expected(format!("at most {MAX_VALUES}, aliases counted anew"))
}

fn too_deep(span: Span) -> Fault {
    Fault::new(span, "the file is nested too deeply").expected(format!("at most {MAX_DEPTH} levels"))
}
