//! The flight recorder in front of a lake: what it saves, and that a kill takes none of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use spanlake::prelude::*;
use spanlake::{CaptureLayerBuilder, scope::Task};
use tracing::{debug, info, info_span};

/// The lake's folder; set for the child.
const LAKE: &str = "SPANLAKE_TEST_LAKE";

/// So rarely that in a test only a flush makes the pump drain.
const NEVER: Duration = Duration::from_secs(3_600);

const LONG: Duration = Duration::from_secs(60);

const TASKS: usize = 1_000;

/// Details of each task.
const DETAILS: usize = 50;

fn lines(lake: &Path) -> (Vec<Value>, usize) {
    let mut text = String::new();
    for day in std::fs::read_dir(lake.join("debug_json/records")).expect("records") {
        for file in std::fs::read_dir(day.expect("a folder").path()).expect("a folder") {
            text += &std::fs::read_to_string(file.expect("a file").path()).expect("text");
        }
    }
    (text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect(), text.len())
}

fn builder(lake: &Path) -> CaptureLayerBuilder {
    CaptureLayer::builder().level(LevelFilter::DEBUG).sink(JsonlSink::new(lake))
}

/// A thousand orders, every hundredth of which fails.
fn load_orders() {
    for number in 0..TASKS {
        let _order = info_span!("load_order", number, customer = "c-4711").entered();
        (0..DETAILS).for_each(|step| debug!(step, rows = step * 100, "applied a rule"));
        info!(rows = DETAILS, "loaded");
        if number % 100 == 7 {
            Task::current().expect("a task").fail(&std::io::Error::other("no such customer"));
        }
    }
}

/// Loads the orders into a lake, and gives its records, their bytes and the report.
fn loaded(build: impl FnOnce(CaptureLayerBuilder) -> CaptureLayerBuilder) -> (Vec<Value>, usize, Report) {
    let lake = tempfile::tempdir().expect("a folder");
    let (capture, guard) = build(builder(lake.path())).build().expect("a lake");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), load_orders);
    let report = guard.shutdown(LONG).expect("in time");
    assert!(report.is_complete(), "{report}");
    let (lines, bytes) = lines(lake.path());
    (lines, bytes, report)
}

#[test]
fn of_a_thousand_tasks_exactly_the_ten_that_fail_have_their_details_in_the_lake() {
    let (all, all_bytes, _) = loaded(|builder| builder);
    let (kept, kept_bytes, report) = loaded(|builder| builder.processor(FlightRecorder::new()));
    let count = |kind: &str, level: &str| {
        kept.iter().filter(|record| record["kind"] == kind && record["level"] == level).count()
    };
    assert_eq!((all.len(), count("begin", "INFO"), count("event", "INFO")), (TASKS * (DETAILS + 3), TASKS, TASKS));

    let mut detailed = std::collections::BTreeMap::<u64, Vec<u64>>::new();
    for record in kept.iter().filter(|record| record["level"] == "DEBUG") {
        let number = record["context"]["number"].as_u64().expect("a number");
        let seq = record["key"].as_str().and_then(|key| key.split('@').next()?.parse().ok());
        detailed.entry(number).or_default().push(seq.expect("a key"));
    }
    assert_eq!(detailed.keys().copied().collect::<Vec<_>>(), (0..10).map(|at| at * 100 + 7).collect::<Vec<_>>());
    assert!(detailed.values().all(|seqs| *seqs == (1..=DETAILS as u64).collect::<Vec<_>>()), "{detailed:?}");

    let held_back = kept.iter().filter_map(|record| record["fields"]["spanlake.held_back"].as_u64());
    assert_eq!((held_back.clone().count(), held_back.sum::<u64>()), (990, report.held_back));
    assert_eq!(report.held_back as usize, 990 * DETAILS);
    let share = 100.0 * kept_bytes as f64 / all_bytes as f64;
    println!(
        "{TASKS} tasks of {DETAILS} details, 1 % failing: {all_bytes} bytes at DEBUG, {kept_bytes} held: {share:.1} %"
    );
    assert!(kept_bytes * 10 < all_bytes);
}

// === kills ===

/// Plays a job that has two checkpoints and waits to be killed; nothing without the variable.
#[test]
fn job_that_is_killed() {
    let Ok(lake) = std::env::var(LAKE) else { return };
    let lake = Path::new(&lake);
    let builder = builder(lake).spool(lake.join(".spool")).drain_every(NEVER).flush_every(NEVER);
    let (capture, guard) = builder.processor(FlightRecorder::new()).build().expect("a lake");
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(capture));
    let job = info_span!("job").entered();
    info_span!("over").in_scope(|| debug!("of a step that is over"));
    info_span!(parent: None, "other").in_scope(|| debug!("of another task that went well before the checkpoint"));
    let failing = info_span!(parent: None, "failing").entered();
    debug!("of a task that fails");
    for round in 0..2 {
        debug!(parent: &job, "held over checkpoint {round}");
        let report = guard.flush(LONG);
        assert_eq!(report.spool.as_ref().map(|spool| spool.retained_bytes), Some(0), "a checkpoint: {report:?}");
    }
    Task::current().expect("a task").fail(&std::io::Error::other("no luck"));
    drop(failing);
    guard.flush(LONG);
    debug!(parent: &job, "last words");
    println!("said");
    std::thread::park();
}

#[test]
fn what_is_held_of_tasks_that_are_open_survives_a_kill_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    std::fs::create_dir(&lake).expect("a folder");
    let mut killed = Command::new(std::env::current_exe().expect("this program"));
    let killed = killed.args(["--exact", "job_that_is_killed", "--nocapture"]).env(LAKE, &lake);
    let mut killed = killed.stdout(Stdio::piped()).spawn().expect("a child");
    let mut out = BufReader::new(killed.stdout.take().expect("its output")).lines();
    assert!(out.any(|line| line.expect("text").contains("said")));
    killed.kill().expect("our child");
    killed.wait().expect("our child");

    let held = ["of a step that is over", "held over checkpoint 0", "held over checkpoint 1", "last words"];
    let count = |message: &str| lines(&lake).0.iter().filter(|line| line["message"] == message).count();
    assert_eq!(held.map(count), [0; 4], "held");
    assert_eq!(count("of a task that fails"), 1, "written before the kill");
    let recovered = spanlake::lake::Recovery::new(&lake).run().expect("a lake");
    assert_eq!(recovered.len(), 1, "{recovered:?}");
    assert_eq!(held.map(count), [1; 4], "{:#?}", lines(&lake).0);
    assert_eq!((count("of a task that fails"), count("job"), count("INTERRUPTED job")), (1, 1, 1));
    assert_eq!(count("of another task that went well before the checkpoint"), 0);
    assert_eq!(std::fs::read_dir(lake.join(".spool")).expect("the spool").count(), 0);
}
