//! The words of run logs.

use std::fmt;
use std::str::FromStr;

use spanlake_core::{Category, Error, Stage};

/// The operation of a run that moves data; the default.
pub const ETL: &str = "etl";

/// The operation of a run that repeats others, its chunks.
pub const REPLAY: &str = "replay";

/// The operation of a run that looks after data and moves none.
pub const MAINTENANCE: &str = "maintenance";

/// The error of runs and jobs whose process went away.
pub const INTERRUPTED: &str = "interrupted";

/// How a run or a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunStatus {
    /// It has not begun.
    Pending,
    /// It has begun.
    Running,
    /// It came to its end.
    Succeeded,
    /// It, or a phase of it, failed.
    Failed,
    /// There was nothing to do.
    Skipped,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [RunStatus; 5] =
        [RunStatus::Pending, RunStatus::Running, RunStatus::Succeeded, RunStatus::Failed, RunStatus::Skipped];

    /// The word in the lake.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Pending => "pending",
            RunStatus::Running => "running",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Skipped => "skipped",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RunStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            let message = "status is none of pending, running, succeeded, failed and skipped";
            Error::new(Stage::Configuration, "RunStatus", Category::Validation, message).with("status", text)
        })
    }
}
