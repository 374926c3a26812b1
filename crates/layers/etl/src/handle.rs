//! Using a job from anywhere in the program.

use std::sync::Arc;
use std::time::Duration;

use spanlake_core::{Category, Error, Stage};
use spanlake_lake::runs::{RunRow, Stem};
use uuid::Uuid;

use crate::ending;
use crate::metrics::{JobMetrics, Refusal};
use crate::report::JobReport;
use crate::shared::Shared;

/// Logs runs, flushes and counts for a [`Job`](crate::Job) that is somewhere else; a cheap clone of
/// [`Job::handle`](crate::Job::handle). It ends nothing when it is dropped.
#[derive(Clone, Debug)]
pub struct JobHandle {
    shared: Arc<Shared>,
}

impl JobHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Logs a run that has no span. It gets the job's id, and what the row lacks is filled in: its own id, the operation
    /// `etl`, what follows from other columns, and the status, if it is none of the known words: failed if it has an
    /// error, skipped if an `etl` run read 0 rows, else succeeded. Texts are cut at
    /// [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES). `false` when it has no row, because the job is finished or too many wait; that is counted.
    ///
    /// ```no_run
    /// use spanlake_etl::{EtlLayer, RunRow};
    ///
    /// let (_layer, job) = EtlLayer::builder("lake").build()?;
    /// let mut run = RunRow::new("orders");
    /// run.stage = Some("bronze".to_owned());
    /// run.source_rows_read = Some(500);
    /// job.log(run);
    /// job.finish()?;
    /// # Ok::<(), spanlake_core::Error>(())
    /// ```
    pub fn log(&self, mut run: RunRow) -> bool {
        let row = self.shared.new_row();
        run.job_id = row.job_id;
        run.workspace_id = run.workspace_id.or(row.workspace_id);
        run.dataflow_run_id.get_or_insert_with(|| Uuid::now_v7().to_string());
        run.start_time.get_or_insert_with(|| self.shared.now().utc_us);
        ending::complete_by_hand(&mut run);
        self.shared.ended(None, Some(run))
    }

    /// Waits until the runs that have ended are in the lake's log, and durable, at most for `timeout`. An error says that
    /// they are not.
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        match self.shared.flush(timeout) {
            Some(None) => Ok(()),
            Some(Some(error)) => {
                Err(Error::new(Stage::Dispatch, "Job", Category::Io, "cannot write the log").caused_by(error))
            }
            None => Err(self.late("flush", timeout)),
        }
    }

    /// What the job has come to so far.
    pub fn metrics(&self) -> JobMetrics {
        self.shared.metrics.read(self.shared.job.job_id.as_deref().unwrap_or_default())
    }

    /// What the session is called in the names of its files; `None` in a forked child.
    pub fn session(&self) -> Option<Stem> {
        self.shared.stem()
    }

    /// What became of the job, once it is finished; with the runs that were refused since.
    pub fn report(&self) -> Option<JobReport> {
        let report = self.shared.report()?;
        Some(JobReport { refused: self.shared.metrics.refused(Refusal::Finished), ..report })
    }

    pub(crate) fn finish(&self, timeout: Duration) -> Result<JobReport, Error> {
        let report = self.shared.finish(timeout).ok_or_else(|| self.late("finish", timeout))?;
        if report.is_written {
            return Ok(report);
        }
        let error = Error::new(Stage::Dispatch, "Job", Category::Io, "not everything of the job was written");
        let error = error.with("session", &report.session);
        Err(match report.errors.first() {
            Some(cause) => error.caused_by(Arc::clone(cause)),
            None => error,
        })
    }

    fn late(&self, what: &str, timeout: Duration) -> Error {
        let error = Error::new(Stage::Dispatch, "Job", Category::Io, format!("{what} did not end in time"));
        let error = error.recoverable().with("timeout", format_args!("{timeout:?}"));
        match self.shared.last_error() {
            Some(cause) => error.caused_by(cause),
            None => error,
        }
    }
}
