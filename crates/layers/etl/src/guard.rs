//! The guard that ends a job.

use std::sync::Arc;
use std::time::Duration;

use spanlake_core::Error;

use crate::handle::JobHandle;
use crate::metrics::JobMetrics;
use crate::report::JobReport;
use crate::shared::Shared;
use spanlake_lake::runs::{RunRow, Stem};

/// A job that goes on. Hold it in `main`, and [`finish`](Self::finish) it.
///
/// Dropping it finishes it too, with nobody to tell what became of it. A process that ends without either leaves its
/// session to be closed, as `interrupted`, by the next start or by `spanlake recover`.
#[derive(Debug)]
#[must_use = "dropping the job at once finishes it at once; hold it until the end of `main`"]
pub struct Job {
    handle: JobHandle,
    timeout: Duration,
    is_finished: bool,
}

impl Job {
    pub(crate) fn new(shared: Arc<Shared>, timeout: Duration) -> Self {
        Self { handle: JobHandle::new(shared), timeout, is_finished: false }
    }

    /// What other parts of the program log, flush and count with.
    pub fn handle(&self) -> JobHandle {
        self.handle.clone()
    }

    /// See [`JobHandle::log`].
    pub fn log(&self, run: RunRow) -> bool {
        self.handle.log(run)
    }

    /// See [`JobHandle::flush`].
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        self.handle.flush(timeout)
    }

    /// See [`JobHandle::metrics`].
    pub fn metrics(&self) -> JobMetrics {
        self.handle.metrics()
    }

    /// What the session is called in the names of its files.
    pub fn session(&self) -> Option<Stem> {
        self.handle.session()
    }

    /// Ends the job: writes its runs and its summary, waiting at most for the builder's
    /// [`finish_timeout`](crate::EtlLayerBuilder::finish_timeout). Runs that are still open get a row that says so, with
    /// the status `running`; those that end afterwards are counted and have no row.
    ///
    /// Each file is written whatever becomes of the others, and what can be tried again is until the time is over. An
    /// error says that not all of them could be; then [`JobHandle::report`] has the rest, and what was not written is
    /// from the log at the next start, if that lets itself be read.
    pub fn finish(mut self) -> Result<JobReport, Error> {
        self.is_finished = true;
        self.handle.finish(self.timeout)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_finished {
            // There is nobody to tell.
            let _ = self.handle.finish(self.timeout);
        }
    }
}
