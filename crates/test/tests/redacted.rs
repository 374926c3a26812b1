//! A test of a program's own redaction: the process is set up with it.

use spanlake_capture::CaptureLayer;
use spanlake_core::{Redaction, Secret};
use tracing::info;

#[test]
fn the_rules_of_the_program_keep_the_secret_out() {
    let builder = || CaptureLayer::builder().redact(Redaction::new().deny("pin"));
    spanlake_test::install(builder()).expect("the first");
    assert!(spanlake_test::install(builder()).is_err(), "the second");
    let mut capture = spanlake_test::capture();
    capture.watch(&Secret::new("4711-0815"));
    info!(pin = "4711-0815", "paid");
    capture.assert_contains("paid");
    capture.assert_field("pin", "***");
    capture.assert_no_secrets();
}
