//! Settings of the layer and of its job.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use spanlake_core::clock::Clock;
use spanlake_core::{Category, Error, Stage};
use spanlake_lake::Partition;
use spanlake_lake::runs::{DEFAULT_JOB_ID, JobRow, Session, SessionOptions};
use spanlake_lake::store::{Store, StoreOptions};

use crate::guard::Job;
use crate::layer::EtlLayer;
use crate::lineage::{Lineage, Outbox};
use crate::shared::Shared;
use crate::writer::Writer;

/// Default of [`EtlLayerBuilder::job_num`].
pub const DEFAULT_JOB_NUM: u32 = 1;

/// Default of [`EtlLayerBuilder::flush_every`].
pub const DEFAULT_FLUSH_EVERY: Duration = Duration::from_secs(60);

/// Bounds of [`EtlLayerBuilder::flush_every`].
pub const LEAST_FLUSH_EVERY: Duration = Duration::from_millis(1);
/// The other one: a day.
pub const LONGEST_FLUSH_EVERY: Duration = Duration::from_secs(86_400);

/// Default of [`EtlLayerBuilder::finish_timeout`].
pub const DEFAULT_FINISH_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest that [`EtlLayerBuilder::build`] waits for the lake.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest text of a setting, in bytes.
pub const MAX_SETTING_BYTES: usize = 1024;

/// Settings of an [`EtlLayer`] and of its job.
///
/// | setting | default |
/// |---|---|
/// | [`job_id`](Self::job_id) | [`DEFAULT_JOB_ID`]: `default` |
/// | [`job_num`](Self::job_num), [`job_index`](Self::job_index) | [`DEFAULT_JOB_NUM`]: 1, and 0 |
/// | [`partition`](Self::partition) | [`Partition::default`]: a folder a day, `run_date=…` |
/// | [`flush_every`](Self::flush_every) | [`DEFAULT_FLUSH_EVERY`]: 60 s |
/// | [`finish_timeout`](Self::finish_timeout) | [`DEFAULT_FINISH_TIMEOUT`]: 30 s |
/// | [`store`](Self::store) | [`StoreOptions::new`]: nothing from the environment |
/// | [`lineage`](Self::lineage) | none |
/// | the others, which are columns of the job's row | null |
#[derive(Debug)]
#[must_use = "nothing is summed up until `build`"]
pub struct EtlLayerBuilder {
    lake: PathBuf,
    job: JobRow,
    partition: Partition,
    flush_every: Duration,
    finish_timeout: Duration,
    store: StoreOptions,
    lineage: Option<Lineage>,
}

/// What the thread begins with.
struct Start {
    shared: Arc<Shared>,
    store: Store,
    options: SessionOptions,
    lineage: Option<Lineage>,
}

impl EtlLayerBuilder {
    pub(crate) fn new(lake: &Path) -> Self {
        let mut job = JobRow::default();
        job.job_id = Some(DEFAULT_JOB_ID.to_owned());
        job.job_num = Some(i64::from(DEFAULT_JOB_NUM));
        job.job_index = Some(0);
        Self {
            lake: lake.to_owned(),
            job,
            partition: Partition::default(),
            flush_every: DEFAULT_FLUSH_EVERY,
            finish_timeout: DEFAULT_FINISH_TIMEOUT,
            store: StoreOptions::new(),
            lineage: None,
        }
    }

    /// The job. It stands in the names of files with `-` in place of everything but letters, digits, `-` and `_`.
    pub fn job_id(mut self, id: impl Into<String>) -> Self {
        self.job.job_id = Some(id.into());
        self
    }

    /// Which of the jobs that share an id, from 1.
    pub fn job_num(mut self, number: u32) -> Self {
        self.job.job_num = Some(i64::from(number));
        self
    }

    /// Its place among the workers of one job, from 0.
    pub fn job_index(mut self, index: u32) -> Self {
        self.job.job_index = Some(i64::from(index));
        self
    }

    /// The workspace, of the job and its runs.
    pub fn workspace_id(mut self, id: impl Into<String>) -> Self {
        self.job.workspace_id = Some(id.into());
        self
    }

    /// How many runs may go on at once, at least 1. Like the settings below it is noted, and for the program to keep.
    pub fn max_workers(mut self, workers: u32) -> Self {
        self.job.max_workers = Some(i64::from(workers));
        self
    }

    /// Whether the first failure ends the job.
    pub fn stop_on_error(mut self, stop: bool) -> Self {
        self.job.stop_on_error = Some(stop);
        self
    }

    /// How often a failed run is tried again.
    pub fn retry_count(mut self, retries: u32) -> Self {
        self.job.retry_count = Some(i64::from(retries));
        self
    }

    /// How long it is waited before that.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.job.retry_delay = Some(delay.as_secs_f64());
        self
    }

    /// Whether the job writes nothing.
    pub fn dry_run(mut self, dry: bool) -> Self {
        self.job.dry_run = Some(dry);
        self
    }

    /// How long its logs are kept, in hours, at least 1.
    pub fn retention_hours(mut self, hours: u32) -> Self {
        self.job.retention_hours = Some(i64::from(hours));
        self
    }

    /// The engine that does the work.
    pub fn engine_name(mut self, name: impl Into<String>) -> Self {
        self.job.engine_name = Some(name.into());
        self
    }

    /// The platform that it runs on.
    pub fn platform_name(mut self, name: impl Into<String>) -> Self {
        self.job.platform_name = Some(name.into());
        self
    }

    /// Where the metadata of its dataflows come from.
    pub fn metadata_provider_name(mut self, name: impl Into<String>) -> Self {
        self.job.metadata_provider_name = Some(name.into());
        self
    }

    /// What keeps its watermarks.
    pub fn watermark_manager_name(mut self, name: impl Into<String>) -> Self {
        self.job.watermark_manager_name = Some(name.into());
        self
    }

    /// The folders that the files lie in, by when the job began; [`Partition::none`] for none.
    pub fn partition(mut self, partition: Partition) -> Self {
        self.partition = partition;
        self
    }

    /// How often what has come is made durable, in a bucket also written, and the job lets itself be heard of; from
    /// [`LEAST_FLUSH_EVERY`] to [`LONGEST_FLUSH_EVERY`].
    pub fn flush_every(mut self, interval: Duration) -> Self {
        self.flush_every = interval;
        self
    }

    /// How long [`Job::finish`], and dropping the job, may take.
    pub fn finish_timeout(mut self, timeout: Duration) -> Self {
        self.finish_timeout = timeout;
        self
    }

    /// How a bucket is reached.
    pub fn store(mut self, options: StoreOptions) -> Self {
        self.store = options;
        self
    }

    /// Where OpenLineage events of the runs go. Of a lake in a bucket the log is then also written whenever a run begins.
    pub fn lineage(mut self, lineage: Lineage) -> Self {
        self.lineage = Some(lineage);
        self
    }

    /// Whether all settings make sense; nothing is opened, and no server asked.
    pub fn check(&self) -> Result<(), Error> {
        check(&self.job, self.flush_every)?;
        open(&self.lake, &self.store)?;
        self.lineage.as_ref().map_or(Ok(()), Lineage::check)
    }

    /// Begins the job: claims a name for it in the lake and starts the thread that writes, which then closes the sessions
    /// of processes that went away.
    ///
    /// Fails when a setting is wrong, when the lake cannot be written to, or does not answer within [`START_TIMEOUT`],
    /// and when the thread cannot be started.
    pub fn build(self) -> Result<(EtlLayer, Job), Error> {
        let Self { lake, job, partition, flush_every, finish_timeout, store, lineage } = self;
        check(&job, flush_every)?;
        let store = open(&lake, &store)?;
        let shared = Arc::new(Shared::new(job, Clock::new(), lineage.is_some()));
        let options = SessionOptions { job: shared.job.clone(), partition, interval: flush_every, lineage: None };
        start(Start { shared: Arc::clone(&shared), store, options, lineage })?;
        Ok((EtlLayer::new(Arc::clone(&shared)), Job::new(shared, finish_timeout)))
    }
}

/// Starts the thread and waits until the session has begun.
fn start(start: Start) -> Result<(), Error> {
    let (began, has_begun) = sync_channel(1);
    let run = move || run(start, &began);
    let spawned = thread::Builder::new().name("spanlake-etl".to_owned()).spawn(run);
    spawned.map_err(|error| refused("cannot start the thread").caused_by(error))?;
    match has_begun.recv_timeout(START_TIMEOUT) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(refused("the lake does not answer").recoverable()),
        Err(RecvTimeoutError::Disconnected) => Err(refused("the thread that writes is gone")),
    }
}

/// Says that nobody writes any more, however the thread ends.
struct Abandon(Arc<Shared>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn run(start: Start, began: &SyncSender<Result<(), Error>>) {
    let Start { shared, store, options, lineage } = start;
    let _abandon = Abandon(Arc::clone(&shared));
    let interval = options.interval;
    match begin(&shared, store, options, lineage) {
        Err(error) => drop(began.send(Err(error))),
        Ok((session, outbox)) => match began.send(Ok(())) {
            Ok(()) => Writer::new(shared, session, outbox, interval).run(),
            // It took too long, and nobody waits any more.
            Err(_) => session.abandon(),
        },
    }
}

type Begun = (Session, Option<Outbox>);

fn begin(shared: &Shared, store: Store, mut options: SessionOptions, lineage: Option<Lineage>) -> Result<Begun, Error> {
    let _inside = spanlake_core::guest::enter(spanlake_core::guest::Place::Pump);
    let job = options.job.clone();
    let lineage = lineage.map(|lineage| lineage.open(&job)).transpose()?;
    options.lineage = lineage.as_ref().map(|lineage| lineage.destination.clone());
    let session = Session::begin(store, options)?;
    match session.journal() {
        Ok(journal) => shared.set_session(session.stem(), journal),
        Err(error) => {
            session.abandon();
            return Err(error);
        }
    }
    let outbox = lineage.map(|lineage| Outbox::new(lineage, session.stem(), &job));
    Ok((session, outbox))
}

fn open(lake: &Path, options: &StoreOptions) -> Result<Store, Error> {
    match lake.to_str() {
        Some(lake) => Store::open(lake, options),
        // No URL.
        None => Ok(Store::folder(lake)),
    }
}

// === checking ===

fn check(job: &JobRow, flush_every: Duration) -> Result<(), Error> {
    check_text("job_id", job.job_id.as_deref())?;
    check_text("workspace_id", job.workspace_id.as_deref())?;
    check_text("engine_name", job.engine_name.as_deref())?;
    check_text("platform_name", job.platform_name.as_deref())?;
    check_text("metadata_provider_name", job.metadata_provider_name.as_deref())?;
    check_text("watermark_manager_name", job.watermark_manager_name.as_deref())?;
    check_least("job_num", job.job_num)?;
    check_least("max_workers", job.max_workers)?;
    check_least("retention_hours", job.retention_hours)?;
    if (LEAST_FLUSH_EVERY..=LONGEST_FLUSH_EVERY).contains(&flush_every) {
        return Ok(());
    }
    let expected = format!("from {LEAST_FLUSH_EVERY:?} to {LONGEST_FLUSH_EVERY:?}");
    Err(invalid("flush_every", format_args!("{flush_every:?}"), &expected))
}

fn check_text(setting: &'static str, text: Option<&str>) -> Result<(), Error> {
    match text {
        Some("") => Err(invalid(setting, "", "a text that is not empty")),
        Some(text) if text.len() > MAX_SETTING_BYTES => {
            let expected = format!("at most {MAX_SETTING_BYTES} bytes");
            Err(invalid(setting, format_args!("{} bytes", text.len()), &expected))
        }
        _ => Ok(()),
    }
}

fn check_least(setting: &'static str, number: Option<i64>) -> Result<(), Error> {
    match number {
        Some(0) => Err(invalid(setting, 0, "at least 1")),
        _ => Ok(()),
    }
}

fn invalid(setting: &'static str, value: impl Display, expected: &str) -> Error {
    let error = Error::new(Stage::Configuration, "EtlLayer", Category::Validation, "a setting cannot be so");
    error.with("setting", setting).with("value", value).with("expected", expected)
}

fn refused(why: &str) -> Error {
    Error::new(Stage::Factory, "EtlLayer", Category::Io, why)
}
