//! Levels that are changed while the program runs, through the default set-up: the filter in front, `log`, files and all.

use std::path::Path;

use spanlake::core::LevelFilter;
use spanlake::prelude::*;

/// A task that tells everything, through `tracing` and through `log`.
fn work(round: &str) {
    tracing::info_span!("load").in_scope(|| {
        tracing::info!(round, "info");
        tracing::trace!(round, "trace");
        log::trace!(target: "foreign", "{round} foreign");
    });
    tracing::trace!(round, "outside");
}

/// The messages of the lake's events, with their rounds.
fn events(lake: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![lake.join("debug_json")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() { folders.push(entry) } else { lines.push(std::fs::read_to_string(entry).expect("text")) }
        }
    }
    let records = lines
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let events = records.filter(|record| record["kind"] == "event");
    events
        .map(|record| {
            format!(
                "{}{}",
                record["fields"]["round"].as_str().unwrap_or(""),
                record["message"].as_str().expect("a text")
            )
        })
        .collect()
}

#[test]
fn verbosity_is_turned_up_and_down_through_everything() {
    let lake = tempfile::tempdir().expect("a folder");
    let guard = spanlake::builder()
        .lake(lake.path())
        .console(LevelFilter::OFF)
        .files(LevelFilter::INFO)
        .init()
        .expect("a set-up");
    let verbosity = guard.handle().verbosity().clone();
    work("1 ");
    verbosity.set("task=load=trace/10m".parse().expect("a directive"));
    work("2 ");
    verbosity.set("foreign=trace".parse().expect("a directive"));
    work("3 ");
    verbosity.set("off".parse().expect("a directive"));
    work("4 ");
    verbosity.clear();
    work("5 ");
    guard.shutdown(Duration::from_secs(30)).expect("in time");
    let heard = events(lake.path());
    assert_eq!(heard, ["1 info", "2 info", "2 trace", "2  foreign", "3 info", "3  foreign", "5 info"]);
}
