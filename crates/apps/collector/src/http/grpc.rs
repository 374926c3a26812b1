//! `LogsService/Export` and `TraceService/Export`: OTLP by gRPC, within the same limits as by HTTP, acknowledged when it is synced.
//!
//! A call has one message, behind five bytes that say how long it is, so that it is paid for before it is read.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::Response;
use http_body_util::{BodyExt, Full};
use spanlake_wire::otlp::grpc::come_back;
use spanlake_wire::otlp::{read_logs, read_traces};
use tokio::time::timeout;
use tonic::{Code, Status};

use super::body::{Held, fits, pay, refund, slow};
use super::otlp::{Reader, keep};
use super::{Peer, Refused, Shared, owner};
use crate::intake::Reason;
use crate::tokens::Right;

const GRPC: &str = "application/grpc";

/// How long what stands in front of a message is: whether it is compressed, and its length.
const HEAD: usize = 5;

/// A message in which nothing is set: nothing was rejected.
const NOTHING_REJECTED: [u8; HEAD] = [0; HEAD];

pub(super) async fn logs(state: State<Arc<Shared>>, peer: Extension<Peer>, request: Request) -> Response {
    receive(state, peer, request, read_logs).await
}

pub(super) async fn traces(state: State<Arc<Shared>>, peer: Extension<Peer>, request: Request) -> Response {
    receive(state, peer, request, read_traces).await
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    peer: Extension<Peer>,
    request: Request,
    reader: Reader,
) -> Response {
    if request.version() != Version::HTTP_2 || !is_grpc(request.headers()) {
        let message = "only application/grpc over HTTP/2 is read";
        return shared.answer(Err(Refused::new(Reason::Encoding, StatusCode::UNSUPPORTED_MEDIA_TYPE, message)));
    }
    match store(&shared, peer, request, reader).await {
        Ok(()) => kept(),
        Err(refused) => {
            shared.count(&refused);
            refusal(&refused)
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let of = headers.get(CONTENT_TYPE).and_then(|kind| kind.as_bytes().strip_prefix(GRPC.as_bytes()));
    matches!(of, Some(b"" | b"+proto" | [b';', ..]))
}

async fn store(
    shared: &Shared,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    reader: Reader,
) -> Result<(), Refused> {
    let (parts, body) = request.into_parts();
    let owner = owner(shared.allow(Right::Publish, &parts.headers, peer.ip())?, peer);
    let message =
        timeout(shared.policy().limits.patience, Message::read(shared, &owner, body)).await.map_err(|_| slow())??;
    let encoding = match (message.is_compressed, parts.headers.get("grpc-encoding")) {
        (false, _) => None,
        (true, Some(encoding)) => Some(encoding.as_bytes()),
        (true, None) => return Err(malformed("the message is compressed, and how is not said")),
    };
    keep(shared, &message.held.bytes, encoding, reader).await
}

/// The message of a call, and the room it takes.
struct Message<'a> {
    is_compressed: bool,
    held: Held<'a>,
}

impl<'a> Message<'a> {
    async fn read(shared: &'a Shared, owner: &str, mut body: Body) -> Result<Self, Refused> {
        let cut = || malformed("the message is cut off");
        let mut bytes = Vec::new();
        while bytes.len() < HEAD {
            bytes.extend(next(&mut body).await?.ok_or_else(cut)?);
        }
        let (head, begun) = bytes.split_first_chunk().ok_or_else(cut)?;
        let [flag, length @ ..]: [u8; HEAD] = *head;
        if flag > 1 {
            return Err(malformed("what stands in front of the message says nothing"));
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        fits(shared, length)?;
        pay(shared, owner, length)?;
        let one = || malformed("a call has one message");
        let mut held = Held::default();
        let mut more = Some(Bytes::copy_from_slice(begun));
        while let Some(part) = more {
            if held.bytes.len() + part.len() > length {
                return Err(one());
            }
            held.add(shared, &part, length).inspect_err(|refused| refund(shared, owner, length, refused))?;
            more = next(&mut body).await?;
        }
        if held.bytes.len() < length { Err(cut()) } else { Ok(Self { is_compressed: flag == 1, held }) }
    }
}

/// The next bytes of a body, until there are no more.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Refused> {
    let Some(frame) = body.frame().await else { return Ok(None) };
    let frame = frame.map_err(|_| malformed("the message does not come"))?;
    Ok(Some(frame.into_data().unwrap_or_default()))
}

fn malformed(text: &str) -> Refused {
    Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, text)
}

// === answers ===

fn kept() -> Response {
    let status = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from(Code::Ok as u16))]);
    let body = Full::from(Bytes::from_static(&NOTHING_REJECTED)).with_trailers(async { Some(Ok(status)) });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    response
}

/// What may be tried again says after which time.
fn refusal(refused: &Refused) -> Response {
    let code = match refused.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::Unimplemented,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::InvalidArgument,
    };
    let details = refused.after.map(|after| come_back(code as i32, &refused.text, after)).unwrap_or_default();
    let mut response = Status::with_details(code, &refused.text, details.into()).into_http();
    response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,zstd"));
    response
}
