//! What is asked of a service, with the moment when each part ends: it may lie somewhere until somebody reads it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanlake_core::{Directive, Directives};

use crate::exchange::Verbosity;

/// The levels that a service is asked for, as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Counts the changes; a higher number is newer, also when another collector gave it.
    pub version: u64,
    /// All that is asked for, nothing where it was taken back.
    pub directives: Vec<Timed>,
}

/// A directive without its time, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// As a [`Directive`] is written.
    pub directive: String,
    /// UTC milliseconds since the Unix epoch.
    pub until_ms: Option<i64>,
}

impl Asked {
    /// What is asked for now, with the times that are left.
    pub fn left(&self, now_ms: i64) -> Verbosity {
        let left = self.directives.iter().filter_map(|timed| timed.left(now_ms));
        Verbosity::new(self.version, left.collect::<Directives>().to_string())
    }

    /// Whether anything is asked for now.
    pub fn is_on(&self, now_ms: i64) -> bool {
        self.directives.iter().any(|timed| timed.left(now_ms).is_some())
    }
}

impl Timed {
    /// From now on, for as long as the directive says, or else for `lasts`.
    pub fn new(directive: &Directive, lasts: Option<Duration>, now_ms: i64) -> Self {
        let lasts = directive.lasts().or(lasts);
        let until = |lasts: Duration| now_ms.saturating_add(i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX));
        Self { directive: directive.clone().staying().to_string(), until_ms: lasts.map(until) }
    }

    /// The directive with the time that is left of it; `None` when it is over.
    fn left(&self, now_ms: i64) -> Option<Directive> {
        let directive: Directive = self.directive.parse().ok()?;
        let Some(until_ms) = self.until_ms else {
            return Some(directive);
        };
        let left = u64::try_from(until_ms.saturating_sub(now_ms)).ok().filter(|left| *left > 0)?;
        Some(directive.lasting(Duration::from_millis(left)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lay_about_says_the_time_that_is_left() {
        let directives: Directives = "debug,orders::db=trace/1m".parse().unwrap();
        let timed = |directive| Timed::new(directive, Some(Duration::from_secs(600)), 1_000);
        let asked = Asked { version: 7, directives: directives.iter().map(timed).collect() };
        let read: Asked = serde_json::from_slice(&serde_json::to_vec(&asked).unwrap()).unwrap();
        assert_eq!(read, asked);
        assert_eq!(read.left(1_000), Verbosity::new(7, "debug/10m,orders::db=trace/1m"));
        assert_eq!(read.left(61_000), Verbosity::new(7, "debug/9m"));
        assert!(read.is_on(600_999) && !read.is_on(601_000));
    }
}
