//! Sessions whose process is killed: every run that had ended is in the lake once, and the session is closed.
//!
//! The tests run this executable again as a child, told by an environment variable what to do, and kill it. What the child
//! has done is a number for each of its threads in a mapped file, which outlives it: a run is owed when its number is
//! below, and may be there when it is the number itself.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use spanlake_core::disk;
use spanlake_etl::{EtlLayer, JobRow, Run, RunRow};
use spanlake_lake::runs::{ClosedSession, INTERRUPTED, Line, Row, SessionRecovery, parse_line, read_table};
use spanlake_lake::store::Store;
use tracing::{dispatcher, info_span};
use tracing_subscriber::prelude::*;

/// Says to a child what it is to do; absent in the parent.
const ROLE: &str = "SPANLAKE_ETL_ROLE";

/// The folder in which everything stands.
const FOLDER: &str = "SPANLAKE_ETL_FOLDER";

const THREADS: usize = 4;

/// Runs of each thread.
const RUNS: u64 = 50;

const KILLS: u64 = 30;

#[test]
fn every_run_that_had_ended_is_in_the_lake_once_whenever_the_process_is_killed() {
    let mut interrupted = 0;
    for kill in 0..KILLS {
        let stand = Stand::new();
        let was_killed = stand.kill_after("record", pause(kill, 60_000));
        // Every other time by the next start of a job, else by a recovery alone.
        if kill % 2 == 0 {
            let (_layer, job) = EtlLayer::builder(stand.lake()).job_id("next").build().expect("a lake");
            let report = job.finish().expect("a lake that can be written to");
            assert_eq!((report.recovered, report.is_complete()), (u64::from(was_killed), true), "{report}");
        } else {
            let closed = stand.recover();
            assert_eq!(closed.len(), usize::from(was_killed), "{closed:?}");
        }
        interrupted += stand.check(was_killed);
        assert!(stand.recover().is_empty(), "nothing is left to close");
    }
    assert!(interrupted > 0, "no run was open at any of {KILLS} kills");
}

#[test]
fn recoveries_may_be_killed_and_race() {
    for kill in 0..KILLS / 3 {
        let stand = Stand::new();
        let was_killed = stand.kill_after("record", pause(kill, 60_000));
        for again in 0..3 {
            stand.kill_after("recover", pause(kill + again, 3_000));
        }
        let children: Vec<_> = (0..3).map(|_| stand.start("recover")).collect();
        stand.recover();
        for (mut child, mut out) in children {
            let _ = out.read_to_end(&mut Vec::new());
            assert!(child.wait().expect("it ended").success());
        }
        stand.check(was_killed);
    }
}

#[test]
fn a_live_session_is_left_alone() {
    let stand = Stand::new();
    let (mut child, out) = stand.start("record and wait");
    assert!(stand.recover().is_empty(), "its process lives");
    child.kill().expect("killed");
    child.wait().expect("it ended");
    drop(out);
    let closed = stand.recover();
    assert_eq!((closed.len(), closed[0].interrupted), (1, 1), "{closed:?}");
    let run = closed[0].runs.iter().find(|run| run.error_message.as_deref() == Some(INTERRUPTED)).expect("a run");
    assert_eq!((run.dataflow_name.as_deref(), run.status.as_deref()), (Some("open"), Some("failed")));
    assert!(run.end_time >= run.start_time);
}

/// Does what a parent asked for; nothing when this is no child.
#[test]
fn child_of_another_test() -> ExitCode {
    let (Ok(role), Ok(folder)) = (std::env::var(ROLE), std::env::var(FOLDER)) else {
        return ExitCode::SUCCESS;
    };
    let stand = Stand { folder: folder.into(), _guard: None };
    match role.as_str() {
        "recover" => {
            println!("at work");
            assert!(stand.recover().iter().all(|closed| closed.error.is_none()));
        }
        "record" => record(&stand, || {}),
        _ => record(&stand, wait),
    }
    ExitCode::SUCCESS
}

/// A job of some runs, of which each thread notes those that are over.
fn record(stand: &Stand, then: fn()) {
    let (layer, job) = EtlLayer::builder(stand.lake()).build().expect("a lake");
    let dispatch = dispatcher::Dispatch::new(tracing_subscriber::registry().with(layer));
    println!("at work");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let dispatch = &dispatch;
            scope.spawn(move || dispatcher::with_default(dispatch, || runs(&stand.folder, thread)));
        }
    });
    dispatcher::with_default(&dispatch, then);
    job.finish().expect("a lake that can be written to");
}

fn runs(folder: &Path, thread: usize) {
    let mut note = disk::real().map(&note_path(folder, thread), 8).expect("a note");
    for number in 0..RUNS {
        // Ids are the program's to say, and may be that of an orchestrator for all of its runs.
        let id = (thread == 1).then_some("of the orchestrator");
        info_span!("run", etl.dataflow = %format_args!("{thread}-{number}"), etl.run_id = id).in_scope(|| {
            Run::current().rows_read(number + 1);
            // As long as real ones are short.
            thread::sleep(Duration::from_micros(500));
        });
        note[..8].copy_from_slice(&(number + 1).to_le_bytes());
    }
}

/// Opens a run and waits in it to be killed.
fn wait() {
    info_span!("run", etl.dataflow = "open").in_scope(|| {
        // The thread that writes takes note of it when it is asked for nothing else.
        loop {
            println!("waiting");
            thread::park_timeout(Duration::from_millis(100));
        }
    });
}

/// Where a job's lake and its notes are.
struct Stand {
    folder: PathBuf,
    _guard: Option<tempfile::TempDir>,
}

impl Stand {
    fn new() -> Self {
        let guard = tempfile::tempdir().expect("a folder");
        Self { folder: guard.path().to_owned(), _guard: Some(guard) }
    }

    fn lake(&self) -> PathBuf {
        self.folder.join("lake")
    }

    fn recover(&self) -> Vec<ClosedSession> {
        let mut store = Store::folder(self.lake());
        let closed = SessionRecovery::new(&mut store).run(|_| Ok(())).expect("a lake");
        assert!(closed.iter().all(|closed| closed.error.is_none()), "{closed:?}");
        closed
    }

    /// Starts this executable again and waits until it says that it is at work, or has waited a while.
    fn start(&self, role: &str) -> (Child, BufReader<ChildStdout>) {
        let mut child = Command::new(std::env::current_exe().expect("this executable"))
            .args(["--exact", "child_of_another_test", "--nocapture"])
            .env(ROLE, role)
            .env(FOLDER, &self.folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut waits = if role == "record and wait" { 5 } else { 0 };
        let mut line = String::new();
        loop {
            line.clear();
            if out.read_line(&mut line).expect("a line") == 0 {
                break;
            }
            waits -= i32::from(line.contains("waiting"));
            if line.contains("at work") && waits == 0 || waits < 0 {
                break;
            }
        }
        (child, out)
    }

    /// Starts a child, kills it after a while, and gives whether that was before it was done.
    fn kill_after(&self, role: &str, pause: Duration) -> bool {
        let (mut child, mut out) = self.start(role);
        thread::sleep(pause);
        child.kill().expect("killed");
        let _ = out.read_to_end(&mut Vec::new());
        !child.wait().expect("it ended").success()
    }

    /// Every run that is owed is in the log and in the table once, the job's line ends the log, and its row is the same.
    /// Gives how many runs were interrupted.
    fn check(&self, was_killed: bool) -> usize {
        let (logged, jobs) = self.log();
        let (tables, rows) = (self.tables::<RunRow>("dataflow_"), self.tables::<JobRow>("job_summary_"));
        let names = |runs: &[RunRow]| runs.iter().filter_map(|run| run.dataflow_name.clone()).collect::<Vec<_>>();
        let once: HashSet<_> = names(&logged).into_iter().collect();
        assert_eq!(once.len(), logged.len(), "no run is there twice");
        assert_eq!(names(&logged), names(&tables), "log and table have the same");
        for (thread, returned) in self.returned().into_iter().enumerate() {
            let lost = (0..returned).find(|number| !once.contains(&format!("{thread}-{number}")));
            assert_eq!(lost, None, "a run of thread {thread} that had ended is missing");
        }
        assert_eq!((jobs.len(), rows.len()), (1, 1));
        assert_eq!(jobs, rows);
        let is_closed = jobs[0].error_message.as_deref() == Some(INTERRUPTED);
        assert!(is_closed || !was_killed || jobs[0].status.as_deref() == Some("succeeded"), "{jobs:?}");
        assert_eq!(jobs[0].total_dataflows, Some(logged.len() as i64));
        logged.iter().filter(|run| run.error_message.as_deref() == Some(INTERRUPTED)).count()
    }

    fn log(&self) -> (Vec<RunRow>, Vec<JobRow>) {
        let (mut runs, mut jobs) = (Vec::new(), Vec::new());
        for path in self.files("job_").into_iter().filter(|path| path.extension().is_some_and(|end| end == "jsonl")) {
            let log = fs::read(path).expect("a log");
            for line in log.split_inclusive(|byte| *byte == b'\n') {
                assert!(jobs.is_empty(), "the job's line is the last one");
                match parse_line(line).expect("a line") {
                    Line::Run(run) => runs.push(*run),
                    Line::Job(job) => jobs.push(*job),
                }
            }
        }
        (runs, jobs)
    }

    fn tables<R: Row>(&self, start: &str) -> Vec<R> {
        let files = self.files(start).into_iter().filter(|path| path.extension().is_some_and(|end| end == "parquet"));
        files.flat_map(|path| read_table(fs::read(path).expect("a file")).expect("a table")).collect()
    }

    /// The files of the session that was killed, not those of the next one.
    fn files(&self, start: &str) -> Vec<PathBuf> {
        let mut store = Store::folder(self.lake());
        let files = store.list("").expect("a lake");
        let names = files.into_iter().map(|file| file.path).filter(|path| !path.contains("_next."));
        let named = names.filter(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with(start)));
        named.map(|path| self.lake().join(path)).collect()
    }

    /// How many runs of each thread are known to be over.
    fn returned(&self) -> [u64; THREADS] {
        std::array::from_fn(|thread| {
            let note = fs::read(note_path(&self.folder, thread)).unwrap_or_default();
            note.first_chunk().map_or(0, |note| u64::from_le_bytes(*note))
        })
    }
}

fn note_path(folder: &Path, thread: usize) -> PathBuf {
    folder.join(format!("note-{thread}"))
}

/// A pause below `most_us` that differs from kill to kill and from one time to the next.
fn pause(kill: u64, most_us: u64) -> Duration {
    let seed = uuid::Uuid::new_v4().as_u64_pair().0 ^ kill;
    Duration::from_micros(seed % most_us)
}
