//! The shared bound: how much is taken of it, and how shards take their part.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};

use crate::buffer::BufferOptions;

/// Bytes set aside for the end of an open task; an end that finds no other room is written within them.
pub(crate) const END_RESERVE: usize = 96;

/// Largest grant to a shard; smaller buffers grant in proportion, and the smallest exactly what a record needs.
const GRANT_BYTES: usize = 64 << 10;

/// Share of the capacity that one grant may take.
const GRANT_SHARE: usize = 1024;

/// The bound on what a buffer holds.
#[derive(Debug)]
pub(crate) struct Room {
    capacity: isize,
    grant: usize,
    used: AtomicIsize,
    /// Tasks that may still begin before the share for their ends is used up.
    ends_left: AtomicIsize,
    capacity_records: Option<NonZeroU64>,
    records: AtomicU64,
}

impl Room {
    pub(crate) fn new(options: &BufferOptions) -> Self {
        let capacity = options.capacity_bytes.get().min(isize::MAX as usize);
        let for_ends = capacity / 4;
        Self {
            capacity: (capacity - for_ends) as isize,
            grant: GRANT_BYTES.min(capacity / GRANT_SHARE),
            used: AtomicIsize::new(0),
            ends_left: AtomicIsize::new((for_ends / END_RESERVE) as isize),
            capacity_records: options.capacity_records,
            records: AtomicU64::new(0),
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed).max(0) as usize
    }

    /// Makes sure that `credit` covers `need` bytes and that one more record may be held; takes nothing when not.
    #[inline]
    pub(crate) fn admit(&self, credit: &mut isize, need: usize) -> bool {
        let covered = *credit >= need as isize || self.grant(credit, need);
        covered && self.admit_record()
    }

    /// Whether `need` more bytes, or one more record, would be too much even if a shard had no credit.
    pub(crate) fn missing(&self, credit: isize, need: usize) -> (usize, u64) {
        let over = self.used.load(Ordering::Relaxed) + need as isize - credit - self.capacity;
        let full = self.capacity_records.is_some_and(|most| self.records.load(Ordering::Relaxed) >= most.get());
        (over.max(0) as usize, u64::from(full))
    }

    /// Counts a record that is written whatever the bound says.
    pub(crate) fn force_record(&self) {
        if self.capacity_records.is_some() {
            self.records.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sets the room for one task's end aside.
    pub(crate) fn reserve_end(&self) -> bool {
        let left = self.ends_left.fetch_sub(1, Ordering::Relaxed);
        if left > 0 {
            return true;
        }
        self.ends_left.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Takes the reserve of a task back that has ended.
    pub(crate) fn release_end(&self) {
        self.ends_left.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a shard's unused credit back, or takes what it overdrew.
    pub(crate) fn settle(&self, credit: &mut isize) {
        if *credit != 0 {
            self.used.fetch_sub(*credit, Ordering::Relaxed);
            *credit = 0;
        }
    }

    pub(crate) fn release(&self, bytes: usize, records: u64) {
        self.used.fetch_sub(bytes as isize, Ordering::Relaxed);
        if self.capacity_records.is_some() {
            self.records.fetch_sub(records, Ordering::Relaxed);
        }
    }

    #[cold]
    fn grant(&self, credit: &mut isize, need: usize) -> bool {
        let exact = need as isize - *credit;
        [exact.max(self.grant as isize), exact].into_iter().any(|amount| {
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
