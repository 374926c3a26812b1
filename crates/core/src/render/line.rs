//! A line of text while it is being put together: how far it has come, and in which colours.

use std::fmt::{self, Display, Write};

use super::color::Style;

/// A line. What is put into it must be harmless already.
pub(super) struct Line<'a, W: Write> {
    out: &'a mut W,
    /// How many characters it has.
    column: usize,
    has_color: bool,
}

/// Bytes to which nothing but text is written.
pub(super) struct Bytes<'a>(pub(super) &'a mut Vec<u8>);

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<'a, W: Write> Line<'a, W> {
    pub(super) fn new(out: &'a mut W, has_color: bool) -> Self {
        Self { out, column: 0, has_color }
    }

    pub(super) fn column(&self) -> usize {
        self.column
    }

    pub(super) fn put(&mut self, text: impl Display) {
        // Writing to memory cannot fail, here and below.
        let _ = write!(self, "{text}");
    }

    pub(super) fn styled(&mut self, style: Style, text: impl Display) {
        if !self.has_color {
            return self.put(text);
        }
        let _ = write!(self.out, "\u{1b}[{style}m");
        self.put(text);
        let _ = self.out.write_str("\u{1b}[0m");
    }

    /// Spaces up to a column.
    pub(super) fn pad_to(&mut self, column: usize) {
        while self.column < column {
            self.put(' ');
        }
    }

    /// Ends it; another one begins.
    pub(super) fn end(&mut self) {
        let _ = self.out.write_char('\n');
        self.column = 0;
    }
}

impl<W: Write> Write for Line<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.column += text.chars().count();
        self.out.write_str(text)
    }
}
