//! A lake that grows: what came since the last look.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanlake_core::Error;

use crate::files::{Format, RecordFile};
use crate::filter::Filter;
use crate::lake::Lake;
use crate::reader::Part;
use crate::timeline::Timeline;

/// Gives the records of a growing lake, each once, as often as it is asked.
///
/// Of a JSONL file it remembers how far it was read, up to the last line that had its end; a line without one is left
/// for the next time. A Parquet file is published whole and read once. New files and folders are found each time. A file
/// that became shorter was written anew and is read from its start.
///
/// Which format a process is read from is decided when it is first seen, and stays.
///
/// ```no_run
/// use std::time::Duration;
/// use spanlake_query::{Filter, Lake};
///
/// let mut follower = Lake::open("lake")?.follow(&Filter::new());
/// loop {
///     for record in follower.poll()? {
///         println!("{}", record.message);
///     }
///     std::thread::sleep(Duration::from_millis(200));
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Follower {
    lake: Lake,
    filter: Arc<Filter>,
    /// How far each file was read.
    read_to: HashMap<PathBuf, u64>,
    formats: HashMap<(PathBuf, String), Format>,
}

/// How much is read at once in search of the last line's end.
const SEARCH_BYTES: u64 = 64 << 10;

impl Follower {
    pub(crate) fn new(lake: Lake, filter: Filter) -> Self {
        Self { lake, filter: Arc::new(filter), read_to: HashMap::new(), formats: HashMap::new() }
    }

    /// The records that came since the last call, at first all of them, in order of time. What is not taken out of the
    /// timeline does not come again.
    pub fn poll(&mut self) -> Result<Timeline, Error> {
        let (files, damages) = self.lake.find()?;
        let parts = files.into_iter().filter_map(|file| self.part(file)).collect();
        Ok(Timeline::new(parts, self.filter.clone(), damages))
    }

    /// What is new in a file.
    fn part(&mut self, file: RecordFile) -> Option<Part> {
        if self.lake.only().is_some_and(|only| only != file.format) || self.format(&file) != file.format {
            return None;
        }
        let read_to = self.read_to.get(&file.path).copied();
        let to = match file.format {
            Format::Jsonl => end_of_lines(&file.path, read_to.unwrap_or(0)).ok()?,
            Format::Parquet => std::fs::metadata(&file.path).ok()?.len(),
        };
        let from = read_to.filter(|from| *from <= to).unwrap_or(0);
        self.read_to.insert(file.path.clone(), to);
        let grown = from < to && (file.format == Format::Jsonl || from == 0);
        let to = (file.format == Format::Jsonl).then_some(to);
        grown.then_some(Part { file, from, to })
    }

    /// The format that this file's process is read from. The files come in an order that has JSONL first.
    fn format(&mut self, file: &RecordFile) -> Format {
        *self.formats.entry(file.writer()).or_insert(file.format)
    }
}

/// The place behind the last line end at or behind `from`; the file's length when it is shorter than that.
fn end_of_lines(path: &Path, from: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    if len < from {
        return end_of_lines(path, 0);
    }
    let mut end = len;
    let mut bytes = Vec::new();
    while end > from {
        let start = end.saturating_sub(SEARCH_BYTES).max(from);
        file.seek(SeekFrom::Start(start))?;
        bytes.clear();
        file.by_ref().take(end - start).read_to_end(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(from)
}
