//! Panics, without the hook; see `tests/panic_hook.rs` for what it adds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use spanlake_scope::FutureExt;
use tracing::{info, info_span};

use crate::support::record;

/// Opens a span when it is dropped, as clean-up code does.
struct CleansUp;

impl Drop for CleansUp {
    fn drop(&mut self) {
        info_span!("clean up").in_scope(|| info!("cleaning"));
    }
}

fn panics(work: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
}

#[test]
fn task_that_is_left_by_a_panic_fails() {
    let tape = record(|| panics(|| info_span!("task").in_scope(|| panic!("the work's own defect"))));
    assert_eq!(tape.ends(), ["U failed ERROR FAILED task: panicked"]);
}

#[test]
fn every_task_on_the_way_of_the_panic_fails_and_the_one_that_catches_it_does_not() {
    let tape = record(|| {
        info_span!("catches").in_scope(|| {
            panics(|| {
                let _outer = info_span!("outer").entered();
                let _inner = info_span!("inner").entered();
                panic!("through both");
            });
            info!("going on");
        });
    });
    let expected = [
        "U/1/1 failed ERROR FAILED inner: panicked",
        "U/1 failed ERROR FAILED outer: panicked",
        "U succeeded INFO catches",
    ];
    assert_eq!(tape.ends(), expected);
}

#[test]
fn span_opened_while_unwinding_does_not_fail() {
    let tape = record(|| {
        panics(|| {
            let _task = info_span!("task").entered();
            let _clean = CleansUp;
            panic!("unwinding");
        });
    });
    assert_eq!(tape.ends(), ["U/1 succeeded INFO clean up", "U failed ERROR FAILED task: panicked"]);
}

#[test]
fn future_that_panics_fails_and_is_not_cancelled() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let tape = record(|| {
        panics(|| runtime.block_on(async { panic!("in a future") }.in_task(info_span!("future"))));
    });
    assert_eq!(tape.ends(), ["U failed ERROR FAILED future: panicked"]);
}

#[test]
fn thread_goes_on_recording_after_a_panic() {
    let tape = record(|| {
        panics(|| info_span!("task").in_scope(|| panic!("once")));
        info_span!("next").in_scope(|| info!("inside"));
        info!("outside");
    });
    assert_eq!(tape.said()[2..], ["0@V begin next", "1@V event inside", "2@V end next", "- event outside"]);
}
