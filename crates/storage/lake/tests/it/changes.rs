//! What sinks tell of themselves, so that somebody else can put things right after them.

use std::fs;
use std::num::NonZeroU64;
use std::path::PathBuf;

use spanlake_core::{FileState, LevelFilter, Recipe, Sink};
use spanlake_lake::{JsonlSink, Partition, SystemLogSink};
use spanlake_testkit::disk::{Fault, Operation};

use crate::faults::Stand;
use crate::support::{Script, feed, files};

fn recipe(kind: &str, level: LevelFilter, partition: &str) -> Option<Recipe> {
    let lake = std::path::absolute("lake").unwrap();
    Some(Recipe { kind: kind.to_owned(), lake, level, partition: partition.to_owned() })
}

/// The files of a lake as they lie there.
fn states(paths: &[PathBuf]) -> Vec<FileState> {
    let state = |path: &PathBuf| FileState { path: path.clone(), bytes: fs::metadata(path).unwrap().len() };
    paths.iter().map(state).collect()
}

#[test]
fn a_recipe_is_what_was_set() {
    let sink = JsonlSink::new("lake").level(LevelFilter::DEBUG);
    assert_eq!(sink.recipe(), recipe("jsonl", LevelFilter::DEBUG, "run_date={year}-{month}-{day}"));
    let sink = SystemLogSink::new("lake").partition(Partition::none());
    assert_eq!(sink.recipe(), recipe("system_log", LevelFilter::TRACE, ""));
    #[cfg(feature = "parquet")]
    {
        let hourly = "{year}/{month}/{day}/{hour}";
        let sink = spanlake_lake::ParquetSink::new("lake").partition(Partition::new(hourly).unwrap());
        assert_eq!(sink.recipe(), recipe("parquet", LevelFilter::TRACE, hourly));
    }
}

#[test]
fn files_are_told_when_they_begin_and_when_they_grow() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = JsonlSink::new(lake.path());
    assert_eq!(sink.changed_files(), []);
    for _ in 0..2 {
        feed(&mut sink, &Script::events("event", 2)).unwrap();
        feed(&mut sink, &Script::events("event", 2)).unwrap();
        let changed = sink.changed_files();
        assert_eq!(changed, states(&files(lake.path())));
        assert!(changed[0].path.starts_with(lake.path().join("debug_json/records")));
        sink.flush().unwrap();
        assert_eq!(sink.changed_files(), []);
    }
}

#[test]
fn full_files_are_told_as_well() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = JsonlSink::new(lake.path()).max_file_bytes(NonZeroU64::new(1000).unwrap());
    feed(&mut sink, &Script::events("event", 10)).unwrap();
    let files = files(lake.path());
    assert!(files.len() > 2);
    assert_eq!(sink.changed_files(), states(&files));
}

#[test]
fn what_was_taken_back_is_not_told() {
    let stand = Stand::new();
    let mut sink = stand.jsonl().max_file_bytes(NonZeroU64::new(1000).unwrap());
    feed(&mut sink, &Script::events("before", 1)).unwrap();
    stand.disk.fail(Fault::at(3).of(Operation::Write));
    feed(&mut sink, &Script::events("batch", 10)).unwrap_err();
    let files = files(&stand.lake);
    assert_eq!(files.len(), 1);
    assert_eq!(sink.changed_files(), states(&files));
}

#[test]
fn a_sealed_file_is_told_with_what_is_left_of_it() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    sink.flush().unwrap();
    feed(&mut sink, &Script::events("two", 2)).unwrap();
    sink.changed_files();
    stand.disk.fail(Fault::at(1).of(Operation::Sync));
    sink.flush().unwrap_err();
    assert_eq!(sink.changed_files(), states(&files(&stand.lake)));
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_is_told_once_it_is_published() {
    let stand = Stand::new();
    let mut sink = spanlake_lake::ParquetSink::new(&stand.lake).disk(stand.disk.handle());
    feed(&mut sink, &Script::events("event", 2)).unwrap();
    stand.disk.fail(Fault::at(1).of(Operation::SyncFolder));
    sink.flush().unwrap_err();
    assert_eq!(sink.changed_files(), []);
    sink.flush().unwrap();
    assert_eq!(sink.changed_files(), states(&files(&stand.lake)));
    assert_eq!(sink.changed_files(), []);
}
