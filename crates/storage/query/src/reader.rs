//! Reading files one after another, whatever their format.

use std::sync::Arc;

use spanlake_core::OwnedRecord;

use crate::damage::{Damage, Damages};
use crate::files::{Format, RecordFile};
use crate::filter::Filter;
use crate::jsonl::{self, JsonlReader};

/// A file, or the part of a JSONL file that has grown.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) file: RecordFile,
    pub(crate) from: u64,
    /// Only set for JSONL.
    pub(crate) to: Option<u64>,
}

/// The records of one part. What cannot be read is a damage, never an error.
pub(crate) enum Reader {
    Jsonl(JsonlReader),
    #[cfg(feature = "parquet")]
    Parquet(Box<crate::parquet::ParquetReader>),
    Closed(Damages),
}

/// The records of a lake as its files lie: file after file, JSONL in the order written, Parquet in order of keys.
///
/// Made by [`Lake::scan`](crate::Lake::scan). It holds one file open and one record in memory, with Parquet one batch.
pub struct Scan {
    parts: std::vec::IntoIter<Part>,
    reader: Option<Reader>,
    filter: Arc<Filter>,
    damages: Vec<Damage>,
}

// === impl Part ===

impl Part {
    /// When its first record was recorded, or the earliest moment if that is not known.
    pub(crate) fn first_us(&self) -> i64 {
        let first_us = match self.file.format {
            Format::Jsonl => jsonl::first_us(&self.file.path, self.from, self.to),
            #[cfg(feature = "parquet")]
            Format::Parquet => crate::parquet::first_us(&self.file.path),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => None,
        };
        first_us.unwrap_or(i64::MIN)
    }
}

impl From<RecordFile> for Part {
    fn from(file: RecordFile) -> Self {
        Self { file, from: 0, to: None }
    }
}

// === impl Reader ===

impl Reader {
    pub(crate) fn open(part: &Part, filter: &Arc<Filter>) -> Self {
        let path = &part.file.path;
        let opened = match part.file.format {
            Format::Jsonl => JsonlReader::open(path, part.from, part.to, filter.clone()).map(Self::Jsonl),
            #[cfg(feature = "parquet")]
            Format::Parquet => Ok(Self::Parquet(Box::new(crate::parquet::ParquetReader::open(path, filter.clone())))),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => Err(std::io::Error::other("built without the feature `parquet`")),
        };
        opened.unwrap_or_else(|error| {
            let mut damages = Damages::of(path);
            damages.file(error.to_string());
            Self::Closed(damages)
        })
    }

    /// Hands over the damages met so far.
    pub(crate) fn take_damages(&mut self) -> impl Iterator<Item = Damage> + use<> {
        match self {
            Self::Jsonl(reader) => reader.damages(),
            #[cfg(feature = "parquet")]
            Self::Parquet(reader) => reader.damages(),
            Self::Closed(damages) => damages,
        }
        .take()
    }
}

impl Iterator for Reader {
    type Item = OwnedRecord;

    fn next(&mut self) -> Option<OwnedRecord> {
        match self {
            Self::Jsonl(reader) => reader.next(),
            #[cfg(feature = "parquet")]
            Self::Parquet(reader) => reader.next(),
            Self::Closed(_) => None,
        }
    }
}

// === impl Scan ===

impl Scan {
    pub(crate) fn new(parts: Vec<Part>, filter: Arc<Filter>, damages: Vec<Damage>) -> Self {
        Self { parts: parts.into_iter(), reader: None, filter, damages }
    }

    /// What could not be read so far; all of it once the records are at their end.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }
}

impl Iterator for Scan {
    type Item = OwnedRecord;

    fn next(&mut self) -> Option<OwnedRecord> {
        loop {
            if let Some(record) = self.reader.as_mut().and_then(Iterator::next) {
                return Some(record);
            }
            if let Some(mut reader) = self.reader.take() {
                self.damages.extend(reader.take_damages());
            }
            self.reader = Some(Reader::open(&self.parts.next()?, &self.filter));
        }
    }
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("parts", &self.parts.len()).field("damages", &self.damages).finish_non_exhaustive()
    }
}
