//! The phases of a run: reading, transforming, writing.

use spanlake_lake::runs::{RunRow, RunStatus};

/// A phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Source,
    Transform,
    Destination,
}

/// How many there are.
pub(crate) const PHASES: usize = 3;

/// What is known of a phase. Of one that is entered several times, also at once, the times are from the first begin to the
/// last end.
#[derive(Clone, Debug, Default)]
pub(crate) struct PhaseState {
    started: Option<Moment>,
    ended_ns: u64,
    open: u32,
    /// Why it failed, when it did.
    error: Option<String>,
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    pub(crate) utc_us: i64,
    pub(crate) monotonic_ns: u64,
}

// === impl Phase ===

impl Phase {
    pub(crate) const ALL: [Phase; PHASES] = [Phase::Source, Phase::Transform, Phase::Destination];

    /// The word, which its columns begin with.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Phase::Source => "source",
            Phase::Transform => "transform",
            Phase::Destination => "destination",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }
}

// === impl PhaseState ===

impl PhaseState {
    pub(crate) fn begin(&mut self, now: Moment) {
        self.started.get_or_insert(now);
        self.open += 1;
    }

    /// The first error of a phase stays.
    pub(crate) fn end(&mut self, now_ns: u64, error: Option<String>) {
        self.open = self.open.saturating_sub(1);
        self.ended_ns = self.ended_ns.max(now_ns);
        self.error = self.error.take().or(error);
    }

    pub(crate) fn was_entered(&self) -> bool {
        self.started.is_some()
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Puts what is known into the row's columns of this phase.
    pub(crate) fn fill(&self, phase: Phase, row: &mut RunRow) {
        let Some(started) = self.started else {
            return;
        };
        let status = match self {
            Self { error: Some(_), .. } => RunStatus::Failed,
            Self { open: 0, .. } => RunStatus::Succeeded,
            _ => RunStatus::Running,
        };
        let took_ns = (self.open == 0).then(|| self.ended_ns.saturating_sub(started.monotonic_ns));
        let times = PhaseTimes {
            start: Some(started.utc_us),
            end: took_ns.map(|ns| started.utc_us.saturating_add(whole_us(ns))),
            seconds: took_ns.map(seconds),
            status: Some(status.as_str().to_owned()),
            error: self.error.clone(),
        };
        times.put(phase, row);
    }
}

/// The columns that every phase has.
struct PhaseTimes {
    start: Option<i64>,
    end: Option<i64>,
    seconds: Option<f64>,
    status: Option<String>,
    error: Option<String>,
}

impl PhaseTimes {
    fn put(self, phase: Phase, row: &mut RunRow) {
        let (start, end, seconds, status, error) = match phase {
            Phase::Source => (
                &mut row.source_start_time,
                &mut row.source_end_time,
                &mut row.source_duration_seconds,
                &mut row.source_status,
                &mut row.source_error_message,
            ),
            Phase::Transform => (
                &mut row.transform_start_time,
                &mut row.transform_end_time,
                &mut row.transform_duration_seconds,
                &mut row.transform_status,
                &mut row.transform_error_message,
            ),
            Phase::Destination => (
                &mut row.destination_start_time,
                &mut row.destination_end_time,
                &mut row.destination_duration_seconds,
                &mut row.destination_status,
                &mut row.destination_error_message,
            ),
        };
        (*start, *end, *seconds) = (self.start, self.end, self.seconds);
        (*status, *error) = (self.status, self.error);
    }
}

/// Nanoseconds as whole microseconds.
pub(crate) fn whole_us(ns: u64) -> i64 {
    i64::try_from(ns / 1000).unwrap_or(i64::MAX)
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
