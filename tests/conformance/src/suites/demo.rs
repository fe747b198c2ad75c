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
            let source = std::fs::read(folder.join(text(&case, "rules"))).unwrap_or_default();
            // The cases turn Snort's limits off where they matter; (gid, sid) counts are compared.
            let profile = Profile { matches_per_action: 100, queue: 100, log: 100, ..Profile::SNORT3 };
            let (rules, report) = engine::rules(&source, &Config { require_sid: false, ..Config::default() }, profile);
            let lua = std::fs::read_to_string(folder.join("snort.lua")).unwrap_or_default();
            let config = EngineConfig {
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
