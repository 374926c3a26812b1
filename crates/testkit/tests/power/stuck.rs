//! A sink that is stuck for a day: memory and disk stay within their bounds, and all adds up afterwards.
//!
//! Nothing here takes hours. What a buffer holds depends on how many bytes it was offered since the sinks took the last
//! of them, and not on how long ago that was: the only limit of time in it is the patience of `Policy::Block`. So the
//! records tell of a day, by a clock that is moved by hand, and the pump waits no longer than the test lasts.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use spanlake_core::clock::Clock;
use spanlake_core::spool::SpoolOptions;
use spanlake_core::{Batch, Buffer, BufferOptions, Error, Kind, Level, Policy, PumpBuilder, Report, Sink, Source};

use crate::hand::Hand;
use crate::process::{LONG, scratch};

const THREADS: usize = 4;

/// How often each thread looks at what memory and disk hold.
const LOOKS: usize = 20;

/// More than a segment's header and dictionary take here.
const DICTIONARY: usize = 512;

const DAY: Duration = Duration::from_secs(86_400);

const LEVELS: [Level; 4] = [Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];

const POLICIES: [Policy; 4] =
    [Policy::Block(Duration::from_micros(10)), Policy::DropNewest, Policy::DropOldest, Policy::DropLowest];

/// Where records wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Memory,
    Files,
    SyncedFiles,
}

/// One way of being stuck.
#[derive(Clone, Copy, Debug)]
struct Case {
    capacity: usize,
    /// Length of a record's text.
    len: usize,
    policy: Policy,
    waiting: Waiting,
}

/// A sink that takes nothing until it is let go.
#[derive(Clone, Default)]
struct Stuck(Arc<(Mutex<Seen>, Condvar)>);

#[derive(Default)]
struct Seen {
    is_free: bool,
    records: u64,
    /// What the statements of loss say.
    lost: u64,
}

impl Case {
    /// Length of the files that records are written to.
    fn page(&self) -> usize {
        (self.capacity / 16).clamp(16 << 10, 256 << 10) + (16 << 10)
    }

    /// The capacity, besides a dictionary for each thread, or what is left of a page that it has turned.
    fn most_used(&self) -> usize {
        self.capacity + THREADS * if self.waiting == Waiting::Memory { DICTIONARY } else { self.page() }
    }

    /// The capacity, besides two pages for each thread, of which the pump may have one, and four that are ready. What
    /// was synced, and gives way, is there as well until the next sync.
    fn most_on_disk(&self) -> usize {
        let pages = (2 * THREADS + 4) * self.page();
        match (self.waiting, self.policy) {
            (Waiting::Memory, _) => 0,
            (Waiting::SyncedFiles, Policy::DropOldest | Policy::DropLowest) => 2 * self.capacity + pages,
            _ => self.capacity + pages,
        }
    }

    fn buffer(&self, spool: &Path) -> Buffer {
        let capacity_bytes = NonZeroUsize::new(self.capacity).expect("a capacity");
        let options = BufferOptions { capacity_bytes, policy: self.policy, ..BufferOptions::default() };
        let source = Source::this_process("stuck");
        if self.waiting == Waiting::Memory {
            return Buffer::new(&options, source);
        }
        // A sync comes with each look.
        let spool = SpoolOptions::new(spool).sync_every(None);
        Buffer::with_spool(&options, source, &spool, vec![]).expect("a spool")
    }

    fn run(&self) {
        let (folder, sink) = (scratch(), Stuck::default());
        let buffer = self.buffer(folder.path());
        let pump = PumpBuilder::new().sink(sink.clone()).spawn(buffer.clone()).expect("a thread");
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let buffer = &buffer;
                scope.spawn(move || self.record_a_day(buffer, thread));
            }
        });
        assert_eq!(sink.seen(), (0, 0), "it is stuck");
        sink.let_go();
        let report = pump.flush(LONG);
        self.check(&report, &sink);
        assert!(report.lost > 0, "more was offered than there is room for");

        let lost = report.lost;
        let mut hand = Hand::new(&buffer);
        (0..9).for_each(|number| assert!(hand.event(Level::INFO, &format!("{number}"))));
        let report = pump.shutdown(LONG);
        self.check(&report, &sink);
        assert_eq!((report.lost, buffer.used_bytes()), (lost, 0), "everything flows again: {report}");
        assert_eq!(bytes_below(folder.path()), 0);
    }

    /// Records three times as much as there is room for, over a day.
    fn record_a_day(&self, buffer: &Buffer, thread: usize) {
        let (clock, moved) = Clock::mock();
        let mut hand = Hand::new(buffer);
        let count = 3 * self.capacity / self.len / THREADS;
        for number in 0..count {
            moved.increment(DAY / count as u32);
            hand.set_time(Duration::from_nanos(clock.monotonic_ns()));
            hand.event(LEVELS[number % 4], &format!("{thread} {number} {}", "x".repeat(self.len)));
            if number % count.div_ceil(LOOKS) == 0 {
                self.look(buffer);
            }
        }
    }

    fn look(&self, buffer: &Buffer) {
        let used = buffer.used_bytes();
        assert!(used <= self.most_used(), "{used} bytes in the buffer: {self:?}");
        let folder = buffer.spool_report().map(|report| report.folder);
        let on_disk = folder.map_or(0, |folder| bytes_below(&folder)) as usize;
        assert!(on_disk <= self.most_on_disk(), "{on_disk} bytes on the disk: {self:?}");
        if self.waiting == Waiting::SyncedFiles {
            buffer.sync_spool().expect("nothing hinders it");
        }
    }

    fn check(&self, report: &Report, sink: &Stuck) {
        assert!(!report.timed_out && report.pending == 0, "{report}: {self:?}");
        assert_eq!(report.recorded, report.written + report.lost, "{report}: {self:?}");
        assert_eq!(sink.seen(), (report.written, report.lost), "{report}: {self:?}");
    }
}

impl Stuck {
    fn let_go(&self) {
        self.0.0.lock().expect("no panic").is_free = true;
        self.0.1.notify_all();
    }

    /// Records, and what was stated of others.
    fn seen(&self) -> (u64, u64) {
        let seen = self.0.0.lock().expect("no panic");
        (seen.records, seen.lost)
    }
}

impl Sink for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let seen = self.0.0.lock().expect("no panic");
        let (mut seen, waited) = self.0.1.wait_timeout_while(seen, LONG, |seen| !seen.is_free).expect("no panic");
        assert!(!waited.timed_out(), "nobody let it go");
        for record in batch.records() {
            seen.lost += record.loss().map_or(0, |loss| loss.count());
            seen.records += u64::from(record.kind != Kind::Loss);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Length of all files below a folder together.
fn bytes_below(folder: &Path) -> u64 {
    let length = |entry: fs::DirEntry| match entry.metadata() {
        Ok(entry_is) if entry_is.is_dir() => bytes_below(&entry.path()),
        Ok(entry_is) => entry_is.len(),
        // It went while we looked.
        Err(_) => 0,
    };
    fs::read_dir(folder).into_iter().flatten().flatten().map(length).sum()
}

#[test]
fn a_sink_that_is_stuck_for_a_day_takes_no_more_room_than_it_may() {
    for capacity in [256 << 10, 1 << 20] {
        for len in [100, 5_000, 45_000] {
            for policy in POLICIES {
                for waiting in [Waiting::Memory, Waiting::Files, Waiting::SyncedFiles] {
                    Case { capacity, len, policy, waiting }.run();
                }
            }
        }
    }
}
