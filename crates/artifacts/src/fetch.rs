//! Fetching: from the copies that are kept, else over the network; checked, unpacked, and kept.
//!
//! *How it fits*: [`Fetcher::fetch`] is one try; who calls it tries again, no sooner than [`FetchError::retry_after`] says.
//! [`Fetcher::recall`] never touches the network.
//!
//! *Invariants*: 1. bytes whose digest is wrong are dropped unread; 2. redirects are followed, since release pages and registries hand
//! out their files so, [`MAX_REDIRECTS`] times, never from `https` to `http`, and without credentials as soon as the server is another one;
//! where a redirect leads is checked like the first address.
//!
//! *Limits*: [`MAX_DOWNLOAD`] bytes of each file, and of all layers of an artifact together; [`TIME`] for each.

use crate::credentials::{host_of, is_safe};
use crate::registry;
use crate::unpack::{UnpackError, unpack};
use crate::{Credentials, Digest, Kept, Place, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tapir_outbound::{Answer, Auth, HttpClient, HttpConfig, Method, StatusCode, TlsConfig, Url, leads_inside};

/// Bytes of a file, or of all layers of an artifact.
pub const MAX_DOWNLOAD: u64 = 64 << 20;
/// Time for one file.
const TIME: Duration = Duration::from_secs(300);
/// Redirects in a row.
const MAX_REDIRECTS: usize = 5;

/// Rules that were fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifact {
    /// Texts by path; an empty path: the file itself.
    pub texts: BTreeMap<String, Arc<[u8]>>,
    /// What of it is not taken.
    pub left_out: Vec<String>,
    /// Copies that it is made of.
    pub copies: BTreeSet<Digest>,
    /// It could not be kept for a start without a network, and why.
    pub unkept: Option<String>,
}

/// Why there is nothing new.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// For people; names no credentials.
    pub message: String,
    /// What the server asks for.
    pub retry_after: Option<Duration>,
}

impl From<String> for FetchError {
    fn from(message: String) -> Self {
        Self { message, retry_after: None }
    }
}

impl From<UnpackError> for FetchError {
    fn from(error: UnpackError) -> Self {
        error.to_string().into()
    }
}

/// Brings artifacts.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Whom to trust.
    pub tls: TlsConfig,
    /// Loopback and link-local addresses may be reached.
    pub allow_local: bool,
    /// Where copies are kept.
    pub kept: Option<Kept>,
}

impl Fetcher {
    /// Of the copies alone; `None`: one is missing. An error: what is there cannot be used, and no server could change that.
    pub fn recall(&self, source: &Source) -> Option<Result<Artifact, FetchError>> {
        let kept = self.kept.as_ref()?;
        let first = kept.get(&source.digest, MAX_DOWNLOAD)?;
        if let Place::Web(_) = source.place {
            return Some(of_file(source.digest, &first));
        }
        let manifest = match registry::Manifest::parse(&first) {
            Ok(manifest) => manifest,
            Err(why) => return Some(Err(why)),
        };
        let mut layers = Vec::new();
        for layer in manifest.layers {
            let bytes = kept.get(&layer.digest, MAX_DOWNLOAD)?;
            layers.push((layer, bytes));
        }
        Some(of_layers(source.digest, layers))
    }

    /// Of the copies or, what is missing, of the server. What is `in_use` stays among the copies.
    pub async fn fetch(
        &self,
        source: &Source,
        credentials: &Credentials,
        in_use: &BTreeSet<Digest>,
    ) -> Result<Artifact, FetchError> {
        let (this, wanted) = (self.clone(), source.clone());
        if let Some(found) = apart(move || Ok(this.recall(&wanted))).await? {
            return found;
        }
        let mut keeping = Keeping { fetcher: self, in_use: in_use.clone(), unkept: None };
        let digest = source.digest;
        let artifact = match &source.place {
            Place::Web(url) => {
                let url = Url::parse(url).map_err(|error| error.to_string())?;
                let auth = credentials.find(&host_of(&url), url.path());
                let body = whole(self.get(url, &[], auth, MAX_DOWNLOAD).await?)?;
                let body = keeping.keep(digest, body).await?;
                apart(move || of_file(digest, &body)).await?
            }
            Place::Registry { host, repository, plain } => {
                let mut session = registry::Session::new(self, host, repository, *plain, credentials)?;
                let first = keeping.keep(digest, session.manifest(&digest).await?).await?;
                let mut layers = Vec::new();
                for layer in registry::Manifest::parse(&first)?.layers {
                    let (kept, wanted) = (self.kept.clone(), layer.digest);
                    let bytes = match apart(move || Ok(kept.and_then(|kept| kept.get(&wanted, MAX_DOWNLOAD)))).await? {
                        Some(bytes) => bytes,
                        None => keeping.keep(layer.digest, session.blob(&layer).await?).await?,
                    };
                    layers.push((layer, bytes));
                }
                apart(move || of_layers(digest, layers)).await?
            }
        };
        Ok(Artifact { unkept: keeping.unkept, ..artifact })
    }

    /// Follows redirects to an answer.
    pub(crate) async fn get(
        &self,
        url: Url,
        headers: &[(&'static str, String)],
        auth: Auth,
        most: u64,
    ) -> Result<Answer, FetchError> {
        let (mut url, mut auth) = (url, auth);
        for _ in 0..=MAX_REDIRECTS {
            if auth != Auth::None && !is_safe(&url) {
                return Err(format!("{}: credentials are not sent without TLS; use https", host_of(&url)).into());
            }
            if !self.allow_local && leads_inside(&url) {
                let host = host_of(&url);
                return Err(
                    format!("{host}: addresses of this host and link-local ones are for --rules-from alone").into()
                );
            }
            let config = HttpConfig {
                auth: auth.clone(),
                tls: self.tls.clone(),
                timeout: Some(TIME),
                max_answer: usize::try_from(most).ok(),
                allow_local: self.allow_local,
                headers: Vec::new(),
            };
            // There may be a key in the address.
            let client = HttpClient::new(url.as_str(), &config);
            let client = client.map_err(|error| error.to_string().replace(url.as_str(), &host_of(&url)))?;
            let answer = client.send(Method::GET, "", headers, Vec::new()).await;
            let answer = answer.map_err(|why| format!("{}: {why}", host_of(&url)))?;
            let Some(next) = redirected(&url, &answer)? else { return Ok(answer) };
            if next.origin() != url.origin() {
                auth = Auth::None;
            }
            url = next;
        }
        Err(format!("{}: more than {MAX_REDIRECTS} redirects", host_of(&url)).into())
    }
}

/// Where an answer sends us.
fn redirected(url: &Url, answer: &Answer) -> Result<Option<Url>, FetchError> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = answer.headers.get("location").and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| url.join(location).ok());
    let Some(next) = next else { return Err(format!("{}: a redirect that leads nowhere", host_of(url)).into()) };
    if url.scheme() == "https" && next.scheme() != "https" {
        return Err(
            format!("{}: a redirect from https to {}, which is not followed", host_of(url), next.scheme()).into()
        );
    }
    Ok(Some(next))
}

/// The body of an answer that has one.
pub(crate) fn whole(answer: Answer) -> Result<Vec<u8>, FetchError> {
    if answer.status == StatusCode::OK {
        return Ok(answer.body);
    }
    let advice = match answer.status.as_u16() {
        401 | 403 => "; it asks for credentials, or for others (docs/kubernetes/agent.md)",
        404 | 410 => "; nothing is there by this name",
        _ => "",
    };
    Err(FetchError {
        message: format!("the server answers {}{advice}", answer.status),
        retry_after: answer.retry_after,
    })
}

/// Checks what comes over the network, and keeps it.
struct Keeping<'f> {
    fetcher: &'f Fetcher,
    in_use: BTreeSet<Digest>,
    unkept: Option<String>,
}

impl Keeping<'_> {
    /// The bytes, if they are what was asked for.
    async fn keep(&mut self, wanted: Digest, bytes: Vec<u8>) -> Result<Vec<u8>, FetchError> {
        self.in_use.insert(wanted);
        let (kept, in_use) = (self.fetcher.kept.clone(), self.in_use.clone());
        let (bytes, trouble) = apart(move || {
            let found = Digest::of(&bytes);
            if found != wanted {
                return Err(format!(
                    "what came is not what was asked for: its digest is {found}, not {wanted} ({} bytes); if the change is meant, \
                     look at it and write the new digest",
                    bytes.len()
                )
                .into());
            }
            let trouble = kept.and_then(|kept| kept.put(&wanted, &bytes, &in_use).err());
            Ok((bytes, trouble))
        })
        .await?;
        if let Some(trouble) = trouble {
            self.unkept.get_or_insert(trouble.to_string());
        }
        Ok(bytes)
    }
}

/// Work that takes longer than others on this thread can wait.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err("it could not be read: an error of ours, which is worth a report".to_owned().into()),
    }
}

/// A file of a web server.
fn of_file(digest: Digest, bytes: &[u8]) -> Result<Artifact, FetchError> {
    let unpacked = unpack(bytes)?;
    let texts = unpacked.files.into_iter().map(|(path, text)| (path, text.into())).collect();
    Ok(Artifact { texts, left_out: unpacked.left_out, copies: [digest].into(), unkept: None })
}

/// The layers of an artifact: rule files by their titles, and archives of them.
fn of_layers(manifest: Digest, layers: Vec<(registry::Layer, Vec<u8>)>) -> Result<Artifact, FetchError> {
    let mut artifact = Artifact { copies: [manifest].into(), ..Artifact::default() };
    let (mut last, mut without) = (None, 0_usize);
    for (layer, bytes) in layers {
        artifact.copies.insert(layer.digest);
        let unpacked = match unpack(&bytes) {
            Ok(unpacked) => unpacked,
            // A layer beside those with rules: documentation, signatures. If there is no other, this is what is told.
            Err(error @ (UnpackError::NoRules(_) | UnpackError::Empty | UnpackError::Form(_))) => {
                without = without.saturating_add(1);
                last = Some(error);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        artifact.left_out.extend(unpacked.left_out);
        for (path, text) in unpacked.files {
            // Of a plain file the layer's title is the name; one that is called otherwise is no rule file.
            let path = if path.is_empty() { layer.title.clone() } else { path };
            if path.is_empty() || path.ends_with(".rules") {
                artifact.texts.insert(path, text.into());
            } else {
                without = without.saturating_add(1);
            }
        }
    }
    match (artifact.texts.is_empty(), last) {
        (false, _) => Ok(artifact),
        (true, Some(error)) if without == 1 => Err(error.into()),
        (true, _) => Err(format!("no layer of the artifact has a *.rules file ({without} others)").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, location: &str) -> Answer {
        let headers = [("location".parse().unwrap(), location.parse().unwrap())].into_iter().collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, headers, body: Vec::new() }
    }

    #[test]
    fn a_redirect_leads_on_but_not_out_of_tls() {
        let to = |from: &str, status, location: &str| {
            let next = redirected(&Url::parse(from).unwrap(), &answer(status, location));
            next.map(|next| next.map(String::from)).map_err(|error| error.message)
        };
        assert_eq!(to("https://a.example/x", 200, "/y"), Ok(None));
        assert_eq!(to("https://a.example/x", 302, "/y").unwrap().as_deref(), Some("https://a.example/y"));
        assert_eq!(to("http://a.example/x", 308, "https://b.example/").unwrap().as_deref(), Some("https://b.example/"));
        let refused = to("https://a.example/x", 301, "http://a.example/x").unwrap_err();
        assert_eq!(refused, "a.example: a redirect from https to http, which is not followed");
        assert!(to("https://a.example/x", 301, "file:///etc/passwd").unwrap_err().contains("from https to file"));
        assert!(to("https://a.example/x", 301, "https://").unwrap_err().contains("leads nowhere"));
    }

    #[tokio::test]
    async fn keys_in_addresses_are_not_told() {
        let fetcher = Fetcher { tls: TlsConfig::default(), allow_local: true, kept: None };
        for url in ["ftp://a.example/x?key=secret", "http://127.0.0.1:1/x?key=secret"] {
            let url = Url::parse(url).unwrap();
            let error = fetcher.get(url, &[], Auth::None, 1).await.unwrap_err().message;
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
