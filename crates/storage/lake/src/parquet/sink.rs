//! The sink: what is kept, and when it becomes a file.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spanlake_core::disk::Disk;
use spanlake_core::spool::Ledger;
use spanlake_core::{Batch, Deleted, Error, FileState, LevelFilter, Processor, Recipe, Sink, Source};

use super::publish::Publisher;
use super::rows::Rows;
use crate::ground::Ground;
use crate::layout::{LakeFile, LogType, PARQUET, Purpose};
use crate::limits::{Keeper, Tenant};
use crate::partition::Partition;
use crate::places::{Place, Places};

/// Default of [`ParquetSink::max_buffered_bytes`]: 32 MiB, some 300,000 records.
pub const DEFAULT_MAX_BUFFERED_BYTES: NonZeroUsize = NonZeroUsize::new(32 << 20).unwrap();

/// Default of [`ParquetSink::max_file_rows`]: a million.
pub const DEFAULT_MAX_FILE_ROWS: NonZeroUsize = NonZeroUsize::new(1_000_000).unwrap();

/// Default of [`ParquetSink::row_group_rows`]: 128 Ki.
pub const DEFAULT_ROW_GROUP_ROWS: NonZeroUsize = NonZeroUsize::new(128 << 10).unwrap();

/// Default of [`ParquetSink::max_age`]: a minute.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60);

/// Publishes records as Parquet in `<lake>/analyst/records/`, sorted by task and number within the task.
///
/// Records are kept in memory until one of the limits is reached or the pump flushes; then they become a file, which
/// readers see when it is whole and synced. What is kept when the process is killed is gone: have a [`JsonlSink`] in the
/// same lake where that matters. After a failure everything is kept and tried again; while the limits are exceeded
/// new batches are refused, so that they wait in the pump's backlog, which is bounded.
///
/// | setting | default |
/// |---|---|
/// | [`level`](Self::level) | `TRACE`: all that the layer passes on |
/// | [`partition`](Self::partition) | [`DEFAULT_PARTITION`](crate::DEFAULT_PARTITION) |
/// | [`max_buffered_bytes`](Self::max_buffered_bytes) | [`DEFAULT_MAX_BUFFERED_BYTES`] |
/// | [`max_file_rows`](Self::max_file_rows) | [`DEFAULT_MAX_FILE_ROWS`] |
/// | [`max_age`](Self::max_age) | [`DEFAULT_MAX_AGE`] |
/// | [`row_group_rows`](Self::row_group_rows) | [`DEFAULT_ROW_GROUP_ROWS`] |
/// | [`keeper`](Self::keeper) | none: the lake has no limits |
///
/// ```
/// use std::time::Duration;
/// use spanlake_lake::ParquetSink;
///
/// let sink = ParquetSink::new("lake").max_age(Duration::from_secs(600));
/// ```
///
/// [`JsonlSink`]: crate::JsonlSink
#[must_use = "a sink writes what a pump gives it"]
pub struct ParquetSink {
    name: String,
    level: LevelFilter,
    ground: Ground,
    max_buffered_bytes: usize,
    max_file_rows: usize,
    max_age: Duration,
    row_group_rows: NonZeroUsize,
    places: Places<Rows>,
    /// When the oldest row came, or when publishing it failed; `None` when there is none.
    since: Option<Instant>,
    /// Made when the first file is.
    publisher: Option<Publisher>,
}

// === impl ParquetSink ===

impl ParquetSink {
    /// Writes below the folder `lake`.
    pub fn new(lake: impl AsRef<Path>) -> Self {
        let lake = lake.as_ref();
        Self {
            name: format!("parquet {}", lake.display()),
            level: LevelFilter::TRACE,
            ground: Ground::new(lake, Purpose::Analyst, LogType::Records, PARQUET),
            max_buffered_bytes: DEFAULT_MAX_BUFFERED_BYTES.get(),
            max_file_rows: DEFAULT_MAX_FILE_ROWS.get(),
            max_age: DEFAULT_MAX_AGE,
            row_group_rows: DEFAULT_ROW_GROUP_ROWS,
            places: Places::new(Partition::default()),
            since: None,
            publisher: None,
        }
    }

    /// The least severe level it takes.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// The process in the names of the files, which is otherwise the one that a record comes from: for whoever writes the records
    /// of many processes, and takes back its own files by their names.
    pub fn written_by(mut self, writer: &Source) -> Self {
        self.places.set_writer(writer);
        self
    }

    /// The folders that the files of one time lie in.
    pub fn partition(mut self, partition: Partition) -> Self {
        self.places.set_partition(partition);
        self
    }

    /// Memory that the kept records may take, about; a batch that comes when they do is preceded by publishing them.
    pub fn max_buffered_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_buffered_bytes = bytes.get();
        self
    }

    /// Rows at which a file is full. The batch that brings them is in it as a whole.
    pub fn max_file_rows(mut self, rows: NonZeroUsize) -> Self {
        self.max_file_rows = rows.get();
        self
    }

    /// The longest a record waits for its file, also when the pump flushes less often.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Rows in a row group, which readers read or pass over as a whole.
    pub fn row_group_rows(mut self, rows: NonZeroUsize) -> Self {
        self.row_group_rows = rows;
        self
    }

    /// Keeps the lake within the keeper's limits when this publishes a file; without one there are none.
    pub fn keeper(mut self, keeper: &Keeper) -> Self {
        self.ground.tenant = Tenant::of(keeper);
        self
    }

    /// The disk it writes to: the operating system's, unless a test or a special one takes its place.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.ground.disk = disk;
        self
    }

    /// Numbers of files go on behind those of the ledger of a process whose records are recovered.
    pub(crate) fn resume(mut self, ledger: &Ledger, noted: &Path) -> Self {
        self.ground.resume(&mut self.places, ledger, noted);
        self
    }

    fn is_full(&self) -> bool {
        let bytes: usize = self.places.iter().map(|place| place.content.bytes()).sum();
        bytes >= self.max_buffered_bytes || self.places.iter().any(|place| place.content.len() >= self.max_file_rows)
    }

    /// Publishes everything kept. A place that fails keeps its rows and holds up no other.
    fn publish(&mut self) -> Result<(), Error> {
        if self.since.is_none() {
            return Ok(());
        }
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            none => none.insert(Publisher::new(self.row_group_rows)?),
        };
        let mut result = Ok(());
        for place in self.places.iter_mut().filter(|place| !place.content.is_empty()) {
            result = result.and(publish_place(publisher, &mut self.ground, place));
        }
        if result.is_ok() {
            self.places.keep_last();
        }
        self.since = self.places.iter().any(|place| !place.content.is_empty()).then(Instant::now);
        result
    }
}

fn publish_place(publisher: &mut Publisher, ground: &mut Ground, place: &mut Place<Rows>) -> Result<(), Error> {
    let folder = ground.folder.join(&place.folder);
    let Place { process, last_number, content: rows, .. } = place;
    let number = last_number.saturating_add(1);
    let name = LakeFile { process: process.clone(), number, extension: ground.extension.to_owned() };
    *last_number = publisher.publish(ground, &folder, &name, rows)?;
    rows.clear();
    Ok(())
}

impl Sink for ParquetSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn level(&self) -> LevelFilter {
        self.level
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        // Before the batch is taken: a failure then leaves it with the pump, and never half of it here.
        if self.is_full() {
            self.publish()?;
        }
        self.places.iter_mut().for_each(|place| place.content.start_batch());
        batch.records().for_each(|record| self.places.of(record).content.push(record));
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.publish()
    }

    fn tick(&mut self) -> Result<(), Error> {
        let is_due = self.since.is_some_and(|since| since.elapsed() >= self.max_age);
        let published = if is_due { self.publish() } else { Ok(()) };
        published.and(self.ground.tenant.check())
    }

    fn unpublished(&self) -> u64 {
        self.places.iter().map(|place| place.content.records()).sum()
    }

    fn recipe(&self) -> Option<Recipe> {
        let partition = self.places.partition().to_string();
        Some(Recipe { kind: PARQUET.to_owned(), lake: self.ground.absolute_lake(), level: self.level, partition })
    }

    fn changed_files(&mut self) -> Vec<FileState> {
        self.ground.changed_files()
    }

    fn processor(&mut self) -> Option<Box<dyn Processor>> {
        self.ground.tenant.processor()
    }

    fn deleted(&self) -> Deleted {
        self.ground.tenant.deleted()
    }
}

/// A last try for what no flush has published.
impl Drop for ParquetSink {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = self.publish();
    }
}

impl fmt::Debug for ParquetSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: usize = self.places.iter().map(|place| place.content.len()).sum();
        f.debug_struct("ParquetSink").field("name", &self.name).field("rows", &rows).finish_non_exhaustive()
    }
}
