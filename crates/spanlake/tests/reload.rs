//! A configuration that changes a thousand times while four threads log, and one that is wrong.
//!
//! A binary of its own, because it sets the global subscriber; one test, because that can be done once.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use spanlake::prelude::*;
use spanlake::{OwnedRecord, Reloader};
use spanlake_query::{Filter, Lake};

const LONG: Duration = Duration::from_secs(60);
const RELOADS: u64 = 1_000;
const THREADS: u64 = 4;

/// A file in two forms: what the root binds tells them apart, twice, and one has a sink more.
fn text(lake: &Path, form: &str) -> String {
    let more = if form == "b" { "  more: \"null\"\n" } else { "" };
    format!(
        "lake: {{ path: {lake:?} }}\n\
         queue: {{ policy: {{ kind: block, timeout: 60 s }}, capacity: 4 MiB }}\n\
         reload: {{ on: [hangup] }}\n\
         loggers:\n  root: {{ level: DEBUG, context: {{ form: {form}, twin: {form} }} }}\n\
         sinks:\n  jsonl: jsonl\n{more}"
    )
}

#[test]
fn nothing_is_lost_or_torn_while_the_configuration_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, path) = (folder.path().join("lake"), folder.path().join("spanlake.yaml"));
    fs::write(&path, text(&lake, "a")).expect("written");
    let started = spanlake::init_from_file(&path).expect("set up");

    let logged = storm(&started.reloader, &path, &lake);
    wrong_files_change_nothing(&started.reloader, &path, &lake);
    signals_are_heard(&started.reloader, &path, &lake);

    let report = started.guard.shutdown(LONG).expect("a minute is enough");
    assert_eq!(report.lost, 0, "{report}");
    let records: Vec<_> = Lake::open(&lake).expect("a lake").read(&Filter::new()).expect("it can be read").collect();
    assert_storm(&records, logged);
}

/// Reloads while threads log, and returns how often they did.
fn storm(reloader: &Reloader, path: &Path, lake: &Path) -> u64 {
    let (is_over, logged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    tracing::debug!(number = logged.fetch_add(1, Ordering::Relaxed), "storm");
                    thread::sleep(Duration::from_micros(100));
                }
            });
        }
        for number in 0..RELOADS {
            fs::write(path, text(lake, if number % 2 == 0 { "b" } else { "a" })).expect("written");
            let reloaded = reloader.reload().expect("it is right");
            assert!(reloaded.needs_restart.is_empty(), "{reloaded:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(reloader.changes(), RELOADS);
    logged.into_inner()
}

fn wrong_files_change_nothing(reloader: &Reloader, path: &Path, lake: &Path) {
    fs::write(path, "sinks: { jsonl: jsnol }\n").expect("written");
    let error = reloader.reload().expect_err("it is wrong");
    assert!(error.chain().contains("did you mean `json"), "{}", error.chain());
    assert!(reloader.last_error().expect("it is kept").to_string().contains("there is no kind `jsnol`"));
    assert_eq!(reloader.changes(), RELOADS);
    tracing::debug!("after a wrong file");
    let other = text(lake, "a").replace("4 MiB", "8 MiB");
    fs::write(path, other).expect("written");
    let reloaded = reloader.reload().expect("it is right");
    assert_eq!(reloaded.needs_restart, ["queue.capacity"]);
    assert!(reloader.last_error().is_none());
}

fn signals_are_heard(reloader: &Reloader, path: &Path, lake: &Path) {
    fs::write(path, text(lake, "b")).expect("written");
    let before = reloader.changes();
    signal_hook::low_level::raise(signal_hook::consts::SIGHUP).expect("raised");
    let waited = std::time::Instant::now();
    while reloader.changes() == before {
        assert!(waited.elapsed() < LONG, "nobody heard the signal");
        thread::sleep(Duration::from_millis(5));
    }
}

fn assert_storm(records: &[OwnedRecord], logged: u64) {
    let storm: Vec<_> = records.iter().filter(|record| record.message == "storm").collect();
    let fields = |record: &OwnedRecord| serde_json::from_str::<serde_json::Value>(&record.fields).expect("JSON");
    let numbers: HashSet<_> = storm.iter().map(|record| fields(record)["number"].as_u64().expect("a number")).collect();
    assert_eq!((storm.len() as u64, numbers.len() as u64), (logged, logged));
    assert!(storm.iter().all(|record| fields(record)["form"] == fields(record)["twin"]));
    let forms: HashSet<_> = storm.iter().map(|record| fields(record)["form"].to_string()).collect();
    assert_eq!(forms.len(), 2, "{forms:?}");
    let said = |message: &str| records.iter().filter(|record| record.message == message).count();
    assert_eq!(said("after a wrong file"), 1);
    assert_eq!(said("the configuration was not changed: the one before holds"), 1);
    assert_eq!(said("the configuration was changed"), RELOADS as usize + 2);
}
