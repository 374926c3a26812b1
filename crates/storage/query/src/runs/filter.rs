//! Which sessions and runs are wanted.

use spanlake_lake::runs::{RunRow, RunStatus, Stem};

/// How long the second is that the name of a session tells.
const SECOND_US: i64 = 1_000_000;

/// Which sessions and runs are wanted; an empty filter wants all of them.
///
/// ```
/// use spanlake_query::runs::{RunFilter, RunRow, RunStatus};
///
/// let filter = RunFilter::new().status(RunStatus::Failed).dataflow("orders*");
/// assert!(filter.admits(&RunRow::new("orders_eu").status(RunStatus::Failed)));
/// assert!(!filter.admits(&RunRow::new("orders").status(RunStatus::Succeeded)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    stages: Vec<String>,
    statuses: Vec<RunStatus>,
    dataflows: Vec<String>,
    since_us: Option<i64>,
    until_us: Option<i64>,
    jobs: Vec<String>,
}

impl RunFilter {
    /// Wants all sessions and all runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only runs of this stage; given again, of any of them.
    #[must_use]
    pub fn stage(mut self, stage: impl Into<String>) -> Self {
        self.stages.push(stage.into());
        self
    }

    /// Only runs with this status; given again, with any of them.
    #[must_use]
    pub fn status(mut self, status: RunStatus) -> Self {
        self.statuses.push(status);
        self
    }

    /// Only runs of the dataflow with this name or id, or where it ends in `*`, of those that begin so; given again, of
    /// any of them.
    #[must_use]
    pub fn dataflow(mut self, dataflow: impl Into<String>) -> Self {
        self.dataflows.push(dataflow.into());
        self
    }

    /// Only sessions that began at this moment or later, to the second, in UTC microseconds since the Unix epoch.
    #[must_use]
    pub fn since_us(mut self, since_us: i64) -> Self {
        self.since_us = Some(since_us);
        self
    }

    /// Only sessions that began before this moment, in UTC microseconds since the Unix epoch.
    #[must_use]
    pub fn until_us(mut self, until_us: i64) -> Self {
        self.until_us = Some(until_us);
        self
    }

    /// Only sessions of the job with this id, and those whose name begins so; given again, any of them.
    #[must_use]
    pub fn job(mut self, job: impl Into<String>) -> Self {
        self.jobs.push(job.into());
        self
    }

    /// The same filter, whatever the status of a run.
    #[must_use]
    pub fn any_status(&self) -> Self {
        Self { statuses: Vec::new(), ..self.clone() }
    }

    /// Whether a run is wanted. When its session began is not looked at.
    pub fn admits(&self, run: &RunRow) -> bool {
        let stage = run.stage.as_deref().unwrap_or_default();
        (self.stages.is_empty() || self.stages.iter().any(|wanted| wanted == stage))
            && (self.statuses.is_empty() || run.known_status().is_some_and(|status| self.statuses.contains(&status)))
            && (self.dataflows.is_empty() || self.dataflows.iter().any(|wanted| is_dataflow(run, wanted)))
    }

    /// Whether a session may be wanted, by its name.
    pub fn admits_session(&self, stem: &Stem) -> bool {
        let is_job = |job: &String| stem.is_of(job) || stem.as_str().starts_with(job.as_str());
        (self.jobs.is_empty() || self.jobs.iter().any(is_job)) && stem.start_us().is_none_or(|us| self.in_time(us))
    }

    /// Whether only some runs of a session are wanted.
    pub fn selects_runs(&self) -> bool {
        !(self.stages.is_empty() && self.statuses.is_empty() && self.dataflows.is_empty())
    }

    fn in_time(&self, second_us: i64) -> bool {
        self.since_us.is_none_or(|since| second_us > since.saturating_sub(SECOND_US))
            && self.until_us.is_none_or(|until| second_us < until)
    }
}

fn is_dataflow(run: &RunRow, wanted: &str) -> bool {
    let fits = |name: &str| match wanted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == wanted,
    };
    [&run.dataflow_name, &run.dataflow_id].into_iter().flatten().any(|name| fits(name))
}
