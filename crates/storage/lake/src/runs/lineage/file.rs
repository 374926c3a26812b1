//! The file of events: lines that any number of processes append to, and what a dead session owes it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use spanlake_core::disk::{Access, Disk, DiskFile, real};
use spanlake_core::render::time;
use spanlake_core::{Category, Error, Stage};

use super::event::{Events, line, run_id};
use crate::file::sync_folders;
use crate::runs::recovery::ClosedSession;
use crate::runs::run::RunRow;

/// The longest that [`EventFile::append`] waits for others who write to the file.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that [`complete`] waits, because others who do the same read all of the file.
const COMPLETE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether they are done.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// About how much is written at a time.
const CHUNK_BYTES: usize = 1 << 20;

const SERVICE: &str = "EventFile";

/// A file of events, one a line. Several processes may share it: whoever writes holds a lock on it.
///
/// Lines are written with one call. A line that was cut off, because its writer was killed, is ended before anything is
/// written behind it; it is no event, and [`complete`] puts the event there again.
#[derive(Debug)]
pub struct EventFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

/// What a file has of a session's events.
#[derive(Default)]
struct Seen {
    /// The STARTs without an end, by their runs.
    open: BTreeMap<String, Json>,
    /// Runs that have an end.
    over: HashSet<String>,
}

// === impl EventFile ===

impl EventFile {
    /// The file of this path. It is made with the first event, or by [`create`](Self::create).
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::on(real(), path)
    }

    /// The same on another disk, for tests.
    pub fn on(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it, if it is not there; fails when it cannot be written to.
    pub fn create(&self) -> Result<(), Error> {
        self.open().map(drop).map_err(|error| self.failed("cannot open the file of events", error))
    }

    /// Appends whole lines. What a failed write left is cut off again; if even that fails, lines of it may be there twice
    /// when they are written again.
    pub fn append(&self, lines: &[u8]) -> Result<(), Error> {
        let appended = self
            .open()
            .and_then(|mut file| self.hold(&mut *file, LOCK_TIMEOUT).and_then(|()| self.write(&mut *file, lines)));
        appended.map_err(|error| self.failed("cannot write events", error))
    }

    /// Makes what was appended durable.
    pub fn sync(&self) -> Result<(), Error> {
        let synced = self.disk.sync_file(&self.path).and_then(|()| sync_folders(&*self.disk, self.folder()));
        synced.map_err(|error| self.failed("cannot make events durable", error))
    }

    fn complete(&self, namespace: &str, closed: &ClosedSession) -> io::Result<u64> {
        let mut file = match self.disk.append(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            file => file?,
        };
        // Held to the end, so that of two who do this at once the second one finds everything there.
        self.hold(&mut *file, COMPLETE_TIMEOUT)?;
        let events = Events::new(namespace, &closed.stem, &closed.job);
        let mut seen = Seen::read(&self.path, &events.session())?;
        let (mut added, mut lines) = (0, String::new());
        for row in &closed.runs {
            for event in seen.missing(&events, row) {
                (lines, added) = (lines + &event + "\n", added + 1);
            }
            if lines.len() > CHUNK_BYTES {
                self.write(&mut *file, std::mem::take(&mut lines).as_bytes())?;
            }
        }
        for start in seen.open.into_values() {
            (lines, added) = (lines + &aborted(start, closed.job.end_time) + "\n", added + 1);
        }
        self.write(&mut *file, lines.as_bytes())?;
        Ok(added)
    }

    fn open(&self) -> io::Result<Box<dyn DiskFile>> {
        match self.disk.append(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        self.disk.create_folder(self.folder(), Access::Shared)?;
        match self.disk.create(&self.path, Access::Shared) {
            // Somebody was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.disk.append(&self.path),
            created => created,
        }
    }

    fn hold(&self, file: &mut dyn DiskFile, timeout: Duration) -> io::Result<()> {
        let until = Instant::now() + timeout;
        while !file.hold()? {
            if Instant::now() > until {
                return Err(io::Error::new(ErrorKind::TimedOut, "somebody else holds the file"));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Writes to a file that is held.
    fn write(&self, file: &mut dyn DiskFile, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let tail = self.disk.tail(&self.path)?;
        let written = match tail.last {
            None | Some(b'\n') => file.write_all(lines),
            Some(_) => file.write_all(&[b"\n", lines].concat()),
        };
        if written.is_err() {
            // If it cannot be cut, the next one to write ends its last line.
            let _ = file.set_len(tail.bytes);
        }
        written
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn failed(&self, message: &str, error: io::Error) -> Error {
        Error::io(SERVICE, message, error).with("path", self.path.display())
    }
}

// === closing ===

/// Adds to the file of a session's lineage the events that it lacks; gives how many. For a callback of
/// [`SessionRecovery::run`](crate::runs::SessionRecovery::run): when it succeeds, nothing is owed any more.
///
/// - Without lineage, and with a file that is not there, there is nothing to do: a file that was moved away is left as it
///   is, and so is one of another machine.
/// - Events for an endpoint are not sent from here. That is an error, so that the session stays to be closed by a program
///   whose lineage goes there.
pub fn complete(closed: &ClosedSession) -> Result<u64, Error> {
    let Some(to) = &closed.lineage else {
        return Ok(0);
    };
    if to.is_endpoint() {
        let message = "a session owes events of its lineage, which a program that sends its own there will send";
        let error = Error::new(Stage::Dispatch, SERVICE, Category::Routing, message);
        return Err(error.with("session", &closed.stem).with("lineage", &to.place));
    }
    let file = EventFile::new(&to.place);
    let added = file.complete(&to.namespace, closed).map_err(|error| file.failed("cannot complete events", error))?;
    match file.sync() {
        Err(error) if file.path.exists() => Err(error),
        _ => Ok(added),
    }
}

// === impl Seen ===

impl Seen {
    /// Reads line by line, because nobody says how long such a file gets.
    fn read(path: &Path, session: &str) -> io::Result<Self> {
        let (mut seen, mut line) = (Self::default(), Vec::new());
        let mut file = BufReader::new(File::open(path)?);
        while file.read_until(b'\n', &mut line)? > 0 {
            // Most are of other sessions, and not worth to be parsed.
            if let Some(line) = str::from_utf8(&line).ok().filter(|line| line.contains(session)) {
                seen.add(line, session);
            }
            line.clear();
        }
        Ok(seen)
    }

    fn add(&mut self, line: &str, session: &str) {
        // A line that was cut off is none.
        let Ok(event) = serde_json::from_str::<Json>(line) else {
            return;
        };
        let Some(run) = event["run"]["runId"].as_str().map(str::to_owned) else {
            return;
        };
        if event["run"]["facets"]["parent"]["run"]["runId"] != session {
            return;
        }
        if event["eventType"] == "START" {
            self.open.insert(run, event);
        } else {
            self.open.remove(&run);
            self.over.insert(run);
        }
    }

    /// What is missing of a run, which has all of its events then.
    fn missing(&mut self, events: &Events, row: &RunRow) -> Vec<String> {
        let run = run_id(row);
        let start = self.open.remove(&run);
        if !self.over.insert(run) {
            return Vec::new();
        }
        match start {
            Some(start) => vec![events.end(row, start["job"]["name"].as_str())],
            None => vec![events.start(row), events.end(row, None)],
        }
    }
}

/// The end of a run of which nothing is known but its START, because its row was lost.
fn aborted(mut start: Json, end_us: Option<i64>) -> String {
    start["eventType"] = json!("ABORT");
    if let Some(end_us) = end_us {
        start["eventTime"] = json!(time::format_us(end_us));
    }
    line(&start)
}
