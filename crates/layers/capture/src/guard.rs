//! The guard that ends capture well.

use std::time::Duration;

use spanlake_core::{Error, Report};

use crate::handle::{CaptureHandle, Running};

/// Ends capture when it is dropped: drains, writes, makes durable, within the shutdown timeout. Hold it in `main`.
///
/// A guard that is leaked or lives in a `static` is never dropped, and nothing is when the process ends by `exit`, by a
/// signal or by a panic that cannot unwind. For those ways out the builder has
/// [`shutdown_at_exit`](crate::CaptureLayerBuilder::shutdown_at_exit),
/// [`shutdown_on_signals`](crate::CaptureLayerBuilder::shutdown_on_signals) and
/// [`shutdown_on_fatal_panic`](crate::CaptureLayerBuilder::shutdown_on_fatal_panic).
#[derive(Debug)]
#[must_use = "dropping the guard at once ends capture at once; hold it until the end of `main`"]
pub struct Guard {
    handle: CaptureHandle,
    /// An end that ran out of time is not given its time again when the guard goes.
    ended: bool,
}

impl Guard {
    pub(crate) fn new(running: Running) -> Self {
        Self { handle: CaptureHandle::new(running), ended: false }
    }

    /// What other parts of the program flush and end this capture with.
    pub fn handle(&self) -> CaptureHandle {
        self.handle.clone()
    }

    /// Writes everything recorded so far and makes it durable and visible, waiting at most `timeout`.
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
        let running = self.handle.running();
        if !self.ended && running.has_sinks() {
            running.shutdown(running.timeout);
        }
    }
}
