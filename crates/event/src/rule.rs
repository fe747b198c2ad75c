//! What an event says about its rule, and what follows from that: severity and ATT&CK ids.
//!
//! *Source*: the priority of `classification.config`; Emerging Threats' metadata keys
//! (`signature_severity`, `mitre_tactic_id`, …), which our starter rules use, too.

use crate::Level;
use serde::{Deserialize, Serialize};

/// What the event says about its rule. Shared by all events of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleSummary {
    /// Generator.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// Message without quotes; `None` if the rule has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// Class name, e.g. `trojan-activity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classtype: Option<String>,
    /// Long class text, e.g. `A Network Trojan was detected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// 1 is the most severe; 0 = none given.
    pub priority: u32,
    /// Scheme, id and URL if the scheme has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<(String, String, Option<String>)>,
    /// Key and value, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<(String, String)>,
    /// The rule's own action word.
    pub action: String,
    /// Canonical text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// `file:line`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// `target`: the victim is the source (true) or the destination (false).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_is_source: Option<bool>,
}

/// A tactic or technique of MITRE ATT&CK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attack<'r> {
    /// `TA0001`, `T1190`, `T1071.001`.
    pub id: &'r str,
    /// As the rule's metadata names it, or as ATT&CK names the tactic.
    pub name: Option<String>,
}

impl RuleSummary {
    /// Values of a metadata key; values that were listed with commas under one key are separate.
    pub fn metadata_values<'r>(&'r self, key: &'r str) -> impl Iterator<Item = &'r str> {
        self.metadata.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim())
    }

    /// 0–100. `signature_severity` of the metadata if it is a known word, else by priority:
    /// 1 → 90, 2 → 70, 3 → 40, others → 20.
    pub fn severity(&self) -> u8 {
        let refined = self.metadata_values("signature_severity").find_map(|word| {
            Some(match word.to_ascii_lowercase().as_str() {
                "critical" => 100,
                "major" | "high" => 90,
                "medium" => 70,
                "minor" | "low" => 40,
                "informational" | "info" => 20,
                _ => return None,
            })
        });
        refined.unwrap_or(match self.priority {
            1 => 90,
            2 => 70,
            3 => 40,
            _ => 20,
        })
    }

    /// Severity as a word.
    pub fn level(&self) -> Level {
        Level::of(self.severity())
    }

    /// ATT&CK tactics of the metadata.
    pub fn tactics(&self) -> Vec<Attack<'_>> {
        self.attack("mitre_tactic_id", "mitre_tactic_name", "TA")
    }

    /// ATT&CK techniques of the metadata.
    pub fn techniques(&self) -> Vec<Attack<'_>> {
        self.attack("mitre_technique_id", "mitre_technique_name", "T")
    }

    fn attack(&self, ids: &'static str, names: &'static str, prefix: &str) -> Vec<Attack<'_>> {
        let mut names = self.metadata_values(names);
        self.metadata_values(ids)
            .filter(|id| {
                let number = id.strip_prefix(prefix).unwrap_or_default();
                !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            })
            .map(|id| Attack {
                id,
                name: names.next().map(|name| name.replace('_', " ")).or_else(|| tactic(id).map(str::to_owned)),
            })
            .collect()
    }

    /// The message, or Snort's words for a rule without one.
    pub fn message(&self) -> &str {
        self.msg.as_deref().unwrap_or("no msg in rule")
    }

    /// References as addresses where their scheme has one, else `scheme:id`.
    pub fn reference_urls(&self) -> impl Iterator<Item = String> {
        self.references.iter().map(|(scheme, id, url)| url.clone().unwrap_or_else(|| format!("{scheme}:{id}")))
    }
}

/// Name of an enterprise tactic.
fn tactic(id: &str) -> Option<&'static str> {
    Some(match id {
        "TA0001" => "Initial Access",
        "TA0002" => "Execution",
        "TA0003" => "Persistence",
        "TA0004" => "Privilege Escalation",
        "TA0005" => "Defense Evasion",
        "TA0006" => "Credential Access",
        "TA0007" => "Discovery",
        "TA0008" => "Lateral Movement",
        "TA0009" => "Collection",
        "TA0010" => "Exfiltration",
        "TA0011" => "Command and Control",
        "TA0040" => "Impact",
        "TA0042" => "Resource Development",
        "TA0043" => "Reconnaissance",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(priority: u32, metadata: &[(&str, &str)]) -> RuleSummary {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        RuleSummary { priority, metadata, ..RuleSummary::default() }
    }

    #[test]
    fn severity_follows_priority_and_is_refined_by_metadata() {
        assert_eq!([0, 1, 2, 3, 4, 9].map(|priority| rule(priority, &[]).severity()), [20, 90, 70, 40, 20, 20]);
        assert_eq!(rule(3, &[("signature_severity", "Critical")]).level(), Level::Critical);
        assert_eq!(rule(1, &[("signature_severity", "Informational")]).level(), Level::Info);
        assert_eq!(rule(2, &[("signature_severity", "Unknown")]).severity(), 70);
    }

    #[test]
    fn attack_ids_come_with_names() {
        let rule = rule(
            1,
            &[("mitre_technique_id", "T1071.001"), ("mitre_tactic_id", "TA0011"), ("mitre_technique_id", "nonsense")],
        );
        assert_eq!(rule.tactics(), [Attack { id: "TA0011", name: Some("Command and Control".into()) }]);
        assert_eq!(rule.techniques(), [Attack { id: "T1071.001", name: None }]);
        let named =
            self::rule(1, &[("mitre_technique_id", "T1190"), ("mitre_technique_name", "Exploit_Public_Facing")]);
        assert_eq!(named.techniques()[0].name.as_deref(), Some("Exploit Public Facing"));
    }
}
