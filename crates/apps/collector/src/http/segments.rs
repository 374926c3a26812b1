//! `POST /v1/segments`: numbered segments, acknowledged when they are synced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use spanlake_wire::batch::{Batch, BatchError};
use spanlake_wire::exchange::{self, Reply, Stream};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::{Peer, Refused, Shared, refused_with};
use crate::intake::{Incoming, Kept, Reason};
use crate::queue::Refusal;
use crate::tokens::Right;

/// How soon somebody may come back for whom there is no room.
const COME_BACK: Duration = Duration::from_secs(1);

/// The same, where the disk is full: somebody has to make room.
const COME_BACK_LATER: Duration = Duration::from_secs(10);

const KIB: usize = 1024;

/// What the headers say.
struct Head {
    stream: Stream,
    sequence: u64,
    service: String,
}

pub(super) async fn receive(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let received = match shared.allow(Right::Publish, &parts.headers, peer.ip()) {
        Ok(token) => {
            let owner = if token.is_empty() { peer.ip().to_string() } else { token.to_owned() };
            store(&shared, &parts.headers, &owner, body).await
        }
        Err(refused) => Err(refused),
    };
    shared.answer(received)
}

async fn store(shared: &Shared, headers: &HeaderMap, owner: &str, body: Body) -> Result<Response, Refused> {
    let head = Head::read(headers)?;
    let (body, permit) = read(shared, headers, body).await?;
    let sender = format!("{owner} {}", head.stream.sender);
    shared.quotas.take(&sender, body.len() as u64, Instant::now()).map_err(|pause| {
        Refused::new(Reason::Quota, StatusCode::TOO_MANY_REQUESTS, "more than the sender's quota").after(pause)
    })?;
    let Head { stream, sequence, service } = head;
    let batch = Batch::read(&body, shared.limits.batch_bytes).map_err(|error| unreadable(&error))?;
    let segments = batch.entries().map(|entry| (entry.number, entry.segment.to_vec())).collect();
    drop((batch, body));
    let verbosity = shared.control.of(&service);
    let incoming = Incoming { stream: Some(stream), sequence, service, segments };
    let kept = shared.intake.accept(incoming).await;
    drop(permit);
    let Kept { accepted, repeated, refused } = match kept {
        Ok(kept) => kept,
        Err(refusal) => return Ok(not_kept(&refusal)),
    };
    let mut reply = Reply::default();
    (reply.accepted, reply.repeated, reply.refused, reply.verbosity) = (accepted, repeated, refused, verbosity);
    Ok(Json(reply).into_response())
}

/// The body, and the room it takes. It is reserved before anything is read.
pub(super) async fn read<'a>(
    shared: &'a Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<(axum::body::Bytes, SemaphorePermit<'a>), Refused> {
    let too_large = || Refused::new(Reason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
    let said = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let most = said.unwrap_or(shared.limits.body_bytes);
    if most > shared.limits.body_bytes {
        return Err(too_large());
    }
    let kib = u32::try_from(most.div_ceil(KIB)).unwrap_or(u32::MAX);
    let no_room =
        || Refused::new(Reason::Full, StatusCode::SERVICE_UNAVAILABLE, "too much comes at once").after(COME_BACK);
    let permit = shared.room.try_acquire_many(kib).map_err(|_| no_room())?;
    let slow = || Refused::new(Reason::Slow, StatusCode::REQUEST_TIMEOUT, "the body took too long to come");
    let read = timeout(shared.limits.patience, to_bytes(body, most)).await.map_err(|_| slow())?;
    Ok((read.map_err(|_| too_large())?, permit))
}

fn unreadable(error: &BatchError) -> Refused {
    match error {
        BatchError::TooLong { .. } => Refused::new(Reason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        BatchError::Version(_) => Refused::new(Reason::Version, StatusCode::BAD_REQUEST, error.to_string()),
        _ => Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, error.to_string()),
    }
}

/// The intake has counted why.
pub(super) fn not_kept(refusal: &Refusal) -> Response {
    let (status, pause) = match refusal {
        Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
        Refusal::Busy | Refusal::Full | Refusal::Closed => (StatusCode::SERVICE_UNAVAILABLE, Some(COME_BACK)),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Some(COME_BACK_LATER)),
    };
    refused_with(status, &refusal.to_string(), pause)
}

// === impl Head ===

impl Head {
    fn read(headers: &HeaderMap) -> Result<Self, Refused> {
        let malformed = |text: &str| Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, text);
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if text(CONTENT_ENCODING.as_str()) != Some("zstd") {
            let message = "the body is compressed with zstd, and `content-encoding` says so";
            return Err(Refused::new(Reason::Encoding, StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let is_sender = |sender: &&str| !sender.is_empty() && sender.len() <= exchange::MAX_SENDER_BYTES;
        let sender = text(exchange::SENDER).filter(is_sender);
        let sender = sender.ok_or_else(|| malformed("`spanlake-sender` is missing, or too long"))?.to_owned();
        let number = |name: &str| text(name).and_then(|text| text.parse().ok());
        let epoch = number(exchange::EPOCH).ok_or_else(|| malformed("`spanlake-epoch` is no number"))?;
        let sequence = number(exchange::SEQUENCE).ok_or_else(|| malformed("`spanlake-sequence` is no number"))?;
        let service = exchange::unescaped(text(exchange::SERVICE).unwrap_or_default());
        let service = service.ok_or_else(|| malformed("`spanlake-service` is no name"))?;
        Ok(Self { stream: Stream { sender, epoch }, sequence, service })
    }
}
