//! How runs and jobs stand: a mark, a colour and a word for each way.

use anstyle::Style;
use spanlake_lake::runs::INTERRUPTED;
use spanlake_query::runs::{RunRow, RunStatus, SessionLog, SessionState};

use crate::line::{BAD, BUSY, DIM, GOOD, LOST, WARN};

/// How a run or a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Succeeded,
    Failed,
    Interrupted,
    Skipped,
    Running,
    Pending,
    /// Its status is none of the known words.
    Unknown,
}

impl Mark {
    /// All of them, in the order in which they are counted up.
    pub(super) const ALL: [Mark; 7] =
        [Mark::Succeeded, Mark::Failed, Mark::Interrupted, Mark::Skipped, Mark::Running, Mark::Pending, Mark::Unknown];

    pub(super) fn of(run: &RunRow) -> Self {
        Self::new(run.known_status(), run.error_message.as_deref())
    }

    pub(super) fn of_job(session: &SessionLog) -> Self {
        match session.state {
            SessionState::Running => Self::Running,
            SessionState::LeftBehind => Self::Interrupted,
            SessionState::Finished => Self::new(session.job.known_status(), session.job.error_message.as_deref()),
        }
    }

    fn new(status: Option<RunStatus>, error: Option<&str>) -> Self {
        match status {
            Some(RunStatus::Failed) if error == Some(INTERRUPTED) => Self::Interrupted,
            Some(RunStatus::Failed) => Self::Failed,
            Some(RunStatus::Succeeded) => Self::Succeeded,
            Some(RunStatus::Skipped) => Self::Skipped,
            Some(RunStatus::Running) => Self::Running,
            Some(RunStatus::Pending) => Self::Pending,
            None => Self::Unknown,
        }
    }

    /// One column.
    pub(super) fn as_char(self) -> char {
        match self {
            Self::Succeeded => '✓',
            Self::Failed => '✗',
            Self::Interrupted => '!',
            Self::Skipped => '–',
            Self::Running => '▸',
            Self::Pending => '·',
            Self::Unknown => '?',
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Running => "running",
            Self::Pending => "pending",
            Self::Unknown => "of another status",
        }
    }

    pub(super) fn style(self) -> Style {
        match self {
            Self::Succeeded => GOOD,
            Self::Failed => BAD,
            Self::Interrupted => LOST,
            Self::Skipped | Self::Pending => DIM,
            Self::Running => BUSY,
            Self::Unknown => WARN,
        }
    }
}
