//! What is told on stderr: errors, and what could not be read.

use std::collections::HashSet;
use std::error::Error as _;
use std::fmt::Write;

use spanlake_core::Error;
use spanlake_core::render::escape::Escaped;
use spanlake_query::Damage;

/// Most notes that are printed; the rest is counted.
const MAX_NOTES: usize = 20;

/// Prints each damage once.
pub(crate) struct Notes {
    told: HashSet<String>,
    untold: usize,
}

impl Notes {
    pub(crate) fn new() -> Self {
        Self { told: HashSet::new(), untold: 0 }
    }

    pub(crate) fn tell(&mut self, damages: &[Damage]) {
        for damage in damages {
            let note = Escaped(&damage.to_string()).to_string();
            if self.told.len() >= MAX_NOTES {
                self.untold += 1;
            } else if !self.told.contains(&note) {
                eprint_line(&format!("spanlake: note: {note}"));
                self.told.insert(note);
            }
        }
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        if self.untold > 0 {
            eprint_line(&format!("spanlake: note: and {} more", self.untold));
        }
    }
}

/// The code, the message, and the causes indented.
pub(crate) fn print_error(error: &Error) {
    let mut text = format!("spanlake: {}: {}", error.code(), Escaped(&error.to_string()));
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n  caused by: {}", Escaped(&cause.to_string()));
        next = cause.source();
    }
    eprint_line(&text);
}

/// A closed stderr must not end the program, as `eprintln!` would.
fn eprint_line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}
