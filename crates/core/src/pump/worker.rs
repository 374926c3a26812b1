//! The pump's thread.
//!
//! One round: drain, then for each group of segments decode, merge, process, write, give the room back. The order of
//! the steps of a flush matters: the wish is read *before* the drain, so that everything recorded before the wish was
//! made is drained before it is answered.

use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use crate::buffer::Buffer;
use crate::clock::deadline;
use crate::guest;
use crate::loss::{Cause, Loss};
use crate::processor::Processor;
use crate::pump::control::Control;
use crate::pump::outlet::Outlet;
use crate::record::Record;
use crate::segment::{Segment, merge};
use crate::spool::OpenTasks;
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, thread};

/// Segments are worked on together up to this size, so that their room is given back in steps.
const GROUP_BYTES: usize = 4 << 20;

/// Most records handed to the sinks at once: a batch is all or nothing, so on a disk that is nearly full a small one
/// still fits, and lines that repeat a large context stay within memory.
const BATCH_RECORDS: usize = 512;

/// The least time between two flushes that a spool asks for because it is half full.
const RELIEF_PAUSE: Duration = Duration::from_millis(200);

/// How much of the room is taken by what the sinks have not made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retained {
    Little,
    /// More than a half: time for a flush.
    Half,
    /// More than three quarters: it must go, also where a sink fails to flush.
    Most,
}

pub(super) struct Worker {
    pub(super) buffer: Buffer,
    pub(super) control: Arc<Control>,
    pub(super) processors: Vec<Box<dyn Processor>>,
    pub(super) outlets: Vec<Outlet>,
    pub(super) backlog_bytes: usize,
    pub(super) drain_every: Duration,
    pub(super) flush_every: Duration,
    pub(super) next_flush: Instant,
    /// When a spool that is half full may ask for the next flush.
    pub(super) next_relief: Instant,
    /// The tasks that a spool must know to be open.
    pub(super) open_tasks: OpenTasks,
}

impl Worker {
    pub(super) fn run(&mut self) {
        // Whatever sinks and processors log through `tracing` stays out of this buffer.
        let _inside = guest::enter(guest::Place::Pump);
        let control = Arc::clone(&self.control);
        let _ = catch_unwind(AssertUnwindSafe(|| self.rounds()));
        self.buffer.close();
        control.stopped();
    }

    fn rounds(&mut self) {
        loop {
            let (wish, stop) = self.control.wished();
            if stop {
                self.buffer.close();
            }
            self.round();
            if stop {
                // Once more, for what the round itself lost and has not stated yet.
                self.round();
            }
            self.outlets.iter_mut().for_each(|outlet| outlet.retry(wish.is_some()));
            self.outlets.iter_mut().for_each(Outlet::tick);
            if wish.is_some() || Instant::now() >= self.next_flush || self.needs_relief() {
                self.next_flush = deadline(self.flush_every);
                self.outlets.iter_mut().for_each(Outlet::flush);
                self.checkpoint();
            }
            if stop {
                return self.close();
            }
            match wish {
                Some(number) => self.control.answer(number),
                None if self.retained() == Retained::Little => thread::park_timeout(self.drain_every),
                None => thread::park_timeout(self.drain_every.min(RELIEF_PAUSE)),
            }
        }
    }

    fn close(&mut self) {
        if !self.buffer.is_spooled() {
            return self.outlets.iter_mut().for_each(Outlet::close);
        }
        // What a sink of the lake could not take stays in the spool, and counts as pending.
        self.outlets.iter_mut().filter(|outlet| outlet.recipe().is_none()).for_each(Outlet::close);
        self.checkpoint();
        self.buffer.close_spool();
    }

    /// Whether the spool is so full of what the sinks have not made durable that they should.
    fn needs_relief(&mut self) -> bool {
        let retained = self.retained();
        let is_due = retained == Retained::Most || retained == Retained::Half && Instant::now() >= self.next_relief;
        if is_due {
            self.next_relief = deadline(RELIEF_PAUSE);
        }
        is_due
    }

    fn retained(&self) -> Retained {
        let (retained, capacity) = (self.buffer.retained_bytes(), self.buffer.capacity_bytes());
        match () {
            () if retained > capacity / 4 * 3 => Retained::Most,
            () if retained > capacity / 2 => Retained::Half,
            () => Retained::Little,
        }
    }

    /// Lets the spool go what the sinks have for good. A sink that cannot make it durable is waited for while there is
    /// room; then the spool lets go all the same, so that it does not hold up the other sinks, and what is kept for that
    /// sink is kept in memory only.
    fn checkpoint(&mut self) {
        if !self.buffer.is_spooled() {
            return;
        }
        let is_settled = self.outlets.iter().all(Outlet::is_settled);
        if is_settled || self.retained() == Retained::Most {
            let files = self.outlets.iter_mut().flat_map(Outlet::changed_files).collect();
            // What stands in the way is in the spool's report; the next flush tries again.
            let _ = self.buffer.checkpoint(files, &self.open_tasks);
        }
    }

    fn round(&mut self) {
        let mut segments = self.buffer.drain();
        segments.sort_by_key(|segment| segment.stats.first_ns);
        let mut segments = segments.into_iter().peekable();
        while segments.peek().is_some() {
            let group = next_group(&mut segments);
            self.work_on(&group);
            group.into_iter().for_each(|segment| self.buffer.hand_over(segment));
        }
        self.open_tasks.end_round();
    }

    fn work_on(&mut self, group: &[Segment]) {
        let mut decoded = Vec::with_capacity(group.len());
        for segment in group {
            match segment.decode() {
                Ok(readable) if readable.len() as u64 >= segment.records() => decoded.push(readable),
                _ => self.count_corrupt(segment),
            }
        }
        if self.buffer.is_spooled() {
            decoded.iter().for_each(|segment| self.open_tasks.read(segment));
        }
        let mut merged = merge(&decoded);
        loop {
            let mut records: Vec<Record<'_>> = merged.by_ref().take(BATCH_RECORDS).collect();
            if records.is_empty() {
                return;
            }
            self.feed(&mut records);
        }
    }

    fn feed(&mut self, records: &mut Vec<Record<'_>>) {
        let drained = Loss::of(Cause::Panicked, records.iter());
        let Some(losses) = self.process(records) else {
            // These records were counted when they were offered.
            return self.buffer.lose_recorded(&drained);
        };
        let lost: u64 = losses.iter().map(Loss::count).sum();
        losses.iter().for_each(|loss| self.buffer.lose_recorded(loss));
        // A processor may add records as well as drop some.
        let dropped = drained.count().saturating_sub(Loss::of(Cause::Panicked, records.iter()).count());
        self.control.filtered.fetch_add(dropped.saturating_sub(lost), Ordering::Relaxed);
        for outlet in &mut self.outlets {
            outlet.write(records, self.backlog_bytes);
        }
        self.control.drained.fetch_add(drained.count().saturating_sub(lost), Ordering::Release);
    }

    /// Runs all processors and gives what they lost; `None` when one panicked.
    fn process(&mut self, records: &mut Vec<Record<'_>>) -> Option<Vec<Loss>> {
        let work = || {
            self.processors.iter_mut().for_each(|processor| processor.process(records));
            self.processors.iter_mut().flat_map(|processor| processor.take_losses()).collect()
        };
        catch_unwind(AssertUnwindSafe(work)).ok()
    }

    /// Memory that does not match its own checksums: said, not guessed at.
    fn count_corrupt(&self, segment: &Segment) {
        let level = tracing_core::Level::ERROR;
        let mut loss = Loss::one(Cause::Corrupt, level, segment.bytes().len(), segment.stats.first_ns);
        loss.levels[4] = segment.records();
        // These records were counted when they were offered.
        self.buffer.lose_recorded(&loss);
    }
}

/// The next segments, at least one, that are worked on together.
fn next_group(segments: &mut Peekable<IntoIter<Segment>>) -> Vec<Segment> {
    let mut bytes = 0;
    let mut group = Vec::new();
    while let Some(segment) = segments.next_if(|segment| bytes == 0 || bytes + segment.bytes().len() <= GROUP_BYTES) {
        bytes += segment.bytes().len();
        group.push(segment);
    }
    group
}
