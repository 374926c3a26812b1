//! One file, as some renderer writes it.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use spanlake_core::disk::Disk;
use spanlake_core::render::{Renderer, TextLines};
use spanlake_core::{Batch, Error, LevelFilter, Sink};

use super::log::FileLog;
use super::open_file::Existing;

/// Appends records to one file. Nothing is opened before the first record comes; folders are made then.
///
/// | setting | default |
/// |---|---|
/// | [`renderer`](Self::renderer) | [`TextLines`]: lines of a system log |
/// | [`level`](Self::level) | `TRACE`: all that the layer passes on |
/// | [`existing`](Self::existing) | [`Existing::Append`] |
/// | [`max_unsynced_bytes`](Self::max_unsynced_bytes) | [`DEFAULT_MAX_UNSYNCED_BYTES`](crate::DEFAULT_MAX_UNSYNCED_BYTES) |
///
/// The file grows without a bound; [`RollingFileSink`](super::RollingFileSink) has bounds. While a sink has it open no other
/// one writes to it, in this process or another: a batch that comes to a second sink stays with its pump until the first
/// is gone. The holder is told by a lock on `.<name>.lock` beside the file; where a file system knows no locks, nobody
/// looks. With [`Existing::Keep`] each sink has a file of its own.
///
/// A file that ends within a line, because a process was killed or the power went, gets a line end before the first record.
/// When somebody removes or renames the file, the next flush begins a new one. A named pipe is refused: whoever opens one
/// waits for its other end.
///
/// ```
/// use spanlake_core::render::JsonLines;
/// use spanlake_lake::{Existing, FileSink};
///
/// let sink = FileSink::new("logs/shop.jsonl").renderer(JsonLines::default()).existing(Existing::Keep);
/// ```
#[must_use = "a sink writes what a pump gives it"]
pub struct FileSink {
    name: String,
    level: LevelFilter,
    renderer: Box<dyn Renderer>,
    log: FileLog,
}

impl FileSink {
    /// Writes to the file `path`.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self {
            name: format!("file {}", path.display()),
            level: LevelFilter::TRACE,
            renderer: Box::new(TextLines::default()),
            log: FileLog::new("FileSink", path, None),
        }
    }

    /// The least severe level it takes.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// What is made of records.
    pub fn renderer(mut self, renderer: impl Renderer + 'static) -> Self {
        self.renderer = Box::new(renderer);
        self
    }

    /// What becomes of a file that is there already.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.log.existing = existing;
        self
    }

    /// Most text, about, that is kept in memory until a sync has made it durable, so that it can be written again when
    /// the sync fails. A batch that comes when there is more is preceded by a sync.
    pub fn max_unsynced_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.log.max_unsynced_bytes = bytes.get();
        self
    }

    /// The disk it writes to: the operating system's, unless a test or a special one takes its place.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.log.set_disk(disk);
        self
    }
}

impl Sink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn level(&self) -> LevelFilter {
        self.level
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.log.write(batch, &mut *self.renderer)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.log.flush()
    }

    fn unpublished(&self) -> u64 {
        self.log.unpublished()
    }
}

impl fmt::Debug for FileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSink").field("log", &self.log).field("level", &self.level).finish_non_exhaustive()
    }
}
