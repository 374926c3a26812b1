//! Secrets, recorded in every way there is.

use std::error::Error;
use std::fmt;

use spanlake_capture::{CaptureLayer, DrainHandle};
use spanlake_core::Secret;
use spanlake_scope::{ScopeLayer, Task};
use tracing::field::Empty;
use tracing::{error, info, info_span, instrument};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, TestSink, capture, objects};

/// What must not be seen; no part of it is part of anything else here.
const HUSH: &str = "Zq7-Xv9";

#[derive(Debug)]
struct Refused(Secret<&'static str>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused", self.0)
    }
}

impl Error for Refused {}

#[instrument(err)]
fn log_in(token: Secret<&'static str>) -> Result<(), Refused> {
    Err(Refused(token))
}

/// Records it as fields of a span, now and later, of an event, in messages, as context and as the reason of a failure.
fn record_everywhere() {
    let secret = Secret::new(HUSH);
    let span = info_span!("load", %secret, debug = ?secret, in_option = ?Some(&secret), later = Empty);
    span.record("later", tracing::field::display(&secret));
    span.in_scope(|| {
        let task = Task::current().expect("a span is entered");
        task.bind("by_reference", &secret).expect("any name");
        info!(%secret, debug = ?secret, "logging in with {secret} or {secret:#?}");
        let refused = Refused(secret.clone());
        error!(error = &refused as &dyn Error, "cannot log in");
        info_span!("below").in_scope(|| log_in(secret.clone()).expect_err("refused"));
        task.bind("bound", secret).expect("any name");
        task.fail(&refused);
    });
}

#[test]
fn secret_is_in_no_rendering_of_what_a_sink_gets() {
    let sink = TestSink::default();
    let (capture, guard) = CaptureLayer::builder().sink(sink.clone()).build().expect("a thread");
    let subscriber = tracing_subscriber::registry().with(ScopeLayer::new()).with(capture);
    tracing::subscriber::with_default(subscriber, record_everywhere);
    assert!(guard.shutdown(LONG).expect("in time").is_complete());

    let json = sink.json();
    assert!(!json.contains(HUSH), "{json}");
    assert!(!format!("{:?}", sink.records()).contains(HUSH));
    let lines = objects(&json);
    let of = |message: &str| lines.iter().find(|line| line["message"].as_str().is_some_and(|it| it.contains(message)));
    let event = of("logging in").expect("an event");
    assert_eq!(event["message"], "logging in with *** or ***");
    assert_eq!(event["fields"], serde_json::json!({ "secret": "***", "debug": "***" }));
    let end = of("FAILED load").expect("an end");
    assert_eq!(end["error"], "*** was refused");
    let context = ["secret", "debug", "later", "bound", "by_reference"];
    context.iter().for_each(|name| assert_eq!(end["context"][name], "***", "{name}: {end}"));
    assert_eq!(end["context"]["in_option"], "Some(***)");
}

#[test]
fn secret_is_in_nothing_that_is_drained() {
    let check = |drain: fn(&DrainHandle) -> String| {
        let drained = drain(&capture(record_everywhere));
        assert!(drained.contains("***") && !drained.contains(HUSH), "{drained}");
    };
    check(|drain| drain.drain_text());
    check(|drain| drain.drain_json());
    check(|drain| format!("{:?}", drain.drain_records()));
}
