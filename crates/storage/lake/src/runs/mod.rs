//! Run logs: a row for each run of a job, and a row for the job.
//!
//! A *session* is one start of a job: its process appends each run that has ended to a log of JSON lines, and when the
//! job is over it puts a Parquet file of its runs and one of itself. [`Session`] writes them, [`SessionRecovery`] closes
//! those whose process went away, [`OpenSession`] looks at those that are not closed, and [`RunRow`] and [`JobRow`] say
//! what the columns are.
//!
//! [`lineage`] makes events of the runs, for tools that follow what data comes from.
//!
//! # What can be lost
//!
//! - *The process is killed*: nothing of a run that had ended, in a folder: its line is in the log or in the journal. In
//!   a bucket the runs since the last line was put, at most those of one interval. Runs that were open are closed as
//!   interrupted, as far as it was noted that they were.
//! - *The machine goes down*: what came since the last interval.
//! - *The lake cannot be written to*: lines wait, up to [`MAX_WAITING_BYTES`]; runs wait in the table until the end. What
//!   cannot be written at the end is told, and the session is closed by the next recovery, from its log and its journal.

pub(crate) mod row;
mod run;
mod job;
mod word;
mod tally;
mod line;
mod table;
mod name;
mod process;
mod marker;
mod journal;
mod session;
mod open;
mod recovery;
pub mod lineage;

pub use job::JobRow;
pub use journal::Journal;
pub use line::{Line, parse_line, put_line, put_short_line};
pub use name::{DEFAULT_JOB_ID, SESSIONS, SessionFile, Stem};
pub use open::OpenSession;
pub use recovery::{ClosedSession, SessionRecovery};
pub use row::{Cell, Column, Kind, Row};
pub use run::RunRow;
pub use session::{MAX_WAITING_BYTES, Session, SessionOptions, Written};
pub use table::{TableWriter, read_table, row_schema};
pub use tally::{Tally, json_array};
pub use word::{ETL, INTERRUPTED, MAINTENANCE, REPLAY, RunStatus};
