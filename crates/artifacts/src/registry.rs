//! A registry, as far as pulling takes: the manifest by its digest, its layers by theirs.
//!
//! *How it fits*: [`crate::Fetcher`] asks and checks; here is how a registry is asked, and what its manifest says.
//!
//! Two GETs and one token are all of the protocol that this takes. The crates that speak it whole bring an HTTP client of their own beside
//! the one that every request of Tapir goes through (own connections left out of inspection, local addresses refused, authorities of the
//! user), so it is spoken here over that one.
//!
//! *Invariants*: no tag is ever resolved. The user's credentials go to the registry, and to the server of tokens that it names, if it was the
//! registry that named it: without TLS anybody on the way could have.
//!
//! *Limits*: [`MAX_MANIFEST`] bytes, [`MAX_LAYERS`], layers of [`MAX_DOWNLOAD`] bytes together. An index of several images is refused:
//! which of them is meant is for the user to say. Registries on this host are spoken to without TLS, as Docker does.
//!
//! *Spec*: OCI distribution specification 1.1, "Pulling manifests" and "Pulling blobs"; OCI image specification 1.1, "Image manifest"; the token
//! authentication of the Docker registry.

use crate::challenge::{self, Challenge};
use crate::credentials::is_safe;
use crate::fetch::{FetchError, Fetcher, MAX_DOWNLOAD, whole};
use crate::{Credentials, Digest};
use serde::Deserialize;
use std::collections::BTreeMap;
use tapir_outbound::{Answer, Auth, StatusCode, Url};

/// Bytes of a manifest.
const MAX_MANIFEST: u64 = 1 << 20;
/// Layers of an artifact.
const MAX_LAYERS: usize = 64;
/// Bytes of what a server of tokens answers.
const MAX_TOKEN: u64 = 256 << 10;
/// Forms of manifests that are read.
const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// The name of a file that became a layer.
const TITLE: &str = "org.opencontainers.image.title";

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// What it must be.
    pub(crate) digest: Digest,
    /// Its bytes, as the manifest says.
    pub(crate) size: u64,
    /// The name of its file; may be empty.
    pub(crate) title: String,
}

/// An artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// In order; at least one.
    pub(crate) layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct File {
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// Of JSON whose digest was right.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FetchError> {
        if bytes.len() as u64 > MAX_MANIFEST {
            return Err(format!("the manifest has more than {} KiB", MAX_MANIFEST >> 10).into());
        }
        let file: File =
            serde_json::from_slice(bytes).map_err(|error| format!("no manifest of an artifact: {error}"))?;
        let layers = match (file.layers, file.manifests) {
            (Some(layers), _) => layers,
            (None, Some(all)) => {
                return Err(format!(
                    "the digest is that of an index of {} artifacts; give that of one of them",
                    all.len()
                )
                .into());
            }
            (None, None) => return Err("no manifest of an artifact: it has no layers".to_owned().into()),
        };
        if layers.is_empty() || layers.len() > MAX_LAYERS {
            return Err(format!("the artifact has {} layers; 1 to {MAX_LAYERS} are taken", layers.len()).into());
        }
        let layer = |one: Descriptor| {
            let digest = Digest::parse(&one.digest);
            let digest = digest
                .ok_or_else(|| format!("a layer has the digest {:?}; only sha256 is taken", short(&one.digest)))?;
            let title = one.annotations.and_then(|mut all| all.remove(TITLE)).unwrap_or_default();
            Ok(Layer { digest, size: one.size, title: short(&title.replace(char::is_control, "\u{fffd}")) })
        };
        let layers: Vec<Layer> = layers.into_iter().map(layer).collect::<Result<_, String>>()?;
        if layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size)) > MAX_DOWNLOAD {
            return Err(format!("the layers have more than {} MiB together", MAX_DOWNLOAD >> 20).into());
        }
        Ok(Self { layers })
    }
}

fn short(text: &str) -> String {
    text.chars().take(255).collect()
}

/// A registry that is asked for one repository.
pub(crate) struct Session<'f> {
    fetcher: &'f Fetcher,
    base: Url,
    repository: &'f str,
    /// The user's, for the registry.
    own: Auth,
    /// What is sent.
    auth: Auth,
    may_ask_again: bool,
}

impl<'f> Session<'f> {
    /// Nothing is sent yet.
    pub(crate) fn new(
        fetcher: &'f Fetcher,
        host: &str,
        repository: &'f str,
        plain: bool,
        credentials: &Credentials,
    ) -> Result<Self, FetchError> {
        let own = credentials.find(host, repository);
        // The one registry that is called otherwise than it is reached.
        let server = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let read = |scheme: &str| Url::parse(&format!("{scheme}://{server}/v2/")).map_err(|error| error.to_string());
        let open = read("http")?;
        let base = if plain || is_safe(&open) { open } else { read("https")? };
        // A token that the user has is sent at once; a password waits to be asked for.
        let auth = if matches!(own, Auth::Bearer(_)) { own.clone() } else { Auth::None };
        Ok(Self { fetcher, base, repository, own, auth, may_ask_again: true })
    }

    /// The manifest, unchecked.
    pub(crate) async fn manifest(&mut self, digest: &Digest) -> Result<Vec<u8>, FetchError> {
        let accept = [("accept", MANIFESTS.to_owned())];
        self.get(&format!("manifests/{digest}"), &accept, MAX_MANIFEST).await
    }

    /// A layer, unchecked.
    pub(crate) async fn blob(&mut self, layer: &Layer) -> Result<Vec<u8>, FetchError> {
        self.get(&format!("blobs/{}", layer.digest), &[], layer.size.min(MAX_DOWNLOAD)).await
    }

    async fn get(&mut self, what: &str, headers: &[(&'static str, String)], most: u64) -> Result<Vec<u8>, FetchError> {
        let url = self.base.join(&format!("{}/{what}", self.repository)).map_err(|error| error.to_string())?;
        let answer = self.fetcher.get(url.clone(), headers, self.auth.clone(), most).await?;
        if answer.status == StatusCode::UNAUTHORIZED && self.may_ask_again {
            // Once: a token that was just given and is refused is not asked for again and again.
            self.may_ask_again = false;
            self.auth = self.way_in(&answer).await?;
            return whole(self.fetcher.get(url, headers, self.auth.clone(), most).await?);
        }
        whole(answer)
    }

    /// What the registry wants to be sent.
    async fn way_in(&self, answer: &Answer) -> Result<Auth, FetchError> {
        let headers = answer.headers.get_all("www-authenticate").iter();
        let ways: Vec<Challenge> = headers.filter_map(|text| text.to_str().ok()).flat_map(challenge::parse).collect();
        if let Some(bearer) = ways.iter().find(|way| way.scheme == "bearer") {
            return self.token(bearer).await;
        }
        let is_basic = ways.iter().any(|way| way.scheme == "basic");
        match &self.own {
            Auth::Basic { .. } if is_basic => Ok(self.own.clone()),
            Auth::None if is_basic => {
                Err("the registry asks for user and password, and none are given for it".to_owned().into())
            }
            _ => Err("the registry asks to be signed in to in a way that is not known here".to_owned().into()),
        }
    }

    /// A token for pulling, for the user or for anybody.
    async fn token(&self, way: &Challenge) -> Result<Auth, FetchError> {
        let realm = way.parameters.get("realm").and_then(|realm| Url::parse(realm).ok());
        let Some(mut url) = realm else { return Err("the registry does not say where tokens are".to_owned().into()) };
        let scope = format!("repository:{}:pull", self.repository);
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = way.parameters.get("service") {
                query.append_pair("service", service);
            }
            query.append_pair("scope", way.parameters.get("scope").unwrap_or(&scope));
        }
        let auth = if matches!(self.own, Auth::Basic { .. }) { self.own.clone() } else { Auth::None };
        if auth != Auth::None && !is_safe(&self.base) {
            return Err("credentials are not sent where a registry without TLS says; use oci://".to_owned().into());
        }
        let at = url.host_str().unwrap_or_default().to_owned();
        let answer = self.fetcher.get(url, &[], auth, MAX_TOKEN).await?;
        let failed = |why: String| FetchError::from(format!("no token from {at}: {why}"));
        let body =
            whole(answer).map_err(|error| FetchError { message: format!("no token from {at}: {error}"), ..error })?;
        let read: Token = serde_json::from_slice(&body).map_err(|_| failed("its answer has none".to_owned()))?;
        let token = read.token.or(read.access_token).filter(|token| !token.is_empty());
        token.map(Auth::Bearer).ok_or_else(|| failed("its answer has none".to_owned()))
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: serde_json::Value) -> Result<Manifest, String> {
        Manifest::parse(value.to_string().as_bytes()).map_err(|error| error.message)
    }

    #[test]
    fn a_manifest_names_its_layers() {
        let digest = Digest::of(b"x");
        let layer = json!({"mediaType": "text/plain", "digest": digest.to_string(), "size": 3, "annotations": {TITLE: "a.rules"}});
        let found = parse(
            json!({"schemaVersion": 2, "config": {}, "layers": [layer, {"digest": digest.to_string(), "size": 0}]}),
        )
        .unwrap();
        assert_eq!(found.layers[0], Layer { digest, size: 3, title: "a.rules".into() });
        assert_eq!((found.layers.len(), found.layers[1].title.as_str()), (2, ""));
    }

    #[tokio::test]
    async fn a_registry_without_tls_names_nobody_who_gets_a_password() {
        let fetcher = Fetcher { tls: tapir_outbound::TlsConfig::default(), allow_local: true, kept: None };
        let known = Credentials::of_fields("registry.example", "robot", "secret", "").unwrap();
        let session = Session::new(&fetcher, "registry.example", "team/rules", true, &known).unwrap();
        let way = challenge::parse("Bearer realm=\"https://elsewhere.example/token\"").remove(0);
        let error = session.token(&way).await.unwrap_err().message;
        assert!(error.contains("credentials are not sent where a registry without TLS says"), "{error}");
    }

    #[test]
    fn what_is_no_artifact_is_told() {
        let digest = Digest::of(b"x").to_string();
        let error = |value| parse(value).unwrap_err();
        assert!(error(json!({"manifests": [{}, {}]})).contains("index of 2"));
        assert!(error(json!({"layers": []})).contains("0 layers"));
        assert!(error(json!({"config": {}})).contains("no layers"));
        assert!(error(json!({"layers": [{"digest": "sha512:1", "size": 1}]})).contains("only sha256"));
        assert!(error(json!({"layers": vec![json!({"digest": digest, "size": 1}); 65]})).contains("65 layers"));
        assert!(
            error(json!({"layers": [{"digest": digest, "size": u64::MAX}, {"digest": digest, "size": 1}]}))
                .contains("64 MiB")
        );
        assert!(error(json!([])).contains("no manifest"));
        assert!(error(json!({"layers": [{"digest": digest, "size": -1}]})).contains("no manifest"));
        assert!(Manifest::parse(&vec![b' '; 2 << 20]).unwrap_err().message.contains("1024 KiB"));
    }
}
