//! How begins and ends of tasks are put into words.

use crate::record::{End, Kind, Outcome, Record};

/// How begins and ends of tasks are put into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// The task's message at its begin and at its end.
    #[default]
    Plain,
    /// `Begin: X`, then `End (0.50): X` in seconds, with `Error in X` before it when the task failed.
    Timed,
}

impl Lifecycle {
    /// How this record is put into words: a task that was made to be timed is, whatever is done with others.
    pub(super) fn of(self, record: &Record<'_>) -> Self {
        if record.is_timed() { Self::Timed } else { self }
    }

    /// Calls `each` with what is to be said: once, or twice for a failed end in the timed form.
    pub(super) fn each(self, record: &Record<'_>, mut each: impl FnMut(&str)) {
        let message = &*record.message;
        match (self.of(record), record.kind, record.end()) {
            (Self::Timed, Kind::Begin, _) => each(&format!("Begin: {message}")),
            (Self::Timed, Kind::End, Some(end)) => timed_end(message, end, each),
            _ => each(message),
        }
    }

    /// What is said last, for renderings that have one line for a record.
    pub(super) fn last(self, record: &Record<'_>) -> String {
        let mut last = String::new();
        self.each(record, |words| words.clone_into(&mut last));
        last
    }
}

fn timed_end(message: &str, end: &End<'_>, mut each: impl FnMut(&str)) {
    let end_of = |message| format!("End ({:.2}): {message}", end.duration_ns as f64 / 1e9);
    if end.outcome != Outcome::Failed {
        return each(&end_of(message));
    }
    let message = message.strip_prefix("FAILED ").unwrap_or(message);
    each(&format!("Error in {message}"));
    each(&end_of(message));
}

/// Whether text renderings leave the record out: the end of a task that succeeded with `success("")`.
pub fn is_quiet(record: &Record<'_>) -> bool {
    record.end().is_some_and(|end| end.quiet)
}
