//! Run logs: the sessions of jobs with their runs, newest first, and what differs between two of them.
//!
//! A session is read from its log of JSON lines, where it is there and whole, else from its Parquet files. What cannot be
//! read is a [`Damage`](crate::Damage) of its session, and stops nothing.
//!
//! ```no_run
//! use spanlake_lake::store::{Store, StoreOptions};
//! use spanlake_query::runs::{RunFilter, RunLogs, RunStatus};
//!
//! let mut logs = RunLogs::open(Store::open("lake", &StoreOptions::new())?)?;
//! let filter = RunFilter::new().status(RunStatus::Failed);
//! for session in logs.newest(&filter).take(20) {
//!     for run in session.runs.iter().filter(|run| filter.admits(run)) {
//!         println!("{}: {}", run.label(), run.error_message.as_deref().unwrap_or_default());
//!     }
//! }
//! # Ok::<(), spanlake_core::Error>(())
//! ```

mod filter;
mod files;
mod session;
mod logs;
mod diff;

pub use diff::{ChangeKind, MIN_PACE_PERCENT, MIN_PACE_US, MIN_ROWS_PERCENT, RunChange, RunDiff};
pub use files::SessionFiles;
pub use filter::RunFilter;
pub use logs::{MAX_CANDIDATES, Newest, RunLogs};
pub use session::{SessionLog, SessionState};
pub use spanlake_lake::runs::{JobRow, RunRow, RunStatus, Stem};

/// How long a run or a job took, in microseconds, by what its row has in seconds.
pub fn duration_us(seconds: Option<f64>) -> Option<i64> {
    seconds.map(|seconds| (seconds * 1e6).round() as i64)
}
