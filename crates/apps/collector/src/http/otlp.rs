//! `POST /v1/logs` and `/v1/traces`: OTLP in protobuf, acknowledged when it is synced.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use spanlake_core::clock::utc_now_ns;
use spanlake_wire::otlp::{Limits, read_logs, read_traces};
use spanlake_wire::{ForeignRecord, Refusal};

use super::segments::{not_kept, read};
use super::{Peer, Refused, Shared};
use crate::intake::Reason;
use crate::receive::{accept, reason};
use crate::tokens::Right;

const PROTOBUF: &str = "application/x-protobuf";

type Reader = fn(&[u8], &Limits, i64) -> Result<Vec<ForeignRecord>, Refusal>;

pub(super) async fn logs(state: State<Arc<Shared>>, peer: Extension<Peer>, request: Request) -> Response {
    receive(state, peer, request, read_logs).await
}

pub(super) async fn traces(state: State<Arc<Shared>>, peer: Extension<Peer>, request: Request) -> Response {
    receive(state, peer, request, read_traces).await
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    reader: Reader,
) -> Response {
    let (parts, body) = request.into_parts();
    let received = match shared.allow(Right::Publish, &parts.headers, peer.ip()) {
        Ok(token) => {
            let owner = if token.is_empty() { peer.ip().to_string() } else { token.to_owned() };
            store(&shared, &parts.headers, &owner, body, reader).await
        }
        Err(refused) => Err(refused),
    };
    shared.answer(received)
}

async fn store(
    shared: &Shared,
    headers: &HeaderMap,
    owner: &str,
    body: Body,
    reader: Reader,
) -> Result<Response, Refused> {
    let is_protobuf = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(PROTOBUF.as_bytes()));
    if !is_protobuf {
        let message = "only application/x-protobuf is read";
        return Err(Refused::new(Reason::Encoding, StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let (body, permit) = read(shared, headers, body).await?;
    shared.quotas.take(owner, body.len() as u64, Instant::now()).map_err(|pause: Duration| {
        Refused::new(Reason::Quota, StatusCode::TOO_MANY_REQUESTS, "more than the sender's quota").after(pause)
    })?;
    let limits = Limits { bytes: shared.limits.batch_bytes, ..Limits::default() };
    let body = decompressed(&body, headers, limits.bytes)?;
    let records = reader(&body, &limits, utc_now_ns())
        .map_err(|refusal| Refused::new(reason(refusal), StatusCode::BAD_REQUEST, refusal.to_string()))?;
    let kept = accept(&shared.intake, "", &records).await;
    drop(permit);
    // An answer without content is a message in which nothing is set: nothing was rejected.
    Ok(match kept {
        Ok(_) => ([(CONTENT_TYPE, PROTOBUF)], Vec::<u8>::new()).into_response(),
        Err(refusal) => not_kept(&refusal),
    })
}

fn decompressed(body: &[u8], headers: &HeaderMap, most_bytes: usize) -> Result<Vec<u8>, Refused> {
    match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => Ok(body.to_vec()),
        Some(b"gzip") => {
            let mut bytes = Vec::new();
            let most = most_bytes as u64 + 1;
            let unzipped = flate2::read::GzDecoder::new(body).take(most).read_to_end(&mut bytes);
            unzipped.map_err(|_| Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, "the body is no gzip"))?;
            if bytes.len() > most_bytes {
                let message = "the body is too long when it is decompressed";
                return Err(Refused::new(Reason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            Ok(bytes)
        }
        Some(_) => Err(Refused::new(Reason::Encoding, StatusCode::UNSUPPORTED_MEDIA_TYPE, "only gzip is read")),
    }
}
