//! HTTP to servers that say who somebody is: the API server of the cluster, an OpenID provider.
//!
//! *Limits*: four seconds a call, 1 MiB an answer, no redirects, no proxies; 16 calls at once. Authorities and tokens of
//! files are read anew after 30 seconds, since Kubernetes replaces them.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Semaphore};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const TIMEOUT: Duration = Duration::from_secs(4);
const AT_ONCE: usize = 16;
const MAX_ANSWER: usize = 1 << 20;
const MAX_FILE: u64 = 1 << 20;
const FRESH: Duration = Duration::from_secs(30);

/// Where systems keep the authorities that they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// A client of one server.
pub(super) struct Client {
    authorities: Option<PathBuf>,
    token: Option<PathBuf>,
    ready: Mutex<Option<Ready>>,
    slots: Semaphore,
}

#[derive(Clone)]
struct Ready {
    read: Instant,
    digest: [u8; 32],
    http: reqwest::Client,
    token: Option<HeaderValue>,
}

/// What came back.
pub(super) struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What is sent.
pub(super) enum Body {
    Nothing,
    Json(Vec<u8>),
    Form(String),
}

impl Client {
    /// `authorities`: those of the system without it. `token`: a file with the bearer token of every call.
    pub(super) fn new(authorities: Option<PathBuf>, token: Option<PathBuf>) -> Self {
        Self { authorities, token, ready: Mutex::default(), slots: Semaphore::new(AT_ONCE) }
    }

    /// One call. Errors are about the way there, in words for people; a status is none.
    pub(super) async fn call(&self, url: &str, body: Body, basic: Option<(&str, &str)>) -> Result<Reply, String> {
        let _slot = self.slots.acquire().await.map_err(|_| "the manager is stopping".to_owned())?;
        let ready = self.ready(url.starts_with("https://")).await?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = &ready.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        let mut request = match &body {
            Body::Nothing => ready.http.get(url),
            Body::Json(_) | Body::Form(_) => ready.http.post(url),
        };
        if let Some((name, secret)) = basic {
            request = request.basic_auth(name, Some(secret));
        }
        let request = match body {
            Body::Nothing => request,
            Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json),
            Body::Form(form) => request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form),
        };
        // The address may be told, what was sent not.
        let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{host} does not answer ({error}{cause})")
        };
        let mut response = request.headers(headers).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(format!("the answer of {host} is longer than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body })
    }

    async fn ready(&self, tls: bool) -> Result<Ready, String> {
        let mut kept = self.ready.lock().await;
        if let Some(ready) = kept.as_ref().filter(|ready| ready.read.elapsed() < FRESH) {
            return Ok(ready.clone());
        }
        let (authorities, token) = (self.authorities.clone(), self.token.clone());
        let files = tokio::task::spawn_blocking(move || files(authorities.as_deref(), token.as_deref(), tls));
        let (pem, token) = files.await.map_err(|error| error.to_string())??;
        let digest: [u8; 32] = Sha256::digest(&pem).into();
        // A client keeps its connections; a new one only where it must trust others.
        let http = match kept.as_ref().filter(|ready| ready.digest == digest) {
            Some(ready) => ready.http.clone(),
            None => client(&pem)?,
        };
        let ready = Ready { read: Instant::now(), digest, http, token };
        *kept = Some(ready.clone());
        Ok(ready)
    }
}

/// Authorities in PEM (none without TLS) and the header with the token.
fn files(
    authorities: Option<&Path>,
    token: Option<&Path>,
    tls: bool,
) -> Result<(Vec<u8>, Option<HeaderValue>), String> {
    let pem = match authorities.or_else(|| BUNDLES.iter().map(Path::new).find(|path| path.exists())) {
        _ if !tls => Vec::new(),
        Some(path) => file(path)?,
        None => return Err("the system has no list of authorities; name a file of your own".to_owned()),
    };
    let header = |path: &Path| {
        let text = file(path)?;
        let text = String::from_utf8_lossy(&text);
        let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim()))
            .map_err(|_| format!("{} holds no token", path.display()))?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    };
    Ok((pem, token.map(header).transpose()?))
}

/// A small file.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn client(pem: &[u8]) -> Result<reqwest::Client, String> {
    let mut roots = RootCertStore::empty();
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    // A system's bundle may hold what this library does not read; none at all shows as a refused handshake.
    roots.add_parsable_certificates(all.map_err(|error| format!("the authorities are no PEM: {error}"))?);
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .user_agent(concat!("tapir/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT)
        .pool_idle_timeout(Duration::from_secs(30))
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|error| format!("no HTTP client: {error}"))
}
