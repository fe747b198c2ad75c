//! `snort3_demo`, cases of kind `rules`: the counts of (gid, sid) of the expected file.

use super::{folders, list, number, text};
use crate::compare::{bag, difference};
use crate::known::Outcome;
use crate::{Options, engine};
use serde_json::Value;
use tapir_detect::Profile;
use tapir_engine::EngineConfig;
use tapir_protocol::{Service, TransportKind};
use tapir_rules::Config;

pub(crate) fn run(options: &Options) -> Vec<Outcome> {
    folders(&options.shared.join("conformance/snort3_demo"))
        .iter()
        .filter_map(|folder| {
            let case: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("case.json")).ok()?).ok()?;
            if text(&case, "kind") != "rules" {
                return None;
            }
            let lua = std::fs::read_to_string(folder.join("snort.lua")).unwrap_or_default();
            let mut source = std::fs::read(folder.join(text(&case, "rules"))).unwrap_or_default();
            source.extend(rate_filters(&lua).into_bytes());
            // The cases turn Snort's limits off where they matter; (gid, sid) counts are compared.
            let profile = Profile { matches_per_action: 100, queue: 100, log: 100, ..Profile::SNORT3 };
            let (rules, report) = engine::rules(&source, &Config { require_sid: false, ..Config::default() }, profile);
            let mut limits = EngineConfig::for_profile(profile).limits;
            // Snort has a depth for each encoding, and 0 turns that one off.
            limits.mime_depth = setting(&lua, "bitenc_decode_depth").filter(|&depth| depth > 0);
            let config = EngineConfig {
                limits,
                snaplen: None,
                bindings: bindings(&lua),
                identify: lua.contains("wizard"),
                ..EngineConfig::for_profile(profile)
            };
            let (events, error) = engine::scan(&folder.join(text(&case, "pcap")), &rules, &config);
            let expected = bag(list(&case, "alerts")
                .iter()
                .map(|alert| format!("{}:{}", number(alert, "gid"), number(alert, "sid"))));
            let found = bag(events.iter().map(|event| format!("{}:{}", event.rule.gid, event.rule.sid)));
            let failure = error.or_else(|| {
                difference(&expected, &found).map(|difference| {
                    if report.errors() > 0 {
                        format!("{difference} ({} rules refused)", report.errors())
                    } else {
                        difference
                    }
                })
            });
            Some(Outcome { case: text(&case, "name").to_owned(), group: String::new(), failure })
        })
        .collect()
}

/// A number of the case's configuration.
fn setting(lua: &str, name: &str) -> Option<u64> {
    let (_, rest) = lua.split_once(name)?;
    rest.trim_start().strip_prefix('=')?.split(',').next()?.trim().parse().ok()
}

/// The lines of the case's `rate_filter` table.
fn rate_filters(lua: &str) -> String {
    let Some((_, table)) = lua.split_once("rate_filter =") else { return String::new() };
    let table = table.split("\n\n").next().unwrap_or_default();
    let mut lines = String::new();
    for entry in table.split('{').filter(|entry| entry.contains("gid")) {
        let entry = entry.split('}').next().unwrap_or_default();
        let words = entry.split(',').filter_map(|field| field.split_once('='));
        let words: Vec<String> = words
            .map(|(key, value)| {
                let key = match key.trim() {
                    "gid" => "gen_id",
                    "sid" => "sig_id",
                    key => key,
                };
                format!("{key} {}", value.trim().trim_matches('\''))
            })
            .collect();
        lines.push_str(&format!("\nrate_filter {}\n", words.join(", ")));
    }
    lines
}

/// Ports that the case's binder gives to an inspector.
fn bindings(lua: &str) -> Vec<(TransportKind, u16, Service)> {
    let Some((_, binder)) = lua.split_once("binder") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in binder.split("when").skip(1) {
        let words: Vec<&str> = entry
            .split(|c: char| c.is_whitespace() || "'\"[],{}=".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1..));
        let transport = match after("proto").and_then(<[&str]>::first) {
            Some(&"udp") => TransportKind::Udp,
            _ => TransportKind::Tcp,
        };
        let name = match after("type").and_then(<[&str]>::first) {
            Some(&"pop") => "pop3",
            Some(&"http_inspect") => "http",
            Some(&"rpc_decode") => "sunrpc",
            Some(&"dce_smb") => "netbios-ssn",
            Some(other) => other,
            None => continue,
        };
        let ports = after("ports").unwrap_or(&[]).iter().map_while(|word| word.parse::<u16>().ok());
        if let Some(service) = Service::from_name(name) {
            found.extend(ports.map(|port| (transport, port, service)));
        }
    }
    found
}
