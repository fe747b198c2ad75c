//! The measured traps of the rule language (`snort/traps.json`): rules and bytes → alerts.
//!
//! Snort's answer is compared where it was measured; Suricata's where only that one was.

use super::{list, number, text};
use crate::engine::{CLIENT, SERVER};
use crate::known::Outcome;
use crate::{Options, engine};
use serde_json::Value;
use std::collections::BTreeMap;
use tapir_detect::Profile;
use tapir_engine::EngineConfig;
use tapir_rules::{Config, Dialect};
use tapir_testkit::{Conversation, Segment, Side, ethernet, ipv4, ipv4_fragment, tcp_flags, udp};

pub(crate) fn run(options: &Options) -> Vec<Outcome> {
    let path = options.shared.join("spec/snort/traps.json");
    let cases: Vec<Value> =
        std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    cases
        .iter()
        .map(|case| {
            let snort = case.get("snort3").is_some_and(|answer| !answer.is_null())
                || case.get("snort3_load_error").and_then(Value::as_bool) == Some(true);
            let failure = if snort { check_snort(case) } else { check_suricata(case) };
            Outcome {
                case: format!("{} {}", number(case, "n"), text(case, "behaviour").replace('#', "no.")),
                group: if snort { "snort".to_owned() } else { "suricata".to_owned() },
                failure,
            }
        })
        .collect()
}

fn source(rules: &[Value]) -> String {
    rules.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

fn check_snort(case: &Value) -> Option<String> {
    let config = Config { dialect: Some(Dialect::Snort3), ..Config::default() };
    let (rules, report) = engine::rules(source(list(case, "rules")).as_bytes(), &config, Profile::SNORT3);
    let refused = report.errors() > 0;
    if case.get("snort3_load_error").and_then(Value::as_bool) == Some(true) {
        return (!refused).then(|| "not refused".to_owned());
    }
    if refused {
        let first = report.diagnostics.iter().find(|found| found.severity == tapir_rules::Severity::Error);
        return Some(format!("refused: {}", first.map_or("", |found| found.message.as_str())));
    }
    let events = engine::run_frames(&frames(case), &rules, &EngineConfig::for_profile(Profile::SNORT3));
    compare(case.get("snort3"), events.iter().map(|event| event.rule.sid))
}

fn check_suricata(case: &Value) -> Option<String> {
    let config = Config { dialect: Some(Dialect::Suricata), ..Config::default() };
    let rules = match list(case, "suricata_rules") {
        [] => list(case, "rules"),
        rules => rules,
    };
    let (rules, report) = engine::rules(source(rules).as_bytes(), &config, Profile::SURICATA);
    let answer = case.get("suricata7");
    if answer.and_then(Value::as_str).is_some_and(|word| word.contains("refused")) {
        return (report.errors() == 0).then(|| "not refused".to_owned());
    }
    let events = engine::run_frames(&frames(case), &rules, &EngineConfig::for_profile(Profile::SURICATA));
    let difference = compare(answer, events.iter().map(|event| event.rule.sid));
    difference.map(|text| if report.errors() > 0 { format!("{text} ({} refused)", report.errors()) } else { text })
}

fn compare(answer: Option<&Value>, sids: impl Iterator<Item = u32>) -> Option<String> {
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (sid, count) in answer.and_then(Value::as_object).into_iter().flatten() {
        if let Some(count) = count.as_u64().filter(|count| *count > 0) {
            expected.insert(sid.clone(), count);
        }
    }
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for sid in sids {
        *found.entry(sid.to_string()).or_default() += 1;
    }
    (expected != found).then(|| format!("expected {expected:?}, found {found:?}"))
}

fn frames(case: &Value) -> Vec<Vec<u8>> {
    let port = u16::try_from(number(case, "server_port")).unwrap_or(9999);
    let steps = list(case, "steps");
    match text(case, "proto") {
        "udp" => steps.iter().map(|step| datagram(step, port)).collect(),
        "frag" => steps
            .iter()
            .map(|step| {
                let offset = u16::try_from(number(step, "fragment_offset")).unwrap_or(0);
                let more = step.get("more").and_then(Value::as_bool).unwrap_or(false);
                ethernet(&ipv4_fragment(CLIENT.0, SERVER, 17, &hex(text(step, "hex")), 7, offset, more))
            })
            .collect(),
        _ => conversation(steps, port),
    }
}

fn datagram(step: &Value, port: u16) -> Vec<u8> {
    let payload = hex(text(step, "hex"));
    if text(step, "side") == "s" {
        ethernet(&ipv4(SERVER, CLIENT.0, 17, &udp(port, CLIENT.1, &payload)))
    } else {
        ethernet(&ipv4(CLIENT.0, SERVER, 17, &udp(CLIENT.1, port, &payload)))
    }
}

fn conversation(steps: &[Value], port: u16) -> Vec<Vec<u8>> {
    // `nohs`: without handshake; `nofin`: not closed.
    let side_is = |word: &str| steps.iter().any(|step| text(step, "side") == word);
    let mut built = if side_is("nohs") {
        Conversation::midstream(CLIENT, (SERVER, port))
    } else {
        Conversation::open(CLIENT, (SERVER, port))
    };
    for step in steps {
        let side = match text(step, "side") {
            "c" => Side::Client,
            "s" => Side::Server,
            _ => continue,
        };
        let rst = step.get("fl").is_some();
        built.segment(&Segment {
            side,
            data: &hex(text(step, "hex")),
            at: step.get("at").and_then(Value::as_u64).and_then(|at| u32::try_from(at).ok()),
            acknowledged: step.get("ack").and_then(Value::as_bool).unwrap_or(true) && !rst,
            flags: if rst { tcp_flags::RST } else { 0 },
        });
    }
    if !side_is("nofin") {
        built.close();
    }
    built.frames().to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
