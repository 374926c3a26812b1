//! Settings of a capture layer.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use spanlake_core::spool::SpoolOptions;
use spanlake_core::{
    Buffer, BufferOptions, Error, LevelFilter, Pipe, Plan, Policy, Processor, PumpBuilder, Redaction, Routing, Sink,
    Source,
};
use spanlake_scope::Verbosity;

use crate::ends::{self, End};
use crate::guard::Guard;
use crate::handle::Running;
use crate::layer::CaptureLayer;

/// Default of [`CaptureLayerBuilder::level`].
pub const DEFAULT_LEVEL: LevelFilter = LevelFilter::DEBUG;

/// Default of [`CaptureLayerBuilder::shutdown_timeout`].
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of a [`CaptureLayer`].
///
/// | setting | default |
/// |---|---|
/// | [`level`](Self::level) | [`DEFAULT_LEVEL`]: `DEBUG` |
/// | [`verbosity`](Self::verbosity) | one of its own, which starts with that level |
/// | [`capacity_bytes`](Self::capacity_bytes) | [`spanlake_core::buffer::DEFAULT_CAPACITY_BYTES`]: 64 MiB |
/// | [`capacity_records`](Self::capacity_records) | not counted |
/// | [`policy`](Self::policy) | [`Policy::DropLowest`] |
/// | [`spool`](Self::spool) | none: records wait in memory |
/// | [`redact`](Self::redact) | nothing |
/// | [`service`](Self::service) | none |
/// | [`drain_every`](Self::drain_every) | [`spanlake_core::pump::DEFAULT_DRAIN_EVERY`]: 100 ms |
/// | [`flush_every`](Self::flush_every) | [`spanlake_core::pump::DEFAULT_FLUSH_EVERY`]: 60 s |
/// | [`shutdown_timeout`](Self::shutdown_timeout) | [`DEFAULT_SHUTDOWN_TIMEOUT`]: 5 s |
/// | [`shutdown_at_exit`](Self::shutdown_at_exit), [`shutdown_on_fatal_panic`](Self::shutdown_on_fatal_panic), [`shutdown_on_signals`](Self::shutdown_on_signals) | not: the guard alone ends capture |
/// | [`processor`](Self::processor), [`sink`](Self::sink), [`pipe`](Self::pipe) | none: records stay in memory |
/// | [`routing`](Self::routing) | none: every record goes to every sink |
#[must_use = "nothing is captured until `build`"]
pub struct CaptureLayerBuilder {
    level: LevelFilter,
    verbosity: Option<Verbosity>,
    buffer: BufferOptions,
    service: String,
    shutdown_timeout: Duration,
    ends: Vec<End>,
    pump: PumpBuilder,
    spool: Option<SpoolOptions>,
    redaction: Option<Redaction>,
}

impl CaptureLayerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            level: DEFAULT_LEVEL,
            verbosity: None,
            buffer: BufferOptions::default(),
            service: String::new(),
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
            ends: Vec::new(),
            pump: PumpBuilder::new(),
            spool: None,
            redaction: None,
        }
    }

    /// The most verbose level that is kept, until its [`Verbosity`] is told otherwise. What is more verbose costs a
    /// comparison, and stays visible to the other layers of the stack.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// A verbosity that others have too, in place of [`level`](Self::level). The layer's own is
    /// [`CaptureLayer::verbosity`].
    pub fn verbosity(mut self, verbosity: &Verbosity) -> Self {
        self.verbosity = Some(verbosity.clone());
        self
    }

    /// Most bytes held in memory between the calling threads and the sinks.
    pub fn capacity_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.buffer.capacity_bytes = bytes;
        self
    }

    /// Most records held in memory, besides the bound in bytes. Counting them costs all threads a shared counter.
    pub fn capacity_records(mut self, records: NonZeroU64) -> Self {
        self.buffer.capacity_records = Some(records);
        self
    }

    /// Keeps the records between the calling threads and the sinks in files below `folder` instead of memory, so that a
    /// kill loses none whose call has returned: recovery puts them into the lake. A `folder` named `.spool` in the lake is
    /// found by `spanlake recover`.
    ///
    /// The capacity then bounds what the sinks have not made durable yet, and the bytes on the disk, but for two files of
    /// 272 KiB for each thread and four that are ready. Under [`Policy::DropOldest`] and [`Policy::DropLowest`], what
    /// was synced and gives way is there until the next sync, which can be as much again.
    ///
    /// It should be on a local disk: memory is written to, and a network that fails would stop the program.
    pub fn spool(self, folder: impl Into<PathBuf>) -> Self {
        self.spool_with(SpoolOptions::new(folder))
    }

    /// The same with other settings.
    pub fn spool_with(mut self, options: SpoolOptions) -> Self {
        self.spool = Some(options);
        self
    }

    /// What happens to records that find the buffer full.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.buffer.policy = policy;
        self
    }

    /// What is replaced before a record is stored anywhere: in the fields and messages of events, in the context and the
    /// messages of tasks, in what they failed with. Other layers of the stack see everything as it was said.
    ///
    /// ```
    /// use spanlake_capture::CaptureLayer;
    /// use spanlake_core::Redaction;
    ///
    /// let (capture, guard) = CaptureLayer::builder().redact(Redaction::secrets().hash("*email*")).build()?;
    /// # drop((capture, guard));
    /// # Ok::<(), spanlake_core::Error>(())
    /// ```
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.redaction = Some(redaction);
        self
    }

    /// The service's name, a column of every record.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// The longest a record waits before the sinks get it.
    pub fn drain_every(mut self, interval: Duration) -> Self {
        self.pump = self.pump.drain_every(interval);
        self
    }

    /// How often the sinks make what they have durable and visible to readers.
    pub fn flush_every(mut self, interval: Duration) -> Self {
        self.pump = self.pump.flush_every(interval);
        self
    }

    /// How long dropping the guard may take, and each of the ends below.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Shuts down when the process exits as well: when `main` returns past a guard that is leaked or lives in a
    /// `static`, and at `std::process::exit` in any thread. `abort` and `_exit` are no exits.
    pub fn shutdown_at_exit(mut self) -> Self {
        self.ends.push(End::Exit);
        self
    }

    /// Shuts down at a panic that aborts the process as well: any panic of a program built with `panic = "abort"`, and
    /// one out of a destructor that runs because of another panic. It sets a panic hook, which runs the one before it
    /// first. A panic that unwinds is left to the guard.
    pub fn shutdown_on_fatal_panic(mut self) -> Self {
        self.ends.push(End::FatalPanic);
        self
    }

    /// Shuts down at SIGTERM and SIGINT as well, on a thread of its own; then the signal has its default effect, so that
    /// whoever started the process sees it die of that signal. Handlers that were set before run first, and a signal
    /// that was ignored stays ignored. A program that wants to do more at a signal than to die handles it itself, and
    /// uses [`Guard::handle`] there instead of this.
    pub fn shutdown_on_signals(mut self) -> Self {
        self.ends.push(End::Signal);
        self
    }

    /// Most bytes kept for each sink that fails and whose [`Pipe`] names no bound of its own.
    pub fn backlog_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.pump = self.pump.backlog_bytes(bytes);
        self
    }

    /// Adds a processor; all of them run, in this order, in front of routing and all sinks.
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.pump = self.pump.processor(processor);
        self
    }

    /// Adds a sink.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.pump = self.pump.sink(sink);
        self
    }

    /// Adds a sink, and another one for what the first cannot take for so long that it would be lost.
    pub fn sink_or(mut self, sink: impl Sink + 'static, fallback: impl Sink + 'static) -> Self {
        self.pump = self.pump.sink_or(sink, fallback);
        self
    }

    /// Adds a sink with what belongs to it alone: its level, processors, fallback and backlog.
    pub fn pipe(mut self, pipe: Pipe) -> Self {
        self.pump = self.pump.pipe(pipe);
        self
    }

    /// Which records go to which sinks, by target; without it, all to all.
    pub fn routing(mut self, routing: Routing) -> Self {
        self.pump = self.pump.routing(routing);
        self
    }

    /// What goes where, all at once: in place of the processors, sinks and routing so far.
    pub fn plan(mut self, plan: Plan) -> Self {
        self.pump = self.pump.plan(plan);
        self
    }

    /// The layer, and the guard that ends it well. Without a sink, records stay in memory for
    /// [`CaptureLayer::drain_handle`]. Fails when the routing names a sink that is not there, when a rule of redaction makes
    /// no sense, a thread cannot be started, the spool not be made, or the operating system will not tell of an end; sinks
    /// open what they need when the first record comes, and their failures show in the [`Report`](spanlake_core::Report).
    pub fn build(self) -> Result<(CaptureLayer, Guard), Error> {
        let Self { level, verbosity, buffer, service, shutdown_timeout, ends, pump, spool, redaction } = self;
        let verbosity = verbosity.unwrap_or_else(|| Verbosity::new(level));
        let redactor = redaction.filter(|redaction| !redaction.is_empty()).map(Redaction::build).transpose()?;
        pump.check()?;
        let source = Source::this_process(&service);
        let buffer = match spool {
            None => Buffer::new(&buffer, source),
            Some(spool) => Buffer::with_spool(&buffer, source, &spool, pump.recipes())?,
        };
        let layer = CaptureLayer::with(buffer.clone(), verbosity.clone(), redactor.clone());
        if pump.has_no_sink() {
            let running = Running::new(buffer, None, shutdown_timeout, verbosity).redactor(redactor);
            return Ok((layer, Guard::new(running)));
        }
        // First, because a pump that runs cannot be taken back.
        ends::listen_to(&ends)?;
        let pump = pump.spawn(buffer.clone())?;
        let running = Running::new(buffer, Some(pump), shutdown_timeout, verbosity).redactor(redactor);
        let guard = Guard::new(running);
        ends::look_after(guard.handle().running(), ends);
        Ok((layer, guard))
    }

    pub(crate) fn build_in_memory(self) -> CaptureLayer {
        let verbosity = self.verbosity.unwrap_or_else(|| Verbosity::new(self.level));
        CaptureLayer::with(Buffer::new(&self.buffer, Source::this_process(&self.service)), verbosity, None)
    }
}

impl std::fmt::Debug for CaptureLayerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureLayerBuilder")
            .field("level", &self.level)
            .field("buffer", &self.buffer)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}
