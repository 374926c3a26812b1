//! Flushing and ending capture from anywhere in the program.

use std::sync::Arc;
use std::time::Duration;

use spanlake_core::{Buffer, Category, Error, Plan, Pump, Redactor, Report, SinkReport, Stage};
use spanlake_scope::Verbosity;

/// Flushes or ends a capture whose [`Guard`](crate::Guard) is somewhere else; a cheap clone of
/// [`Guard::handle`](crate::Guard::handle).
///
/// It ends nothing when it is dropped. After the end, whoever brought it about, everything here answers at once: with
/// the final report, or, when that end ran out of time, with what has been done since.
#[derive(Clone, Debug)]
pub struct CaptureHandle {
    running: Arc<Running>,
}

/// What a guard and its handles share.
#[derive(Debug)]
pub(crate) struct Running {
    buffer: Buffer,
    pump: Option<Pump>,
    verbosity: Verbosity,
    redactor: Option<Redactor>,
    /// How long an end may take that names no time itself.
    pub(crate) timeout: Duration,
}

/// The longest an end that drops no guard waits for the sinks when a spool has everything.
const LONGEST_SPOOLED_END: Duration = Duration::from_secs(1);

// === impl CaptureHandle ===

impl CaptureHandle {
    pub(crate) fn new(running: Running) -> Self {
        Self { running: Arc::new(running) }
    }

    pub(crate) fn running(&self) -> &Arc<Running> {
        &self.running
    }

    /// Writes everything recorded so far and makes it durable and visible, waiting at most `timeout`.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.running.flush(timeout)
    }

    /// What became of the records so far; waits for nothing.
    pub fn report(&self) -> Report {
        self.running.report()
    }

    /// Puts other processors, sinks and routing in place of those so far, between two batches, waiting at most `timeout`;
    /// gives the last reports of the sinks that are gone. An error leaves everything as it was. Nothing that was recorded
    /// is lost or written twice. What exactly happens to sinks, and with a spool, is said at [`Pump::reconfigure`].
    ///
    /// Whoever listens to a signal or watches a file calls this. A capture that was built without a sink has nothing to
    /// reconfigure.
    ///
    /// ```
    /// use std::time::Duration;
    /// use spanlake_capture::CaptureLayer;
    /// use spanlake_core::{Logger, Plan, Routing, Sink};
    ///
    /// # use spanlake_core::{Batch, Error};
    /// # struct Console;
    /// # impl Sink for Console {
    /// #     fn name(&self) -> &str { "console" }
    /// #     fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> { Ok(()) }
    /// #     fn flush(&mut self) -> Result<(), Error> { Ok(()) }
    /// # }
    /// # struct Audit;
    /// # impl Sink for Audit {
    /// #     fn name(&self) -> &str { "audit" }
    /// #     fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> { Ok(()) }
    /// #     fn flush(&mut self) -> Result<(), Error> { Ok(()) }
    /// # }
    /// let (capture, guard) = CaptureLayer::builder().sink(Console).build()?;
    /// let routing = Routing::builder().logger(Logger::new("orders").sinks(["audit"])).build()?;
    /// let plan = Plan::new().keep("console").sink(Audit).routing(routing);
    /// guard.handle().reconfigure(plan, Duration::from_secs(5))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reconfigure(&self, plan: Plan, timeout: Duration) -> Result<Vec<SinkReport>, Error> {
        let nothing = || Error::new(Stage::Dispatch, "Guard", Category::Configuration, "it was built without a sink");
        self.running.pump.as_ref().ok_or_else(nothing)?.reconfigure(plan, timeout)
    }

    /// What decides which records are kept, and can change its mind.
    pub fn verbosity(&self) -> &Verbosity {
        &self.running.verbosity
    }

    /// Flushes and stops, waiting at most `timeout`. What is recorded afterwards is lost with cause `closed`. An error
    /// says that the time was not enough; what had been done by then is in its context. Losses are no error: they are
    /// in the report.
    pub fn shutdown(&self, timeout: Duration) -> Result<Report, Error> {
        let report = self.running.shutdown(timeout);
        if !report.timed_out {
            return Ok(report);
        }
        let error = Error::new(Stage::Dispatch, "Guard", Category::Io, "shutdown did not finish in time");
        Err(error.with("timeout", format_args!("{timeout:?}")).with("report", &report))
    }
}

// === impl Running ===

impl Running {
    pub(crate) fn new(buffer: Buffer, pump: Option<Pump>, timeout: Duration, verbosity: Verbosity) -> Self {
        Self { buffer, pump, verbosity, redactor: None, timeout }
    }

    pub(crate) fn redactor(mut self, redactor: Option<Redactor>) -> Self {
        self.redactor = redactor;
        self
    }

    fn flush(&self, timeout: Duration) -> Report {
        self.pump.as_ref().map_or_else(|| self.report(), |pump| self.counted(pump.flush(timeout)))
    }

    /// Whether there is anything to end: records in memory wait for whoever drains them.
    pub(crate) fn has_sinks(&self) -> bool {
        self.pump.is_some()
    }

    pub(crate) fn shutdown(&self, timeout: Duration) -> Report {
        match &self.pump {
            Some(pump) => self.counted(pump.shutdown(timeout)),
            None => {
                self.buffer.close();
                self.buffer.close_spool();
                self.report()
            }
        }
    }

    /// What is done where the process ends and no guard is dropped. With a spool nothing has to be refused from now on:
    /// what other threads record until the very end is recovered at the next start, and so is what takes the sinks too long.
    pub(crate) fn end(&self, timeout: Duration) -> Report {
        match &self.pump {
            Some(_) if self.buffer.is_spooled() => self.flush(timeout.min(LONGEST_SPOOLED_END)),
            _ => self.shutdown(timeout),
        }
    }

    fn report(&self) -> Report {
        self.counted(self.pump.as_ref().map_or_else(|| in_memory(&self.buffer), Pump::report))
    }

    /// A report with what was redacted, of which the pump knows nothing.
    fn counted(&self, mut report: Report) -> Report {
        report.redacted = self.redactor.as_ref().map(Redactor::counts).unwrap_or_default();
        report
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
