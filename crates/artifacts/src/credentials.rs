//! Who we are to web servers and registries: names and passwords by the server that they are for.
//!
//! *How it fits*: of a file or a Secret in the form that Docker and Kubernetes share (`.dockerconfigjson`), or of single fields.
//!
//! *Invariants*: 1. a credential is for a host, and nobody else gets it; 2. none is ever printed.
//!
//! *Limits*: [`MAX_BYTES`] of a file. Helper programs, patterns in names of hosts and identity tokens are not read; what a file has
//! of them is told.

use base64::Engine;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use tapir_outbound::{Auth, Url};

/// Bytes of a file.
pub const MAX_BYTES: usize = 1 << 20;

/// Credentials by server.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    all: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    host: String,
    /// Only for repositories below; empty: for all.
    path: String,
    auth: Auth,
}

/// What cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialsError(String);

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Fields>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl Credentials {
    /// Of a file, which is a `.dockerconfigjson`.
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(path);
        let read = opened.and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
        let read = read.map_err(|error| CredentialsError(error.to_string())).and_then(|_| Self::of_docker(&bytes));
        read.map_err(|error| CredentialsError(format!("{}: {error}", path.display())))
    }

    /// Of a `.dockerconfigjson`.
    pub fn of_docker(bytes: &[u8]) -> Result<Self, CredentialsError> {
        let fail = |why: String| Err(CredentialsError(why));
        if bytes.len() > MAX_BYTES {
            return fail(format!("more than {MAX_BYTES} bytes"));
        }
        let file: File = match serde_json::from_slice(bytes) {
            Ok(file) => file,
            // The parser's own words may quote what is secret.
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                return fail(format!(
                    "line {line}, column {column}: not what `docker login` writes (.dockerconfigjson)"
                ));
            }
        };
        let mut all = Vec::new();
        for (server, fields) in file.auths {
            let decoded = base64::engine::general_purpose::STANDARD.decode(fields.auth.trim()).ok();
            let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            let auth = match pair.as_deref().and_then(|pair| pair.split_once(':')) {
                Some((user, password)) => Auth::Basic { user: user.to_owned(), password: password.to_owned() },
                None if !fields.username.is_empty() => Auth::Basic { user: fields.username, password: fields.password },
                None if !fields.identitytoken.is_empty() => {
                    return fail(format!(
                        "{server} has an identity token, which is not taken; log in with a password or access token"
                    ));
                }
                None => return fail(format!("{server} has neither auth nor username and password")),
            };
            let (host, path) = server_of(&server);
            all.push(Entry { host, path, auth });
        }
        if all.is_empty() {
            return fail("there are no auths in it".to_owned());
        }
        Ok(Self { all })
    }

    /// For one host: user and password, or a token.
    pub fn of_fields(host: &str, user: &str, password: &str, token: &str) -> Result<Self, CredentialsError> {
        let auth = match (host.trim(), user, token) {
            ("", ..) => return Err(CredentialsError("it does not say which host it is for (key host)".to_owned())),
            (_, "", "") => return Err(CredentialsError("it has neither username and password nor token".to_owned())),
            (_, "", token) => Auth::Bearer(token.trim().to_owned()),
            (_, user, _) => Auth::Basic { user: user.to_owned(), password: password.to_owned() },
        };
        let (host, path) = server_of(host.trim());
        Ok(Self { all: vec![Entry { host, path, auth }] })
    }

    /// These and others; these go first.
    pub fn and(mut self, others: &Self) -> Self {
        self.all.extend(others.all.iter().cloned());
        self
    }

    /// For a host (with its port, if that is not the usual one) and a path there: those that are said of the longest part of it.
    pub fn find(&self, host: &str, path: &str) -> Auth {
        let (host, path) = (host.to_ascii_lowercase(), path.trim_matches('/'));
        let covers = |entry: &&Entry| {
            let below = path.strip_prefix(entry.path.as_str());
            entry.host == host
                && below.is_some_and(|rest| entry.path.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        // Of equal ones the first.
        let best = self.all.iter().rev().filter(covers).max_by_key(|entry| entry.path.len());
        best.map(|entry| entry.auth.clone()).unwrap_or_default()
    }
}

/// `https://index.docker.io/v1/`, `registry.example:5000`, `ghcr.io/team`: host and path.
fn server_of(text: &str) -> (String, String) {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    };
    let path = match path.trim_matches('/') {
        "v1" | "v2" => "",
        path => path,
    };
    (host.to_ascii_lowercase(), path.to_owned())
}

/// Host and port of a URL, as credentials call them.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a password may go there: encrypted, or within this host.
pub(crate) fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme() == "https" || is_here
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(user: &str, password: &str) -> Auth {
        Auth::Basic { user: user.into(), password: password.into() }
    }

    #[test]
    fn each_server_gets_its_own_and_no_other() {
        let file = br#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "dTpwOnc="},
            "registry.example:5000": {"username": "robot", "password": "s"},
            "ghcr.io/team": {"auth": "dGVhbTp0"}, "ghcr.io": {"auth": "YWxsOmE="}}, "credsStore": "x"}"#;
        let found = Credentials::of_docker(file).unwrap();
        assert_eq!(found.find("docker.io", "library/x"), basic("u", "p:w"));
        assert_eq!(found.find("Registry.example:5000", "x"), basic("robot", "s"));
        assert_eq!(found.find("registry.example", "x"), Auth::None);
        assert_eq!(found.find("ghcr.io", "team/rules"), basic("team", "t"));
        assert_eq!(found.find("ghcr.io", "teams/rules"), basic("all", "a"));
        let own = Credentials::of_fields("ghcr.io", "", "", "secret-token\n").unwrap().and(&found);
        assert_eq!(own.find("ghcr.io", "x"), Auth::Bearer("secret-token".into()));
        assert_eq!(own.find("ghcr.io", "team"), basic("team", "t"));
        assert_eq!(own.find("a.example", ""), Auth::None);
        let printed = format!("{own:?}");
        assert!(!printed.contains("secret") && !printed.contains("robot"), "{printed}");
    }

    #[test]
    fn what_cannot_be_read_is_told_without_secrets() {
        let error = |text: &str| Credentials::of_docker(text.as_bytes()).unwrap_err().to_string();
        assert!(error(r#"{"auths": {"a": {"auth": 17, "x": "secret"}}}"#).contains("line 1"));
        assert!(!error(r#"{"auths": {"a": {"auth": 17, "x": "secret"}}}"#).contains("secret"));
        assert!(error(r#"{"auths": {"a.example": {"auth": "!!"}}}"#).contains("a.example has neither"));
        assert!(error(r#"{"auths": {"a.example": {"identitytoken": "t"}}}"#).contains("identity token"));
        assert!(error("{}").contains("no auths"));
        assert!(Credentials::of_fields("", "u", "p", "").unwrap_err().to_string().contains("host"));
        assert!(Credentials::of_fields("a", "", "p", "").unwrap_err().to_string().contains("neither"));
    }

    #[test]
    fn passwords_go_encrypted_or_stay_here() {
        let safe = |text: &str| is_safe(&Url::parse(text).unwrap());
        assert!(
            safe("https://a.example/")
                && safe("http://127.0.0.1:5000/")
                && safe("http://[::1]/")
                && safe("http://localhost/")
        );
        assert!(!safe("http://a.example/") && !safe("http://127.0.0.1.example/"));
    }
}
