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
use crate::error::{Category, Error, Stage};
use crate::guest;
use crate::loss::{Cause, Loss};
use crate::processor::{Processor, Tally};
use crate::pump::chain::{self, Chain, Passed};
use crate::pump::control::{Change, Control, Wished};
use crate::pump::outlet::{Outlet, count};
use crate::pump::plan::{Installed, Prepared};
use crate::pump::report::SinkReport;
use crate::pump::router::Router;
use crate::record::Record;
use crate::segment::{Segment, merge};
use crate::sink::Recipe;
use crate::spool::OpenTasks;
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, lock, thread};

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
    pub(super) router: Option<Router>,
    pub(super) outlets: Vec<Outlet>,
    /// What processors had done that are gone.
    pub(super) tally_before: Tally,
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
            let Wished { number, stop, changes } = self.control.wished();
            if stop {
                self.buffer.close();
            }
            self.round();
            if stop {
                self.prompt(&mut |processor| processor.finish());
                // Once more, for what the round itself lost and has not stated yet.
                self.round();
            }
            self.outlets.iter_mut().for_each(|outlet| outlet.retry(number.is_some()));
            self.outlets.iter_mut().for_each(Outlet::tick);
            if number.is_some() || Instant::now() >= self.next_flush || self.needs_relief() {
                self.next_flush = deadline(self.flush_every);
                self.outlets.iter_mut().for_each(Outlet::flush);
                self.checkpoint();
            }
            if stop {
                return self.close();
            }
            changes.into_iter().for_each(|change| self.make(change));
            match number {
                Some(number) => self.control.answer(number),
                None if self.retained() == Retained::Little => thread::park_timeout(self.drain_every),
                None => thread::park_timeout(self.drain_every.min(RELIEF_PAUSE)),
            }
        }
    }

    /// Works by another plan from now on. Everything drained so far has just been written and flushed.
    fn make(&mut self, Change { plan, outcome, .. }: Change) {
        let made = match self.make_way(&plan) {
            Ok(()) => Ok(self.install(plan)),
            Err(error) => {
                let_go(plan);
                Err(error)
            }
        };
        *lock(&outcome) = Some(made);
    }

    /// Lets what is to go come to its end, if another plan may take over.
    ///
    /// The ledger of a spool says how its records are recovered. Before it follows the plan they are those of the sinks so
    /// far, so none may be left that these lack.
    fn make_way(&mut self, plan: &Prepared) -> Result<(), Error> {
        plan.check(&self.outlets)?;
        let follows = self.buffer.is_spooled() && plan.changes_recipes(&self.outlets);
        if follows && !self.outlets.iter().all(Outlet::is_settled) {
            return Err(self.unsettled());
        }
        self.finish_for(plan);
        if !follows {
            return Ok(());
        }
        self.outlets.iter_mut().for_each(Outlet::flush);
        if !self.is_settled() {
            return Err(self.unsettled());
        }
        let recipes = plan.recipes(&self.outlets);
        self.note_in_spool(Some(recipes))
    }

    fn unsettled(&self) -> Error {
        let why = "a sink lacks records that only the spool has, so sinks of the lake can neither come nor go";
        let error = Error::new(Stage::Dispatch, "Pump", Category::Io, why).recoverable();
        let unsettled = self.outlets.iter().find(|outlet| !outlet.is_settled() || outlet.holds());
        unsettled.map(Outlet::name).into_iter().fold(error, |error, name| error.with("sink", name))
    }

    /// Lets the processors that the plan does not keep give on what they have kept.
    fn finish_for(&mut self, plan: &Prepared) {
        let finish: &mut dyn FnMut(&mut dyn Processor) = &mut |processor| processor.finish();
        self.prompt_shared(self.processors.len(), finish);
        let source = self.buffer.source();
        if let Some(router) = &mut self.router {
            router.prompt(finish, &mut self.outlets, source);
        }
        let retired = self.outlets.iter_mut().filter(|outlet| !plan.keeps(outlet.name()));
        retired.for_each(|outlet| outlet.prompt(finish, source));
    }

    fn install(&mut self, plan: Prepared) -> Vec<SinkReport> {
        let tally = self.tally();
        let Installed { processors, outlets, router, mut retired } = plan.install(std::mem::take(&mut self.outlets));
        self.outlets = outlets;
        let before = (std::mem::replace(&mut self.processors, processors), std::mem::replace(&mut self.router, router));
        retired.iter_mut().for_each(Outlet::close);
        self.control.reseat(self.outlets.iter().map(Outlet::board).collect());
        let Tally { held_back, folded, .. } = self.shared_tally();
        self.tally_before.held_back = tally.held_back - held_back;
        self.tally_before.folded = tally.folded - folded;
        let reports = retired.iter().map(|outlet| lock(&outlet.board()).clone()).collect();
        let_go((before, retired));
        reports
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
        if self.is_settled() || self.retained() == Retained::Most {
            // What stands in the way is in the spool's report; the next flush tries again.
            let _ = self.note_in_spool(None);
        }
    }

    /// Whether all sinks have the same for good. What processors keep in front of some sinks only must not be recovered to
    /// the others, so the spool keeps it with all that came with it.
    fn is_settled(&self) -> bool {
        let holds = self.router.as_ref().is_some_and(Router::holds) || self.outlets.iter().any(Outlet::holds);
        !holds && self.outlets.iter().all(Outlet::is_settled)
    }

    /// Lets the spool go all but what the processors in front of all sinks keep. With `recipes`, what comes from now on is
    /// recovered by those.
    fn note_in_spool(&mut self, recipes: Option<Vec<Recipe>>) -> Result<(), Error> {
        let files = self.outlets.iter_mut().flat_map(Outlet::changed_files).collect();
        let shared = self.processors.iter().chain(self.outlets.iter().flat_map(Outlet::all_brought));
        let held: Vec<&Segment> = shared.flat_map(|processor| processor.held()).collect();
        self.buffer.checkpoint(files, &self.open_tasks, &held, recipes)
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
        self.prompt(&mut |processor| processor.tick(now_ns));
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

    /// Takes a batch from the buffer through the shared processors and on.
    fn feed(&mut self, records: &mut Vec<Record<'_>>) {
        let (drained, held) = (count(records), self.shared_tally().holding);
        let brought = self.outlets.iter_mut().flat_map(Outlet::brought);
        let passed = Chain::of(self.processors.iter_mut().chain(brought)).pass(records);
        let mut given = self.hand_on_released(&passed);
        given += self.hand_on(records);
        self.account(drained, held, given, &passed);
    }

    /// Lets every processor do something without a batch, the shared ones first, and takes on what they give.
    fn prompt(&mut self, what: &mut dyn FnMut(&mut dyn Processor)) {
        self.prompt_shared(usize::MAX, what);
        let source = self.buffer.source();
        if let Some(router) = &mut self.router {
            router.prompt(what, &mut self.outlets, source);
        }
        self.outlets.iter_mut().for_each(|outlet| outlet.prompt(what, source));
    }

    fn prompt_shared(&mut self, first: usize, what: &mut dyn FnMut(&mut dyn Processor)) {
        let held = self.shared_tally().holding;
        let brought = self.outlets.iter_mut().flat_map(Outlet::brought);
        let passed = Chain::of(self.processors.iter_mut().chain(brought)).prompt(first, what);
        let given = self.hand_on_released(&passed);
        self.account(0, held, given, &passed);
    }

    fn hand_on_released(&mut self, passed: &Passed) -> u64 {
        let mut given = 0;
        passed.each_released(|records| given += self.hand_on(records));
        given
    }

    /// Gives a batch to the sinks that are to have it; says how many records there were.
    fn hand_on(&mut self, records: &mut Vec<Record<'_>>) -> u64 {
        let (given, source) = (count(records), self.buffer.source());
        match &mut self.router {
            Some(router) => router.route(records, &mut self.outlets, source),
            None => self.outlets.iter_mut().for_each(|outlet| outlet.write(records, given, source)),
        }
        given
    }

    /// Counts what became of `drained` records, and of those that the shared processors kept, of which there were `held`
    /// before. All of them were counted when they were offered.
    fn account(&mut self, drained: u64, held: u64, given: u64, passed: &Passed) {
        passed.losses.iter().for_each(|loss| self.buffer.lose_recorded(loss));
        let (lost, tally) = (passed.lost(), self.tally());
        // A processor may add records as well as drop some.
        let filtered = (drained + held).saturating_sub(given + lost + tally.holding);
        self.control.filtered.fetch_add(filtered, Ordering::Relaxed);
        self.control.held_back.store(tally.held_back, Ordering::Relaxed);
        self.control.folded.store(tally.folded, Ordering::Relaxed);
        // What a processor loses may have been drained before.
        self.control.drained.fetch_sub(lost.saturating_sub(drained), Ordering::Relaxed);
        self.control.drained.fetch_add(drained.saturating_sub(lost), Ordering::Release);
    }

    /// What the processors in front of all sinks have done, those that are gone included.
    fn tally(&self) -> Tally {
        self.tally_before + self.shared_tally()
    }

    fn shared_tally(&self) -> Tally {
        chain::tally(&self.processors) + chain::tally(self.outlets.iter().flat_map(Outlet::all_brought))
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

/// Drops sinks and processors, whose destructors are foreign code.
fn let_go<T>(gone: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(gone)));
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
