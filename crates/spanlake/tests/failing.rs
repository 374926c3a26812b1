//! Sinks that fail beside one that does not: the healthy one misses nothing, the others say what is wrong, and what they miss
//! is written later or counted.
//!
//! The program with a file is a process of its own, because it sets the global subscriber and its output is a closed pipe.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use spanlake::core::{Batch, SinkReport, SinkState};
use spanlake::prelude::*;
use spanlake::{Error, Pipe, Sink};
use spanlake_query::{Filter, Lake};

const LONG: Duration = Duration::from_secs(60);
const RECORDS: u64 = 1_000;

/// The folder of the child's file and lake; set for the child.
const FOLDER: &str = "SPANLAKE_TEST_FAILING";

/// A full disk, a closed pipe, and a folder that cannot be made yet, beside the lake.
fn text(folder: &Path) -> String {
    let (lake, lines) = (folder.join("lake"), folder.join("blocked/lines.jsonl"));
    format!(
        "lake: {{ path: {lake:?} }}\n\
         queue: {{ policy: {{ kind: block, timeout: 60 s }} }}\n\
         loggers: {{ root: {{ sinks: [healthy, full, closed, blocked] }} }}\n\
         sinks:\n\
         \x20 healthy: jsonl\n\
         \x20 full: {{ kind: file, path: /dev/full, backlog: 16 KiB }}\n\
         \x20 closed: {{ kind: stdout, level: DEBUG, backlog: 16 KiB }}\n\
         \x20 blocked: {{ kind: file, path: {lines:?} }}\n"
    )
}

/// Plays the program; nothing without the variable. What it found goes to a file, for lack of an output.
#[test]
fn program_whose_sinks_fail() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let started = spanlake::init_from_file(folder.join("spanlake.yaml")).expect("set up");
    println!("said");
    // Until nobody listens any more.
    assert_eq!(std::io::stdin().lines().count(), 0);
    for number in 0..RECORDS {
        tracing::info!(number, "work");
    }
    let while_failing = started.guard.flush(LONG);
    // As somebody does who was told by the report.
    fs::remove_file(folder.join("blocked")).expect("removed");
    let began = Instant::now();
    while state(&started.guard.flush(LONG), "blocked") != SinkState::Ok && began.elapsed() < LONG {}
    let after = started.guard.shutdown(LONG).expect("a minute is enough");
    let found = json!({ "while": sinks(&while_failing), "after": sinks(&after), "recorded": after.recorded });
    fs::write(folder.join("found.json"), found.to_string()).expect("written");
}

fn state(report: &Report, name: &str) -> SinkState {
    report.sinks.iter().find(|sink| sink.name == name).expect("a sink").state
}

fn sinks(report: &Report) -> Value {
    let sink = |sink: &SinkReport| {
        let SinkReport { name, state, written, lost, pending, errors, last_error, .. } = sink;
        let state = format!("{state:?}");
        let found = json!({ "state": state, "written": written, "lost": lost, "pending": pending, "errors": errors, "why": last_error });
        (name.clone(), found)
    };
    Value::Object(report.sinks.iter().map(sink).collect())
}

#[cfg(target_os = "linux")]
#[test]
fn sinks_of_a_file_that_fail_harm_nobody_else_and_say_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("spanlake.yaml"), text(folder)).expect("written");
    fs::write(folder.join("blocked"), "no folder").expect("written");
    let mut program = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "program_whose_sinks_fail", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut out = BufReader::new(program.stdout.take().expect("its output")).lines();
    assert!(out.any(|line| line.expect("text").contains("said")));
    drop(out);
    drop(program.stdin.take());
    // Its tests cannot say how they went.
    program.wait().expect("our child");

    let found = fs::read_to_string(folder.join("found.json")).expect("it came to its end");
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!((&found["recorded"], numbers(&folder.join("lake"))), (&json!(RECORDS), (0..RECORDS).collect()));
    for name in ["full", "closed"] {
        let sink = &found["after"][name];
        assert_eq!((&sink["state"], &sink["written"], &sink["pending"]), (&json!("Degraded"), &json!(0), &json!(0)));
        assert_eq!(sink["lost"], RECORDS, "{sink}");
    }
    let why = |name: &str| found["while"][name]["why"].as_str().expect("a reason").to_owned();
    assert!(why("full").contains("No space left on device"), "{}", why("full"));
    assert!(why("closed").contains("Broken pipe"), "{}", why("closed"));
    let blocked = &found["while"]["blocked"];
    assert_eq!((&blocked["state"], &blocked["pending"]), (&json!("Retrying"), &json!(RECORDS)), "{blocked}");
    assert!(blocked["errors"].as_u64() >= Some(1), "{blocked}");
    let blocked = &found["after"]["blocked"];
    assert_eq!((&blocked["state"], &blocked["written"], &blocked["lost"]), (&json!("Ok"), &json!(RECORDS), &json!(0)));
    let lines = fs::read_to_string(folder.join("blocked/lines.jsonl")).expect("lines");
    let number = |line| serde_json::from_str::<Value>(line).expect("JSON")["fields"]["number"].as_u64();
    assert!(lines.lines().filter_map(number).eq(0..RECORDS), "each once, in order");
}

/// Counts what it gets, but panics so many times before.
struct Panicking {
    panics: u32,
    kept: Arc<Mutex<u64>>,
}

impl Sink for Panicking {
    fn name(&self) -> &str {
        "panicking"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        if self.panics > 0 {
            self.panics -= 1;
            panic!("a fault of somebody else");
        }
        *self.kept.lock().expect("nobody panics with it") += batch.records().count() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_sink_that_panics_gets_its_records_later_or_is_told_to_lack_them() {
    for (panics, state) in [(3, SinkState::Ok), (u32::MAX, SinkState::Degraded)] {
        let lake = tempfile::tempdir().expect("a folder");
        let kept = Arc::new(Mutex::new(0));
        let panicking = Pipe::to(Panicking { panics, kept: Arc::clone(&kept) });
        let builder = CaptureLayer::builder().sink(JsonlSink::new(lake.path())).pipe(panicking);
        let (capture, guard) = builder.build().expect("a thread");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
            (0..RECORDS).for_each(|number| tracing::info!(number, "work"));
        });
        let failing = guard.flush(LONG);
        assert!(
            failing.sink_errors().any(|(name, why)| name == "panicking" && why.contains("a fault of somebody else"))
        );
        for _ in 0..3 {
            guard.flush(LONG);
        }
        let report = guard.shutdown(LONG).expect("a minute is enough");
        let sink = report.sinks.iter().find(|sink| sink.name == "panicking").expect("a sink");
        assert_eq!((sink.state, sink.pending), (state, 0), "{sink:?}");
        assert_eq!((sink.written, sink.written + sink.lost), (*kept.lock().expect("kept"), RECORDS));
        assert_eq!(numbers(lake.path()), (0..RECORDS).collect::<Vec<_>>());
    }
}

/// The numbers of all work in a lake, sorted.
fn numbers(lake: &Path) -> Vec<u64> {
    let records = Lake::open(lake).expect("a lake").read(&Filter::new()).expect("it can be read");
    let work = records.filter(|record| record.message == "work");
    let number = |fields: &str| serde_json::from_str::<Value>(fields).expect("JSON")["number"].as_u64();
    let mut numbers: Vec<_> = work.filter_map(|record| number(&record.fields)).collect();
    numbers.sort_unstable();
    numbers
}
