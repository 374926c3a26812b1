//! The shared bound: how much is taken of it, and how shards take their part.

use std::num::NonZeroU64;

use crate::buffer::BufferOptions;
use crate::sync::atomic::{AtomicIsize, AtomicU64, Ordering};

/// Most bytes that an end takes in its shortest form, in which it is written when there is no room.
pub(crate) const SHORTEST_END: usize = 96;

/// Largest grant to a shard; smaller buffers grant in proportion, and the smallest exactly what a record needs.
const GRANT_BYTES: usize = 64 << 10;

/// Largest grant to a shard that has not written anything lately.
const FIRST_GRANT_BYTES: usize = 1 << 10;

/// Share of the capacity that one grant may take.
const GRANT_SHARE: usize = 1024;

/// The bound on what a buffer holds.
#[derive(Debug)]
pub(crate) struct Room {
    /// The process that made the buffer.
    home: u32,
    capacity: isize,
    grant: usize,
    used: AtomicIsize,
    capacity_records: Option<NonZeroU64>,
    records: AtomicU64,
}

impl Room {
    pub(crate) fn new(options: &BufferOptions, home: u32) -> Self {
        let capacity = options.capacity_bytes.get().min(isize::MAX as usize);
        Self {
            home,
            capacity: capacity as isize,
            grant: GRANT_BYTES.min(capacity / GRANT_SHARE),
            used: AtomicIsize::new(0),
            capacity_records: options.capacity_records,
            records: AtomicU64::new(0),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed).max(0) as usize
    }

    /// Makes sure that `credit` covers `need` bytes and that one more record may be held; takes nothing when not. A shard
    /// is granted about as much as it has `written` lately, so that thousands of idle threads do not hold all the room.
    #[inline]
    pub(crate) fn admit(&self, credit: &mut isize, need: usize, written: usize) -> bool {
        let covered = *credit >= need as isize || self.grant(credit, need, written);
        covered && self.admit_record()
    }

    /// How many bytes and records are in the way of granting `need` more bytes and one more record.
    pub(crate) fn missing(&self, need: usize) -> (usize, u64) {
        let over = self.used.load(Ordering::Relaxed) + need as isize - self.capacity;
        let full = self.capacity_records.is_some_and(|most| self.records.load(Ordering::Relaxed) >= most.get());
        (over.max(0) as usize, u64::from(full))
    }

    /// Counts a record that is written whatever the bound says.
    pub(crate) fn force_record(&self) {
        if self.capacity_records.is_some() {
            self.records.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives a shard's unused credit back, or takes what it overdrew.
    pub(crate) fn settle(&self, credit: &mut isize) {
        if *credit != 0 {
            self.used.fetch_sub(*credit, Ordering::Relaxed);
            *credit = 0;
        }
    }

    /// Gives room back, or takes some more when `bytes` is negative.
    pub(crate) fn release(&self, bytes: isize, records: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if self.capacity_records.is_some() {
            self.records.fetch_sub(records, Ordering::Relaxed);
        }
    }

    #[cold]
    fn grant(&self, credit: &mut isize, need: usize, written: usize) -> bool {
        if std::process::id() != self.home {
            // A forked child has nobody who drains: it gets no more room than its thread had at the fork.
            return false;
        }
        let exact = need as isize - *credit;
        let generous = self.grant.min(written.max(FIRST_GRANT_BYTES)) as isize;
        [exact.max(generous), exact].into_iter().any(|amount| {
            let take = |used: isize| (used + amount <= self.capacity).then_some(used + amount);
            let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
            if taken {
                *credit += amount;
            }
            taken
        })
    }

    #[inline]
    fn admit_record(&self) -> bool {
        let Some(most) = self.capacity_records else {
            return true;
        };
        let add = |records: u64| (records < most.get()).then_some(records + 1);
        self.records.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }
}
