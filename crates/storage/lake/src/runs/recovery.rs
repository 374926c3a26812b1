//! Closing the sessions of processes that are gone.
//!
//! What it writes follows from what was left, so that it may be killed anywhere and run again, also by several at once:
//! they write the same.
//!
//! 1. The runs are those of the log, those of the table and of the journal that are not in it, and as interrupted those
//!    that were open.
//! 2. The log gets the runs that it lacks, and the job's line.
//! 3. The Parquet files are put.
//! 4. The journal and the marker go.

use spanlake_core::{Category, Error, Stage};

use super::job::JobRow;
use super::journal::Kept;
use super::line::{Line, parse_line, put_line};
use super::lineage::{Destination, run_id};
use super::marker::Marker;
use super::name::{SessionFile, Stem};
use super::open::OpenSession;
use super::run::RunRow;
use super::session::{now_us, put_part, put_summary};
use super::table::{TableWriter, read_table};
use super::tally::Tally;
use super::word::{INTERRUPTED, RunStatus};
use crate::store::Store;

/// Closes the sessions of a lake whose processes are gone.
///
/// A process on this machine is seen to be gone. Of one on another machine, or in another container, it is believed when
/// nothing was heard of it for five of its intervals, and five minutes at least.
#[derive(Debug)]
#[must_use = "nothing is closed until `run`"]
pub struct SessionRecovery<'a> {
    store: &'a mut Store,
}

/// What became of a session that was found dead.
#[derive(Debug)]
#[non_exhaustive]
pub struct ClosedSession {
    /// What it is called.
    pub stem: Stem,
    /// Its job.
    pub job: JobRow,
    /// Its runs, those that were interrupted behind those that ended.
    pub runs: Vec<RunRow>,
    /// Runs that were open.
    pub interrupted: u64,
    /// Runs that its job counted when it ended, and that could not be written before its process went away.
    pub lost: u64,
    /// Lines of its log that are none.
    pub damaged: u64,
    /// Where the events of its lineage go; `None` when it owes none.
    pub lineage: Option<Destination>,
    /// How many of its runs, from the first, have all their events there. Those behind it may have some.
    pub told: usize,
    /// Why it is still to be closed.
    pub error: Option<Error>,
}

/// What is left of a session.
struct Remains {
    stem: Stem,
    marker: Marker,
    /// The whole lines of the log.
    lines: Vec<u8>,
    /// The last part of the log, where it has parts.
    part: u32,
    runs: Vec<RunRow>,
    /// Runs that are not in the log yet.
    missing: usize,
    interrupted: u64,
    damaged: u64,
    job: Option<JobRow>,
}

// === impl SessionRecovery ===

impl<'a> SessionRecovery<'a> {
    /// Of the lake in this place.
    pub fn new(store: &'a mut Store) -> Self {
        Self { store }
    }

    /// Closes every session whose process is gone. Before what is known of one is forgotten, `and` is called with it;
    /// while that fails, the session stays to be looked at again. One that fails holds up no other. An error says that
    /// the sessions cannot even be looked for.
    pub fn run(
        mut self,
        mut and: impl FnMut(&ClosedSession) -> Result<(), Error>,
    ) -> Result<Vec<ClosedSession>, Error> {
        let mut closed = Vec::new();
        for stem in OpenSession::list(self.store)? {
            closed.extend(self.close(&stem, &mut and));
        }
        Ok(closed)
    }

    /// Closes this one, if its process is gone. `None` for one that lives, or that somebody else has closed.
    pub fn close(
        &mut self,
        stem: &Stem,
        and: impl FnMut(&ClosedSession) -> Result<(), Error>,
    ) -> Option<ClosedSession> {
        self.try_to_close(stem, and).unwrap_or_else(|error| Some(ClosedSession::failed(stem.clone(), error)))
    }

    fn try_to_close(
        &mut self,
        stem: &Stem,
        mut and: impl FnMut(&ClosedSession) -> Result<(), Error>,
    ) -> Result<Option<ClosedSession>, Error> {
        let Some(bytes) = self.store.read(&stem.marker())? else {
            return Ok(None);
        };
        let marker = Marker::from_bytes(&bytes).map_err(|reason| unreadable(stem, reason))?;
        if !marker.is_dead(now_us()) {
            return Ok(None);
        }
        let mut remains = Remains::gather(self.store, stem, marker)?;
        let job = remains.job();
        self.write(&remains, &job)?;
        let mut closed = remains.closed(job);
        match and(&closed) {
            Ok(()) => {
                self.store.remove(&stem.journal())?;
                self.store.remove(&stem.marker())?;
            }
            Err(error) => closed.error = Some(error),
        }
        Ok(Some(closed))
    }

    fn write(&mut self, remains: &Remains, job: &JobRow) -> Result<(), Error> {
        let (stem, partition) = (&remains.stem, &remains.marker.partition);
        let mut lines = Vec::new();
        let first = remains.runs.len() - remains.missing;
        remains.runs[first..].iter().for_each(|run| put_line(&mut lines, run));
        if remains.job.is_none() {
            put_line(&mut lines, job);
        }
        if !lines.is_empty() && self.store.appends() {
            // Replaced as a whole: of two who do this at once, both leave the same.
            self.store.put(&stem.path(partition, SessionFile::Log(0)), &[&remains.lines[..], &lines].concat())?;
        } else if !lines.is_empty() {
            put_part(self.store, stem, partition, remains.part, &lines)?;
        }
        if !remains.runs.is_empty() {
            self.store.put(&stem.path(partition, SessionFile::Runs), &table(&remains.runs)?)?;
        }
        put_summary(self.store, stem, partition, job)
    }
}

// === impl Remains ===

impl Remains {
    fn gather(store: &mut Store, stem: &Stem, mut marker: Marker) -> Result<Self, Error> {
        let open = std::mem::take(&mut marker.open);
        let mut remains = Self {
            stem: stem.clone(),
            marker,
            lines: Vec::new(),
            part: 0,
            runs: Vec::new(),
            missing: 0,
            interrupted: 0,
            damaged: 0,
            job: None,
        };
        remains.read_log(store)?;
        // A job that could not write its log may have put its table.
        let table = stem.path(&remains.marker.partition, SessionFile::Runs);
        let table = store.read(&table)?.and_then(|table| read_table(table).ok()).unwrap_or_default();
        let mut kept = Kept::read(&store.read(&stem.journal())?.unwrap_or_default());
        kept.ended.splice(0..0, table);
        let (ended, open) = kept.beyond(&remains.runs, &open);
        remains.miss(ended.into_iter());
        // Once the job has ended nothing is open any more.
        if remains.marker.summary.is_none() {
            let heard_us = last_heard_us(&remains.marker, &remains.runs);
            remains.interrupted = open.len() as u64;
            remains.miss(open.into_iter().map(|run| interrupted(run, heard_us)));
        }
        Ok(remains)
    }

    fn read_log(&mut self, store: &mut Store) -> Result<(), Error> {
        if store.appends() {
            let path = self.stem.path(&self.marker.partition, SessionFile::Log(0));
            let log = store.read(&path)?.unwrap_or_default();
            self.read_lines(&log);
            return Ok(());
        }
        while let Some(lines) = store.read(&self.stem.path(&self.marker.partition, SessionFile::Log(self.part + 1)))? {
            self.part += 1;
            self.read_lines(&lines);
        }
        Ok(())
    }

    /// A last line without an end was being written; its run is in the journal.
    fn read_lines(&mut self, log: &[u8]) {
        for line in log.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            match parse_line(line) {
                Ok(Line::Run(run)) => self.runs.push(*run),
                Ok(Line::Job(job)) => self.job = Some(*job),
                Err(_) => self.damaged += 1,
            }
            self.lines.extend_from_slice(line);
        }
    }

    fn miss(&mut self, runs: impl Iterator<Item = RunRow>) {
        let before = self.runs.len();
        self.runs.extend(runs);
        self.missing += self.runs.len() - before;
    }

    /// The job as it ended, or as it was cut off.
    fn job(&self) -> JobRow {
        self.job.clone().unwrap_or_else(|| cut_off(&self.marker, &self.runs))
    }

    fn closed(&mut self, job: JobRow) -> ClosedSession {
        let lost = missing(&self.marker, &self.runs);
        let told = self.marker.told.take();
        let is_told = |run: &RunRow| told.as_deref().is_some_and(|told| run_id(run) == told);
        ClosedSession {
            told: self.runs.iter().position(is_told).map_or(0, |last| last + 1),
            stem: self.stem.clone(),
            job,
            runs: std::mem::take(&mut self.runs),
            interrupted: self.interrupted,
            lost,
            damaged: self.damaged,
            lineage: self.marker.lineage.take(),
            error: None,
        }
    }
}

// === impl ClosedSession ===

impl ClosedSession {
    fn failed(stem: Stem, error: Error) -> Self {
        let (job, runs) = (JobRow::default(), Vec::new());
        Self { stem, job, runs, interrupted: 0, lost: 0, damaged: 0, lineage: None, told: 0, error: Some(error) }
    }
}

// === what those who only look do too ===

/// When a process was last heard of, in its marker or by the end of a run.
pub(super) fn last_heard_us<'a>(marker: &Marker, runs: impl IntoIterator<Item = &'a RunRow>) -> i64 {
    let ends = runs.into_iter().filter_map(|run| run.end_time);
    ends.fold(marker.heard_us, i64::max)
}

/// The job as it ended, if its process came to that and all of its runs are there; else what its runs come to, cut off.
pub(super) fn cut_off(marker: &Marker, runs: &[RunRow]) -> JobRow {
    if let Some(ended) = marker.summary.as_ref().filter(|_| missing(marker, runs) == 0) {
        return ended.clone();
    }
    let mut tally = Tally::default();
    runs.iter().for_each(|run| tally.add(run));
    let mut job = marker.job.clone();
    tally.fill(&mut job);
    let (start_us, end_us) = (job.start_time, last_heard_us(marker, runs));
    job.end_time = Some(end_us);
    job.duration_seconds = start_us.map(|start_us| seconds(start_us, end_us));
    job.status = Some(RunStatus::Failed.as_str().to_owned());
    job.error_message = Some(INTERRUPTED.to_owned());
    job
}

/// Runs that the job counted when it ended, and that are nowhere.
fn missing(marker: &Marker, runs: &[RunRow]) -> u64 {
    let counted = marker.summary.as_ref().and_then(|job| job.total_dataflows).unwrap_or(0);
    u64::try_from(counted).unwrap_or(0).saturating_sub(runs.len() as u64)
}

/// A run that was open when its process went away.
pub(super) fn interrupted(run: RunRow, heard_us: i64) -> RunRow {
    let start_us = run.start_time.unwrap_or(heard_us);
    let end_us = heard_us.max(start_us);
    RunRow {
        end_time: Some(end_us),
        duration_seconds: Some(seconds(start_us, end_us)),
        status: Some(RunStatus::Failed.as_str().to_owned()),
        error_message: Some(INTERRUPTED.to_owned()),
        ..run
    }
}

fn table(runs: &[RunRow]) -> Result<Vec<u8>, Error> {
    let mut table = TableWriter::new::<RunRow>()?;
    runs.iter().try_for_each(|run| table.add(run))?;
    table.finish()
}

fn seconds(start_us: i64, end_us: i64) -> f64 {
    end_us.saturating_sub(start_us).max(0) as f64 / 1e6
}

fn unreadable(stem: &Stem, reason: String) -> Error {
    let error =
        Error::new(Stage::Handler, "SessionRecovery", Category::Validation, "cannot read what is known of a session");
    error.caused_by(reason).with("session", stem)
}
