//! A process whose disk is a fake: buffer, spool, pump and sinks of a lake; and what was promised at each moment.

use std::collections::BTreeSet;
use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use spanlake_core::spool::SpoolOptions;
use spanlake_core::{Buffer, BufferOptions, Error, Level, Policy, Pump, PumpBuilder, Report, Source};
use spanlake_lake::{JsonlSink, ParquetSink, Partition};
use spanlake_testkit::disk::{FakeDisk, PowerCut};
use tempfile::TempDir;

use crate::hand::Hand;

/// Longer than anything here takes, so that a test that hangs fails instead.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// So rarely that only a flush, or pressure, makes the pump drain.
const NEVER: Duration = Duration::from_secs(3_600);

/// Of how many calls during a race one is a moment.
const CALLS_OF_A_RACE: usize = 13;

/// How a process is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) capacity_bytes: usize,
    pub(crate) policy: Policy,
    /// Length at which a file of JSON lines is full.
    pub(crate) max_file_bytes: u64,
    /// Whether there are sinks.
    pub(crate) is_pumped: bool,
}

/// A disk in a folder of its own.
pub(crate) struct Stand {
    folder: TempDir,
    pub(crate) disk: FakeDisk,
}

/// A process that records.
pub(crate) struct Process {
    pub(crate) stand: Arc<Stand>,
    pub(crate) buffer: Buffer,
    pub(crate) pump: Option<Pump>,
    hands: Vec<Hand>,
    told: Arc<Mutex<Told>>,
}

/// What a process has promised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promise {
    /// Records whose calls have begun: they may be in the lake.
    pub(crate) given: BTreeSet<String>,
    /// Records that a sync of the spool or a flush has made durable: they must be.
    pub(crate) owed: BTreeSet<String>,
}

/// A moment at which the power may go.
pub(crate) struct Moment {
    pub(crate) cut: PowerCut,
    pub(crate) promise: Promise,
}

#[derive(Default)]
struct Told {
    promise: Promise,
    moments: Vec<Moment>,
    /// Of how many calls one is a moment, when there are more than can be looked at.
    every: usize,
    calls: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { capacity_bytes: 256 << 10, policy: Policy::Block(LONG), max_file_bytes: 1 << 20, is_pumped: true }
    }
}

// === impl Stand ===

impl Stand {
    pub(crate) fn new() -> Arc<Self> {
        let folder = scratch();
        let root = folder.path().join("disk");
        fs::create_dir(&root).expect("a folder");
        Arc::new(Self { folder, disk: FakeDisk::new(root) })
    }

    /// All that is on the disk.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("disk")
    }
}

// === impl Process ===

impl Process {
    /// One whose every call to the disk is a moment.
    pub(crate) fn watched(settings: &Settings) -> Self {
        let (stand, told) = (Stand::new(), Arc::new(Mutex::new(Told::default())));
        let watcher = Arc::clone(&told);
        stand.disk.before_each_call(move |cut| watcher.lock().expect("no panic").note(cut));
        Self::start(&stand, settings, told).expect("nothing hinders it")
    }

    /// One on a disk that may fail; an error when it cannot even begin.
    pub(crate) fn on(stand: &Arc<Stand>, settings: &Settings) -> Result<Self, Error> {
        Self::start(stand, settings, Arc::default())
    }

    fn start(stand: &Arc<Stand>, settings: &Settings, told: Arc<Mutex<Told>>) -> Result<Self, Error> {
        let (lake, disk) = (lake(&stand.root()), &stand.disk);
        let capacity_bytes = NonZeroUsize::new(settings.capacity_bytes).expect("a capacity");
        let options = BufferOptions { capacity_bytes, policy: settings.policy, ..BufferOptions::default() };
        let hourly = Partition::new("{year}/{month}/{day}/{hour}").expect("a pattern");
        let most = NonZeroU64::new(settings.max_file_bytes).expect("a length");
        let jsonl = JsonlSink::new(&lake).disk(disk.handle()).partition(hourly.clone()).max_file_bytes(most);
        let parquet = ParquetSink::new(&lake).disk(disk.handle()).partition(hourly);
        let pump = PumpBuilder::new().drain_every(NEVER).flush_every(NEVER).sink(jsonl).sink(parquet);
        // A sync comes when a script wants it to.
        let spool = SpoolOptions::new(lake.join(spanlake_core::spool::FOLDER)).sync_every(None).disk(disk.handle());
        let buffer = Buffer::with_spool(&options, Source::this_process("power"), &spool, pump.recipes())?;
        let pump = if settings.is_pumped { Some(pump.spawn(buffer.clone())?) } else { None };
        let hands = (0..2).map(|_| Hand::new(&buffer)).collect();
        Ok(Self { stand: Arc::clone(stand), buffer, pump, hands, told })
    }

    pub(crate) fn hand(&mut self, number: usize) -> &mut Hand {
        &mut self.hands[number]
    }

    /// A hand begins a task.
    pub(crate) fn begin(&mut self, hand: usize, name: &str) {
        self.give(format!("begin {name}"));
        assert!(self.hands[hand].begin(name));
        self.look();
    }

    /// A hand records an event with a text of about this length; gives whether it was kept.
    pub(crate) fn event(&mut self, hand: usize, level: Level, number: usize, len: usize) -> bool {
        self.give(format!("event {number}"));
        let kept = self.hands[hand].event(level, &format!("event {number} {}", "x".repeat(len)));
        self.look();
        kept
    }

    /// A hand ends its task.
    pub(crate) fn end(&mut self, hand: usize) {
        let name = self.hands[hand].task_name();
        self.give(format!("end {name}"));
        assert!(self.hands[hand].end());
        self.look();
    }

    /// Makes everything so far durable in the spool.
    pub(crate) fn sync(&self) {
        self.buffer.sync_spool().expect("nothing hinders it");
        self.owe();
    }

    /// Makes everything so far durable in the lake.
    pub(crate) fn flush(&self) {
        let report = self.pump.as_ref().expect("a pump").flush(LONG);
        assert!(report.is_complete(), "{report}");
        self.owe();
    }

    /// Ends it well.
    pub(crate) fn shutdown(&self) -> Report {
        let report = self.pump.as_ref().expect("a pump").shutdown(LONG);
        assert!(report.is_complete(), "{report}");
        self.owe();
        report
    }

    /// Lets all hands record at the same time, while this thread makes durable what there is, over and over.
    pub(crate) fn race(&mut self, count: usize, len: usize) {
        self.told.lock().expect("no panic").every = CALLS_OF_A_RACE;
        let mut hands = std::mem::take(&mut self.hands);
        let (this, returned) = (&*self, &Mutex::new(BTreeSet::new()));
        thread::scope(|scope| {
            let record =
                |(at, hand)| scope.spawn(move || this.record(hand, at * count..(at + 1) * count, len, returned));
            let threads: Vec<_> = hands.iter_mut().enumerate().map(record).collect();
            while !threads.iter().all(|thread| thread.is_finished()) {
                this.make_durable(returned);
            }
        });
        this.make_durable(returned);
        self.hands = hands;
    }

    fn record(&self, hand: &mut Hand, numbers: Range<usize>, len: usize, returned: &Mutex<BTreeSet<String>>) {
        for number in numbers {
            let (name, level) = (format!("event {number}"), [Level::DEBUG, Level::INFO][number % 2]);
            self.give(name.clone());
            hand.event(level, &format!("{name} {}", "x".repeat(len)));
            returned.lock().expect("no panic").insert(name);
        }
    }

    /// Makes durable what has returned by now, in the spool or in the lake.
    fn make_durable(&self, returned: &Mutex<BTreeSet<String>>) {
        let mut returned = returned.lock().expect("no panic").clone();
        match &self.pump {
            Some(pump) if returned.len().is_multiple_of(3) => assert!(!pump.flush(LONG).timed_out),
            _ => self.buffer.sync_spool().expect("nothing hinders it"),
        }
        self.told.lock().expect("no panic").promise.owed.append(&mut returned);
    }

    /// The power may go now.
    pub(crate) fn look(&self) {
        let cut = self.stand.disk.cut_power();
        self.told.lock().expect("no panic").note(cut);
    }

    /// Ends the watch. What a full buffer has dropped in the end was owed to nobody.
    pub(crate) fn moments(self) -> Vec<Moment> {
        self.look();
        self.stand.disk.before_each_call(|_| ());
        let mut moments = std::mem::take(&mut self.told.lock().expect("no panic").moments);
        if self.pump.is_none() {
            let kept = self.kept();
            moments.iter_mut().for_each(|moment| moment.promise.owed.retain(|name| kept.contains(name)));
        }
        moments
    }

    /// The events that are in the buffer.
    fn kept(&self) -> BTreeSet<String> {
        let segments = self.buffer.drain();
        let decoded: Vec<_> = segments.iter().map(|segment| segment.decode().expect("a segment")).collect();
        decoded.iter().flat_map(|segment| segment.records()).map(|record| event_name(&record.message)).collect()
    }

    /// What was promised so far.
    pub(crate) fn promise(&self) -> Promise {
        self.told.lock().expect("no panic").promise.clone()
    }

    fn give(&self, name: String) {
        self.told.lock().expect("no panic").promise.given.insert(name);
    }

    /// Everything so far must be there from now on.
    pub(crate) fn owe(&self) {
        let mut told = self.told.lock().expect("no panic");
        told.promise.owed = told.promise.given.clone();
    }
}

impl Told {
    /// Moments that are alike need to be looked at once.
    fn note(&mut self, cut: PowerCut) {
        self.calls += 1;
        if !self.calls.is_multiple_of(self.every.max(1)) {
            return;
        }
        if self.moments.last().is_some_and(|last| last.cut == cut && last.promise == self.promise) {
            return;
        }
        self.moments.push(Moment { cut, promise: self.promise.clone() });
    }
}

/// A folder, in memory where that can be: nothing here needs a disk that lasts.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// The name of an event: its text without what makes it long.
pub(crate) fn event_name(text: &str) -> String {
    text.trim_end_matches([' ', 'x']).to_owned()
}

/// Where the lake is in what is left after a power cut.
pub(crate) fn lake(left: &Path) -> PathBuf {
    left.join("lake")
}
