//! `snort3-options`: one question about one option a case, each rule alone, judged by Snort 3.
//!
//! Compared: the multiset of (sid, source, destination, direction, generator), and the packet
//! number of raw and defragmented units.

use super::{json_lines, list, number, text};
use crate::Options;
use crate::compare::{bag, difference};
use crate::engine;
use crate::known::Outcome;
use serde_json::Value;
use std::collections::BTreeMap;
use tapir_detect::Profile;
use tapir_engine::EngineConfig;
use tapir_event::SecurityEvent;
use tapir_rules::Config;

pub(crate) fn run(options: &Options) -> Vec<Outcome> {
    let base = options.shared.join("conformance/snort3-options");
    let rules = rules_by_sid(&base.join("rules"));
    json_lines(&base.join("expected.jsonl"))
        .iter()
        .map(|case| {
            let mut source = String::new();
            for sid in list(case, "sids").iter().filter_map(Value::as_u64) {
                if let Some(rule) = rules.get(&sid) {
                    source.push_str(rule);
                    source.push('\n');
                }
            }
            source.push_str(&filters(text(case, "config")));
            let pcap = base.join("pcaps").join(text(case, "pcap"));
            let name = format!("{} {} {}", number(case, "case"), text(case, "area"), text(case, "what"));
            Outcome {
                case: name.replace('#', "no."),
                group: text(case, "area").to_owned(),
                failure: check(case, &source, &pcap),
            }
        })
        .collect()
}

fn check(case: &Value, source: &str, pcap: &std::path::Path) -> Option<String> {
    let config = Config { dialect: Some(tapir_rules::Dialect::Snort3), ..Config::default() };
    let (rules, report) = engine::rules(source.as_bytes(), &config, Profile::SNORT3);
    if case.get("refused").is_some_and(|refused| !refused.is_null()) {
        return (report.errors() == 0).then(|| "not refused".to_owned());
    }
    if report.errors() > 0 {
        let first = report.diagnostics.iter().find(|found| found.severity == tapir_rules::Severity::Error);
        return Some(format!("refused: {}", first.map_or("", |found| found.message.as_str())));
    }
    let (events, error) = engine::scan(pcap, &rules, &EngineConfig::for_profile(Profile::SNORT3));
    if let Some(error) = error {
        return Some(error);
    }
    let expected = bag(list(case, "alerts").iter().map(|alert| {
        let generator = text(alert, "pkt_gen");
        format!(
            "{} {}>{} {} {}{}",
            number(alert, "sid"),
            text(alert, "src"),
            text(alert, "dst"),
            text(alert, "dir"),
            generator,
            packet(generator, number(alert, "pkt_num"))
        )
    }));
    difference(&expected, &bag(events.iter().map(key)))
}

fn packet(generator: &str, number: u64) -> String {
    if generator == "stream_tcp" { String::new() } else { format!(" #{number}") }
}

fn key(event: &SecurityEvent) -> String {
    let end = |end: Option<tapir_event::Endpoint>| {
        end.map(|end| format!("{}:{}", end.address, end.port.unwrap_or(0))).unwrap_or_default()
    };
    let generator = event.generator.name();
    format!(
        "{} {}>{} {} {}{}",
        event.rule.sid,
        end(event.source),
        end(event.destination),
        direction(event),
        generator,
        packet(generator, event.packet_number)
    )
}

/// Snort's word for the direction.
pub(crate) fn direction(event: &SecurityEvent) -> &'static str {
    match event.direction {
        Some(tapir_event::FlowDirection::ToServer) => "C2S",
        Some(tapir_event::FlowDirection::ToClient) => "S2C",
        None => "UNK",
    }
}

fn rules_by_sid(directory: &std::path::Path) -> BTreeMap<u64, String> {
    let mut rules = BTreeMap::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(source) = std::fs::read_to_string(entry.path()) else { continue };
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            let sid = line.rsplit_once("sid:").and_then(|(_, rest)| rest.split(';').next()?.trim().parse().ok());
            if let Some(sid) = sid {
                rules.insert(sid, line.to_owned());
            }
        }
    }
    rules
}

/// The cases' Lua tables as filter lines.
fn filters(lua: &str) -> String {
    let mut lines = String::new();
    for (table, word) in [("event_filter", "event_filter"), ("suppress", "suppress")] {
        let Some((_, rest)) = lua.split_once(&format!("{table} = {{ {{")) else { continue };
        let Some((body, _)) = rest.split_once('}') else { continue };
        let fields: Vec<String> = body
            .split(',')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| {
                let name = match name.trim() {
                    "gid" => "gen_id",
                    "sid" => "sig_id",
                    other => other,
                };
                format!("{name} {}", value.trim().trim_matches('"'))
            })
            .collect();
        lines.push_str(&format!("{word} {}\n", fields.join(", ")));
    }
    lines
}
