//! Levels that change while the program runs: by target, by task, and for a while.
//!
//! An event costs one relaxed load and two comparisons where its level alone decides. Only where directives differ on its
//! level is its task asked, which keeps the answer, and then what this thread remembers of its callsite. Both answers
//! carry the number of the settings that they come from, so that a change needs to reach nobody.

mod filter;
mod table;
mod tasks;
mod verdicts;

pub use filter::VerbosityFilter;
pub(crate) use table::Table;
pub(crate) use verdicts::Verdicts;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use spanlake_core::clock::Clock;
use spanlake_core::sync::{Arc, Mutex, lock, try_lock};
use spanlake_core::{Directive, Directives, Level, LevelFilter, Selector};
use tracing_core::Metadata;
use tracing_core::dispatcher::WeakDispatch;

use crate::task::Task;

/// Decides which records are wanted, and can change its mind; a cheap handle.
///
/// It starts with one level for everything. Directives make that finer: a task's decides alone for what is recorded in it
/// and in its subtasks, the nearest task's winning and its key before its name; else the longest prefix of the target
/// decides, then the directive for all, then the level that it started with. They turn verbosity up as well as down.
///
/// A directive that lasts some time stands before one for the same that stays, and makes way for it by itself: at the
/// first record that the two differ on after that time. No thread waits for it.
///
/// Layers of several stacks may share one. What a task's begin kept keeps its end too, whatever was changed in between.
///
/// In front of a stack, [`VerbosityFilter`] lets `tracing` itself leave out what nobody wants; a `LevelFilter` there would
/// hide what is turned up.
///
/// ```
/// use spanlake_core::LevelFilter;
/// use spanlake_scope::Verbosity;
///
/// let verbosity = Verbosity::new(LevelFilter::INFO);
/// verbosity.set("orders::db=debug,task=load_orders=trace/10m".parse()?);
/// assert_eq!(verbosity.get().directives.iter().count(), 2);
/// verbosity.clear();
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verbosity(Arc<Shared>);

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Counts changes, those by time included.
    pub version: u64,
    /// The level for what no directive is for.
    pub level: LevelFilter,
    /// What was set and still lasts, and for how long from now.
    pub directives: Directives,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// All that most events need to know, in one number; see [`Gate`].
    gate: AtomicU64,
    table: ArcSwap<Table>,
    /// When the first directive ends, on the clock.
    next_end_ns: AtomicU64,
    chosen: Mutex<Chosen>,
    /// The stacks that have a filter of it.
    stacks: Mutex<Vec<WeakDispatch>>,
    watchers: Mutex<Watchers>,
}

#[derive(Debug)]
struct Chosen {
    version: u64,
    level: LevelFilter,
    directives: Vec<Timed>,
}

/// A directive and when it ends.
#[derive(Clone, Debug)]
struct Timed {
    directive: Directive,
    until_ns: Option<u64>,
}

#[derive(Default)]
struct Watchers(Vec<Arc<dyn Fn(LevelFilter) + Send + Sync>>);

/// What can be told of a record by its level alone: the least and the most that any directive lets through, whether tasks
/// have a say, and whether time has; and the number of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate(u64);

/// Numbers of settings, which no other settings of the process have.
static NEXT_STAMP: AtomicU64 = AtomicU64::new(1);

// === impl Verbosity ===

impl Verbosity {
    /// This level for everything.
    pub fn new(level: LevelFilter) -> Self {
        Self::with_clock(level, Clock::new())
    }

    /// The same, with the clock by which directives end, and by which a layer that it is given to tells time.
    pub fn with_clock(level: LevelFilter, clock: Clock) -> Self {
        let chosen = Chosen { version: 0, level, directives: Vec::new() };
        let table = Arc::new(chosen.table());
        Self(Arc::new(Shared {
            clock,
            gate: AtomicU64::new(table.gate.0),
            table: ArcSwap::new(table),
            next_end_ns: AtomicU64::new(u64::MAX),
            chosen: Mutex::new(chosen),
            stacks: Mutex::default(),
            watchers: Mutex::default(),
        }))
    }

    /// Puts these directives in place of all there are. Gives the version of the settings.
    pub fn set(&self, directives: Directives) -> u64 {
        let now_ns = self.0.clock.monotonic_ns();
        self.change(|chosen| {
            chosen.directives.clear();
            directives.into_iter().for_each(|directive| chosen.add(directive, now_ns));
        })
    }

    /// Adds a directive, in place of one for the same. One that lasts some time takes the place of another such only, and
    /// stands before one that stays.
    pub fn add(&self, directive: Directive) -> u64 {
        let now_ns = self.0.clock.monotonic_ns();
        self.change(|chosen| chosen.add(directive, now_ns))
    }

    /// Takes all directives for this away.
    pub fn remove(&self, selector: &Selector) -> u64 {
        self.change(|chosen| chosen.directives.retain(|timed| timed.directive.selector() != selector))
    }

    /// Takes all directives away: what is left is the level that it started with.
    pub fn clear(&self) -> u64 {
        self.set(Directives::new())
    }

    /// What is in force now.
    pub fn get(&self) -> Settings {
        let now_ns = self.0.clock.monotonic_ns();
        self.end_those_over(now_ns);
        let chosen = lock(&self.0.chosen);
        let directives = chosen.directives.iter().map(|timed| timed.left(now_ns)).collect();
        Settings { version: chosen.version, level: chosen.level, directives }
    }

    /// The most verbose level that anything may be recorded at, now or when what lasts some time is over.
    pub fn most_verbose(&self) -> LevelFilter {
        level_of(self.gate().most())
    }

    /// Calls `watcher` now and after each change with [`most_verbose`](Self::most_verbose), for those who filter in front,
    /// such as `log::set_max_level`. What ends by itself is told with the next change.
    pub fn watch(&self, watcher: impl Fn(LevelFilter) + Send + Sync + 'static) {
        watcher(self.most_verbose());
        lock(&self.0.watchers).0.push(Arc::new(watcher));
    }

    /// A layer for the front of a stack; see [`VerbosityFilter`].
    pub fn filter(&self) -> VerbosityFilter {
        VerbosityFilter::new(self.clone())
    }

    // === for layers ===

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    #[inline]
    pub(crate) fn gate(&self) -> Gate {
        Gate(self.0.gate.load(Ordering::Relaxed))
    }

    pub(crate) fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.0.table.load()
    }

    /// The gate at this time, in place of one that time has a say in.
    pub(crate) fn gate_at(&self, now_ns: u64) -> Gate {
        if now_ns >= self.0.next_end_ns.load(Ordering::Relaxed) {
            self.end_those_over(now_ns);
        }
        self.gate()
    }

    /// Whether a record is wanted that its level alone does not decide about.
    pub(crate) fn wants(
        &self,
        gate: Gate,
        level: Level,
        task: Option<&Task>,
        verdicts: &mut Verdicts,
        metadata: &'static Metadata<'static>,
    ) -> bool {
        let by_task = task.filter(|_| gate.asks_tasks()).and_then(|task| tasks::level_of(task, gate, self));
        code(level) <= by_task.unwrap_or_else(|| verdicts.of(gate, metadata, self))
    }

    /// The same for one whose target is not its callsite's.
    pub(crate) fn wants_of(&self, gate: Gate, level: Level, task: Option<&Task>, target: &str) -> bool {
        let by_task = task.filter(|_| gate.asks_tasks()).and_then(|task| tasks::level_of(task, gate, self));
        code(level) <= by_task.unwrap_or_else(|| self.table().of_target(target))
    }

    /// Remembers a stack that is to ask its filter again after each change.
    fn add_stack(&self, stack: WeakDispatch) {
        lock(&self.0.stacks).push(stack);
    }

    /// Changes what was chosen, and whatever was made of it.
    fn change(&self, change: impl FnOnce(&mut Chosen)) -> u64 {
        let mut chosen = lock(&self.0.chosen);
        change(&mut chosen);
        let version = self.publish(&mut chosen);
        drop(chosen);
        filter::ask_again(&self.0.stacks);
        let watchers = lock(&self.0.watchers).0.clone();
        watchers.iter().for_each(|watcher| watcher(self.most_verbose()));
        version
    }

    /// Takes away what has ended. This may be in the middle of an event, where `tracing` must not be asked for anything:
    /// its filters stay as open as they were until the next change, which costs time and hides nothing.
    #[cold]
    fn end_those_over(&self, now_ns: u64) {
        // Whoever has it changes the settings anyway.
        let Some(mut chosen) = try_lock(&self.0.chosen) else {
            return;
        };
        let before = chosen.directives.len();
        chosen.directives.retain(|timed| timed.until_ns.is_none_or(|until_ns| until_ns > now_ns));
        if chosen.directives.len() < before {
            self.publish(&mut chosen);
        }
    }

    /// The table before the gate: who sees the new gate may see the old table for a moment, whose answers carry the old
    /// number and are asked for again.
    fn publish(&self, chosen: &mut Chosen) -> u64 {
        chosen.version += 1;
        let table = chosen.table();
        let gate = table.gate.0;
        self.0.table.store(Arc::new(table));
        let next_end_ns = chosen.directives.iter().filter_map(|timed| timed.until_ns).min();
        self.0.next_end_ns.store(next_end_ns.unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.gate.store(gate, Ordering::Release);
        chosen.version
    }
}

// === impl Chosen ===

impl Chosen {
    fn add(&mut self, directive: Directive, now_ns: u64) {
        let lasts = directive.lasts();
        let is_same =
            |other: &Directive| other.selector() == directive.selector() && other.lasts().is_some() == lasts.is_some();
        self.directives.retain(|timed| !is_same(&timed.directive));
        let until_ns = lasts.map(|lasts| now_ns.saturating_add(u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX)));
        self.directives.push(Timed { directive, until_ns });
    }

    fn table(&self) -> Table {
        let stamp = NEXT_STAMP.fetch_add(1, Ordering::Relaxed);
        Table::new(stamp, self.level, self.directives.iter().map(|timed| &timed.directive))
    }
}

impl Timed {
    /// The directive with the time that is left of it.
    fn left(&self, now_ns: u64) -> Directive {
        let left = self.until_ns.map(|until_ns| Duration::from_nanos(until_ns.saturating_sub(now_ns)));
        left.map_or_else(|| self.directive.clone(), |left| self.directive.clone().lasting(left))
    }
}

impl std::fmt::Debug for Watchers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watchers").field(&self.0.len()).finish()
    }
}

// === impl Gate ===

impl Gate {
    const BITS: u32 = 8;
    const TASKS: u64 = 0x40;
    const TIME: u64 = 0x80;

    fn new(stamp: u64, least: u8, most: u8, asks_tasks: bool, asks_time: bool) -> Self {
        let flags = if asks_tasks { Self::TASKS } else { 0 } | if asks_time { Self::TIME } else { 0 };
        Self(stamp << Self::BITS | flags | u64::from(least) << 3 | u64::from(most))
    }

    /// Whether nothing of this level is wanted.
    #[inline]
    pub(crate) fn refuses(self, level: Level) -> bool {
        code(level) > self.most()
    }

    /// Whether everything of this level is wanted.
    #[inline]
    pub(crate) fn is_sure(self, level: Level) -> bool {
        code(level) <= (self.0 >> 3) as u8 & 7
    }

    #[inline]
    pub(crate) fn asks_tasks(self) -> bool {
        self.0 & Self::TASKS != 0
    }

    #[inline]
    pub(crate) fn asks_time(self) -> bool {
        self.0 & Self::TIME != 0
    }

    /// The number of the settings.
    #[inline]
    pub(crate) fn stamp(self) -> u64 {
        self.0 >> Self::BITS
    }

    #[inline]
    fn most(self) -> u8 {
        self.0 as u8 & 7
    }
}

// === levels as numbers ===

/// A level's number: 0 is for `OFF`, 5 for `TRACE`.
#[inline]
fn code(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

fn code_of(level: LevelFilter) -> u8 {
    level.into_level().map_or(0, code)
}

fn level_of(code: u8) -> LevelFilter {
    match code {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}
