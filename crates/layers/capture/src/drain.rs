//! Taking records out of a buffer in memory.

use spanlake_core::render::{JsonLines, TextLines};
use spanlake_core::segment::merge;
use spanlake_core::{Buffer, Losses, OwnedRecord, Record};

/// Takes records out of a [`CaptureLayer`](crate::CaptureLayer); a cheap clone.
///
/// Each record comes out exactly once, also when several threads drain at the same time. Records are formatted after
/// they were taken out, so draining never holds up a thread that records. Within a thread they come in its order, and
/// between threads by time.
#[derive(Clone, Debug)]
pub struct DrainHandle {
    buffer: Buffer,
}

impl DrainHandle {
    pub(crate) fn new(buffer: Buffer) -> Self {
        Self { buffer }
    }

    /// The lines of a system log, one record a line.
    pub fn drain_text(&self) -> String {
        let mut text = String::new();
        let lines = TextLines::default();
        self.drain(|record| lines.put(&mut text, record));
        text
    }

    /// The records with the columns of the lake.
    pub fn drain_records(&self) -> Vec<OwnedRecord> {
        let mut records = Vec::new();
        self.drain(|record| records.push(OwnedRecord::from(record)));
        records
    }

    /// One JSON object a line, with the keys of the lake.
    pub fn drain_json(&self) -> String {
        let mut json = Vec::new();
        let mut lines = JsonLines::default();
        self.drain(|record| lines.put(&mut json, record));
        String::from_utf8(json).unwrap_or_default()
    }

    /// How many records were offered so far, the lost ones included.
    pub fn recorded(&self) -> u64 {
        self.buffer.recorded()
    }

    /// What was lost so far.
    pub fn losses(&self) -> Losses {
        self.buffer.losses()
    }

    fn drain(&self, mut each: impl FnMut(&Record<'_>)) {
        let segments = self.buffer.drain();
        let decoded: Vec<_> = segments.iter().filter_map(|segment| segment.decode().ok()).collect();
        merge(&decoded).for_each(|record| each(&record));
        drop(decoded);
        segments.into_iter().for_each(|segment| self.buffer.release(segment));
    }
}
