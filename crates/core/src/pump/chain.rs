//! Processors one behind the other: in front of all sinks, in a logger or a pipeline, or in front of one sink.
//!
//! What one of them had kept and gives on goes through those behind it, and comes out before the batch that made it do so.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::loss::{Cause, Loss};
use crate::processor::{Processor, Tally};
use crate::pump::kept::Kept;
use crate::record::{Kind, Record};
use crate::segment::Segment;

/// Processors in their order, wherever they are kept.
pub(super) struct Chain<'p>(Vec<&'p mut Box<dyn Processor>>);

/// What came of a run besides the batch itself.
#[derive(Default)]
pub(super) struct Passed {
    /// What was lost, and says so.
    pub(super) losses: Vec<Loss>,
    /// What comes out of the chain before the batch, having been kept.
    pub(super) released: Vec<Segment>,
}

/// Most records that are taken out of what was kept at once.
const BATCH_RECORDS: usize = 512;

// === impl Chain ===

impl<'p> Chain<'p> {
    pub(super) fn of(processors: impl IntoIterator<Item = &'p mut Box<dyn Processor>>) -> Self {
        Self(processors.into_iter().collect())
    }

    /// Runs all of them on a batch. One that panics loses the batch, but for the statements of loss in it.
    pub(super) fn pass(&mut self, records: &mut Vec<Record<'_>>) -> Passed {
        self.pass_from(0, records)
    }

    /// Lets each of the first `count` do something without a batch. A panic there loses nothing.
    pub(super) fn prompt(&mut self, count: usize, what: &mut dyn FnMut(&mut dyn Processor)) -> Passed {
        let mut passed = Passed::default();
        for at in 0..count.min(self.0.len()) {
            let processor = &mut **self.0[at];
            let work = || {
                what(processor);
                (processor.take_losses(), processor.take_released())
            };
            let (losses, released) = catch_unwind(AssertUnwindSafe(work)).unwrap_or_default();
            passed.losses.extend(losses);
            passed.add(self.pass_on(at + 1, released));
        }
        passed
    }

    fn pass_from(&mut self, from: usize, records: &mut Vec<Record<'_>>) -> Passed {
        let mut passed = Passed::default();
        for at in from..self.0.len() {
            let (losses, released) = step(&mut **self.0[at], records);
            passed.losses.extend(losses);
            passed.add(self.pass_on(at + 1, released));
        }
        passed
    }

    /// Takes what one had kept through those from `from` on.
    fn pass_on(&mut self, from: usize, released: Vec<Segment>) -> Passed {
        if from == self.0.len() || released.is_empty() {
            return Passed { losses: Vec::new(), released };
        }
        let mut passed = Passed::default();
        each_batch(&released, |records| {
            passed.add(self.pass_from(from, records));
            passed.released.extend(Kept::all(records).into_segments());
        });
        passed
    }
}

// === impl Passed ===

impl Passed {
    /// How many records were lost.
    pub(super) fn lost(&self) -> u64 {
        self.losses.iter().map(Loss::count).sum()
    }

    /// Gives what was kept and came out, in bounded batches, to `each`.
    pub(super) fn each_released(&self, each: impl FnMut(&mut Vec<Record<'_>>)) {
        each_batch(&self.released, each);
    }

    fn add(&mut self, more: Self) {
        self.losses.extend(more.losses);
        self.released.extend(more.released);
    }
}

// === helpers ===

pub(super) fn tally<'p>(processors: impl IntoIterator<Item = &'p Box<dyn Processor>>) -> Tally {
    processors.into_iter().map(|processor| processor.tally()).fold(Tally::default(), |all, one| all + one)
}

/// Runs one of them; gives what it lost and what it gives on.
fn step(processor: &mut dyn Processor, records: &mut Vec<Record<'_>>) -> (Vec<Loss>, Vec<Segment>) {
    let all = Loss::of(Cause::Panicked, records.iter());
    let stated: Vec<Record<'_>> = records.iter().filter(|record| record.kind == Kind::Loss).cloned().collect();
    let work = || {
        processor.process(records);
        (processor.take_losses(), processor.take_released())
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        *records = stated;
        (Some(all).into_iter().filter(|all| all.count() > 0).collect(), Vec::new())
    })
}

fn each_batch(segments: &[Segment], mut each: impl FnMut(&mut Vec<Record<'_>>)) {
    let decoded: Vec<_> = segments.iter().filter_map(|segment| segment.decode().ok()).collect();
    let mut all = decoded.iter().flat_map(|segment| segment.records());
    loop {
        let mut records: Vec<Record<'_>> = all.by_ref().take(BATCH_RECORDS).collect();
        if records.is_empty() {
            return;
        }
        each(&mut records);
    }
}
