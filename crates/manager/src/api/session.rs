//! Signing in and out, and who one is.

use crate::app::State;
use crate::auth::{Caller, Can, How};
use crate::problem::{Answer, Body, Problem};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::response::{AppendHeaders, IntoResponse};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// A token to sign in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    /// The token, or the word of a sign-in link.
    token: String,
}

/// An open session.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    /// To be sent in `X-Tapir-Csrf` with everything that changes something.
    csrf: String,
}

/// Who one is.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// Name in the audit log.
    user: String,
    /// How he proved it.
    how: How,
    /// What he may do.
    can: Can,
    /// The session's CSRF word; absent with bearer tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
    /// Version of the manager.
    version: &'static str,
    /// Name of the cluster.
    cluster: String,
    /// One process without Kubernetes.
    standalone: bool,
}

/// The other end's address.
pub(super) struct PeerIp(Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for PeerIp {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(crate::auth::peer(parts)))
    }
}

/// Signs in with a token: sets the session's cookie.
#[utoipa::path(post, path = "/session", tag = "session", request_body = SignIn,
    responses((status = 200, body = Session), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn open(state: State, PeerIp(peer): PeerIp, Body(body): Body<SignIn>) -> Answer<impl IntoResponse> {
    let identity = state.auth.sign_in(body.token.trim(), peer, &state.metrics).await?;
    if !identity.can.read {
        return Err(crate::auth::forbidden("this is an agent's token; sign in with the administrator's"));
    }
    let (cookie, csrf) = state.auth.open(identity)?;
    state.metrics.signed_in("ok");
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(Session { csrf })))
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204)))]
pub(super) async fn close(state: State, headers: HeaderMap) -> impl IntoResponse {
    (StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, state.auth.close(&headers))]))
}

/// Who one is and what one may do.
#[utoipa::path(get, path = "/me", tag = "session", responses((status = 200, body = Me), (status = 401, body = Problem)))]
pub(super) async fn me(state: State, caller: Caller) -> Json<Me> {
    Json(Me {
        user: caller.identity.user,
        how: caller.identity.how,
        can: caller.identity.can,
        csrf: caller.csrf,
        version: env!("CARGO_PKG_VERSION"),
        cluster: state.config.cluster.clone(),
        standalone: state.config.standalone,
    })
}
