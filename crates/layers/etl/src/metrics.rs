//! The counters of a job, for programs that expose metrics.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use spanlake_lake::runs::{RunRow, RunStatus};

use crate::counter::{COUNTERS, Counter};

/// Upper ends of the buckets of durations, in seconds.
const BUCKETS: [f64; 12] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// Counters that grow as runs end.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    statuses: [AtomicU64; RunStatus::ALL.len()],
    counters: [AtomicI64; COUNTERS],
    buckets: [AtomicU64; BUCKETS.len()],
    durations: AtomicU64,
    duration_us: AtomicU64,
    refusals: [AtomicU64; Refusal::ALL.len()],
    unkept: AtomicU64,
    lineage_lost: AtomicU64,
}

/// Why a run has no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The job was finished before.
    Finished,
    /// Too many waited to be written.
    Full,
    /// It ended in a process that was forked from the job's.
    Forked,
}

/// What a job has come to so far; a copy that does not change.
///
/// `Display` writes it in the text format of Prometheus.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct JobMetrics {
    /// The job.
    pub job_id: String,
    /// Runs that ended, by status.
    pub runs: Vec<(RunStatus, u64)>,
    /// What they counted, by name, such as `rows_read`. Rows of maintenance runs are left out.
    pub counts: Vec<(&'static str, i64)>,
    /// How many took at most this many seconds.
    pub buckets: Vec<(f64, u64)>,
    /// How many there are of which it is known how long they took.
    pub durations: u64,
    /// How long these took together, in seconds.
    pub duration_seconds: f64,
    /// Runs that have no row, by cause: `finished`, `full` or `forked`.
    pub lost: Vec<(&'static str, u64)>,
    /// Runs that would have been lost with the process until they were written: the journal had no room.
    pub unkept: u64,
    /// Events of the lineage that did not fit, or were refused for good.
    pub lineage_lost: u64,
}

// === impl Refusal ===

impl Refusal {
    const ALL: [Refusal; 3] = [Refusal::Finished, Refusal::Full, Refusal::Forked];

    fn as_str(self) -> &'static str {
        match self {
            Refusal::Finished => "finished",
            Refusal::Full => "full",
            Refusal::Forked => "forked",
        }
    }
}

// === impl Metrics ===

impl Metrics {
    /// A run has ended.
    pub(crate) fn add(&self, row: &RunRow) {
        if let Some(status) = row.known_status() {
            self.statuses[status as usize].fetch_add(1, Ordering::Relaxed);
        }
        for counter in Counter::ALL.into_iter().filter(|counter| !(counter.is_rows() && row.is_maintenance())) {
            let add = |sum: i64| Some(sum.saturating_add(counter.of(row).unwrap_or(0)));
            // It always succeeds, because there is always a sum.
            let _ = self.counters[counter as usize].fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
        let Some(seconds) = row.duration_seconds.filter(|seconds| seconds.is_finite()) else {
            return;
        };
        self.durations.fetch_add(1, Ordering::Relaxed);
        self.duration_us.fetch_add((seconds.max(0.0) * 1e6) as u64, Ordering::Relaxed);
        if let Some(bucket) = BUCKETS.iter().position(|end| seconds <= *end) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A run has no row; gives `false`, for whoever says so.
    pub(crate) fn refuse(&self, why: Refusal) -> bool {
        self.refusals[why as usize].fetch_add(1, Ordering::Relaxed);
        false
    }

    pub(crate) fn refused(&self, why: Refusal) -> u64 {
        self.refusals[why as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn add_unkept(&self) {
        self.unkept.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_lineage_lost(&self, events: u64) {
        self.lineage_lost.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn lineage_lost(&self) -> u64 {
        self.lineage_lost.load(Ordering::Relaxed)
    }

    pub(crate) fn read(&self, job_id: &str) -> JobMetrics {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let mut below = 0;
        let mut cumulate = |(end, bucket): (&f64, &AtomicU64)| {
            below += load(bucket);
            (*end, below)
        };
        JobMetrics {
            job_id: job_id.to_owned(),
            runs: RunStatus::ALL.into_iter().map(|status| (status, load(&self.statuses[status as usize]))).collect(),
            counts: Counter::ALL
                .into_iter()
                .map(|counter| (counter.name(), self.counters[counter as usize].load(Ordering::Relaxed)))
                .collect(),
            buckets: BUCKETS.iter().zip(&self.buckets).map(&mut cumulate).collect(),
            durations: load(&self.durations),
            duration_seconds: load(&self.duration_us) as f64 / 1e6,
            lost: Refusal::ALL.into_iter().map(|why| (why.as_str(), self.refused(why))).collect(),
            unkept: load(&self.unkept),
            lineage_lost: load(&self.lineage_lost),
        }
    }
}

// === impl JobMetrics ===

impl fmt::Display for JobMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = Label(&self.job_id);
        head(f, "spanlake_runs_total", "counter", "Runs that ended, by status.")?;
        for (status, count) in self.runs.iter().filter(|(status, _)| is_end(*status)) {
            writeln!(f, "spanlake_runs_total{{job=\"{job}\",status=\"{status}\"}} {count}")?;
        }
        for (name, count) in &self.counts {
            head(f, &format!("spanlake_{name}_total"), "counter", "What the runs counted.")?;
            writeln!(f, "spanlake_{name}_total{{job=\"{job}\"}} {count}")?;
        }
        head(f, "spanlake_run_duration_seconds", "histogram", "How long the runs took.")?;
        for (end, count) in &self.buckets {
            writeln!(f, "spanlake_run_duration_seconds_bucket{{job=\"{job}\",le=\"{end}\"}} {count}")?;
        }
        writeln!(f, "spanlake_run_duration_seconds_bucket{{job=\"{job}\",le=\"+Inf\"}} {}", self.durations)?;
        writeln!(f, "spanlake_run_duration_seconds_sum{{job=\"{job}\"}} {}", self.duration_seconds)?;
        writeln!(f, "spanlake_run_duration_seconds_count{{job=\"{job}\"}} {}", self.durations)?;
        head(f, "spanlake_runs_lost_total", "counter", "Runs that have no row, by cause.")?;
        for (cause, count) in &self.lost {
            writeln!(f, "spanlake_runs_lost_total{{job=\"{job}\",cause=\"{cause}\"}} {count}")?;
        }
        head(f, "spanlake_runs_unkept_total", "counter", "Begins and ends of runs that the journal had no room for.")?;
        writeln!(f, "spanlake_runs_unkept_total{{job=\"{job}\"}} {}", self.unkept)?;
        head(f, "spanlake_lineage_lost_total", "counter", "Events of the lineage that were given up.")?;
        writeln!(f, "spanlake_lineage_lost_total{{job=\"{job}\"}} {}", self.lineage_lost)
    }
}

/// Nothing ends as pending or running, but a run that is open when its job is finished.
fn is_end(status: RunStatus) -> bool {
    !matches!(status, RunStatus::Pending)
}

fn head(f: &mut fmt::Formatter<'_>, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// The value of a label.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}
