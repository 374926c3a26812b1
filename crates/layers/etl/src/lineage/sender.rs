//! The way to an endpoint: a thread that sends one event after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::guest::{self, Place};
use spanlake_core::sync::{Condvar, Mutex, MutexGuard, lock};
use spanlake_core::{Category, Error, Stage};

use super::endpoint::{Address, Answer, Endpoint};
use super::route::{Route, Standing};

/// How long it waits before it sends an event again, the first time and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The same at most, once somebody waits for the end.
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// What is left to the thread. When it is dropped, the thread sends nothing more; what it is sending it may end.
#[derive(Debug)]
struct Sender(Arc<Mail>);

/// What the thread and those who leave it events share.
#[derive(Debug, Default)]
struct Mail {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The first one is the one being sent.
    events: VecDeque<String>,
    standing: Standing,
    /// Whether somebody waits for the end.
    is_urgent: bool,
    is_over: bool,
}

/// Opens the way to the endpoint, and gives its address without what opens it.
pub(super) fn open(address: &Address) -> Result<(String, Box<dyn Route>), Error> {
    let endpoint = address.open()?;
    let (place, mail) = (endpoint.place().to_owned(), Arc::new(Mail::default()));
    let sender = Sender(Arc::clone(&mail));
    let spawned = thread::Builder::new().name("spanlake-lineage".to_owned()).spawn(move || run(&mail, &endpoint));
    match spawned {
        Ok(_) => Ok((place, Box::new(sender))),
        Err(error) => {
            let message = "cannot start the thread of the lineage";
            Err(Error::new(Stage::Factory, "Lineage", Category::Io, message).caused_by(error))
        }
    }
}

/// Works until there is nobody to leave events. What libraries log on this thread is their own affair.
fn run(mail: &Mail, endpoint: &Endpoint) {
    let _inside = guest::enter(Place::Pump);
    let mut pause = FIRST_PAUSE;
    while let Some(event) = mail.first() {
        match endpoint.post(&event) {
            Answer::Taken => {
                mail.settle(None);
                pause = FIRST_PAUSE;
            }
            Answer::Refused(error) => mail.settle(Some(error)),
            Answer::NotNow(error, after) => {
                mail.failed(error);
                mail.pause(after.unwrap_or(pause).min(LONGEST_PAUSE));
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }
}

// === impl Mail ===

impl Mail {
    /// The event that is to be sent next, once there is one; `None` when it is over.
    fn first(&self) -> Option<String> {
        let mut state = lock(&self.state);
        loop {
            if state.is_over {
                return None;
            }
            if let Some(event) = state.events.front() {
                return Some(event.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// The first event is there, or has to be given up.
    fn settle(&self, error: Option<Error>) {
        let mut state = lock(&self.state);
        let event = state.events.pop_front().unwrap_or_default();
        state.standing.bytes -= event.len();
        state.standing.settled += 1;
        state.standing.lost += u64::from(error.is_some());
        // What made events be lost is told to the end.
        if let Some(error) = error {
            state.standing.error = Some(Arc::new(error));
        } else if state.standing.lost == 0 {
            state.standing.error = None;
        }
        drop(state);
        self.changed.notify_all();
    }

    fn failed(&self, error: Error) {
        lock(&self.state).standing.error = Some(Arc::new(error));
    }

    fn pause(&self, pause: Duration) {
        let began = Instant::now();
        let mut state = lock(&self.state);
        loop {
            let pause = if state.is_urgent { pause.min(LAST_PAUSE) } else { pause };
            match self.wait(state, began + pause) {
                Some(waited) if !waited.is_over => state = waited,
                _ => return,
            }
        }
    }

    /// `None` when it is too late.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, until: Instant) -> Option<MutexGuard<'a, State>> {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        let waited = self.changed.wait_timeout(state, left);
        Some(waited.unwrap_or_else(std::sync::PoisonError::into_inner).0)
    }
}

// === impl Sender ===

impl Route for Sender {
    fn push(&mut self, event: String) {
        let mut state = lock(&self.0.state);
        state.standing.bytes += event.len();
        state.events.push_back(event);
        drop(state);
        self.0.changed.notify_all();
    }

    /// The thread does not wait to be told.
    fn flush(&mut self) {}

    fn drain(&mut self, until: Instant) -> bool {
        let mut state = lock(&self.0.state);
        state.is_urgent = true;
        self.0.changed.notify_all();
        while !state.events.is_empty() {
            match self.0.wait(state, until) {
                Some(waited) => state = waited,
                None => return lock(&self.0.state).events.is_empty(),
            }
        }
        true
    }

    fn standing(&self) -> Standing {
        lock(&self.0.state).standing.clone()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        lock(&self.0.state).is_over = true;
        self.0.changed.notify_all();
    }
}
