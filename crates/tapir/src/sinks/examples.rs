//! The sinks that the documentation shows are sinks: every example is read and made, with files in a folder of its own in place of
//! those of `/etc/tapir` and `/var`.

use super::DeliveryTable;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Of a configuration file, what is looked at here.
#[derive(Deserialize)]
struct File {
    delivery: DeliveryTable,
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The indented blocks of a page that configure delivery, joined: a page shows `[delivery]` once.
fn configuration(page: &str) -> String {
    let mut blocks: Vec<String> = vec![String::new()];
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(code) => blocks.last_mut().expect("a block").extend([code, "\n"]),
            None if line.is_empty() => blocks.last_mut().expect("a block").push('\n'),
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| block.trim_start().starts_with("[delivery]") || block.contains("[[delivery.sink]]"));
    blocks.concat()
}

/// A folder with every file that the examples name.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tapir-examples-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("log")).expect("folder");
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../delivery/src/sinks/syslog/certificates");
    for file in ["ca.pem", "client.pem", "client.key"] {
        std::fs::copy(certificates.join(file), folder.join(file)).expect("certificate");
    }
    std::fs::copy(certificates.join("ca.pem"), folder.join("siem.pem")).expect("certificate");
    for secret in
        ["agent-token", "opensearch-password", "es-key", "hook-secret", "jira-token", "kafka-password", "otel-token"]
    {
        std::fs::write(folder.join(secret), "secret\n").expect("secret");
    }
    folder
}

/// Names of the sinks of a page, all made.
fn made(name: &str) -> BTreeSet<String> {
    let folder = folder(name);
    let place = folder.display().to_string();
    let text =
        configuration(&page(name)).replace("/etc/tapir", &place).replace("/var/log/tapir", &format!("{place}/log"));
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("docs/{name}: {error}\n{text}"));
    file.delivery.spool_config().unwrap_or_else(|error| panic!("docs/{name}: {error}"));
    let sinks = file.delivery.sinks().unwrap_or_else(|error| panic!("docs/{name}: {error}"));
    let names = sinks.into_iter().map(|sink| sink.name).collect();
    std::fs::remove_dir_all(&folder).expect("folder");
    names
}

#[test]
fn every_sink_of_the_page_about_delivery_is_one() {
    let names = made("delivery.md");
    let wanted = [
        "alertmanager",
        "elastic",
        "elastic-mtls",
        "eve",
        "file",
        "hook",
        "jira",
        "kafka",
        "kafka-mtls",
        "manager",
        "opensearch",
        "otel",
        "siem-tcp",
        "siem-tls",
        "siem-udp",
        "slack",
    ];
    assert_eq!(names, wanted.map(str::to_owned).into());
}

#[test]
fn every_sink_of_the_page_about_usage_is_one() {
    assert_eq!(made("usage.md"), ["bus", "chat", "elastic", "log", "otel", "page", "siem"].map(str::to_owned).into());
}
