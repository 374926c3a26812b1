//! A file that rolls, as some renderer writes it.

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc as StdArc;
use std::time::Duration;

use spanlake_core::disk::Disk;
use spanlake_core::render::{Renderer, TextLines};
use spanlake_core::sync::{Arc, Mutex, lock};
use spanlake_core::{Batch, Deleted, Error, LevelFilter, Sink};

use super::handle::RollingHandle;
use super::limits::{Every, Limits};
use super::log::FileLog;
#[cfg(any(feature = "gzip", feature = "zstd"))]
use super::pack::Compression;

/// Appends records to a file and rolls it: `name` becomes `name.0001`, what was `name.0001` becomes `name.0002`, and so on.
/// Nothing is opened before the first record comes.
///
/// | setting | default | |
/// |---|---|---|
/// | [`max_bytes`](Self::max_bytes) | none | the line that would make the file longer opens the next one |
/// | [`every`](Self::every) | none | the first record of the next hour, of the next run, or whatever it is, opens the next file |
/// | [`max_files`](Self::max_files) | [`DEFAULT_MAX_FILES`](super::DEFAULT_MAX_FILES): 10 | the oldest files are deleted |
/// | [`max_total_bytes`](Self::max_total_bytes) | none | the oldest files are deleted |
/// | [`max_age`](Self::max_age) | none | older files are deleted |
/// | `compression` | none | with the features `gzip` and `zstd` |
/// | [`renderer`](Self::renderer) | [`TextLines`]: lines of a system log | |
/// | [`level`](Self::level) | `TRACE`: all that the layer passes on | |
/// | [`max_unsynced_bytes`](Self::max_unsynced_bytes) | [`DEFAULT_MAX_UNSYNCED_BYTES`](crate::DEFAULT_MAX_UNSYNCED_BYTES) | |
///
/// With neither `max_bytes` nor `every` it rolls when [`RollingHandle::rollover`] says so; with `max_total_bytes` alone, a
/// file gets a quarter of that.
///
/// # How exact the limits are
///
/// No record is split, and no file is longer than `max_bytes`. A record that is longer by itself is written in fewer words:
/// without its fields, with the beginning of its message and a mark that tells how long it was;
/// [`RollingHandle::shortened`] counts these. Only where a renderer has no line that short, a file is longer, by that line.
///
/// All limits hold before something is written, at the start as well. They count the file that is written to, which itself
/// is never deleted. What is deleted is counted in [`SinkReport::deleted`](spanlake_core::SinkReport::deleted). A backup that
/// cannot be deleted shows as an error, and writing goes on.
///
/// # Whose files they are
///
/// `name.` and four digits or more, with `.gz` or `.zst` behind them. A row ends where a hundred numbers have no file, so
/// that a `name.2024` of somebody else is left alone. While a sink has the name no other one writes to it, in this process
/// or another: a batch that comes to a second sink stays with its pump until the first is gone. The holder is told by a lock
/// on `.<name>.lock` beside the file; where a file system knows no locks, nobody looks.
///
/// # What a roll costs
///
/// The file is made durable, then each backup is renamed and the folder synced: as many syncs as there are files. Some tens
/// of files are fine, thousands are not.
///
/// ```
/// use std::num::NonZeroU64;
/// use spanlake_lake::{Every, RollingFileSink};
///
/// let sink = RollingFileSink::new("logs/shop.log")
///     .max_bytes(NonZeroU64::new(16 << 20).unwrap())
///     .every(Every::Day)
///     .max_files(NonZeroU64::new(14).unwrap());
/// ```
#[must_use = "a sink writes what a pump gives it"]
pub struct RollingFileSink {
    name: String,
    level: LevelFilter,
    renderer: Box<dyn Renderer>,
    handle: RollingHandle,
}

impl RollingFileSink {
    /// Writes to the file `path`.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let log = FileLog::new("RollingFileSink", path, Some(Limits::default()));
        let log = Arc::new(Mutex::new(log));
        Self {
            name: format!("rolling file {}", path.display()),
            level: LevelFilter::TRACE,
            renderer: Box::new(TextLines::default()),
            handle: RollingHandle { log, path: path.to_owned(), home: std::process::id() },
        }
    }

    /// A hand on the file, which rolls it.
    pub fn handle(&self) -> RollingHandle {
        self.handle.clone()
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

    /// How long a file may get.
    pub fn max_bytes(self, bytes: NonZeroU64) -> Self {
        self.limit(|limits| limits.max_bytes = Some(bytes))
    }

    /// Rolls by the time of the records, UTC, in step with the clock. A record that comes late goes to the file that is open.
    /// A file that was there before belongs to the time when it was changed last.
    ///
    /// Or where a run or a root task begins, which then has a file, and [`max_files`](Self::max_files) is how many are kept.
    /// Of two that overlap, the records of the first go on in the file of the second.
    pub fn every(self, every: Every) -> Self {
        self.limit(|limits| limits.every = Some(every))
    }

    /// How many files there are at most, the one that is written to among them.
    pub fn max_files(self, files: NonZeroU64) -> Self {
        self.limit(|limits| limits.max_files = files)
    }

    /// How many bytes all files have together. A file gets no longer than that either.
    pub fn max_total_bytes(self, bytes: NonZeroU64) -> Self {
        self.limit(|limits| limits.max_total_bytes = Some(bytes))
    }

    /// How long a rolled file is kept after it was changed last.
    pub fn max_age(self, age: Duration) -> Self {
        self.limit(|limits| limits.max_age = Some(age))
    }

    /// Compresses rolled files on a thread of its own. A file keeps its name until the compressed form is whole; where that
    /// cannot be made, the file stays as it is. When the sink goes, the thread leaves what it is at, and whoever opens the
    /// name next compresses what was left.
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    pub fn compression(self, compression: Compression) -> Self {
        lock(&self.handle.log).compression = Some(compression);
        self
    }

    /// Most text, about, that is kept in memory until a sync has made it durable, so that it can be written again when
    /// the sync fails. A batch that comes when there is more is preceded by a sync.
    pub fn max_unsynced_bytes(self, bytes: NonZeroUsize) -> Self {
        lock(&self.handle.log).max_unsynced_bytes = bytes.get();
        self
    }

    /// The disk it writes to: the operating system's, unless a test or a special one takes its place.
    pub fn disk(self, disk: StdArc<dyn Disk>) -> Self {
        lock(&self.handle.log).set_disk(disk);
        self
    }

    fn limit(self, set: impl FnOnce(&mut Limits)) -> Self {
        lock(&self.handle.log).limits.as_mut().map(set);
        self
    }
}

impl Sink for RollingFileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn level(&self) -> LevelFilter {
        self.level
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        lock(&self.handle.log).write(batch, &mut *self.renderer)
    }

    fn flush(&mut self) -> Result<(), Error> {
        lock(&self.handle.log).flush()
    }

    fn tick(&mut self) -> Result<(), Error> {
        lock(&self.handle.log).tick()
    }

    fn unpublished(&self) -> u64 {
        lock(&self.handle.log).unpublished()
    }

    fn deleted(&self) -> Deleted {
        lock(&self.handle.log).deleted()
    }
}

/// Handles stay, and hold nothing.
impl Drop for RollingFileSink {
    fn drop(&mut self) {
        lock(&self.handle.log).close();
    }
}

impl fmt::Debug for RollingFileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RollingFileSink")
            .field("path", &self.handle.path)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}
