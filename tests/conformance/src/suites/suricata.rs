//! `suricata`: what is supported of Suricata's dialect so far; and files that a loader must refuse.

use super::{folders, list, number, text};
use crate::known::Outcome;
use crate::{Options, engine};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tapir_detect::Profile;
use tapir_engine::EngineConfig;
use tapir_rules::{Config, Dialect};

fn case(folder: &std::path::Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(folder.join("case.json")).ok()?).ok()
}

fn config(case: &Value) -> Config {
    let mut config = Config { dialect: Some(Dialect::Suricata), ..Config::default() };
    let settings = case.get("config").unwrap_or(&Value::Null);
    let home = settings.get("home_net").and_then(Value::as_str).unwrap_or("[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]");
    let external = settings.get("external_net").and_then(Value::as_str).unwrap_or("!$HOME_NET");
    for (name, value) in [("HOME_NET", home), ("EXTERNAL_NET", external)] {
        if let Err(error) = config.set(&format!("{name}={value}")) {
            eprintln!("{}: {error}", text(case, "name"));
        }
    }
    config
}

pub(crate) fn run(options: &Options) -> Vec<Outcome> {
    folders(&options.shared.join("conformance/suricata"))
        .iter()
        .filter_map(|folder| {
            let case = case(folder)?;
            if text(&case, "status") != "confirmed" {
                return None;
            }
            let source = std::fs::read(folder.join("test.rules")).unwrap_or_default();
            let (rules, report) = engine::rules(&source, &config(&case), Profile::SURICATA);
            let pcap = case.get("pcap").and_then(Value::as_str).unwrap_or("input.pcap");
            let (events, _) = engine::scan(&folder.join(pcap), &rules, &EngineConfig::for_profile(Profile::SURICATA));
            let mut counts: BTreeMap<(u64, u64), u64> = BTreeMap::new();
            for event in &events {
                *counts.entry((u64::from(event.rule.gid), u64::from(event.rule.sid))).or_default() += 1;
            }
            Some(Outcome {
                case: text(&case, "name").to_owned(),
                group: String::new(),
                failure: unmet(&case, &counts).map(|unmet| {
                    if report.errors() > 0 { format!("{unmet} ({} rules refused)", report.errors()) } else { unmet }
                }),
            })
        })
        .collect()
}

fn unmet(case: &Value, counts: &BTreeMap<(u64, u64), u64>) -> Option<String> {
    for expected in list(case, "expect") {
        let want = number(expected, "count");
        let have: u64 = match expected.get("sid").and_then(Value::as_u64) {
            Some(sid) => {
                let gid = expected.get("gid").and_then(Value::as_u64).unwrap_or(1);
                counts.get(&(gid, sid)).copied().unwrap_or(0)
            }
            None => counts.values().sum(),
        };
        let partial = expected.get("match").is_some() || text(expected, "op") == ">=";
        let met = if partial { have >= want } else { have == want };
        if !met {
            return Some(format!("sid {}: {have} of {want}", expected.get("sid").unwrap_or(&Value::Null)));
        }
    }
    for absent in list(case, "absent").iter().filter_map(Value::as_u64) {
        if counts.iter().any(|((_, sid), count)| *sid == absent && *count > 0) {
            return Some(format!("sid {absent} should be absent"));
        }
    }
    None
}

/// Rules that both versions of the source engine refuse must be refused here, with line and sid.
pub(crate) fn run_invalid(options: &Options) -> Vec<Outcome> {
    folders(&options.shared.join("conformance/suricata-invalid"))
        .iter()
        .filter_map(|folder| {
            let case = case(folder)?;
            let source = std::fs::read(folder.join("test.rules")).unwrap_or_default();
            let (_, report) = engine::rules(&source, &config(&case), Profile::SURICATA);
            let refused_by = |version: &str| -> BTreeSet<u64> {
                case.get(version)
                    .map(|result| list(result, "refused").iter().map(|rule| number(rule, "line")).collect())
                    .unwrap_or_default()
            };
            let must: BTreeSet<u64> =
                refused_by("suricata_7").intersection(&refused_by("suricata_8")).copied().collect();
            let ours: BTreeSet<u64> = report
                .diagnostics
                .iter()
                .filter(|found| found.severity == tapir_rules::Severity::Error)
                .map(|found| u64::from(report.sources.position(found.span.source, found.span.start).0))
                .collect();
            let missing: Vec<String> = must.difference(&ours).map(|line| format!("line {line} accepted")).collect();
            let failure = (!missing.is_empty()).then(|| missing.join(", "));
            Some(Outcome { case: text(&case, "name").to_owned(), group: String::new(), failure })
        })
        .collect()
}
