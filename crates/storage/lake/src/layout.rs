//! Where things lie in a lake: folders by purpose and log type, and the names of files.
//!
//! ```text
//! <lake>/<purpose>/<log_type>/<partition>/<start>_<host>_<pid>_<number>.<extension>
//! lake/debug_json/records/run_date=2026-11-20/20261120T131410.123456Z_obelix_6156_0001.jsonl
//! ```
//!
//! The first three parts of a file's name are its *process*: several processes share a lake and never a file. A reader
//! that finds JSONL of a process in a partition needs none of its Parquet there, for both hold the same records.

use std::fmt;
use std::path::{Path, PathBuf};

use spanlake_core::record::MAX_HOST_IN_NAMES;

/// Whom the files below a folder of the lake serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// People who look for a fault: JSONL and text, there at once.
    DebugJson,
    /// Engines: Parquet.
    Analyst,
}

/// What the files below a folder of the lake hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogType {
    /// Records.
    Records,
    /// Lines for people.
    SystemLog,
    /// One row for each dataflow run.
    DataflowRunLog,
    /// One row for each job.
    JobRunLog,
}

/// The name of a file in a lake, taken apart.
///
/// ```
/// use spanlake_lake::LakeFile;
///
/// let file = LakeFile::parse("20261120T131410.123456Z_obelix_6156_0001.jsonl").unwrap();
/// assert_eq!(file.process, "20261120T131410.123456Z_obelix_6156");
/// assert_eq!((file.number, &*file.extension), (1, "jsonl"));
/// assert_eq!(LakeFile::parse(".tmp-20261120T131410.123456Z_obelix_6156_0001.parquet"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LakeFile {
    /// The process whose records it holds, `<start>_<host>_<pid>`.
    pub process: String,
    /// Which of the process's files in this folder it is, from 1, in the order they were begun.
    pub number: u32,
    /// What its content is: [`JSONL`], [`PARQUET`] or [`LOG`].
    pub extension: String,
}

/// Extension of JSON lines.
pub const JSONL: &str = "jsonl";

/// Extension of Parquet.
pub const PARQUET: &str = "parquet";

/// Extension of text.
pub const LOG: &str = "log";

/// What stands before the name of a file that is not whole yet. Engines pass over names that start with a dot.
pub const HIDDEN_PREFIX: &str = ".tmp-";

/// Length of `20261120T131410.123456Z`.
const START_LEN: usize = 23;

// === impl Purpose, LogType ===

impl Purpose {
    /// The folder's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::DebugJson => "debug_json",
            Purpose::Analyst => "analyst",
        }
    }
}

impl LogType {
    /// The folder's name.
    pub fn as_str(self) -> &'static str {
        match self {
            LogType::Records => "records",
            LogType::SystemLog => "system_log",
            LogType::DataflowRunLog => "dataflow_run_log",
            LogType::JobRunLog => "job_run_log",
        }
    }
}

/// The folder that holds the partitions of a log type.
pub fn folder(lake: &Path, purpose: Purpose, log_type: LogType) -> PathBuf {
    lake.join(purpose.as_str()).join(log_type.as_str())
}

// === impl LakeFile ===

impl LakeFile {
    /// Takes a file's name apart; `None` for what no sink of a lake writes, hidden files included.
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let (process, number) = stem.rsplit_once('_')?;
        let [start, host, pid] = three_parts(process)?;
        let named = is_start(start) && is_host(host) && is_number(pid) && is_number(number) && number.len() >= 4;
        let number = number.parse().ok().filter(|_| named)?;
        Some(Self { process: process.to_owned(), number, extension: extension.to_owned() })
    }
}

/// The file's name.
impl fmt::Display for LakeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{:04}.{}", self.process, self.number, self.extension)
    }
}

fn three_parts(text: &str) -> Option<[&str; 3]> {
    let mut parts = text.split('_');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    if parts.next().is_none() { Some(three) } else { None }
}

fn is_start(text: &str) -> bool {
    let fits = |(at, c): (usize, char)| match at {
        8 => c == 'T',
        15 => c == '.',
        22 => c == 'Z',
        _ => c.is_ascii_digit(),
    };
    text.len() == START_LEN && text.char_indices().all(fits)
}

fn is_host(text: &str) -> bool {
    (1..=MAX_HOST_IN_NAMES).contains(&text.len()) && text.chars().all(is_host_char)
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-')
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
