//! Repeats: of what one place in the program says again and again in one task, the first are kept and the rest counted.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::time::Duration;

use tracing_core::Level;

use crate::key::TaskKey;
use crate::processor::{Processor, Tally};
use crate::record::{Callsite, Kind, Record};
use crate::segment::{Segment, SegmentWriter};
use crate::value::{Field, Value};

/// The field in which a record says for how many others like it, which came before it, it stands.
pub const FOLDED: &str = "spanlake.folded";

/// Default of [`FoldRepeats::first`].
pub const DEFAULT_FIRST: NonZeroU64 = NonZeroU64::new(5).unwrap();

/// Default of [`FoldRepeats::every`].
pub const DEFAULT_EVERY: Duration = Duration::from_secs(10);

/// Most places and tasks that are followed at once; when there are more, all counts begin anew.
const MOST_RUNS: usize = 1 << 16;

/// Leaves out events that a place in the program repeats within a task, or outside any.
///
/// The [first](Self::first) of them pass as they are. Of those that follow, the last is written, when the
/// [time](Self::every) is over or the task ends: as it was made, with its own key, and the field [`FOLDED`] says for how
/// many before it it stands. Then the count begins anew. What such an event says and which values it has does not matter.
///
/// Begins and ends of tasks are never left out, nor events at `ERROR`, unless [`fold_errors`](Self::fold_errors) says so.
///
/// | setting | default |
/// |---|---|
/// | [`first`](Self::first) | [`DEFAULT_FIRST`]: 5 |
/// | [`every`](Self::every) | [`DEFAULT_EVERY`]: 10 s |
/// | [`fold_errors`](Self::fold_errors) | not |
///
/// ```
/// use spanlake_core::{FoldRepeats, PumpBuilder};
///
/// let pump = PumpBuilder::new().processor(FoldRepeats::new());
/// # drop(pump);
/// ```
///
/// The one that stands for others comes late: behind records of its task with greater numbers. What is left out counts as
/// [`Report::folded`](crate::Report::folded), and as filtered.
#[derive(Debug)]
pub struct FoldRepeats {
    first: u64,
    every_ns: i64,
    errors: bool,
    runs: HashMap<Option<TaskKey>, Runs>,
    count: usize,
    /// Those whose record that stands for others is in the batch that is being worked on.
    here: Vec<(Option<TaskKey>, u64)>,
    released: Vec<Segment>,
    tally: Tally,
}

/// The runs of a task, by place.
type Runs = HashMap<u64, Run>;

/// What one place has said since the count began.
#[derive(Debug)]
struct Run {
    began_ns: i64,
    seen: u64,
    /// How many were left out.
    folded: u64,
    last: Last,
}

/// The record that stands for those that were left out.
#[derive(Debug, Default)]
enum Last {
    /// None has come yet.
    #[default]
    None,
    /// At this position of the batch that is being worked on.
    Here(usize),
    /// It came with an earlier batch.
    Kept(Segment),
}

/// What becomes of a record of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    /// It is left out.
    Fold,
    /// It stands for so many.
    Stand(u64),
}

// === impl FoldRepeats ===

impl FoldRepeats {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            first: DEFAULT_FIRST.get(),
            every_ns: nanos(DEFAULT_EVERY),
            errors: false,
            runs: HashMap::new(),
            count: 0,
            here: Vec::new(),
            released: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// How many pass before others are left out.
    #[must_use]
    pub fn first(mut self, records: NonZeroU64) -> Self {
        self.first = records.get();
        self
    }

    /// For how long a count goes on, from its first record.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.every_ns = nanos(interval);
        self
    }

    /// Leaves out errors as well.
    #[must_use]
    pub fn fold_errors(mut self) -> Self {
        self.errors = true;
        self
    }

    fn is_foldable(&self, record: &Record<'_>) -> bool {
        record.kind == Kind::Event && (self.errors || record.level != Level::ERROR)
    }

    fn follow(&mut self, at: usize, record: &Record<'_>, place: u64, fates: &mut [Fate]) {
        let task = record.task.as_deref().map(|task| task.key.clone());
        let runs = self.runs.entry(task.clone()).or_default();
        let run = runs.entry(place).or_insert_with(|| {
            self.count += 1;
            Run::new(record.ts_ns)
        });
        if record.ts_ns.saturating_sub(run.began_ns) >= self.every_ns {
            let over = std::mem::replace(run, Run::new(record.ts_ns));
            over.close(fates, &mut self.released, &mut self.tally);
        }
        run.seen += 1;
        if run.seen <= self.first {
            return;
        }
        let before = std::mem::replace(&mut run.last, Last::Here(at));
        if !matches!(before, Last::Here(_)) {
            self.here.push((task, place));
        }
        match before {
            Last::None => return,
            Last::Here(before) => fates[before] = Fate::Fold,
            Last::Kept(_) => self.tally.holding -= 1,
        }
        run.folded += 1;
        self.tally.folded += 1;
    }

    fn end(&mut self, task: Option<&TaskKey>, fates: &mut [Fate]) {
        let runs = self.runs.remove(&task.cloned()).unwrap_or_default();
        self.count -= runs.len();
        runs.into_values().for_each(|run| run.close(fates, &mut self.released, &mut self.tally));
    }

    /// Ends the runs whose time is over, or all.
    fn sweep(&mut self, now_ns: Option<i64>) {
        let (released, tally, every_ns) = (&mut self.released, &mut self.tally, self.every_ns);
        self.runs.retain(|_, runs| {
            let is_over = |run: &Run| now_ns.is_none_or(|now_ns| now_ns.saturating_sub(run.began_ns) >= every_ns);
            let over = runs.extract_if(|_, run| is_over(run));
            over.for_each(|(_, run)| run.close(&mut [], released, tally));
            !runs.is_empty()
        });
        self.count = self.runs.values().map(HashMap::len).sum();
    }

    /// Takes the records out of the batch that stand for others and whose count goes on.
    fn keep(&mut self, records: &[Record<'_>], fates: &mut [Fate]) {
        for (task, place) in self.here.drain(..) {
            let run = self.runs.get_mut(&task).and_then(|runs| runs.get_mut(&place));
            let Some(run) = run else { continue };
            let Last::Here(at) = run.last else { continue };
            let Some((record, fate)) = records.get(at).zip(fates.get_mut(at)) else { continue };
            *fate = Fate::Fold;
            run.last = Last::Kept(copy(record, 0));
            self.tally.holding += 1;
        }
    }
}

impl Processor for FoldRepeats {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        let mut fates = vec![Fate::Pass; records.len()];
        let mut places = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            match record.callsite {
                Some(callsite) if self.is_foldable(record) => {
                    let address = std::ptr::from_ref(callsite).addr();
                    let place = *places.entry(address).or_insert_with(|| place(callsite));
                    self.follow(at, record, place, &mut fates);
                }
                _ if record.kind == Kind::End => self.end(record.task.as_deref().map(|task| &task.key), &mut fates),
                _ => {}
            }
        }
        self.keep(records, &mut fates);
        let mut fates = fates.into_iter();
        records.retain_mut(|record| match fates.next() {
            Some(Fate::Fold) => false,
            Some(Fate::Stand(others)) => {
                stand(record, others);
                true
            }
            Some(Fate::Pass) | None => true,
        });
        if self.count > MOST_RUNS {
            self.sweep(None);
        }
    }

    fn tick(&mut self, now_ns: i64) {
        self.sweep(Some(now_ns));
    }

    fn finish(&mut self) {
        self.sweep(None);
    }

    fn take_released(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.released)
    }

    fn held(&self) -> Vec<&Segment> {
        let runs = self.runs.values().flat_map(HashMap::values);
        runs.filter_map(|run| if let Last::Kept(segment) = &run.last { Some(segment) } else { None }).collect()
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

impl Default for FoldRepeats {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Run ===

impl Run {
    fn new(began_ns: i64) -> Self {
        Self { began_ns, seen: 0, folded: 0, last: Last::None }
    }

    /// Lets the record go that stands for those that were left out.
    fn close(self, fates: &mut [Fate], released: &mut Vec<Segment>, tally: &mut Tally) {
        match self.last {
            Last::None => {}
            Last::Here(at) => fates.iter_mut().skip(at).take(1).for_each(|fate| *fate = Fate::Stand(self.folded)),
            Last::Kept(segment) => {
                tally.holding -= 1;
                let decoded = segment.decode().ok();
                let record = decoded.as_ref().and_then(|segment| segment.nth(0));
                released.extend(record.map(|record| copy(&record, self.folded)));
            }
        }
    }
}

/// A segment of this record alone, that stands for so many others.
fn copy(record: &Record<'_>, others: u64) -> Segment {
    let mut record = record.clone();
    stand(&mut record, others);
    let mut writer = SegmentWriter::new(record.source);
    writer.copy(&record);
    writer.take()
}

fn stand(record: &mut Record<'_>, others: u64) {
    if others > 0 {
        record.fields.edit().push(Field { name: FOLDED.into(), value: Value::U64(others) });
    }
}

/// The same for the same place, in whatever segment it is described.
fn place(callsite: &Callsite<'_>) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    let Callsite { name, target, module, file, line, level, .. } = callsite;
    (name, target, module, file, line, level).hash(&mut hasher);
    hasher.finish()
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
