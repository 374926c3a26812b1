//! Values that misbehave.

use std::fmt;

use spanlake_etl::{MAX_TEXT_BYTES, Run};
use tracing::{info, info_span};

use crate::support::Lake;

/// A value whose `Debug` panics.
struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::panic::resume_unwind(Box::new("in Debug"))
    }
}

/// A value whose `Debug` logs, opens a run, and counts.
struct Logs;

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(etl.rows_read = 100, "from within");
        info_span!("run", etl.dataflow = "within").in_scope(|| Run::current().rows_read(1));
        Run::current().rows_written(1);
        f.write_str("logged")
    }
}

#[test]
fn a_debug_that_panics_costs_its_own_value_only() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders", etl.rows_read = 1, etl.note = ?Panics).in_scope(|| {
            info!(etl.rows_read = 2, etl.note = ?Panics, "batch");
        });
    });
    assert_eq!(left.run().source_rows_read, Some(3));
}

#[test]
fn a_debug_that_logs_does_not_deadlock() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders", etl.note = ?Logs).in_scope(|| {
            info!(etl.note = ?Logs, etl.rows_read = 1, "batch");
            let span = info_span!("helper", etl.note = tracing::field::Empty);
            span.record("etl.note", tracing::field::debug(Logs));
        });
    });
    assert!(left.named("orders").configure.as_deref().expect("JSON").contains("logged"));
    assert!(left.named("orders").source_rows_read >= Some(1));
}

#[test]
fn long_texts_and_hostile_ones_are_kept_in_bounds() {
    let hostile = "\u{1b}[31m\"\n\u{202e}\0";
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = hostile, etl.source_query = "é".repeat(MAX_TEXT_BYTES)).in_scope(|| {
            Run::current().rows_read(u64::MAX);
            Run::current().rows_read(1);
            info!(etl.rows_written = u64::MAX, "odd");
        });
    });
    let run = left.run();
    assert_eq!(run.dataflow_name.as_deref(), Some(hostile));
    let query = run.source_query.as_deref().expect("a query");
    assert!(query.len() <= MAX_TEXT_BYTES + 3 && query.ends_with('…'), "{} bytes", query.len());
    assert_eq!((run.source_rows_read, run.destination_rows_written), (Some(i64::MAX), Some(i64::MAX)));
    assert_eq!((left.logged.len(), left.logged[0].clone()), (1, run.clone()), "the log has the same");
}
