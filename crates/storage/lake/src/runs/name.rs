//! The name of a session, and where its files lie.
//!
//! ```text
//! <lake>/debug_json/job_run_log/<partition>/job_<stem>.jsonl            a line for each run, the job's behind them
//! <lake>/debug_json/job_run_log/<partition>/job_<stem>.0001.jsonl       the same in parts, where nothing can grow
//! <lake>/analyst/dataflow_run_log/<partition>/dataflow_<stem>.parquet   a row for each run
//! <lake>/analyst/job_run_log/<partition>/job_summary_<stem>.parquet     a row for the job
//! <lake>/.sessions/<stem>.json                                          while it is not closed
//! <lake>/.sessions/<stem>.journal                                       the same, in a folder
//! ```

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use spanlake_core::render::time::Civil;

use crate::layout::{JSONL, LogType, PARQUET, Purpose};

/// The folder of what is kept of sessions that are not closed, in the lake.
pub const SESSIONS: &str = ".sessions";

/// The job's id in a stem when it has none.
pub const DEFAULT_JOB_ID: &str = "default";

/// Most characters of a job's id in a stem.
const MAX_JOB_ID: usize = 64;

/// Length of `20261120_131410`.
const START_LEN: usize = 15;

/// What a session is called in the names of its files: when it began, and the number, the index and the id of its job.
///
/// ```
/// use spanlake_lake::runs::Stem;
///
/// let stem = Stem::new(1_763_644_450_123_456, 1, 0, "../nightly load");
/// assert_eq!(stem.to_string(), "20251120_131410_1_0_---nightly-load");
/// assert_eq!((stem.start_us(), stem.job_id()), (Some(1_763_644_450_000_000), "---nightly-load"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stem(String);

/// A file of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionFile {
    /// Its log, or this part of it, counted from 1; 0 where it is one file.
    Log(u32),
    /// Its runs.
    Runs,
    /// Its job.
    Job,
}

// === impl Stem ===

impl Stem {
    /// That of a session which began at `start_us`, UTC microseconds since the Unix epoch. Of the id only letters,
    /// digits, `-` and `_` are taken as they are, and no more than 64 of them, so that it never builds a path.
    pub fn new(start_us: i64, job_num: i64, job_index: i64, job_id: &str) -> Self {
        let at = Civil::at(start_us.div_euclid(1_000_000));
        let (date, time) = ((at.year, at.month, at.day), (at.hour, at.minute, at.second));
        let start = format!("{:04}{:02}{:02}_{:02}{:02}{:02}", date.0, date.1, date.2, time.0, time.1, time.2);
        Self(format!("{start}_{job_num}_{job_index}_{}", in_names(job_id)))
    }

    /// One that a file's name has, or somebody typed.
    pub fn parse(text: &str) -> Option<Self> {
        let (start, rest) = text.split_at_checked(START_LEN)?;
        let digits = |(at, c): (usize, char)| if at == 8 { c == '_' } else { c.is_ascii_digit() };
        let mut parts = rest.strip_prefix('_')?.splitn(3, '_');
        let (num, index, id) = (parts.next()?, parts.next()?, parts.next()?);
        let is_whole = start.char_indices().all(digits) && is_number(num) && is_number(index) && is_id(id);
        is_whole.then(|| Self(text.to_owned()))
    }

    /// When the session began, to the second, UTC microseconds since the Unix epoch. One that began in the same second as
    /// another of its job has a later one. `None` when the name has a date that there is not.
    pub fn start_us(&self) -> Option<i64> {
        let number = |from: usize, to: usize| self.0.get(from..to)?.parse::<i16>().ok();
        let part = |from| number(from, from + 2).and_then(|part| i8::try_from(part).ok());
        let date = Date::new(number(0, 4)?, part(4)?, part(6)?).ok()?;
        let time = Time::new(part(9)?, part(11)?, part(13)?, 0).ok()?;
        Some(date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
    }

    /// The job's id, as far as a name has it.
    pub fn job_id(&self) -> &str {
        self.0.splitn(5, '_').nth(4).unwrap_or_default()
    }

    /// Whether it may be the name of a session of this job: of the id only the beginning is in it, and no special
    /// characters.
    pub fn is_of(&self, job_id: &str) -> bool {
        self.job_id() == in_names(job_id)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a file in the lake, below the folders of a partition.
    pub fn path(&self, partition: &str, file: SessionFile) -> String {
        let (purpose, log_type) = file.place();
        let folder = format!("{}/{}", purpose.as_str(), log_type.as_str());
        let name = match file {
            SessionFile::Log(0) => format!("job_{self}.{JSONL}"),
            SessionFile::Log(part) => format!("job_{self}.{part:04}.{JSONL}"),
            SessionFile::Runs => format!("dataflow_{self}.{PARQUET}"),
            SessionFile::Job => format!("job_summary_{self}.{PARQUET}"),
        };
        if partition.is_empty() { format!("{folder}/{name}") } else { format!("{folder}/{partition}/{name}") }
    }

    /// Which file of which session has this path.
    pub fn of_path(path: &str) -> Option<(Self, SessionFile)> {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let (name, extension) = name.rsplit_once('.')?;
        if extension == PARQUET {
            let job = name.strip_prefix("job_summary_").map(|stem| (stem, SessionFile::Job));
            let (stem, file) = job.or_else(|| Some((name.strip_prefix("dataflow_")?, SessionFile::Runs)))?;
            return Some((Self::parse(stem)?, file));
        }
        let log = name.strip_prefix("job_").filter(|_| extension == JSONL)?;
        match log.split_once('.') {
            None => Some((Self::parse(log)?, SessionFile::Log(0))),
            Some((stem, part)) => Some((Self::parse(stem)?, SessionFile::Log(part.parse().ok().filter(|n| *n > 0)?))),
        }
    }

    pub(super) fn marker(&self) -> String {
        format!("{SESSIONS}/{self}.json")
    }

    pub(super) fn journal(&self) -> String {
        format!("{SESSIONS}/{self}.journal")
    }

    pub(super) fn of_marker(path: &str) -> Option<Self> {
        Self::parse(path.strip_prefix(SESSIONS)?.strip_prefix('/')?.strip_suffix(".json")?)
    }
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

// === impl SessionFile ===

impl SessionFile {
    /// The folders in which such files are.
    pub fn place(self) -> (Purpose, LogType) {
        match self {
            Self::Log(_) => (Purpose::DebugJson, LogType::JobRunLog),
            Self::Runs => (Purpose::Analyst, LogType::DataflowRunLog),
            Self::Job => (Purpose::Analyst, LogType::JobRunLog),
        }
    }
}

fn in_names(job_id: &str) -> String {
    let plain = |c: char| if is_plain(c) { c } else { '-' };
    let text: String = job_id.chars().take(MAX_JOB_ID).map(plain).collect();
    if text.is_empty() { DEFAULT_JOB_ID.to_owned() } else { text }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn is_id(text: &str) -> bool {
    (1..=MAX_JOB_ID).contains(&text.len()) && text.chars().all(is_plain)
}

fn is_number(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
