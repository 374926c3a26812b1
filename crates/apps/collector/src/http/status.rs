//! `/healthz` and `/metrics`.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::Shared;
use crate::intake::Reason;

/// Green while a record that the collector makes itself gets to every plugin.
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let late = shared.health.late(Instant::now());
    if late.is_empty() {
        return "ok\n".into_response();
    }
    let lines: String = late.iter().map(|plugin| format!("{plugin}: no record has got there lately\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines).into_response()
}

/// Prometheus's text format, version 0.0.4.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text(&shared)).into_response()
}

fn text(shared: &Shared) -> String {
    let mut out = String::new();
    let counts = shared.intake.counts();
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    counter(&mut out, "records_total", "Records that were kept, repeated ones included.", read(&counts.records));
    counter(&mut out, "segments_total", "Segments that were stored.", read(&counts.segments));
    counter(&mut out, "segments_repeated_total", "Segments that were stored before.", read(&counts.repeated));
    head(&mut out, "refused_total", "counter", "What was not taken in, by reason.");
    for reason in Reason::ALL {
        let _ = writeln!(
            out,
            "spanlaked_refused_total{{reason=\"{}\"}} {}",
            reason.as_str(),
            shared.intake.refused(reason)
        );
    }
    let queue = shared.intake.queue_report();
    head(&mut out, "queue_bytes", "gauge", "Bytes of the queue's files.");
    let _ = writeln!(out, "spanlaked_queue_bytes {}", queue.bytes);
    shared.health.put_metrics(&mut out);
    out
}

fn counter(out: &mut String, name: &str, about: &str, value: u64) {
    head(out, name, "counter", about);
    let _ = writeln!(out, "spanlaked_{name} {value}");
}

/// The two lines in front of a metric.
pub(crate) fn head(out: &mut String, name: &str, kind: &str, about: &str) {
    let _ = write!(out, "# HELP spanlaked_{name} {about}\n# TYPE spanlaked_{name} {kind}\n");
}
