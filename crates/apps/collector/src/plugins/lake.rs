//! A lake as a plugin: every record is in it once, also where the collector is killed.

use std::path::{Path, PathBuf};

use spanlake_core::disk::{self, Disk};
use spanlake_core::spool::Ledger;
use spanlake_core::sync::Arc;
use spanlake_core::{Category, Error, Sink, Source, Stage};
use spanlake_lake::{JsonlSink, ParquetSink, take_back};

use super::{Pieces, Plugin, Portion};

/// Writes a lake in a folder, as JSON lines and Parquet.
///
/// Its files carry the collector's name, and have the records of all processes. What was written behind the last progress that the
/// queue knows of is taken back at the next start, and comes again from the queue.
pub struct LakePlugin {
    sinks: Vec<Box<dyn Sink>>,
    /// The first entry of a portion that a sink failed to take, and how many sinks before that one have it.
    begun: Option<(Option<u64>, usize)>,
    ledger: Ledger,
    disk: Arc<dyn Disk>,
}

impl LakePlugin {
    /// The lake in this folder, in both formats.
    pub fn new(lake: impl Into<PathBuf>) -> Self {
        Self::with(&lake.into(), &Source::this_process("spanlaked"), disk::real())
    }

    /// JSON lines only.
    pub fn jsonl(lake: impl Into<PathBuf>) -> Self {
        let (lake, writer) = (lake.into(), Source::this_process("spanlaked"));
        Self::of(vec![Box::new(JsonlSink::new(&lake).written_by(&writer))], &lake, &writer, disk::real())
    }

    /// Parquet only.
    pub fn parquet(lake: impl Into<PathBuf>) -> Self {
        let (lake, writer) = (lake.into(), Source::this_process("spanlaked"));
        Self::of(vec![Box::new(ParquetSink::new(&lake).written_by(&writer))], &lake, &writer, disk::real())
    }

    fn with(lake: &Path, writer: &Source, disk: Arc<dyn Disk>) -> Self {
        let jsonl = JsonlSink::new(lake).written_by(writer).disk(Arc::clone(&disk));
        let parquet = ParquetSink::new(lake).written_by(writer).disk(Arc::clone(&disk));
        Self::of(vec![Box::new(jsonl), Box::new(parquet)], lake, writer, disk)
    }

    fn of(sinks: Vec<Box<dyn Sink>>, lake: &Path, writer: &Source, disk: Arc<dyn Disk>) -> Self {
        let recipes = sinks.iter().filter_map(|sink| sink.recipe()).collect();
        Self { ledger: Ledger::new(writer, lake, recipes), sinks, begun: None, disk }
    }
}

impl Plugin for LakePlugin {
    /// Each sink takes it once, also where a later one fails and it is written again.
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        let first = portion.entries().first().map(|given| given.entry.index);
        let have_it = self.begun.take().filter(|(begun, _)| *begun == first).map_or(0, |(_, sinks)| sinks);
        for (at, sink) in self.sinks.iter_mut().enumerate().skip(have_it) {
            sink.write(&portion.batch()).inspect_err(|_| self.begun = Some((first, at)))?;
        }
        Ok(())
    }

    /// What one sink has and another has not is known by the whole portion. It is a disk that refuses here, not what is in a record.
    fn pieces(&self) -> Pieces {
        Pieces::Whole
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.begun.is_some() {
            // What a sink has of it is behind the last note, and is taken back at the next start.
            let why = "a portion is in one format and not in the other";
            return Err(Error::new(Stage::Handler, "LakePlugin", Category::Io, why).recoverable());
        }
        self.sinks.iter_mut().try_for_each(|sink| sink.flush())
    }

    fn tick(&mut self) -> Result<(), Error> {
        self.sinks.iter_mut().try_for_each(|sink| sink.tick())
    }

    fn note(&mut self) -> Result<Vec<u8>, Error> {
        let changed: Vec<_> = self.sinks.iter_mut().flat_map(|sink| sink.changed_files()).collect();
        changed.into_iter().for_each(|file| self.ledger.note(file));
        self.ledger.to_bytes().map_err(|error| Error::io("LakePlugin", "cannot note what the lake has", error))
    }

    fn resume(&mut self, note: &[u8]) -> Result<(), Error> {
        if note.is_empty() {
            return Ok(());
        }
        let unreadable = |error| Error::io("LakePlugin", "cannot read what the lake has", error);
        take_back(&self.disk, &Ledger::from_bytes(note).map_err(unreadable)?)
    }
}

impl std::fmt::Debug for LakePlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LakePlugin").field("lake", &self.ledger.folder).finish_non_exhaustive()
    }
}
