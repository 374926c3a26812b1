//! Assertions pass and fail as they say.

use std::panic::{AssertUnwindSafe, catch_unwind};

use spanlake_test::Capture;
use tracing::{error, info, info_span};

fn fails(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("it does not hold");
    panic.downcast_ref::<String>().expect("a text").clone()
}

fn said() -> Capture {
    let capture = spanlake_test::capture();
    info_span!("load", table = "orders").in_scope(|| info!(rows = 3, share = 0.5, gap = -2, ok = true, "one"));
    info!("two");
    capture
}

#[test]
fn texts_and_fields_are_found_or_missed_with_all_that_was_said() {
    let capture = said();
    capture.assert_contains("one");
    capture.assert_field("rows", 3);
    capture.assert_field("share", 0.5);
    capture.assert_field("gap", -2);
    capture.assert_field("ok", true);
    capture.assert_field("table", "orders");
    let missing = fails(|| capture.assert_contains("three"));
    assert!(missing.starts_with("no record says `three` in\n> load") && missing.contains("INFO two"), "{missing}");
    assert!(fails(|| capture.assert_field("rows", 4)).starts_with("no record has rows=4 in\n"));
    assert!(fails(|| drop(capture.task("store"))).starts_with("there is no task `store` in\n"));
}

#[test]
fn order_lets_others_be_between_and_minds_the_order() {
    let capture = said();
    capture.assert_order(&["load", "one", "two"]);
    capture.assert_order(&["one", "two"]);
    capture.assert_order(&[]);
    assert!(fails(|| capture.assert_order(&["two", "one"])).starts_with("`one` does not come where it should"));
    assert!(fails(|| capture.assert_order(&["two", "two"])).starts_with("`two` does not come"));
}

#[test]
fn errors_are_events_and_tasks_that_failed() {
    let capture = said();
    capture.assert_no_errors();
    error!("bad");
    assert!(fails(|| capture.assert_no_errors()).starts_with("`bad` in\n"));
    let capture = spanlake_test::capture();
    let failed = std::thread::spawn({
        let span = info_span!("bold");
        move || span.in_scope(|| panic!("on purpose"))
    });
    assert!(failed.join().is_err());
    assert!(fails(|| capture.assert_no_errors()).starts_with("`FAILED bold` in\n"));
}
