//! What differs between two sessions, dataflow by dataflow.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use spanlake_lake::runs::{ETL, RunRow, RunStatus};

use super::duration_us;
use super::session::SessionLog;

/// How much longer than the other one a run takes, in percent of the shorter time, to be called slower or faster.
pub const MIN_PACE_PERCENT: i64 = 20;

/// How much longer it takes besides, in microseconds: a second.
pub const MIN_PACE_US: i64 = 1_000_000;

/// How many more rows the larger number has, in percent of it, to matter more than that a run was faster.
pub const MIN_ROWS_PERCENT: u64 = 20;

/// What differs between two sessions, what matters most first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunDiff<'a> {
    /// Runs that are not in both, or differ.
    pub changes: Vec<RunChange<'a>>,
    /// Runs that are in both, and alike.
    pub unchanged: u64,
}

/// A run of one session, and the one of the other that has the same dataflow, stage and operation. Where there are
/// several of them, the first goes with the first.
#[derive(Clone, Copy, Debug)]
pub struct RunChange<'a> {
    /// The run of the first session.
    pub before: Option<&'a RunRow>,
    /// The run of the second session.
    pub after: Option<&'a RunRow>,
    /// The run of the second session, or of the first where only that has it.
    pub run: &'a RunRow,
}

/// The most telling thing that differs, in the order in which it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It failed, and did not before.
    NewlyFailed,
    /// It failed, as before.
    StillFailed,
    /// Only the first session has it.
    OnlyBefore,
    /// It has another status, and neither is that of a failure.
    OtherStatus,
    /// It took longer.
    Slower,
    /// It read or wrote another number of rows.
    OtherRows,
    /// Only the second session has it.
    OnlyAfter,
    /// It failed before, and did not now.
    Recovered,
    /// It took less long.
    Faster,
    /// Nothing that is looked at.
    Nothing,
}

/// By what a run is found in the other session.
type Key<'a> = (&'a str, &'a str, &'a str);

// === impl RunDiff ===

impl<'a> RunDiff<'a> {
    /// Compares two sessions.
    pub fn new(before: &'a SessionLog, after: &'a SessionLog) -> Self {
        let (mut changes, mut unchanged) = (pairs(&before.runs, &after.runs), 0);
        changes.retain(|change| {
            let differs = change.kind() != ChangeKind::Nothing;
            unchanged += u64::from(!differs);
            differs
        });
        changes.sort_by_key(|change| (change.kind(), Reverse(change.weight())));
        Self { changes, unchanged }
    }

    /// How many runs differ in this way most of all.
    pub fn count(&self, kind: ChangeKind) -> u64 {
        self.changes.iter().filter(|change| change.kind() == kind).count() as u64
    }
}

// === impl RunChange ===

impl RunChange<'_> {
    /// The most telling thing that differs.
    pub fn kind(&self) -> ChangeKind {
        let (Some(before), Some(after)) = (self.before, self.after) else {
            return if self.after.is_none() { ChangeKind::OnlyBefore } else { ChangeKind::OnlyAfter };
        };
        match (has_failed(before), has_failed(after)) {
            (false, true) => ChangeKind::NewlyFailed,
            (true, true) => ChangeKind::StillFailed,
            (true, false) => ChangeKind::Recovered,
            (false, false) if before.status != after.status => ChangeKind::OtherStatus,
            (false, false) => self.pace_or_rows(),
        }
    }

    /// How long both took, in microseconds, where one is slower than the other.
    pub fn pace_us(&self) -> Option<(i64, i64)> {
        let (before, after) = self.both(|run| duration_us(run.duration_seconds))?;
        let (less, more) = (before.min(after).max(0), before.max(after));
        let longer = more.saturating_sub(less);
        let is_much = longer >= MIN_PACE_US && longer >= less.saturating_mul(MIN_PACE_PERCENT) / 100;
        is_much.then_some((before, after))
    }

    /// How many rows both read, where that differs.
    pub fn rows_read(&self) -> Option<(i64, i64)> {
        self.both(|run| run.source_rows_read).filter(|(before, after)| before != after)
    }

    /// How many rows both wrote, where that differs.
    pub fn rows_written(&self) -> Option<(i64, i64)> {
        self.both(|run| run.destination_rows_written).filter(|(before, after)| before != after)
    }

    fn pace_or_rows(&self) -> ChangeKind {
        let rows = self.rows_permille();
        match self.pace_us() {
            Some((before, after)) if after > before => ChangeKind::Slower,
            // A run that had nothing to do is fast.
            Some(_) if rows.is_none_or(|permille| permille < 10 * MIN_ROWS_PERCENT) => ChangeKind::Faster,
            _ if rows.is_some() => ChangeKind::OtherRows,
            _ => ChangeKind::Nothing,
        }
    }

    /// By how much the numbers of rows differ, in thousandths of the larger one.
    fn rows_permille(&self) -> Option<u64> {
        let permille = |(before, after): (i64, i64)| {
            let larger = before.unsigned_abs().max(after.unsigned_abs()).max(1);
            (before.abs_diff(after) as f64 * 1e3 / larger as f64) as u64
        };
        self.rows_read().map(permille).max(self.rows_written().map(permille))
    }

    /// By how much it differs, to compare it with others of its kind.
    fn weight(&self) -> u64 {
        let by = |pair: Option<(i64, i64)>| pair.map_or(0, |(before, after)| before.abs_diff(after));
        match self.kind() {
            ChangeKind::Slower | ChangeKind::Faster => by(self.pace_us()),
            ChangeKind::OtherRows => self.rows_permille().unwrap_or(0),
            _ => 0,
        }
    }

    fn both(&self, number: impl Fn(&RunRow) -> Option<i64>) -> Option<(i64, i64)> {
        Some((number(self.before?)?, number(self.after?)?))
    }
}

/// Runs of the second session in their order, each with the one of the first that it goes with; then what is left there.
fn pairs<'a>(before: &'a [RunRow], after: &'a [RunRow]) -> Vec<RunChange<'a>> {
    let mut waiting: HashMap<Key<'_>, VecDeque<&RunRow>> = HashMap::new();
    before.iter().for_each(|run| waiting.entry(key(run)).or_default().push_back(run));
    let mut other = |run: &'a RunRow| waiting.get_mut(&key(run)).and_then(VecDeque::pop_front);
    let mut pairs: Vec<_> = after.iter().map(|run| RunChange { before: other(run), after: Some(run), run }).collect();
    // What is left of a dataflow are the last of its runs.
    let mut left: HashMap<Key<'_>, usize> = waiting.iter().map(|(key, runs)| (*key, runs.len())).collect();
    let mut alone = Vec::new();
    for run in before.iter().rev() {
        if let Some(count) = left.get_mut(&key(run)).filter(|count| **count > 0) {
            *count -= 1;
            alone.push(RunChange { before: Some(run), after: None, run });
        }
    }
    pairs.extend(alone.into_iter().rev());
    pairs
}

fn key(run: &RunRow) -> Key<'_> {
    let operation = run.operation_type.as_deref().unwrap_or(ETL);
    let name = run.dataflow_name.as_deref().or(run.dataflow_id.as_deref());
    (name.unwrap_or_default(), run.stage.as_deref().unwrap_or_default(), operation)
}

fn has_failed(run: &RunRow) -> bool {
    run.known_status() == Some(RunStatus::Failed)
}
