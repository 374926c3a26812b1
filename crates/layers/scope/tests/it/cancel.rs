//! Work that is dropped before its end.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use spanlake_scope::{FutureExt, JoinSetExt, in_task, spawn_task};
use tokio::task::JoinSet;
use tracing::{Instrument, info, info_span};

use crate::support::record;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

#[test]
fn future_that_comes_to_its_end_succeeds() {
    let tape = record(|| block_on(async { info!("inside") }.in_task(info_span!("future"))));
    assert_eq!(tape.said(), ["0@U begin future", "1@U event inside", "2@U end future"]);
}

#[test]
fn future_that_is_dropped_while_it_waits_is_cancelled() {
    let tape = record(|| {
        block_on(async {
            let waits = pending::<()>().in_task(info_span!("waits"));
            tokio::select! {
                () = waits => unreachable!("it waits for ever"),
                () = tokio::task::yield_now() => {}
            }
        });
    });
    assert_eq!(tape.ends(), ["U cancelled WARN waits"]);
}

#[test]
fn future_that_is_dropped_before_it_was_polled_is_cancelled() {
    let tape = record(|| drop(pending::<()>().in_task(info_span!("never polled"))));
    assert_eq!(tape.ends(), ["U cancelled WARN never polled"]);
}

#[test]
fn future_that_runs_into_a_timeout_is_cancelled() {
    let tape = record(|| {
        let waits = pending::<()>().in_task(info_span!("waits"));
        block_on(async { tokio::time::timeout(Duration::from_millis(1), waits).await }).expect_err("the time runs out");
    });
    assert_eq!(tape.ends(), ["U cancelled WARN waits"]);
}

#[test]
fn subtasks_of_a_cancelled_future_are_cancelled_with_it() {
    let tape = record(|| {
        let inner = async { pending::<()>().in_task(info_span!("inner")).await };
        let waits = inner.in_task(info_span!("outer"));
        block_on(async { tokio::time::timeout(Duration::from_millis(1), waits).await }).expect_err("the time runs out");
    });
    assert_eq!(tape.ends(), ["U/1 cancelled WARN inner", "U cancelled WARN outer"]);
}

#[test]
fn aborted_tokio_task_is_cancelled() {
    let tape = record(|| {
        block_on(async {
            let handle = spawn_task(info_span!("spawned"), pending::<()>());
            tokio::task::yield_now().await;
            handle.abort();
            assert!(handle.await.expect_err("aborted").is_cancelled());
        });
    });
    assert_eq!(tape.ends(), ["U cancelled WARN spawned"]);
}

#[test]
fn dropped_join_set_cancels_what_still_runs() {
    let tape = record(|| {
        block_on(async {
            let mut set = JoinSet::new();
            set.spawn_task(info_span!("quick"), async {});
            set.spawn_task(info_span!("slow"), pending());
            set.join_next().await.expect("a task").expect("no panic");
        });
    });
    let mut ends = tape.ends();
    ends.sort();
    assert_eq!(ends, ["U succeeded INFO quick", "V cancelled WARN slow"]);
}

#[test]
fn future_that_fails_before_it_is_dropped_has_failed() {
    let tape = record(|| {
        let fails = async {
            spanlake_scope::Task::current().expect("a task").fail(&std::io::Error::other("first"));
            pending::<()>().await;
        };
        let fails = fails.in_task(info_span!("fails"));
        block_on(async { tokio::time::timeout(Duration::from_millis(1), fails).await }).expect_err("the time runs out");
    });
    assert_eq!(tape.ends(), ["U failed ERROR FAILED fails: first"]);
}

#[test]
fn future_that_goes_down_with_a_panic_elsewhere_is_cancelled() {
    let tape = record(|| {
        let waits = pending::<()>().in_task(info_span!("waits"));
        catch_unwind(AssertUnwindSafe(move || {
            let _waits = waits;
            panic!("elsewhere");
        }))
        .expect_err("it panics");
    });
    assert_eq!(tape.ends(), ["U cancelled WARN waits"]);
}

#[test]
fn closure_that_is_never_called_is_cancelled() {
    let tape = record(|| drop(in_task(info_span!("never called"), || ())));
    assert_eq!(tape.ends(), ["U cancelled WARN never called"]);
}

#[test]
fn closure_that_panics_fails() {
    let tape = record(|| {
        let work = in_task(info_span!("closure"), || panic!("its own defect"));
        catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    });
    assert_eq!(tape.ends(), ["U failed ERROR FAILED closure: panicked"]);
}

#[test]
fn plain_instrument_cannot_know_and_ends_as_succeeded() {
    let tape = record(|| drop(pending::<()>().instrument(info_span!("plain"))));
    assert_eq!(tape.ends(), ["U succeeded INFO plain"]);
}
