//! Signing in and out, and who one is.

use crate::app::{App, State};
use crate::auth::{Caller, Can, Failed, How, Reach, Realm, Returned};
use crate::problem::{Answer, Body, Params, Problem};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::response::{AppendHeaders, IntoResponse};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::{IntoParams, ToSchema};

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
    /// Where he may do it.
    reach: WhereTo,
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

/// Namespaces in which one may do something; `null`: all.
#[derive(Serialize, ToSchema)]
pub(super) struct WhereTo {
    /// See alerts that have a side there.
    read: Option<Vec<String>>,
    /// Decide about alerts whose sides are all there or outside of the cluster.
    act: Option<Vec<String>>,
    /// Suppress them.
    tune: Option<Vec<String>>,
}

impl WhereTo {
    fn new(realm: &Realm) -> Self {
        let names = |reach: &Reach| match reach {
            Reach::All => None,
            Reach::Only(some) => Some(some.iter().cloned().collect()),
        };
        Self { read: names(&realm.read), act: names(&realm.act), tune: names(&realm.tune) }
    }
}

/// A way to sign in that begins elsewhere.
#[derive(Serialize, ToSchema)]
pub(super) struct ProviderRow {
    /// For the button.
    name: String,
    /// Where the browser goes.
    url: &'static str,
}

/// Ways to sign in.
#[derive(Serialize, ToSchema)]
pub(super) struct Providers {
    /// Providers; there is at most one.
    items: Vec<ProviderRow>,
    /// Tokens of the cluster are taken as well.
    kubernetes: bool,
}

/// After signing out.
#[derive(Serialize, ToSchema)]
pub(super) struct SignedOut {
    /// Where the provider ends its own session, if it has one and says where.
    #[serde(skip_serializing_if = "Option::is_none")]
    logout: Option<String>,
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
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = 204), (status = 200, description = "the provider has a session of its own", body = SignedOut)))]
pub(super) async fn close(state: State, headers: HeaderMap) -> impl IntoResponse {
    let (cookie, how) = state.auth.close(&headers);
    let gone = AppendHeaders([(header::SET_COOKIE, cookie)]);
    let provider = state.auth.oidc.as_ref().filter(|_| how == Some(How::Oidc));
    let logout = match provider {
        Some(oidc) => oidc.logout().await,
        None => None,
    };
    match logout {
        None => (StatusCode::NO_CONTENT, gone).into_response(),
        logout => (gone, Json(SignedOut { logout })).into_response(),
    }
}

/// Ways to sign in, besides tokens. Needs no token.
#[utoipa::path(get, path = "/session/providers", tag = "session", responses((status = 200, body = Providers)))]
pub(super) async fn providers(state: State) -> Json<Providers> {
    let row = |oidc: &crate::auth::Oidc| ProviderRow { name: oidc.name().to_owned(), url: "/api/v1/session/oidc" };
    Json(Providers { items: state.auth.oidc.iter().map(row).collect(), kubernetes: state.config.kubernetes.is_some() })
}

/// Where to return to.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BeginParams {
    /// A page of the manager, by its path; `/` without it.
    back: String,
}

/// Sends a browser to the provider.
#[utoipa::path(get, path = "/session/oidc", tag = "session", params(BeginParams),
    responses((status = 303), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn oidc(state: State, Params(params): Params<BeginParams>) -> Answer<impl IntoResponse> {
    let oidc = provider(&state)?;
    let (url, cookie) = oidc.begin(&params.back).await.map_err(failed)?;
    let cookie = state.auth.pending_value(&cookie);
    Ok((StatusCode::SEE_OTHER, AppendHeaders([(header::LOCATION, url), (header::SET_COOKIE, cookie)])))
}

/// What the provider sends along.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct ReturnParams {
    /// As it was sent to the provider.
    state: String,
    /// The code.
    code: Option<String>,
    /// Or why there is none.
    error: Option<String>,
    /// The provider.
    iss: Option<String>,
}

/// Takes a browser back from the provider: sets the session's cookie.
#[utoipa::path(get, path = "/session/oidc/callback", tag = "session", params(ReturnParams),
    responses((status = 303), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn oidc_callback(
    state: State,
    PeerIp(peer): PeerIp,
    headers: HeaderMap,
    Params(params): Params<ReturnParams>,
) -> Answer<impl IntoResponse> {
    let oidc = provider(&state)?;
    state.auth.may_try(peer, &state.metrics)?;
    let returned = Returned {
        cookie: state.auth.pending(&headers),
        state: &params.state,
        code: params.code.as_deref(),
        error: params.error.as_deref(),
        issuer: params.iss.as_deref(),
    };
    let (identity, back) = oidc.finish(returned).await.map_err(|error| {
        if matches!(error, Failed::Refused(_)) {
            state.auth.tried(peer, &state.metrics);
        }
        failed(error)
    })?;
    let (cookie, _) = state.auth.open(identity)?;
    state.metrics.signed_in("ok");
    let cookies = [(header::SET_COOKIE, cookie), (header::SET_COOKIE, state.auth.pending_value(""))];
    Ok((StatusCode::SEE_OTHER, AppendHeaders(cookies), AppendHeaders([(header::LOCATION, back)])))
}

fn provider(app: &App) -> Answer<&crate::auth::Oidc> {
    app.auth.oidc.as_ref().ok_or_else(|| Problem::not_found("provider", "oidc"))
}

fn failed(error: Failed) -> Problem {
    match error {
        Failed::Provider(why) => Problem::busy(format!("sign-in is not possible now: {why}")),
        Failed::Refused(why) => crate::auth::unauthorized(&why),
        Failed::Nothing(why) => crate::auth::forbidden(&why),
    }
}

/// Who one is and what one may do.
#[utoipa::path(get, path = "/me", tag = "session", responses((status = 200, body = Me), (status = 401, body = Problem)))]
pub(super) async fn me(state: State, caller: Caller) -> Json<Me> {
    Json(Me {
        user: caller.identity.user,
        how: caller.identity.how,
        can: caller.identity.can,
        reach: WhereTo::new(&caller.identity.realm),
        csrf: caller.csrf,
        version: env!("CARGO_PKG_VERSION"),
        cluster: state.config.cluster.clone(),
        standalone: state.config.standalone,
    })
}
