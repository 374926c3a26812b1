//! Requests as tasks: a span for each, which continues the caller's trace and says how it went.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use spanlake::{Carrier, Task};
use tracing::{Instrument, Span, field, info, info_span, warn};

/// The middleware. A request is a task of the runtime as well, so that a handler which panics ends nothing else.
pub(crate) async fn as_tasks(request: Request, next: Next) -> Response {
    let span = span(&request);
    let answered = tokio::spawn(handle(request, next).instrument(span)).await;
    answered.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn span(request: &Request) -> Span {
    let carrier = carrier(request.headers());
    info_span!(
        "request",
        spanlake.continue = carrier.map(field::display),
        method = %request.method(),
        path = request.uri().path(),
        status = field::Empty,
        latency_us = field::Empty,
    )
}

/// The task or the trace of the caller. What is malformed is no reason to refuse a request.
fn carrier(headers: &HeaderMap) -> Option<Carrier> {
    Carrier::from_headers(|name| headers.get(name)?.to_str().ok()).unwrap_or_else(|error| {
        warn!(error = error.chain(), "the caller's trace cannot be continued");
        None
    })
}

async fn handle(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    let (status, span) = (response.status().as_u16(), Span::current());
    let latency_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    span.record("status", status).record("latency_us", latency_us);
    info!(status, latency_us, "answered");
    if response.status().is_server_error()
        && let Some(task) = Task::current().filter(|task| task.error().is_empty())
    {
        task.fail(&Answered(status));
    }
    response
}

/// What a request failed with whose handler said no more.
#[derive(Debug, thiserror::Error)]
#[error("answered with status {0}")]
struct Answered(u16);
