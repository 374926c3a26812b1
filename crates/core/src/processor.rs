//! Processors: steps between the buffer and the sinks.

use crate::loss::Loss;
use crate::record::Record;
use crate::segment::Segment;

/// A step on each batch before the sinks see it: it may drop records and change them. Dropping is a normal outcome:
/// such records count as filtered, unless [`Processor::take_losses`] says that they were wanted.
///
/// Processors run on the pump's thread, all of them, in the order they were given. One that panics costs the batch it
/// was working on, which is counted as lost with cause `panicked`.
///
/// A closure that says whether to keep a record, and may change it, is a processor:
///
/// ```
/// use spanlake_core::{Processor, Record};
///
/// fn accept(_: impl Processor) {}
/// accept(|record: &mut Record<'_>| record.target() != "noisy::crate");
/// ```
///
/// One that waits with records until it knows whether they are wanted takes copies of them, as segments, and gives them on
/// by [`Processor::take_released`]. [`FlightRecorder`](crate::flight::FlightRecorder) does.
pub trait Processor: Send {
    /// Works on the records of one batch.
    fn process(&mut self, records: &mut Vec<Record<'_>>);

    /// Which of the records that it dropped from this batch were wanted: they count as lost, and the pump states them in
    /// the stream. Asked after each batch.
    fn take_losses(&mut self) -> Vec<Loss> {
        Vec::new()
    }

    /// Time has passed; `now_ns` is UTC nanoseconds since the Unix epoch. Called at every drain, also when there was nothing.
    fn tick(&mut self, now_ns: i64) {
        let _ = now_ns;
    }

    /// No further batch comes: what it still keeps is to be given on or dropped now.
    fn finish(&mut self) {}

    /// What it kept of earlier batches and gives on now: it goes through the processors behind this one and to the sinks, in
    /// this order, before the batch that was just worked on. Asked after each batch and each of the calls above.
    fn take_released(&mut self) -> Vec<Segment> {
        Vec::new()
    }

    /// What it keeps of earlier batches. A crash-proof spool, which lets go what the sinks have, keeps this as well.
    fn held(&self) -> Vec<&Segment> {
        Vec::new()
    }

    /// What it has done with records so far.
    fn tally(&self) -> Tally {
        Tally::default()
    }
}

/// What a processor does with records besides letting them pass and dropping them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that it keeps now; they count as pending.
    pub holding: u64,
    /// Records that it kept and nobody came to want.
    pub held_back: u64,
    /// Records that it left out because another one, which it let pass, stands for them.
    pub folded: u64,
}

impl<F> Processor for F
where
    F: FnMut(&mut Record<'_>) -> bool + Send,
{
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        records.retain_mut(self);
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            holding: self.holding + more.holding,
            held_back: self.held_back + more.held_back,
            folded: self.folded + more.folded,
        }
    }
}
