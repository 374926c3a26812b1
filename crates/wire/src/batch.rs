//! A batch: the body of a request, segments with their numbers, compressed with zstd.
//!
//! ```text
//! body     = zstd(batch)
//! batch    = "SPLB" version:u8 0:u8 0:u8 0:u8 entry*
//! entry    = number:u64 len:u32 segment[len]
//! ```
//!
//! All integers are little-endian. `version` is 1. A number names the segment within what its sender sends in one epoch; a
//! batch that is sent again may be cut otherwise, its segments keep their numbers.

use std::io::{self, Read};

/// The first bytes of every batch.
pub const MAGIC: [u8; 4] = *b"SPLB";

/// The version written by this crate; versions up to this one are read.
pub const VERSION: u8 = 1;

/// How hard it compresses: records are made of few words that come again, and more effort buys little.
const COMPRESSION: i32 = 1;

const HEADER_BYTES: usize = 8;
const ENTRY_HEAD_BYTES: usize = 12;

/// A segment and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number; no other segment of the same sender and epoch has it.
    pub number: u64,
    /// The segment's bytes, checksums included.
    pub segment: &'a [u8],
}

/// A batch that is being put together.
#[derive(Debug)]
pub struct BatchWriter {
    bytes: Vec<u8>,
    count: usize,
}

/// A batch that was read.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
}

/// Why bytes are no batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// They are not compressed, or damaged.
    #[error("the body cannot be decompressed")]
    Compression(#[source] io::Error),
    /// They become more than was allowed.
    #[error("the body has more than {most} bytes when it is decompressed")]
    TooLong {
        /// How many were allowed.
        most: usize,
    },
    /// They do not start with the magic bytes.
    #[error("not a batch: wrong first bytes")]
    Magic,
    /// A newer version wrote it.
    #[error("batch version {0} is newer than {VERSION}, which this program reads")]
    Version(u8),
    /// They end in the middle of a segment.
    #[error("the batch is cut short at byte {at}")]
    Cut {
        /// Where the first entry starts that is not whole.
        at: usize,
    },
}

// === impl BatchWriter ===

impl Default for BatchWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchWriter {
    /// A batch without segments.
    pub fn new() -> Self {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        Self { bytes, count: 0 }
    }

    /// Adds a segment. One of more than 4 GiB, which no writer of segments makes, is cut and refused by its reader.
    pub fn push(&mut self, entry: Entry<'_>) {
        let len = u32::try_from(entry.segment.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&entry.number.to_le_bytes());
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(entry.segment);
        self.count += 1;
    }

    /// Bytes so far, before compression.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no segment.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The body. Fails only where there is no memory for it.
    pub fn compress(&self) -> io::Result<Vec<u8>> {
        zstd::bulk::compress(&self.bytes, COMPRESSION)
    }
}

// === impl Batch ===

impl Batch {
    /// Decompresses a body of at most `most_bytes`, and checks that its entries are whole. What the segments hold is not
    /// looked at.
    pub fn read(body: &[u8], most_bytes: usize) -> Result<Self, BatchError> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(BatchError::Compression)?;
        let mut bytes = Vec::new();
        let most = u64::try_from(most_bytes).unwrap_or(u64::MAX).saturating_add(1);
        decoder.by_ref().take(most).read_to_end(&mut bytes).map_err(BatchError::Compression)?;
        if bytes.len() > most_bytes {
            return Err(BatchError::TooLong { most: most_bytes });
        }
        let batch = Self { bytes };
        batch.check()?;
        Ok(batch)
    }

    /// Its segments, in the order they were put in.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (entry, behind) = split_entry(rest)?;
            rest = behind;
            Some(entry)
        })
    }

    fn check(&self) -> Result<(), BatchError> {
        let Some((header, mut rest)) = self.bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Magic);
        };
        if header[..4] != MAGIC {
            return Err(BatchError::Magic);
        }
        if header[4] == 0 || header[4] > VERSION {
            return Err(BatchError::Version(header[4]));
        }
        while !rest.is_empty() {
            let at = self.bytes.len() - rest.len();
            (_, rest) = split_entry(rest).ok_or(BatchError::Cut { at })?;
        }
        Ok(())
    }
}

fn split_entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<ENTRY_HEAD_BYTES>()?;
    let (number, len) = head.split_first_chunk::<8>()?;
    let number = u64::from_le_bytes(*number);
    let len = u32::from_le_bytes(*len.first_chunk()?);
    let (segment, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    Some((Entry { number, segment }, rest))
}
