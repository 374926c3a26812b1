//! Segments: self-contained runs of frames, the one form that records have between the caller and the sinks.
//!
//! ```text
//! segment  = header frame*
//! header   = "SPLK" version:u8 flags:u8 0:u8 0:u8 len:u32 sum:u32 payload[len]
//! frame    = len:u32 sum:u32 payload[len]
//! payload  = type:u8 …
//! ```
//!
//! A segment carries its own dictionary: strings, callsites and tasks are written on first use and referred to by
//! their position afterwards, so any segment can be decoded alone. The byte layout is in `docs/format.md`.

pub mod cursor;
pub(crate) mod evict;
mod hash;
mod known;
pub(crate) mod page;
mod reader;
mod writer;

pub use reader::{Decoded, SegmentError, Tail, merge};
pub use writer::{CallsiteDefinition, CallsiteRef, EndHead, KnownTask, Message, RecordHead, SegmentWriter};
pub use writer::{TaskDefinition, TaskOrigin, TaskRef};

use tracing_core::Level;

use crate::record::level_code;
use crate::segment::page::Page;

/// The first bytes of every segment.
pub const MAGIC: [u8; 4] = *b"SPLK";

/// The version written by this crate; versions up to this one are read.
pub const VERSION: u8 = 1;

/// The header's flag for a segment whose frames were not summed, because it never left the memory it was written in.
pub(crate) const NO_SUMS: u8 = 0x01;

/// Where the flags stand in the header.
const FLAGS_AT: usize = 5;

/// Where the header's own frame starts, behind magic, version and flags.
pub(crate) const HEADER_START: usize = 8;

/// Length of a frame's head: its payload's length and checksum.
pub(crate) const FRAME_HEAD: usize = 8;

pub(crate) mod frame {
    //! The first byte of a frame's payload.
    pub(crate) const STRING: u8 = 0x01;
    pub(crate) const CALLSITE: u8 = 0x02;
    pub(crate) const TASK: u8 = 0x03;
    pub(crate) const EVENT: u8 = 0x10;
    pub(crate) const BEGIN: u8 = 0x11;
    pub(crate) const END: u8 = 0x12;
    pub(crate) const LOSS: u8 = 0x13;

    /// Bits of the second byte of a record frame, above the level's three.
    pub(crate) const LEVEL_MASK: u8 = 0x07;
    pub(crate) const HAS_MESSAGE: u8 = 0x08;
    pub(crate) const MESSAGE_CUT: u8 = 0x10;
    pub(crate) const QUIET: u8 = 0x20;

    /// The second byte of a task frame: where its key comes from.
    pub(crate) const ORIGIN_ROOT: u8 = 0;
    pub(crate) const ORIGIN_CHILD: u8 = 1;
    pub(crate) const ORIGIN_CONTINUED: u8 = 2;
    pub(crate) const ORIGIN_MASK: u8 = 0x03;
    pub(crate) const OWN_CONTEXT: u8 = 0x04;
    pub(crate) const FOREIGN_PARENT: u8 = 0x08;
    /// The frame is the task's begin record as well.
    pub(crate) const BEGINS: u8 = 0x10;
}

/// A finished segment on its way to the sinks.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    pub(crate) page: Page,
    pub(crate) stats: Stats,
}

/// What is known about a segment without reading it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    /// Records that callers offered: events, begins and ends, not losses.
    pub(crate) records: u64,
    /// Time of the first of them.
    pub(crate) first_ns: i64,
    /// The shard it was drained from, which no other of the same drain has; 0 for one that came alone.
    pub(crate) lane: usize,
    /// Bytes of events by level: what eviction could free.
    pub(crate) event_bytes: [usize; 5],
    /// How much of a buffer's room it takes beyond its own length, because the file that it is is longer.
    pub(crate) unused: usize,
}

impl Segment {
    /// A segment's bytes as they came from a file or a peer.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let stats = Decoded::read(&bytes).map(|decoded| decoded.stats()).unwrap_or_default();
        Self { page: bytes.into(), stats }
    }

    /// Fills in the checksums of a segment that was written without, so that its bytes can leave this process.
    pub fn sum(&mut self) {
        let bytes = self.page.bytes_mut();
        let Some(flags) = bytes.get_mut(FLAGS_AT).filter(|flags| **flags & NO_SUMS != 0) else {
            return;
        };
        *flags &= !NO_SUMS;
        let mut rest = bytes.get_mut(HEADER_START..).unwrap_or_default();
        while let Some((head, behind)) = rest.split_first_chunk_mut::<FRAME_HEAD>() {
            let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            let Some((payload, behind)) = behind.split_at_mut_checked(len as usize) else {
                return;
            };
            head[4..].copy_from_slice(&checksum(payload).to_le_bytes());
            rest = behind;
        }
    }

    /// The bytes, header included. Those of a drained segment have no checksums before [`Segment::sum`].
    pub fn bytes(&self) -> &[u8] {
        self.page.bytes()
    }

    /// Its number among the files of the spool that it was written into; no other segment of the process ever has it. `None`
    /// for one in memory.
    pub fn number(&self) -> Option<u64> {
        self.page.path().and_then(crate::spool::number)
    }

    /// How many records callers put into it; statements of loss are not counted.
    pub fn records(&self) -> u64 {
        self.stats.records
    }

    /// Reads the dictionary and finds the records.
    pub fn decode(&self) -> Result<Decoded<'_>, SegmentError> {
        let mut decoded = Decoded::read_own(self.page.bytes())?;
        decoded.lane = self.stats.lane;
        Ok(decoded)
    }
}

impl Stats {
    pub(crate) fn add_record(&mut self, ts_ns: i64) {
        if self.records == 0 {
            self.first_ns = ts_ns;
        }
        self.records += 1;
    }

    pub(crate) fn add_event_bytes(&mut self, level: Level, bytes: usize) {
        self.event_bytes[usize::from(level_code(level))] += bytes;
    }
}

/// The checksum of a payload: the low half of its xxh3.
#[inline]
pub(crate) fn checksum(payload: &[u8]) -> u32 {
    xxhash_rust::xxh3::xxh3_64(payload) as u32
}
