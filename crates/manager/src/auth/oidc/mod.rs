//! Sign-in with an OpenID provider: the code flow (OpenID Connect Core 3.1) with PKCE (RFC 7636).
//!
//! The browser goes to the provider with a state and a nonce that a cookie of its own is bound to, and comes back with a
//! code; the manager changes it for an identity token, checks that, and opens a session. Neither code nor token is kept.
//! What a group may do stands in the settings ([`Grant`]).
//! *Limits*: the provider speaks HTTPS (HTTP on loopback only); it is asked for its description and its keys once an hour,
//! and for its keys at most once a minute when a token names one that is not known; ten minutes for a sign-in. A session
//! is as long as any other and does not see what the provider changes meanwhile.

mod grant;
mod jwt;
mod pending;

use super::cache::Cache;
use super::client::{Body, Client, file};
use super::tokens::{equal, hash, random_hex};
use super::{How, Identity, outside};
use crate::error::ManagerError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt::{Expected, Keys, Refused};
use pending::{Pending, SignIn};
use reqwest::Url;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use grant::{Grant, Role};

const HOUR: Duration = Duration::from_secs(3_600);
const AGAIN: Duration = Duration::from_secs(60);
/// Where the provider sends the browser back to.
const CALLBACK: &str = "/api/v1/session/oidc/callback";

/// Settings of an OpenID provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Name on the button.
    #[serde(default = "OidcConfig::default_name")]
    pub name: String,
    /// Address of the provider, as in its tokens.
    pub issuer: String,
    /// Name of the manager at the provider.
    pub client_id: String,
    /// File with the secret of the manager at the provider; without it only PKCE guards the code.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// What to ask for besides `openid`.
    #[serde(default = "OidcConfig::default_scopes")]
    pub scopes: Vec<String>,
    /// Claim with the name for the audit log; `sub` where it is absent.
    #[serde(default = "OidcConfig::default_user")]
    pub user_claim: String,
    /// Claim with the groups; dots lead into objects.
    #[serde(default = "OidcConfig::default_groups")]
    pub groups_claim: String,
    /// Seconds by which the clocks may differ; at most 300.
    #[serde(default = "OidcConfig::default_skew")]
    pub clock_skew: u32,
    /// Authorities of the provider, PEM; the system's without it.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What groups may do.
    #[serde(default)]
    pub grant: Vec<Grant>,
}

impl OidcConfig {
    fn default_name() -> String {
        "OpenID".to_owned()
    }

    fn default_scopes() -> Vec<String> {
        ["profile", "email", "groups"].map(str::to_owned).to_vec()
    }

    fn default_user() -> String {
        "preferred_username".to_owned()
    }

    fn default_groups() -> String {
        "groups".to_owned()
    }

    fn default_skew() -> u32 {
        60
    }
}

/// What the provider says of itself.
#[derive(Clone, Debug, Deserialize)]
struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Why a sign-in did not end well.
pub(crate) enum Failed {
    /// The provider, or the way there: it may go well later.
    Provider(String),
    /// What came back is not believed.
    Refused(String),
    /// Somebody known who may do nothing.
    Nothing(String),
}

/// What the browser brings back.
pub(crate) struct Returned<'r> {
    pub cookie: Option<&'r str>,
    pub state: &'r str,
    pub code: Option<&'r str>,
    pub error: Option<&'r str>,
    pub issuer: Option<&'r str>,
}

pub(crate) struct Oidc {
    config: OidcConfig,
    /// The one address that the provider may send browsers to.
    redirect: String,
    home: String,
    client: Client,
    provider: Cache<Provider>,
    keys: Cache<Keys>,
    /// When the keys were asked for because of a key that was not known.
    asked_again: Mutex<Option<Instant>>,
    pending: Pending,
}

impl Oidc {
    pub(crate) fn new(config: &OidcConfig, public_url: Option<&str>) -> Result<Self, ManagerError> {
        let wrong = |why: String| ManagerError::Oidc(why);
        let public =
            public_url.ok_or_else(|| wrong("the public address of the page is needed: --public-url".to_owned()))?;
        let home = public.trim_end_matches('/').to_owned();
        address(&home).map_err(|why| wrong(format!("the public address {why}")))?;
        address(&config.issuer).map_err(|why| wrong(format!("`issuer` {why}")))?;
        if config.client_id.is_empty() {
            return Err(wrong("`client_id` is empty".to_owned()));
        }
        if config.clock_skew > 300 {
            return Err(wrong("`clock_skew` is at most 300 seconds".to_owned()));
        }
        if config.grant.is_empty() {
            return Err(wrong("without a [[oidc.grant]] nobody may do anything: name a group and its role".to_owned()));
        }
        Ok(Self {
            redirect: format!("{home}{CALLBACK}"),
            home,
            client: Client::new(config.ca_file.clone(), None),
            config: config.clone(),
            provider: Cache::new(1),
            keys: Cache::new(1),
            asked_again: Mutex::default(),
            pending: Pending::default(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Where the browser goes, and the cookie that it comes back with.
    pub(crate) async fn begin(&self, back: &str) -> Result<(String, String), Failed> {
        let provider = self.provider().await.map_err(Failed::Provider)?;
        let random = || random_hex().map_err(|error| Failed::Provider(error.to_string()));
        let (cookie, state, nonce, verifier) = (random()?, random()?, random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let mut url =
            Url::parse(&provider.authorization_endpoint).map_err(|error| Failed::Provider(error.to_string()))?;
        let mut scope = "openid".to_owned();
        for more in self.config.scopes.iter().filter(|scope| *scope != "openid") {
            scope.push(' ');
            scope.push_str(more);
        }
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.config.client_id),
            ("redirect_uri", &self.redirect),
            ("scope", &scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let back = if is_page(back) { back } else { "/" }.to_owned();
        self.pending.add(&cookie, SignIn { state, nonce, verifier, back, begun: Instant::now() });
        Ok((url.into(), cookie))
    }

    /// Who came back, and the page to show.
    pub(crate) async fn finish(&self, returned: Returned<'_>) -> Result<(Identity, String), Failed> {
        let refused = |why: &str| Failed::Refused(why.to_owned());
        let begun = returned.cookie.and_then(|cookie| self.pending.take(cookie, Instant::now()));
        let begun =
            begun.ok_or_else(|| refused("this browser has no sign-in under way, or it took too long; begin again"))?;
        if !equal(returned.state.as_bytes(), begun.state.as_bytes()) {
            return Err(refused("the answer belongs to another sign-in; begin again"));
        }
        let provider = self.provider().await.map_err(Failed::Provider)?;
        // RFC 9207: an answer of another provider must not be taken for this one's.
        let named = returned.issuer.is_some() || provider.authorization_response_iss_parameter_supported;
        if named && returned.issuer != Some(&self.config.issuer) {
            return Err(refused("the answer is of another provider"));
        }
        if let Some(error) = returned.error {
            return Err(Failed::Refused(format!("the provider refused: {}", plain(error))));
        }
        let code = returned.code.ok_or_else(|| refused("the provider sent no code"))?;
        let token = self.redeem(&provider, code, &begun.verifier).await?;
        let claims = self.claims(&provider, &token).await?;
        let expected = Expected {
            issuer: &self.config.issuer,
            client: &self.config.client_id,
            nonce: &begun.nonce,
            now: crate::app::now().secs(),
            skew: self.config.clock_skew.into(),
        };
        expected.check(&claims).map_err(because)?;
        let text = |name: &str| claims.get(name).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
        let unproven = self.config.user_claim == "email"
            && claims.get("email_verified").and_then(serde_json::Value::as_bool) != Some(true);
        let name = text(&self.config.user_claim).filter(|_| !unproven).or_else(|| text("sub")).unwrap_or_default();
        let realm = grant::realm(&self.config.grant, &grant::texts(&claims, &self.config.groups_claim));
        let name = outside("oidc", name);
        if realm.read.is_nowhere() {
            return Err(Failed::Nothing(format!("{name} is in no group that may see alerts")));
        }
        Ok((Identity::new(name, How::Oidc, realm), begun.back))
    }

    /// Where the provider ends its own session, if it says so.
    pub(crate) async fn logout(&self) -> Option<String> {
        let provider = self.provider().await.ok()?;
        let mut url = Url::parse(&provider.end_session_endpoint?).ok()?;
        let home = format!("{}/", self.home);
        url.query_pairs_mut()
            .extend_pairs([("client_id", self.config.client_id.as_str()), ("post_logout_redirect_uri", &home)]);
        Some(url.into())
    }

    /// The identity token for a code.
    async fn redeem(&self, provider: &Provider, code: &str, verifier: &str) -> Result<String, Failed> {
        #[derive(Deserialize)]
        struct Tokens {
            id_token: String,
        }
        let secret = match &self.config.secret_file {
            None => None,
            Some(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || file(&path)).await;
                let bytes = read.map_err(|error| error.to_string()).flatten().map_err(Failed::Provider)?;
                Some(String::from_utf8_lossy(&bytes).trim().to_owned())
            }
        };
        let id = self.config.client_id.as_str();
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect.as_str()),
            ("code_verifier", verifier),
        ];
        let methods = &provider.token_endpoint_auth_methods_supported;
        let in_form = methods.iter().any(|method| method == "client_secret_post")
            && !methods.iter().any(|method| method == "client_secret_basic");
        let basic = match &secret {
            Some(secret) if !in_form => Some((encoded(id), encoded(secret))),
            Some(secret) => {
                pairs.extend([("client_id", id), ("client_secret", secret)]);
                None
            }
            None => {
                pairs.push(("client_id", id));
                None
            }
        };
        let basic = basic.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
        let reply = self.client.call(&provider.token_endpoint, Body::Form(form(&pairs)), basic).await;
        let reply = reply.map_err(Failed::Provider)?;
        match reply.status {
            200 => {}
            400 | 401 => {
                let error = serde_json::from_slice::<serde_json::Value>(&reply.body).ok();
                let word = error.as_ref().and_then(|error| error.get("error")?.as_str()).unwrap_or("no reason given");
                return Err(Failed::Refused(format!("the provider did not take the code: {}", plain(word))));
            }
            status => return Err(Failed::Provider(format!("the provider answered with status {status}"))),
        }
        let tokens: Tokens = serde_json::from_slice(&reply.body)
            .map_err(|_| Failed::Provider("the provider's answer has no identity token".to_owned()))?;
        Ok(tokens.id_token)
    }

    /// The claims of a token that the provider has signed.
    async fn claims(&self, provider: &Provider, token: &str) -> Result<serde_json::Value, Failed> {
        let claims = self.keys(provider, false).await.map_err(Failed::Provider)?.claims(token);
        if !matches!(claims, Err(Refused::UnknownKey)) {
            return claims.map_err(because);
        }
        {
            let mut asked = self.asked_again.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.is_some_and(|at| at.elapsed() < AGAIN) {
                return claims.map_err(because);
            }
            *asked = Some(Instant::now());
        }
        self.keys(provider, true).await.map_err(Failed::Provider)?.claims(token).map_err(because)
    }

    async fn provider(&self) -> Result<Provider, String> {
        let issuer = &self.config.issuer;
        let ask = async {
            let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            let provider: Provider = serde_json::from_slice(&self.document(&url).await?)
                .map_err(|error| format!("its description is not understood ({error})"))?;
            if provider.issuer != *issuer {
                return Err(format!("it calls itself {}, not {issuer}", plain(&provider.issuer)));
            }
            let end = provider.end_session_endpoint.as_ref();
            let all = [&provider.authorization_endpoint, &provider.token_endpoint, &provider.jwks_uri];
            for endpoint in all.into_iter().chain(end) {
                address(endpoint).map_err(|why| format!("its endpoint {why}"))?;
            }
            Ok((provider, HOUR))
        };
        self.provider.get(hash(issuer), ask).await.map_err(|why| format!("provider {issuer}: {why}"))
    }

    async fn keys(&self, provider: &Provider, anew: bool) -> Result<Keys, String> {
        let key = hash(&provider.jwks_uri);
        if anew {
            self.keys.forget(&key);
        }
        let ask = async { Ok((Keys::read(&self.document(&provider.jwks_uri).await?)?, HOUR)) };
        self.keys.get(key, ask).await.map_err(|why| format!("provider {}: {why}", self.config.issuer))
    }

    async fn document(&self, url: &str) -> Result<Vec<u8>, String> {
        let reply = self.client.call(url, Body::Nothing, None).await?;
        if reply.status == 200 { Ok(reply.body) } else { Err(format!("it answered with status {}", reply.status)) }
    }
}

fn because(refused: Refused) -> Failed {
    Failed::Refused(match refused {
        Refused::UnknownKey => "the identity token is signed with a key that the provider does not publish".to_owned(),
        Refused::Because(why) => why.to_owned(),
    })
}

/// HTTPS, or HTTP on loopback.
fn address(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|_| format!("`{}` is no address", plain(text)))?;
    let host = url.host_str().unwrap_or_default();
    let loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        _ => Err(format!("`{}` must begin with https://", plain(text))),
    }
}

/// A page of ours, by its path: nothing that a browser takes for another site.
fn is_page(path: &str) -> bool {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/api/") && plain && path.len() <= 2_048
}

/// Words from outside for people: short, without control characters.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn form(pairs: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("form:") else { return String::new() };
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// As a form encodes a value (RFC 6749 2.3.1 wants it so within `Basic`).
fn encoded(text: &str) -> String {
    form(&[("", text)]).trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_returned_to() {
        for good in ["/", "/alerts?q=sid%3A1", "/#/settings"] {
            assert!(is_page(good), "{good}");
        }
        for bad in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/api/v1/me", "alerts", "/ä"]
        {
            assert!(!is_page(bad), "{bad}");
        }
    }

    #[test]
    fn providers_speak_https_or_are_on_loopback() {
        for good in ["https://id.example/x", "http://127.0.0.1:8/", "http://localhost:1", "http://[::1]:1"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["http://id.example", "ftp://127.0.0.1", "javascript:alert(1)", "", "http://127.0.0.1.evil.example"]
        {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form(&[("a", "b c&d"), ("e", "=é")]), "a=b+c%26d&e=%3D%C3%A9");
        assert_eq!(encoded("a:b%"), "a%3Ab%25");
        assert_eq!(encoded("=x"), "%3Dx");
    }
}
