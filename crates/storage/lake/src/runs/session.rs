//! A session: the three files of a job while its process lives.

use std::time::Duration;

use spanlake_core::clock::utc_now_ns;
use spanlake_core::{Category, Error, Stage};

use super::job::JobRow;
use super::journal::Journal;
use super::line::put_line;
use super::lineage::Destination;
use super::marker::Marker;
use super::name::{DEFAULT_JOB_ID, SessionFile, Stem};
use super::process::Process;
use super::run::RunRow;
use super::table::TableWriter;
use super::tally::Tally;
use crate::partition::Partition;
use crate::store::Store;

/// Most bytes of lines that wait for a log which cannot be written to; lines beyond that are counted and left out of it.
/// Their runs still come into the table.
pub const MAX_WAITING_BYTES: usize = 64 << 20;

/// Lines that are gathered before they are written to a log that grows.
const GATHERED_BYTES: usize = 1 << 20;

/// How many sessions of one second and one job are told apart.
const MOST_NAMES: i64 = 1000;

/// What a session is begun with.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The job, with its settings and when it began.
    pub job: JobRow,
    /// The folders of its files, by when it began.
    pub partition: Partition,
    /// How often it lets itself be heard.
    pub interval: Duration,
    /// Where the events of its lineage go; `None` when nobody wants any.
    pub lineage: Option<Destination>,
}

/// The files of a job that goes on.
///
/// Lines of its log are written as runs end. Its Parquet files are written when it finishes; if it cannot, because its
/// process is gone, [`SessionRecovery`](super::SessionRecovery) does.
#[derive(Debug)]
pub struct Session {
    store: Store,
    stem: Stem,
    marker: Marker,
    /// Lines that are not in the log yet.
    waiting: Vec<u8>,
    /// Whether the log could not be written to the last time.
    is_stuck: bool,
    /// Runs that the log does not have and never will.
    unlogged: u64,
    /// The last part of the log, where it has parts.
    part: u32,
    table: Option<TableWriter>,
    tally: Tally,
    ending: Option<Ending>,
}

/// What is still to be written of a session that is over.
#[derive(Debug)]
struct Ending {
    job: JobRow,
    /// The table's bytes; none where there was no run.
    runs: Option<Vec<u8>>,
    is_marked: bool,
    has_line: bool,
    has_runs: bool,
    has_job: bool,
}

/// What became of each output when a session was finished.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Written {
    /// The log.
    pub log: Option<Error>,
    /// The rows of the runs.
    pub runs: Option<Error>,
    /// The row of the job.
    pub job: Option<Error>,
}

// === impl Session ===

impl Session {
    /// Begins a session under a name that no other has: where two begin in one second, the later one is named after the
    /// next.
    pub fn begin(mut store: Store, options: SessionOptions) -> Result<Self, Error> {
        let SessionOptions { job, partition, interval, lineage } = options;
        let start_us = job.start_time.unwrap_or_else(now_us);
        let partition = partition.folder(start_us);
        let marker = Marker {
            process: Process::this(),
            partition,
            job,
            heard_us: now_us(),
            interval,
            lineage,
            ..Marker::default()
        };
        let table = Some(TableWriter::new::<RunRow>()?);
        let stem = free_stem(&mut store, &marker, start_us)?;
        let (waiting, tally) = (Vec::new(), Tally::default());
        let (is_stuck, unlogged, part, ending) = (false, 0, 0, None);
        Ok(Self { store, stem, marker, waiting, is_stuck, unlogged, part, table, tally, ending })
    }

    /// What it is called.
    pub fn stem(&self) -> &Stem {
        &self.stem
    }

    /// Where its files are.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// The folders of its partition.
    pub fn partition(&self) -> &str {
        &self.marker.partition
    }

    /// The runs so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Runs that its log does not have, because it could not be written to for too long.
    pub fn unlogged(&self) -> u64 {
        self.unlogged
    }

    /// Memory for the lines of runs that have ended, which outlives the process. Only a folder has any: what has not
    /// come into a bucket is gone with the process.
    pub fn journal(&self) -> Result<Option<Journal>, Error> {
        let Some((disk, lake)) = self.store.local() else {
            return Ok(None);
        };
        let path = lake.join(self.stem.journal());
        let journal = Journal::create(&**disk, &path);
        journal
            .map(Some)
            .map_err(|error| Error::io("Session", "cannot make the journal", error).with("path", path.display()))
    }

    /// Adds a run that has ended.
    pub fn add(&mut self, run: &RunRow) -> Result<(), Error> {
        self.tally.add(run);
        if self.waiting.len() >= GATHERED_BYTES && self.store.appends() && !self.is_stuck {
            // What fails is tried again, and told, when the lines are written that come behind.
            let _ = self.write();
        }
        if self.waiting.len() < MAX_WAITING_BYTES {
            put_line(&mut self.waiting, run);
        } else {
            self.unlogged += 1;
        }
        self.table.as_mut().map_or(Ok(()), |table| table.add(run))
    }

    /// Forgets that it was begun: nothing of it is left, not even its name.
    pub fn abandon(mut self) {
        self.clean_up();
    }

    /// Writes the lines of the runs that were added to the log. What fails is tried again with the next ones.
    pub fn write(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.is_stuck = true;
        if self.store.appends() {
            self.store.append(&self.stem.path(&self.marker.partition, SessionFile::Log(0)), &self.waiting)?;
        } else {
            let (stem, partition) = (&self.stem, &self.marker.partition);
            self.part = put_part(&mut self.store, stem, partition, self.part, &self.waiting)?;
        }
        self.waiting.clear();
        self.is_stuck = false;
        Ok(())
    }

    /// Lets itself be heard, whatever becomes of its log: that is made durable, and which runs are open is noted.
    pub fn beat(&mut self, open: Vec<RunRow>) -> Result<(), Error> {
        let synced = self.write().and_then(|()| if self.tally.runs() > 0 { self.sync_log() } else { Ok(()) });
        self.note(open).and(synced)
    }

    /// Notes which runs are open.
    pub fn note(&mut self, open: Vec<RunRow>) -> Result<(), Error> {
        self.marker.open = open;
        self.put_marker()
    }

    /// Says that the events of this run, and of all that were added before it, are where they go. Its id is that of
    /// [events](super::lineage::run_id). It is noted with the runs that are open.
    pub fn told(&mut self, run_id: String) {
        self.marker.told = Some(run_id);
    }

    /// Says that no event of its lineage is owed any more: [`finish`](Self::finish) forgets the session then.
    pub fn told_all(&mut self) {
        self.marker.lineage = None;
    }

    /// Ends it: writes what is left of its log, its runs and its job. Each is tried whatever becomes of the others. What
    /// failed is tried again when it is called again; what was written is not written twice.
    ///
    /// A session with lineage is kept in mind, for a recovery, until it [has told all](Self::told_all).
    ///
    /// `job` is the job as it ended; what the runs came to is put into it.
    pub fn finish(&mut self, job: &JobRow) -> Written {
        let mut written = Written::default();
        if let Err(error) = self.end(job) {
            written.runs = Some(error);
            return written;
        }
        let (logged, runs) = (self.write(), self.put_runs());
        // Once the runs are safe, whoever finds the session dead only has to write what is missing.
        let marked = if logged.is_ok() || runs.is_ok() { self.mark_end() } else { Ok(()) };
        written.log = logged.and_then(|()| self.end_log()).err();
        written.runs = runs.err();
        written.job = self.put_job().err();
        if written.is_whole() && marked.is_ok() && self.marker.lineage.is_none() {
            self.clean_up();
        }
        written
    }

    /// Leaves what events its lineage still owes to a recovery: notes which are not.
    pub fn owe(&mut self) -> Result<(), Error> {
        self.put_marker()
    }

    /// The job as it ended, once it has.
    pub fn summary(&self) -> Option<&JobRow> {
        self.ending.as_ref().map(|ending| &ending.job)
    }

    fn end(&mut self, job: &JobRow) -> Result<(), Error> {
        if self.ending.is_some() {
            return Ok(());
        }
        let mut job = job.clone();
        self.tally.fill(&mut job);
        let table = self.table.take().filter(|_| self.tally.runs() > 0);
        let runs = table.map(TableWriter::finish).transpose()?;
        let (has_runs, is_marked, has_line, has_job) = (runs.is_none(), false, false, false);
        self.ending = Some(Ending { job, runs, is_marked, has_line, has_runs, has_job });
        Ok(())
    }

    fn mark_end(&mut self) -> Result<(), Error> {
        let Some(ending) = self.ending.as_mut().filter(|ending| !ending.is_marked) else {
            return Ok(());
        };
        (self.marker.summary, self.marker.open) = (Some(ending.job.clone()), Vec::new());
        ending.is_marked = true;
        self.put_marker().inspect_err(|_| self.ending.iter_mut().for_each(|ending| ending.is_marked = false))
    }

    fn end_log(&mut self) -> Result<(), Error> {
        if let Some(ending) = self.ending.as_mut().filter(|ending| !ending.has_line) {
            put_line(&mut self.waiting, &ending.job);
            ending.has_line = true;
        }
        self.write()?;
        self.sync_log()
    }

    /// What was put into a bucket is durable already.
    fn sync_log(&mut self) -> Result<(), Error> {
        if !self.store.appends() {
            return Ok(());
        }
        self.store.sync(&self.stem.path(&self.marker.partition, SessionFile::Log(0)))
    }

    fn put_runs(&mut self) -> Result<(), Error> {
        let Some(ending) = self.ending.as_mut().filter(|ending| !ending.has_runs) else {
            return Ok(());
        };
        let path = self.stem.path(&self.marker.partition, SessionFile::Runs);
        self.store.put(&path, ending.runs.as_deref().unwrap_or_default())?;
        (ending.has_runs, ending.runs) = (true, None);
        Ok(())
    }

    fn put_job(&mut self) -> Result<(), Error> {
        let Some(ending) = self.ending.as_mut().filter(|ending| !ending.has_job) else {
            return Ok(());
        };
        put_summary(&mut self.store, &self.stem, &self.marker.partition, &ending.job)?;
        ending.has_job = true;
        Ok(())
    }

    fn put_marker(&mut self) -> Result<(), Error> {
        self.marker.heard_us = now_us();
        self.store.put(&self.stem.marker(), &self.marker.to_bytes())
    }

    /// Everything is where it belongs. What cannot be removed now is removed by a later recovery.
    fn clean_up(&mut self) {
        let _ = self.store.remove(&self.stem.journal());
        let _ = self.store.remove(&self.stem.marker());
    }
}

// === impl Written ===

impl Written {
    /// Whether everything was written.
    pub fn is_whole(&self) -> bool {
        self.errors().next().is_none()
    }

    /// What failed.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        [&self.log, &self.runs, &self.job].into_iter().flatten()
    }
}

// === what sessions and their recovery share ===

/// Puts the row of a job.
pub(super) fn put_summary(store: &mut Store, stem: &Stem, partition: &str, job: &JobRow) -> Result<(), Error> {
    let mut table = TableWriter::new::<JobRow>()?;
    table.add(job)?;
    store.put(&stem.path(partition, SessionFile::Job), &table.finish()?)
}

/// Puts lines as the next part of a log behind `last`, and gives its number. A part that is there with the same content
/// is one that was put by a call whose answer did not come.
pub(super) fn put_part(store: &mut Store, stem: &Stem, partition: &str, last: u32, lines: &[u8]) -> Result<u32, Error> {
    let mut part = last;
    loop {
        part += 1;
        let path = stem.path(partition, SessionFile::Log(part));
        if store.put_new(&path, lines)? || store.read(&path)?.as_deref() == Some(lines) {
            return Ok(part);
        }
    }
}

pub(super) fn now_us() -> i64 {
    utc_now_ns() / 1000
}

/// A name that nothing has, claimed by the marker under it.
fn free_stem(store: &mut Store, marker: &Marker, start_us: i64) -> Result<Stem, Error> {
    let job = &marker.job;
    let id = job.job_id.as_deref().unwrap_or(DEFAULT_JOB_ID);
    for later in 0..MOST_NAMES {
        let at_us = start_us.saturating_add(later * 1_000_000);
        let stem = Stem::new(at_us, job.job_num.unwrap_or(1), job.job_index.unwrap_or(0), id);
        if !store.put_new(&stem.marker(), &marker.to_bytes())? {
            continue;
        }
        if !has_files(store, &stem, &marker.partition)? {
            return Ok(stem);
        }
        store.remove(&stem.marker())?;
    }
    let error = Error::new(Stage::Factory, "Session", Category::Io, "every name of the job is taken");
    Err(error.with("lake", store.location()))
}

/// Whether a session that is closed has the name.
fn has_files(store: &mut Store, stem: &Stem, partition: &str) -> Result<bool, Error> {
    for file in [SessionFile::Log(0), SessionFile::Log(1), SessionFile::Runs, SessionFile::Job] {
        if store.read(&stem.path(partition, file))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
