//! The sessions of jobs whose processes went away.

use std::io;

use spanlake_core::Error;
use spanlake_lake::runs::{ClosedSession, OpenSession, SessionRecovery, lineage};
use spanlake_lake::store::Store;

use crate::json::Object;
use crate::line::{BAD, GOOD, LOST, Line, PLAIN};
use crate::words;

/// What became of the sessions.
pub(super) struct Sessions {
    pub(super) all: Vec<ClosedSession>,
    /// Sessions whose processes live.
    pub(super) running: u64,
    /// Why they could not be looked for.
    pub(super) unseen: Option<Error>,
}

impl Sessions {
    /// Closes those whose processes are gone. That they cannot be looked for holds up nothing else.
    pub(super) fn close(store: &mut Store) -> Self {
        match close(store) {
            Ok((all, running)) => Self { all, running, unseen: None },
            Err(error) => Self { all: Vec::new(), running: 0, unseen: Some(error) },
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.unseen.is_none() && self.all.iter().all(|one| one.error.is_none() && one.damaged == 0)
    }

    pub(super) fn errors(&self) -> impl Iterator<Item = &Error> {
        self.all.iter().filter_map(|one| one.error.as_ref())
    }

    /// Lines of logs that are none.
    pub(super) fn damaged(&self) -> u64 {
        self.all.iter().map(|one| one.damaged).sum()
    }

    /// Sessions that are still to be closed.
    pub(super) fn not_closed(&self) -> u64 {
        self.errors().count() as u64
    }

    /// `closed 1 session: 12 runs, 1 interrupted`; `None` where there was none.
    pub(super) fn told(&self) -> Option<String> {
        let closed = || self.all.iter().filter(|one| one.error.is_none());
        let runs = runs(closed().map(|one| one.runs.len() as u64).sum(), closed().map(|one| one.interrupted).sum());
        let sessions = words::counted(closed().count() as u64, "session");
        (!self.all.is_empty()).then(|| format!("closed {sessions}: {runs}"))
    }
}

/// The sessions that were found dead, and how many live.
fn close(store: &mut Store) -> Result<(Vec<ClosedSession>, u64), Error> {
    let closed = SessionRecovery::new(store).run(|closed| lineage::complete(closed).map(drop))?;
    let mut running = 0;
    for stem in OpenSession::list(store)? {
        // One that cannot be read is among those that were not closed.
        let is_alive = OpenSession::read(store, &stem).is_ok_and(|open| open.is_some_and(|open| open.is_alive));
        running += u64::from(is_alive);
    }
    Ok((closed, running))
}

pub(super) fn line(one: &ClosedSession) -> Line {
    let (mark, style) = match one {
        one if one.error.is_some() && !owes_lineage(one) => ("✗", BAD),
        one if one.error.is_some() || one.damaged > 0 => ("!", LOST),
        _ => ("✓", GOOD),
    };
    let mut line = Line::new();
    line.put(style, format_args!("{mark} ")).put(PLAIN, format_args!("{}  ", one.stem));
    if one.error.is_some() && !owes_lineage(one) {
        line.put(style, "not closed");
        return line;
    }
    line.put(PLAIN, runs(one.runs.len() as u64, one.interrupted));
    if one.damaged > 0 {
        line.put(PLAIN, "  ").put(LOST, format_args!("{} damaged", words::counted(one.damaged, "line")));
    }
    if owes_lineage(one) {
        line.put(PLAIN, "  ").put(LOST, "not closed, for it owes its lineage");
    }
    line
}

/// Whether its files are written, and it is still to be closed for the events of its lineage.
fn owes_lineage(one: &ClosedSession) -> bool {
    one.error.is_some() && one.lineage.is_some()
}

/// `12 runs`, `12 runs, 1 interrupted`
fn runs(runs: u64, interrupted: u64) -> String {
    let runs = words::counted(runs, "run");
    if interrupted == 0 { runs } else { format!("{runs}, {} interrupted", words::count(interrupted)) }
}

pub(super) fn put_json(object: &mut Object<'_>, one: &ClosedSession) -> io::Result<()> {
    object.text("kind", Some("session"))?;
    object.text("session", Some(one.stem.as_str()))?;
    object.number("runs", Some(one.runs.len() as i64))?;
    object.number("interrupted", Some(one.interrupted as i64))?;
    object.number("damaged_lines", Some(one.damaged as i64))?;
    object.text("lineage", one.lineage.as_ref().map(|to| to.place.as_str()))?;
    object.text("code", one.error.as_ref().map(|error| error.code().to_string()).as_deref())?;
    object.text("error", one.error.as_ref().map(Error::chain).as_deref())
}
