//! The collector's own endpoint: segments in, verbosity in the reply; control, health and metrics beside it.

mod body;
mod busy;
mod control;
mod listener;
mod patient;
mod segments;
mod otlp;
mod grpc;
mod status;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use spanlake_core::sync::{Mutex, lock};
use spanlake_wire::exchange;
use spanlake_wire::otlp::grpc::{LOGS, TRACES};

use crate::control::Control;
use crate::health::Health;
use crate::intake::{Intake, Reason};
use crate::quota::Quotas;
use crate::tokens::{Denied, Right, Tokens};

pub use listener::Tls;
pub(crate) use listener::{Listening, talk};
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
    /// As it is at this moment.
    pub(crate) policy: Arc<Mutex<Arc<Policy>>>,
    pub(crate) health: Arc<Health>,
    /// Whether OTLP is taken.
    pub(crate) takes_otlp: bool,
    #[cfg(feature = "nats")]
    pub(crate) jetstreams: Vec<Arc<crate::receive::jetstream::Counts>>,
    /// Room for bodies, in KiB.
    pub(crate) room: tokio::sync::Semaphore,
}

/// Who may do what, and how much of it. A request goes by one, whatever comes meanwhile.
pub(crate) struct Policy {
    pub(crate) tokens: Tokens,
    pub(crate) limits: Limits,
    pub(crate) quotas: Quotas,
}

/// Whom a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// An answer that is no success, and why, for the counters.
#[derive(Debug)]
struct Refused {
    /// Nothing where it is counted already.
    reason: Option<Reason>,
    status: StatusCode,
    text: String,
    after: Option<Duration>,
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let others = match shared.takes_otlp {
        true => Router::new()
            .route("/v1/logs", post(otlp::logs))
            .route("/v1/traces", post(otlp::traces))
            .route(LOGS, post(grpc::logs))
            .route(TRACES, post(grpc::traces)),
        false => Router::new(),
    };
    Router::new()
        .route(exchange::PATH, post(segments::receive))
        .route("/v1/control", get(control::list))
        .route("/v1/control/{service}", get(control::show).put(control::set).delete(control::clear))
        .route("/healthz", get(status::health))
        .route("/metrics", get(status::metrics))
        .merge(others)
        .fallback(elsewhere)
        .method_not_allowed_fallback(otherwise)
        .with_state(shared)
}

async fn elsewhere(State(shared): State<Arc<Shared>>) -> Response {
    shared.answer(Err(Refused::new(Reason::Malformed, StatusCode::NOT_FOUND, "there is nothing here")))
}

async fn otherwise(State(shared): State<Arc<Shared>>) -> Response {
    shared.answer(Err(Refused::new(Reason::Malformed, StatusCode::METHOD_NOT_ALLOWED, "not by this method")))
}

// === impl Shared ===

impl Shared {
    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&lock(&self.policy))
    }

    fn allow(&self, right: Right, headers: &HeaderMap, from: IpAddr) -> Result<String, Refused> {
        let authorization = headers.get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes);
        let policy = self.policy();
        let allowed = policy.tokens.allow(right, authorization, from, SystemTime::now()).map(str::to_owned);
        allowed.map_err(|denied| match denied {
            Denied::Unknown => Refused::new(Reason::Unauthorized, StatusCode::UNAUTHORIZED, "a token is needed"),
            Denied::Expired => Refused::new(Reason::Expired, StatusCode::UNAUTHORIZED, "the token has expired"),
            Denied::Forbidden => Refused::new(Reason::Forbidden, StatusCode::FORBIDDEN, "the token does not open this"),
        })
    }

    fn count(&self, refused: &Refused) {
        refused.reason.into_iter().for_each(|reason| self.intake.refuse(reason));
    }

    fn answer(&self, result: Result<Response, Refused>) -> Response {
        result.unwrap_or_else(|refused| {
            self.count(&refused);
            refused.into_response()
        })
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("health", &self.health).finish_non_exhaustive()
    }
}

// === impl Policy ===

impl Policy {
    pub(crate) fn new(tokens: Tokens, limits: Limits) -> Self {
        Self { tokens, limits, quotas: Quotas::new(limits.sender_bytes_per_second) }
    }
}

// === impl Refused ===

impl Refused {
    fn new(reason: Reason, status: StatusCode, text: impl Into<String>) -> Self {
        Self { reason: Some(reason), status, text: text.into(), after: None }
    }

    fn after(mut self, pause: Duration) -> Self {
        self.after = Some(pause);
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.text)).into_response();
        if let Some(after) = self.after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}

/// Whose quota a request is counted to: that of a token, or of an address where there is none.
fn owner(token: String, peer: SocketAddr) -> String {
    if token.is_empty() { peer.ip().to_string() } else { token }
}
