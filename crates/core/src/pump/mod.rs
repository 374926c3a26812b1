//! The pump: the one background thread that drains a buffer, runs the processors and feeds the sinks.
//!
//! It drains at least every [`DEFAULT_DRAIN_EVERY`], at once when a shard's segment is full, and flushes the sinks
//! every [`DEFAULT_FLUSH_EVERY`]. Flush and shutdown have their own slot beside the buffer, so that they never wait
//! behind records and are never dropped with them. Every wait has a deadline.
//!
//! What can be lost here: what a sink could not take for so long that its backlog grew over its bound and no fallback
//! took it (cause `sink`), and a batch whose processor panicked (cause `panicked`).

mod pipe;
mod routing;
mod plan;
mod control;
mod chain;
mod router;
mod kept;
mod outlet;
mod report;
mod worker;

pub use pipe::Pipe;
pub use plan::Plan;
pub use report::{Report, SinkReport, SinkState};
pub use routing::{Logger, Pipeline, Propagate, Routing, RoutingBuilder};

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use crate::buffer::{Buffer, DEFAULT_CAPACITY_BYTES};
use crate::clock::deadline;
use crate::error::{Category, Error, Stage};
use crate::processor::{Processor, Tally};
use crate::pump::control::Control;
use crate::pump::outlet::Outlet;
use crate::pump::plan::Installed;
use crate::pump::worker::Worker;
use crate::sink::{Recipe, Sink};
use crate::spool::OpenTasks;
use crate::sync::{Arc, Mutex, join_until, lock, thread};

/// Default of [`PumpBuilder::drain_every`].
pub const DEFAULT_DRAIN_EVERY: Duration = Duration::from_millis(100);

/// Default of [`PumpBuilder::flush_every`].
pub const DEFAULT_FLUSH_EVERY: Duration = Duration::from_secs(60);

/// What a pump is made from.
#[must_use = "nothing runs until `spawn`"]
pub struct PumpBuilder {
    drain_every: Duration,
    flush_every: Duration,
    backlog_bytes: NonZeroUsize,
    plan: Plan,
}

/// A handle to a running pump; cheap to clone. Dropping it stops nothing.
#[derive(Clone)]
pub struct Pump {
    buffer: Buffer,
    control: Arc<Control>,
    backlog_bytes: NonZeroUsize,
    thread: Arc<Mutex<Option<thread::JoinHandle<()>>>>,
}

// === impl PumpBuilder ===

impl Default for PumpBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl PumpBuilder {
    /// A pump without sinks.
    pub fn new() -> Self {
        Self {
            drain_every: DEFAULT_DRAIN_EVERY,
            flush_every: DEFAULT_FLUSH_EVERY,
            backlog_bytes: DEFAULT_CAPACITY_BYTES,
            plan: Plan::new(),
        }
    }

    /// The longest a record waits before the sinks get it: [`DEFAULT_DRAIN_EVERY`].
    pub fn drain_every(mut self, interval: Duration) -> Self {
        self.drain_every = interval;
        self
    }

    /// How often the sinks are told to make what they have durable and visible: [`DEFAULT_FLUSH_EVERY`]. The first
    /// time is one whole interval after the start.
    pub fn flush_every(mut self, interval: Duration) -> Self {
        self.flush_every = interval;
        self
    }

    /// Most bytes kept for each sink that fails and whose pipe names no bound of its own: [`DEFAULT_CAPACITY_BYTES`].
    pub fn backlog_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.backlog_bytes = bytes;
        self
    }

    /// What goes where: all processors, sinks and the routing at once, in place of those so far.
    pub fn plan(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }

    /// Adds a processor behind those before it, in front of routing and all sinks.
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.plan = self.plan.processor(processor);
        self
    }

    /// Adds a sink with what belongs to it alone: level, processors, fallback, backlog.
    pub fn pipe(mut self, pipe: Pipe) -> Self {
        self.plan = self.plan.pipe(pipe);
        self
    }

    /// Adds a sink.
    pub fn sink(self, sink: impl Sink + 'static) -> Self {
        self.pipe(Pipe::to(sink))
    }

    /// Adds a sink and the one that gets what the first cannot take for so long that it would be lost.
    pub fn sink_or(self, sink: impl Sink + 'static, fallback: impl Sink + 'static) -> Self {
        self.pipe(Pipe::to(sink).fallback(fallback))
    }

    /// Which records go to which sinks: without it, all to all.
    pub fn routing(mut self, routing: Routing) -> Self {
        self.plan = self.plan.routing(routing);
        self
    }

    /// Whether the routing names sinks that are there; [`Plan::check`].
    pub fn check(&self) -> Result<(), Error> {
        self.plan.check()
    }

    /// Whether it has no sink.
    pub fn has_no_sink(&self) -> bool {
        self.plan.has_no_sink()
    }

    /// How recovery puts records where the sinks would, for [`Buffer::with_spool`].
    pub fn recipes(&self) -> Vec<Recipe> {
        self.plan.recipes()
    }

    /// Starts the thread. Fails when the routing names a sink that is not there, and when the operating system gives no
    /// thread.
    pub fn spawn(self, buffer: Buffer) -> Result<Pump, Error> {
        let Self { drain_every, flush_every, backlog_bytes, plan } = self;
        let plan = plan.prepare(backlog_bytes)?;
        plan.check(&[])?;
        let Installed { processors, outlets, router, .. } = plan.install(Vec::new());
        let control = Arc::new(Control::new(outlets.iter().map(Outlet::board).collect()));
        let mut worker = Worker {
            buffer: buffer.clone(),
            control: Arc::clone(&control),
            processors,
            router,
            outlets,
            tally_before: Tally::default(),
            drain_every,
            flush_every,
            next_flush: deadline(flush_every),
            next_relief: Instant::now(),
            open_tasks: OpenTasks::default(),
        };
        let thread =
            thread::Builder::new().name("spanlake-pump".to_owned()).spawn(move || worker.run()).map_err(|error| {
                Error::new(Stage::Factory, "Pump", Category::Io, "cannot start the pump's thread").caused_by(error)
            })?;
        buffer.wake_on_pressure(thread.thread().clone());
        Ok(Pump { buffer, control, backlog_bytes, thread: Arc::new(Mutex::new(Some(thread))) })
    }
}

// === impl Pump ===

impl Pump {
    /// Drains the buffer, writes everything and makes it durable and visible, waiting at most `timeout`.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.command(control::Wish::Flush, timeout)
    }

    /// Flushes, then stops the pump, waiting at most `timeout`. Records offered from now on are lost with cause
    /// `closed`. Doing it twice gives the same report again and writes nothing twice.
    pub fn shutdown(&self, timeout: Duration) -> Report {
        let deadline = deadline(timeout);
        if !self.in_child() {
            // Here and not only by the pump, which may be held up by a sink.
            self.buffer.close();
        }
        let report = self.command(control::Wish::Stop, timeout);
        if !report.timed_out && !self.in_child() {
            self.join(deadline);
        }
        report
    }

    /// Puts another plan in place of the one it works by, between two batches, waiting at most `timeout`. Gives the last
    /// reports of the sinks that are gone.
    ///
    /// What was recorded before goes the old ways, all of it; what is recorded afterwards the new ones. The sinks that the
    /// plan does not [keep](Plan::keep) are flushed and closed: what one of them could not take until then goes to its
    /// fallback, or is lost and says so in its report. Those that it keeps notice a flush.
    ///
    /// An error leaves everything as it was: where the plan makes no sense; where the pump stops, or does not get to it in
    /// time; where a sink of the lake comes or goes while the spool has records that the lake has not. Only where the time
    /// ends in the middle of the change, because a sink takes long, it is made all the same, and the error says so.
    ///
    /// With a spool, recovery follows the new plan from then on.
    pub fn reconfigure(&self, plan: Plan, timeout: Duration) -> Result<Vec<SinkReport>, Error> {
        if self.in_child() || self.is_pump_thread() {
            let why = "a pump is not reconfigured by its own thread, nor in a forked child";
            return Err(Error::new(Stage::Dispatch, "Pump", Category::Configuration, why));
        }
        let plan = plan.prepare(self.backlog_bytes)?;
        self.control.change(plan, || self.unpark(), deadline(timeout))
    }

    /// The counts so far; waits for nothing.
    pub fn report(&self) -> Report {
        self.control.report(&self.buffer)
    }

    fn command(&self, wish: control::Wish, timeout: Duration) -> Report {
        // A forked child has no pump to wait for, and a sink that flushes its own pump would wait for itself.
        let hopeless = self.in_child() || self.is_pump_thread();
        let done = !hopeless && self.control.command(wish, || self.unpark(), deadline(timeout));
        Report { timed_out: !done, ..self.report() }
    }

    fn in_child(&self) -> bool {
        std::process::id() != self.buffer.source().pid
    }

    fn is_pump_thread(&self) -> bool {
        let own = thread::current().id();
        lock(&self.thread).as_ref().is_some_and(|thread| thread.thread().id() == own)
    }

    fn unpark(&self) {
        if let Some(thread) = &*lock(&self.thread) {
            thread.thread().unpark();
        }
    }

    /// The thread has said that it is done. The worker catches panics of sinks and processors; one of its own was counted
    /// when its sinks went away.
    fn join(&self, deadline: Instant) {
        join_until(&mut lock(&self.thread), deadline);
    }
}

impl std::fmt::Debug for Pump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pump").field("report", &self.report()).finish_non_exhaustive()
    }
}
