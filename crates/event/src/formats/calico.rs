//! The incumbent's event document (`calico-dpi.md` section 4.1): its keys and types, in the shape of its
//! current generation, with what it leaves empty filled in, and a sibling object `tapir` with the rest.

use super::{Object, Style, fast, tapir};
use crate::{Endpoint, SecurityEvent, Workload};
use serde_json::{Map, Value, json};

/// Generations of the incumbent, which differ in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CalicoWords {
    /// 2021: type `alert`, `Signature Triggered Alert`, origin in the field `alert`, ports as text.
    G1,
    /// 2022.
    G2,
    /// From 2023 on.
    #[default]
    G3,
}

impl CalicoWords {
    /// By name: `g1`, `g2`, `g3`, or `signature-triggered` for the first.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "g1" | "signature-triggered" => Some(Self::G1),
            "g2" => Some(Self::G2),
            "g3" => Some(Self::G3),
            _ => None,
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::G1 => "Signature Triggered Alert",
            Self::G2 => "Encountered suspicious traffic matching snort rule for malicious activity",
            Self::G3 => "Deep Packet Inspection found a matching snort rule(s) for some packets in your network",
        }
    }
}

/// Unique id of the document: the incumbent's, which two rules on one packet share, made unique.
pub(super) fn id(event: &SecurityEvent, style: &Style) -> String {
    let end = |end: Option<Endpoint>| match end {
        Some(end) => (end.address.to_string(), end.port.map(|port| port.to_string()).unwrap_or_default()),
        None => (String::new(), String::new()),
    };
    let (source, destination) = (end(event.source), end(event.destination));
    let (namespace, name) = match &event.inspection {
        Some(inspection) => (inspection.namespace.as_str(), inspection.name.as_str()),
        None => ("", ""),
    };
    let base = format!(
        "{namespace}_{name}_{}_{}_{}_{}_{}_{}",
        event.time.0, source.0, source.1, destination.0, destination.1, event.id.node
    );
    let rule = &event.rule;
    if style.as_incumbent {
        format!("{base}_{}_{}_{}", rule.gid, rule.sid, rule.rev)
    } else {
        format!("{base}_{}_{}", event.id.boot, event.id.seq)
    }
}

pub(super) fn document(event: &SecurityEvent, style: &Style) -> Map<String, Value> {
    let rule = &event.rule;
    let first = style.words == CalicoWords::G1;
    let origin = match &event.inspection {
        Some(inspection) => format!("dpi.{inspection}"),
        None => "dpi".to_owned(),
    };
    let mut out = Object::new();
    out.put("id", id(event, style));
    out.put("time", event.time.secs());
    out.put("type", if first { "alert" } else { "deep_packet_inspection" });
    out.put("description", style.words.description());
    out.put(if first { "alert" } else { "origin" }, origin);
    out.put("severity", if style.as_incumbent { 100 } else { rule.severity() });
    out.put("host", event.id.node.as_ref());
    let (source, destination) = event.source_and_destination();
    for (prefix, end, workload) in [("source", event.source, source), ("dest", event.destination, destination)] {
        party(&mut out, prefix, end, workload, first);
    }
    if !first {
        out.put("protocol", event.protocol.to_ascii_lowercase());
        out.put("name", rule.message());
        out.put("attack_vector", "Network");
        let tactics: Vec<String> =
            rule.tactics().into_iter().map(|tactic| tactic.name.unwrap_or_else(|| tactic.id.to_owned())).collect();
        out.put("mitre_tactic", if tactics.is_empty() { "n/a".to_owned() } else { tactics.join(", ") });
        let techniques: Vec<&str> = rule.techniques().iter().map(|technique| technique.id).collect();
        out.put("mitre_ids", if techniques.is_empty() { vec!["n/a"] } else { techniques });
        out.put("mitigations", json!(["n/a"]));
    }
    out.put(
        "record",
        json!({
            "snort_signature_id": rule.sid.to_string(),
            "snort_signature_revision": rule.rev.to_string(),
            "snort_alert": fast::line(event, true),
        }),
    );
    if !first {
        out.0.insert("geo_info".to_owned(), json!({}));
        out.put("cluster", style.cluster.as_str());
        out.put("tenant", style.tenant.as_str());
        out.put("generated_time", crate::rfc3339(event.observed));
    }
    out.put("tapir", tapir(event));
    out.0
}

/// `source_*` and `dest_*`. The oldest generation has text ports, and names even if they are empty.
fn party(out: &mut Object, prefix: &str, end: Option<Endpoint>, workload: Option<&Workload>, first: bool) {
    if let Some(end) = end {
        out.put(&format!("{prefix}_ip"), end.address.to_string());
        let port = end.port.map(|port| if first { Value::from(port.to_string()) } else { port.into() });
        out.put(&format!("{prefix}_port"), port.unwrap_or_default());
    }
    if let Some(workload) = workload {
        out.put(&format!("{prefix}_namespace"), workload.namespace.as_str());
        out.put(&format!("{prefix}_name"), workload.pod.as_str());
        if !first {
            out.put(&format!("{prefix}_name_aggr"), workload.aggregated_name());
        }
    } else if first {
        for name in ["name", "namespace"] {
            out.0.insert(format!("{prefix}_{name}"), "".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;
    use crate::{Inspection, RuleSummary};
    use std::sync::Arc;
    use tapir_packet::Timestamp;

    /// The tutorial's alert, as the incumbent's first generation stored it.
    fn seed() -> SecurityEvent {
        let mut event = event();
        event.time = Timestamp::from_secs_nanos(1_634_682_388, 773_763_000);
        event.rule = Arc::new(RuleSummary {
            gid: 1,
            sid: 21562,
            rev: 5,
            msg: Some("MALWARE-CNC Win.Trojan.Bredolab variant outbound connection".into()),
            class: Some("A Network Trojan was detected".into()),
            priority: 1,
            ..RuleSummary::default()
        });
        event.source = Some(Endpoint { address: "10.88.0.1".parse().expect("address"), port: Some(27267) });
        event.destination = Some(Endpoint { address: "10.88.0.24".parse().expect("address"), port: Some(8080) });
        event.inspection = Some(Inspection { namespace: "hipstershop".into(), name: "sample-dpi-frontend".into() });
        event.id.node = "node-1".into();
        event
    }

    #[test]
    fn the_alert_line_is_the_incumbents() {
        let document = document(&seed(), &Style::default());
        assert_eq!(
            document["record"]["snort_alert"],
            "21/10/19-22:26:28.773763 [**] [1:21562:5] \"MALWARE-CNC Win.Trojan.Bredolab variant outbound \
             connection\" [**] [Classification: A Network Trojan was detected] [Priority: 1] {TCP} \
             10.88.0.1:27267 -> 10.88.0.24:8080"
        );
        assert_eq!(document["record"]["snort_signature_id"], "21562");
    }

    #[test]
    fn as_incumbent_the_id_is_its_id_and_the_rule() {
        let style = Style { as_incumbent: true, ..Style::default() };
        let document = document(&seed(), &style);
        assert_eq!(
            document["id"],
            "hipstershop_sample-dpi-frontend_1634682388773763000_10.88.0.1_27267_10.88.0.24_8080_node-1_1_21562_5"
        );
        assert_eq!(document["severity"], 100);
    }

    #[test]
    fn the_first_generation_has_its_own_words() {
        let style = Style { words: CalicoWords::G1, as_incumbent: true, ..Style::default() };
        let document = document(&seed(), &style);
        assert_eq!(document["type"], "alert");
        assert_eq!(document["alert"], "dpi.hipstershop/sample-dpi-frontend");
        assert_eq!(document["description"], "Signature Triggered Alert");
        assert_eq!(document["source_port"], "27267");
        assert_eq!(document["source_name"], "");
        assert_eq!(document.get("origin"), None);
    }

    #[test]
    fn without_an_address_no_address_is_written() {
        let mut event = seed();
        event.source = None;
        assert_eq!(document(&event, &Style::default()).get("source_ip"), None);
    }
}
