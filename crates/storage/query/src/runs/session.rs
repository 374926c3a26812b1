//! A session that is read: its runs, its job, and how it stands.

use std::fmt;
use std::path::Path;

use spanlake_core::Error;
use spanlake_lake::runs::{JobRow, Line, OpenSession, Row, RunRow, SESSIONS, Stem, Tally, parse_line, read_table};
use spanlake_lake::store::Store;

use super::files::SessionFiles;
use crate::damage::{Damage, Damages};
use crate::jsonl::{Lines, MAX_LINE_BYTES, Piece};
use crate::parquet::guarded;

/// A session with its runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionLog {
    /// What it is called.
    pub stem: Stem,
    /// The folders of its partition.
    pub partition: String,
    /// How it stands.
    pub state: SessionState,
    /// Its job, as it was written; of a session that is not finished, what its runs come to so far.
    pub job: JobRow,
    /// Its runs, those that ended in the order of their ends. Behind them those that are open, or, where the process is
    /// gone, were interrupted.
    pub runs: Vec<RunRow>,
    /// What is known of its process, while it is not closed.
    pub open: Option<OpenSession>,
    /// What could not be read.
    pub damages: Vec<Damage>,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Its process is at work.
    Running,
    /// It is closed: its job has ended, or recovery has closed it.
    Finished,
    /// Its process went away, and nobody has closed it.
    LeftBehind,
}

/// What is read of a session, piece by piece.
struct Reading<'a> {
    store: &'a mut Store,
    files: &'a SessionFiles,
    open: Option<OpenSession>,
    runs: Vec<RunRow>,
    job: Option<JobRow>,
    damages: Vec<Damage>,
}

// === impl SessionLog ===

impl SessionLog {
    pub(super) fn read(store: &mut Store, files: &SessionFiles) -> Self {
        let (open, runs, job, damages) = (None, Vec::new(), None, Vec::new());
        let mut reading = Reading { store, files, open, runs, job, damages };
        // What is open first: what ends in between is in the log then.
        reading.read_open();
        reading.read_log();
        if !reading.is_whole() {
            reading.read_runs();
        }
        if reading.job.is_none() {
            reading.read_job();
        }
        reading.finish()
    }
}

// === impl SessionState ===

impl SessionState {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionState::Running => "running",
            SessionState::Finished => "finished",
            SessionState::LeftBehind => "left behind",
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl Reading ===

impl Reading<'_> {
    fn read_open(&mut self) {
        if !self.files.is_open {
            return;
        }
        match OpenSession::read(self.store, &self.files.stem) {
            Ok(open) => self.open = open,
            Err(error) => self.damaged(&format!("{SESSIONS}/{}.json", self.files.stem), error.chain()),
        }
    }

    fn read_log(&mut self) {
        let files = self.files;
        for path in files.logs.values() {
            let bytes = self.bytes(path);
            self.read_lines(path, &bytes.unwrap_or_default());
        }
        if !files.has_all_parts()
            && let Some(path) = files.logs.values().next_back()
        {
            self.damaged(path, "a part before it is missing");
        }
    }

    fn read_lines(&mut self, path: &str, log: &[u8]) {
        let mut damages = Damages::of(Path::new(&self.store.location()).join(path));
        let mut lines = Lines::new(log);
        while let Ok(Some(piece)) = lines.next() {
            // The last line of a session that is not closed may be on its way; its run is in the journal then.
            let may_be_cut = piece == Piece::Cut && self.open.is_some();
            match line(piece, lines.content()) {
                Ok(Some(Line::Run(run))) => self.runs.push(*run),
                Ok(Some(Line::Job(job))) => self.job = Some(*job),
                Ok(None) => {}
                Err(_) if may_be_cut => {}
                Err(reason) => damages.line(lines.number(), || reason),
            }
        }
        self.damages.extend(damages.take());
    }

    /// Whether the log is known to have all of the runs.
    fn is_whole(&self) -> bool {
        let counted = self.job.as_ref().and_then(|job| usize::try_from(job.total_dataflows?).ok());
        self.damages.is_empty() && counted.is_some_and(|counted| counted <= self.runs.len())
    }

    /// Takes the runs of the Parquet file, if these are more.
    fn read_runs(&mut self) {
        let runs = self.files.runs.as_deref().map(|path| self.table(path)).unwrap_or_default();
        if runs.len() > self.runs.len() {
            self.runs = runs;
        }
    }

    fn read_job(&mut self) {
        self.job = self.files.job.as_deref().and_then(|path| self.table(path).pop());
    }

    fn table<R: Row>(&mut self, path: &str) -> Vec<R> {
        let Some(bytes) = self.bytes(path) else { return Vec::new() };
        let table = guarded(|| read_table(bytes).map_err(|error: Error| error.chain()));
        table.unwrap_or_else(|reason| {
            self.damaged(path, reason);
            Vec::new()
        })
    }

    /// The content of a file; `None` too where it is gone meanwhile.
    fn bytes(&mut self, path: &str) -> Option<Vec<u8>> {
        match self.store.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.damaged(path, error.chain());
                None
            }
        }
    }

    fn damaged(&mut self, path: &str, reason: impl Into<String>) {
        let mut damages = Damages::of(Path::new(&self.store.location()).join(path));
        damages.file(reason);
        self.damages.extend(damages.take());
    }

    fn finish(self) -> SessionLog {
        let Self { files, open, mut runs, job, damages, .. } = self;
        let state = match &open {
            Some(open) if open.is_alive => SessionState::Running,
            None if job.is_some() => SessionState::Finished,
            _ => SessionState::LeftBehind,
        };
        runs.extend(open.as_ref().map(|open| open.rest(&runs)).unwrap_or_default());
        let partition = open.as_ref().map_or(&files.partition, |open| &open.partition).clone();
        let stands = || open.as_ref().map_or_else(|| summed_up(&files.stem, &runs), |open| open.job(&runs));
        let job = job.unwrap_or_else(stands);
        SessionLog { stem: files.stem.clone(), partition, state, job, runs, open, damages }
    }
}

/// The row that a line has; `None` for an empty line.
fn line(piece: Piece, line: &[u8]) -> Result<Option<Line>, String> {
    match piece {
        Piece::TooLong => Err(format!("longer than {MAX_LINE_BYTES} bytes")),
        _ if line.is_empty() => Ok(None),
        _ => parse_line(line).map(Some),
    }
}

/// The job of a session of which there is nothing but runs.
fn summed_up(stem: &Stem, runs: &[RunRow]) -> JobRow {
    let mut tally = Tally::default();
    runs.iter().for_each(|run| tally.add(run));
    let mut job = JobRow::default();
    let id = runs.iter().find_map(|run| run.job_id.clone());
    (job.job_id, job.start_time) = (Some(id.unwrap_or_else(|| stem.job_id().to_owned())), stem.start_us());
    tally.fill(&mut job);
    job
}
