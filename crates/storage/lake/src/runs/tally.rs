//! What runs come to: the totals, the status and the words of their job.

use std::collections::HashSet;
use std::fmt::Write;

use spanlake_core::render::put_json_text;

use super::job::JobRow;
use super::run::RunRow;
use super::word::RunStatus;

/// Most bytes of labels in a job's error, and most stages that are told apart; what comes behind is counted.
const MAX_ERROR_BYTES: usize = 64 << 10;
const MAX_STAGES: usize = 1_000;

/// The runs of a job, added up as they end.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    totals: JobRow,
    counts: [i64; RunStatus::ALL.len()],
    error: String,
    unnamed: u64,
    stages: Vec<String>,
    known_stages: HashSet<String>,
}

impl Tally {
    /// Adds a run. Its rows count unless it is a maintenance run; its files and bytes always do.
    pub fn add(&mut self, run: &RunRow) {
        let totals = &mut self.totals;
        add(&mut totals.total_dataflows, Some(1));
        if !run.is_maintenance() {
            add(&mut totals.total_rows_read, run.source_rows_read);
            add(&mut totals.total_rows_written, run.destination_rows_written);
            add(&mut totals.total_rows_inserted, run.destination_rows_inserted);
            add(&mut totals.total_rows_updated, run.destination_rows_updated);
            add(&mut totals.total_rows_deleted, run.destination_rows_deleted);
        }
        add(&mut totals.total_files_added, run.destination_files_added);
        add(&mut totals.total_files_removed, run.destination_files_removed);
        add(&mut totals.total_bytes_added, run.destination_bytes_added);
        add(&mut totals.total_bytes_removed, run.destination_bytes_removed);
        self.add_status(run);
        self.add_stage(run.stage.as_deref().unwrap_or_default());
    }

    /// Runs so far.
    pub fn runs(&self) -> u64 {
        self.totals.total_dataflows.unwrap_or(0).unsigned_abs()
    }

    /// Runs so far with this status.
    pub fn count(&self, status: RunStatus) -> i64 {
        self.counts[status as usize]
    }

    /// Puts what the runs came to into the row of their job.
    pub fn fill(&self, job: &mut JobRow) {
        let told = std::mem::take(job);
        *job = JobRow {
            stages: self.stages_text(),
            status: Some(self.status().as_str().to_owned()),
            error_message: self.error_text(),
            total_dataflows: Some(self.totals.total_dataflows.unwrap_or(0)),
            total_succeeded: Some(self.count(RunStatus::Succeeded)),
            total_failed: Some(self.count(RunStatus::Failed)),
            total_skipped: Some(self.count(RunStatus::Skipped)),
            total_rows_read: Some(self.totals.total_rows_read.unwrap_or(0)),
            total_rows_written: Some(self.totals.total_rows_written.unwrap_or(0)),
            total_rows_inserted: Some(self.totals.total_rows_inserted.unwrap_or(0)),
            total_rows_updated: Some(self.totals.total_rows_updated.unwrap_or(0)),
            total_rows_deleted: Some(self.totals.total_rows_deleted.unwrap_or(0)),
            total_files_added: Some(self.totals.total_files_added.unwrap_or(0)),
            total_files_removed: Some(self.totals.total_files_removed.unwrap_or(0)),
            total_bytes_added: Some(self.totals.total_bytes_added.unwrap_or(0)),
            total_bytes_removed: Some(self.totals.total_bytes_removed.unwrap_or(0)),
            ..told
        };
    }

    /// Failed if a run failed, else succeeded if one did, else skipped if one was, else pending.
    pub fn status(&self) -> RunStatus {
        let order = [RunStatus::Failed, RunStatus::Succeeded, RunStatus::Skipped];
        order.into_iter().find(|status| self.count(*status) > 0).unwrap_or(RunStatus::Pending)
    }

    fn add_status(&mut self, run: &RunRow) {
        let Some(status) = run.known_status() else {
            return;
        };
        self.counts[status as usize] += 1;
        if status != RunStatus::Failed {
            return;
        }
        let label = run.label();
        if self.error.len() + label.len() > MAX_ERROR_BYTES {
            self.unnamed += 1;
            return;
        }
        let space = if self.error.is_empty() { "" } else { " " };
        // Writing to a text cannot fail.
        let _ = write!(self.error, "{space}{label};");
    }

    fn add_stage(&mut self, stage: &str) {
        if stage.is_empty() || self.stages.len() >= MAX_STAGES || self.known_stages.contains(stage) {
            return;
        }
        self.known_stages.insert(stage.to_owned());
        self.stages.push(stage.to_owned());
    }

    /// A label for each failed run, `b; n-c;`; `None` when none failed.
    pub fn error_text(&self) -> Option<String> {
        match (self.error.is_empty(), self.unnamed) {
            (true, 0) => None,
            (_, 0) => Some(self.error.clone()),
            (_, unnamed) => Some(format!("{} and {unnamed} more;", self.error)),
        }
    }

    fn stages_text(&self) -> Option<String> {
        match &self.stages[..] {
            [] => None,
            [stage] => Some(stage.clone()),
            stages => Some(json_array(stages)),
        }
    }
}

/// Texts as a JSON array.
pub fn json_array<T: AsRef<str>>(texts: &[T]) -> String {
    let mut json = vec![b'['];
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        put_json_text(&mut json, text.as_ref());
    }
    json.push(b']');
    String::from_utf8(json).unwrap_or_default()
}

fn add(total: &mut Option<i64>, value: Option<i64>) {
    if let Some(value) = value {
        *total = Some(total.unwrap_or(0).saturating_add(value));
    }
}
