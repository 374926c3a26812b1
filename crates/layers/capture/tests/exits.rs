//! Trap 10: the ways out of a program, each in a child process: this binary, started again with a role.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use spanlake_capture::{CaptureLayer, Guard};
use spanlake_core::render::JsonLines;
use spanlake_core::{Batch, Category, Error, Sink, Stage};
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// Set for the child only: what it plays, and where it writes.
const ROLE: &str = "CAPTURE_TEST_ROLE";
const FILE: &str = "CAPTURE_TEST_FILE";

/// Long enough that only a defect reaches it.
const LONG: Duration = Duration::from_secs(60);

/// How many events the child logs, besides the two lines of its task.
const EVENTS: usize = 1_000;

/// Appends each batch with one write.
struct FileSink(File);

impl FileSink {
    fn open() -> Self {
        Self(File::create(std::env::var_os(FILE).expect("the parent names it")).expect("a writable folder"))
    }
}

impl Sink for FileSink {
    fn name(&self) -> &str {
        "file"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let (mut out, mut lines) = (Vec::new(), JsonLines::default());
        batch.records().for_each(|record| lines.put(&mut out, record));
        let failed = |error| Error::new(Stage::Handler, "FileSink", Category::Io, "cannot write").caused_by(error);
        self.0.write_all(&out).map_err(failed)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Sets the global subscriber up. The pump sleeps until it is told to, so that only the way out brings records home.
fn start() -> Guard {
    let (capture, guard) = CaptureLayer::builder().drain_every(LONG).sink(FileSink::open()).build().expect("a thread");
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(capture)).expect("the only one");
    guard
}

fn work() {
    info_span!("work").in_scope(|| (0..EVENTS).for_each(|at| info!("{at}")));
}

/// The child's part; in the parent it does nothing.
#[test]
fn plays_the_child() {
    static GUARD: OnceLock<Mutex<Option<Guard>>> = OnceLock::new();
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let guard = start();
    match role.as_str() {
        "return" => work(),
        "panic in main" => info_span!("main").in_scope(|| {
            work();
            panic!("as told");
        }),
        "panic in a thread" => {
            let thread = std::thread::spawn(|| {
                info_span!("thread").in_scope(|| {
                    work();
                    panic!("as told");
                })
            });
            thread.join().expect_err("it panics");
        }
        "static guard, flush, exit" => {
            GUARD.get_or_init(|| Mutex::new(Some(guard)));
            work();
            let guard = GUARD.get().expect("set above").lock().expect("no panic");
            assert!(guard.as_ref().expect("a guard").flush(LONG).is_complete());
            drop(guard);
            std::process::exit(0);
        }
        "static guard, exit" => {
            GUARD.get_or_init(|| Mutex::new(Some(guard)));
            work();
            std::process::exit(0);
        }
        "shutdown, exit" => {
            work();
            assert!(guard.shutdown(LONG).expect("in time").is_complete());
            std::process::exit(0);
        }
        "flush, abort" => {
            work();
            assert!(guard.flush(LONG).is_complete());
            std::process::abort();
        }
        role => unreachable!("no such role: {role}"),
    }
}

// === the parent's part ===

/// What the child left behind.
struct Left {
    output: Output,
    lines: Vec<serde_json::Value>,
}

fn run(role: &str) -> Left {
    let file: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "exits-{}-{}.jsonl",
        std::process::id(),
        role.replace([' ', ','], "_")
    ));
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "plays_the_child", "--nocapture"])
        .env(ROLE, role)
        .env(FILE, &file)
        .stdin(Stdio::null())
        .output()
        .expect("the child runs");
    let text = std::fs::read_to_string(&file).expect("the child makes the file");
    std::fs::remove_file(&file).expect("our own file");
    assert!(text.is_empty() || text.ends_with('\n'), "{role}: half a line");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    Left { output, lines }
}

impl Left {
    fn events(&self) -> usize {
        self.lines.iter().filter(|line| line["kind"] == "event").count()
    }

    fn outcome_of(&self, task: &str) -> String {
        let end = self.lines.iter().find(|line| line["kind"] == "end" && line["task"] == task);
        end.expect("the task ends")["outcome"].as_str().expect("a text").to_owned()
    }
}

#[test]
fn trap_10_return_from_main_writes_everything() {
    let left = run("return");
    assert!(left.output.status.success());
    assert_eq!((left.events(), left.lines.len()), (EVENTS, EVENTS + 2));
    assert_eq!(left.outcome_of("work"), "succeeded");
}

#[test]
fn trap_10_panic_in_main_writes_everything_and_the_task_failed() {
    let left = run("panic in main");
    assert!(!left.output.status.success());
    assert_eq!((left.events(), left.lines.len()), (EVENTS, EVENTS + 4));
    assert_eq!((left.outcome_of("work"), left.outcome_of("main")), ("succeeded".to_owned(), "failed".to_owned()));
}

#[test]
fn trap_10_panic_in_a_thread_writes_everything_and_the_task_failed() {
    let left = run("panic in a thread");
    assert!(left.output.status.success());
    assert_eq!(left.events(), EVENTS);
    assert_eq!(left.outcome_of("thread"), "failed");
}

#[test]
fn trap_10_static_guard_that_is_flushed_before_exit_loses_nothing() {
    let left = run("static guard, flush, exit");
    assert_eq!(left.output.status.code(), Some(0));
    assert_eq!(left.lines.len(), EVENTS + 2);
}

#[test]
fn trap_10_static_guard_is_never_dropped_but_exit_does_not_hang() {
    let left = run("static guard, exit");
    assert_eq!(left.output.status.code(), Some(0));
    // What was not drained is gone, as the guard's documentation says; what is there is whole.
    assert!(left.lines.len() <= EVENTS + 2);
}

#[test]
fn trap_10_shutdown_before_exit_loses_nothing() {
    let left = run("shutdown, exit");
    assert_eq!(left.output.status.code(), Some(0));
    assert_eq!(left.lines.len(), EVENTS + 2);
}

#[test]
fn trap_10_abort_after_a_flush_loses_nothing() {
    let left = run("flush, abort");
    assert!(!left.output.status.success());
    assert_eq!(left.lines.len(), EVENTS + 2);
}
