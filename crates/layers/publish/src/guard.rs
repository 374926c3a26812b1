//! The guard that ends publishing well.

use std::time::Duration;

use spanlake_core::{Error, Report};

use crate::handle::{PublishHandle, Running};

/// Ends publishing when it is dropped: sends what was recorded, within the shutdown timeout. Hold it in `main`.
///
/// A guard that is leaked or lives in a `static` is never dropped, and nothing is when the process ends by `exit`, by a signal or
/// by a panic that cannot unwind. With a [spool](crate::PublishLayerBuilder::spool) what was not sent then is sent at the next
/// start.
#[derive(Debug)]
#[must_use = "dropping the guard at once ends publishing at once; hold it until the end of `main`"]
pub struct Guard {
    handle: PublishHandle,
    /// An end that ran out of time is not given its time again when the guard goes.
    ended: bool,
}

impl Guard {
    pub(crate) fn new(running: Running) -> Self {
        Self { handle: PublishHandle::new(running), ended: false }
    }

    /// What other parts of the program flush and end publishing with.
    pub fn handle(&self) -> PublishHandle {
        self.handle.clone()
    }

    /// Sends everything recorded so far and waits at most `timeout` until the other side has it.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.handle.flush(timeout)
    }

    /// What became of the records so far; waits for nothing.
    pub fn report(&self) -> Report {
        self.handle.report()
    }

    /// Flushes and stops, waiting at most `timeout`. An error says that the time was not enough; what had been done by
    /// then is in its context. Losses are no error: they are in the report.
    pub fn shutdown(mut self, timeout: Duration) -> Result<Report, Error> {
        self.ended = true;
        self.handle.shutdown(timeout)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ended {
            let running = self.handle.running();
            running.shutdown(running.timeout);
        }
    }
}
