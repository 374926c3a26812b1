//! A batch of more days than files may be open: whoever sends says what time it is, so anybody can send one.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use spanlake_core::segment::Segment;
use spanlake_core::spool::Ledger;
use spanlake_core::{Error, Sink, Source};
use spanlake_lake::{JsonlSink, SystemLogSink, take_back};
use spanlake_testkit::disk::{EIO, FakeDisk, Fault, Operation, seed};
use tempfile::TempDir;

use crate::support::{DAY_US, NOON_US, Script, feed, files, lines, messages, source};

const DAYS: usize = 300;

/// As the sinks have it.
const MAX_OPEN: usize = 64;

/// The operating system's number for too many open files of a process.
const EMFILE: i32 = 24;

/// Days enough where each call to the disk is looked at, or many runs are made.
const FEW_DAYS: usize = 80;

/// Of the calls of a run, so many are tried as the one that fails.
const TRIES: usize = 6;

struct Stand {
    _folder: TempDir,
    root: PathBuf,
    lake: PathBuf,
    disk: FakeDisk,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("disk");
        fs::create_dir(&root).unwrap();
        Self { _folder: folder, lake: root.join("lake"), disk: FakeDisk::new(&root), root }
    }

    fn jsonl(&self) -> JsonlSink {
        JsonlSink::new(&self.lake).written_by(&source()).disk(self.disk.handle())
    }

    /// How often each message is in the lake.
    fn counts(&self) -> BTreeMap<String, usize> {
        count(messages(&self.lake))
    }

    /// The most files of this disk that were open before any call from now on.
    fn watch_open(&self) -> Arc<AtomicUsize> {
        let (most, root) = (Arc::new(AtomicUsize::new(0)), self.root.clone());
        let seen = Arc::clone(&most);
        self.disk.before_each_call(move |_| {
            seen.fetch_max(open_below(&root), Ordering::Relaxed);
        });
        most
    }
}

fn open_below(folder: &Path) -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter_map(|file| fs::read_link(file.path()).ok()).filter(|path| path.starts_with(folder)).count()
}

/// A record for each of so many days from one on, and a second one for each, later in the batch.
fn batch(word: &str, from: usize, days: usize) -> Segment {
    let mut script = Script::new();
    for (part, day) in [0, 1].into_iter().flat_map(|part| (from..from + days).map(move |day| (part, day))) {
        script.now_us = NOON_US - day as i64 * DAY_US;
        script.event(None, 0, &format!("{word} {day} {part}"), &[]);
    }
    script.segment()
}

fn count(messages: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    messages.into_iter().fold(BTreeMap::new(), |mut counts, message| {
        *counts.entry(message).or_default() += 1;
        counts
    })
}

/// Of a file's lines those that are not torn.
fn whole_lines(text: &str) -> Vec<String> {
    let is_whole = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    text.lines().filter(is_whole).map(str::to_owned).collect()
}

/// Each record of these batches once.
fn once(words: &[&str], days: usize) -> BTreeMap<String, usize> {
    let days = |word: &&str| {
        let word = (*word).to_owned();
        (0..days).flat_map(move |day| [0, 1].map(|part| format!("{word} {day} {part}")))
    };
    count(words.iter().flat_map(days))
}

#[test]
fn no_more_files_are_open_within_a_batch_than_between_batches() {
    let stand = Stand::new();
    let most = stand.watch_open();
    let mut sink = stand.jsonl();
    feed(&mut sink, &batch("one", 0, DAYS)).unwrap();
    assert_eq!(stand.counts(), once(&["one"], DAYS));
    // The files that are open already, and others.
    feed(&mut sink, &batch("two", 0, DAYS)).unwrap();
    sink.flush().unwrap();
    assert_eq!(stand.counts(), once(&["one", "two"], DAYS));
    assert_eq!(most.load(Ordering::Relaxed), MAX_OPEN);
}

#[test]
fn the_same_holds_where_the_batch_fills_files() {
    let stand = Stand::new();
    let most = stand.watch_open();
    // A file for each record.
    let mut sink = stand.jsonl().max_file_bytes(NonZeroU64::MIN);
    for word in ["one", "two"] {
        feed(&mut sink, &batch(word, 0, FEW_DAYS)).unwrap();
    }
    assert_eq!(stand.counts(), once(&["one", "two"], FEW_DAYS));
    assert_eq!(most.load(Ordering::Relaxed), MAX_OPEN);
}

#[test]
fn the_other_sinks_of_a_lake_keep_to_it_too() {
    let stand = Stand::new();
    let most = stand.watch_open();
    let mut lines_sink = SystemLogSink::new(&stand.lake).disk(stand.disk.handle());
    feed(&mut lines_sink, &batch("one", 0, DAYS)).unwrap();
    assert_eq!(lines(&stand.lake).len(), 2 * DAYS);
    assert_eq!(most.load(Ordering::Relaxed), MAX_OPEN);
    #[cfg(feature = "parquet")]
    {
        let (stand, days) = (Stand::new(), 100);
        let most = stand.watch_open();
        let mut sink = spanlake_lake::ParquetSink::new(&stand.lake).disk(stand.disk.handle());
        feed(&mut sink, &batch("one", 0, days)).unwrap();
        sink.flush().unwrap();
        assert_eq!(files(&stand.lake).len(), days);
        assert_eq!(most.load(Ordering::Relaxed), 1);
    }
}

/// What was open and written to lately stays open.
#[test]
fn what_was_not_written_to_for_the_longest_time_is_closed() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &batch("old", 0, 1)).unwrap();
    feed(&mut sink, &batch("old", 1, MAX_OPEN - 1)).unwrap();
    feed(&mut sink, &batch("today", 0, 1)).unwrap();
    feed(&mut sink, &batch("new", MAX_OPEN, MAX_OPEN - 1)).unwrap();
    feed(&mut sink, &batch("today again", 0, 1)).unwrap();
    assert_eq!(files(&stand.lake).len(), 2 * MAX_OPEN - 1, "a file for each day");
}

#[test]
fn nothing_stays_of_a_batch_that_fails_at_any_of_its_files() {
    for most in [NonZeroU64::MIN, spanlake_lake::DEFAULT_MAX_FILE_BYTES] {
        let run = |fault: Option<Fault>| {
            let stand = Stand::new();
            let mut sink = stand.jsonl().max_file_bytes(most);
            feed(&mut sink, &batch("one", 0, FEW_DAYS)).unwrap();
            let before = stand.disk.calls().len();
            let fails = fault.is_some();
            fault.into_iter().for_each(|fault| stand.disk.fail(fault));
            let error = feed(&mut sink, &batch("two", 0, FEW_DAYS)).err();
            if fails && let Some(error) = &error {
                stand.disk.heal();
                feed(&mut sink, &batch("three", 0, 1)).unwrap();
                let mut expected = once(&["one"], FEW_DAYS);
                expected.extend(["three 0 0", "three 0 1"].map(|message| (message.to_owned(), 1)));
                assert_eq!(stand.counts(), expected, "{error}");
                feed(&mut sink, &batch("two", 0, FEW_DAYS)).unwrap();
            }
            stand.disk.heal();
            sink.flush().unwrap();
            let mut counts = stand.counts();
            counts.retain(|message, _| !message.starts_with("three"));
            assert_eq!(counts, once(&["one", "two"], FEW_DAYS), "{error:?}");
            (stand.disk.calls().len() - before, error)
        };
        let (calls, _) = run(None);
        assert!(calls > FEW_DAYS, "{calls} calls");
        for number in (1..=calls as u64).step_by(calls / TRIES) {
            run(Some(Fault::at(number).error(EIO).tearing()));
            run(Some(Fault::at(number).error(EIO).for_ever()));
        }
    }
}

/// What is closed for a batch that has nothing for it is sealed like anything else when its sync fails.
#[test]
fn what_cannot_be_made_durable_to_make_room_is_written_elsewhere() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &batch("one", 0, FEW_DAYS)).unwrap();
    stand.disk.fail(Fault::at(1).of(Operation::Sync));
    feed(&mut sink, &batch("two", FEW_DAYS, FEW_DAYS)).unwrap_err();
    let sealed = stand.disk.calls().into_iter().find(|call| call.failed).unwrap().path;
    let before = stand.disk.calls().len();
    feed(&mut sink, &batch("two", FEW_DAYS, FEW_DAYS)).unwrap();
    sink.flush().unwrap();
    assert!(stand.disk.calls()[before..].iter().all(|call| call.path != sealed), "it is never touched again");
    let counts = stand.counts();
    assert!(counts.len() == 4 * FEW_DAYS && counts.values().all(|times| *times == 1));
}

#[test]
fn files_that_cannot_be_opened_because_too_many_are_can_be_later() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    stand.disk.fail(Fault::at(10).of(Operation::Create).error(EMFILE).for_ever());
    let error: Error = feed(&mut sink, &batch("one", 0, DAYS)).unwrap_err();
    assert!(error.is_recoverable(), "{}", error.chain());
    stand.disk.heal();
    feed(&mut sink, &batch("one", 0, DAYS)).unwrap();
    assert_eq!(stand.counts(), once(&["one"], DAYS));
}

#[test]
fn what_was_flushed_of_many_days_outlives_a_power_cut() {
    let run = |fault: Option<Fault>| {
        let stand = Stand::new();
        let mut sink = stand.jsonl();
        feed(&mut sink, &batch("one", 0, FEW_DAYS)).unwrap();
        sink.flush().unwrap();
        let before = stand.disk.calls().len();
        fault.into_iter().for_each(|fault| stand.disk.fail(fault));
        let _ = feed(&mut sink, &batch("two", 0, FEW_DAYS)).and_then(|()| sink.flush());
        let scratch = stand.root.with_file_name("scratch");
        stand.disk.cut_power().each(4, seed(), &scratch, |folder| {
            let texts = files(folder).into_iter().map(|file| fs::read(file).unwrap());
            let lines = texts.flat_map(|text| whole_lines(&String::from_utf8_lossy(&text)));
            let found = count(lines.flat_map(|line| crate::support::json_messages(&line)));
            assert!(once(&["one"], FEW_DAYS).keys().all(|message| found.get(message) == Some(&1)));
            assert!(found.values().all(|times| *times == 1));
        });
        stand.disk.calls().len() - before
    };
    let calls = run(None);
    for number in (1..=calls as u64).step_by(calls / TRIES) {
        run(Some(Fault::at(number).for_ever()));
    }
}

/// Killed between two notes, also when there were more files since than are remembered where nobody asks.
#[test]
fn what_a_note_knows_of_many_days_stays_and_the_rest_is_taken_back() {
    let (stand, days) = (Stand::new(), 4_200);
    let mut sink = stand.jsonl();
    let mut ledger = Ledger::new(&source(), &stand.lake, sink.recipe().into_iter().collect());
    sink.changed_files();
    feed(&mut sink, &batch("one", 0, days)).unwrap();
    sink.flush().unwrap();
    sink.changed_files().into_iter().for_each(|file| ledger.note(file));
    let noted = stand.counts();
    assert_eq!(noted.len(), 2 * days);
    feed(&mut sink, &batch("two", 0, DAYS)).unwrap();
    assert_eq!(stand.counts().len(), 2 * (days + DAYS));
    std::mem::forget(sink);
    take_back(&stand.disk.handle(), &ledger).unwrap();
    assert_eq!(stand.counts(), noted);
    let mut next = stand.jsonl().written_by(&Source::this_process("next"));
    feed(&mut next, &batch("two", 0, DAYS)).unwrap();
    next.flush().unwrap();
    let mut expected = once(&["two"], DAYS);
    expected.extend(noted);
    assert_eq!(stand.counts(), expected);
}
