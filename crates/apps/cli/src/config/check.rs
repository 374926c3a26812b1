//! `spanlake config check`: everything that is wrong, each with its place and what was probably meant.

use spanlake_config::{Diagnostic, Diagnostics, Excerpt};

use super::read;
use crate::Failure;
use crate::args::CheckArgs;
use crate::line::{BAD, BOLD, DIM, GOOD, Line, PLAIN};
use crate::screen::Screen;
use crate::words;

pub(super) fn run(args: &CheckArgs, screen: &mut Screen) -> Result<(), Failure> {
    let mut is_right = true;
    for file in &args.files {
        let name = file.to_string_lossy();
        match read(file, args.env) {
            Ok(_) => screen.line(Line::new().put(GOOD, "✓ ").data(PLAIN, &name))?,
            Err(wrong) => {
                is_right = false;
                put_all(screen, &wrong)?;
                let faults = words::counted(wrong.count() as u64, "fault");
                screen.line(Line::new().put(BAD, "✗ ").data(PLAIN, &name).put(DIM, format_args!("  {faults}")))?;
            }
        }
    }
    screen.flush()?;
    if is_right { Ok(()) } else { Err(Failure::Told) }
}

/// All diagnostics, with an empty line behind each.
pub(super) fn put_all(screen: &mut Screen, wrong: &Diagnostics) -> Result<(), Failure> {
    for diagnostic in wrong.iter() {
        put(screen, diagnostic)?;
        screen.line(&Line::new())?;
    }
    let untold = wrong.count() - wrong.iter().count();
    if untold > 0 {
        screen.line(Line::new().put(DIM, format_args!("and {untold} more")))?;
    }
    Ok(())
}

fn put(screen: &mut Screen, diagnostic: &Diagnostic) -> Result<(), Failure> {
    let number = diagnostic.position.map_or_else(String::new, |(line, _)| line.to_string());
    let margin = " ".repeat(number.len());
    screen.line(Line::new().put(BAD, "error").put(BOLD, ": ").data(BOLD, &diagnostic.message))?;
    screen.line(Line::new().put(DIM, format_args!("{margin}--> ")).data(PLAIN, &diagnostic.place()))?;
    if let Some(excerpt) = &diagnostic.excerpt {
        put_excerpt(screen, excerpt, &number)?;
    }
    for (name, note) in diagnostic.notes() {
        screen.line(
            Line::new().put(DIM, format_args!("{margin} = ")).put(BOLD, name).put(PLAIN, ": ").data(PLAIN, note),
        )?;
    }
    Ok(())
}

/// What is in an excerpt was escaped when it was made.
fn put_excerpt(screen: &mut Screen, excerpt: &Excerpt, number: &str) -> Result<(), Failure> {
    let margin = " ".repeat(number.len());
    screen.line(Line::new().put(DIM, format_args!("{margin} |")))?;
    let mut line = Line::new();
    line.put(DIM, format_args!("{number} | ")).put(PLAIN, &excerpt.before);
    screen.line(line.put(BAD, &excerpt.wrong).put(PLAIN, &excerpt.after))?;
    let (spaces, carets) = (" ".repeat(excerpt.indent()), "^".repeat(excerpt.carets()));
    Ok(screen.line(Line::new().put(DIM, format_args!("{margin} | {spaces}")).put(BAD, carets))?)
}
