//! The system log: lines of text in the lake.

use std::fs;

use spanlake_core::render::Lifecycle;
use spanlake_core::{LevelFilter, Outcome, Sink, Value};
use spanlake_lake::SystemLogSink;

use crate::support::{Script, feed, lines, only_file};

#[test]
fn records_are_lines_of_text() {
    let lake = tempfile::tempdir().unwrap();
    let mut script = Script::new();
    script.event(None, 0, "wrote batch", &[("rows", Value::U64(500)), ("ok", Value::Bool(true))]);
    let mut sink = SystemLogSink::new(lake.path());
    feed(&mut sink, &script.segment()).unwrap();
    sink.flush().unwrap();

    let path = only_file(&lake.path().join("debug_json/system_log/run_date=2026-11-20"));
    assert_eq!(path.file_name().unwrap(), "20261120T120000.000000Z_obelix_6156_0001.log");
    let line = "2026-11-20T12:00:00.000001Z - INFO - flights::silver:flights:33 - [-] - wrote batch rows=500 ok=true\n";
    assert_eq!(fs::read_to_string(path).unwrap(), line);
}

#[test]
fn an_error_and_its_causes_stay_with_their_record() {
    let lake = tempfile::tempdir().unwrap();
    let mut script = Script::new();
    let task = script.root(1, "load");
    script.end(task, 0, Outcome::Failed, &["cannot load", "disk full"]);
    feed(&mut SystemLogSink::new(lake.path()), &script.segment()).unwrap();
    let lines = lines(lake.path());
    assert_eq!(&lines[1..], ["    error: cannot load", "    caused by: disk full"]);
}

#[test]
fn lifecycle_and_level_are_as_set() {
    let lake = tempfile::tempdir().unwrap();
    let sink = SystemLogSink::new(lake.path()).level(LevelFilter::WARN);
    assert_eq!(Sink::level(&sink), LevelFilter::WARN);
    let mut script = Script::new();
    let task = script.root(1, "load");
    script.end(task, 0, Outcome::Succeeded, &[]);
    feed(&mut sink.lifecycle(Lifecycle::Timed), &script.segment()).unwrap();
    assert!(lines(lake.path())[0].ends_with(" - End (0.50): it ended"));
}
