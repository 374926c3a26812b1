//! The flight recorder: the details of a task are held, and written only when something makes them worth it.

mod store;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use tracing_core::{Level, LevelFilter};

use crate::flight::store::Store;
use crate::key::TaskKey;
use crate::processor::{Processor, Tally};
use crate::record::{Kind, Outcome, Record};
use crate::segment::{Segment, SegmentWriter};
use crate::value::{Field, Value};

/// The field in which a task's end says how many records of it, and of the tasks below it, were held and not written.
pub const HELD_BACK: &str = "spanlake.held_back";

/// Default of [`FlightRecorder::hold`]: `DEBUG` and `TRACE` are held.
pub const DEFAULT_HOLD: Level = Level::DEBUG;

/// Default of [`FlightRecorder::trigger_level`].
pub const DEFAULT_TRIGGER_LEVEL: LevelFilter = LevelFilter::WARN;

/// Default of [`FlightRecorder::task_bytes`]: 256 KiB, some three thousand records.
pub const DEFAULT_TASK_BYTES: NonZeroUsize = NonZeroUsize::new(256 << 10).unwrap();

/// Default of [`FlightRecorder::total_bytes`]: 16 MiB.
pub const DEFAULT_TOTAL_BYTES: NonZeroUsize = NonZeroUsize::new(16 << 20).unwrap();

/// Holds the detail of tasks, their events at `DEBUG` and below, until it is known whether somebody will want to read it.
///
/// | setting | default |
/// |---|---|
/// | [`hold`](Self::hold) | [`DEFAULT_HOLD`]: `DEBUG` and `TRACE` |
/// | [`trigger_level`](Self::trigger_level) | [`DEFAULT_TRIGGER_LEVEL`]: `WARN` and `ERROR` |
/// | [`slow`](Self::slow) | no task is slow |
/// | [`trigger`](Self::trigger), [`trigger_field`](Self::trigger_field) | none |
/// | [`task_bytes`](Self::task_bytes) | [`DEFAULT_TASK_BYTES`]: 256 KiB |
/// | [`total_bytes`](Self::total_bytes) | [`DEFAULT_TOTAL_BYTES`]: 16 MiB |
///
/// ```
/// use std::time::Duration;
/// use spanlake_core::{Level, PumpBuilder};
/// use spanlake_core::flight::FlightRecorder;
///
/// let recorder = FlightRecorder::new().slow(Duration::from_secs(2)).trigger_field("rejected", true);
/// let pump = PumpBuilder::new().processor(recorder);
/// # drop(pump);
/// ```
///
/// # When detail is written
///
/// Something is wrong with a task when it ends as failed, takes as long as [`slow`](Self::slow) or longer, or says something
/// that a rule names: an event or an end at [`trigger_level`](Self::trigger_level) or above, or one that a
/// [closure](Self::trigger) or a [field](Self::trigger_field) picks out. Then all that is held of it is written, in the order of its
/// numbers and with the keys it always had, before the record that was the reason. With it goes what is held of the tasks
/// above it, which say what led there, and of the tasks that ended below it. Its siblings' detail is none of it.
///
/// After that the task's detail is held again. A task that succeeds takes the detail of those below it with it: they wait
/// for the end of the topmost task, because it may fail for what they did.
///
/// Begins and ends, events above the level and what is said outside any task pass at once. What is still open when the pump
/// is shut down did not succeed, and its detail is written.
///
/// # What is not written
///
/// It was not lost, for nobody came to want it: it counts as [`Report::held_back`](crate::Report::held_back), and as filtered. In
/// the data, the end of a task says so in its field [`HELD_BACK`]: its own detail that gave way to newer, and, of the topmost
/// task, all that was dropped with it.
///
/// What is held is bounded for each task, whose oldest detail gives way, and in all, where that of the oldest task that has
/// ended gives way first, then that of the oldest. A task that runs for days takes no more than one that is over in a minute.
///
/// # When the process is killed
///
/// What is held is memory, and gone. With a crash-proof spool it is not: at each checkpoint it is written to a file of the spool's
/// own, and recovery puts it into the lake with the rest. `docs/spool.md` says what that costs.
pub struct FlightRecorder {
    hold: Level,
    trigger_level: LevelFilter,
    slow: Option<Duration>,
    rules: Vec<Rule>,
    store: Store,
    released: Vec<Segment>,
}

/// What picks a record out.
type Rule = Box<dyn Fn(&Record<'_>) -> bool + Send>;

/// Copies of one batch's records, for each task as one thread's segment describes it.
#[derive(Default)]
struct Copies {
    writers: Vec<(TaskKey, SegmentWriter)>,
    by_task: HashMap<(usize, usize), usize>,
}

// === impl FlightRecorder ===

impl FlightRecorder {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            hold: DEFAULT_HOLD,
            trigger_level: DEFAULT_TRIGGER_LEVEL,
            slow: None,
            rules: Vec::new(),
            store: Store::new(DEFAULT_TASK_BYTES.get(), DEFAULT_TOTAL_BYTES.get()),
            released: Vec::new(),
        }
    }

    /// Holds events of this level and more verbose ones.
    #[must_use]
    pub fn hold(mut self, level: Level) -> Self {
        self.hold = level;
        self
    }

    /// Writes a task's detail when it says something at this level or above; `OFF` for never.
    #[must_use]
    pub fn trigger_level(mut self, level: LevelFilter) -> Self {
        self.trigger_level = level;
        self
    }

    /// Writes the detail of tasks that took this long or longer.
    #[must_use]
    pub fn slow(mut self, duration: Duration) -> Self {
        self.slow = Some(duration);
        self
    }

    /// Writes a task's detail when it says a record that this picks out. It is asked for each record of a task, on the
    /// pump's thread.
    #[must_use]
    pub fn trigger(mut self, rule: impl Fn(&Record<'_>) -> bool + Send + 'static) -> Self {
        self.rules.push(Box::new(rule));
        self
    }

    /// Writes a task's detail when it says a record with this value in this field.
    #[must_use]
    pub fn trigger_field(self, name: impl Into<String>, value: impl Into<Value<'static>>) -> Self {
        let (name, value) = (name.into(), value.into().to_string());
        self.trigger(move |record| {
            let mut found = false;
            record.fields.for_each(|other, given| found |= other == name && given.to_string() == value);
            found
        })
    }

    /// Most bytes held of one task.
    #[must_use]
    pub fn task_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.store.set_bounds(Some(bytes.get()), None);
        self
    }

    /// Most bytes held in all.
    #[must_use]
    pub fn total_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.store.set_bounds(None, Some(bytes.get()));
        self
    }

    fn is_detail(&self, record: &Record<'_>) -> bool {
        record.kind == Kind::Event && record.level >= self.hold
    }

    fn fires(&self, record: &Record<'_>) -> bool {
        let level = LevelFilter::from_level(record.level) <= self.trigger_level && record.kind != Kind::Begin;
        let end = record.end().is_some_and(|end| {
            let slow = self.slow.is_some_and(|slow| u128::from(end.duration_ns) >= slow.as_nanos());
            slow || matches!(end.outcome, Outcome::Failed | Outcome::Interrupted)
        });
        level || end || self.rules.iter().any(|rule| rule(record))
    }

    /// For each record whether something that comes behind it in the batch makes it wanted. What was held before of the
    /// tasks concerned is released.
    fn wanted(&mut self, records: &[Record<'_>]) -> Vec<bool> {
        let mut wanted = vec![false; records.len()];
        let (mut fired, mut above) = (HashSet::new(), HashSet::new());
        for (record, wanted) in records.iter().zip(&mut wanted).rev() {
            let Some(task) = record.task.as_deref() else { continue };
            if self.fires(record) {
                *wanted = true;
                if fired.insert(&task.key) {
                    self.store.release(&task.key, &mut self.released);
                    above.extend(std::iter::successors(task.key.parent(), TaskKey::parent));
                }
            } else if !fired.is_empty() {
                let mut line = std::iter::successors(Some(task.key.clone()), TaskKey::parent);
                *wanted = above.contains(&task.key) || line.any(|key| fired.contains(&key));
            }
        }
        wanted
    }

    /// Lets a record pass, or holds it: then `false`.
    fn sort(&mut self, record: &mut Record<'_>, wanted: bool, copies: &mut Copies) -> bool {
        let Some(task) = record.task.as_deref() else {
            return true;
        };
        match record.kind {
            Kind::Begin => self.store.begin(&task.key),
            Kind::End => self.end(record, wanted),
            Kind::Event if self.is_detail(record) && !wanted => match self.store.was_wanted(&task.key) {
                Some(true) => {}
                Some(false) => {
                    self.store.drop_late();
                    return false;
                }
                None => {
                    self.store.hold(&task.key);
                    copies.add(record);
                    return false;
                }
            },
            Kind::Event | Kind::Loss => {}
        }
        true
    }

    /// `wanted` also where another record of the batch made it so: then this end is none that fires itself.
    fn end(&mut self, record: &mut Record<'_>, wanted: bool) {
        let Some(task) = record.task.as_deref() else {
            return;
        };
        let fires = wanted && self.fires(record);
        let unstated = if fires { self.store.end_released(&task.key) } else { self.store.end(&task.key) };
        if unstated > 0 {
            record.fields.edit().push(Field { name: HELD_BACK.into(), value: Value::U64(unstated) });
        }
    }
}

impl Processor for FlightRecorder {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        let wanted = self.wanted(records);
        let mut wanted = wanted.into_iter();
        let mut copies = Copies::default();
        records.retain_mut(|record| self.sort(record, wanted.next().unwrap_or(true), &mut copies));
        for (key, mut writer) in copies.writers {
            self.store.add(&key, writer.take());
        }
    }

    fn finish(&mut self) {
        self.store.release_all(&mut self.released);
    }

    fn take_released(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.released)
    }

    fn held(&self) -> Vec<&Segment> {
        self.store.segments().collect()
    }

    fn tally(&self) -> Tally {
        Tally { holding: self.store.holding, held_back: self.store.held_back, folded: 0 }
    }
}

impl Default for FlightRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FlightRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlightRecorder")
            .field("hold", &self.hold)
            .field("trigger_level", &self.trigger_level)
            .field("slow", &self.slow)
            .field("rules", &self.rules.len())
            .field("tally", &self.tally())
            .finish_non_exhaustive()
    }
}

// === impl Copies ===

impl Copies {
    fn add(&mut self, record: &Record<'_>) {
        let Some(task) = record.task.as_deref() else {
            return;
        };
        // No other task comes to an address while the batch is at work.
        let id = (std::ptr::from_ref(task).addr(), std::ptr::from_ref(record.source).addr());
        let at = *self.by_task.entry(id).or_insert_with(|| {
            self.writers.push((task.key.clone(), SegmentWriter::new(record.source)));
            self.writers.len() - 1
        });
        self.writers[at].1.copy(record);
    }
}
