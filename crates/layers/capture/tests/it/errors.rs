//! Errors are recorded with their type and a backtrace where the program has them in its hands.

use std::backtrace::Backtrace;
use std::error::Error;
use std::fmt;

use serde_json::{Value, json};
use spanlake_capture::CaptureLayer;
use spanlake_core::processors::StructuredErrors;
use spanlake_core::{OwnedRecord, Redaction};
use spanlake_scope::Caught;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, TestSink, capture};

#[derive(Debug)]
struct Refused(std::num::ParseIntError);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot load orders")
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn refused() -> Refused {
    Refused("seven".parse::<u8>().expect_err("a word is no number"))
}

fn fields(record: &OwnedRecord) -> Value {
    serde_json::from_str(&record.fields).expect("JSON")
}

#[test]
fn an_error_that_was_caught_brings_its_type_and_stays_an_error_to_others() {
    let caught = Caught::new(&refused()).backtrace(&Backtrace::disabled());
    assert_eq!(caught.to_string(), "cannot load orders");
    assert_eq!(caught.source().expect("a cause").to_string(), "invalid digit found in string");
    assert!(caught.source().and_then(Error::source).is_none());

    let records = capture(|| tracing::error!(error = caught.as_error(), rows = 7, "it failed")).drain_records();
    let chain = "cannot load orders: invalid digit found in string";
    let expected = json!({"error": chain, "error.type": std::any::type_name::<Refused>(), "rows": 7});
    assert_eq!(fields(&records[0]), expected);
}

/// What a sink gets of an error that was caught with a backtrace.
fn recorded(redaction: Redaction) -> Value {
    let sink = TestSink::default();
    let capture = CaptureLayer::builder().redact(redaction).processor(StructuredErrors::new());
    let (capture, guard) = capture.sink(sink.clone()).build().expect("rules that make sense");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        let caught = Caught::new(&refused()).backtrace(&Backtrace::force_capture());
        tracing::error!(error = caught.as_error(), "it failed");
    });
    guard.shutdown(LONG).expect("in time");
    fields(&sink.records()[0])
}

#[test]
fn structured_errors_have_the_frames_of_their_backtrace() {
    let mut error = recorded(Redaction::new())["error"].take();
    let frames = error["backtrace"].take();
    let (kind, sources) = (std::any::type_name::<Refused>(), ["invalid digit found in string"]);
    let expected = json!({"type": kind, "message": "cannot load orders", "sources": sources, "backtrace": null});
    assert_eq!(error, expected);
    let here = |frame: &&Value| frame["function"].as_str().is_some_and(|name| name.contains("errors::recorded"));
    let frame = frames.as_array().expect("frames").iter().find(here).expect("this function is among them");
    assert!(frame["file"].as_str().is_some_and(|file| file.ends_with("errors.rs")), "{frame}");
    assert!(frame["line"].is_u64(), "{frame}");
}

#[test]
fn what_stands_beside_an_error_is_redacted_by_its_name() {
    let error = recorded(Redaction::new().deny("error.type").deny("*.backtrace"));
    assert_eq!((&error["error"]["type"], &error["error.backtrace"]), (&json!("***"), &json!("***")));
    assert!(error["error"].get("backtrace").is_none());
}
