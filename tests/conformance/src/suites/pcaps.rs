//! `pcaps`: every capture is read to its end, or named as cut or corrupt; nothing panics.
//!
//! Packets are counted against the index. Profile `tapir`, all community rules, evidence on.

use super::{json_lines, number, text};
use crate::known::Outcome;
use crate::{Options, engine};
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{EngineConfig, scan_file};
use tapir_event::SecurityEvent;
use tapir_rules::Config;

pub(crate) fn run(options: &Options) -> Vec<Outcome> {
    let Ok(source) = std::fs::read(options.shared.join("rules/snort3-community/snort3-community.rules")) else {
        return Vec::new();
    };
    let (rules, _) = engine::rules(&source, &Config::default(), Profile::TAPIR);
    let mut config = EngineConfig::for_profile(Profile::TAPIR);
    config.evidence = true;
    config.builtin_events = true;
    let base = options.shared.join("conformance/pcaps");
    json_lines(&base.join("index.jsonl"))
        .iter()
        .map(|entry| {
            let file = text(entry, "file");
            let path = options.shared.join("conformance").join(file);
            let path = if path.exists() { path } else { base.join(file) };
            let mut events = 0_u64;
            let mut sink = |_: SecurityEvent| events += 1;
            let failure = match scan_file(&path, &config, &Arc::clone(&rules), &mut sink, &mut |_, _| ()) {
                Err(error) => Some(error.to_string()),
                Ok(report) => {
                    let panics = report.counters.value(tapir_engine::Counter::PanicsContained);
                    let stuck = report.counters.value(tapir_engine::Counter::InspectorsStuck);
                    if panics + stuck > 0 {
                        Some(format!("{panics} panics contained, {stuck} inspectors stuck"))
                    } else if report.packets != number(entry, "packets") {
                        Some(format!("{} packets of {}", report.packets, number(entry, "packets")))
                    } else {
                        None
                    }
                }
            };
            Outcome { case: file.to_owned(), group: String::new(), failure }
        })
        .collect()
}
