//! Records that are kept outside the buffer: those that a sink failed to take, and those that processors give on later.

use tracing_core::LevelFilter;

use crate::error::{Category, Error, Stage};
use crate::loss::{Cause, Loss};
use crate::record::{Record, Source};
use crate::segment::{Segment, SegmentWriter, merge};
use crate::sink::Batch;

/// A batch, as a segment for each thread that its records come from.
pub(super) struct Kept(Vec<Segment>);

impl Kept {
    /// Those of a batch that its sink takes.
    pub(super) fn new(batch: &Batch<'_>) -> Self {
        let mut writers: Vec<(&Source, SegmentWriter)> = Vec::new();
        for record in batch.records() {
            let at = writers.iter().position(|(source, _)| source.is(record.source)).unwrap_or_else(|| {
                writers.push((record.source, SegmentWriter::new(record.source)));
                writers.len() - 1
            });
            writers[at].1.copy(record);
        }
        Self(writers.into_iter().map(|(_, mut writer)| writer.take()).collect())
    }

    /// All of them.
    pub(super) fn all(records: &[Record<'_>]) -> Self {
        Self::new(&Batch::new(records, LevelFilter::TRACE))
    }

    pub(super) fn of(segments: Vec<Segment>) -> Self {
        Self(segments)
    }

    pub(super) fn into_segments(self) -> Vec<Segment> {
        self.0
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|segment| segment.bytes().len()).sum()
    }

    pub(super) fn records(&self) -> u64 {
        self.0.iter().map(Segment::records).sum()
    }

    /// Gives the records, in time order, to `read`.
    pub(super) fn read<T>(&self, read: impl FnOnce(&mut Vec<Record<'_>>) -> T) -> Result<T, Error> {
        let decoded = self.0.iter().map(Segment::decode).collect::<Result<Vec<_>, _>>().map_err(|error| {
            Error::new(Stage::Dispatch, "Pump", Category::Unexpected, "cannot read a kept batch").caused_by(error)
        })?;
        Ok(read(&mut merge(&decoded).collect()))
    }

    /// What is lost with it, and what was stated in it and nobody would hear of any more; with the process.
    pub(super) fn losses(&self) -> Vec<(Source, Loss)> {
        let decoded: Vec<_> = self.0.iter().filter_map(|segment| segment.decode().ok()).collect();
        let source = decoded.first().map(|segment| segment.source().with_thread("")).unwrap_or_default();
        let mut lost = Loss::of(Cause::Sink, merge(&decoded));
        lost.bytes = self.bytes() as u64;
        let stated = merge(&decoded).filter_map(|record| record.loss().copied());
        let all = std::iter::once(lost).chain(stated).filter(|loss| loss.count() > 0);
        all.map(|loss| (source.clone(), loss)).collect()
    }
}
