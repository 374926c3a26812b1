//! `POST /v1/segments`: numbered segments, acknowledged when they are synced.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use spanlake_wire::batch::{Batch, BatchError};
use spanlake_wire::exchange::{self, Head, Reply, Stream};

use super::body::{discard, read};
use super::{Peer, Refused, Shared, owner};
use crate::intake::{Incoming, Kept, Reason};
use crate::queue::Refusal;
use crate::tokens::Right;

/// How soon somebody may come back for whom there is no room.
pub(super) const COME_BACK: Duration = Duration::from_secs(1);

/// The same, where the disk is full: somebody has to make room.
const COME_BACK_LATER: Duration = Duration::from_secs(10);

pub(super) async fn receive(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
) -> Response {
    let (parts, mut body) = request.into_parts();
    let received = match shared.allow(Right::Publish, &parts.headers, peer.ip()) {
        Ok(token) => store(&shared, &parts.headers, &owner(token, peer), &mut body).await,
        Err(refused) => Err(refused),
    };
    if received.is_err() {
        discard(&shared, &parts.headers, body).await;
    }
    shared.answer(received)
}

async fn store(shared: &Shared, headers: &HeaderMap, owner: &str, body: &mut Body) -> Result<Response, Refused> {
    let head = head(headers)?;
    let sender = format!("{owner} {}", head.stream.sender);
    let held = read(shared, headers, &sender, body).await?;
    let Head { stream, sequence, service } = head;
    let batch = Batch::read(&held.bytes, shared.policy().limits.batch_bytes).map_err(|error| unreadable(&error))?;
    let segments = batch.entries().map(|entry| (entry.number, entry.segment.to_vec())).collect();
    drop(batch);
    let verbosity = shared.control.of(&service);
    let incoming = Incoming { stream: Some(stream), sequence, service, segments };
    let kept = shared.intake.accept(incoming).await;
    drop(held);
    let Kept { accepted, repeated, refused } = kept.map_err(|refusal| not_kept(&refusal))?;
    let mut reply = Reply::default();
    (reply.accepted, reply.repeated, reply.refused, reply.verbosity) = (accepted, repeated, refused, verbosity);
    Ok(Json(reply).into_response())
}

fn unreadable(error: &BatchError) -> Refused {
    let reason = Reason::of_batch(error);
    let status = if reason == Reason::TooLarge { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
    Refused::new(reason, status, error.to_string())
}

/// The intake has counted why.
pub(super) fn not_kept(refusal: &Refusal) -> Refused {
    let (status, pause) = match refusal {
        Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
        Refusal::Busy | Refusal::Full | Refusal::Closed => (StatusCode::SERVICE_UNAVAILABLE, Some(COME_BACK)),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Some(COME_BACK_LATER)),
    };
    Refused { reason: None, status, text: refusal.to_string(), after: pause }
}

/// What the headers say.
fn head(headers: &HeaderMap) -> Result<Head, Refused> {
    let malformed = |text: &str| Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, text);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text(CONTENT_ENCODING.as_str()) != Some("zstd") {
        let message = "the body is compressed with zstd, and `content-encoding` says so";
        return Err(Refused::new(Reason::Encoding, StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let number = |name: &str| text(name).and_then(|text| text.parse().ok());
    let epoch = number(exchange::EPOCH).ok_or_else(|| malformed("`spanlake-epoch` is no number"))?;
    let stream = text(exchange::SENDER).and_then(|sender| Stream::named(sender, epoch));
    let stream = stream.ok_or_else(|| malformed("`spanlake-sender` is missing, or too long"))?;
    let sequence = number(exchange::SEQUENCE).ok_or_else(|| malformed("`spanlake-sequence` is no number"))?;
    let service = exchange::unescaped(text(exchange::SERVICE).unwrap_or_default());
    let service = service.ok_or_else(|| malformed("`spanlake-service` is no name"))?;
    Ok(Head { stream, sequence, service })
}
