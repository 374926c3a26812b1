//! Processors: steps between the buffer and the sinks.

use crate::loss::Loss;
use crate::record::Record;

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
pub trait Processor: Send {
    /// Works on the records of one batch.
    fn process(&mut self, records: &mut Vec<Record<'_>>);

    /// Which of the records that it dropped from this batch were wanted: they count as lost, and the pump states them in
    /// the stream. Asked after each batch.
    fn take_losses(&mut self) -> Vec<Loss> {
        Vec::new()
    }
}

impl<F> Processor for F
where
    F: FnMut(&mut Record<'_>) -> bool + Send,
{
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        records.retain_mut(self);
    }
}
