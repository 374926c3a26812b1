//! `/v1/control`: which services are asked for which levels.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use serde_json::json;
use spanlake_core::Directives;

use super::body::{discard, gather};
use super::{Peer, Refused, Shared};
use crate::intake::Reason;
use crate::tokens::Right;

/// Longest wish.
const MOST_BYTES: usize = 64 << 10;

/// What somebody asks a service for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// As directives are written.
    directives: String,
    /// How long those last that do not say it.
    #[serde(default)]
    for_ms: Option<u64>,
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let listed = allowed(&shared, &headers, peer.ip()).map(|()| {
        let services = shared.control.services();
        let asked = services.iter().map(|service| asked(&shared, service)).collect::<Vec<_>>();
        Json(json!({ "services": asked })).into_response()
    });
    shared.answer(listed)
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    Path(service): Path<String>,
    headers: HeaderMap,
) -> Response {
    let shown = allowed(&shared, &headers, peer.ip()).map(|()| Json(asked(&shared, &service)).into_response());
    shared.answer(shown)
}

pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    Path(service): Path<String>,
    request: Request,
) -> Response {
    let (parts, mut body) = request.into_parts();
    let set = match allowed(&shared, &parts.headers, peer.ip()) {
        Ok(()) => follow(&shared, &service, &mut body).await,
        Err(refused) => Err(refused),
    };
    if set.is_err() {
        discard(&shared, &parts.headers, body).await;
    }
    shared.answer(set)
}

async fn follow(shared: &Shared, service: &str, body: &mut Body) -> Result<Response, Refused> {
    let malformed = |text: String| Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, text);
    let held = gather(shared, body, MOST_BYTES).await?;
    let Wanted { directives, for_ms } =
        serde_json::from_slice(&held.bytes).map_err(|error| malformed(error.to_string()))?;
    let directives: Directives = directives.parse().map_err(|error| malformed(format!("{error}")))?;
    shared.control.set(service, directives, for_ms.map(Duration::from_millis)).map_err(|error| unkept(&error))?;
    Ok(Json(asked(shared, service)).into_response())
}

pub(super) async fn clear(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    Path(service): Path<String>,
    headers: HeaderMap,
) -> Response {
    let cleared = allowed(&shared, &headers, peer.ip()).and_then(|()| {
        shared.control.clear(&service).map_err(|error| unkept(&error))?;
        Ok(Json(asked(&shared, &service)).into_response())
    });
    shared.answer(cleared)
}

fn allowed(shared: &Shared, headers: &HeaderMap, from: IpAddr) -> Result<(), Refused> {
    shared.allow(Right::Control, headers, from).map(drop)
}

fn asked(shared: &Shared, service: &str) -> serde_json::Value {
    let verbosity = shared.control.of(service).unwrap_or_default();
    json!({ "service": service, "version": verbosity.version, "directives": verbosity.directives })
}

fn unkept(error: &spanlake_core::Error) -> Refused {
    Refused::new(Reason::Disk, StatusCode::SERVICE_UNAVAILABLE, error.chain().to_string())
}
