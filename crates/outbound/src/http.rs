//! The HTTP client: who it is, whom it trusts, where it must not go, how long it waits.
//!
//! *Invariants*: 1. no redirect is followed: a receiver cannot send events, or credentials, elsewhere; 2. link-local and
//! loopback addresses are refused unless allowed, also when a name resolves to them, because the address of a webhook may come
//! from somebody who must not reach the cloud's metadata service; 3. an answer is read up to a limit, [`MAX_ANSWER`] if nothing else is said.

use crate::ConfigError;
use crate::own;
use crate::tls::{self, TlsConfig};
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::ClientConfig;

/// Bytes of an answer at most, if the caller does not say otherwise. A `_bulk` answer has some 200 bytes for each record.
pub const MAX_ANSWER: usize = 4 << 20;

/// How the client says who it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Not at all, or by certificate.
    #[default]
    None,
    /// HTTP Basic.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// `Authorization: ApiKey …`, as Elasticsearch and OpenSearch hand them out (already base64).
    ApiKey(String),
    /// `Authorization: Bearer …`.
    Bearer(String),
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(…)",
            Self::ApiKey(_) => "ApiKey(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

/// What a client needs to know.
#[derive(Clone, Debug, Default)]
pub struct HttpConfig {
    /// Who it is.
    pub auth: Auth,
    /// Whom to trust, and our own certificate.
    pub tls: TlsConfig,
    /// Of a whole request; 10 s if not given.
    pub timeout: Option<Duration>,
    /// Bytes of an answer; [`MAX_ANSWER`] if not given.
    pub max_answer: Option<usize>,
    /// Loopback and link-local addresses may be reached.
    pub allow_local: bool,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// `Retry-After` in seconds; a date counts from now.
    pub retry_after: Option<Duration>,
    /// `X-Elastic-Product` and the like are looked up here.
    pub headers: HeaderMap,
    /// The body, up to the limit.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body's beginning, for messages to people.
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(self.body.get(..self.body.len().min(300)).unwrap_or_default()).into_owned();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A client of one receiver.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    auth: Auth,
    max_answer: usize,
}

impl HttpClient {
    /// Of the receiver at `url`.
    pub fn new(url: &str, config: &HttpConfig) -> Result<Self, ConfigError> {
        let base = address(url, config.allow_local)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tapir/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(config.timeout.unwrap_or(Duration::from_secs(10)))
            .no_proxy()
            .connector_layer(own::Telling)
            .dns_resolver(Arc::new(Resolver { allow_local: config.allow_local }));
        // Without TLS nobody is trusted; the client wants a configuration all the same.
        let tls = if base.scheme() == "https" { config.tls.load()? } else { tls::trust_nobody()? };
        builder = builder.tls_backend_preconfigured(ClientConfig::clone(&*tls));
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let Some((name, value)) = header else {
                return Err(ConfigError(format!("`{name}` is no header that can be sent")));
            };
            headers.insert(name, value);
        }
        let client = builder.build().map_err(|error| ConfigError(format!("no HTTP client: {error}")))?;
        let max_answer = config.max_answer.unwrap_or(MAX_ANSWER);
        Ok(Self { client, base, headers, auth: config.auth.clone(), max_answer })
    }

    /// Where it goes.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Sends a request to a path below the base (`""` is the base itself) and reads the answer. The error is a text for
    /// people that names no credentials.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Answer, String> {
        let url = if path.is_empty() { self.base.clone() } else { below(&self.base, path)? };
        let mut request = self.client.request(method, url).headers(self.headers.clone()).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request = match &self.auth {
            Auth::None => request,
            Auth::Basic { user, password } => request.basic_auth(user, Some(password)),
            Auth::ApiKey(key) => request.header("authorization", format!("ApiKey {key}")),
            Auth::Bearer(token) => request.bearer_auth(token),
        };
        let mut response = request.send().await.map_err(|error| explain(&error))?;
        if let Some(ends) = response.extensions().get::<HttpInfo>() {
            own::used(ends);
        }
        let status = response.status();
        let headers = response.headers().clone();
        let retry_after = headers
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error))? {
            let room = self.max_answer.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..chunk.len().min(room)).unwrap_or_default());
            if chunk.len() > room {
                return Err(format!("the answer is longer than {} bytes", self.max_answer));
            }
        }
        Ok(Answer { status, retry_after, headers, body })
    }
}

/// A path below a base that may have a path of its own.
fn below(base: &Url, path: &str) -> Result<Url, String> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut url = base.clone();
    let joined = format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/'));
    url.set_path(&joined);
    url.set_query(if query.is_empty() { None } else { Some(query) });
    Ok(url)
}

/// The whole chain of causes: reqwest's own text stops before the interesting part.
fn explain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { String::new() };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = if text.is_empty() { next } else { format!("{text}: {next}") };
        }
        cause = error.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}

/// Checks an address as far as that can be done without a resolver.
fn address(text: &str, allow_local: bool) -> Result<Url, ConfigError> {
    let refuse = |why: &str| ConfigError(format!("`{text}` is no address of a receiver: {why}"));
    let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it carries a password; configure credentials apart, so that no log shows them"));
    }
    if url.host().is_none() {
        return Err(refuse("it has no host"));
    }
    if !allow_local && leads_inside(&url) {
        return Err(refuse("loopback and link-local addresses are refused; allow them for this sink if that is meant"));
    }
    Ok(url)
}

/// Whether an address says itself that it is loopback, unspecified or link-local. A name may still turn out to be.
pub fn leads_inside(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse::<IpAddr>().is_ok_and(is_local)
}

/// Loopback, unspecified, or link-local, also as IPv4 inside IPv6.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

/// The system's resolver, without the addresses that must not be reached.
struct Resolver {
    allow_local: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_local = self.allow_local;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (local, allowed): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| !allow_local && is_local(address.ip()));
            if allowed.is_empty() && !local.is_empty() {
                let text = format!(
                    "{} is a loopback or link-local address, which must not be reached from here",
                    name.as_str()
                );
                return Err(text.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        HttpClient::new(url, &HttpConfig::default()).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn addresses_that_lead_inside_are_refused() {
        for url in [
            "http://127.0.0.1:9200",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://0.0.0.0/",
            "http://2130706433/",
            "http://0x7f.1/",
        ] {
            assert!(refused(url).contains("loopback and link-local"), "{url}");
            let config = HttpConfig { allow_local: true, ..HttpConfig::default() };
            assert!(HttpClient::new(url, &config).is_ok(), "{url}");
        }
        assert!(HttpClient::new("http://10.0.0.1/", &HttpConfig::default()).is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        assert!(refused("ftp://a/").contains("http://"));
        assert!(refused("a.example").contains("a.example"));
        assert!(refused("https://user:secret@a.example/").contains("configure credentials apart"));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused() {
        let client = HttpClient::new("http://localhost:1/", &HttpConfig::default()).unwrap();
        let error = client.send(Method::GET, "", &[], Vec::new()).await.unwrap_err();
        assert!(error.contains("must not be reached"), "{error}");
    }

    #[test]
    fn credentials_are_not_printed() {
        let auth = Auth::Basic { user: "u".into(), password: "secret".into() };
        assert!(!format!("{auth:?}").contains("secret"));
    }

    #[test]
    fn paths_are_put_below_the_base() {
        let base = Url::parse("https://a.example/es/").unwrap();
        assert_eq!(below(&base, "/_bulk?a=b").unwrap().as_str(), "https://a.example/es/_bulk?a=b");
    }
}
