//! What the layer, its handles and the thread that writes share: the queue of runs that have ended.
//!
//! Under the lock nothing is done but to push, to take, and to copy a line into the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spanlake_core::Error;
use spanlake_core::clock::{Clock, deadline, utc_now_ns};
use spanlake_core::sync::{Condvar, Mutex, MutexGuard, lock};
use spanlake_lake::runs::{Cell, JobRow, Journal, Row, RunRow, Stem, put_short_line};

use crate::metrics::{Metrics, Refusal};
use crate::phase::Moment;
use crate::report::JobReport;
use crate::run::LiveRun;

/// Most bytes of runs that have ended and wait for the thread; what comes beyond is lost, and counted.
pub const QUEUE_BYTES: usize = 64 << 20;

/// What is shared.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    /// The job as it was set up, and the moment it began.
    pub(crate) job: JobRow,
    pub(crate) began: Moment,
    /// Spans that have to do with a run; while there are none, nothing has to be looked up.
    slots: AtomicUsize,
    /// The process whose thread writes.
    home: u32,
    /// Whether anybody wants to know which runs began.
    wants_begun: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: Vec<RunRow>,
    bytes: usize,
    begun: Vec<Arc<LiveRun>>,
    open: BTreeMap<u64, Arc<LiveRun>>,
    has_open_changed: bool,
    journal: Option<Journal>,
    line: Vec<u8>,
    stem: Option<Stem>,
    /// Flushes that were asked for, and those that are done.
    flushes: (u64, u64),
    /// Why the last one did not succeed.
    flush_error: Option<Arc<Error>>,
    /// What failed last, until something succeeds.
    last_error: Option<Arc<Error>>,
    /// When the end has to be over, once it was asked for.
    end_by: Option<Instant>,
    report: Option<JobReport>,
    /// Whether the thread is gone without a report.
    is_abandoned: bool,
}

/// What the thread is given to do.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) ended: Vec<RunRow>,
    pub(crate) begun: Vec<Arc<LiveRun>>,
    /// Whether other runs than before are open.
    pub(crate) has_open_changed: bool,
    /// The last flush that was asked for.
    pub(crate) flush: Option<u64>,
    pub(crate) end_by: Option<Instant>,
}

impl Shared {
    pub(crate) fn new(mut job: JobRow, clock: Clock, wants_begun: bool) -> Self {
        let began = Moment { utc_us: utc_now_ns() / 1000, monotonic_ns: clock.monotonic_ns() };
        job.start_time = Some(began.utc_us);
        Self {
            metrics: Metrics::default(),
            job,
            began,
            clock,
            slots: AtomicUsize::new(0),
            home: std::process::id(),
            wants_begun,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    // === for the layer ===

    /// The clocks now.
    pub(crate) fn now(&self) -> Moment {
        Moment { utc_us: utc_now_ns() / 1000, monotonic_ns: self.clock.monotonic_ns() }
    }

    /// A row with what all runs of the job have.
    pub(crate) fn new_row(&self) -> RunRow {
        let mut row = RunRow::default();
        row.job_id.clone_from(&self.job.job_id);
        row.workspace_id.clone_from(&self.job.workspace_id);
        row
    }

    #[inline]
    pub(crate) fn has_slots(&self) -> bool {
        self.slots.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn add_slot(&self) {
        self.slots.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove_slot(&self) {
        self.slots.fetch_sub(1, Ordering::Relaxed);
    }

    /// A run has begun.
    pub(crate) fn begun(&self, run: &Arc<LiveRun>) {
        if self.is_forked() {
            return;
        }
        run.make_known();
        let row = run.open_row();
        let mut state = lock(&self.state);
        if state.end_by.is_none() {
            self.keep(&mut state, &row);
            state.open.insert(run.serial, Arc::clone(run));
            if self.wants_begun {
                state.begun.push(Arc::clone(run));
            }
            self.change(&mut state);
        }
    }

    /// A run has ended with this row, or with none when it was taken before. `serial` is that of a run which has begun.
    ///
    /// Tells whether it has a row.
    pub(crate) fn ended(&self, serial: Option<u64>, row: Option<RunRow>) -> bool {
        if self.is_forked() {
            return self.metrics.refuse(Refusal::Forked);
        }
        let mut state = lock(&self.state);
        let was_open = serial.and_then(|serial| state.open.remove(&serial)).is_some();
        let Some(row) = row else {
            // It has a row already, which says that it was running when the job ended.
            return true;
        };
        if state.end_by.is_some() {
            return self.metrics.refuse(Refusal::Finished);
        }
        state.has_open_changed |= was_open;
        let bytes = bytes_of(&row);
        if state.bytes + bytes > QUEUE_BYTES {
            return self.metrics.refuse(Refusal::Full);
        }
        state.bytes += bytes;
        self.metrics.add(&row);
        self.keep(&mut state, &row);
        state.ended.push(row);
        if state.ended.len() == 1 || state.is_urgent() {
            self.changed.notify_all();
        }
        true
    }

    /// From here on what is known of a run outlives the process, where there is a journal.
    fn keep(&self, state: &mut State, row: &RunRow) {
        let State { journal: Some(journal), line, .. } = state else {
            return;
        };
        line.clear();
        put_short_line(line, row);
        if !journal.keep(line.trim_ascii_end()) {
            self.metrics.add_unkept();
        }
    }

    // === for handles ===

    /// Waits until what was there when it was called is in the lake's log, and gives what failed; `None` when the time was
    /// not enough.
    pub(crate) fn flush(&self, timeout: Duration) -> Option<Option<Arc<Error>>> {
        let end = deadline(timeout);
        if self.is_forked() {
            return None;
        }
        let mut state = lock(&self.state);
        state.flushes.0 += 1;
        let wanted = state.flushes.0;
        self.changed.notify_all();
        while state.flushes.1 < wanted && state.report.is_none() && !state.is_abandoned {
            state = self.wait(state, end)?;
        }
        let is_unwritten = |report: &&JobReport| !report.is_written;
        let of_end = state.report.as_ref().filter(is_unwritten).and_then(|report| report.errors.first().cloned());
        (!state.is_abandoned).then(|| of_end.or_else(|| state.flush_error.clone()))
    }

    /// What the session is called.
    pub(crate) fn stem(&self) -> Option<Stem> {
        if self.is_forked() { None } else { lock(&self.state).stem.clone() }
    }

    /// Ends the session; `None` when the time was not enough.
    pub(crate) fn finish(&self, timeout: Duration) -> Option<JobReport> {
        let end = deadline(timeout);
        if self.is_forked() {
            return None;
        }
        let mut state = lock(&self.state);
        state.end_by.get_or_insert(end);
        self.changed.notify_all();
        while state.report.is_none() && !state.is_abandoned {
            state = self.wait(state, end)?;
        }
        state.report.clone()
    }

    /// The report of the end, once there is one.
    pub(crate) fn report(&self) -> Option<JobReport> {
        if self.is_forked() { None } else { lock(&self.state).report.clone() }
    }

    /// Whether this process is a fork of the one whose thread writes.
    pub(crate) fn is_forked(&self) -> bool {
        std::process::id() != self.home
    }

    // === for the thread ===

    pub(crate) fn set_session(&self, stem: &Stem, journal: Option<Journal>) {
        let mut state = lock(&self.state);
        (state.stem, state.journal) = (Some(stem.clone()), journal);
    }

    /// Waits for something to do, at most until `until`, lets more come for as long as `gather`, and takes it.
    pub(crate) fn take(&self, until: Instant, gather: Duration) -> Work {
        let mut state = lock(&self.state);
        while state.is_idle() {
            match self.wait(state, until) {
                Some(waited) => state = waited,
                None => return lock(&self.state).take(),
            }
        }
        // Nobody waits for it, so that more may come first.
        let gathered = deadline(gather).min(until);
        while !state.is_urgent() {
            match self.wait(state, gathered) {
                Some(waited) => state = waited,
                None => return lock(&self.state).take(),
            }
        }
        state.take()
    }

    /// What was taken is in the log, and which runs are open is noted.
    pub(crate) fn written(&self) {
        if let Some(journal) = &mut lock(&self.state).journal {
            journal.forget();
        }
    }

    /// The rows of the runs that are open, and of those that have ended and were not taken yet: the log does not have them,
    /// and in a bucket nothing else does.
    pub(crate) fn open_rows(&self) -> Vec<RunRow> {
        let state = lock(&self.state);
        let (open, ended): (Vec<_>, _) = (state.open.values().cloned().collect(), state.ended.clone());
        drop(state);
        open.iter().map(|run| run.open_row()).chain(ended).collect()
    }

    /// What failed last; `None` when it has succeeded since.
    pub(crate) fn set_last_error(&self, error: Option<Arc<Error>>) {
        lock(&self.state).last_error = error;
    }

    pub(crate) fn last_error(&self) -> Option<Arc<Error>> {
        if self.is_forked() { None } else { lock(&self.state).last_error.clone() }
    }

    pub(crate) fn flushed(&self, flush: u64, error: Option<Arc<Error>>) {
        let mut state = lock(&self.state);
        (state.flushes.1, state.flush_error) = (flush, error);
        drop(state);
        self.changed.notify_all();
    }

    /// The runs that are still open when the job ends, and those that ended since.
    pub(crate) fn take_rest(&self) -> (Vec<RunRow>, Vec<RunRow>) {
        let mut state = lock(&self.state);
        let open = std::mem::take(&mut state.open);
        let ended = std::mem::take(&mut state.ended);
        drop(state);
        (ended, open.values().filter_map(|run| run.take_open()).collect())
    }

    pub(crate) fn set_report(&self, report: JobReport) {
        let mut state = lock(&self.state);
        state.report = Some(report);
        // Its file is gone.
        state.journal = None;
        drop(state);
        self.changed.notify_all();
    }

    /// Nobody writes any more.
    pub(crate) fn abandon(&self) {
        let mut state = lock(&self.state);
        state.is_abandoned = state.report.is_none();
        state.end_by.get_or_insert_with(Instant::now);
        drop(state);
        self.changed.notify_all();
    }

    fn change(&self, state: &mut State) {
        state.has_open_changed = true;
        self.changed.notify_all();
    }

    /// `None` when it is too late.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, until: Instant) -> Option<MutexGuard<'a, State>> {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        let waited = self.changed.wait_timeout(state, left);
        Some(waited.unwrap_or_else(std::sync::PoisonError::into_inner).0)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.ended.is_empty() && !self.has_open_changed && !self.is_urgent()
    }

    fn is_urgent(&self) -> bool {
        let is_filling = self.journal.as_ref().is_some_and(Journal::is_filling);
        is_filling || self.flushes.0 > self.flushes.1 || self.end_by.is_some() || self.bytes > QUEUE_BYTES / 4
    }

    fn take(&mut self) -> Work {
        if let Some(journal) = &mut self.journal {
            journal.turn();
        }
        self.bytes = 0;
        Work {
            ended: std::mem::take(&mut self.ended),
            begun: std::mem::take(&mut self.begun),
            has_open_changed: std::mem::take(&mut self.has_open_changed),
            flush: (self.flushes.0 > self.flushes.1).then_some(self.flushes.0),
            end_by: self.end_by,
        }
    }
}

/// What a row takes of the memory.
fn bytes_of(row: &RunRow) -> usize {
    let mut bytes = size_of::<RunRow>();
    row.each(|cell| {
        if let Some(Cell::Text(text)) = cell {
            bytes += text.len();
        }
    });
    bytes
}
