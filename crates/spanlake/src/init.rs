//! One call that sets everything up: the embedded default.

use std::path::{Path, PathBuf};

use spanlake_capture::{CaptureLayer, Guard};
use spanlake_core::{Category, Error, LevelFilter, Plan, Policy, Processor, Redaction, Stage};
#[cfg(feature = "etl")]
use spanlake_etl::EtlLayer;
#[cfg(feature = "parquet")]
use spanlake_lake::ParquetSink;
use spanlake_lake::{JsonlSink, Keeper, Limits, Recovered, Recovery, StreamSink};
#[cfg(feature = "publish")]
use spanlake_publish::PublishLayer;
use spanlake_scope::{ScopeLayer, Verbosity, install_panic_hook};
use tracing_core::Dispatch;
use tracing_log::{LogTracer, log};
use tracing_subscriber::prelude::*;

use crate::stack::Added;

/// Default of [`Builder::lake`], below the working directory.
pub const DEFAULT_LAKE: &str = "lake";

/// Default of [`Builder::console`].
pub const DEFAULT_CONSOLE_LEVEL: LevelFilter = LevelFilter::INFO;

/// Default of [`Builder::files`].
pub const DEFAULT_FILE_LEVEL: LevelFilter = LevelFilter::DEBUG;

/// Settings of the embedded default.
///
/// | setting | default |
/// |---|---|
/// | [`lake`](Self::lake) | [`DEFAULT_LAKE`]: `./lake` |
/// | [`console`](Self::console) | [`DEFAULT_CONSOLE_LEVEL`]: `INFO`, on stderr |
/// | [`files`](Self::files) | [`DEFAULT_FILE_LEVEL`]: `DEBUG` |
/// | [`service`](Self::service) | none |
/// | [`policy`](Self::policy) | [`Policy::DropLowest`] |
/// | [`spool`](Self::spool) | none: records wait in memory |
/// | [`shutdown_on_signals`](Self::shutdown_on_signals) | not: SIGTERM and SIGINT are the program's |
/// | [`limits`](Self::limits) | none: the lake grows as it is written to |
/// | [`redact`](Self::redact) | nothing |
/// | [`processor`](Self::processor) | none |
/// | `etl` | none: no rows for runs |
/// | `publish` | none: nothing is sent |
#[derive(Debug)]
#[must_use = "nothing is set up until `init`"]
pub struct Builder {
    lake: PathBuf,
    console: LevelFilter,
    files: LevelFilter,
    service: String,
    policy: Policy,
    signals: bool,
    spool: bool,
    limits: Limits,
    redaction: Redaction,
    plan: Plan,
    added: Added,
}

/// Sets up the embedded default: records go to JSON lines and Parquet in `./lake`, INFO and above also to stderr.
///
/// It sets the global default subscriber, takes in what crates log through `log`, lets the ends of tasks say what a
/// panic said, and continues the task that the environment names in `SPANLAKE_TASK` or `TRACEPARENT`. Hold the guard
/// until the end of `main`. What processes that were killed left in the lake's spool is recovered first, which takes
/// about a second for each million records, and told by an event. `std::process::exit` and a panic that aborts shut down as well. Signals are left to the
/// program unless [`Builder::shutdown_on_signals`] says otherwise.
///
/// Fails when the lake's folder cannot be made, when a global logger or a global subscriber was set before, or when the
/// pump's thread cannot be started. Drop all spans before the guard: a task that is still open then has no end.
pub fn init() -> Result<Guard, Error> {
    builder().init()
}

/// The embedded default with other settings.
pub fn builder() -> Builder {
    Builder {
        lake: PathBuf::from(DEFAULT_LAKE),
        console: DEFAULT_CONSOLE_LEVEL,
        files: DEFAULT_FILE_LEVEL,
        service: String::new(),
        policy: Policy::default(),
        signals: false,
        spool: false,
        limits: Limits::new(),
        redaction: Redaction::new(),
        plan: Plan::new(),
        added: Added::default(),
    }
}

impl Builder {
    /// The folder of the lake, made at once.
    pub fn lake(mut self, folder: impl Into<PathBuf>) -> Self {
        self.lake = folder.into();
        self
    }

    /// The most verbose level that stderr gets; `OFF` for a silent console.
    pub fn console(mut self, level: LevelFilter) -> Self {
        self.console = level;
        self
    }

    /// The most verbose level that the files keep, until the [`Verbosity`] of the [`Guard`]'s handle is told otherwise.
    pub fn files(mut self, level: LevelFilter) -> Self {
        self.files = level;
        self
    }

    /// The service's name, a column of every record.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// What happens to records that find the buffer full.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Shuts down at SIGTERM and SIGINT as well, before they have their usual effect; see
    /// [`CaptureLayerBuilder::shutdown_on_signals`](crate::CaptureLayerBuilder::shutdown_on_signals).
    pub fn shutdown_on_signals(mut self) -> Self {
        self.signals = true;
        self
    }

    /// Keeps records on their way to the sinks in files below `<lake>/.spool` instead of memory: whatever becomes of the
    /// process, those whose call has returned are in the lake after the next start, or `spanlake recover`.
    pub fn spool(mut self) -> Self {
        self.spool = true;
        self
    }

    /// How much the lake may take of the disk, how old its files get, and how much goes there in an hour.
    ///
    /// ```no_run
    /// use std::num::NonZeroU64;
    /// use spanlake::Limits;
    ///
    /// let limits = Limits::new().max_total_bytes(NonZeroU64::new(10 << 30).unwrap());
    /// let guard = spanlake::builder().limits(limits).init()?;
    /// # Ok::<(), spanlake::Error>(())
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sums up runs as well. The layer is built before, for what it comes with: the job, which is to be finished before
    /// the guard goes.
    ///
    /// ```no_run
    /// use spanlake::prelude::*;
    ///
    /// let (etl, job) = EtlLayer::builder("lake").job_id("nightly").build()?;
    /// let guard = spanlake::builder().etl(etl).init()?;
    /// // … spans with `etl.dataflow` …
    /// println!("{}", job.finish()?);
    /// guard.shutdown(Duration::from_secs(5))?;
    /// # Ok::<(), spanlake::Error>(())
    /// ```
    #[cfg(feature = "etl")]
    pub fn etl(mut self, layer: EtlLayer) -> Self {
        self.added.etl = Some(layer);
        self
    }

    /// Sends records to a collector as well. The layer is built before, for what it comes with: the guard, which goes before
    /// that of the lake. What either of the two may want passes the filter in front of the stack, so that the collector can turn
    /// levels up beyond those of the files.
    ///
    /// ```no_run
    /// use spanlake::prelude::*;
    ///
    /// let transport = HttpTransport::new("http://127.0.0.1:4600").build()?;
    /// let (publish, published) = PublishLayer::builder(transport).service("orders").build()?;
    /// let guard = spanlake::builder().publish(publish).init()?;
    /// // … the program's work …
    /// println!("{}", published.shutdown(Duration::from_secs(5))?);
    /// guard.shutdown(Duration::from_secs(5))?;
    /// # Ok::<(), spanlake::Error>(())
    /// ```
    #[cfg(feature = "publish")]
    pub fn publish(mut self, layer: PublishLayer) -> Self {
        self.added.publish = Some(layer);
        self
    }

    /// What is replaced in records before they are stored anywhere, such as [`Redaction::secrets`]; see
    /// [`CaptureLayerBuilder::redact`](crate::CaptureLayerBuilder::redact). The rows of runs and jobs do not go through it.
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// Adds a step on all records, in front of console and files and behind those before it. A filter of observed objects
    /// is one, and a clone of it changes what it keeps:
    ///
    /// ```no_run
    /// use spanlake::observe::ContextFilter;
    ///
    /// let context = ContextFilter::new();
    /// let guard = spanlake::builder().processor(context.clone()).init()?;
    /// context.set(["pump"]);
    /// # drop(guard);
    /// # Ok::<(), spanlake::Error>(())
    /// ```
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.plan = self.plan.processor(processor);
        self
    }

    /// Sets it up; see [`init`].
    pub fn init(self) -> Result<Guard, Error> {
        let Self { lake, console, files, service, policy, signals, spool, limits, redaction, plan, added } = self;
        let level = console.max(files);
        let verbosity = Verbosity::new(level);
        // Whatever is turned up is for the files, unless they are to have less than the console.
        let files = if files == level { LevelFilter::TRACE } else { files };
        let capture = CaptureLayer::builder().verbosity(&verbosity).service(service).policy(policy).redact(redaction);
        // Neither changes what the program does, only what is left of it. What a signal does is the program's to say.
        let capture = capture.shutdown_at_exit().shutdown_on_fatal_panic();
        let capture = if signals { capture.shutdown_on_signals() } else { capture };
        let capture = if spool { capture.spool(lake.join(spanlake_core::spool::FOLDER)) } else { capture };
        let keeper = Keeper::new(&lake, limits);
        let plan = plan.sink(JsonlSink::new(&lake).level(files).keeper(&keeper));
        #[cfg(feature = "parquet")]
        let plan = plan.sink(ParquetSink::new(&lake).level(files).keeper(&keeper));
        let plan = if console == LevelFilter::OFF { plan } else { plan.sink(StreamSink::stderr().level(console)) };
        make_lake(&lake)?;
        // Before the subscriber: when this fails, nothing has been set up that would swallow what is logged.
        take_in_log()?;
        added.watch_log(&verbosity);
        let (capture, guard) = capture.plan(plan).build()?;
        let scope = ScopeLayer::builder().continue_from_env().build();
        let stack = tracing_subscriber::registry().with(scope).with(capture);
        set_global(added.onto(stack, &verbosity))?;
        install_panic_hook();
        recover(&lake, &keeper);
        Ok(guard)
    }
}

pub(crate) fn make_lake(lake: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(lake)
        .map_err(|error| Error::io("Builder", "cannot make the lake's folder", error).with("path", lake.display()))
}

/// Makes events of what crates log through `log`: none until it is said which; see [`Added::watch_log`].
pub(crate) fn take_in_log() -> Result<(), Error> {
    let set = LogTracer::builder().with_max_level(log::LevelFilter::Off).init();
    set.map_err(|error| refused("a global logger was set before").caused_by(error))
}

pub(crate) fn set_global(dispatch: Dispatch) -> Result<(), Error> {
    tracing_core::dispatcher::set_global_default(dispatch)
        .map_err(|error| refused("a global subscriber was set before").caused_by(error))
}

/// Puts what dead processes left into the lake, and says so in it: an INFO event for each process, a WARN event where
/// something could not be read.
pub(crate) fn recover(lake: &Path, keeper: &Keeper) {
    match Recovery::new(lake).keeper(keeper).run() {
        Ok(recovered) => recovered.iter().for_each(tell),
        Err(error) => tracing::warn!(error = error.chain(), "cannot look for what dead processes left"),
    }
}

fn tell(recovered: &Recovered) {
    let Recovered { process, records, interrupted, damaged, quarantined, error, .. } = recovered;
    if error.is_none() && damaged.is_empty() && *records == 0 && *interrupted == 0 {
        return tracing::debug!(process, "a dead process had left nothing that was not in the lake");
    }
    if error.is_none() && damaged.is_empty() {
        return tracing::info!(process, records, interrupted, "recovered what a dead process left");
    }
    let error = error.as_ref().map(Error::chain);
    tracing::warn!(
        process,
        records,
        interrupted,
        ?damaged,
        ?quarantined,
        error,
        "could not recover all that a dead process left"
    );
}

pub(crate) fn refused(why: &str) -> Error {
    Error::new(Stage::Factory, "Builder", Category::Configuration, why)
}
