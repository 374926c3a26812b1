//! A line of output: pieces with styles, and the one place where data is made harmless.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use spanlake_core::Level;
use spanlake_core::render::escape::Escaped;
use spanlake_query::Status;
use unicode_width::UnicodeWidthChar;

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BUSY: Style = AnsiColor::Cyan.on_default();
pub(crate) const LOST: Style = AnsiColor::Magenta.on_default().bold();

/// A line that is being put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    text: String,
    /// Style and end of each piece.
    pieces: Vec<(Style, usize)>,
    hang: Option<Hang>,
    is_kept: bool,
}

/// How a line goes on below itself where it is too wide.
#[derive(Clone, Debug)]
struct Hang {
    /// What stands before the rows below the first one.
    indent: String,
    /// From where on the line may be broken.
    from: usize,
}

/// Narrowest rows that a line is broken into; where there is less room, the terminal breaks it as it likes.
const MIN_ROW: usize = 20;

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Puts words of our own.
    pub(crate) fn put(&mut self, style: Style, words: impl Display) -> &mut Self {
        // Writing to a `String` cannot fail.
        let _ = write!(self.text, "{words}");
        self.pieces.push((style, self.text.len()));
        self
    }

    /// Puts text from the lake, with everything in it escaped that could act on a terminal or break the line.
    pub(crate) fn data(&mut self, style: Style, data: &str) -> &mut Self {
        self.put(style, Escaped(data))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts the pieces of another line.
    pub(crate) fn append(&mut self, other: Self) -> &mut Self {
        let start = self.text.len();
        self.text.push_str(&other.text);
        self.pieces.extend(other.pieces.into_iter().map(|(style, end)| (style, start + end)));
        self
    }

    /// Breaks the line behind this place, where it is too wide, instead of cutting it: it tells what went wrong. The
    /// rows below the first one start with `indent`.
    pub(crate) fn hang(&mut self, indent: impl Into<String>) -> &mut Self {
        self.hang = Some(Hang { indent: indent.into(), from: self.text.len() });
        self
    }

    /// Leaves the line as it is, however wide: it is to be copied.
    pub(crate) fn keep(&mut self) -> &mut Self {
        self.is_kept = true;
        self
    }

    /// Puts text from the lake and spaces behind it, so that what follows stands in one column.
    pub(crate) fn column(&mut self, style: Style, data: &str, width: usize) -> &mut Self {
        let left = width.saturating_sub(data_columns(data));
        self.data(style, data).put(PLAIN, " ".repeat(left))
    }

    /// Writes the line and its end, fitted to `width` columns where one is given.
    pub(crate) fn write(&self, out: &mut dyn Write, color: bool, width: Option<usize>) -> io::Result<()> {
        match (width.filter(|_| !self.is_kept), &self.hang) {
            (None, _) => self.write_part(out, color, 0, self.text.len())?,
            (Some(width), None) => self.write_cut(out, color, width)?,
            (Some(width), Some(hang)) => self.write_rows(out, color, width, hang)?,
        }
        out.write_all(b"\n")
    }

    fn write_cut(&self, out: &mut dyn Write, color: bool, width: usize) -> io::Result<()> {
        let Some(end) = self.cut(width) else { return self.write_part(out, color, 0, self.text.len()) };
        self.write_part(out, color, 0, end)?;
        out.write_all("…".as_bytes())
    }

    fn write_rows(&self, out: &mut dyn Write, color: bool, width: usize, hang: &Hang) -> io::Result<()> {
        let mut start = 0;
        for (end, next) in self.breaks(width, hang) {
            self.write_part(out, color, start, end)?;
            out.write_all(b"\n")?;
            write_piece(out, if color { DIM } else { PLAIN }, &hang.indent)?;
            start = next;
        }
        self.write_part(out, color, start, self.text.len())
    }

    fn write_part(&self, out: &mut dyn Write, color: bool, from: usize, to: usize) -> io::Result<()> {
        let mut start = 0;
        for (style, end) in &self.pieces {
            let (piece_start, piece_end) = (start.max(from), (*end).min(to));
            if piece_start < piece_end {
                write_piece(out, if color { *style } else { PLAIN }, &self.text[piece_start..piece_end])?;
            }
            start = *end;
        }
        Ok(())
    }

    /// Where to cut so that the line and the mark of the cut fit; `None` when all of it fits.
    fn cut(&self, width: usize) -> Option<usize> {
        let (mut columns, mut room_for_mark) = (0, 0);
        for (at, c) in self.text.char_indices() {
            columns += c.width().unwrap_or(0);
            if columns > width {
                return Some(room_for_mark);
            }
            if columns < width {
                room_for_mark = at + c.len_utf8();
            }
        }
        None
    }

    /// The spaces around one of them.
    fn around(&self, space: usize) -> (usize, usize) {
        let (before, after) = self.text.split_at(space);
        (before.trim_end_matches(' ').len(), self.text.len() - after.trim_start_matches(' ').len())
    }

    /// Where each row but the last one ends, and where the next one starts: at spaces if there are any, which are left
    /// out, else anywhere.
    fn breaks(&self, width: usize, hang: &Hang) -> Vec<(usize, usize)> {
        let indent = columns(&hang.indent);
        if width < indent + MIN_ROW {
            return Vec::new();
        }
        let mut breaks = Vec::new();
        let (mut taken, mut space) = (0, None);
        for (at, c) in self.text.char_indices() {
            if c == ' ' && at > hang.from {
                space = Some(at);
            }
            if taken + c.width().unwrap_or(0) > width {
                let (end, next) = space.take().map_or((at, at), |space| self.around(space));
                breaks.push((end, next));
                taken = indent + columns(self.text.get(next..at).unwrap_or_default());
            }
            taken += c.width().unwrap_or(0);
        }
        breaks
    }
}

/// How wide text from the lake is.
pub(crate) fn data_columns(data: &str) -> usize {
    columns(&Escaped(data).to_string())
}

fn columns(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

fn write_piece(out: &mut dyn Write, style: Style, text: &str) -> io::Result<()> {
    if style == PLAIN || text.is_empty() {
        return out.write_all(text.as_bytes());
    }
    write!(out, "{}{text}{}", style.render(), style.render_reset())
}

pub(crate) fn level_style(level: Level) -> Style {
    match level {
        Level::ERROR => BAD,
        Level::WARN => WARN,
        Level::INFO => PLAIN,
        _ => DIM,
    }
}

pub(crate) fn status_style(status: Status) -> Style {
    match status {
        Status::Succeeded => GOOD,
        Status::Failed => BAD,
        Status::Cancelled => WARN,
        Status::Interrupted => LOST,
        Status::Open => BUSY,
    }
}

/// One column that says how a task stands.
pub(crate) fn status_mark(status: Status) -> &'static str {
    match status {
        Status::Succeeded => "✓",
        Status::Failed => "✗",
        Status::Cancelled => "⊘",
        Status::Interrupted => "!",
        Status::Open => "▸",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &Line, color: bool, width: Option<usize>) -> String {
        let mut out = Vec::new();
        line.write(&mut out, color, width).expect("write to memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_line_is_cut_by_columns_and_not_by_bytes() {
        let mut line = Line::new();
        line.put(PLAIN, "ab").data(BOLD, "日本語x");
        let table = [
            (9, "ab日本語x\n"),
            (8, "ab日本…\n"),
            (7, "ab日本…\n"),
            (6, "ab日…\n"),
            (3, "ab…\n"),
            (1, "…\n"),
            (0, "…\n"),
        ];
        for (width, expected) in table {
            assert_eq!(written(&line, false, Some(width)), expected, "{width} columns");
        }
    }

    #[test]
    fn a_hanging_line_is_broken_at_spaces_and_loses_nothing() {
        let mut line = Line::new();
        line.put(DIM, "│ ").put(BAD, "error: ").hang("│        ").put(PLAIN, "it broke while it was reading");
        let rows = "│ error: it broke while it was\n│        reading\n";
        assert_eq!(written(&line, false, Some(30)), rows);
        assert_eq!(written(&line, false, None), "│ error: it broke while it was reading\n");
        assert_eq!(written(&line, false, Some(20)), "│ error: it broke while it was reading\n", "too narrow");
        assert_eq!(written(line.keep(), false, Some(30)), written(&line, false, None));

        let mut line = Line::new();
        line.hang("  ").put(PLAIN, "x".repeat(50));
        let rows = format!("{}\n  {}\n  {}\n", "x".repeat(22), "x".repeat(20), "x".repeat(8));
        assert_eq!(written(&line, false, Some(22)), rows);
    }

    #[test]
    fn a_column_is_as_wide_as_what_is_seen_of_it() {
        let mut line = Line::new();
        line.column(PLAIN, "日本", 6).column(PLAIN, "\u{7}", 6).column(PLAIN, "long", 2).put(PLAIN, "|");
        assert_eq!(written(&line, false, None), "日本  \\u{7} long|\n");
    }

    #[test]
    fn colour_is_written_only_where_it_is_wanted() {
        let mut line = Line::new();
        line.put(PLAIN, "a").put(BAD, "b").put(DIM, "");
        assert_eq!(written(&line, false, None), "ab\n");
        assert_eq!(written(&line, true, None), "a\u{1b}[1m\u{1b}[31mb\u{1b}[0m\n");
    }

    #[test]
    fn data_can_neither_act_nor_break_the_line() {
        let mut line = Line::new();
        line.data(PLAIN, "a\u{1b}[31m\r\nb\u{202e}c\u{7}\u{9b}\u{2028}");
        assert_eq!(written(&line, false, None), "a\\u{1b}[31m\\r\\nb\\u{202e}c\\u{7}\\u{9b}\\u{2028}\n");
    }
}
