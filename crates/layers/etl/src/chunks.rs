//! The chunks of a replay: runs below it, whose ends decide its own.

use spanlake_lake::runs::{RunRow, RunStatus, Tally};

/// What the chunks of a replay came to.
#[derive(Debug, Default)]
pub(crate) struct Chunks(Tally);

impl Chunks {
    pub(crate) fn add(&mut self, chunk: &RunRow) {
        self.0.add(chunk);
    }

    /// The labels of those that failed; `None` when none did.
    pub(crate) fn failure(&self) -> Option<String> {
        (self.0.count(RunStatus::Failed) > 0).then(|| self.0.error_text().unwrap_or_default())
    }

    /// Whether there were some, and nothing was to do for any.
    pub(crate) fn all_skipped(&self) -> bool {
        let skipped = self.0.count(RunStatus::Skipped);
        skipped > 0 && skipped.unsigned_abs() == self.0.runs()
    }
}
