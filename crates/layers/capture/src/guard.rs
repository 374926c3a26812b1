//! The guard that ends capture well.

use std::time::Duration;

use spanlake_core::{Buffer, Category, Error, Pump, Report, Stage};

/// Ends capture when it is dropped: drains, writes, makes durable, within the shutdown timeout. Hold it in `main`.
///
/// A guard that is leaked or lives in a `static` is never dropped; then call [`Guard::flush`] at the end.
#[derive(Debug)]
#[must_use = "dropping the guard at once ends capture at once; hold it until the end of `main`"]
pub struct Guard {
    buffer: Buffer,
    pump: Option<Pump>,
    timeout: Duration,
}

impl Guard {
    pub(crate) fn new(buffer: Buffer, pump: Option<Pump>, timeout: Duration) -> Self {
        Self { buffer, pump, timeout }
    }

    /// Writes everything recorded so far and makes it durable and visible, waiting at most `timeout`.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.pump.as_ref().map_or_else(|| self.report(), |pump| pump.flush(timeout))
    }

    /// What became of the records so far; waits for nothing.
    pub fn report(&self) -> Report {
        self.pump.as_ref().map_or_else(|| in_memory(&self.buffer), Pump::report)
    }

    /// Flushes and stops, waiting at most `timeout`. An error says that the time was not enough; what had been done by
    /// then is in its context. Losses are no error: they are in the report.
    pub fn shutdown(mut self, timeout: Duration) -> Result<Report, Error> {
        let report = self.stop(timeout);
        if !report.timed_out {
            return Ok(report);
        }
        let error = Error::new(Stage::Dispatch, "Guard", Category::Io, "shutdown did not finish in time");
        Err(error.with("timeout", format_args!("{timeout:?}")).with("report", &report))
    }

    fn stop(&mut self, timeout: Duration) -> Report {
        match self.pump.take() {
            Some(pump) => pump.shutdown(timeout),
            None => {
                self.buffer.close();
                in_memory(&self.buffer)
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.pump.is_some() {
            self.stop(self.timeout);
        }
    }
}

/// The report of a buffer that no pump drains: what is in it is pending.
fn in_memory(buffer: &Buffer) -> Report {
    let losses = buffer.losses();
    let recorded = buffer.recorded();
    let lost = losses.total();
    let mut report = Report::default();
    (report.recorded, report.lost, report.losses) = (recorded, lost, losses);
    report.pending = recorded.saturating_sub(lost);
    report
}
