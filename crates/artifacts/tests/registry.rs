//! An artifact of a registry: a strict one of our own, and the reference implementation if `TAPIR_REGISTRY` names it
//! (`TAPIR_REGISTRY=$(tests/registry/build.sh)`; without it that is said).

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail like this")]

mod server;

use server::{Reply, Request, Server};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tapir_artifacts::{Artifact, Credentials, Digest, FetchError, Fetcher, Kept, Source};
use tapir_outbound::{Auth, HttpClient, HttpConfig, Method, StatusCode, TlsConfig};

const RULES: &[u8] = b"alert tcp any any -> any any ( msg:\"x\"; content:\"y\"; sid:1; )\n";

fn fetcher(folder: Option<&Path>) -> Fetcher {
    Fetcher { tls: TlsConfig::default(), allow_local: true, kept: folder.map(Kept::new) }
}

fn archive() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(RULES.len() as u64);
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    builder.append_data(&mut header, "rules/web.rules", RULES).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

/// A manifest as `oras push` makes it: bytes with their media type and title.
fn manifest(layers: &[(&[u8], &str, &str)]) -> Vec<u8> {
    let layer = |(bytes, kind, title): &(&[u8], &str, &str)| {
        format!(
            r#"{{"mediaType":"{kind}","digest":"{}","size":{},"annotations":{{"org.opencontainers.image.title":"{title}"}}}}"#,
            Digest::of(bytes),
            bytes.len()
        )
    };
    let layers: Vec<String> = layers.iter().map(layer).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.tapir.rules",
        "config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2,"data":"e30="}},"layers":[{}]}}"#,
        Digest::of(b"{}"),
        layers.join(",")
    )
    .into_bytes()
}

async fn fetch(fetcher: &Fetcher, reference: &str, credentials: &Credentials) -> Result<Artifact, FetchError> {
    fetcher.fetch(&reference.parse::<Source>().unwrap(), credentials, &BTreeSet::new()).await
}

fn names(artifact: &Artifact) -> Vec<&str> {
    artifact.texts.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_token_is_asked_for_and_a_layer_may_be_elsewhere() {
    let store = Server::start(|_| (200, Vec::new(), archive()));
    let elsewhere = store.url("/blob?signature=1");
    let tokens = Server::start(|_| (200, Vec::new(), br#"{"access_token":"pull-token","expires_in":60}"#.to_vec()));
    let realm = tokens.url("/token");
    let made = manifest(&[(&archive(), "application/vnd.oci.image.layer.v1.tar+gzip", "rules")]);
    let (digest, layer) = (Digest::of(&made), Digest::of(&archive()));
    let answer = move |request: &Request| -> Reply {
        if request.authorization() != "Bearer pull-token" {
            let way = format!("Bearer realm=\"{realm}\",service=\"here\",scope=\"repository:team/rules:pull\"");
            return (401, vec![("www-authenticate", way)], Vec::new());
        }
        let path = &request.path;
        if *path == format!("/v2/team/rules/manifests/{digest}") {
            assert!(request.headers["accept"].contains("application/vnd.oci.image.manifest.v1+json"));
            return (200, Vec::new(), made.clone());
        }
        assert_eq!(*path, format!("/v2/team/rules/blobs/{layer}"));
        (307, vec![("location", elsewhere.clone())], Vec::new())
    };
    let registry = Server::start(answer);
    let reference = format!("oci://{}/team/rules@{digest}", registry.at);
    let folder = tempfile::tempdir().unwrap();
    let with_copies = fetcher(Some(folder.path()));
    let found = fetch(&with_copies, &reference, &Credentials::default()).await.unwrap();
    assert_eq!((names(&found), found.copies.len()), (vec!["rules/web.rules"], 2));
    assert_eq!(tokens.seen.lock().unwrap()[0].path, "/token?service=here&scope=repository%3Ateam%2Frules%3Apull");
    assert_eq!(tokens.seen.lock().unwrap()[0].authorization(), "");
    assert_eq!(tokens.count(), 1);
    assert_eq!(store.seen.lock().unwrap()[0].authorization(), "", "the token is the registry's");
    assert_eq!(with_copies.recall(&reference.parse().unwrap()).unwrap().unwrap(), found);

    let credentials = Credentials::of_fields(&registry.at.to_string(), "robot", "secret", "").unwrap();
    fetch(&fetcher(None), &reference, &credentials).await.unwrap();
    assert_eq!(tokens.seen.lock().unwrap()[1].authorization(), "Basic cm9ib3Q6c2VjcmV0");
}

#[tokio::test]
async fn a_registry_that_sends_other_things_is_not_believed() {
    let made = manifest(&[(RULES, "text/plain", "a.rules")]);
    let digest = Digest::of(&made);
    let body = made.clone();
    let registry = Server::start(move |request| match request.path.contains("/manifests/") {
        true => (200, Vec::new(), body.clone()),
        false => (200, Vec::new(), vec![b'#'; RULES.len()]),
    });
    let none = Credentials::default();
    let error = fetch(&fetcher(None), &format!("oci://{}/r@{digest}", registry.at), &none).await.unwrap_err().message;
    assert!(error.contains(&format!("not {}", Digest::of(RULES))), "{error}");
    let other = Digest::of(b"other");
    let error = fetch(&fetcher(None), &format!("oci://{}/r@{other}", registry.at), &none).await.unwrap_err().message;
    assert!(error.contains(&format!("its digest is {digest}, not {other}")), "{error}");
    let refusing = Server::start(|_| (401, vec![("www-authenticate", "Basic realm=\"x\"".to_owned())], Vec::new()));
    let error = fetch(&fetcher(None), &format!("oci://{}/r@{other}", refusing.at), &none).await.unwrap_err().message;
    assert!(error.contains("user and password, and none are given"), "{error}");
    assert_eq!(refusing.count(), 1);
    let wrong = Credentials::of_fields(&refusing.at.to_string(), "robot", "wrong", "").unwrap();
    let error = fetch(&fetcher(None), &format!("oci://{}/r@{other}", refusing.at), &wrong).await.unwrap_err().message;
    assert!(error.contains("401"), "{error}");
    assert_eq!(refusing.count(), 3, "asked once without, once with");
}

/// The reference implementation.
struct Registry {
    child: Child,
    at: String,
    _folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    /// With this under `auth:` of its configuration.
    fn start(program: &str, auth: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = format!("127.0.0.1:{port}");
        let folder = tempfile::tempdir().unwrap();
        // robot, secret
        std::fs::write(
            folder.path().join("users"),
            "robot:$2b$04$I74ynrOTDfiYuA7y0YS/x.MQ7EnwRPyQliUvb2DiIVAIIany4/x.W\n",
        )
        .unwrap();
        let auth = auth.replace("FOLDER", &folder.path().display().to_string());
        let config = folder.path().join("config.yml");
        let mut file = std::fs::File::create(&config).unwrap();
        write!(file, "version: 0.1\nlog: {{level: error}}\nstorage: {{inmemory: {{}}}}\nhttp: {{addr: \"{at}\", secret: x}}\n{auth}\n").unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&at).is_err() {
            assert!(Instant::now() < end, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, at, _folder: folder }
    }

    fn client(&self, url: &str, auth: &Auth) -> HttpClient {
        let url = if url.starts_with("http") { url.to_owned() } else { format!("http://{}{url}", self.at) };
        let config = HttpConfig { auth: auth.clone(), allow_local: true, ..HttpConfig::default() };
        HttpClient::new(&url, &config).unwrap()
    }

    async fn push_blob(&self, repository: &str, bytes: &[u8], auth: &Auth) {
        let begun = self.client(&format!("/v2/{repository}/blobs/uploads/"), auth);
        let begun = begun.send(Method::POST, "", &[], Vec::new()).await.unwrap();
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.excerpt());
        let location = begun.headers["location"].to_str().unwrap();
        let put = self.client(&format!("{location}&digest={}", Digest::of(bytes)), auth);
        let header = [("content-type", "application/octet-stream".to_owned())];
        let put = put.send(Method::PUT, "", &header, bytes.to_vec()).await.unwrap();
        assert_eq!(put.status, StatusCode::CREATED, "{}", put.excerpt());
    }

    /// The reference of what was pushed.
    async fn push(&self, repository: &str, layers: &[(&[u8], &str, &str)], auth: &Auth) -> String {
        self.push_blob(repository, b"{}", auth).await;
        for (bytes, ..) in layers {
            self.push_blob(repository, bytes, auth).await;
        }
        let made = manifest(layers);
        let digest = Digest::of(&made);
        let put = self.client(&format!("/v2/{repository}/manifests/{digest}"), auth);
        let header = [("content-type", "application/vnd.oci.image.manifest.v1+json".to_owned())];
        let put = put.send(Method::PUT, "", &header, made).await.unwrap();
        assert_eq!(put.status, StatusCode::CREATED, "{}", put.excerpt());
        format!("oci://{}/{repository}@{digest}", self.at)
    }
}

fn program() -> Option<String> {
    let program = std::env::var("TAPIR_REGISTRY").ok().filter(|path| !path.is_empty());
    if program.is_none() {
        eprintln!("not checked against a real registry: TAPIR_REGISTRY is not set (tests/registry/build.sh)");
    }
    program
}

#[tokio::test]
async fn a_real_registry_hands_out_what_was_pushed() {
    let Some(program) = program() else { return };
    let registry = Registry::start(&program, "");
    let (packed, none) = (archive(), Credentials::default());
    // Plain files have the media type of archives with `oras push`.
    let plain = "application/vnd.oci.image.layer.v1.tar";
    let layers: [(&[u8], &str, &str); 3] = [
        (&packed, "application/vnd.oci.image.layer.v1.tar+gzip", "rules"),
        (RULES, plain, "own.rules"),
        (b"# Read me", plain, "README.md"),
    ];
    let reference = registry.push("team/rules", &layers, &Auth::None).await;
    let folder = tempfile::tempdir().unwrap();
    let fetcher = fetcher(Some(folder.path()));
    let found = fetch(&fetcher, &reference, &none).await.unwrap();
    assert_eq!(names(&found), ["own.rules", "rules/web.rules"]);
    let missing = reference.replace("team/rules", "team/none");
    let empty = tempfile::tempdir().unwrap();
    let error = fetch(&self::fetcher(Some(empty.path())), &missing, &none).await.unwrap_err();
    assert!(error.message.contains("404"), "{error}");
    let reference2 = registry.push("team/docs", &[(b"# Read me", plain, "README.md")], &Auth::None).await;
    let error = fetch(&fetcher, &reference2, &none).await.unwrap_err();
    assert!(error.message.contains("no layer of the artifact has a *.rules file"), "{error}");
    drop(registry);
    assert_eq!(fetch(&fetcher, &reference, &none).await.unwrap(), found, "from the copies");
}

#[tokio::test]
async fn a_real_registry_is_signed_in_to_with_a_password_or_by_token() {
    let Some(program) = program() else { return };
    let secret = Auth::Basic { user: "robot".into(), password: "secret".into() };
    let registry = Registry::start(&program, "auth: {htpasswd: {realm: here, path: FOLDER/users}}");
    let reference = registry.push("paid", &[(RULES, "text/plain", "paid.rules")], &secret).await;
    let docker = format!(r#"{{"auths": {{"{}": {{"auth": "cm9ib3Q6c2VjcmV0"}}}}}}"#, registry.at);
    let known = Credentials::of_docker(docker.as_bytes()).unwrap();
    assert_eq!(names(&fetch(&fetcher(None), &reference, &known).await.unwrap()), ["paid.rules"]);
    let error = fetch(&fetcher(None), &reference, &Credentials::default()).await.unwrap_err();
    assert!(error.message.contains("none are given"), "{error}");

    let tokens = Server::start(|_| (200, Vec::new(), br#"{"token":"t"}"#.to_vec()));
    let auth = format!("auth: {{silly: {{realm: \"{}\", service: here}}}}", tokens.url("/token"));
    let registry = Registry::start(&program, &auth);
    let reference = registry.push("paid", &[(RULES, "text/plain", "paid.rules")], &Auth::Bearer("t".into())).await;
    assert_eq!(names(&fetch(&fetcher(None), &reference, &Credentials::default()).await.unwrap()), ["paid.rules"]);
    assert_eq!(tokens.seen.lock().unwrap()[0].path, "/token?service=here&scope=repository%3Apaid%3Apull");
}
