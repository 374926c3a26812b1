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
use crate::clock::{deadline, utc_now_ns};
use crate::guest;
use crate::loss::{Cause, Loss};
use crate::processor::{Processor, Tally};
use crate::pump::control::Control;
use crate::pump::outlet::Outlet;
use crate::record::{Kind, Record};
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

/// What became of records on their way through the processors.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    /// Given to the sinks.
    written: u64,
    lost: u64,
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
                self.prompt(|processor| processor.finish());
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
            let held: Vec<&Segment> = self.processors.iter().flat_map(|processor| processor.held()).collect();
            let _ = self.buffer.checkpoint(files, &self.open_tasks, &held);
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
        let now_ns = utc_now_ns();
        self.prompt(|processor| processor.tick(now_ns));
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

    /// Takes a batch from the buffer through the processors to the sinks.
    fn feed(&mut self, records: &mut Vec<Record<'_>>) {
        let drained = count(records);
        let held = self.tally().holding;
        let passed = self.pass(0, records);
        self.account(drained, held, &passed);
    }

    /// Lets every processor do something without a batch, and takes on what it gives.
    fn prompt(&mut self, mut what: impl FnMut(&mut dyn Processor)) {
        let held = self.tally().holding;
        let mut passed = Passed::default();
        for at in 0..self.processors.len() {
            let processor = &mut *self.processors[at];
            // A panic here costs no batch.
            let released = catch_unwind(AssertUnwindSafe(|| {
                what(processor);
                processor.take_released()
            }));
            passed += self.pass_on(at + 1, &released.unwrap_or_default());
        }
        self.account(0, held, &passed);
    }

    /// Runs the processors from this one on, and gives what they leave to the sinks.
    fn pass(&mut self, from: usize, records: &mut Vec<Record<'_>>) -> Passed {
        let mut passed = Passed::default();
        for at in from..self.processors.len() {
            let whole = Loss::of(Cause::Panicked, records.iter());
            let processor = &mut self.processors[at];
            let work = || {
                processor.process(records);
                (processor.take_losses(), processor.take_released())
            };
            let Ok((losses, released)) = catch_unwind(AssertUnwindSafe(work)) else {
                records.clear();
                passed.lose(&self.buffer, &whole);
                return passed;
            };
            losses.iter().for_each(|loss| passed.lose(&self.buffer, loss));
            passed += self.pass_on(at + 1, &released);
        }
        for outlet in &mut self.outlets {
            outlet.write(records, self.backlog_bytes);
        }
        passed.written += count(records);
        passed
    }

    /// Takes what a processor had kept to those behind it and to the sinks.
    fn pass_on(&mut self, from: usize, released: &[Segment]) -> Passed {
        let mut passed = Passed::default();
        let decoded: Vec<_> = released.iter().filter_map(|segment| segment.decode().ok()).collect();
        let mut all = decoded.iter().flat_map(|segment| segment.records());
        loop {
            let mut records: Vec<Record<'_>> = all.by_ref().take(BATCH_RECORDS).collect();
            if records.is_empty() {
                return passed;
            }
            passed += self.pass(from, &mut records);
        }
    }

    /// Counts what became of `drained` records, and of those that processors kept, of which there were `held` before. All
    /// of them were counted when they were offered.
    fn account(&mut self, drained: u64, held: u64, passed: &Passed) {
        let tally = self.tally();
        // A processor may add records as well as drop some.
        let filtered = (drained + held).saturating_sub(passed.written + passed.lost + tally.holding);
        self.control.filtered.fetch_add(filtered, Ordering::Relaxed);
        self.control.held_back.store(tally.held_back, Ordering::Relaxed);
        self.control.folded.store(tally.folded, Ordering::Relaxed);
        // What a processor loses may have been drained before.
        self.control.drained.fetch_sub(passed.lost.saturating_sub(drained), Ordering::Relaxed);
        self.control.drained.fetch_add(drained.saturating_sub(passed.lost), Ordering::Release);
    }

    fn tally(&self) -> Tally {
        self.processors.iter().map(|processor| processor.tally()).fold(Tally::default(), |all, one| all + one)
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

impl Passed {
    fn lose(&mut self, buffer: &Buffer, loss: &Loss) {
        self.lost += loss.count();
        buffer.lose_recorded(loss);
    }
}

impl std::ops::AddAssign for Passed {
    fn add_assign(&mut self, more: Self) {
        (self.written, self.lost) = (self.written + more.written, self.lost + more.lost);
    }
}

/// How many records these are, statements of loss not counted.
fn count(records: &[Record<'_>]) -> u64 {
    records.iter().filter(|record| record.kind != Kind::Loss).count() as u64
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
