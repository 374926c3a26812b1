//! Flushing and ending publishing from anywhere in the program.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use spanlake_core::clock::deadline;
use spanlake_core::sync::{Mutex, join_until, lock};
use spanlake_core::{Buffer, Category, Error, Redactor, Report, SinkReport, Stage};
use spanlake_scope::Verbosity;

use crate::desk::Desk;

/// Flushes or ends publishing whose [`Guard`](crate::Guard) is somewhere else; a cheap clone of
/// [`Guard::handle`](crate::Guard::handle). It ends nothing when it is dropped.
#[derive(Clone, Debug)]
pub struct PublishHandle {
    running: Arc<Running>,
}

/// What a guard and its handles share.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) buffer: Buffer,
    pub(crate) desk: Arc<Desk>,
    pub(crate) name: String,
    pub(crate) verbosity: Verbosity,
    pub(crate) redactor: Option<Redactor>,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
    /// How long an end may take that names no time itself.
    pub(crate) timeout: Duration,
}

// === impl PublishHandle ===

impl PublishHandle {
    pub(crate) fn new(running: Running) -> Self {
        Self { running: Arc::new(running) }
    }

    pub(crate) fn running(&self) -> &Arc<Running> {
        &self.running
    }

    /// Sends everything recorded so far and waits at most `timeout` until the other side has it.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.running.flush(timeout)
    }

    /// What became of the records so far; waits for nothing.
    pub fn report(&self) -> Report {
        self.running.report()
    }

    /// What decides which records are sent, and can change its mind.
    pub fn verbosity(&self) -> &Verbosity {
        &self.running.verbosity
    }

    /// Flushes and stops, waiting at most `timeout`. What is recorded afterwards is lost with cause `closed`. An error says
    /// that the time was not enough; what had been done by then is in its context.
    pub fn shutdown(&self, timeout: Duration) -> Result<Report, Error> {
        let report = self.running.shutdown(timeout);
        if !report.timed_out {
            return Ok(report);
        }
        let error = Error::new(Stage::Dispatch, "Guard", Category::Io, "shutdown did not finish in time");
        let error = error.with("timeout", format_args!("{timeout:?}")).with("report", &report);
        // Who sees nothing but this is to know that a token is wrong, or a collector away.
        let failed = report.sinks.first().and_then(|sink| sink.last_error.as_ref());
        Err(match failed {
            Some(failed) => error.with("failed", failed),
            None => error,
        })
    }
}

// === impl Running ===

impl Running {
    fn flush(&self, timeout: Duration) -> Report {
        self.command(false, deadline(timeout))
    }

    pub(crate) fn shutdown(&self, timeout: Duration) -> Report {
        let deadline = deadline(timeout);
        if !self.in_child() {
            self.buffer.close();
        }
        let report = self.command(true, deadline);
        if !report.timed_out && !self.in_child() {
            join_until(&mut lock(&self.thread), deadline);
        }
        report
    }

    /// A forked child has no thread to wait for, and a transport that flushes its own publisher would wait for itself.
    fn command(&self, stops: bool, deadline: Instant) -> Report {
        let is_hopeless = self.in_child() || self.is_own_thread();
        let is_done = !is_hopeless && self.desk.command(stops, || self.unpark(), deadline);
        let mut report = self.report();
        report.timed_out = !is_done;
        report
    }

    fn report(&self) -> Report {
        let board = self.desk.board().clone();
        let mut report = Report::default();
        report.losses = self.buffer.losses();
        report.recorded = self.buffer.recorded();
        report.lost = report.losses.total();
        report.written = board.written.min(report.recorded.saturating_sub(report.lost));
        report.pending = report.recorded.saturating_sub(report.lost + report.written);
        report.spool = self.buffer.spool_report();
        report.redacted = self.redactor.as_ref().map(Redactor::counts).unwrap_or_default();
        let mut sink = SinkReport::default();
        (sink.name, sink.state) = (self.name.clone(), board.state);
        (sink.written, sink.pending) = (report.written, report.pending);
        (sink.errors, sink.last_error) = (board.errors, board.last_error);
        report.sinks.push(sink);
        report
    }

    fn unpark(&self) {
        if let Some(thread) = &*lock(&self.thread) {
            thread.thread().unpark();
        }
    }

    fn in_child(&self) -> bool {
        std::process::id() != self.buffer.source().pid
    }

    fn is_own_thread(&self) -> bool {
        let own = std::thread::current().id();
        lock(&self.thread).as_ref().is_some_and(|thread| thread.thread().id() == own)
    }
}
