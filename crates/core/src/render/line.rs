//! A line of text while it is being put together: how far it has come, and in which colours.

use std::fmt::{self, Display, Write};

use unicode_width::UnicodeWidthStr;

use super::color::{DIM, Style};

/// A line. What is put into it must be harmless already.
pub(super) struct Line<'a, W: Write> {
    out: &'a mut W,
    /// How many columns of a terminal it takes.
    column: usize,
    /// Spaces that are written when something comes behind them, so that no line ends in spaces.
    owed: usize,
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
        Self { out, column: 0, owed: 0, has_color }
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
        self.pay();
        let _ = write!(self.out, "\u{1b}[{style}m");
        self.put(text);
        let _ = self.out.write_str("\u{1b}[0m");
    }

    /// What stands before a further line of a record.
    pub(super) fn indent(&mut self, text: &str) {
        if text.trim_start().is_empty() { self.put(text) } else { self.styled(DIM, text) }
    }

    /// Spaces up to a column.
    pub(super) fn pad_to(&mut self, column: usize) {
        let more = column.saturating_sub(self.column);
        self.owed += more;
        self.column += more;
    }

    fn pay(&mut self) {
        let _ = write!(self.out, "{:1$}", "", std::mem::take(&mut self.owed));
    }

    /// Ends it; another one begins.
    pub(super) fn end(&mut self) {
        let _ = self.out.write_char('\n');
        (self.column, self.owed) = (0, 0);
    }
}

/// How many columns of a terminal a text takes: some characters take two, and some none.
pub(super) fn columns(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

impl<W: Write> Write for Line<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.owed > 0 && !text.is_empty() {
            self.pay();
        }
        self.column += columns(text);
        self.out.write_str(text)
    }
}
