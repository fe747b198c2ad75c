//! `snort3_demo`, cases of kind `rules`: the counts of (gid, sid) of the expected file.

use super::{folders, list, number, text};
use crate::compare::{bag, difference};
use crate::known::Outcome;
use crate::{Options, engine};
use serde_json::Value;
use tapir_detect::Profile;
use tapir_engine::EngineConfig;
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
            let (rules, report) = engine::rules(&source, &Config::default(), profile);
            let (events, error) =
                engine::scan(&folder.join(text(&case, "pcap")), &rules, &EngineConfig::for_profile(profile));
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
