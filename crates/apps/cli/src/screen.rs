//! Where output goes: a terminal with colour and a width, or a pipe without.

use std::io::{self, BufWriter, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use terminal_size::terminal_size_of;

use crate::args::Color;
use crate::line::Line;

/// Writes lines.
pub(crate) struct Screen {
    out: Box<dyn Write>,
    color: bool,
    width: Option<usize>,
}

impl Screen {
    /// The standard output. Lines are cut only when it is a terminal and not `wide`.
    pub(crate) fn stdout(color: Color, wide: bool) -> Self {
        let stdout = io::stdout();
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stdout.is_terminal() && wants_color(),
        };
        let width = if wide || !stdout.is_terminal() { None } else { terminal_size_of(&stdout) };
        let width = width.map(|(width, _)| usize::from(width.0));
        // Only lines put styles, so there is nothing to strip, only old consoles to translate for.
        let out = AutoStream::new(stdout.lock(), if color { ColorChoice::Always } else { ColorChoice::AlwaysAnsi });
        Self { out: Box::new(BufWriter::with_capacity(64 << 10, out)), color, width }
    }

    pub(crate) fn line(&mut self, line: &Line) -> io::Result<()> {
        line.write(&mut self.out, self.color, self.width)
    }

    /// Where bytes go that are no lines for people.
    pub(crate) fn raw(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Shows what was written so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn wants_color() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !no_color && !dumb
}
