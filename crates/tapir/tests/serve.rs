//! `tapir scan --serve`: a capture's alerts on a page of its own, which leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::{PATIENCE, Scratch, run, tapir};

fn capture() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/attacks.pcap")
}

/// One request; status, head and body.
fn http(at: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// The link that it prints.
fn link(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut before = Vec::new();
    let link = lines.by_ref().find_map(|line| {
        let link = line.strip_prefix("Alerts page, until Ctrl-C: ").map(str::to_owned);
        before.push(line);
        link
    });
    // What comes later must not block it.
    std::thread::spawn(move || lines.for_each(drop));
    link.unwrap_or_else(|| panic!("no link: {before:?}"))
}

fn interrupt(child: &mut Child, signal: &str) -> i32 {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let started = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn the_link_shows_the_alerts_of_an_old_capture_with_bytes_and_rules() {
    let scratch = Scratch::new();
    let mut command = tapir();
    command.arg("scan").arg("-").args(["--serve", "--quiet", "--no-summary", "--format", "json"]);
    command.env("TMPDIR", scratch.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(std::fs::File::open(capture()).unwrap());
    let mut child = command.spawn().unwrap();
    let link = link(&mut child);
    let (address, word) = link.split_once("#sign-in=").unwrap();
    let (at, page) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let range = page.strip_prefix("alerts?").unwrap();
    assert!(range.starts_with("from=20") && range.contains("&to=20"), "{range}");
    assert!(!is_empty(scratch.path()));

    let sign_in = format!("{{\"token\":\"{word}\"}}");
    let (status, head, _) = http(at, "POST", "/api/v1/session", "", &sign_in);
    assert_eq!(status, 200);
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("cookie: {}\r\n", cookie.split(';').next().unwrap());
    let get = |path: &str| -> serde_json::Value {
        let (status, _, body) = http(at, "GET", path, &cookie, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    };
    let groups = get(&format!("/api/v1/groups?{range}"));
    let items = groups["items"].as_array().unwrap();
    let events: u64 = items.iter().map(|item| item["count"].as_u64().unwrap()).sum();
    assert_eq!((items.len(), events), (10, 10));
    let id = items[0]["id"].as_str().unwrap();
    let newest = &get(&format!("/api/v1/groups/{id}/events"))["items"][0];
    let event = newest["id"].as_str().unwrap();
    let why = get(&format!("/api/v1/events/{event}/why"));
    assert!(why["options"].as_array().unwrap().iter().any(|option| option["outcome"] == "matched"), "{why}");
    let rule = get(&format!("/api/v1/rules/{}-{}", newest["gid"], newest["sid"]));
    assert!(rule["text"].as_str().unwrap().contains("sid:"), "{rule}");
    // The word is good once.
    assert_eq!(http(at, "POST", "/api/v1/session", "", &sign_in).0, 401);

    // Alerts went to standard output as ever, without the bytes that only the page asked for.
    let mut out = child.stdout.take().unwrap();
    assert_eq!(interrupt(&mut child, "-INT"), 0);
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert!(text.lines().count() == 10 && !text.contains("b64"), "{text}");
    assert!(is_empty(scratch.path()), "something was left behind");
}

#[test]
fn nothing_is_left_behind_when_it_ends_early() {
    let scratch = Scratch::new();
    let start = |args: &[&str]| {
        let mut command = tapir();
        command.args(args).env("TMPDIR", scratch.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    // While it still reads: standard input stays open.
    let mut command = start(&["scan", "-", "--serve"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let started = std::time::Instant::now();
    while is_empty(scratch.path()) {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(interrupt(&mut child, "-TERM"), 128 + 15);
    assert!(is_empty(scratch.path()));
    // An address that is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = capture();
    let done = run(start(&["scan", file.to_str().unwrap(), "--serve", "--listen", &address]));
    assert!(done.code == 1 && done.err.contains("cannot listen"), "{done:?}");
    assert!(is_empty(scratch.path()));
    // A directory that cannot be made.
    let mut command = start(&["scan", file.to_str().unwrap(), "--serve"]);
    command.env("TMPDIR", scratch.path().join("missing"));
    let done = run(command);
    assert!(done.code == 1 && done.err.contains("TMPDIR"), "{done:?}");
}
