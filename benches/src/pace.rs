//! One producer thread's share of the work, and the clock that runs while it produces.

use std::{
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use crate::work::{BURST_LEN, BURST_PAUSE, Work};

/// Hands a thread its operations and adds up the time they take.
#[derive(Debug)]
pub struct Pace {
    share: Range<u64>,
    burst_len: u64,
    pause: Option<Duration>,
    spent: Duration,
}

impl Pace {
    /// The share of thread `index` among `threads` that do `count` operations together.
    pub fn new(work: Work, count: u64, threads: u64, index: u64) -> Self {
        let share = count * index / threads..count * (index + 1) / threads;
        let (burst_len, pause) = match work {
            Work::Burst => (BURST_LEN, Some(BURST_PAUSE)),
            Work::Events | Work::Spans | Work::Disabled => (u64::MAX, None),
        };
        Self { share, burst_len, pause, spent: Duration::ZERO }
    }

    /// Calls `operation` with each number of the share.
    #[inline]
    pub fn drive(&mut self, mut operation: impl FnMut(u64)) {
        self.drive_by(u64::MAX, |numbers| numbers.for_each(&mut operation));
    }

    /// Calls `operations` with runs of at most `len` numbers, for peers that must start a new root now and then.
    #[inline]
    pub fn drive_by(&mut self, len: u64, mut operations: impl FnMut(Range<u64>)) {
        for burst in split(self.share.clone(), self.burst_len) {
            let started = Instant::now();
            split(burst, len).for_each(&mut operations);
            self.spent += started.elapsed();
            self.pause.into_iter().for_each(thread::sleep);
        }
    }

    /// Time this thread spent per operation, pauses left out.
    pub fn caller_ns(&self) -> f64 {
        let operations = self.share.end - self.share.start;
        self.spent.as_nanos() as f64 / operations.max(1) as f64
    }
}

fn split(range: Range<u64>, len: u64) -> impl Iterator<Item = Range<u64>> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let piece = start..start.saturating_add(len).min(range.end);
        start = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_every_operation_once() {
        let mut numbers = Vec::new();
        for index in 0..3 {
            Pace::new(Work::Events, 10, 3, index).drive(|n| numbers.push(n));
        }
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn runs_are_no_longer_than_asked() {
        let mut runs = Vec::new();
        Pace::new(Work::Burst, 4_100, 1, 0).drive_by(1_500, |run| runs.push(run.end - run.start));
        assert_eq!(runs, [1_500, 500, 1_500, 500, 100]);
    }

    #[test]
    fn pauses_are_not_caller_time() {
        let mut pace = Pace::new(Work::Burst, 1, 1, 0);
        pace.drive(|_| ());
        assert!(pace.caller_ns() < BURST_PAUSE.as_nanos() as f64);
    }
}
