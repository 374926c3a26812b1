//! A receiver that a test holds in its hand: it keeps segments as a collector would, or fails as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use spanlake_core::segment::{Decoded, merge};
use spanlake_core::{Category, Error, OwnedRecord, Stage};
use spanlake_publish::{Delivered, Parcel, Transport, Undelivered};
use spanlake_wire::exchange::{Stream, Verbosity};

/// Both ends of it: the transport is a clone.
#[derive(Clone, Default)]
pub(crate) struct Receiver(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) stored: BTreeMap<(Stream, u64), Vec<u8>>,
    /// Every number that came, again and again.
    pub(crate) sent: Vec<u64>,
    /// The lowest number that the sender has not settled, as it said last with a segment.
    pub(crate) sequence: u64,
    /// The same, as it said last of all.
    pub(crate) last_sequence: u64,
    pub(crate) service: String,
    pub(crate) parcels: usize,
    pub(crate) behaviour: Behaviour,
    pub(crate) verbosity: Option<Verbosity>,
}

#[derive(Clone, Copy, Default)]
pub(crate) enum Behaviour {
    #[default]
    Keep,
    Away,
    /// Says nothing until it is told something else.
    Silent,
    Panic,
    /// Stores, and its reply is lost.
    Forgetful,
    /// Takes one segment at a time.
    Small,
    Refuse,
    /// Refuses whatever has something bad in it.
    Picky,
    /// Makes nothing of any segment.
    Puzzled,
}

impl Receiver {
    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.state(|state| state.behaviour = behaviour);
        self.0.1.notify_all();
    }

    pub(crate) fn state<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.0.0.lock().expect("no test panics here"))
    }

    /// Waits until something is so.
    pub(crate) fn wait(&self, is_so: impl Fn(&State) -> bool) {
        let state = self.0.0.lock().expect("no test panics here");
        let (_state, waited) =
            self.0.1.wait_timeout_while(state, Duration::from_secs(20), |state| !is_so(state)).expect("a state");
        assert!(!waited.timed_out(), "it did not come to be");
    }

    /// Waits until the publisher has let go of it.
    pub(crate) fn wait_alone(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while Arc::strong_count(&self.0) > 1 {
            assert!(Instant::now() < until, "it did not let go");
            std::thread::yield_now();
        }
    }

    /// What it has, losses included.
    pub(crate) fn records(&self) -> Vec<OwnedRecord> {
        self.state(|state| {
            let decoded: Vec<_> = state.stored.values().map(|bytes| Decoded::read(bytes).expect("a segment")).collect();
            merge(&decoded).map(|record| OwnedRecord::from(&record)).collect()
        })
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.records().into_iter().map(|record| record.message).collect()
    }
}

impl Transport for Receiver {
    fn name(&self) -> &str {
        "receiver"
    }

    fn polls(&self) -> bool {
        true
    }

    fn send(&mut self, parcel: &Parcel<'_>, _: Instant) -> Result<Delivered, Undelivered> {
        let failed = || Error::new(Stage::Handler, "Receiver", Category::Io, "as it was told");
        let panics = self.state(|state| {
            state.parcels += 1;
            matches!(state.behaviour, Behaviour::Panic)
        });
        self.0.1.notify_all();
        assert!(!panics, "as it was told");
        let state = self.0.0.lock().expect("no test panics here");
        let is_silent = |state: &mut State| matches!(state.behaviour, Behaviour::Silent);
        let mut state = self.0.1.wait_while(state, is_silent).expect("no test panics here");
        let state = &mut *state;
        let count = parcel.segments().count();
        let result = match state.behaviour {
            Behaviour::Away => Err(Undelivered::NotNow(failed(), Some(Duration::from_millis(10)))),
            Behaviour::Refuse if count > 0 => Err(Undelivered::Never(failed())),
            Behaviour::Picky if parcel.segments().any(|(_, segment)| is_bad(segment.bytes())) => {
                Err(Undelivered::Never(failed()))
            }
            Behaviour::Small if count > 1 => Err(Undelivered::TooMany(failed())),
            behaviour => {
                let puzzled = matches!(behaviour, Behaviour::Puzzled);
                let mut refused = Vec::new();
                for (number, segment) in parcel.segments() {
                    state.sent.push(number);
                    if puzzled {
                        refused.push(number);
                    } else {
                        state.stored.insert((parcel.stream().clone(), number), segment.bytes().to_vec());
                    }
                }
                (state.last_sequence, state.service) = (parcel.sequence(), parcel.service().to_owned());
                if count > 0 {
                    state.sequence = parcel.sequence();
                }
                match behaviour {
                    Behaviour::Forgetful => Err(Undelivered::NotNow(failed(), Some(Duration::from_millis(10)))),
                    _ => {
                        let mut delivered = Delivered::default();
                        (delivered.refused, delivered.verbosity) = (refused, state.verbosity.clone());
                        Ok(delivered)
                    }
                }
            }
        };
        self.0.1.notify_all();
        result
    }
}

fn is_bad(segment: &[u8]) -> bool {
    Decoded::read(segment).is_ok_and(|decoded| decoded.records().any(|record| record.message == "bad"))
}
