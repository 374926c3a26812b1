//! Exact totals from many threads, and runs that go on elsewhere.

use std::sync::Barrier;
use std::thread;

use spanlake_etl::Run;
use spanlake_scope::{FutureExt, in_task};
use tracing::{dispatcher, info, info_span};

use crate::support::Lake;

const THREADS: i64 = 64;
const RUNS: i64 = 1_000;

#[test]
fn totals_are_exact_from_64_threads_with_1000_runs_each() {
    let (report, left) = Lake::new().job(|_| {
        let dispatch = dispatcher::get_default(Clone::clone);
        let together = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (dispatch, together) = (&dispatch, &together);
                scope.spawn(move || {
                    dispatcher::with_default(dispatch, || {
                        together.wait();
                        (0..RUNS).for_each(|run| one(thread, run));
                    });
                });
            }
        });
    });
    assert!(report.is_complete(), "{report}");
    let all = THREADS * RUNS;
    let job = &report.job;
    assert_eq!((job.total_dataflows, left.runs.len() as i64, left.logged.len() as i64), (Some(all), all, all));
    // Of five runs one fails, one is skipped, one is maintenance.
    assert_eq!(
        (job.total_succeeded, job.total_failed, job.total_skipped),
        (Some(all / 5 * 3), Some(all / 5), Some(all / 5))
    );
    let expected: i64 =
        left.runs.iter().filter(|run| !run.is_maintenance()).filter_map(|run| run.source_rows_read).sum();
    assert_eq!(job.total_rows_read, Some(expected));
    assert_eq!(
        expected,
        THREADS * (0..RUNS).filter(|run| run % 5 < 2 || run % 5 == 4).map(|run| 3 * (run + 1)).sum::<i64>()
    );
    assert_eq!(job.total_bytes_added, Some(all * 7), "of all runs");
    let mut ids: Vec<_> = left.runs.iter().filter_map(|run| run.dataflow_run_id.as_deref()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as i64, all, "ids are unique");
}

/// A run that tells its numbers by a handle, by events and by a span.
fn one(thread: i64, number: i64) {
    let operation = if number % 5 == 2 { "maintenance" } else { "etl" };
    let rows = if number % 5 == 3 { 0 } else { number + 1 };
    info_span!("run", etl.dataflow = thread, etl.operation = operation).in_scope(|| {
        info_span!("source", etl.rows_read = rows).in_scope(|| {
            Run::current().rows_read(rows as u64);
            info!(etl.rows_read = rows, "batch");
        });
        Run::current().bytes_added(7);
        if number % 5 == 4 {
            spanlake_scope::Task::current().expect("a task").fail(&std::io::Error::other("every fifth"));
        }
    });
}

#[test]
fn one_run_is_told_of_by_many_threads_at_once() {
    let (_, left) = Lake::new().job(|_| {
        let run = info_span!("run", etl.dataflow = "orders");
        let handle = Run::of(&run);
        thread::scope(|scope| {
            for _ in 0..8 {
                let handle = handle.clone();
                scope.spawn(move || (0..10_000).for_each(|_| handle.rows_written(1)));
                let span = run.in_scope(|| info_span!("part"));
                scope.spawn(in_task(span, || (0..1_000).for_each(|_| info!(etl.rows_read = 1, "batch"))));
            }
        });
    });
    assert_eq!((left.run().destination_rows_written, left.run().source_rows_read), (Some(80_000), Some(8_000)));
}

#[test]
fn a_run_may_be_a_future() {
    let (_, left) = Lake::new().job(|_| {
        let run = info_span!("run", etl.dataflow = "orders");
        let work = async {
            let source = info_span!("source");
            async { Run::current().rows_read(3) }.in_task(source).await;
            Run::current().rows_written(2);
        };
        futures(work.in_task(run));
        // One that is never polled to its end is given up.
        drop(async {}.in_task(info_span!("run", etl.dataflow = "given up")));
    });
    let run = left.named("orders");
    assert_eq!((run.source_rows_read, run.destination_rows_written), (Some(3), Some(2)));
    assert_eq!(left.named("given up").error_message.as_deref(), Some("cancelled"));
}

/// Polls a future that is never pending to its end.
fn futures(future: impl Future<Output = ()>) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(future).poll(&mut context).is_ready());
}
