//! The slot for flush, shutdown and changes, and the boards on which the pump keeps its counts.

use std::time::Instant;

use crate::buffer::Buffer;
use crate::error::{Category, Error, Stage};
use crate::pump::plan::Prepared;
use crate::pump::report::{Report, SinkReport};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, lock, lock_at_home};

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
    seats: Mutex<Vec<Seat>>,
}

/// Wishes are numbered; an answer to one answers all before it.
#[derive(Debug, Default)]
struct Slot {
    wished: u64,
    answered: u64,
    stop: bool,
    stopped: bool,
    changes: Vec<Change>,
}

/// What the pump is wished to do in its next round.
#[derive(Debug)]
pub(super) struct Wished {
    /// The newest wish that has no answer yet.
    pub(super) number: Option<u64>,
    pub(super) stop: bool,
    pub(super) changes: Vec<Change>,
}

/// Another plan, and where to say what came of it.
#[derive(Debug)]
pub(super) struct Change {
    number: u64,
    pub(super) plan: Prepared,
    pub(super) outcome: Arc<Mutex<Option<Outcome>>>,
}

/// What came of a change: the last reports of the sinks that are gone.
pub(super) type Outcome = Result<Vec<SinkReport>, Error>;

/// A sink's counts, and what had become of the records that came before it.
#[derive(Debug)]
struct Seat {
    board: Arc<Board>,
    before: Before,
}

/// With what its sink has by itself this is all that the pump has drained. What sinks lost that are gone counts as lost here
/// too, so that a loss is not forgotten with its sink.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    written: i64,
    filtered: i64,
    lost: i64,
}

/// What became of all records as one sink saw it.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    written: u64,
    filtered: u64,
    lost: u64,
    pending: u64,
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
            seats: Mutex::new(boards.into_iter().map(Seat::first).collect()),
        }
    }

    /// Leaves a wish, wakes the pump and waits for the answer; gives whether it came in time.
    pub(super) fn command(&self, wish: Wish, wake: impl FnOnce(), deadline: Instant) -> bool {
        let mut slot = lock(&self.slot);
        slot.wished += 1;
        slot.stop |= wish == Wish::Stop;
        let number = slot.wished;
        wake();
        self.wait(slot, number, deadline)
    }

    /// Leaves another plan, wakes the pump and waits for what comes of it.
    pub(super) fn change(&self, plan: Prepared, wake: impl FnOnce(), deadline: Instant) -> Outcome {
        let outcome = Arc::new(Mutex::new(None));
        let mut slot = lock(&self.slot);
        slot.wished += 1;
        let number = slot.wished;
        slot.changes.push(Change { number, plan, outcome: Arc::clone(&outcome) });
        wake();
        self.wait(slot, number, deadline);
        let came = lock(&outcome).take();
        came.unwrap_or_else(|| Err(self.take_back(number)))
    }

    /// Makes sure that a change to which no answer came is not made later, if that is still possible; says which.
    fn take_back(&self, number: u64) -> Error {
        let mut slot = lock(&self.slot);
        let before = slot.changes.len();
        slot.changes.retain(|change| change.number != number);
        match () {
            () if slot.stopped => refused("the pump has stopped"),
            () if slot.changes.len() < before => refused("the pump did not get to the change in time").recoverable(),
            () => refused("the change was not done in time and goes on"),
        }
    }

    /// Waits for the answer to a wish; gives whether it came in time.
    fn wait(&self, mut slot: MutexGuard<'_, Slot>, number: u64, deadline: Instant) -> bool {
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

    /// What there is to be done; changes are taken.
    pub(super) fn wished(&self) -> Wished {
        let mut slot = lock(&self.slot);
        let number = (slot.wished > slot.answered).then_some(slot.wished);
        Wished { number, stop: slot.stop, changes: std::mem::take(&mut slot.changes) }
    }

    /// Lets the counts of these sinks take the place of those so far, all of which are at rest. What became of records
    /// before a new one came is what the sink says that misses most, or was lost by one that goes.
    pub(super) fn reseat(&self, boards: Vec<Arc<Board>>) {
        let mut seats = lock(&self.seats);
        let worst = worst(&seats).unwrap_or_else(|| View::without_sinks(self.handed()));
        let lost = seats.iter().map(|seat| seat.view(&lock(&seat.board)).lost).fold(worst.lost, u64::max);
        let seated = boards.into_iter().map(|board| match seats.iter().find(|seat| Arc::ptr_eq(&seat.board, &board)) {
            Some(seat) => seat.losing(lost),
            None => Seat { board, before: worst.settled(lost) },
        });
        *seats = seated.collect();
    }

    fn handed(&self) -> u64 {
        self.drained.load(Ordering::Acquire).saturating_sub(self.filtered.load(Ordering::Relaxed))
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
        let seated = self.read_seats(buffer.source().pid);
        let losses = buffer.losses();
        // When the pump is gone all that is recorded is lost at once: that of this moment would look pending otherwise.
        let recorded = if stopped { drained + losses.total() } else { buffer.recorded() };
        let worst = View::worst(seated.iter().map(|(_, view)| *view));
        let worst = worst.unwrap_or_else(|| View::without_sinks(drained.saturating_sub(filtered)));
        let (written, filtered, lost) = (worst.written, filtered + worst.filtered, losses.total() + worst.lost);
        Report {
            recorded,
            written,
            filtered,
            lost,
            pending: recorded.saturating_sub(written + filtered + lost),
            timed_out: false,
            losses,
            sinks: seated.into_iter().map(|(sink, _)| sink).collect(),
            spool: buffer.spool_report(),
            redacted: Vec::new(),
            held_back: self.held_back.load(Ordering::Relaxed),
            folded: self.folded.load(Ordering::Relaxed),
        }
    }

    /// The sinks' counts, and how all looks from each. A forked child whose parent's pump was just changing them sees none.
    fn read_seats(&self, home: u32) -> Vec<(SinkReport, View)> {
        let Some(seats) = lock_at_home(&self.seats, home) else {
            return Vec::new();
        };
        let read = |seat: &Seat| {
            let sink = lock_at_home(&seat.board, home).map(|board| board.clone()).unwrap_or_default();
            let view = seat.view(&sink);
            (sink, view)
        };
        seats.iter().map(read).collect()
    }
}

// === impl Seat ===

impl Seat {
    /// Of a sink that is there from the start.
    fn first(board: Arc<Board>) -> Self {
        Self { board, before: Before::default() }
    }

    fn view(&self, sink: &SinkReport) -> View {
        let sum = |own: u64, before: i64| own.saturating_add_signed(before);
        View {
            written: sum(sink.written, self.before.written),
            filtered: sum(sink.filtered, self.before.filtered),
            lost: sum(sink.lost, self.before.lost),
            pending: sink.pending,
        }
    }

    /// The same seat, but as many records are lost as another sink has lost: of those written, or else filtered.
    fn losing(&self, lost: u64) -> Self {
        let view = self.view(&lock(&self.board));
        let more = lost.saturating_sub(view.lost).min(view.written + view.filtered);
        let of_written = more.min(view.written);
        let before = Before {
            written: self.before.written - of_written as i64,
            filtered: self.before.filtered - (more - of_written) as i64,
            lost: self.before.lost + more as i64,
        };
        Self { board: Arc::clone(&self.board), before }
    }
}

// === impl View ===

impl View {
    /// That of the sink that misses most; among equals, of the one that took most.
    fn worst(views: impl Iterator<Item = Self>) -> Option<Self> {
        views.max_by_key(|view| (view.lost + view.pending, view.written))
    }

    /// Nobody misses anything.
    fn without_sinks(handed: u64) -> Self {
        Self { written: handed, ..Self::default() }
    }

    /// As it looks to a sink that comes now: what waits for another is that one's affair, what was lost is lost.
    fn settled(self, lost: u64) -> Before {
        let all = self.written + self.filtered + self.lost + self.pending;
        let written = all.saturating_sub(self.filtered + lost);
        Before { written: written as i64, filtered: (all - written).saturating_sub(lost) as i64, lost: lost as i64 }
    }
}

fn worst(seats: &[Seat]) -> Option<View> {
    View::worst(seats.iter().map(|seat| seat.view(&lock(&seat.board))))
}

fn refused(why: &str) -> Error {
    Error::new(Stage::Dispatch, "Pump", Category::Configuration, why)
}
