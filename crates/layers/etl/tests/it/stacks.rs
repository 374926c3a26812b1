//! The layer alone, beside others, and twice.

use spanlake_capture::CaptureLayer;
use spanlake_etl::Run;
use spanlake_scope::{ScopeLayer, Task};
use tracing::{info, info_span};
use tracing_subscriber::prelude::*;

use crate::support::Lake;

fn run() -> String {
    let run = info_span!("run", etl.dataflow = "orders");
    run.in_scope(|| info!(etl.rows_read = 1, "batch"));
    Task::of(&run).expect("a task").key().to_string()
}

#[test]
fn alone_it_gives_runs_their_tasks() {
    let mut key = String::new();
    let (_, left) = Lake::new().job(|_| key = run());
    assert_eq!(left.run().task_key, Some(key));
}

#[test]
fn beside_others_it_has_their_tasks_in_any_order() {
    for order in 0..3 {
        let lake = Lake::new();
        let (etl, job) = lake.builder().build().expect("a lake");
        let (capture, scope) = (CaptureLayer::new(), ScopeLayer::new());
        let drain = capture.drain_handle();
        let work = || run();
        let registry = tracing_subscriber::registry();
        let key = match order {
            0 => tracing::subscriber::with_default(registry.with(scope).with(capture).with(etl), work),
            1 => tracing::subscriber::with_default(registry.with(etl).with(capture), work),
            _ => tracing::subscriber::with_default(registry.with(capture).with(etl).with(scope), work),
        };
        job.finish().expect("a lake that can be written to");
        assert_eq!(lake.left().run().task_key.as_deref(), Some(key.as_str()), "order {order}");
        let keys: Vec<_> = drain.drain_records().into_iter().filter_map(|record| record.key).collect();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|of| of.to_string().ends_with(&key)), "the row joins to its records: {keys:?}");
    }
}

#[test]
fn of_two_in_a_stack_the_first_one_takes_the_runs() {
    let (first, second) = (Lake::new(), Lake::new());
    let (one, job) = first.builder().build().expect("a lake");
    let (other, other_job) = second.builder().build().expect("a lake");
    let stack = tracing_subscriber::registry().with(one).with(other);
    tracing::subscriber::with_default(stack, || {
        run();
        info_span!("run", etl.dataflow = "two").in_scope(|| Run::current().rows_read(2));
    });
    assert_eq!(job.finish().expect("a lake").job.total_dataflows, Some(2));
    assert_eq!(other_job.finish().expect("a lake").job.total_dataflows, Some(0));
    assert_eq!(first.left().named("two").source_rows_read, Some(2));
}

#[test]
fn a_subscriber_that_goes_before_the_job_is_no_harm() {
    let lake = Lake::new();
    let (etl, job) = lake.builder().build().expect("a lake");
    let span = tracing::subscriber::with_default(tracing_subscriber::registry().with(etl), || {
        info_span!("run", etl.dataflow = "orders")
    });
    let handle = Run::of(&span);
    let report = job.finish().expect("a lake that can be written to");
    handle.rows_read(5);
    drop(span);
    assert_eq!(report.job.total_dataflows, Some(1));
    assert_eq!(lake.left().run().status.as_deref(), Some("running"));
}
