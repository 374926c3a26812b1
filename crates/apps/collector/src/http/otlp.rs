//! `POST /v1/logs` and `/v1/traces`: OTLP in protobuf, acknowledged when it is synced. By HTTP here, by gRPC in `grpc`.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use spanlake_core::clock::utc_now_ns;
use spanlake_wire::otlp::{Limits, read_logs, read_traces};
use spanlake_wire::{ForeignRecord, Refusal};

use super::body::{discard, read};
use super::segments::not_kept;
use super::{Peer, Refused, Shared, owner};
use crate::intake::Reason;
use crate::receive::{accept, reason};
use crate::tokens::Right;

const PROTOBUF: &str = "application/x-protobuf";

/// What every reader of zstd is to stand, 8 MiB; a frame that asks for more memory is none of ours.
const ZSTD_WINDOW_LOG: u32 = 23;

pub(super) type Reader = fn(&[u8], &Limits, i64) -> Result<Vec<ForeignRecord>, Refusal>;

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
    let (parts, mut body) = request.into_parts();
    let received = match shared.allow(Right::Publish, &parts.headers, peer.ip()) {
        Ok(token) => store(&shared, &parts.headers, &owner(token, peer), &mut body, reader).await,
        Err(refused) => Err(refused),
    };
    if received.is_err() {
        discard(&shared, &parts.headers, body).await;
    }
    shared.answer(received)
}

async fn store(
    shared: &Shared,
    headers: &HeaderMap,
    owner: &str,
    body: &mut Body,
    reader: Reader,
) -> Result<Response, Refused> {
    let is_protobuf = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(PROTOBUF.as_bytes()));
    if !is_protobuf {
        let message = "only application/x-protobuf is read";
        return Err(Refused::new(Reason::Encoding, StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let held = read(shared, headers, owner, body).await?;
    let encoding = headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes());
    keep(shared, &held.bytes, encoding, reader).await?;
    drop(held);
    // An answer without content is a message in which nothing is set: nothing was rejected.
    Ok(([(CONTENT_TYPE, PROTOBUF)], Vec::<u8>::new()).into_response())
}

/// Keeps what a request has, in this encoding; comes back when it is synced.
pub(super) async fn keep(shared: &Shared, body: &[u8], encoding: Option<&[u8]>, reader: Reader) -> Result<(), Refused> {
    let limits = Limits { bytes: shared.policy().limits.batch_bytes, ..Limits::default() };
    let body = decompressed(body, encoding, limits.bytes)?;
    let records = reader(&body, &limits, utc_now_ns())
        .map_err(|refusal| Refused::new(reason(refusal), status(refusal), refusal.to_string()))?;
    drop(body);
    accept(&shared.intake, "", &records).await.map_err(|refusal| not_kept(&refusal))?;
    Ok(())
}

/// What is too much at once may come in smaller parts.
fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::TooLong | Refusal::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn decompressed<'a>(body: &'a [u8], encoding: Option<&[u8]>, most_bytes: usize) -> Result<Cow<'a, [u8]>, Refused> {
    let malformed =
        |_| Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, "the body is not compressed as it says");
    let reader: Box<dyn Read + Send> = match encoding {
        None | Some(b"identity") => return Ok(Cow::Borrowed(body)),
        Some(b"gzip") => Box::new(flate2::read::GzDecoder::new(body)),
        Some(b"zstd") => {
            let mut decoder = zstd::Decoder::with_buffer(body).map_err(malformed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(malformed)?;
            Box::new(decoder)
        }
        Some(_) => {
            let message = "only gzip and zstd are read";
            return Err(Refused::new(Reason::Encoding, StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    };
    let mut bytes = Vec::new();
    reader.take(most_bytes as u64 + 1).read_to_end(&mut bytes).map_err(malformed)?;
    if bytes.len() > most_bytes {
        let message = "the body is too long when it is decompressed";
        return Err(Refused::new(Reason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    Ok(Cow::Owned(bytes))
}
