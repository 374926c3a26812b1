//! A transport that remembers what another one delivered, and how long that took.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spanlake_core::OwnedRecord;
use spanlake_core::segment::merge;
use spanlake_publish::{Delivered, Parcel, Transport, Undelivered};

pub(crate) struct Tee {
    inner: Box<dyn Transport>,
    sent: Arc<Mutex<Vec<OwnedRecord>>>,
    longest: Arc<Mutex<Duration>>,
    within: Duration,
}

impl Tee {
    pub(crate) fn new(inner: Box<dyn Transport>) -> Self {
        Self { inner, sent: Arc::default(), longest: Arc::default(), within: Duration::MAX }
    }

    /// Gives the transport no longer than this.
    pub(crate) fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    pub(crate) fn sent(&self) -> Arc<Mutex<Vec<OwnedRecord>>> {
        Arc::clone(&self.sent)
    }

    pub(crate) fn longest(&self) -> Arc<Mutex<Duration>> {
        Arc::clone(&self.longest)
    }
}

impl Transport for Tee {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let began = Instant::now();
        let until = began.checked_add(self.within).map_or(until, |earlier| earlier.min(until));
        let result = self.inner.send(parcel, until);
        let mut longest = self.longest.lock().expect("no test panics here");
        *longest = began.elapsed().max(*longest);
        if result.is_ok() {
            let (decoded, _) = parcel.decode();
            let records = merge(&decoded).map(|record| OwnedRecord::from(&record));
            self.sent.lock().expect("no test panics here").extend(records);
        }
        result
    }

    fn polls(&self) -> bool {
        self.inner.polls()
    }
}
