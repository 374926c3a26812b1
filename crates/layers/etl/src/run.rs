//! The live run behind a span, and the handle that code counts with.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use serde_json::{Map, Value as Json};
use spanlake_core::sync::{Mutex, lock};
use spanlake_lake::runs::{Cell, Column, ETL, Kind, Row, RunRow, RunStatus};
use tracing::Span;
use uuid::Uuid;

use crate::chunks::Chunks;
use crate::counter::{Counter, Counters};
use crate::ending::{self, Ended};
use crate::name::{self, DATAFLOW, Place};
use crate::phase::{Moment, PHASES, Phase, PhaseState, seconds, whole_us};
use crate::shared::Shared;
use crate::slot;
use crate::told::{Told, Value};

/// Most keys of a JSON column; what is told beyond them is counted under a last key.
pub const MAX_CONFIGURE_KEYS: usize = 256;

/// The key that counts what was not kept.
pub const OMITTED_KEYS: &str = "spanlake.omitted_keys";

/// The run that code is in, to count and to tell with. A cheap handle.
///
/// Outside any run there is none, and whatever is told goes nowhere: [`Run::is_none`] tells. Numbers add up, from
/// whatever thread; those of a batch cost some nanoseconds once the handle is there.
///
/// ```
/// use spanlake_etl::Run;
///
/// fn write_batch(rows: &[u32]) {
///     Run::current().rows_written(rows.len() as u64);
/// }
/// # write_batch(&[1, 2]);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a handle does nothing by itself"]
pub struct Run(Option<Arc<LiveRun>>);

/// A run that goes on.
#[derive(Debug)]
pub(crate) struct LiveRun {
    /// No other run of the layer has it.
    pub(crate) serial: u64,
    /// The run above it, of which it is a chunk if that is a replay.
    parent: Option<Arc<LiveRun>>,
    id: String,
    started: Moment,
    counters: Counters,
    attempt: AtomicI64,
    is_skipped: AtomicBool,
    /// Whether others know of it, by its id.
    is_known: AtomicBool,
    /// Whether its row was taken, by its end or by that of the job.
    is_over: AtomicBool,
    words: Mutex<Words>,
}

/// What is told in words.
#[derive(Debug, Default)]
struct Words {
    row: Box<RunRow>,
    configures: HashMap<Option<&'static str>, Map<String, Json>>,
    phases: [PhaseState; PHASES],
    chunks: Chunks,
}

/// The column of the id, by which its events are told apart elsewhere: it is said when the run begins, or not at all.
const ID: &str = "dataflow_run_id";

static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);

// === impl Run ===

impl Run {
    /// The run of the span that this thread is in, or of the nearest span above it that is a run.
    pub fn current() -> Self {
        Self(slot::current_run())
    }

    /// The run of this span, or of the nearest one above it.
    pub fn of(span: &Span) -> Self {
        Self(slot::run_of(span))
    }

    /// Whether there is no run, so that what is told goes nowhere.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Its id, `dataflow_run_id` in its row.
    pub fn id(&self) -> Option<&str> {
        self.0.as_deref().map(LiveRun::id)
    }

    /// Adds rows that were read.
    pub fn rows_read(&self, rows: u64) {
        self.add(Counter::RowsRead, rows);
    }

    /// Adds rows that were written.
    pub fn rows_written(&self, rows: u64) {
        self.add(Counter::RowsWritten, rows);
    }

    /// Adds rows that were inserted.
    pub fn rows_inserted(&self, rows: u64) {
        self.add(Counter::RowsInserted, rows);
    }

    /// Adds rows that were updated.
    pub fn rows_updated(&self, rows: u64) {
        self.add(Counter::RowsUpdated, rows);
    }

    /// Adds rows that were deleted.
    pub fn rows_deleted(&self, rows: u64) {
        self.add(Counter::RowsDeleted, rows);
    }

    /// Adds files that were added.
    pub fn files_added(&self, files: u64) {
        self.add(Counter::FilesAdded, files);
    }

    /// Adds files that were removed.
    pub fn files_removed(&self, files: u64) {
        self.add(Counter::FilesRemoved, files);
    }

    /// Adds bytes that were added.
    pub fn bytes_added(&self, bytes: u64) {
        self.add(Counter::BytesAdded, bytes);
    }

    /// Adds bytes that were removed.
    pub fn bytes_removed(&self, bytes: u64) {
        self.add(Counter::BytesRemoved, bytes);
    }

    /// Tells a value by the name of its column, such as `source_table`, or by what a field would be called behind `etl.`.
    /// A name that has no column becomes a key of the JSON column `configure`. The last value wins.
    ///
    /// ```
    /// # use spanlake_etl::Run;
    /// let run = Run::current();
    /// run.set("destination_table", "orders");
    /// run.set("destination_merge_keys", ["order_id", "line"]);
    /// run.set("batch_size", 500);
    /// ```
    pub fn set(&self, name: &str, value: impl Into<Told>) {
        if let Some(run) = &self.0 {
            run.tell(name, value.into().0, None);
        }
    }

    /// Begins the next attempt: what was counted, and what became of the phases, is that of an attempt that failed, and is
    /// forgotten.
    pub fn next_attempt(&self) {
        if let Some(run) = &self.0 {
            run.begin_attempt(run.attempt() + 1);
        }
    }

    /// Says that there is nothing to do: unless it fails, it ends as skipped.
    pub fn skip(&self) {
        if let Some(run) = &self.0 {
            run.is_skipped.store(true, Ordering::Relaxed);
        }
    }

    fn add(&self, counter: Counter, value: u64) {
        if let Some(run) = &self.0 {
            run.count(counter, i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}

// === impl LiveRun ===

impl LiveRun {
    /// A run that begins now. `parent` is the run above it, which is told of its end.
    pub(crate) fn begin(shared: &Shared, parent: Option<Arc<LiveRun>>, started: Moment) -> Arc<Self> {
        let words = Words { row: Box::new(shared.new_row()), ..Words::default() };
        Arc::new(Self {
            serial: NEXT_SERIAL.fetch_add(1, Ordering::Relaxed),
            parent,
            id: Uuid::now_v7().to_string(),
            started,
            counters: Counters::default(),
            attempt: AtomicI64::new(1),
            is_skipped: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            words: Mutex::new(words),
        })
    }

    fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn count(&self, counter: Counter, value: i64) {
        self.counters.add(counter, value);
    }

    /// Takes a value, told inside `phase` or outside any.
    pub(crate) fn tell(&self, name: &str, value: Value, phase: Option<Phase>) {
        if value == Value::Nothing {
            return;
        }
        match name::place(name, phase) {
            Place::Counter(counter) => match value.count() {
                Some(number) => self.count(counter, number),
                // No number of anything, and not to be lost.
                None => lock(&self.words).configure(phase, name, value.json()),
            },
            Place::Column(column) if column.name == ID && self.is_known.load(Ordering::Acquire) => {
                lock(&self.words).configure(phase, name, value.json());
            }
            Place::Column(column) => lock(&self.words).set(column, name, value),
            Place::Configure(of) => lock(&self.words).tell_configure(of, name, value),
        }
    }

    /// Takes a value as a key of JSON, whatever column its name may mean.
    pub(crate) fn note(&self, name: &str, value: &Value, phase: Option<Phase>) {
        lock(&self.words).configure(phase, name, value.json());
    }

    /// The attempt that goes on.
    pub(crate) fn attempt(&self) -> i64 {
        self.attempt.load(Ordering::Relaxed)
    }

    /// Another attempt begins; one that has begun already, or an earlier one, changes nothing.
    pub(crate) fn begin_attempt(&self, number: i64) {
        if self.attempt.fetch_max(number, Ordering::Relaxed) < number {
            self.counters.clear();
            lock(&self.words).phases = Default::default();
        }
    }

    pub(crate) fn begin_phase(&self, phase: Phase, now: Moment) {
        lock(&self.words).phases[phase as usize].begin(now);
    }

    /// A phase of this attempt ends; one of an earlier attempt has been forgotten with it.
    pub(crate) fn end_phase(&self, phase: Phase, attempt: i64, now_ns: u64, error: Option<String>) {
        if attempt == self.attempt() {
            lock(&self.words).phases[phase as usize].end(now_ns, error);
        }
    }

    pub(crate) fn set_task_key(&self, key: String) {
        lock(&self.words).row.task_key = Some(key);
    }

    /// From now on others know of it, and its id stays.
    pub(crate) fn make_known(&self) {
        self.is_known.store(true, Ordering::Release);
    }

    /// The row of a run that is still open, with the status `running`.
    pub(crate) fn open_row(&self) -> RunRow {
        let words = lock(&self.words);
        let row = self.row(&words);
        drop(words);
        row.status(RunStatus::Running)
    }

    /// Its row as it is at the end of the job, after which nothing more comes of it; `None` when it was taken before.
    pub(crate) fn take_open(&self) -> Option<RunRow> {
        (!self.is_over.swap(true, Ordering::AcqRel)).then(|| self.open_row())
    }

    /// Ends it; `None` when its row was taken before.
    pub(crate) fn end(&self, now_ns: u64, task: Ended) -> Option<RunRow> {
        if self.is_over.swap(true, Ordering::AcqRel) {
            return None;
        }
        let words = lock(&self.words);
        let mut row = self.row(&words);
        let took_ns = now_ns.saturating_sub(self.started.monotonic_ns);
        row.end_time = Some(self.started.utc_us.saturating_add(whole_us(took_ns)));
        row.duration_seconds = Some(seconds(took_ns));
        let phases = Phase::ALL.iter().find_map(|phase| words.phases[*phase as usize].failure());
        ending::settle(&mut row, task, phases, &words.chunks, self.is_skipped.load(Ordering::Relaxed));
        drop(words);
        if let Some(parent) = &self.parent {
            lock(&parent.words).chunks.add(&row);
        }
        Some(row)
    }

    /// What is known of it now, status and end left open.
    fn row(&self, words: &Words) -> RunRow {
        let mut row = (*words.row).clone();
        row.dataflow_run_id.get_or_insert_with(|| self.id.clone());
        row.operation_type.get_or_insert_with(|| ETL.to_owned());
        row.start_time = Some(self.started.utc_us);
        row.retry_attempts = Some(self.attempt() - 1);
        self.counters.fill(&mut row);
        for phase in Phase::ALL {
            words.phases[phase as usize].fill(phase, &mut row);
        }
        if self.counters.is_untold() && words.phases[Phase::Source as usize].was_entered() {
            // Something was read from, and nothing came.
            row.source_rows_read = Some(0);
        }
        words.put_configures(&mut row);
        ending::complete(&mut row);
        row
    }
}

// === impl Words ===

impl Words {
    fn set(&mut self, column: &'static Column, name: &str, value: Value) {
        let text = value.text();
        let cell = match column.kind {
            Kind::Text => Some(Cell::Text(&text)),
            Kind::Integer => value.integer().map(Cell::Integer),
            Kind::Bool => value.bool().map(Cell::Bool),
            Kind::Float | Kind::Time => None,
        };
        match cell {
            Some(cell) => {
                self.row.set(column.name, cell);
            }
            // Not of the column's kind, and not to be lost.
            None => return self.configure(None, name, value.json()),
        }
        if name == DATAFLOW {
            self.row.dataflow_id.get_or_insert_with(|| text.into_owned());
        }
    }

    /// A JSON object is taken for its keys.
    fn tell_configure(&mut self, of: Option<Phase>, name: &str, value: Value) {
        if name.ends_with(name::CONFIGURE)
            && let Value::Text(text) = &value
            && let Ok(Json::Object(keys)) = serde_json::from_str(text)
        {
            return keys.into_iter().for_each(|(key, value)| self.configure(of, &key, value));
        }
        self.configure(of, name, value.json());
    }

    fn configure(&mut self, of: Option<Phase>, key: &str, value: Json) {
        let keys = self.configures.entry(of.map(Phase::as_str)).or_default();
        if keys.len() < MAX_CONFIGURE_KEYS || keys.contains_key(key) {
            keys.insert(key.to_owned(), value);
        } else {
            let omitted = keys.get(OMITTED_KEYS).and_then(Json::as_u64).unwrap_or(0);
            keys.insert(OMITTED_KEYS.to_owned(), Json::from(omitted + 1));
        }
    }

    fn put_configures(&self, row: &mut RunRow) {
        for (of, keys) in &self.configures {
            let column = match of {
                Some(phase) => format!("{phase}_{}", name::CONFIGURE),
                None => name::CONFIGURE.to_owned(),
            };
            row.set(&column, Cell::Text(&Json::Object(keys.clone()).to_string()));
        }
    }
}
