//! Where the publisher's thread and those who wait for it meet.

use std::time::Instant;

use spanlake_core::SinkState;
use spanlake_core::sync::{Condvar, Mutex, MutexGuard, lock};

/// Shared by the publisher and its handles.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    slot: Mutex<Slot>,
    answered: Condvar,
    board: Mutex<Board>,
}

/// Wishes are numbered; an answer to one answers all before it.
#[derive(Debug, Default)]
struct Slot {
    wished: u64,
    answered: u64,
    /// When the publisher is to stop at the latest.
    stop_at: Option<Instant>,
    has_stopped: bool,
}

/// What somebody wants of the publisher.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wished {
    /// The newest wish that everything be sent, if there is one without an answer.
    pub(crate) number: Option<u64>,
    pub(crate) stop_at: Option<Instant>,
}

/// What became of records behind the buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    /// Records that the other side has.
    pub(crate) written: u64,
    pub(crate) state: SinkState,
    pub(crate) errors: u64,
    pub(crate) last_error: Option<String>,
}

impl Desk {
    /// Leaves the wish that everything be sent, and that the publisher stop then if `stops`; wakes it and waits for the
    /// answer. Gives whether it came in time.
    pub(crate) fn command(&self, stops: bool, wake: impl FnOnce(), deadline: Instant) -> bool {
        let mut slot = lock(&self.slot);
        slot.wished += 1;
        if stops {
            slot.stop_at = Some(slot.stop_at.map_or(deadline, |at| at.min(deadline)));
        }
        let number = slot.wished;
        wake();
        while slot.answered < number && !slot.has_stopped {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            slot = self
                .answered
                .wait_timeout(slot, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |waited| waited.0);
        }
        slot.answered >= number
    }

    pub(crate) fn wished(&self) -> Wished {
        let slot = lock(&self.slot);
        Wished { number: Some(slot.wished).filter(|wished| *wished > slot.answered), stop_at: slot.stop_at }
    }

    /// Everything that was recorded before this wish has been sent.
    pub(crate) fn answer(&self, number: u64) {
        let mut slot = lock(&self.slot);
        slot.answered = slot.answered.max(number);
        drop(slot);
        self.answered.notify_all();
    }

    /// Nobody works here any more.
    pub(crate) fn close(&self) {
        lock(&self.slot).has_stopped = true;
        self.answered.notify_all();
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }
}
