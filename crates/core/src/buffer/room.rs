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

/// Most tasks whose ends a shard reserves room for at once.
const ENDS_GRANT: isize = 64;

/// The bound on what a buffer holds.
#[derive(Debug)]
pub(crate) struct Room {
    /// The process that made the buffer.
    home: u32,
    capacity: isize,
    grant: usize,
    used: AtomicIsize,
    /// Tasks that may still begin before the share for their ends is used up.
    ends_left: AtomicIsize,
    ends_grant: isize,
    capacity_records: Option<NonZeroU64>,
    records: AtomicU64,
}

impl Room {
    pub(crate) fn new(options: &BufferOptions, home: u32) -> Self {
        let capacity = options.capacity_bytes.get().min(isize::MAX as usize);
        let for_ends = capacity / 4;
        let most_ends = (for_ends / END_RESERVE) as isize;
        Self {
            home,
            capacity: (capacity - for_ends) as isize,
            grant: GRANT_BYTES.min(capacity / GRANT_SHARE),
            used: AtomicIsize::new(0),
            ends_left: AtomicIsize::new(most_ends),
            ends_grant: (most_ends / GRANT_SHARE as isize).clamp(1, ENDS_GRANT),
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

    /// Sets the room for one task's end aside, out of those that a shard holds already or by asking for some more.
    #[inline]
    pub(crate) fn reserve_end(&self, ends: &mut isize) -> bool {
        if *ends == 0 {
            let take = |left: isize| (left > 0).then(|| left - left.min(self.ends_grant));
            let before = self.ends_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
            *ends = before.map_or(0, |left| left.min(self.ends_grant));
        }
        let reserved = *ends > 0;
        *ends -= isize::from(reserved);
        reserved
    }

    /// Takes the reserve of a task back that has ended.
    #[inline]
    pub(crate) fn release_end(&self, ends: &mut isize) {
        *ends += 1;
        if *ends > 2 * self.ends_grant {
            self.return_ends(ends);
        }
    }

    /// Gives what a shard holds for ends that have not begun back.
    pub(crate) fn return_ends(&self, ends: &mut isize) {
        self.ends_left.fetch_add(*ends, Ordering::Relaxed);
        *ends = 0;
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
    fn grant(&self, credit: &mut isize, need: usize) -> bool {
        if std::process::id() != self.home {
            // A forked child has nobody who drains: it gets no more room than its thread had at the fork.
            return false;
        }
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
