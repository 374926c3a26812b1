//! Settings of a publish layer.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spanlake_core::spool::{OpenTasks, SpoolOptions};
use spanlake_core::sync::Mutex;
use spanlake_core::{Buffer, BufferOptions, Error, LevelFilter, Policy, Redaction, Source};
use spanlake_scope::Verbosity;
use spanlake_wire::exchange::Stream;

use crate::desk::Desk;
use crate::guard::Guard;
use crate::handle::Running;
use crate::layer::PublishLayer;
use crate::orphans::{self, Orphans};
use crate::outbox::Outbox;
use crate::pace::Pace;
use crate::publisher::{Publisher, Rhythm};
use crate::remote::Remote;
use crate::transport::Transport;

/// Default of [`PublishLayerBuilder::level`].
pub const DEFAULT_LEVEL: LevelFilter = LevelFilter::INFO;

/// Default of [`PublishLayerBuilder::send_every`].
pub const DEFAULT_SEND_EVERY: Duration = Duration::from_secs(1);

/// Default of [`PublishLayerBuilder::poll_every`].
pub const DEFAULT_POLL_EVERY: Duration = Duration::from_secs(10);

/// Default of [`PublishLayerBuilder::batch_bytes`]: 1 MiB.
pub const DEFAULT_BATCH_BYTES: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();

/// Default of [`PublishLayerBuilder::shutdown_timeout`].
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How many records a [light](PublishLayerBuilder::light) layer holds.
pub const LIGHT_RECORDS: NonZeroU64 = NonZeroU64::new(512).unwrap();

/// Settings of a [`PublishLayer`].
///
/// | setting | default |
/// |---|---|
/// | [`level`](Self::level) | [`DEFAULT_LEVEL`]: `INFO` |
/// | [`verbosity`](Self::verbosity) | one of its own, which starts with that level |
/// | [`capacity_bytes`](Self::capacity_bytes) | [`spanlake_core::buffer::DEFAULT_CAPACITY_BYTES`]: 64 MiB |
/// | [`capacity_records`](Self::capacity_records) | not counted |
/// | [`policy`](Self::policy) | [`Policy::DropLowest`] |
/// | [`light`](Self::light) | not: [`LIGHT_RECORDS`] records, the newest dropped |
/// | [`spool`](Self::spool) | none: records wait in memory |
/// | [`redact`](Self::redact) | nothing |
/// | [`service`](Self::service) | none |
/// | [`send_every`](Self::send_every) | [`DEFAULT_SEND_EVERY`]: 1 s |
/// | [`poll_every`](Self::poll_every) | [`DEFAULT_POLL_EVERY`]: 10 s |
/// | [`batch_bytes`](Self::batch_bytes) | [`DEFAULT_BATCH_BYTES`]: 1 MiB |
/// | [`shutdown_timeout`](Self::shutdown_timeout) | [`DEFAULT_SHUTDOWN_TIMEOUT`]: 5 s |
#[must_use = "nothing is published until `build`"]
pub struct PublishLayerBuilder {
    transport: Box<dyn Transport>,
    level: LevelFilter,
    verbosity: Option<Verbosity>,
    buffer: BufferOptions,
    spool: Option<PathBuf>,
    redaction: Option<Redaction>,
    service: String,
    rhythm: Rhythm,
    shutdown_timeout: Duration,
}

impl PublishLayerBuilder {
    pub(crate) fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            level: DEFAULT_LEVEL,
            verbosity: None,
            buffer: BufferOptions::default(),
            spool: None,
            redaction: None,
            service: String::new(),
            rhythm: Rhythm {
                send_every: DEFAULT_SEND_EVERY,
                poll_every: DEFAULT_POLL_EVERY,
                batch_bytes: DEFAULT_BATCH_BYTES.get(),
            },
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
        }
    }

    /// The most verbose level that is sent, until its [`Verbosity`] is told otherwise, by the program or by the other side.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// A verbosity that others have too, in place of [`level`](Self::level). Directives that the other side asks for are added
    /// to it, and taken away when it asks for others; those of the program for other targets and tasks stay.
    pub fn verbosity(mut self, verbosity: &Verbosity) -> Self {
        self.verbosity = Some(verbosity.clone());
        self
    }

    /// Most bytes held between the calling threads and the other side's acknowledgement.
    pub fn capacity_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.buffer.capacity_bytes = bytes;
        self
    }

    /// Most records held, besides the bound in bytes. Counting them costs all threads a shared counter.
    pub fn capacity_records(mut self, records: NonZeroU64) -> Self {
        self.buffer.capacity_records = Some(records);
        self
    }

    /// What happens to records that find the buffer full.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.buffer.policy = policy;
        self
    }

    /// Holds [`LIGHT_RECORDS`] records at most and drops the newest when they are there: for programs to which sending is a
    /// courtesy.
    pub fn light(self) -> Self {
        self.capacity_records(LIGHT_RECORDS).policy(Policy::DropNewest)
    }

    /// Keeps records in files below `folder` until they are acknowledged, so that a kill loses none whose call has returned:
    /// the next publisher with this folder sends them, and ends the tasks that were open as `interrupted`. The receiver stores
    /// them once. The folder is for publishers alone, not that of a lake's own spool, and should be on a local disk.
    pub fn spool(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool = Some(folder.into());
        self
    }

    /// What is replaced before a record is stored anywhere; as for a capture layer.
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.redaction = Some(redaction);
        self
    }

    /// The service's name, a column of every record.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// The longest a record waits before it is sent, while the other side takes them. A thread that has filled a segment of
    /// 256 KiB does not wait.
    pub fn send_every(mut self, interval: Duration) -> Self {
        self.rhythm.send_every = interval;
        self
    }

    /// How often the other side is asked for what it has to say when there is nothing to send: the longest that a change of
    /// levels takes to reach a program that is idle.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.rhythm.poll_every = interval;
        self
    }

    /// Most bytes sent at once, before compression. A segment is sent whole, however long it is.
    pub fn batch_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.rhythm.batch_bytes = bytes.get();
        self
    }

    /// How long dropping the guard may take.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// The layer, and the guard that ends it well. Fails when a rule of redaction makes no sense, the spool cannot be made, or
    /// the thread not be started. Whether the other side is there is not asked: what it misses is sent when it comes.
    pub fn build(self) -> Result<(PublishLayer, Guard), Error> {
        let Self { transport, level, verbosity, buffer, spool, redaction, service, rhythm, shutdown_timeout } = self;
        let verbosity = verbosity.unwrap_or_else(|| Verbosity::new(level));
        let redactor = redaction.filter(|redaction| !redaction.is_empty()).map(Redaction::build).transpose()?;
        let source = Source::this_process(&service);
        let (buffer, orphans) = match spool {
            None => (Buffer::new(&buffer, source), Orphans::none()),
            Some(folder) => {
                let recipes = vec![orphans::recipe(level)];
                let buffer = Buffer::with_spool(&buffer, source, &SpoolOptions::new(&folder), recipes)?;
                (buffer, Orphans::of(&folder))
            }
        };
        let desk = Arc::new(Desk::default());
        let name = transport.name().to_owned();
        let publisher = Publisher {
            buffer: buffer.clone(),
            desk: Arc::clone(&desk),
            transport,
            stream: Stream::of(buffer.source()),
            rhythm,
            remote: Remote::new(verbosity.clone()),
            outbox: Outbox::new(buffer.is_spooled()),
            orphans,
            open: OpenTasks::default(),
            pace: Pace::default(),
            spoke_at: Instant::now(),
            checkpoint_at: Instant::now(),
            owes_checkpoint: false,
        };
        let thread = Mutex::new(Some(publisher.spawn()?));
        let layer = PublishLayer::with(buffer.clone(), verbosity.clone(), redactor.clone());
        let timeout = shutdown_timeout;
        Ok((layer, Guard::new(Running { buffer, desk, name, verbosity, redactor, thread, timeout })))
    }
}

impl std::fmt::Debug for PublishLayerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublishLayerBuilder")
            .field("transport", &self.transport.name())
            .field("level", &self.level)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
