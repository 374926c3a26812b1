//! Sinks: where batches end.

use tracing_core::{Level, LevelFilter};

use crate::error::Error;
use crate::processor::Processor;
use crate::record::{Kind, Record};

/// A place that batches of records are written to. It lives on the pump's thread and may block there; a sink that is
/// slow or fails holds up nobody but itself.
///
/// A batch is all or nothing: after an error none of its records may be visible, because the pump keeps the batch and
/// writes it again, before newer ones, with growing pauses. A sink that panics is treated as one that failed.
pub trait Sink: Send {
    /// A name for reports, such as `jsonl lake`.
    fn name(&self) -> &str;

    /// The least severe level it takes; statements of loss always pass.
    fn level(&self) -> LevelFilter {
        LevelFilter::TRACE
    }

    /// Writes a batch, all of it or nothing.
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error>;

    /// Makes everything written so far durable and visible to readers.
    fn flush(&mut self) -> Result<(), Error>;

    /// Called at every drain, also when there is nothing to write, for limits of age.
    fn tick(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// How many records, losses not counted, were written and are not visible yet. Asked after each flush: what a failed
    /// one leaves behind counts as pending, and as lost when the sink goes.
    fn unpublished(&self) -> u64 {
        0
    }

    /// How somebody else puts a dead process's records where this would have put them; `None` for a sink that nothing
    /// is recovered to, such as a console.
    fn recipe(&self) -> Option<Recipe> {
        None
    }

    /// The files that were begun or have grown since this was asked last, each with its length now. A crash-proof spool
    /// notes them down: what a dead process wrote behind its last note is taken back and written again.
    fn changed_files(&mut self) -> Vec<FileState> {
        Vec::new()
    }

    /// A step that it wants in front of all sinks, behind the processors that the program chose. Asked once, when the
    /// pump is made.
    fn processor(&mut self) -> Option<Box<dyn Processor>> {
        None
    }

    /// The files that were deleted so far to make room for what it writes. Asked after each flush.
    fn deleted(&self) -> Deleted {
        Deleted::default()
    }
}

/// Files that were deleted to stay within limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// How many.
    pub files: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

impl Deleted {
    /// One file of this length.
    pub fn one(bytes: u64) -> Self {
        Self { files: 1, bytes }
    }
}

impl std::ops::Add for Deleted {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { files: self.files + more.files, bytes: self.bytes + more.bytes }
    }
}

/// A sink's settings, as far as recovery needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What kind of sink: `jsonl`, `system_log`, `parquet`.
    pub kind: String,
    /// The lake it writes to, from the root of the file system.
    pub lake: std::path::PathBuf,
    /// The least severe level it takes.
    pub level: LevelFilter,
    /// The pattern of the folders below the log type's.
    pub partition: String,
}

/// A file and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// Its path from the root of the file system.
    pub path: std::path::PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn level(&self) -> LevelFilter {
        (**self).level()
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        (**self).write(batch)
    }

    fn flush(&mut self) -> Result<(), Error> {
        (**self).flush()
    }

    fn tick(&mut self) -> Result<(), Error> {
        (**self).tick()
    }

    fn unpublished(&self) -> u64 {
        (**self).unpublished()
    }

    fn recipe(&self) -> Option<Recipe> {
        (**self).recipe()
    }

    fn changed_files(&mut self) -> Vec<FileState> {
        (**self).changed_files()
    }

    fn processor(&mut self) -> Option<Box<dyn Processor>> {
        (**self).processor()
    }

    fn deleted(&self) -> Deleted {
        (**self).deleted()
    }
}

/// Records on their way into one sink: those of its level, in time order.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    records: &'a [Record<'a>],
    level: LevelFilter,
}

impl<'a> Batch<'a> {
    /// The records that pass `level`.
    pub fn new(records: &'a [Record<'a>], level: LevelFilter) -> Self {
        Self { records, level }
    }

    /// The records of this batch.
    #[inline]
    pub fn records(&self) -> impl Iterator<Item = &'a Record<'a>> + Clone + use<'a> {
        let level = self.level;
        self.records.iter().filter(move |record| passes(record.level, record.kind, level))
    }
}

#[inline]
fn passes(level: Level, kind: Kind, filter: LevelFilter) -> bool {
    level <= filter || kind == Kind::Loss
}
