//! `/v1/control`: which services are asked for which levels.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use serde_json::json;
use spanlake_core::Directives;

use super::{Peer, Refused, Shared};
use crate::intake::Reason;
use crate::tokens::Right;

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
    headers: HeaderMap,
    wanted: Result<Json<Wanted>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let set = allowed(&shared, &headers, peer.ip()).and_then(|()| {
        let malformed = |text: String| Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, text);
        let Json(Wanted { directives, for_ms }) = wanted.map_err(|rejection| malformed(rejection.body_text()))?;
        let directives: Directives = directives.parse().map_err(|error| malformed(format!("{error}")))?;
        shared.control.set(&service, directives, for_ms.map(Duration::from_millis)).map_err(|error| unkept(&error))?;
        Ok(Json(asked(&shared, &service)).into_response())
    });
    shared.answer(set)
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
