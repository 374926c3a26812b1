//! The example in the guide to configuration, carried out: each record goes where the file says, as the file says.
//!
//! A binary of its own, because it sets the global subscriber and the working directory.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use spanlake::observe::{Observe, observe};
use spanlake::prelude::*;

const LONG: Duration = Duration::from_secs(60);

const GUIDE: &str = include_str!("../../../docs/configuration.md");

#[derive(Observe)]
#[observe(name = "pump")]
struct Pump {
    #[observe(time)]
    seconds: f64,
    #[observe(output)]
    flow: f64,
}

#[test]
fn the_whole_example_is_carried_out() {
    let folder = tempfile::tempdir().expect("a folder");
    std::env::set_current_dir(folder.path()).expect("a folder");
    let (_, rest) = GUIDE.split_once("```yaml\n").expect("an example");
    let (example, _) = rest.split_once("```\n").expect("its end");
    fs::write("spanlake.yaml", example).expect("written");
    let started = spanlake::init_from_file("spanlake.yaml").expect("set up");
    work();
    tracing::debug!(target: "elsewhere", "nobody wants this");
    started.job.expect("a job").finish().expect("finished");
    let report = started.guard.shutdown(LONG).expect("a minute is enough");
    assert!(report.is_complete(), "{report:#?}");

    let lake = lines(Path::new("lake/debug_json/records"));
    let mut messages: Vec<_> = lake.iter().filter(|record| record["kind"] == "event").map(message).collect();
    messages.retain(|message| !message.contains("pump"));
    assert_eq!(messages, ["rows were read", "pool is warm", "rows were stored", "greeted", "refused", "in this task"]);
    assert!(lake.iter().all(|record| record["service"] == "orders" && record["fields"]["region"] == "eu"));
    let stored = lake.iter().find(|record| message(record) == "rows were stored").expect("a record");
    let (fields, hidden) = (&stored["fields"], stored["fields"]["password"].as_str());
    assert_eq!((&fields["team"], &fields["raw"], hidden), (&Value::from("storage"), &Value::Null, Some("***")));

    // What `hyper` keeps to one sink, the others lack.
    let written = |name: &str| report.sinks.iter().find(|sink| sink.name == name).expect("a sink").written;
    assert_eq!(written("jsonl") - written("parquet"), 1);
    assert_audit(&fs::read_to_string("logs/audit.log").expect("lines"));
    assert_detail(&lines(Path::new("detail.jsonl")));
    assert!(fs::read_to_string("lineage.jsonl").expect("events").contains("\"namespace\":\"orders\""));
    assert!(!Path::new("rescue.jsonl").exists(), "nothing had to be rescued");
}

/// A task that fails, with one in it that the file wants to know more of.
fn work() {
    let _night = tracing::info_span!("night", etl.dataflow = "orders").entered();
    tracing::debug!(target: "orders::db", raw = "0x00", "rows were read");
    tracing::trace!(target: "orders::db::pool", "pool is warm");
    tracing::info!(target: "orders::db", raw = "0x00", password = "hush", "rows were stored");
    tracing::info!(target: "orders::web", "greeted");
    tracing::info!(target: "hyper", "chatter");
    tracing::warn!(target: "hyper", "refused");
    tracing::debug!("in another task");
    tracing::info_span!("load_orders").in_scope(|| {
        tracing::debug!("in [bold]this[/bold] task");
        for seconds in [20.0, 30.0] {
            observe(&mut Pump { seconds, flow: 0.0 }, "run_once", |pump| pump.flow += pump.seconds);
        }
    });
    spanlake::Task::current().expect("a task").fail(&std::io::Error::other("no such table"));
}

/// What the pipeline lets through, as its sink writes it.
fn assert_audit(text: &str) {
    let [line] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let parts = ["INFO rows were stored", "team=storage", "region=eu", "password=***"];
    assert!(parts.iter().all(|part| line.contains(part)) && !line.contains("raw"), "{line}");
}

/// The second run only, and all that is no detail.
fn assert_detail(records: &[Value]) {
    let details: Vec<_> = records.iter().filter(|record| record["level"] == "DEBUG").map(message).collect();
    assert_eq!(details, ["Entering pump - run_once", "Exiting pump - run_once"]);
    assert!(records.iter().any(|record| message(record) == "greeted"));
}

fn message(record: &Value) -> &str {
    record["message"].as_str().expect("a message")
}

/// The lines of a file, or of all files in a folder.
fn lines(path: &Path) -> Vec<Value> {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut entries: Vec<PathBuf> = entries.collect();
        entries.sort();
        return entries.iter().flat_map(|path| lines(path)).collect();
    }
    let text = fs::read_to_string(path).expect("lines");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
