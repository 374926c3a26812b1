//! JSON lines: content, folders, sizes, and batches that fail.

use std::fs;
use std::num::NonZeroU64;

use spanlake_core::{Batch, LevelFilter, Outcome, Sink, Value};
use spanlake_lake::{JsonlSink, Partition};

use crate::support::{DAY_US, NOON_US, Script, feed, files, lines, messages, only_file};

const KEYS: [&str; 22] = [
    "ts",
    "level",
    "kind",
    "key",
    "task",
    "message",
    "target",
    "module",
    "file",
    "line",
    "thread",
    "pid",
    "host",
    "service",
    "dataflow_id",
    "context",
    "fields",
    "duration_us",
    "outcome",
    "error",
    "trace_id",
    "span_id",
];

/// Records of every kind, with everything in them that could break a line.
fn all_kinds() -> Script {
    let mut script = Script::new();
    let root = script.root(1, "job");
    let task = script.child(root, 1, "load \"x\"", &[("etl.dataflow", Value::from("orders\n"))]);
    script.event(Some(task), 0, "a \"quoted\"\nmessage\u{1b}[31m\u{202e}", &[("rows", Value::U64(500))]);
    script.end(task, 1, Outcome::Failed, &["cannot load", "disk full"]);
    script.event(None, 0, "", &[]);
    script.loss();
    script
}

#[test]
fn every_line_is_an_object_with_all_keys_in_order() {
    let lake = tempfile::tempdir().unwrap();
    feed(&mut JsonlSink::new(lake.path()), &all_kinds().segment()).unwrap();
    let lines = lines(lake.path());
    assert_eq!(lines.len(), 4);
    for line in &lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
        let places = KEYS.map(|key| line.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key}: {line}")));
        assert!(places.is_sorted(), "{line}");
    }
}

#[test]
fn nothing_is_opened_before_the_first_record() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = JsonlSink::new(lake.path());
    sink.flush().unwrap();
    sink.write(&Batch::new(&[], LevelFilter::TRACE)).unwrap();
    assert!(files(lake.path()).is_empty());
}

#[test]
fn batches_follow_each_other_in_one_file() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = JsonlSink::new(lake.path());
    for word in ["one", "two", "three"] {
        feed(&mut sink, &Script::events(word, 2)).unwrap();
        sink.flush().unwrap();
    }
    only_file(lake.path());
    assert_eq!(messages(lake.path()), ["one 0", "one 1", "two 0", "two 1", "three 0", "three 1"]);
}

#[test]
fn a_batch_that_spans_midnight_goes_to_two_days() {
    let lake = tempfile::tempdir().unwrap();
    let mut script = Script::new();
    for (days, message) in [(0, "today"), (1, "tomorrow"), (0, "today, late")] {
        script.now_us = NOON_US + days * DAY_US;
        script.event(None, 0, message, &[]);
    }
    feed(&mut JsonlSink::new(lake.path()), &script.segment()).unwrap();
    let records = lake.path().join("debug_json/records");
    assert_eq!(messages(&records.join("run_date=2026-11-20")), ["today", "today, late"]);
    assert_eq!(messages(&records.join("run_date=2026-11-21")), ["tomorrow"]);
}

#[test]
fn partitions_are_as_set() {
    let lake = tempfile::tempdir().unwrap();
    let mut hourly = JsonlSink::new(lake.path()).partition(Partition::new("{year}/{month}/{day}/{hour}").unwrap());
    feed(&mut hourly, &Script::events("hourly", 1)).unwrap();
    only_file(&lake.path().join("debug_json/records/2026/11/20/12"));

    let lake = tempfile::tempdir().unwrap();
    feed(&mut JsonlSink::new(lake.path()).partition(Partition::none()), &Script::events("all", 1)).unwrap();
    assert_eq!(only_file(lake.path()).parent(), Some(&*lake.path().join("debug_json/records")));
}

#[test]
fn the_level_is_as_set() {
    assert_eq!(Sink::level(&JsonlSink::new("lake")), LevelFilter::TRACE);
    assert_eq!(Sink::level(&JsonlSink::new("lake").level(LevelFilter::WARN)), LevelFilter::WARN);
}

/// Bytes of the line of an event whose message has one character.
fn line_bytes() -> u64 {
    let lake = tempfile::tempdir().unwrap();
    let mut script = Script::new();
    script.event(None, 0, "x", &[]);
    feed(&mut JsonlSink::new(lake.path()), &script.segment()).unwrap();
    fs::metadata(only_file(lake.path())).unwrap().len()
}

/// Writes batches of lines of one length with room for `lines_a_file`, and gives the lines in each file.
fn lines_in_files(lines_a_file: u64, batches: &[usize]) -> Vec<usize> {
    let lake = tempfile::tempdir().unwrap();
    let most = NonZeroU64::new(lines_a_file * line_bytes()).unwrap();
    let mut sink = JsonlSink::new(lake.path()).max_file_bytes(most);
    for count in batches {
        let mut script = Script::new();
        (0..*count).for_each(|_| script.event(None, 0, "x", &[]));
        feed(&mut sink, &script.segment()).unwrap();
    }
    let count = |path| fs::read_to_string(path).unwrap().lines().count();
    files(lake.path()).iter().map(count).collect()
}

#[test]
fn a_file_never_exceeds_its_limit() {
    assert_eq!(lines_in_files(3, &[3]), [3]);
    assert_eq!(lines_in_files(3, &[4]), [3, 1]);
    assert_eq!(lines_in_files(3, &[2, 2]), [3, 1]);
    assert_eq!(lines_in_files(3, &[3, 3]), [3, 3]);
    assert_eq!(lines_in_files(3, &[1, 10, 1]), [3, 3, 3, 3]);
    assert_eq!(lines_in_files(1, &[2, 1]), [1, 1, 1]);
}

#[test]
fn a_record_longer_than_a_file_has_one_to_itself() {
    let lake = tempfile::tempdir().unwrap();
    let most = NonZeroU64::new(3 * line_bytes()).unwrap();
    let mut sink = JsonlSink::new(lake.path()).max_file_bytes(most);
    let mut script = Script::new();
    for message in ["short", &"long ".repeat(1000), "short again"] {
        script.event(None, 0, message, &[]);
    }
    feed(&mut sink, &script.segment()).unwrap();
    assert_eq!(files(lake.path()).len(), 3);
    assert_eq!(lines(lake.path()).len(), 3);
}

/// What a flush had made durable went with the file; what came since is written again.
#[test]
fn a_file_that_somebody_removed_is_begun_again() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = JsonlSink::new(lake.path());
    feed(&mut sink, &Script::events("gone", 1)).unwrap();
    sink.flush().unwrap();
    feed(&mut sink, &Script::events("saved", 1)).unwrap();
    fs::remove_dir_all(lake.path().join("debug_json")).unwrap();
    sink.flush().unwrap();
    feed(&mut sink, &Script::events("kept", 1)).unwrap();
    assert_eq!(messages(lake.path()), ["saved 0", "kept 0"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_and_no_more() {
    let lake = tempfile::tempdir().unwrap();
    fs::write(lake.path().join("debug_json"), "in the way").unwrap();
    let mut sink = JsonlSink::new(lake.path());
    let error = feed(&mut sink, &Script::events("late", 2)).unwrap_err();
    assert_eq!(error.code().to_string(), "HANDLER::JsonlSink::IO::ERROR");
    assert!(error.context().any(|(name, value)| name == "path" && value.contains("debug_json")), "{error}");

    fs::remove_file(lake.path().join("debug_json")).unwrap();
    feed(&mut sink, &Script::events("late", 2)).unwrap();
    assert_eq!(messages(lake.path()), ["late 0", "late 1"]);
}

/// One part of the batch fills several files before another part of it fails.
#[test]
fn files_that_a_failed_batch_began_are_gone() {
    let lake = tempfile::tempdir().unwrap();
    let (today, tomorrow) = ("debug_json/records/run_date=2026-11-20", "debug_json/records/run_date=2026-11-21");
    let (today, tomorrow) = (lake.path().join(today), lake.path().join(tomorrow));
    let most = NonZeroU64::new(3 * line_bytes()).unwrap();
    let mut sink = JsonlSink::new(lake.path()).max_file_bytes(most);
    let batch = |count: usize, days: i64| {
        let mut script = Script::new();
        (0..count).for_each(|_| script.event(None, 0, "x", &[]));
        script.now_us += days * DAY_US;
        script.event(None, 0, "y", &[]);
        script.segment()
    };
    feed(&mut sink, &batch(0, 0)).unwrap();
    fs::write(&tomorrow, "in the way").unwrap();
    feed(&mut sink, &batch(8, 1)).unwrap_err();
    assert_eq!((files(&today).len(), messages(&today)), (1, vec!["y".to_owned()]));

    fs::remove_file(&tomorrow).unwrap();
    feed(&mut sink, &batch(8, 1)).unwrap();
    assert_eq!((files(&today).len(), messages(&today).len()), (3, 9));
    assert_eq!(messages(&tomorrow), ["y"]);
}

/// The kernel's limit on the size of files makes a write stop half-way, as a full disk does. The limit is that of a
/// whole process, so the part that runs under it is a process of its own.
#[cfg(unix)]
mod under_a_limit {
    use std::path::PathBuf;
    use std::process::Command;

    use spanlake_core::segment::Segment;

    use super::*;

    const LAKE: &str = "SPANLAKE_TEST_LAKE";

    #[test]
    fn a_write_that_fails_half_way_leaves_nothing() {
        let lake = tempfile::tempdir().unwrap();
        // Blocks of 512 bytes for some shells, of 1024 for others.
        let shell = "trap '' XFSZ; ulimit -f 16; exec \"$0\" --exact jsonl::under_a_limit::child";
        let test = std::env::current_exe().unwrap();
        let child = Command::new("sh").arg("-c").arg(shell).arg(test).env(LAKE, lake.path()).output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));

        let records = lake.path().join("debug_json/records");
        assert_eq!(messages(&records.join("run_date=2026-11-20")), ["today", "today again"]);
        assert_eq!(messages(&records.join("run_date=2026-11-21")), ["tomorrow"]);
    }

    /// Does nothing but in the process that the test above starts.
    #[test]
    fn child() {
        let Some(lake) = std::env::var_os(LAKE).map(PathBuf::from) else {
            return;
        };
        let mut sink = JsonlSink::new(&lake);
        feed(&mut sink, &two_days("tomorrow", "today", 1)).unwrap();

        // What goes to the first file fits, and is taken back with the rest.
        let error = feed(&mut sink, &two_days("refused", "refused", 100)).unwrap_err();
        assert_eq!(error.code().to_string(), "HANDLER::JsonlSink::IO::ERROR");
        assert_eq!(messages(&lake), ["today", "tomorrow"]);

        let mut script = Script::new();
        script.event(None, 0, "today again", &[]);
        feed(&mut sink, &script.segment()).unwrap();
        sink.flush().unwrap();
    }

    /// One record of the next day, then some of this.
    fn two_days(tomorrow: &str, today: &str, count: usize) -> Segment {
        let mut script = Script::new();
        script.now_us += DAY_US;
        script.event(None, 0, tomorrow, &[]);
        script.now_us -= DAY_US;
        (0..count).for_each(|_| script.event(None, 0, today, &[]));
        script.segment()
    }
}
