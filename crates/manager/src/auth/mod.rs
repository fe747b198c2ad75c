//! Who asks, what he may do, and where.
//!
//! *How it fits*: [`Auth::identify`] runs before every call of the API but `POST session`. It takes a bearer token or a
//! session cookie; bearer tokens go to each [`Authenticator`] in turn. A cookie alone changes nothing: calls
//! that change something need the session's CSRF word in a header, which no other site can set. Without either the
//! certificate of the connection says whose it is.
//! *Limits*: tokens of 16 KiB; failed tries per address and minute ([`crate::Limits::failed_sign_ins`]), which keep known
//! tokens and open sessions of that address out of nothing; sessions are kept in memory and end with the process.

mod attempts;
mod cache;
mod client;
mod kubernetes;
mod link;
mod oidc;
mod reach;
mod session;
mod tokens;

use crate::config::Config;
use crate::error::ManagerError;
use crate::metrics::Metrics;
use crate::problem::{Answer, Problem};
use crate::serve::Peer;
use crate::tls::Certificate;
use attempts::Attempts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use kubernetes::{Kubernetes, Subject};
use link::Links;
use serde::{Deserialize, Serialize};
use session::Sessions;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_store::EventStore;
use utoipa::ToSchema;

pub(crate) use attempts::network;
pub use kubernetes::{GROUP, KubernetesConfig};
pub(crate) use oidc::{Failed, Oidc, Returned};
pub use oidc::{Grant, OidcConfig, Role};
pub use reach::{Reach, Realm};
use tokens::{Hash, hash};
pub(crate) use tokens::{LocalTokens, NewTokens, random_hex};

/// How somebody proved who he is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// A token of the manager's own.
    Token,
    /// A token that the cluster reviewed.
    Kubernetes,
    /// A certificate of an agent, in the handshake.
    Certificate,
    /// An OpenID provider.
    Oidc,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Can {
    /// See alerts.
    pub read: bool,
    /// Decide about alerts.
    pub act: bool,
    /// Suppress and except.
    pub tune: bool,
    /// Everything else.
    pub admin: bool,
    /// Send events and heartbeats.
    #[serde(skip)]
    pub ingest: bool,
}

/// Somebody known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name in the audit log.
    pub user: String,
    /// How he proved it.
    pub how: How,
    /// What he may do.
    pub can: Can,
    /// And where.
    pub realm: Realm,
    /// The one node of which he may say something, if he is an agent that proved to be there.
    pub node: Option<String>,
    /// As the cluster knows him.
    pub(crate) subject: Option<Arc<Subject>>,
}

impl Identity {
    /// Somebody with these permissions.
    pub fn new(user: impl Into<String>, how: How, realm: Realm) -> Self {
        Self { user: user.into(), how, can: realm.can(), realm, node: None, subject: None }
    }

    /// An agent: it sends and sees nothing. `node`: the one that it proved to be on.
    pub fn agent(user: impl Into<String>, how: How, node: Option<String>) -> Self {
        let can = Can { ingest: true, ..Can::default() };
        Self { user: user.into(), how, can, realm: Realm::nothing(), node, subject: None }
    }
}

/// What became of a question to an [`Authenticator`].
pub type Verdict<'a> = Pin<Box<dyn Future<Output = Result<Option<Identity>, String>> + Send + 'a>>;

/// Knows whose a bearer token is.
pub trait Authenticator: Send + Sync {
    /// `None`: not a token of this kind. An error is one of the authenticator (its server does not answer, say), in
    /// words for people; it never lets anybody in.
    fn identify<'a>(&'a self, bearer: &'a str) -> Verdict<'a>;

    /// It is one of its tokens, as far as can be told without asking another server: such a token is looked at however
    /// many wrong ones came from the same address. A guess must not become one.
    fn knows(&self, bearer: &str) -> bool;

    /// The same person as he is now, in a session that began with a token of this kind. `None`: not one of its people.
    fn again<'a>(&'a self, identity: &'a Identity) -> Verdict<'a> {
        let _ = identity;
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// Longest bearer token: projected tokens of Kubernetes have 1–2 KiB.
const MAX_TOKEN: usize = 16 << 10;
/// Header with the session's CSRF word.
pub(crate) const CSRF: &str = "x-tapir-csrf";

/// All that knows people.
pub(crate) struct Auth {
    authenticators: Vec<Arc<dyn Authenticator>>,
    pub oidc: Option<Oidc>,
    sessions: Sessions,
    attempts: Attempts,
    links: Links,
    /// Name of the session's cookie. Browsers keep cookies by host, whatever the port: two managers on one host, or two
    /// that are reached through forwarded ports of `localhost`, must not take each other's.
    cookie: String,
    secure: bool,
}

/// Somebody known, and the CSRF word if he came with a cookie.
#[derive(Clone)]
pub(crate) struct Caller {
    pub identity: Identity,
    pub csrf: Option<String>,
    /// What he came with.
    pub pass: Pass,
}

/// What somebody showed: a call that goes on for long asks again and again whether it still holds ([`Auth::holds`]).
#[derive(Clone)]
pub(crate) enum Pass {
    /// A token, in clear.
    Bearer(String),
    /// The hash of a session's cookie.
    Session(Hash),
    /// An agent's certificate.
    Certificate,
}

impl Auth {
    /// With the manager's own tokens; the new ones among them come back in clear.
    pub(crate) fn new(config: &Config, store: &Arc<dyn EventStore>) -> Result<(Self, NewTokens), ManagerError> {
        let (tokens, new) = LocalTokens::open(&config.data_dir, &config.agent_tokens)?;
        // Browsers keep `Secure` cookies from plain HTTP, but for some on loopback; `__Host-` demands `Secure`.
        let secure = config.behind_tls || config.tls.is_some() || !config.listen.ip().is_loopback();
        let cookie = format!("{}tapir-{}", if secure { "__Host-" } else { "" }, tokens.instance());
        let mut authenticators: Vec<Arc<dyn Authenticator>> = vec![Arc::new(tokens)];
        if let Some(kubernetes) = &config.kubernetes {
            authenticators.push(Arc::new(Kubernetes::new(kubernetes, config.limits.known, Arc::clone(store))));
        }
        let oidc = config.oidc.as_ref().map(|oidc| Oidc::new(oidc, config.public_url.as_deref())).transpose()?;
        let auth = Self {
            authenticators,
            oidc,
            sessions: Sessions::new(config.limits.sessions, config.limits.session),
            attempts: Attempts::new(config.limits.failed_sign_ins),
            links: Links::default(),
            cookie,
            secure,
        };
        Ok((auth, new))
    }

    /// Who sends this request; a problem for everybody unknown.
    pub(crate) async fn identify(&self, parts: &Parts, metrics: &Metrics) -> Answer<Caller> {
        if let Some(bearer) = bearer(&parts.headers) {
            let identity = self.bearer(bearer, peer(parts), metrics).await?;
            return Ok(Caller { identity, csrf: None, pass: Pass::Bearer(bearer.to_owned()) });
        }
        let id = self.cookie(&parts.headers).map(hash);
        if let Some(certificate) = parts.extensions.get::<Certificate>().filter(|_| id.is_none()) {
            return Ok(Caller { identity: agent(certificate)?, csrf: None, pass: Pass::Certificate });
        }
        let session = id.and_then(|id| Some((id, self.sessions.get(&id, Instant::now())?)));
        let Some((id, session)) = session else {
            return Err(unauthorized("sign in, or send a token: Authorization: Bearer TOKEN"));
        };
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let given = parts.headers.get(CSRF).map(|word| word.as_bytes()).unwrap_or_default();
            if !tokens::equal(given, session.csrf.as_bytes()) {
                return Err(forbidden("send the session's CSRF word in X-Tapir-Csrf; GET /api/v1/me has it"));
            }
        }
        let identity = self.again(session.identity).await?;
        Ok(Caller { identity, csrf: Some(session.csrf), pass: Pass::Session(id) })
    }

    /// Who somebody is now with what he showed earlier. A problem with status 503: nobody knows at the moment.
    pub(crate) async fn holds(&self, pass: &Pass) -> Answer<Identity> {
        match pass {
            Pass::Bearer(token) => {
                self.known(token).await?.ok_or_else(|| unauthorized("the token is not known any more"))
            }
            Pass::Session(id) => match self.sessions.get(id, Instant::now()) {
                Some(session) => self.again(session.identity).await,
                None => Err(unauthorized("the session has ended")),
            },
            Pass::Certificate => Err(unauthorized("a certificate holds for a call")),
        }
    }

    /// Hears of sessions that are closed from now on.
    pub(crate) fn closed(&self) -> tokio::sync::watch::Receiver<()> {
        self.sessions.closed()
    }

    /// Whose token it is, if one of the authenticators knows it.
    async fn known(&self, token: &str) -> Answer<Option<Identity>> {
        for authenticator in &self.authenticators {
            match authenticator.identify(token).await {
                Ok(Some(identity)) => return Ok(Some(identity)),
                Ok(None) => {}
                Err(why) => return Err(Problem::busy(format!("the token could not be checked: {why}"))),
            }
        }
        Ok(None)
    }

    /// Somebody of a session as he is now.
    async fn again(&self, identity: Identity) -> Answer<Identity> {
        if identity.how != How::Kubernetes {
            return Ok(identity);
        }
        for authenticator in &self.authenticators {
            match authenticator.again(&identity).await {
                Ok(Some(identity)) => return Ok(identity),
                Ok(None) => {}
                Err(why) => return Err(Problem::busy(format!("the permissions could not be checked: {why}"))),
            }
        }
        Err(unauthorized("this session can't be checked any more; sign in again"))
    }

    /// The address may try.
    pub(crate) fn may_try(&self, peer: Option<IpAddr>, metrics: &Metrics) -> Answer<()> {
        if let Some(wait) = peer.and_then(|peer| self.attempts.blocked(peer, Instant::now())) {
            metrics.signed_in("limited");
            return Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "sign-in-limit",
                "Too many failed sign-ins",
                format!("too many wrong tokens came from this address; wait {} s", wait.as_secs().max(1)),
            )
            .after(wait.max(Duration::from_secs(1))));
        }
        Ok(())
    }

    /// It has tried in vain.
    pub(crate) fn tried(&self, peer: Option<IpAddr>, metrics: &Metrics) {
        if let Some(peer) = peer {
            self.attempts.failed(peer, Instant::now());
        }
        metrics.signed_in("refused");
    }

    /// Whose token it is. Failed tries of an address are counted; after too many of them only known tokens come in, for
    /// one address may be that of many: of a proxy, of a node.
    pub(crate) async fn bearer(&self, token: &str, peer: Option<IpAddr>, metrics: &Metrics) -> Answer<Identity> {
        let may_be = token.len() <= MAX_TOKEN;
        if !(may_be && self.authenticators.iter().any(|authenticator| authenticator.knows(token))) {
            self.may_try(peer, metrics)?;
        }
        if may_be && let Some(identity) = self.known(token).await? {
            return Ok(identity);
        }
        self.tried(peer, metrics);
        Err(unauthorized("this token is not known; a lost one is replaced by deleting its hash in the data directory"))
    }

    /// A word that signs the administrator in once.
    pub(crate) fn link_word(&self) -> Result<String, ManagerError> {
        self.links.make()
    }

    /// Who signs in: with a word of a link, or with a token.
    pub(crate) async fn sign_in(&self, word: &str, peer: Option<IpAddr>, metrics: &Metrics) -> Answer<Identity> {
        if self.links.take(word) {
            return Ok(tokens::admin());
        }
        self.bearer(word, peer, metrics).await
    }

    /// Opens a session: the cookie's header value and the CSRF word.
    pub(crate) fn open(&self, identity: Identity) -> Answer<(String, String)> {
        let fault = |_| Problem::busy("the system gives no random numbers");
        let (id, csrf) = (random_hex().map_err(fault)?, random_hex().map_err(fault)?);
        let mut lifetime = self.sessions.lifetime();
        // A session does not outlive the token that it began with; of tokens without an end it lasts an hour.
        if let Some(subject) = &identity.subject {
            let left = subject.expires.map(|end| end.saturating_sub(crate::app::now().secs()));
            let left =
                left.map_or(Duration::from_secs(3_600), |left| Duration::from_secs(u64::try_from(left).unwrap_or(0)));
            lifetime = lifetime.min(left);
        }
        self.sessions.open(&id, identity, csrf.clone(), Instant::now(), lifetime);
        Ok((self.cookie_value(&id, lifetime), csrf))
    }

    /// Ends the session of a request, if it has one: the header value that removes the cookie, and how it had begun.
    pub(crate) fn close(&self, headers: &HeaderMap) -> (String, Option<How>) {
        let how = self.cookie(headers).and_then(|cookie| self.sessions.close(cookie));
        (self.cookie_value("", Duration::ZERO), how)
    }

    /// The header value for the cookie of a sign-in under way at a provider; empty: removes it. It comes along when the
    /// provider sends the browser back, which `Strict` would not allow.
    pub(crate) fn pending_value(&self, value: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let age = if value.is_empty() { 0 } else { 600 };
        format!("{}-sign-in={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}", self.cookie)
    }

    /// The cookie of a sign-in under way.
    pub(crate) fn pending<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        cookie(headers, &format!("{}-sign-in", self.cookie))
    }

    fn cookie_value(&self, value: &str, age: Duration) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}", self.cookie, age.as_secs())
    }

    fn cookie<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        cookie(headers, &self.cookie)
    }
}

fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then_some(value)
    })
}

/// The name of somebody from outside in the audit log: never one of ours, and of bounded length.
fn outside(kind: &str, name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(253).collect();
    let ours = ["admin", "agent", "tapir"].iter().any(|ours| name.eq_ignore_ascii_case(ours));
    if ours { format!("{kind}:{name}") } else { name }
}

/// The handshake has checked the chain; a connection may outlive the certificate.
fn agent(certificate: &Certificate) -> Answer<Identity> {
    if certificate.is_over(crate::app::now()) {
        return Err(unauthorized("the certificate of this connection is over; connect with a new one"));
    }
    let Some(node) = &certificate.name else {
        return Err(unauthorized("the certificate names nobody: it needs a DNS name or a common name"));
    };
    Ok(Identity::agent(node, How::Certificate, Some(node.clone())))
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

pub(crate) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|peer| peer.0.ip())
}

pub(crate) fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Nobody known", detail)
}

pub(crate) fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
}
