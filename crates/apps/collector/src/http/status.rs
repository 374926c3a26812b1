//! `/healthz` and `/metrics`.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::Shared;
use crate::intake::Reason;
use crate::queue::QueueReport;

/// Green while a record that the collector makes itself gets to every plugin, and the disk has room for more.
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let late = shared.health.late(Instant::now());
    let mut lines: String = late.iter().map(|plugin| format!("{plugin}: no record has got there lately\n")).collect();
    lines.extend(complaints(&shared.intake.queue_report()).map(|text| format!("queue: {text}\n")));
    if lines.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, lines).into_response()
}

/// Why the queue does not do all that it should, where that does not pass by itself.
fn complaints(queue: &QueueReport) -> impl Iterator<Item = &'static str> + use<> {
    let all = [
        (queue.is_disk_full, "the disk is too full to take more"),
        (queue.is_crowded, "senders are so many that some are forgotten which may send something again"),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text)
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
    head(&mut out, "queue_disk_full", "gauge", "Whether the queue's disk is too full to take more.");
    let _ = writeln!(out, "spanlaked_queue_disk_full {}", u8::from(queue.is_disk_full));
    counter(
        &mut out,
        "queue_damaged_segments_total",
        "Segments of the queue that cannot be read any more.",
        queue.damaged,
    );
    counter(&mut out, "queue_errors_total", "How often the queue's disk failed.", queue.errors);
    head(&mut out, "queue_streams", "gauge", "Senders that are remembered, of 65,536 at most.");
    let _ = writeln!(out, "spanlaked_queue_streams {}", queue.streams);
    counter(
        &mut out,
        "queue_streams_forgotten_total",
        "Senders that were forgotten for want of room; what they send again is there twice.",
        queue.streams_forgotten,
    );
    head(&mut out, "plugin_waiting_segments", "gauge", "Segments that a plugin has not made durable.");
    for (plugin, count) in &queue.waiting {
        let _ = writeln!(out, "spanlaked_plugin_waiting_segments{{plugin=\"{plugin}\"}} {count}");
    }
    put_expiries(&mut out, shared);
    shared.health.put_metrics(&mut out);
    #[cfg(feature = "nats")]
    put_jetstreams(&mut out, &shared.jetstreams);
    out
}

#[cfg(feature = "nats")]
fn put_jetstreams(out: &mut String, counts: &[Arc<crate::receive::jetstream::Counts>]) {
    head(out, "jetstream_messages_total", "counter", "Messages of JetStream, by what became of them.");
    counts.iter().for_each(|counts| counts.put_messages(out));
    head(out, "jetstream_errors_total", "counter", "What failed at a receiver of JetStream, which then began anew.");
    counts.iter().for_each(|counts| counts.put_errors(out));
}

fn put_expiries(out: &mut String, shared: &Shared) {
    let (policy, now) = (shared.policy(), SystemTime::now());
    let left = |at: SystemTime| match at.duration_since(now) {
        Ok(left) => left.as_secs_f64(),
        Err(over) => -over.duration().as_secs_f64(),
    };
    head(out, "token_expires_seconds", "gauge", "How long a token opens something yet; below 0 it is over.");
    for (name, at) in policy.tokens.expiries() {
        let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = writeln!(out, "spanlaked_token_expires_seconds{{token=\"{name}\"}} {:.0}", left(at));
    }
}

fn counter(out: &mut String, name: &str, about: &str, value: u64) {
    head(out, name, "counter", about);
    let _ = writeln!(out, "spanlaked_{name} {value}");
}

/// The two lines in front of a metric.
pub(crate) fn head(out: &mut String, name: &str, kind: &str, about: &str) {
    let _ = write!(out, "# HELP spanlaked_{name} {about}\n# TYPE spanlaked_{name} {kind}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_does_not_do_all_that_it_should_says_why() {
        let told = |queue: &QueueReport| complaints(queue).collect::<Vec<_>>().join("; ");
        assert_eq!(told(&QueueReport { streams: u64::MAX, ..QueueReport::default() }), "");
        let full = QueueReport { is_crowded: true, is_disk_full: true, ..QueueReport::default() };
        assert!(told(&full).contains("disk") && told(&full).contains("forgotten"), "{}", told(&full));
    }
}
