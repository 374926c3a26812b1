//! What the log says of parts that fail: which one, why, and that it works again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use spanlake_core::render::escape::Escaped;

use crate::collector::Part;

/// How long nothing has to fail until it is said that something works again.
const QUIET: Duration = Duration::from_secs(30);

/// How often it is said again that something still fails.
const AGAIN: Duration = Duration::from_secs(600);

/// Looks at all parts from time to time, and finds what to say.
#[derive(Debug, Default)]
pub(super) struct Watch {
    parts: HashMap<String, Seen>,
}

/// What was seen of a part.
#[derive(Debug, Default)]
struct Seen {
    errors: u64,
    dead: u64,
    lost: u64,
    failed_at: Option<Instant>,
    told_at: Option<Instant>,
}

impl Watch {
    /// The lines that are to be said now.
    pub(super) fn look(&mut self, parts: Vec<Part>, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        self.parts.retain(|name, _| parts.iter().any(|part| part.name == *name));
        for part in parts {
            let seen = self.parts.entry(part.name.clone()).or_default();
            lines.extend(seen.compare(&part, now).into_iter().map(|text| format!("{}: {text}", part.name)));
        }
        lines
    }
}

impl Seen {
    fn compare(&mut self, part: &Part, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        let why = || Escaped(part.last_error.as_deref().unwrap_or("for an unknown reason")).to_string();
        let is_for_long =
            |since: Option<Instant>, long| since.is_none_or(|at| now.saturating_duration_since(at) >= long);
        if part.errors > self.errors {
            if self.failed_at.is_none() || is_for_long(self.told_at, AGAIN) {
                lines.push(format!("{}: {}", if self.failed_at.is_none() { "fails" } else { "still fails" }, why()));
                self.told_at = Some(now);
            }
            self.failed_at = Some(now);
        } else if self.failed_at.is_some() && !part.is_failing && is_for_long(self.failed_at, QUIET) {
            lines.push("works again".to_owned());
            self.failed_at = None;
        }
        if part.dead > self.dead {
            lines.push(format!("{} records went to its dead letters: {}", part.dead - self.dead, why()));
        }
        if part.lost > self.lost {
            let lost = part.lost - self.lost;
            lines.push(format!("{lost} records are lost, for its dead letters are full: {}", why()));
        }
        (self.errors, self.dead, self.lost) = (part.errors, part.dead, part.lost);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(errors: u64, dead: u64, is_failing: bool) -> Vec<Part> {
        let last_error = (errors > 0).then(|| format!("error {errors}"));
        vec![Part { name: "plugin `lake`".to_owned(), errors, dead, lost: dead / 7, is_failing, last_error }]
    }

    #[test]
    fn what_fails_is_said_once_and_again_after_a_while_and_that_it_works_again() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let mut look = |seconds, parts| watch.look(parts, start + Duration::from_secs(seconds)).join("\n");
        assert_eq!(look(0, parts(0, 0, false)), "");
        assert_eq!(look(1, parts(1, 0, true)), "plugin `lake`: fails: error 1");
        assert_eq!(look(2, parts(2, 0, true)), "", "it has been said");
        assert_eq!(look(601, parts(3, 0, true)), "plugin `lake`: still fails: error 3");
        assert_eq!(look(602, parts(3, 0, false)), "", "it may fail again at once");
        assert_eq!(look(700, parts(3, 0, false)), "plugin `lake`: works again");
        assert_eq!(look(701, parts(3, 0, false)), "");
        assert_eq!(
            look(702, parts(4, 7, false)),
            "plugin `lake`: fails: error 4\nplugin `lake`: 7 records went to its dead letters: error 4\n\
             plugin `lake`: 1 records are lost, for its dead letters are full: error 4"
        );
    }

    #[test]
    fn a_pause_between_two_tries_is_not_that_it_works_again() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        watch.look(parts(1, 0, true), start);
        assert!(watch.look(parts(1, 0, true), start + 2 * QUIET).is_empty());
    }
}
