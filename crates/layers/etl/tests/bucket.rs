//! Lakes in buckets: in memory, and on a real server that speaks S3, also where the process is killed in the middle.
//!
//! The test of the kill runs this executable again as a child, told by environment variables what to do.
#![cfg(feature = "s3")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use spanlake_etl::{EtlLayer, EtlLayerBuilder, JobRow, Lineage, Run, RunRow, StoreOptions};
use spanlake_lake::runs::{
    INTERRUPTED, Line, Row, SessionFile, SessionRecovery, Stem, lineage, parse_line, read_table,
};
use spanlake_lake::store::Store;
use spanlake_testkit::servers::S3Server;
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// Where the server is; absent in the parent.
const ENDPOINT: &str = "SPANLAKE_ETL_ENDPOINT";

/// The file of a child's lineage.
const LINEAGE: &str = "SPANLAKE_ETL_LINEAGE";

const LAKE: &str = "s3://lakes/nightly";

/// Runs that a child has flushed before it is killed, at least.
const FLUSHED: u64 = 20;

#[test]
fn a_job_in_memory_leaves_parts_and_tables() {
    let lake = "memory://a-job-in-memory";
    let (layer, job) = EtlLayer::builder(lake).build().expect("a lake");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        run("a");
        job.flush(Duration::from_secs(30)).expect("a log");
        job.flush(Duration::from_secs(30)).expect("nothing to write");
        run("b");
    });
    let report = job.finish().expect("a lake that can be written to");
    let mut store = Store::open(lake, &StoreOptions::new()).expect("the same lake");
    let left = look(&mut store);
    assert_eq!(left.parts, [1, 2, 3], "a part for each time that something was written, and for the job");
    assert_eq!(names(&left.logged), ["a", "b"]);
    assert_eq!((names(&left.runs), left.jobs), (names(&left.logged), vec![report.job.clone()]));
    assert_eq!(left.summaries, [report.job]);
    assert!(store.list(".sessions").expect("a lake").is_empty());
}

#[test]
fn a_session_in_s3_is_closed_when_its_process_was_killed_and_no_object_is_ever_seen_in_part() {
    let server = S3Server::start();
    server.create_bucket("lakes");
    let mut store = store(&server.endpoint());
    let (mut child, mut out) = child(&server);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // From before the first object to behind the last, whatever is there is whole.
        let watcher = scope.spawn(|| {
            let (mut store, mut looks) = (self::store(&server.endpoint()), 0u64);
            while !is_over.load(Ordering::Acquire) {
                drop(look(&mut store));
                looks += 1;
            }
            looks
        });
        let flushed = wait_for(&mut out, FLUSHED);
        child.kill().expect("killed");
        child.wait().expect("it ended");
        close(&mut store, flushed);
        is_over.store(true, Ordering::Release);
        assert!(watcher.join().expect("every object was whole") > 0);
    });
    // What was closed stays as it is, and the next job has a name of its own.
    let before = look(&mut store);
    let (_layer, job) = builder(&server.endpoint()).job_id("next").build().expect("a lake");
    let report = job.finish().expect("a lake that can be written to");
    assert_eq!((report.recovered, report.is_complete()), (0, true), "{report}");
    assert_eq!(names(&look(&mut store).runs), names(&before.runs));
}

/// Closes the session that was killed, which had `flushed` runs in its parts.
fn close(store: &mut Store, flushed: u64) {
    let closed = SessionRecovery::new(store).run(|_| Ok(())).expect("a lake");
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert!(closed[0].error.is_none(), "{:?}", closed[0].error);
    let left = look(store);
    assert!(left.logged.len() as u64 >= flushed, "{} of {flushed}", left.logged.len());
    let expected: Vec<_> = (0..left.logged.len()).map(|number| number.to_string()).collect();
    assert_eq!(names(&left.logged), expected, "each once, in order");
    assert_eq!(names(&left.runs), expected);
    assert_eq!((left.summaries.len(), left.jobs.len()), (1, 1));
    assert_eq!(left.jobs[0].error_message.as_deref(), Some(INTERRUPTED));
    assert_eq!(left.jobs[0].total_dataflows, Some(expected.len() as i64));
    assert!(store.list(".sessions").expect("a lake").is_empty());
    assert!(SessionRecovery::new(store).run(|_| Ok(())).expect("a lake").is_empty());
}

#[test]
fn runs_have_both_events_of_their_lineage_though_nothing_of_the_log_was_flushed() {
    let server = S3Server::start();
    server.create_bucket("lakes");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lineage.jsonl");
    for _ in 0..3 {
        let before = events(&file).len();
        let (mut child, _out) = child_with(&server, &[(LINEAGE, &file.to_string_lossy())]);
        while events(&file).len() < before + 40 {
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("killed");
        child.wait().expect("it ended");
        let mut store = store(&server.endpoint());
        let closed =
            SessionRecovery::new(&mut store).run(|closed| lineage::complete(closed).map(drop)).expect("a lake");
        assert!(closed.len() == 1 && closed[0].error.is_none(), "{closed:?}");
        check_events(&file, &look(&mut store).logged);
    }
}

/// Every run of the log has a START and an end, and no other run has any.
fn check_events(file: &Path, logged: &[RunRow]) {
    let events = events(file);
    for row in logged {
        let id = lineage::run_id(row);
        let of_run = events.iter().filter(|event| event["run"]["runId"] == id.as_str());
        let kinds: Vec<_> = of_run.map(|event| event["eventType"].as_str().expect("a type")).collect();
        let is_cut_off = row.error_message.as_deref() == Some(INTERRUPTED);
        assert_eq!(kinds, ["START", if is_cut_off { "ABORT" } else { "COMPLETE" }], "{row:?}");
    }
    let known: std::collections::HashSet<_> = logged.iter().map(lineage::run_id).collect();
    let strangers = events.iter().filter(|event| !known.contains(event["run"]["runId"].as_str().expect("an id")));
    assert_eq!(strangers.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new(), "events of runs without a row");
    assert_eq!(known.len(), logged.len(), "each run is logged once");
}

fn events(file: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn a_wrong_key_is_an_error_at_once_and_shows_no_secret() {
    let server = S3Server::start();
    server.create_bucket("lakes");
    server.refuse_keys();
    let error = builder(&server.endpoint()).build().expect_err("no access");
    assert!(!error.chain().contains("a-secret-key"), "{}", error.chain());
    assert!(!error.is_recoverable(), "{}", error.chain());
}

/// Does what a parent asked for; nothing when this is no child.
#[test]
fn child_of_another_test() -> ExitCode {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        return ExitCode::SUCCESS;
    };
    let (mut builder, mut flushes) = (builder(&endpoint), true);
    if let Ok(file) = std::env::var(LINEAGE) {
        (builder, flushes) = (builder.lineage(Lineage::file(file)), false);
    }
    let (layer, job) = builder.build().expect("a lake");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for number in 0u64.. {
            run(&number.to_string());
            if !flushes {
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            if number % 5 == 4 {
                job.flush(Duration::from_secs(30)).expect("a log");
                println!("flushed {}", number + 1);
            }
        }
    });
    ExitCode::SUCCESS
}

fn child(server: &S3Server) -> (Child, impl BufRead) {
    child_with(server, &[])
}

fn child_with(server: &S3Server, told: &[(&str, &str)]) -> (Child, impl BufRead + use<>) {
    let mut child = Command::new(std::env::current_exe().expect("this executable"))
        .args(["--exact", "child_of_another_test", "--nocapture"])
        .env(ENDPOINT, server.endpoint())
        .envs(told.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    (child, out)
}

/// Waits until the child says that so many runs are flushed, and gives how many are.
fn wait_for(out: &mut impl BufRead, runs: u64) -> u64 {
    let numbers = out.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix("flushed ")?.parse().ok());
    numbers.into_iter().find(|flushed| *flushed >= runs).expect("a child that goes on")
}

fn run(name: &str) {
    info_span!("run", etl.dataflow = name).in_scope(|| Run::current().rows_read(1));
}

fn options(endpoint: &str) -> StoreOptions {
    let options = StoreOptions::new().option("aws_endpoint", endpoint).option("aws_allow_http", "true");
    let options = options.option("aws_region", "us-east-1").option("aws_access_key_id", "a-key");
    options.option("aws_secret_access_key", "a-secret-key")
}

fn store(endpoint: &str) -> Store {
    Store::open(LAKE, &options(endpoint)).expect("a lake")
}

fn builder(endpoint: &str) -> EtlLayerBuilder {
    EtlLayer::builder(LAKE).store(options(endpoint))
}

/// What is in a lake, every object of which is whole.
#[derive(Default)]
struct Left {
    parts: Vec<u32>,
    logged: Vec<RunRow>,
    summaries: Vec<JobRow>,
    runs: Vec<RunRow>,
    jobs: Vec<JobRow>,
}

/// Looks at the sessions of the default job.
fn look(store: &mut Store) -> Left {
    let mut left = Left::default();
    for file in store.list("").expect("a lake") {
        let Some((stem, kind)) = Stem::of_path(&file.path) else { continue };
        // It may have been removed since, but is never seen in part.
        let Some(content) = store.read(&file.path).expect("an object") else { continue };
        if !stem.as_str().ends_with("_default") {
            continue;
        }
        match kind {
            SessionFile::Log(part) => left.read_part(part, &content),
            SessionFile::Runs => left.runs.extend(table::<RunRow>(content)),
            SessionFile::Job => left.jobs.extend(table::<JobRow>(content)),
        }
    }
    left
}

impl Left {
    fn read_part(&mut self, part: u32, content: &[u8]) {
        self.parts.push(part);
        assert!(content.ends_with(b"\n"), "whole lines");
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            match parse_line(line).expect("a line") {
                Line::Run(run) => self.logged.push(*run),
                Line::Job(job) => self.summaries.push(*job),
            }
        }
    }
}

fn table<R: Row>(content: Vec<u8>) -> Vec<R> {
    read_table(content).expect("a table")
}

fn names(runs: &[RunRow]) -> Vec<String> {
    runs.iter().filter_map(|run| run.dataflow_name.clone()).collect()
}
