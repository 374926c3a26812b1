//! The crash-proof spool: what stands in its files at every moment, and what is left of it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use spanlake_core::disk;
use spanlake_core::segment::merge;
use spanlake_core::spool::{self, Ledger, OpenTasks, Orphan, SpoolOptions, State};
use spanlake_core::{
    Batch, Buffer, BufferOptions, Error, FileState, Kind, Level, LevelFilter, Outcome, OwnedRecord, Policy, Pump,
    PumpBuilder, Recipe, Sink, Source,
};
use tempfile::TempDir;

use crate::asking_disk::AskingDisk;
use crate::support::{Hand, LONG, Memory, drain, spooled};

/// So rarely that in a test only a flush makes the pump drain.
const NEVER: Duration = Duration::from_secs(3_600);

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The one process's folder.
fn own_folder(spool: &Path) -> PathBuf {
    let folders = spool::orphans(&*disk::real(), spool).expect("the folder");
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}

fn state(folder: &Path) -> State {
    spool::inspect(&*disk::real(), folder).expect("readable").expect("a spool").state
}

fn segments(spool: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(own_folder(spool)).expect("the folder").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<_> =
        names.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect();
    segments.sort();
    segments
}

/// What a reader of the files finds, as after a kill.
fn records_in_files(spool: &Path) -> Vec<OwnedRecord> {
    let stored: Vec<_> = segments(spool).into_iter().map(|path| fs::read(path).expect("a file")).collect();
    let decoded: Vec<_> = stored.iter().filter_map(|bytes| spanlake_core::segment::Decoded::read(bytes).ok()).collect();
    merge(&decoded).map(|record| OwnedRecord::from(&record)).collect()
}

fn has_damage(spool: &Path) -> bool {
    let inspection = spool::inspect(&*disk::real(), &own_folder(spool)).expect("readable").expect("a spool");
    let stored = inspection.segments.iter().map(|segment| segment.read(&*disk::real()).expect("readable"));
    stored.filter(|stored| !stored.is_blank()).any(|stored| stored.decode().is_ok_and(|(_, is_damaged)| is_damaged))
}

fn messages(records: &[OwnedRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.message).collect()
}

/// A sink with files of its own: one, which grows by a byte a record.
#[derive(Clone)]
struct Filed {
    memory: Memory,
    len: Arc<Mutex<(u64, bool)>>,
}

impl Filed {
    fn new() -> Self {
        Self { memory: Memory::new("filed"), len: Arc::default() }
    }
}

impl Sink for Filed {
    fn name(&self) -> &str {
        "filed"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.memory.write(batch)?;
        let mut len = self.len.lock().expect("no panic");
        *len = (len.0 + batch.records().count() as u64, true);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.memory.flush()
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "filed".into(), lake: "/lake".into(), level: LevelFilter::TRACE, partition: "p".into() })
    }

    fn changed_files(&mut self) -> Vec<FileState> {
        let mut len = self.len.lock().expect("no panic");
        let changed = std::mem::take(&mut len.1);
        changed.then(|| FileState { path: "p/filed_0001.x".into(), bytes: len.0 }).into_iter().collect()
    }
}

fn pumped(spool: &Path, sink: &Filed) -> (Buffer, Pump) {
    pumped_with(spool, sink, 64 << 20)
}

fn pumped_with(spool: &Path, sink: &Filed, bytes: usize) -> (Buffer, Pump) {
    let pump = PumpBuilder::new().drain_every(NEVER).flush_every(NEVER).sink(sink.clone());
    let buffer = spooled(spool, Policy::DropNewest, bytes, pump.recipes());
    let pump = pump.spawn(buffer.clone()).expect("a thread");
    (buffer, pump)
}

// === what is in the files ===

#[test]
fn what_was_recorded_is_in_a_file_when_the_call_returns() {
    let spool = folder();
    let buffer = spooled(spool.path(), Policy::DropNewest, 1 << 20, vec![]);
    let mut hand = Hand::new(&buffer);
    for at in 0..100 {
        hand.event(Level::INFO, &format!("m{at}"));
        let found = records_in_files(spool.path());
        assert_eq!((found.len(), &*found[at].message), (at + 1, &*format!("m{at}")));
    }
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let spool = folder();
    let buffer = spooled(&spool.path().join("deeper"), Policy::DropNewest, 1 << 20, vec![]);
    Hand::new(&buffer).event(Level::INFO, "m");
    let own = own_folder(&spool.path().join("deeper"));
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&spool.path().join("deeper")), mode(&own)), (0o700, 0o700));
    fs::create_dir(spool.path().join("usual")).expect("a folder");
    spooled(&spool.path().join("lake/.spool"), Policy::DropNewest, 1 << 20, vec![]);
    assert_eq!(mode(&spool.path().join("lake")), mode(&spool.path().join("usual")), "the lake is for others too");
    for entry in fs::read_dir(&own).expect("the folder") {
        assert_eq!(mode(&entry.expect("an entry").path()), 0o600);
    }
}

#[test]
fn records_larger_than_a_page_have_one_to_themselves() {
    let spool = folder();
    let buffer = spooled(spool.path(), Policy::DropNewest, 2 << 20, vec![]);
    let mut hand = Hand::new(&buffer);
    let mut writer_texts = vec![];
    for at in 0..40 {
        let text = "x".repeat(20_000 + 1_000 * at);
        assert!(hand.event(Level::INFO, &text), "{at}");
        writer_texts.push(text);
    }
    assert_eq!(messages(&records_in_files(spool.path())), writer_texts);
    assert_eq!(drain(&buffer).messages(), writer_texts);
    assert_eq!(buffer.used_bytes(), 0);
}

/// A record comes in several frames: what it needs of the dictionary, then itself. When a page has room for the last of
/// them and not for those before, it must not be there, because it is written on the next page.
#[test]
fn a_record_that_a_page_has_no_room_for_is_not_there_in_part() {
    for padding in 0..60 {
        let spool = folder();
        let buffer = spooled(spool.path(), Policy::DropNewest, 256 << 10, vec![]);
        let mut hand = Hand::new(&buffer);
        assert!(hand.event(Level::INFO, &"x".repeat(32_000 + 8 * padding)));
        assert!(hand.event_at(&"place".repeat(60), Level::INFO, "m"));
        assert_eq!(messages(&records_in_files(spool.path()))[1..], ["m"], "{padding}");
        assert!(!has_damage(spool.path()), "{padding}");
    }
}

#[test]
fn pages_turn_without_loss_and_in_order() {
    let spool = folder();
    let buffer = spooled(spool.path(), Policy::DropNewest, 16 << 20, vec![]);
    let mut hand = Hand::new(&buffer);
    let mut task = hand.begin();
    (0..20_000).for_each(|at| {
        hand.event_in(&mut task, Level::INFO, &format!("m{at}"));
    });
    hand.end(task, Outcome::Succeeded);
    assert!(segments(spool.path()).len() > 3);
    let drained = drain(&buffer);
    let numbers: Vec<u64> = drained.records.iter().map(|record| record.key.as_ref().expect("a key").seq).collect();
    assert_eq!(numbers, (0..20_002).collect::<Vec<_>>());
    assert_eq!(buffer.losses().total(), 0);
}

// === checkpoints ===

#[test]
fn segments_stay_until_the_sinks_have_them_for_good() {
    let (spool, sink) = (folder(), Filed::new());
    let (buffer, pump) = pumped(spool.path(), &sink);
    sink.memory.change(|state| state.flush_failures_left = 2);
    let mut hand = Hand::new(&buffer);
    hand.event(Level::INFO, "m0");
    for _ in 0..2 {
        pump.flush(LONG);
        assert_eq!(sink.memory.messages(), ["m0"], "it was written");
        assert_eq!(messages(&records_in_files(spool.path())), ["m0"], "and not made durable");
    }
    hand.event(Level::INFO, "m1");
    pump.flush(LONG);
    assert!(records_in_files(spool.path()).is_empty());
    let ledger = Ledger::read(&*disk::real(), &own_folder(spool.path())).expect("a ledger");
    assert_eq!(ledger.files.into_iter().collect::<Vec<_>>(), [("p/filed_0001.x".into(), 2)]);
    assert_eq!((ledger.sinks[0].kind.as_str(), ledger.is_done), ("filed", false));
}

#[test]
fn room_comes_back_with_the_checkpoint() {
    let (spool, sink) = (folder(), Filed::new());
    let (buffer, pump) = pumped(spool.path(), &sink);
    let mut hand = Hand::new(&buffer);
    (0..1_000).for_each(|_| assert!(hand.event(Level::INFO, "m")));
    let used = buffer.used_bytes();
    pump.flush(LONG);
    assert!(used > 1_000 * 20 && buffer.used_bytes() == 0, "{used} {}", buffer.used_bytes());
}

#[test]
fn a_spool_that_is_half_full_asks_for_a_checkpoint() {
    let (spool, sink) = (folder(), Filed::new());
    let (buffer, pump) = pumped_with(spool.path(), &sink, 1 << 20);
    let mut hand = Hand::new(&buffer);
    let text = "x".repeat(1_000);
    // Each time the page is full the pump drains, and nobody flushes.
    let mut kept = 0;
    let patience = std::time::Instant::now() + LONG;
    while sink.memory.change(|state| state.flushes) == 0 {
        kept += u64::from(hand.event(Level::INFO, &text));
        assert!(std::time::Instant::now() < patience, "{:?}", pump.report());
    }
    assert!(pump.flush(LONG).written == kept);
}

#[test]
fn a_clean_end_leaves_nothing() {
    let (spool, sink) = (folder(), Filed::new());
    let (buffer, pump) = pumped(spool.path(), &sink);
    Hand::new(&buffer).event(Level::INFO, "m");
    assert!(pump.shutdown(LONG).is_complete());
    assert_eq!(fs::read_dir(spool.path()).expect("the folder").count(), 0);
}

#[test]
fn what_a_failing_sink_did_not_take_stays_for_recovery() {
    let (spool, sink) = (folder(), Filed::new());
    let (buffer, pump) = pumped(spool.path(), &sink);
    sink.memory.change(|state| state.failures_left = usize::MAX);
    Hand::new(&buffer).event(Level::INFO, "m");
    let report = pump.shutdown(LONG);
    assert_eq!((report.pending, report.lost), (1, 0), "{report}");
    assert_eq!(messages(&records_in_files(spool.path())), ["m"]);
}

#[test]
fn a_sink_that_never_works_does_not_hold_up_the_others_for_ever() {
    let (spool, sink, other) = (folder(), Filed::new(), Memory::new("other"));
    sink.memory.change(|state| state.failures_left = usize::MAX);
    let pump = PumpBuilder::new().drain_every(NEVER).flush_every(NEVER).sink(sink.clone()).sink(other.clone());
    let buffer = spooled(spool.path(), Policy::Block(LONG), 1 << 20, pump.recipes());
    let pump = pump.spawn(buffer.clone()).expect("a thread");
    let mut hand = Hand::new(&buffer);
    let text = "x".repeat(10_000);
    for at in 0..300 {
        assert!(hand.event(Level::INFO, &text), "{at}");
    }
    pump.flush(LONG);
    assert_eq!(other.count(), 300);
}

// === the end of the process ===

#[test]
fn an_orphan_is_adopted_by_one_and_a_live_one_by_nobody() {
    let spool = folder();
    let buffer = spooled(spool.path(), Policy::DropNewest, 1 << 20, vec![]);
    let mut hand = Hand::new(&buffer);
    hand.event(Level::INFO, "m");
    let own = own_folder(spool.path());
    let disk = disk::real();
    assert!(Orphan::adopt(&*disk, &own).expect("readable").is_none(), "it lives");
    assert_eq!(state(&own), State::Live);
    drop((hand, buffer));
    assert_eq!(state(&own), State::Orphaned);
    let orphan = Orphan::adopt(&*disk, &own).expect("readable").expect("it is gone");
    assert!(Orphan::adopt(&*disk, &own).expect("readable").is_none(), "somebody has it");
    let (decoded, is_damaged) = orphan.segments.iter().find(|segment| !segment.is_blank()).unwrap().decode().unwrap();
    assert_eq!((decoded.len(), is_damaged), (1, false));
    orphan.finish(&*disk).expect("removed");
    assert!(!own.exists());
}

#[test]
fn open_tasks_are_those_that_began_and_did_not_end() {
    let (spool, sink) = (folder(), Filed::new());
    let (buffer, pump) = pumped(spool.path(), &sink);
    let (mut hand, mut other) = (Hand::new(&buffer), Hand::new(&buffer));
    let (mut open, ended, elsewhere) = (hand.begin(), hand.begin(), hand.begin());
    hand.event_in(&mut open, Level::INFO, "m1");
    hand.end(ended, Outcome::Succeeded);
    pump.flush(LONG);
    hand.event_in(&mut open, Level::INFO, "m2");
    other.end(elsewhere, Outcome::Succeeded);
    pump.flush(LONG);
    let ledger = Ledger::read(&*disk::real(), &own_folder(spool.path())).expect("a ledger");
    let decoded = ledger.open.decode().expect("a segment");
    let ends: Vec<OwnedRecord> = decoded.records().map(|record| OwnedRecord::from(&record)).collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    let key = ends[0].key.as_ref().expect("a key");
    assert_eq!((key.task.uuid(), key.seq), (open.root, 3));
    assert_eq!((ends[0].outcome, ends[0].kind, ends[0].level), (Some(Outcome::Interrupted), Kind::End, Level::ERROR));
    assert_eq!(ends[0].message, "INTERRUPTED work");

    let mut resumed = OpenTasks::default();
    resumed.resume(&ledger.open);
    assert_eq!(resumed.interrupted(&ledger.source).bytes(), ledger.open.bytes(), "taken over as they were noted");
}

/// The thread that makes files ahead may stand before one when nobody has the buffer any more. Whoever took the folder over
/// would find files come and go under its hands.
#[test]
fn a_spool_is_held_until_nobody_makes_files_in_it() {
    let spool = folder();
    let (asks, asked) = mpsc::channel();
    let (allow, allowed) = mpsc::channel::<()>();
    let allowed = Mutex::new(allowed);
    let stands = move || {
        let _ = asks.send(());
        // Nobody allows it any more: then it goes on.
        let _ = allowed.lock().expect("no panic").recv();
        Ok(())
    };
    let options = SpoolOptions::new(spool.path()).disk(AskingDisk::new(stands));
    let buffer = Buffer::with_spool(&BufferOptions::default(), Source::this_process("test"), &options, vec![]);
    asked.recv_timeout(LONG).expect("it makes files ahead");
    drop(buffer.expect("a spool"));
    let own = own_folder(spool.path());
    assert_eq!(state(&own), State::Live);
    drop(allow);
    let until = Instant::now() + LONG;
    while state(&own) == State::Live {
        assert!(Instant::now() < until, "nobody lets it go");
        thread::yield_now();
    }
    assert_eq!(segments(spool.path()), [] as [PathBuf; 0]);
}

// === trouble ===

#[test]
fn where_no_file_can_be_made_memory_does() {
    let spool = folder();
    let options =
        BufferOptions { capacity_bytes: NonZeroUsize::new(1 << 20).expect("more than 0"), ..Default::default() };
    let full = SpoolOptions::new(spool.path()).disk(AskingDisk::new(|| Err(io::ErrorKind::StorageFull.into())));
    let buffer = Buffer::with_spool(&options, Source::this_process("test"), &full, vec![]).expect("a spool");
    let mut hand = Hand::new(&buffer);
    let text = "x".repeat(1_000);
    let kept = (0..600).filter(|_| hand.event(Level::INFO, &text)).count();
    assert_eq!(drain(&buffer).records.len(), kept);
    assert_eq!(kept, 600);
    let report = buffer.spool_report().expect("a spool");
    assert!(report.unprotected_pages > 0 && report.errors > 0 && report.last_error.is_some(), "{report:?}");
}

#[test]
fn a_spool_that_cannot_be_made_is_an_error_at_once() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let error = Buffer::with_spool(&BufferOptions::default(), Source::default(), &SpoolOptions::new(&file), vec![]);
    assert_eq!(error.expect_err("a file is no folder").code().to_string(), "FACTORY::Spool::IO::ERROR");
}

#[test]
fn evicting_replaces_files_as_a_whole() {
    for policy in [Policy::DropOldest, Policy::DropLowest] {
        let spool = folder();
        let buffer = spooled(spool.path(), policy, 200_000, vec![]);
        let mut hand = Hand::new(&buffer);
        let text = "x".repeat(500);
        for at in 0..2_000 {
            hand.event(if at % 2 == 0 { Level::DEBUG } else { Level::INFO }, &text);
        }
        let files: u64 = segments(spool.path()).iter().map(|path| fs::metadata(path).expect("a file").len()).sum();
        assert!(files < 200_000 + 6 * (32 << 10), "{files}");
        let in_files = records_in_files(spool.path()).into_iter().filter(|record| record.kind != Kind::Loss).count();
        let drained = drain(&buffer);
        drained.assert_states(&buffer.losses());
        assert_eq!(in_files, drained.records.len());
        assert_eq!(buffer.recorded(), drained.records.len() as u64 + buffer.losses().total());
        assert!(drained.records.len() > 100 && buffer.losses().total() > 100);
    }
}

#[test]
fn what_is_severe_finds_room_on_a_full_disk_too() {
    for policy in [Policy::DropLowest, Policy::DropOldest] {
        let spool = folder();
        let capacity_bytes = NonZeroUsize::new(1 << 20).expect("more than 0");
        let options = BufferOptions { capacity_bytes, policy, ..Default::default() };
        let is_full = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_full);
        let room = move || if asked.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) };
        let full = SpoolOptions::new(spool.path()).disk(AskingDisk::new(room));
        let buffer = Buffer::with_spool(&options, Source::this_process("test"), &full, vec![]).expect("a spool");
        let mut hand = Hand::new(&buffer);
        let text = "x".repeat(1_000);
        while buffer.losses().total() == 0 {
            hand.event(Level::INFO, &text);
        }
        is_full.store(true, Ordering::Relaxed);
        assert!((0..100).all(|_| hand.event(Level::ERROR, &text)), "{policy:?}: INFO gives way to ERROR");
        let drained = drain(&buffer);
        drained.assert_states(&buffer.losses());
        assert_eq!(drained.records.iter().filter(|record| record.level == Level::ERROR).count(), 100);
        assert_eq!(buffer.recorded(), drained.records.len() as u64 + buffer.losses().total());
        assert!(buffer.spool_report().expect("a spool").unprotected_pages > 0);
    }
}
