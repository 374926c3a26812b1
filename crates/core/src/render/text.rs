//! Text lines for people: the system log.
//!
//! ```text
//! 2026-11-20T13:14:10.123456Z - INFO - flights::silver:flights::silver:42 - [orders] - wrote batch rows=500 ok=true
//! ```
//!
//! One record is one line; control characters are shown as escapes. The links of an error chain follow as indented
//! lines, the values of an observed object as a list, and an end that asked to be quiet has no line.

use std::fmt::Write;

use super::line::Bytes;
use super::pairs::Text;
use super::plain::{DEFAULT_PARTS, put_record};
use super::renderer::Renderer;
use super::words::Lifecycle;
pub use super::words::is_quiet;
use crate::observed;
use crate::record::{Kind, Record};
use crate::render::escape::Escaped;

/// Renders records as the lines of a system log: what [`Plain`](super::Plain) makes by
/// [`DEFAULT_PATTERN`](super::DEFAULT_PATTERN).
#[derive(Clone, Copy, Debug, Default)]
pub struct TextLines {
    /// How begins and ends are put into words.
    pub lifecycle: Lifecycle,
}

impl TextLines {
    /// Appends the lines of a record, line ends included.
    pub fn put(&self, out: &mut impl Write, record: &Record<'_>) {
        put_record(out, DEFAULT_PARTS, self.lifecycle, record);
    }
}

impl Renderer for TextLines {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        self.put(&mut Bytes(out), record);
    }
}

/// Appends a record's own fields as ` name=value`, texts with spaces quoted. Those that tell of observed objects are left out,
/// as the message says the same, and so are their values, which follow in lines of their own.
pub fn put_text_fields(out: &mut impl Write, record: &Record<'_>) {
    if record.kind != Kind::Loss && !observed::is_dump(record) {
        record.fields.for_each(|name, value| {
            if !name.starts_with(observed::PREFIX) {
                // Writing to memory cannot fail.
                let _ = write!(out, " {}={}", Escaped(name), Text(value));
            }
        });
    }
}
