//! The check of who calls, before any handler runs, and what the handler learns of him.

use crate::app::{App, State};
use crate::auth::{Caller, forbidden};
use crate::problem::{Answer, Problem};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use tapir_store::Decision;

/// Lets people through that may read.
pub(super) async fn people(state: State, request: Request, next: Next) -> Answer<Response> {
    let (caller, request) = known(&state, request).await?;
    if !caller.identity.can.read {
        return Err(forbidden("this token may not read alerts; agents' tokens are for ingest and heartbeat only"));
    }
    Ok(next.run(with(caller, request)).await)
}

/// Lets agents through.
pub(super) async fn agents(state: State, request: Request, next: Next) -> Answer<Response> {
    let (caller, request) = known(&state, request).await?;
    if !caller.identity.can.ingest {
        return Err(forbidden("an agent's token is needed here"));
    }
    Ok(next.run(with(caller, request)).await)
}

async fn known(app: &Arc<App>, request: Request) -> Answer<(Caller, Request)> {
    let (parts, body) = request.into_parts();
    let caller = app.auth.identify(&parts, &app.metrics).await?;
    Ok((caller, Request::from_parts(parts, body)))
}

fn with(caller: Caller, mut request: Request) -> Request {
    request.extensions_mut().insert(caller);
    request
}

impl Caller {
    /// He may decide about alerts.
    pub(super) fn act(&self) -> Answer<Decision> {
        self.may(self.identity.can.act, "decide about alerts")
    }

    /// He may suppress and except.
    pub(super) fn tune(&self) -> Answer<Decision> {
        self.may(self.identity.can.tune, "change suppressions and exceptions")
    }

    /// He is bound to no node, or to this one.
    pub(super) fn speaks_for(&self, node: &str) -> Answer<()> {
        match &self.identity.node {
            Some(own) if own != node => {
                Err(forbidden(&format!("this is the agent of node {own}; it may not speak for another one")))
            }
            _ => Ok(()),
        }
    }

    /// As the store writes it down.
    pub(super) fn decision(&self) -> Decision {
        Decision { who: self.identity.user.clone(), now: crate::app::now() }
    }

    fn may(&self, may: bool, what: &str) -> Answer<Decision> {
        if may {
            return Ok(self.decision());
        }
        Err(forbidden(&format!("{} may not {what}", self.identity.user)))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let missing = || crate::auth::unauthorized("sign in");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}
