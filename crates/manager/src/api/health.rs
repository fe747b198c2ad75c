//! `/healthz`, `/metrics`, and the API's own description.

use crate::app::{App, State};
use crate::auth::{bearer, unauthorized};
use crate::problem::{Answer, Problem};
use axum::Json;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::time::Duration;
use tapir_store::StoreHealth;
use utoipa::ToSchema;

/// Whether it works.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok` or `failing`.
    status: &'static str,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Whether the manager and its store work. Needs no token.
#[utoipa::path(get, path = "/healthz", tag = "operation",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn healthz(state: State) -> impl IntoResponse {
    let why = match health(&state).await {
        Ok(StoreHealth { last_write_error: None, .. }) => None,
        Ok(StoreHealth { last_write_error: Some(_), .. }) => {
            Some("the store's last write failed; see its log".to_owned())
        }
        Err(why) => Some(why),
    };
    match why {
        None => (StatusCode::OK, Json(Health { status: "ok", why })),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "failing", why })),
    }
}

async fn health(app: &App) -> Result<StoreHealth, String> {
    match tokio::time::timeout(Duration::from_secs(1), app.store.health()).await {
        Ok(Ok(health)) => Ok(health),
        // Details name files: not for everybody who can reach the port.
        Ok(Err(_)) => Err("the store fails; see the manager's log".to_owned()),
        Err(_) => Err("the store does not answer".to_owned()),
    }
}

/// Metrics as OpenMetrics text. From loopback without a token.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, content_type = "application/openmetrics-text", body = String), (status = 401, body = Problem)))]
pub(super) async fn metrics(state: State, request: Request) -> Answer<impl IntoResponse> {
    let (parts, _) = request.into_parts();
    let peer = crate::auth::peer(&parts);
    // A proxy on the same host is loopback, too; it says for whom it asks.
    let forwarded = parts.headers.contains_key("x-forwarded-for") || parts.headers.contains_key("forwarded");
    if forwarded || !peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
        let Some(token) = bearer(&parts.headers) else { return Err(unauthorized("metrics need a token from here")) };
        state.auth.bearer(token, peer, &state.metrics).await?;
    }
    let health = health(&state).await.ok();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], state.metrics.text(health.as_ref())))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation",
    responses((status = 200, content_type = "application/json", body = serde_json::Value)))]
pub(super) async fn openapi_json() -> Answer<impl IntoResponse> {
    let text = super::openapi().map_err(|error| Problem::busy(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}
