//! A lake as a program leaves it is opened by pyarrow and DuckDB, which find every record with its promised type.

use std::path::Path;
use std::process::Command;
use std::sync::Barrier;

use spanlake::Report;
use spanlake::prelude::*;
use tracing::{debug, error, info, info_span, instrument, trace, warn};

/// Events of each thread, enough for several pages of a column.
const EVENTS: u64 = 2_000;

const THREADS: u64 = 2;

/// Records outside any task, then those of each task: its begin, its end, and its events.
const RECORDS: u64 = 4 + (2 + 9) + (2 + 1) + (2 + 1) + (2 + 2) + THREADS * (2 + EVENTS);

#[test]
fn others_read_the_lake() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let report = record(&lake);
    assert_eq!((report.recorded, report.written, report.lost), (RECORDS, RECORDS, 0), "{report}");
    check(&lake, report.recorded);
}

/// Runs the program and returns what its guard said at the end.
fn record(lake: &Path) -> Report {
    let files = LevelFilter::TRACE;
    let guard =
        spanlake::builder().lake(lake).console(LevelFilter::OFF).files(files).init().expect("nothing was set up");
    work();
    // The threads' records go into files of their own.
    assert!(guard.flush(Duration::from_secs(60)).is_complete());
    threads();
    guard.shutdown(Duration::from_secs(60)).expect("a minute is enough")
}

/// No service is named anywhere, so that one column is null from the first row to the last.
fn work() {
    info!("before any task");
    log::warn!(target: "another::crate", "through the log crate: {}", "\u{1b}[31mred");
    trace!(nothing = tracing::field::Empty);
    job("orders");
}

#[instrument(fields(etl.dataflow = "orders\n\u{202e}daily", later = tracing::field::Empty))]
fn job(table: &str) {
    tracing::Span::current().record("later", "told after the begin");
    info!(rows = u64::MAX, least = i64::MIN, ratio = 0.1, ok = true, "numbers");
    info!(nan = f64::NAN, infinite = f64::INFINITY, minus = -0.0, "numbers that JSON does not have");
    info!(wide = i128::MIN, wider = u128::MAX, "numbers that no column holds");
    info!(text = "\0\u{7}\u{1b}]0;title\u{7}\r\n\u{2028}\u{7f}\u{9b}", empty = "", "control\ncharacters\u{0}");
    info!(quotes = r#"'"\ {} $x"#, crab = "🦀", "{}", r#""},{"level":"ERROR""#);
    info!(long = %"é".repeat(40_000), "longer than a text may be");
    info!(bytes = &b"\xff\x00"[..], debug = ?Some("text"), "bytes and debug");
    info!({ "r#type" } = "keyword", { "name with spaces, and = signs" } = 1, "names");
    info!("");
    stage("bronze");
    let failed = broken();
    warn!(parent: None, error = failed.as_ref().err().map(tracing::field::display), "outside again");
}

#[instrument]
fn stage(name: &str) {
    let inner = info_span!("inner", number = 1);
    let _inside = inner.enter();
    debug!("a task in a task in a task");
    drop(_inside);
    drop(inner);
    error!("an event at last");
}

#[instrument(err)]
fn broken() -> Result<(), std::num::ParseIntError> {
    debug!("about to fail");
    "no number".parse::<u8>().map(drop)
}

fn threads() {
    let together = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                info_span!("thread", number)
                    .in_scope(|| (0..EVENTS).for_each(|at| info!(at, even = at % 2 == 0, "counted")));
            });
        }
    });
}

fn check(lake: &Path, records: u64) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".venv/bin/python");
    assert!(
        python.exists(),
        "there is no .venv with pyarrow and DuckDB; `./test` makes one (`./test setup` nothing else)"
    );
    let script = root.join("crates/testkit/python/check_lake.py");
    let output = Command::new(python).arg(script).arg(lake).arg(records.to_string()).output().expect("Python runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    println!("{said}");
}
