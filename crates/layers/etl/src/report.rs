//! What became of a job.

use std::fmt;
use std::sync::Arc;

use spanlake_core::Error;
use spanlake_lake::runs::{JobRow, Stem};

/// What became of a job and of its files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobReport {
    /// What the session is called in the names of its files.
    pub session: Stem,
    /// The job's row.
    pub job: JobRow,
    /// Runs that ended after the job was finished, and have no row.
    pub refused: u64,
    /// Runs that have no row for another reason: too many waited, or the process was forked.
    pub lost: u64,
    /// Runs that are missing in the log, because it could not be written to for too long.
    pub unlogged: u64,
    /// Events of the lineage that did not fit, or were refused for good.
    pub lineage_lost: u64,
    /// Events of the lineage that were not where they go in time. The next start with this lineage sends them.
    pub lineage_owed: u64,
    /// Sessions of processes that had gone away, closed when this one began.
    pub recovered: u64,
    /// What failed last: of the log, the runs, the job, the lineage, and of sessions that were to be recovered.
    pub errors: Vec<Arc<Error>>,
    /// Whether everything of this session was written.
    pub is_written: bool,
}

impl JobReport {
    /// Whether everything was written, and nothing lost.
    pub fn is_complete(&self) -> bool {
        let missing = [self.refused, self.lost, self.unlogged, self.lineage_lost, self.lineage_owed];
        self.is_written && missing == [0; 5]
    }
}

/// `3 runs: 2 succeeded, 1 failed; 500 rows read, 480 written`, and what went wrong.
impl fmt::Display for JobReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = &self.job;
        let number = |number: Option<i64>| number.unwrap_or(0);
        write!(f, "{} runs: {} succeeded", number(job.total_dataflows), number(job.total_succeeded))?;
        write!(f, ", {} failed, {} skipped", number(job.total_failed), number(job.total_skipped))?;
        write!(f, "; {} rows read, {} written", number(job.total_rows_read), number(job.total_rows_written))?;
        let losses = [
            ("refused", self.refused),
            ("lost", self.lost),
            ("missing in the log", self.unlogged),
            ("events of the lineage lost", self.lineage_lost),
            ("events of the lineage owed", self.lineage_owed),
        ];
        losses
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .try_for_each(|(word, count)| write!(f, "; {count} {word}"))?;
        if self.is_written { Ok(()) } else { f.write_str("; not everything was written") }
    }
}
