//! Run logs as jobs leave them are opened by pyarrow and DuckDB, which find every column with its promised type.

use std::path::Path;
use std::process::Command;

use spanlake::etl::{RunRow, Stem};
use spanlake::prelude::*;
use tracing::{error, info, info_span, instrument};

/// Runs of the first job: by spans, and by hand. The second job has one, which tells nothing.
const RUNS: u64 = 6 + 1 + 1;

#[test]
fn others_read_the_run_logs() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let (etl, job) = EtlLayer::builder(&lake).job_id("nightly \"load\"").max_workers(4).build().expect("a lake");
    let guard = spanlake::builder().lake(&lake).console(LevelFilter::OFF).etl(etl).init().expect("nothing was set up");
    work();
    assert!(job.log(by_hand()));
    let report = job.finish().expect("a lake that can be written to");
    assert!(report.is_complete(), "{report}");
    guard.shutdown(Duration::from_secs(60)).expect("a minute is enough");
    bare(&lake);
    check(&lake);
}

fn work() {
    info_span!("orders", etl.dataflow = "orders", etl.stage = "bronze").in_scope(|| {
        info_span!("source", etl.table = "orders", etl.schema = "sales", etl.filter = "id > 5").in_scope(|| {
            (0..10).for_each(|_| Run::current().rows_read(100));
        });
        info_span!("destination", etl.rows_written = 990, etl.bytes_added = 1_u64 << 40).in_scope(|| {});
    });
    info_span!("nothing", etl.dataflow = "nothing", etl.rows_read = 0).in_scope(|| {});
    broken().expect_err("no number");
    info_span!("compact", etl.dataflow = "orders", etl.operation = "maintenance", etl.files_removed = 3)
        .in_scope(|| {});
    info_span!("odd", etl.dataflow = "\u{1b}[31m\"odd\"\n", etl.stage = "silver").in_scope(|| info!("hostile name"));
    info_span!("retried", etl.dataflow = "retried").in_scope(|| {
        error!("the first attempt did not succeed");
        Run::current().next_attempt();
        Run::current().rows_read(1);
    });
}

#[instrument(err, fields(etl.dataflow = "broken", etl.stage = "silver"))]
fn broken() -> Result<(), std::num::ParseIntError> {
    info_span!("transform").in_scope(|| "no number".parse::<u8>().map(drop))
}

fn by_hand() -> RunRow {
    let mut row = RunRow::new("by hand");
    (row.start_time, row.end_time) = (Some(1_763_644_450_123_456), Some(1_763_644_451_000_000));
    (row.source_rows_read, row.is_active) = (Some(i64::MAX / 2), Some(false));
    row
}

/// A job with settings of no kind and a run that tells nothing, so that most columns are null from end to end.
fn bare(lake: &Path) -> Stem {
    let (_layer, job) = EtlLayer::builder(lake).job_id("bare").build().expect("a lake");
    let mut row = RunRow::default();
    row.status = Some("succeeded".to_owned());
    assert!(job.log(row));
    job.finish().expect("a lake that can be written to").session
}

fn check(lake: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".venv/bin/python");
    assert!(python.exists(), "there is no .venv with pyarrow and DuckDB; `./test setup` makes one");
    let script = root.join("crates/testkit/python/check_runs.py");
    let output = Command::new(python).arg(script).arg(lake).arg(RUNS.to_string()).output().expect("Python runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    println!("{said}");
}
