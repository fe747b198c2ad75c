//! `snort3-synth`: conversations written to fire nearly every community rule, with variants.
//!
//! Compared per conversation (pair of addresses): the set of (gid, sid).

use super::{json_lines, list, number, text};
use crate::known::Outcome;
use crate::{Options, engine};
use std::collections::{BTreeMap, BTreeSet};
use tapir_detect::Profile;
use tapir_engine::EngineConfig;
use tapir_rules::Config;

type Rules = BTreeSet<(u64, u64)>;

pub(crate) fn run(options: &Options) -> Vec<Outcome> {
    let Ok(source) = std::fs::read(options.shared.join("rules/snort3-community/snort3-community.rules")) else {
        return Vec::new();
    };
    // The corpus was made with the limits out of the way.
    let profile = Profile { matches_per_action: 100, queue: 100, log: 100, ..Profile::SNORT3 };
    let (rules, _) = engine::rules(&source, &Config::default(), profile);
    let config = EngineConfig::for_profile(profile);
    let base = options.shared.join("conformance/snort3-synth");
    let mut by_capture: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for line in json_lines(&base.join("expected.jsonl")) {
        by_capture.entry(text(&line, "pcap").to_owned()).or_default().push(line);
    }
    let mut outcomes = Vec::new();
    for (capture, conversations) in &by_capture {
        let (events, error) = engine::scan(&base.join("pcaps").join(capture), &rules, &config);
        if let Some(error) = error {
            eprintln!("{capture}: {error}");
        }
        let mut found: BTreeMap<(String, String), Rules> = BTreeMap::new();
        for event in &events {
            let (Some(source), Some(destination)) = (event.source, event.destination) else { continue };
            let key = pair(&source.address.to_string(), &destination.address.to_string());
            found.entry(key).or_default().insert((u64::from(event.rule.gid), u64::from(event.rule.sid)));
        }
        for line in conversations {
            let expected: Rules =
                list(line, "alerts").iter().map(|alert| (number(alert, "gid"), number(alert, "sid"))).collect();
            let key = pair(text(line, "client"), text(line, "server"));
            let have = found.get(&key).cloned().unwrap_or_default();
            let missing: Vec<String> = expected.difference(&have).map(|(gid, sid)| format!("-{gid}:{sid}")).collect();
            let extra: Vec<String> = have.difference(&expected).map(|(gid, sid)| format!("+{gid}:{sid}")).collect();
            let failure = (!missing.is_empty() || !extra.is_empty()).then(|| [missing, extra].concat().join(" "));
            let variant = text(line, "variant");
            outcomes.push(Outcome {
                case: format!("{} {variant} {capture}", number(line, "sid_target")),
                group: variant.to_owned(),
                failure,
            });
        }
    }
    outcomes
}

fn pair(a: &str, b: &str) -> (String, String) {
    if a <= b { (a.to_owned(), b.to_owned()) } else { (b.to_owned(), a.to_owned()) }
}
