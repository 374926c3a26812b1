//! Sinks that remember, and what they remember in short words.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use spanlake_capture::{CaptureLayer, DrainHandle};
use spanlake_core::render::JsonLines;
use spanlake_core::{Batch, Error, Kind, LevelFilter, OwnedRecord, Sink};
use tracing_subscriber::layer::SubscriberExt;

/// Longer than anything here takes, so that a test that hangs fails instead.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Captures everything that `work` records, under a plain registry.
pub(crate) fn capture(work: impl FnOnce()) -> DrainHandle {
    let capture = verbose();
    let drain = capture.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), work);
    drain
}

/// A layer in memory that keeps `TRACE` as well.
pub(crate) fn verbose() -> CaptureLayer {
    CaptureLayer::builder().level(LevelFilter::TRACE).build().expect("nothing to start").0
}

/// Each record as `<seq@path> <kind> <message>`, the root left out.
pub(crate) fn said(records: &[OwnedRecord]) -> Vec<String> {
    records.iter().map(|record| format!("{} {} {}", key(record), record.kind, record.message)).collect()
}

fn key(record: &OwnedRecord) -> String {
    let Some(key) = &record.key else { return "-".to_owned() };
    let path: Vec<String> = key.task.path().iter().map(ToString::to_string).collect();
    format!("{}@{}", key.seq, path.join("/"))
}

pub(crate) fn messages(records: &[OwnedRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.message).collect()
}

/// Runs `work` on a thread of its own, and fails when it does not come back.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    is_done.recv_timeout(LONG).expect("it comes back, without a panic")
}

// === a sink ===

/// A sink that remembers, and blocks or fails when told to.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    shared: Arc<(Mutex<Remembered>, Condvar)>,
    level: Option<LevelFilter>,
}

#[derive(Default)]
pub(crate) struct Remembered {
    pub(crate) records: Vec<OwnedRecord>,
    pub(crate) flushes: usize,
    pub(crate) fails: bool,
    pub(crate) blocked: bool,
    pub(crate) waiting: bool,
}

impl Memory {
    pub(crate) fn at_level(level: LevelFilter) -> Self {
        Self { level: Some(level), ..Self::default() }
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Remembered) -> T) -> T {
        let changed = change(&mut self.shared.0.lock().expect("no panic"));
        self.shared.1.notify_all();
        changed
    }

    pub(crate) fn wait(&self, wanted: impl Fn(&Remembered) -> bool) {
        let state = self.shared.0.lock().expect("no panic");
        let waited = self.shared.1.wait_timeout_while(state, LONG, |state| !wanted(state));
        assert!(!waited.expect("no panic").1.timed_out(), "the sink never came so far");
    }

    pub(crate) fn records(&self) -> Vec<OwnedRecord> {
        self.change(|state| state.records.clone())
    }

    pub(crate) fn said(&self) -> Vec<String> {
        said(&self.records())
    }
}

impl Sink for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn level(&self) -> LevelFilter {
        self.level.unwrap_or(LevelFilter::TRACE)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let mut state = self.shared.0.lock().expect("no panic");
        while state.blocked {
            state.waiting = true;
            self.shared.1.notify_all();
            state = self.shared.1.wait(state).expect("no panic");
        }
        state.waiting = false;
        if state.fails {
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(Error::io("Memory", "cannot write the batch", full));
        }
        state.records.extend(batch.records().map(OwnedRecord::from));
        self.shared.1.notify_all();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.change(|state| state.flushes += 1);
        Ok(())
    }
}

/// A sink that remembers records and, as lines of JSON, what their values looked like.
#[derive(Clone, Default)]
pub(crate) struct TestSink(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    records: Vec<OwnedRecord>,
    json: Vec<u8>,
}

impl TestSink {
    pub(crate) fn records(&self) -> Vec<OwnedRecord> {
        self.0.lock().expect("no panic").records.clone()
    }

    pub(crate) fn json(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").json.clone()).expect("UTF-8")
    }
}

impl Sink for TestSink {
    fn name(&self) -> &str {
        "test"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let mut written = self.0.lock().expect("no panic");
        let mut lines = JsonLines::default();
        batch.records().for_each(|record| lines.put(&mut written.json, record));
        written.records.extend(batch.records().map(OwnedRecord::from));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Lines of JSON as objects.
pub(crate) fn objects(json: &str) -> Vec<serde_json::Value> {
    json.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

/// Of the events, what they say.
pub(crate) fn events(records: &[OwnedRecord]) -> Vec<&str> {
    let events = records.iter().filter(|record| record.kind == Kind::Event);
    events.map(|record| &*record.message).collect()
}

/// How many records of a kind there are.
pub(crate) fn count(records: &[OwnedRecord], kind: Kind) -> usize {
    records.iter().filter(|record| record.kind == kind).count()
}
