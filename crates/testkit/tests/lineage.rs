//! The events of a job's lineage are read by the classes of OpenLineage's own client, and are the same when it writes them.
//!
//! `check_lineage.py` says what that proves: the classes are generated from the published schemas, which the client does not
//! ship, so that the schemas themselves are not asked.

use std::path::Path;
use std::process::Command;

use spanlake::etl::{Lineage, RunRow, RunStatus};
use spanlake::prelude::*;
use tracing::{info, info_span};

/// By spans, by hand, and open when the job ends.
const RUNS: u64 = 4 + 4 + 1;

#[test]
fn openlineage_reads_the_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = folder.path().join("lineage.jsonl");
    let builder =
        EtlLayer::builder(folder.path().join("lake")).job_id("nightly \"load\"").engine_name("datafusion 53.1");
    let (etl, job) = builder.lineage(Lineage::file(&events).namespace("warehouse")).build().expect("a lake");
    let open = tracing::subscriber::with_default(tracing_subscriber::registry().with(etl), work);
    by_hand().into_iter().for_each(|row| assert!(job.log(row)));
    let report = job.finish().expect("a lake that can be written to");
    assert!(report.is_complete(), "{report}");
    drop(open);
    check(&events);
}

fn work() -> tracing::Span {
    info_span!("orders", etl.dataflow = "orders", etl.stage = "bronze", etl.description = "all orders").in_scope(
        || {
            let source = info_span!("source", etl.path = "s3a://key:secret@raw/orders/2026", etl.rows_read = 1_000);
            source.in_scope(|| {});
            let table =
                info_span!("destination", etl.connection_type = "delta", etl.catalog = "main", etl.table = "orders");
            table.in_scope(|| {
                Run::current().set("destination_path", "s3://lake/bronze/orders");
                info!(etl.rows_written = 990, etl.bytes_added = 1_u64 << 40, etl.files_added = 3);
            });
        },
    );
    info_span!("nothing", etl.dataflow = "nothing", etl.rows_read = 0).in_scope(|| {});
    info_span!("odd", etl.dataflow = "\u{1b}[31m\"odd\"\n\u{2028}", etl.operation = "maintenance").in_scope(|| {
        Task::current().expect("a task").fail(&std::io::Error::other("no \"disk\"\0"));
    });
    info_span!("given up", etl.dataflow = "given up").in_scope(|| Task::current().expect("a task").cancel());
    info_span!("open", etl.dataflow = "open")
}

fn by_hand() -> Vec<RunRow> {
    let mut whole = RunRow::new("by hand");
    (whole.start_time, whole.end_time) = (Some(1_763_644_450_123_456), Some(1_763_644_451_000_000));
    (whole.source_query, whole.source_name) = (Some("select 1".to_owned()), Some("a query".to_owned()));
    whole.source_rows_read = Some(i64::MAX);
    let mut failed = RunRow::new("failed");
    failed.error_message = Some("x".repeat(100_000));
    vec![whole, failed, RunRow::default(), RunRow::new("running").status(RunStatus::Running)]
}

fn check(events: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".venv/bin/python");
    assert!(python.exists(), "there is no .venv with openlineage-python; `./test setup` makes one");
    let script = root.join("crates/testkit/python/check_lineage.py");
    let output = Command::new(python).arg(script).arg(events).arg(RUNS.to_string()).output().expect("Python runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    println!("{said}");
}
