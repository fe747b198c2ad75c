//! `snort3-golden`: all community rules over every capture of the corpus, as Snort 3 ran them.
//!
//! Compared per capture: the multiset of (gid, sid, source, destination). Captures whose link type
//! Snort does not decode are left out.

use super::{json_lines, list, number, text};
use crate::compare::{bag, difference};
use crate::known::Outcome;
use crate::{Options, engine};
use serde_json::Value;
use tapir_detect::Profile;
use tapir_engine::EngineConfig;
use tapir_rules::Config;

pub(crate) fn run(options: &Options) -> Vec<Outcome> {
    let Ok(source) = std::fs::read(options.shared.join("rules/snort3-community/snort3-community.rules")) else {
        return Vec::new();
    };
    let (rules, _) = engine::rules(&source, &Config::default(), Profile::SNORT3);
    let config = EngineConfig::for_profile(Profile::SNORT3);
    let base = options.shared.join("conformance");
    json_lines(&base.join("snort3-golden/community.jsonl"))
        .iter()
        .filter(|capture| !capture.get("alerts").is_none_or(Value::is_null))
        .map(|capture| {
            let file = text(capture, "file");
            let (events, _) = engine::scan(&base.join(file), &rules, &config);
            let expected = bag(list(capture, "alerts").iter().map(|alert| {
                format!(
                    "{}:{} {}:{}>{}:{}",
                    number(alert, "gid"),
                    number(alert, "sid"),
                    text(alert, "src"),
                    number(alert, "src_port"),
                    text(alert, "dst"),
                    number(alert, "dst_port")
                )
            }));
            let found = bag(events.iter().map(|event| {
                let end = |end: Option<tapir_event::Endpoint>| {
                    end.map(|end| format!("{}:{}", end.address, end.port.unwrap_or(0))).unwrap_or_default()
                };
                format!("{}:{} {}>{}", event.rule.gid, event.rule.sid, end(event.source), end(event.destination))
            }));
            let group =
                if list(capture, "alerts").is_empty() { "captures without alerts" } else { "captures with alerts" };
            Outcome { case: file.to_owned(), group: group.to_owned(), failure: difference(&expected, &found) }
        })
        .collect()
}
