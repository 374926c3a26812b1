//! Events on their way: made from rows as runs begin and end, and followed until they are there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use spanlake_core::{Category, Error, Stage};
use spanlake_lake::runs::lineage::{Events, job_name, run_id};
use spanlake_lake::runs::{ClosedSession, JobRow, RunRow, Stem};

use super::Open;
use super::route::Route;

/// Most bytes of events that wait. A run whose START does not fit is left out whole, and its events are lost, as a counter
/// says; the end of a run whose START did fit is always taken.
pub const LINEAGE_BYTES: usize = 16 << 20;

/// Makes the events of a session's runs, and follows them.
///
/// An end goes out only when the session's log has the run, so that nobody who finds the process dead takes it for one
/// that was interrupted.
#[derive(Debug)]
pub(crate) struct Outbox {
    place: String,
    events: Events,
    route: Box<dyn Route>,
    /// Runs that have begun, by the ids that events have, each as its START told; `None` where that did not fit.
    open: HashMap<String, Option<RunRow>>,
    /// Events of runs that have ended and are not in the log yet; ends with the run's id.
    held: Vec<(String, Option<String>)>,
    held_bytes: usize,
    /// Events that went to the route.
    pushed: u64,
    /// The numbers of the ends among them, with their runs.
    ends: VecDeque<(u64, String)>,
    /// Closed sessions whose events were taken over, each with the number of the last one.
    adopted: HashMap<Stem, u64>,
    /// Events that did not fit.
    lost: u64,
    /// How many were said to be lost.
    told_lost: u64,
}

impl Outbox {
    pub(crate) fn new(open: Open, stem: &Stem, job: &JobRow) -> Self {
        let Open { destination, route } = open;
        Self {
            events: Events::new(&destination.namespace, stem, job),
            place: destination.place,
            route,
            open: HashMap::new(),
            held: Vec::new(),
            held_bytes: 0,
            pushed: 0,
            ends: VecDeque::new(),
            adopted: HashMap::new(),
            lost: 0,
            told_lost: 0,
        }
    }

    /// A run has begun, and whoever finds the process dead knows of it.
    pub(crate) fn begun(&mut self, row: &RunRow) {
        let id = run_id(row);
        if self.open.contains_key(&id) {
            return;
        }
        let start = self.events.start(row);
        let begun = self.has_room(start.len()).then(|| row.clone());
        match begun {
            Some(_) => self.push(start),
            None => self.lost += 1,
        }
        self.open.insert(id, begun);
    }

    /// A run is over. Its end waits to be released.
    pub(crate) fn ended(&mut self, row: &RunRow) {
        let id = run_id(row);
        let begun = self.open.remove(&id);
        self.end(row, begun, Some(id));
    }

    /// The job has ended, then: what is open is over. Runs whose end was lost are among them.
    pub(crate) fn job_ended(&mut self, job: &JobRow, open: &[RunRow]) {
        self.events.job_ended(job.end_time);
        open.iter().for_each(|row| self.ended(row));
        for begun in std::mem::take(&mut self.open).into_values() {
            match begun.clone() {
                Some(row) => self.end(&row, Some(begun), None),
                None => self.lost += 1,
            }
        }
    }

    /// The log has the runs that have ended.
    pub(crate) fn release(&mut self) {
        self.held_bytes = 0;
        for (event, end_of) in std::mem::take(&mut self.held) {
            self.push(event);
            self.ends.extend(end_of.map(|id| (self.pushed, id)));
        }
        self.route.flush();
    }

    /// Sees to what is on its way.
    pub(crate) fn flush(&mut self) {
        self.route.flush();
    }

    /// Waits until every event is where it goes, at most until then. Says whether they are.
    pub(crate) fn drain(&mut self, until: Instant) -> bool {
        self.route.drain(until) && self.held.is_empty()
    }

    /// What failed last.
    pub(crate) fn error(&self) -> Option<Arc<Error>> {
        self.route.standing().error
    }

    /// The last run whose events are there, with those of all that ended before it; `None` when that is no news.
    pub(crate) fn told(&mut self) -> Option<String> {
        let settled = self.route.standing().settled;
        let count = self.ends.partition_point(|(number, _)| *number <= settled);
        self.ends.drain(..count).next_back().map(|(_, id)| id)
    }

    /// Events that were given up since this was asked last.
    pub(crate) fn take_lost(&mut self) -> u64 {
        let lost = self.lost + self.route.standing().lost;
        lost - std::mem::replace(&mut self.told_lost, lost)
    }

    /// Events that are not there, and neither given up.
    pub(crate) fn owed(&self) -> u64 {
        self.pushed - self.route.standing().settled + self.held.len() as u64
    }

    // === closed sessions ===

    /// Whether events for this endpoint can be sent from here.
    pub(crate) fn leads_to(&self, place: &str) -> bool {
        self.place == place
    }

    /// Takes over what a session that is closed now still owes. It succeeds when all of it is there; until then an error
    /// says that it is on its way, and [`has_closed`](Self::has_closed) when to ask again.
    pub(crate) fn close(&mut self, closed: &ClosedSession, namespace: &str) -> Result<(), Error> {
        let settled = self.route.standing().settled;
        match self.adopted.get(&closed.stem) {
            Some(last) if *last <= settled => self.adopted.remove(&closed.stem),
            Some(_) => return Err(on_their_way(closed)),
            None => return self.adopt(closed, namespace),
        };
        Ok(())
    }

    /// Whether a session whose events were taken over can be closed.
    pub(crate) fn has_closed(&self) -> bool {
        !self.adopted.is_empty() && self.adopted.values().any(|last| *last <= self.route.standing().settled)
    }

    fn adopt(&mut self, closed: &ClosedSession, namespace: &str) -> Result<(), Error> {
        let events = Events::new(namespace, &closed.stem, &closed.job);
        let owed = closed.runs.iter().skip(closed.told);
        let owed: Vec<_> = owed.flat_map(|row| [events.start(row), events.end(row, None)]).collect();
        if owed.is_empty() {
            return Ok(());
        }
        let is_idle = self.owed() == 0;
        if is_idle || self.has_room(owed.iter().map(String::len).sum()) {
            owed.into_iter().for_each(|event| self.push(event));
            self.adopted.insert(closed.stem.clone(), self.pushed);
            self.route.flush();
        }
        Err(on_their_way(closed))
    }

    // === helpers ===

    fn end(&mut self, row: &RunRow, begun: Option<Option<RunRow>>, end_of: Option<String>) {
        let end = self.events.end(row, begun.as_ref().and_then(Option::as_ref).map(job_name).as_deref());
        match begun {
            Some(Some(_)) => {}
            Some(None) => return self.lost += 1,
            None => {
                let start = self.events.start(row);
                if !self.has_room(start.len() + end.len()) {
                    return self.lost += 2;
                }
                self.hold(start, None);
            }
        }
        self.hold(end, end_of);
    }

    fn hold(&mut self, event: String, end_of: Option<String>) {
        self.held_bytes += event.len();
        self.held.push((event, end_of));
    }

    fn push(&mut self, event: String) {
        self.route.push(event);
        self.pushed += 1;
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.route.standing().bytes + self.held_bytes + bytes <= LINEAGE_BYTES
    }
}

fn on_their_way(closed: &ClosedSession) -> Error {
    let message = "the events of a session that was closed are still on their way";
    Error::new(Stage::Dispatch, "Outbox", Category::Io, message).recoverable().with("session", &closed.stem)
}
