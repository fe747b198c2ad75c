//! A file of a web server, over loopback: what is taken, what is refused, what is kept.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail like this")]

mod server;

use server::{Reply, Server};
use std::collections::BTreeSet;
use tapir_artifacts::{Artifact, Credentials, Digest, FetchError, Fetcher, Kept, MAX_DOWNLOAD, Source};
use tapir_outbound::TlsConfig;

const RULES: &[u8] = b"alert tcp any any -> any any ( msg:\"x\"; content:\"y\"; sid:1; )\n";

fn fetcher(folder: Option<&std::path::Path>) -> Fetcher {
    Fetcher { tls: TlsConfig::default(), allow_local: true, kept: folder.map(Kept::new) }
}

fn source(url: &str, bytes: &[u8]) -> Source {
    Source::web(url, &Digest::of(bytes).to_string()).unwrap()
}

async fn fetch(fetcher: &Fetcher, source: &Source) -> Result<Artifact, FetchError> {
    fetcher.fetch(source, &Credentials::default(), &BTreeSet::new()).await
}

fn ok(body: &[u8]) -> Reply {
    (200, Vec::new(), body.to_vec())
}

fn to(url: String) -> Reply {
    (302, vec![("location", url)], Vec::new())
}

#[tokio::test]
async fn a_file_is_fetched_once_and_is_there_without_the_server() {
    let server = Server::start(|_| ok(RULES));
    let folder = tempfile::tempdir().unwrap();
    let wanted = source(&server.url("/x.rules?a=b"), RULES);
    let fetcher = fetcher(Some(folder.path()));
    assert!(fetcher.recall(&wanted).is_none());
    let found = fetch(&fetcher, &wanted).await.unwrap();
    assert_eq!((&*found.texts[""], found.unkept.as_deref()), (RULES, None));
    assert_eq!(server.seen.lock().unwrap()[0].path, "/x.rules?a=b");
    assert_eq!(fetch(&fetcher, &wanted).await.unwrap(), found);
    assert_eq!(server.count(), 1, "the second time from the copy");
    assert_eq!(fetcher.recall(&wanted).unwrap().unwrap(), found);
}

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_dropped_unread() {
    let server = Server::start(|_| ok(b"\x1f\x8b damaged"));
    let folder = tempfile::tempdir().unwrap();
    let fetcher = fetcher(Some(folder.path()));
    let wanted = source(&server.url("/x.tar.gz"), RULES);
    let error = fetch(&fetcher, &wanted).await.unwrap_err().message;
    // Not that it cannot be unpacked: it was not looked at.
    assert!(
        error.contains(&format!("its digest is {}, not {}", Digest::of(b"\x1f\x8b damaged"), wanted.digest)),
        "{error}"
    );
    assert!(fetcher.recall(&wanted).is_none());
    let damaged = source(&server.url("/x.tar.gz"), b"\x1f\x8b damaged");
    assert!(fetch(&fetcher, &damaged).await.unwrap_err().message.contains("unpacked"));
}

#[tokio::test]
async fn servers_that_fail_are_told_as_they_fail() {
    let server = Server::start(|request| match request.path.as_str() {
        "/busy" => (503, vec![("retry-after", "7".to_owned())], Vec::new()),
        "/none" => (404, Vec::new(), b"<html>".to_vec()),
        "/locked" => (401, Vec::new(), Vec::new()),
        "/huge" => ok(&vec![0; usize::try_from(MAX_DOWNLOAD).unwrap() + 1]),
        _ => to(request.path.clone()),
    });
    let fetcher = fetcher(None);
    let fail = async |path: &str| fetch(&fetcher, &source(&server.url(path), RULES)).await.unwrap_err();
    let busy = fail("/busy").await;
    assert_eq!(busy.retry_after.map(|time| time.as_secs()), Some(7));
    assert!(busy.message.contains("503"));
    assert!(fail("/none").await.message.contains("404"));
    assert!(fail("/locked").await.message.contains("credentials"));
    assert!(fail("/huge").await.message.contains("longer than 67108864 bytes"));
    assert!(fail("/round").await.message.contains("more than 5 redirects"));
    drop(server);
    let gone = fetch(&fetcher, &source("http://127.0.0.1:1/x", RULES)).await.unwrap_err();
    assert!(gone.message.starts_with("127.0.0.1:1: "), "{gone}");
}

#[tokio::test]
async fn redirects_are_followed_without_credentials_and_not_into_the_host() {
    let other = Server::start(|_| ok(RULES));
    let target = other.url("/file");
    let server = Server::start(move |request| match request.path.as_str() {
        "/here" => to("/there".to_owned()),
        _ => to(target.clone()),
    });
    let credentials = Credentials::of_fields(&server.at.to_string(), "robot", "secret", "").unwrap();
    let wanted = source(&server.url("/here"), RULES);
    let found = fetcher(None).fetch(&wanted, &credentials, &BTreeSet::new()).await.unwrap();
    assert_eq!(&*found.texts[""], RULES);
    let sent: Vec<String> = server.seen.lock().unwrap().iter().map(|one| one.authorization().to_owned()).collect();
    assert_eq!(sent, ["Basic cm9ib3Q6c2VjcmV0"; 2]);
    assert_eq!(other.seen.lock().unwrap()[0].authorization(), "");

    let barred = Fetcher { allow_local: false, ..fetcher(None) };
    let error = fetch(&barred, &wanted).await.unwrap_err().message;
    assert!(error.contains("for --rules-from alone"), "{error}");
}
