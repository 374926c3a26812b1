//! A job with lineage, its events, and children to be killed.
//!
//! A child is this executable, run again and told by environment variables what to do.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value as Json;
use spanlake_etl::{EtlLayer, EtlLayerBuilder, Job, JobReport, Lineage, Run, RunRow};
use spanlake_lake::runs::{ClosedSession, INTERRUPTED, Line, SessionRecovery, lineage, parse_line};
use spanlake_lake::store::Store;
use tracing::{dispatcher, info_span};
use tracing_subscriber::prelude::*;

/// Says to a child what it is to do; absent in the parent.
const ROLE: &str = "SPANLAKE_LINEAGE_ROLE";

/// The folder in which everything stands.
const FOLDER: &str = "SPANLAKE_LINEAGE_FOLDER";

/// The endpoint that a child sends to; without one it writes to a file.
const ENDPOINT: &str = "SPANLAKE_LINEAGE_ENDPOINT";

/// Runs of each of four threads of a child.
const RUNS: u64 = 100;

/// A lake, and the file of its lineage.
pub(super) struct Stand {
    pub(super) folder: PathBuf,
    _guard: Option<tempfile::TempDir>,
}

/// Events in their order.
#[derive(Debug)]
pub(super) struct Events(pub(super) Vec<Json>);

impl Stand {
    pub(super) fn new() -> Self {
        let guard = tempfile::tempdir().expect("a folder");
        Self { folder: guard.path().to_owned(), _guard: Some(guard) }
    }

    pub(super) fn lake(&self) -> PathBuf {
        self.folder.join("lake")
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.join("events/lineage.jsonl")
    }

    pub(super) fn lineage(&self) -> Lineage {
        Lineage::file(self.file())
    }

    pub(super) fn builder(&self) -> EtlLayerBuilder {
        EtlLayer::builder(self.lake()).lineage(self.lineage())
    }

    /// Runs `work` as a job, and finishes it.
    pub(super) fn job<T>(&self, work: impl FnOnce(&Job) -> T) -> T {
        let mut made = None;
        let report = self.job_of(|dispatch, job| made = Some(dispatcher::with_default(dispatch, || work(job))));
        assert!(report.is_written && report.lineage_owed == 0, "{report}");
        made.expect("it was at work")
    }

    pub(super) fn job_of(&self, work: impl FnOnce(&dispatcher::Dispatch, &Job)) -> JobReport {
        let (layer, job) = self.builder().build().expect("a lake");
        let dispatch = dispatcher::Dispatch::new(tracing_subscriber::registry().with(layer));
        work(&dispatch, &job);
        job.finish().expect("a lake that can be written to")
    }

    pub(super) fn events(&self) -> Events {
        let text = std::fs::read_to_string(self.file()).expect("the file");
        // Lines that were cut are no events.
        Events(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    pub(super) fn wait_for(&self, count: usize) {
        while self.events().0.len() < count {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Closes dead sessions without a job; gives how many events were added.
    pub(super) fn recover(&self) -> u64 {
        let (mut store, mut added) = (Store::folder(self.lake()), 0);
        let closed = SessionRecovery::new(&mut store).run(|closed: &ClosedSession| {
            added += lineage::complete(closed)?;
            Ok(())
        });
        let closed = closed.expect("a lake");
        assert!(closed.iter().all(|closed| closed.error.is_none()), "{closed:?}");
        added
    }

    /// Starts this executable again and waits until it says that it is at work.
    pub(super) fn start(&self, role: &str, endpoint: Option<&str>) -> (Child, BufReader<ChildStdout>) {
        let mut child = Command::new(std::env::current_exe().expect("this executable"));
        child
            .args(["--exact", "lineage::stand::child_of_another_test", "--nocapture"])
            .env(ROLE, role)
            .env(FOLDER, &self.folder);
        child.envs(endpoint.map(|endpoint| (ENDPOINT, endpoint)));
        let mut child = child.stdout(Stdio::piped()).spawn().expect("a child");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.contains("at work") {
            line.clear();
            if out.read_line(&mut line).expect("a line") == 0 {
                break;
            }
        }
        (child, out)
    }

    pub(super) fn kill_after(&self, pause: Duration) {
        self.kill_when(|| thread::sleep(pause));
    }

    /// Kills a child that has sent something.
    pub(super) fn kill_at_work(&self) {
        self.kill_when(|| self.wait_for(1));
    }

    fn kill_when(&self, wait: impl FnOnce()) {
        let (mut child, mut out) = self.start("record", None);
        wait();
        child.kill().expect("killed");
        let _ = out.read_to_end(&mut Vec::new());
        child.wait().expect("it ended");
    }

    /// The events are there once each, and tell what the lake does. Gives how many runs were interrupted.
    pub(super) fn check_after_kill(&self) -> usize {
        let events = self.events();
        let rows = self.logged();
        assert_eq!(events.assert_once(), rows.len(), "as many as there are rows");
        let interrupted = |row: &RunRow| row.error_message.as_deref() == Some(INTERRUPTED);
        for row in &rows {
            let id = lineage::run_id(row);
            let last = events.0.iter().rfind(|event| event["run"]["runId"] == id.as_str()).expect("its events");
            assert_eq!(kind(last), if interrupted(row) { "ABORT" } else { "COMPLETE" }, "{row:?}");
        }
        rows.iter().filter(|row| interrupted(row)).count()
    }

    pub(super) fn logged(&self) -> Vec<RunRow> {
        let mut store = Store::folder(self.lake());
        let logs = store.list("debug_json/job_run_log").expect("a lake").into_iter();
        let logs: Vec<_> = logs.map(|log| store.read(&log.path).expect("a log").expect("a log")).collect();
        let lines = logs.iter().flat_map(|log| log.split_inclusive(|byte| *byte == b'\n'));
        let rows = lines.map(|line| parse_line(line).expect("a line"));
        rows.filter_map(|line| if let Line::Run(run) = line { Some(*run) } else { None }).collect()
    }
}

impl Events {
    pub(super) fn of(&self, job: &str) -> Vec<Json> {
        self.0.iter().filter(|event| event["job"]["name"] == job).cloned().collect()
    }

    pub(super) fn kinds(&self, job: &str) -> Vec<&str> {
        self.0.iter().filter(|event| event["job"]["name"] == job).map(kind).collect()
    }

    /// Every run has one START and then one end; gives how many runs there are.
    pub(super) fn assert_once(&self) -> usize {
        let mut runs = BTreeMap::<&str, Vec<&str>>::new();
        for event in &self.0 {
            runs.entry(event["run"]["runId"].as_str().expect("an id")).or_default().push(kind(event));
        }
        for (run, kinds) in &runs {
            let is_right = matches!(kinds[..], ["START", "COMPLETE" | "FAIL" | "ABORT"]);
            assert!(is_right, "{run}: {kinds:?}");
        }
        runs.len()
    }
}

pub(super) fn kind(event: &Json) -> &str {
    event["eventType"].as_str().expect("a type")
}

/// A pause below `most_us` that differs from kill to kill and from one time to the next.
pub(super) fn pause(kill: u64, most_us: u64) -> Duration {
    let seed = uuid::Uuid::new_v4().as_u64_pair().0 ^ kill;
    Duration::from_micros(seed % most_us)
}

/// Does what a parent asked for; nothing when this is no child.
#[test]
fn child_of_another_test() -> ExitCode {
    let (Ok(role), Ok(folder)) = (std::env::var(ROLE), std::env::var(FOLDER)) else {
        return ExitCode::SUCCESS;
    };
    let stand = Stand { folder: folder.into(), _guard: None };
    let mut builder = stand.builder();
    #[cfg(feature = "lineage-http")]
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        let lineage = Lineage::http(endpoint).bearer("t0ken".to_owned().into());
        builder = builder.lineage(lineage).flush_every(Duration::from_millis(20));
    }
    if role != "record" {
        builder = builder.job_id("another").finish_timeout(Duration::from_secs(5));
    }
    let (layer, job) = builder.build().expect("a lake");
    let dispatch = dispatcher::Dispatch::new(tracing_subscriber::registry().with(layer));
    println!("at work");
    thread::scope(|scope| {
        for number in 0..4 {
            let dispatch = &dispatch;
            scope.spawn(move || dispatcher::with_default(dispatch, || runs(number, RUNS, Duration::from_micros(500))));
        }
    });
    job.finish().expect("a lake that can be written to");
    ExitCode::SUCCESS
}

pub(super) fn runs(thread: u64, count: u64, long: Duration) {
    for number in 0..count {
        // An id is the program's to say, also for several runs.
        let id = (thread == 1).then_some("of the orchestrator");
        info_span!("run", etl.dataflow = %format_args!("{thread}-{number}"), etl.run_id = id).in_scope(|| {
            Run::current().rows_read(number + 1);
            thread::sleep(long);
        });
    }
}
