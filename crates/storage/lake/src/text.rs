//! The system log: lines of text for people.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;

use spanlake_core::disk::Disk;
use spanlake_core::render::{Lifecycle, Renderer, TextLines};
use spanlake_core::spool::Ledger;
use spanlake_core::{Batch, Deleted, Error, FileState, LevelFilter, Processor, Recipe, Sink, Source};

use crate::append::AppendLog;
use crate::layout::{LOG, LogType};
use crate::limits::Keeper;
use crate::partition::Partition;

/// Appends records as lines of text to `<lake>/debug_json/system_log/`. Nothing is opened before the first record comes.
///
/// | setting | default |
/// |---|---|
/// | [`level`](Self::level) | `TRACE`: all that the layer passes on |
/// | [`lifecycle`](Self::lifecycle) | [`Lifecycle::Plain`] |
/// | [`partition`](Self::partition) | [`DEFAULT_PARTITION`](crate::DEFAULT_PARTITION) |
/// | [`max_file_bytes`](Self::max_file_bytes) | [`DEFAULT_MAX_FILE_BYTES`](crate::DEFAULT_MAX_FILE_BYTES) |
/// | [`max_unsynced_bytes`](Self::max_unsynced_bytes) | [`DEFAULT_MAX_UNSYNCED_BYTES`](crate::DEFAULT_MAX_UNSYNCED_BYTES) |
/// | [`keeper`](Self::keeper) | none: the lake has no limits |
///
/// ```
/// use spanlake_core::render::Lifecycle;
/// use spanlake_lake::SystemLogSink;
///
/// let sink = SystemLogSink::new("lake").lifecycle(Lifecycle::Timed);
/// ```
#[derive(Debug)]
#[must_use = "a sink writes what a pump gives it"]
pub struct SystemLogSink {
    name: String,
    level: LevelFilter,
    log: AppendLog,
    lines: TextLines,
}

impl SystemLogSink {
    /// Writes below the folder `lake`.
    pub fn new(lake: impl AsRef<Path>) -> Self {
        let lake = lake.as_ref();
        Self {
            name: format!("system log {}", lake.display()),
            level: LevelFilter::TRACE,
            log: AppendLog::new("SystemLogSink", lake, LogType::SystemLog, LOG),
            lines: TextLines::default(),
        }
    }

    /// The least severe level it takes.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// How begins and ends of tasks are put into words.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lines.lifecycle = lifecycle;
        self
    }

    /// The process in the names of the files, which is otherwise the one that a record comes from: for whoever writes the records
    /// of many processes, and takes back its own files by their names.
    pub fn written_by(mut self, writer: &Source) -> Self {
        self.log.set_writer(writer);
        self
    }

    /// The folders that the files of one time lie in.
    pub fn partition(mut self, partition: Partition) -> Self {
        self.log.set_partition(partition);
        self
    }

    /// The record that would make a file longer opens the next one; only a record that is longer by itself exceeds it.
    pub fn max_file_bytes(mut self, bytes: NonZeroU64) -> Self {
        self.log.set_max_file_bytes(bytes);
        self
    }

    /// Most text, about, that is kept in memory until a sync has made it durable, so that it can be written again when
    /// the sync fails. A batch that comes when there is more is preceded by a sync: a disk that cannot keep up slows
    /// the pump from here on, not the callers.
    pub fn max_unsynced_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.log.set_max_unsynced_bytes(bytes);
        self
    }

    /// Keeps the lake within the keeper's limits when this writes to it; without one there are none.
    pub fn keeper(mut self, keeper: &Keeper) -> Self {
        self.log.set_keeper(keeper);
        self
    }

    /// The disk it writes to: the operating system's, unless a test or a special one takes its place.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.log.set_disk(disk);
        self
    }

    /// Numbers of files go on behind those of the ledger of a process whose records are recovered.
    pub(crate) fn resume(mut self, ledger: &Ledger, noted: &Path) -> Self {
        self.log.resume(ledger, noted);
        self
    }
}

impl Sink for SystemLogSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn level(&self) -> LevelFilter {
        self.level
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.log.write(batch, |out, record| self.lines.render(out, record))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.log.flush()
    }

    fn tick(&mut self) -> Result<(), Error> {
        self.log.tick()
    }

    fn unpublished(&self) -> u64 {
        self.log.unpublished()
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(self.log.recipe("system_log", self.level))
    }

    fn changed_files(&mut self) -> Vec<FileState> {
        self.log.changed_files()
    }

    fn processor(&mut self) -> Option<Box<dyn Processor>> {
        self.log.tenant().processor()
    }

    fn deleted(&self) -> Deleted {
        self.log.tenant().deleted()
    }
}
