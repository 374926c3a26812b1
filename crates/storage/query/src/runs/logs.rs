//! The run logs of a lake: all sessions by name, each read when it is asked for.

use std::fmt;

use spanlake_core::{Category, Error, Stage};
use spanlake_lake::store::Store;

use super::files::{self, SessionFiles};
use super::filter::RunFilter;
use super::session::SessionLog;

/// How many sessions an error lists at most, of those that a name may mean.
pub const MAX_CANDIDATES: usize = 10;

/// The run logs of a lake. Opening it lists files, and reads none.
#[derive(Debug)]
pub struct RunLogs {
    store: Store,
    sessions: Vec<SessionFiles>,
}

/// The wanted sessions of a lake, newest first, each read when it is taken. Made by [`RunLogs::newest`].
#[derive(Debug)]
pub struct Newest<'a> {
    logs: &'a mut RunLogs,
    filter: &'a RunFilter,
    next: usize,
}

// === impl RunLogs ===

impl RunLogs {
    /// Those of the lake in this place. Fails when its files cannot be listed.
    pub fn open(mut store: Store) -> Result<Self, Error> {
        let sessions = files::find(&mut store)?;
        Ok(Self { store, sessions })
    }

    /// Where the lake is.
    pub fn location(&self) -> String {
        self.store.location()
    }

    /// All sessions, newest first.
    pub fn sessions(&self) -> &[SessionFiles] {
        &self.sessions
    }

    /// Reads a session.
    pub fn read(&mut self, session: &SessionFiles) -> SessionLog {
        SessionLog::read(&mut self.store, session)
    }

    /// The sessions that are wanted, newest first. Where only some runs are, those that have none of them are passed over.
    pub fn newest<'a>(&'a mut self, filter: &'a RunFilter) -> Newest<'a> {
        Newest { logs: self, filter, next: 0 }
    }

    /// The session that `name` means: its whole name, the id of a job, whose newest session it is then, or the beginning
    /// of a name that no other has. An error lists those that it may be.
    pub fn find(&self, name: &str) -> Result<&SessionFiles, Error> {
        let whole = self.sessions.iter().find(|session| session.stem.as_str() == name);
        let of_job = || self.sessions.iter().find(|session| session.stem.is_of(name));
        if let Some(session) = whole.or_else(of_job) {
            return Ok(session);
        }
        let begin_so: Vec<_> = self.sessions.iter().filter(|one| one.stem.as_str().starts_with(name)).collect();
        match &begin_so[..] {
            [session] => Ok(session),
            [] => Err(self.not_found("no session has this name", name, &self.sessions)),
            _ => Err(self.not_found("more than one session has a name that begins so", name, begin_so)),
        }
    }

    fn not_found<'a>(
        &self,
        message: &str,
        name: &str,
        sessions: impl IntoIterator<Item = &'a SessionFiles, IntoIter: ExactSizeIterator>,
    ) -> Error {
        let error = Error::new(Stage::Configuration, "RunLogs", Category::Validation, message).with("name", name);
        error.with("lake", self.location()).with("sessions", Candidates::new(sessions.into_iter()))
    }
}

// === impl Newest ===

impl Newest<'_> {
    /// How many sessions were not looked at yet, of those that may be wanted by their name.
    pub fn rest(&self) -> usize {
        let rest = self.logs.sessions.iter().skip(self.next);
        rest.filter(|session| self.filter.admits_session(&session.stem)).count()
    }
}

impl Iterator for Newest<'_> {
    type Item = SessionLog;

    fn next(&mut self) -> Option<SessionLog> {
        loop {
            let RunLogs { store, sessions } = &mut *self.logs;
            let files = sessions.get(self.next)?;
            self.next += 1;
            if !self.filter.admits_session(&files.stem) {
                continue;
            }
            let session = SessionLog::read(store, files);
            if !self.filter.selects_runs() || session.runs.iter().any(|run| self.filter.admits(run)) {
                return Some(session);
            }
        }
    }
}

// === what an error lists ===

/// `one, other and 3 more`
struct Candidates {
    names: Vec<String>,
    more: usize,
}

impl Candidates {
    fn new<'a>(mut sessions: impl ExactSizeIterator<Item = &'a SessionFiles>) -> Self {
        let names = sessions.by_ref().take(MAX_CANDIDATES).map(|session| session.stem.to_string()).collect();
        Self { names, more: sessions.len() }
    }
}

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.names[..], self.more) {
            ([], _) => f.write_str("none"),
            (names, 0) => f.write_str(&names.join(", ")),
            (names, more) => write!(f, "{} and {more} more", names.join(", ")),
        }
    }
}
