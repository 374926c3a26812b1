//! Looking at sessions that are not closed, without changing them.

use spanlake_core::{Category, Error, Stage};

use super::job::JobRow;
use super::journal::Kept;
use super::marker::Marker;
use super::name::{SESSIONS, Stem};
use super::recovery::{cut_off, interrupted, last_heard_us};
use super::run::RunRow;
use super::session::now_us;
use super::word::RunStatus;
use crate::store::Store;

/// A session that is not closed: its process is at work, or went away and nobody has closed the session yet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenSession {
    /// What it is called.
    pub stem: Stem,
    /// The folders of its partition.
    pub partition: String,
    /// Whether its process lives. Of one on another machine, or in another container, it is believed while something
    /// was heard of it lately.
    pub is_alive: bool,
    /// When its process was last heard of, UTC microseconds since the Unix epoch.
    pub heard_us: i64,
    /// The machine of its process.
    pub host: String,
    /// The number of its process there.
    pub pid: u32,
    /// What is known of it.
    marker: Marker,
    /// The runs of its journal.
    kept: Kept,
}

impl OpenSession {
    /// The sessions of a lake that are not closed.
    pub fn list(store: &mut Store) -> Result<Vec<Stem>, Error> {
        let markers = store.list(SESSIONS)?;
        Ok(markers.iter().filter_map(|marker| Stem::of_marker(&marker.path)).collect())
    }

    /// What is known of a session; `None` when it is closed. Read it before the session's log: what ends in between is
    /// in both, and known by its id.
    pub fn read(store: &mut Store, stem: &Stem) -> Result<Option<Self>, Error> {
        let Some(bytes) = store.read(&stem.marker())? else {
            return Ok(None);
        };
        let marker = Marker::from_bytes(&bytes).map_err(|reason| unreadable(stem, reason))?;
        let journal = store.read(&stem.journal())?.unwrap_or_default();
        Ok(Some(Self {
            stem: stem.clone(),
            partition: marker.partition.clone(),
            is_alive: !marker.is_dead(now_us()),
            heard_us: marker.heard_us,
            host: marker.process.host.clone(),
            pid: marker.process.pid,
            marker,
            kept: Kept::read(&journal),
        }))
    }

    /// The runs that are not in the session's log, whose runs are `logged`: those that have ended and are on their way
    /// there, and those that are open. Where the process is gone, the latter are as recovery would close them.
    pub fn rest(&self, logged: &[RunRow]) -> Vec<RunRow> {
        let (mut rest, open) = self.kept.beyond(logged, &self.marker.open);
        // Once the job has ended nothing is open any more.
        if self.marker.summary.is_none() {
            let heard_us = last_heard_us(&self.marker, logged.iter().chain(&rest));
            let stands = |run| if self.is_alive { run } else { interrupted(run, heard_us) };
            rest.extend(open.into_iter().map(stands));
        }
        rest
    }

    /// The job as it stands, all of whose runs are `runs`: as it ended, or running with what they come to so far. Where
    /// the process is gone, as recovery would close it.
    pub fn job(&self, runs: &[RunRow]) -> JobRow {
        let mut job = cut_off(&self.marker, runs);
        if self.marker.summary.is_none() && self.is_alive {
            (job.end_time, job.duration_seconds, job.error_message) = (None, None, None);
            job.status = Some(RunStatus::Running.as_str().to_owned());
        }
        job
    }
}

fn unreadable(stem: &Stem, reason: String) -> Error {
    let error = Error::new(Stage::Handler, "OpenSession", Category::Validation, "cannot read what is known of it");
    error.caused_by(reason).with("session", stem)
}
