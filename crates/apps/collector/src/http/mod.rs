//! The collector's own endpoint: segments in, verbosity in the reply; control, health and metrics beside it.

mod control;
mod listener;
mod segments;
mod otlp;
mod status;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use spanlake_wire::exchange;

use crate::control::Control;
use crate::health::Health;
use crate::intake::{Intake, Reason};
use crate::quota::Quotas;
use crate::tokens::{Denied, Right, Tokens};

pub(crate) use listener::Listening;
pub use listener::Tls;
pub(crate) use status::head;

/// What is allowed to those who send.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Longest body, in bytes: 16 MiB.
    pub body_bytes: usize,
    /// Longest batch when it is decompressed, in bytes: 64 MiB.
    pub batch_bytes: usize,
    /// Most bytes of bodies that are read and looked at at once: 256 MiB. Who finds no room is asked to come back.
    pub held_bytes: usize,
    /// Most connections at once: 1,024. Who comes when there are as many is turned away.
    pub connections: usize,
    /// How long a connection may be silent, and a request take to come: 30 s.
    pub patience: Duration,
    /// Bytes a second of each sender, before decompression: no bound.
    pub sender_bytes_per_second: Option<NonZeroU64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            batch_bytes: 64 << 20,
            held_bytes: 256 << 20,
            connections: 1024,
            patience: Duration::from_secs(30),
            sender_bytes_per_second: None,
        }
    }
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) intake: Intake,
    pub(crate) control: Arc<Control>,
    pub(crate) tokens: Tokens,
    pub(crate) quotas: Quotas,
    pub(crate) limits: Limits,
    pub(crate) health: Arc<Health>,
    /// Room for bodies, in KiB.
    pub(crate) room: tokio::sync::Semaphore,
}

/// Whom a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// An answer that is no success, and why, for the counters.
#[derive(Debug)]
struct Refused {
    reason: Reason,
    status: StatusCode,
    text: String,
    after: Option<Duration>,
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(exchange::PATH, post(segments::receive))
        .route("/v1/logs", post(otlp::logs))
        .route("/v1/traces", post(otlp::traces))
        .route("/v1/control", get(control::list))
        .route("/v1/control/{service}", get(control::show).put(control::set).delete(control::clear))
        .route("/healthz", get(status::health))
        .route("/metrics", get(status::metrics))
        .with_state(shared)
}

// === impl Shared ===

impl Shared {
    fn allow(&self, right: Right, headers: &HeaderMap, from: IpAddr) -> Result<&str, Refused> {
        let authorization = headers.get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes);
        self.tokens.allow(right, authorization, from).map_err(|denied| match denied {
            Denied::Unknown => Refused::new(Reason::Unauthorized, StatusCode::UNAUTHORIZED, "a token is needed"),
            Denied::Forbidden => Refused::new(Reason::Forbidden, StatusCode::FORBIDDEN, "the token does not open this"),
        })
    }

    fn answer(&self, result: Result<Response, Refused>) -> Response {
        result.unwrap_or_else(|refused| {
            self.intake.refuse(refused.reason);
            refused.into_response()
        })
    }
}

// === impl Refused ===

impl Refused {
    fn new(reason: Reason, status: StatusCode, text: impl Into<String>) -> Self {
        Self { reason, status, text: text.into(), after: None }
    }

    fn after(mut self, pause: Duration) -> Self {
        self.after = Some(pause);
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refused_with(self.status, &self.text, self.after)
    }
}

/// Why not, and after which time it may be tried again.
fn refused_with(status: StatusCode, text: &str, after: Option<Duration>) -> Response {
    let mut response = (status, format!("{text}\n")).into_response();
    if let Some(after) = after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    }
    response
}
