//! The slot for flush and shutdown, and the boards on which the pump keeps its counts.

use std::time::Instant;

use crate::buffer::Buffer;
use crate::pump::report::{Report, SinkReport};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Condvar, Mutex, lock, lock_at_home};

/// What a caller wants of the pump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Flush,
    Stop,
}

/// Shared by the pump and its handles.
#[derive(Debug)]
pub(super) struct Control {
    slot: Mutex<Slot>,
    answered: Condvar,
    /// Records that came out of the buffer, statements of loss not counted.
    pub(super) drained: AtomicU64,
    /// Records that processors dropped.
    pub(super) filtered: AtomicU64,
    /// Of those, which they had held and nobody wanted, and which others stand for.
    pub(super) held_back: AtomicU64,
    pub(super) folded: AtomicU64,
    boards: Vec<Arc<Board>>,
}

/// Wishes are numbered; an answer to one answers all before it.
#[derive(Debug, Default)]
struct Slot {
    wished: u64,
    answered: u64,
    stop: bool,
    stopped: bool,
}

/// One sink's counts.
pub(super) type Board = Mutex<SinkReport>;

impl Control {
    pub(super) fn new(boards: Vec<Arc<Board>>) -> Self {
        Self {
            slot: Mutex::default(),
            answered: Condvar::new(),
            drained: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
            folded: AtomicU64::new(0),
            boards,
        }
    }

    /// Leaves a wish, wakes the pump and waits for the answer; gives whether it came in time.
    pub(super) fn command(&self, wish: Wish, wake: impl FnOnce(), deadline: Instant) -> bool {
        let mut slot = lock(&self.slot);
        slot.wished += 1;
        slot.stop |= wish == Wish::Stop;
        let number = slot.wished;
        wake();
        while slot.answered < number && !slot.stopped {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            slot = match self.answered.wait_timeout(slot, left) {
                Ok((slot, _)) => slot,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }

    /// The newest wish that has no answer yet, and whether the pump is to stop.
    pub(super) fn wished(&self) -> (Option<u64>, bool) {
        let slot = lock(&self.slot);
        ((slot.wished > slot.answered).then_some(slot.wished), slot.stop)
    }

    pub(super) fn answer(&self, number: u64) {
        lock(&self.slot).answered = number;
        self.answered.notify_all();
    }

    /// Says that the pump is gone, whichever way, so that nobody waits for it.
    pub(super) fn stopped(&self) {
        lock(&self.slot).stopped = true;
        self.answered.notify_all();
    }

    pub(super) fn report(&self, buffer: &Buffer) -> Report {
        // What became of records is read before how many there are, and all of it while the pump goes on: what lies
        // between two readings counts as pending, never as negative and never twice.
        let stopped = lock_at_home(&self.slot, buffer.source().pid).is_some_and(|slot| slot.stopped);
        let drained = self.drained.load(Ordering::Acquire);
        let filtered = self.filtered.load(Ordering::Relaxed);
        let sinks: Vec<SinkReport> = self.boards.iter().map(|board| read(board, buffer.source().pid)).collect();
        let losses = buffer.losses();
        // When the pump is gone all that is recorded is lost at once: that of this moment would look pending otherwise.
        let recorded = if stopped { drained + losses.total() } else { buffer.recorded() };
        let worst = sinks.iter().max_by_key(|sink| (sink.lost + sink.pending, sink.written));
        let written = worst.map_or(drained.saturating_sub(filtered), |sink| sink.written);
        let filtered = filtered + worst.map_or(0, |sink| sink.filtered);
        let lost = losses.total() + worst.map_or(0, |sink| sink.lost);
        Report {
            recorded,
            written,
            filtered,
            lost,
            pending: recorded.saturating_sub(written + filtered + lost),
            timed_out: false,
            losses,
            sinks,
            spool: buffer.spool_report(),
            redacted: Vec::new(),
            held_back: self.held_back.load(Ordering::Relaxed),
            folded: self.folded.load(Ordering::Relaxed),
        }
    }
}

/// A sink's counts, or nothing in a forked child whose parent's pump was just changing them.
fn read(board: &Board, home: u32) -> SinkReport {
    lock_at_home(board, home).map(|board| board.clone()).unwrap_or_default()
}
