//! Limits that are kept by deleting files: which go, which stay, and what goes wrong meanwhile.

use std::fs::{self, File};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use spanlake_core::{Deleted, Sink};
use spanlake_lake::{JsonlSink, Keeper, LIVE_FOR, Limits, Partition, SystemLogSink};
use spanlake_testkit::disk::{FakeDisk, Fault, Operation};

use crate::support::{DAY_US, NOON_US, Script, feed, files, messages, source_with};

const HOUR: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(86_400);

/// The operating system's number for what one may not do.
const EACCES: i32 = 13;

/// A process that is long gone.
const GONE: &str = "20261101T000000.000000Z_idefix_7";

fn some(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

/// A file of a process that was changed last so long ago.
fn put(lake: &Path, folder: &str, process: &str, name: &str, bytes: usize, age: Duration) -> PathBuf {
    let folder = lake.join(folder);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{process}_{name}"));
    fs::write(&path, vec![b'\n'; bytes]).unwrap();
    change(&path, age);
    path
}

fn change(path: &Path, age: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

/// JSON lines of the process that is gone, one file for each number, the higher the newer.
fn old_lines(lake: &Path, numbers: std::ops::RangeInclusive<u32>, bytes: usize) -> Vec<PathBuf> {
    let age = |number| DAY - number * Duration::from_secs(60);
    let one = |number| {
        put(lake, "debug_json/records/run_date=2026-11-01", GONE, &format!("{number:04}.jsonl"), bytes, age(number))
    };
    numbers.map(one).collect()
}

/// Which of the files are there, by their places in the list.
fn left(files: &[PathBuf]) -> Vec<usize> {
    (0..files.len()).filter(|at| files[*at].exists()).collect()
}

fn total(lake: &Path) -> u64 {
    files(lake).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

/// The messages that this process wrote.
fn own_messages(lake: &Path) -> Vec<String> {
    let days = fs::read_dir(lake.join("debug_json/records")).unwrap().map(|day| day.unwrap().path());
    days.filter(|day| day.ends_with("run_date=2026-11-20")).flat_map(|day| messages(&day)).collect()
}

/// JSON lines under limits, the first batch written.
fn write_under(lake: &Path, limits: Limits) -> JsonlSink {
    let mut sink = JsonlSink::new(lake).keeper(&Keeper::new(lake, limits));
    feed(&mut sink, &Script::events("own", 1)).unwrap();
    sink
}

// === what goes, and what stays ===

#[test]
fn the_oldest_go_and_no_more_than_have_to() {
    let lake = tempfile::tempdir().unwrap();
    let old = old_lines(lake.path(), 1..=5, 10_000);
    // It was changed later than its number says.
    change(&old[0], HOUR);
    let sink = write_under(lake.path(), Limits::new().max_total_bytes(some(35_000)));
    assert_eq!(left(&old), [0, 3, 4]);
    assert_eq!(sink.deleted(), Deleted::one(10_000) + Deleted::one(10_000));
    assert!(total(lake.path()) <= 35_000);
}

#[test]
fn files_are_counted() {
    let lake = tempfile::tempdir().unwrap();
    let old = old_lines(lake.path(), 1..=5, 10);
    let mut sink = write_under(lake.path(), Limits::new().max_files(some(3)));
    assert_eq!((left(&old), files(lake.path()).len()), (vec![3, 4], 3));
    // The same file grows: nothing has to go.
    feed(&mut sink, &Script::events("own", 5)).unwrap();
    assert_eq!((left(&old), sink.deleted().files), (vec![3, 4], 3));
}

#[test]
fn what_is_too_old_goes_with_its_folders() {
    let lake = tempfile::tempdir().unwrap();
    let hours = "analyst/records/day=1/hour=2";
    let old = [
        put(lake.path(), hours, GONE, "0001.parquet", 5, DAY),
        put(lake.path(), "debug_json/system_log", GONE, "0001.log", 5, DAY),
        put(lake.path(), "debug_json/records/day=1", GONE, "0001.jsonl", 5, DAY),
        put(lake.path(), "debug_json/records/day=1", GONE, "0002.jsonl", 5, HOUR),
    ];
    let sink = write_under(lake.path(), Limits::new().max_age(2 * HOUR));
    assert_eq!((left(&old), sink.deleted().files), (vec![3], 3));
    assert!(!lake.path().join("analyst/records/day=1").exists(), "the folders of the partition are empty");
    assert!(lake.path().join("analyst/records").exists() && lake.path().join("debug_json/system_log").exists());
}

#[test]
fn json_lines_go_before_the_parquet_of_their_process_and_partition() {
    let lake = tempfile::tempdir().unwrap();
    let (lines, rows) = ("debug_json/records/day=1", "analyst/records/day=1");
    let minutes = |minutes| DAY - minutes * Duration::from_secs(60);
    let other = "20261101T000000.000000Z_idefix_8";
    let old = [
        put(lake.path(), rows, other, "0001.parquet", 10, minutes(3)),
        put(lake.path(), lines, GONE, "0001.jsonl", 10, minutes(4)),
        put(lake.path(), lines, GONE, "0002.jsonl", 10, minutes(5)),
        // Older than the lines that hold the same.
        put(lake.path(), rows, GONE, "0001.parquet", 10, minutes(1)),
        put(lake.path(), rows, GONE, "0002.parquet", 10, minutes(2)),
        put(lake.path(), "analyst/records/day=2", GONE, "0001.parquet", 10, minutes(6)),
    ];
    for goes in 1..=old.len() {
        let most = old.len() - goes + 1;
        let _own = write_under(lake.path(), Limits::new().max_files(some(most as u64)));
        let expected: Vec<usize> = (goes..old.len()).collect();
        assert_eq!(left(&old), expected);
        // The own file of this round is out of the way of the next.
        let own = files(lake.path()).into_iter().find(|path| !old.contains(path)).unwrap();
        fs::remove_file(own).unwrap();
    }
}

#[test]
fn nothing_else_counts_or_goes() {
    let lake = tempfile::tempdir().unwrap();
    let records = "debug_json/records/day=1";
    let others = [
        put(lake.path(), records, ".tmp-20261101T000000.000000Z_idefix_7", "0001.jsonl", 10_000, DAY),
        put(lake.path(), records, GONE, "0001.parquet", 10_000, DAY),
        put(lake.path(), records, GONE, "0001.jsonl.gz", 10_000, DAY),
        put(lake.path(), records, "notes", "0001.jsonl", 10_000, DAY),
        put(lake.path(), "analyst/dataflow_run_log/day=1", GONE, "0001.parquet", 10_000, DAY),
        put(lake.path(), "analyst/records/day=1", GONE, "0001.jsonl", 10_000, DAY),
        put(lake.path(), "", GONE, "0001.jsonl", 10_000, DAY),
    ];
    let counted = old_lines(lake.path(), 1..=2, 1_000);
    let limits = Limits::new().max_total_bytes(some(3_000)).max_files(some(3)).max_age(10 * DAY);
    let sink = write_under(lake.path(), limits.clone());
    assert_eq!((left(&others).len(), left(&counted).len(), sink.deleted().files), (7, 2, 0));
    let sink = write_under(lake.path(), limits.max_total_bytes(some(1)).max_age(HOUR));
    assert_eq!((left(&others).len(), left(&counted).len(), sink.deleted().files), (7, 0, 2));
}

#[test]
fn what_this_process_writes_stays_until_it_is_sealed() {
    let lake = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(lake.path(), Limits::new().max_total_bytes(some(1)));
    let mut lines = JsonlSink::new(lake.path()).keeper(&keeper);
    let mut text = SystemLogSink::new(lake.path()).keeper(&keeper);
    for round in 0..3 {
        feed(&mut lines, &Script::events(&format!("round {round}"), 1)).unwrap();
        feed(&mut text, &Script::events(&format!("round {round}"), 1)).unwrap();
        // A file takes one record, for the limit is that low; the one before is sealed then, and goes.
        assert_eq!(messages(&lake.path().join("debug_json/records")).last().unwrap(), &format!("round {round} 0"));
        assert!((2..=4).contains(&files(lake.path()).len()), "{:?}", files(lake.path()));
    }
    assert_eq!((lines.deleted().files + text.deleted().files) as usize + files(lake.path()).len(), 6);
}

#[test]
fn what_another_process_writes_stays_and_its_parquet_may_go() {
    let lake = tempfile::tempdir().unwrap();
    let (records, rows) = ("debug_json/records/day=1", "analyst/records/day=1");
    let others = [
        put(lake.path(), records, GONE, "0001.jsonl", 10, LIVE_FOR / 2),
        put(lake.path(), "debug_json/system_log/day=1", GONE, "0001.log", 10, Duration::ZERO),
        put(lake.path(), records, GONE, "0002.jsonl", 10, LIVE_FOR * 2),
        put(lake.path(), rows, GONE, "0001.parquet", 10, Duration::ZERO),
    ];
    // A clock that is ahead.
    let ahead = File::options().write(true).open(&others[1]).unwrap();
    ahead.set_modified(SystemTime::now() + HOUR).unwrap();
    let _sink = write_under(lake.path(), Limits::new().max_total_bytes(some(1)).max_age(Duration::ZERO));
    assert_eq!(left(&others), [0, 1]);
}

#[test]
fn a_batch_that_is_longer_than_the_limit_leaves_nothing_old() {
    let lake = tempfile::tempdir().unwrap();
    let old = old_lines(lake.path(), 1..=3, 1_000);
    let mut sink = write_under(lake.path(), Limits::new().max_total_bytes(some(4_000)));
    feed(&mut sink, &Script::events("long", 100)).unwrap();
    assert!(left(&old).is_empty());
    assert!(messages(lake.path()).len() >= 100, "the batch is there as a whole");
    feed(&mut sink, &Script::events("short", 1)).unwrap();
    assert!(total(lake.path()) <= 4_000, "{} bytes", total(lake.path()));
}

// === what goes wrong ===

#[test]
fn a_file_that_somebody_else_deleted_is_no_error() {
    let lake = tempfile::tempdir().unwrap();
    let old = old_lines(lake.path(), 1..=4, 10_000);
    let limits = Limits::new().max_total_bytes(some(45_000)).look_every(HOUR);
    let mut sink = write_under(lake.path(), limits);
    assert_eq!(left(&old).len(), 4);
    // Since it has looked.
    fs::remove_file(&old[0]).unwrap();
    fs::remove_file(&old[1]).unwrap();
    feed(&mut sink, &Script::events("own", 40)).unwrap();
    sink.tick().unwrap();
    assert_eq!((left(&old), sink.deleted()), (vec![2, 3], Deleted::default()), "the first two were enough");
}

#[test]
fn a_file_that_cannot_be_deleted_is_passed_over_and_stops_nothing() {
    let lake = tempfile::tempdir().unwrap();
    let old = old_lines(lake.path(), 1..=3, 10_000);
    let disk = FakeDisk::new(lake.path());
    let limits = Limits::new().max_total_bytes(some(25_000)).look_every(Duration::ZERO);
    let keeper = Keeper::on(disk.handle(), lake.path(), limits);
    let mut sink = JsonlSink::new(lake.path()).disk(disk.handle()).keeper(&keeper);

    disk.fail(Fault::at(1).of(Operation::Remove).error(EACCES));
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    assert_eq!((left(&old), sink.deleted().files), (vec![0, 2], 1), "the next one goes in its stead");
    let error = format!("{:?}", sink.tick().unwrap_err());
    assert!(error.contains("HANDLER::Keeper::IO::ERROR") && error.contains("_0001.jsonl"), "{error}");
    sink.tick().unwrap();

    disk.fail(Fault::at(1).of(Operation::Remove).error(EACCES).for_ever());
    feed(&mut sink, &Script::events("two", 30)).unwrap();
    feed(&mut sink, &Script::events("three", 30)).unwrap();
    assert_eq!(left(&old), [0, 2]);
    assert_eq!(own_messages(lake.path()).len(), 61, "it writes all the same");
    sink.tick().unwrap_err();

    disk.heal();
    feed(&mut sink, &Script::events("four", 1)).unwrap();
    assert!(left(&old).is_empty(), "a later look tries again");
    sink.tick().unwrap();
}

#[test]
fn a_folder_that_cannot_be_looked_into_is_told_and_stops_nothing() {
    let lake = tempfile::tempdir().unwrap();
    let old = old_lines(lake.path(), 1..=3, 10);
    let disk = FakeDisk::new(lake.path());
    let keeper = Keeper::on(disk.handle(), lake.path(), Limits::new().max_files(some(2)).look_every(Duration::ZERO));
    let mut sink = JsonlSink::new(lake.path()).disk(disk.handle()).keeper(&keeper);
    // The folder of the JSON lines, then its partition.
    disk.fail(Fault::at(2).of(Operation::List).error(EACCES));
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    assert_eq!(left(&old).len(), 3);
    assert!(format!("{:?}", sink.tick().unwrap_err()).contains("run_date=2026-11-01"));
    feed(&mut sink, &Script::events("two", 1)).unwrap();
    assert_eq!(left(&old), [2]);
}

#[test]
fn every_call_on_the_disk_may_fail_once() {
    for number in 1.. {
        let lake = tempfile::tempdir().unwrap();
        old_lines(lake.path(), 1..=3, 1_000);
        let disk = FakeDisk::new(lake.path());
        let keeper = Keeper::on(disk.handle(), lake.path(), Limits::new().max_total_bytes(some(2_500)));
        let mut sink = JsonlSink::new(lake.path()).disk(disk.handle()).keeper(&keeper);
        disk.fail(Fault::at(number).error(EACCES));
        for word in ["one", "two"] {
            let segment = Script::events(word, 1);
            // As the pump does: what failed is tried again, as a whole.
            feed(&mut sink, &segment).or_else(|_| feed(&mut sink, &segment)).unwrap();
            let _ = sink.tick();
        }
        sink.flush().or_else(|_| sink.flush()).unwrap();
        let own: Vec<_> =
            files(lake.path()).into_iter().filter(|path| !path.to_string_lossy().contains(GONE)).collect();
        let lines: usize = own.iter().map(|path| fs::read_to_string(path).unwrap().lines().count()).sum();
        assert_eq!(lines, 2, "call {number} failed: {own:?}");
        if !disk.calls().iter().any(|call| call.failed) {
            return assert!(number > 10, "only {number} calls");
        }
    }
}

// === bounds ===

/// One of several processes on a lake: its sinks under one keeper, on days that go by.
struct Process {
    lines: JsonlSink,
    text: SystemLogSink,
    #[cfg(feature = "parquet")]
    rows: spanlake_lake::ParquetSink,
    source: spanlake_core::Source,
}

impl Process {
    fn new(disk: &FakeDisk, lake: &Path, pid: u32, limits: Limits) -> Self {
        let keeper = Keeper::on(disk.handle(), lake, limits);
        let text = SystemLogSink::new(lake).partition(Partition::none());
        Self {
            lines: JsonlSink::new(lake).disk(disk.handle()).keeper(&keeper),
            text: text.disk(disk.handle()).keeper(&keeper),
            #[cfg(feature = "parquet")]
            rows: spanlake_lake::ParquetSink::new(lake).disk(disk.handle()).keeper(&keeper),
            source: source_with(|source| source.pid = pid),
        }
    }

    /// Writes a batch on a day to each sink, and gives how much that is at most; calls `check` after each write.
    fn write(&mut self, day: i64, records: usize, mut check: impl FnMut(u64)) {
        let mut script = Script::of(&self.source);
        script.now_us = NOON_US + day * DAY_US;
        (0..records).for_each(|at| script.event(None, 0, &format!("record {at}"), &[]));
        let segment = script.segment();
        let batch = records as u64 * 500;
        feed(&mut self.lines, &segment).unwrap();
        check(batch);
        feed(&mut self.text, &segment).unwrap();
        check(batch);
        #[cfg(feature = "parquet")]
        {
            feed(&mut self.rows, &segment).unwrap();
            self.rows.flush().unwrap();
            // A file that has a single row is some kilobytes long.
            check(batch.max(16 << 10));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// After every write the lake is within its limit, unless all that is left is the batch and what is being written.
    #[test]
    fn the_total_stays_within_its_bound(
        most in 2_000u64..200_000,
        batches in proptest::collection::vec((0i64..4, 1usize..60), 1..25),
    ) {
        let lake = tempfile::tempdir().unwrap();
        let disk = FakeDisk::new(lake.path());
        let mut process = Process::new(&disk, lake.path(), 1, Limits::new().max_total_bytes(some(most)));
        let mut written = 0;
        for (day, records) in batches {
            process.write(day, records, |batch| {
                let total = total(lake.path());
                // Two logs, each with a file a day: they take half of the limit, and a record more each.
                let bound = most.max(batch + most / 2 + 8 * 500);
                assert!(total <= bound, "{total} bytes, {bound} at most");
                written += total;
            });
        }
        prop_assert!(written > 0);
    }

    /// Two processes enforce the same limits at once; nobody's current file goes, and each line is whole.
    #[test]
    fn processes_share_a_lake(
        most in 4u64..12,
        batches in proptest::collection::vec((0u32..2, 0i64..3, 1usize..10), 1..40),
    ) {
        let lake = tempfile::tempdir().unwrap();
        let limits = Limits::new().max_files(some(most)).look_every(Duration::ZERO);
        let disk = FakeDisk::new(lake.path());
        let mut processes = [1, 2].map(|pid| Process::new(&disk, lake.path(), pid, limits.clone()));
        for (process, day, records) in batches {
            let lines = lake.path().join("debug_json/records");
            let before = messages(&lines).len();
            processes[process as usize].write(day, records, |_| {});
            prop_assert!(messages(&lines).len() >= before.min(1) + records - 1, "the batch is there");
            // Parquet of either may go; logs of both may be written to, a file a day and log.
            prop_assert!(files(lake.path()).len() as u64 <= most.max(2 * (3 + 1) + 1), "{:?}", files(lake.path()));
        }
        for process in &mut processes {
            process.lines.tick().unwrap();
            process.text.tick().unwrap();
        }
    }
}
