//! Routing through the whole layer: spans, events and `log` records by their targets, context that is bound.

use spanlake_capture::CaptureLayer;
use spanlake_core::{LevelFilter, Logger, Pipe, Propagate, Record, Routing};
use tracing::{debug, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, TestSink, messages, objects};

#[test]
fn spans_and_events_go_where_their_targets_say() {
    let (console, orders) = (TestSink::default(), TestSink::default());
    let routing = Routing::builder()
        .logger(Logger::root().level(LevelFilter::INFO).sinks(["console"]))
        .logger(Logger::new("orders").level(LevelFilter::DEBUG).propagate(Propagate::Stop).sinks(["orders"]))
        .build()
        .expect("a routing");
    let upper = |record: &mut Record<'_>| {
        record.message = record.message.to_uppercase().into();
        true
    };
    let (capture, guard) = CaptureLayer::builder()
        .pipe(Pipe::to(console.clone()).named("console").processor(upper))
        .pipe(Pipe::to(orders.clone()).named("orders"))
        .routing(routing)
        .build()
        .expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        info_span!(target: "orders::load", "load").in_scope(|| {
            debug!(target: "orders::db", "query");
            debug!(target: "web", "not for the console");
            info!(target: "web", "hello");
        });
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(messages(&console.records()), ["HELLO"]);
    assert_eq!(messages(&orders.records()), ["load", "query", "load"]);
    assert_eq!((report.recorded, report.lost, report.pending), (5, 0, 0));
    let parts: Vec<_> = report.sinks.iter().map(|sink| (sink.written, sink.filtered)).collect();
    assert_eq!(parts, [(1, 4), (3, 2)]);
}

#[test]
fn bound_context_gives_way_to_the_tasks() {
    let sink = TestSink::default();
    let routing = Routing::builder().logger(Logger::root().bind("table", "any").bind("env", "prod")).build();
    let (capture, guard) =
        CaptureLayer::builder().sink(sink.clone()).routing(routing.expect("a routing")).build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        info_span!("load", table = "orders").in_scope(|| info!(rows = 3, "wrote"));
        info!("outside");
    });
    guard.shutdown(LONG).expect("in time");
    let lines = objects(&sink.json());
    assert_eq!(lines[1]["fields"], serde_json::json!({ "rows": 3, "env": "prod" }));
    assert_eq!(lines[1]["context"], serde_json::json!({ "table": "orders" }));
    assert_eq!(lines[3]["fields"], serde_json::json!({ "table": "any", "env": "prod" }));
}

#[test]
fn routing_that_leads_nowhere_is_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let routing = Routing::builder().logger(Logger::root().sinks(["audit"])).build().expect("a routing");
    let built =
        CaptureLayer::builder().sink(TestSink::default()).routing(routing).spool(folder.path().join(".spool")).build();
    let error = built.expect_err("there is no such sink");
    assert!(error.is_configuration() && error.to_string().contains("audit"), "{error}");
    assert!(!folder.path().join(".spool").exists());
}
