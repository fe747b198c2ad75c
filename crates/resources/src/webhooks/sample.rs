//! The event that a webhook in state `Test` sends: that of the incumbent (an echo reply, rule 1:408), whatever kind of event was asked
//! for, because Tapir raises no other kind.

use std::sync::Arc;
use tapir_event::{Endpoint, EventId, Inspection, RuleSummary, SecurityEvent, Workload};
use tapir_packet::Timestamp;

/// Kinds of sample events that Tapir has, as annotation `webhooks.projectcalico.org/testEvent` names them.
const OURS: [&str; 3] = ["", "dpi", "deep_packet_inspection"];

/// The sample, as of now; and what is to be said of it, if another kind was asked for.
pub(crate) fn event(asked: &str, now: Timestamp) -> (SecurityEvent, Option<String>) {
    let rule = RuleSummary {
        gid: 1,
        sid: 408,
        rev: 8,
        msg: Some("PROTOCOL-ICMP Echo Reply".into()),
        classtype: Some("misc-activity".into()),
        class: Some("Misc activity".into()),
        priority: 3,
        action: "alert".into(),
        ..RuleSummary::default()
    };
    let end = |address: [u8; 4]| Some(Endpoint { address: address.into(), port: None });
    let event = SecurityEvent {
        id: EventId { node: "test".into(), boot: 1, seq: now.0.unsigned_abs() },
        time: now,
        observed: now,
        rule: Arc::new(rule),
        protocol: "ICMP".into(),
        protocol_number: Some(1),
        source: end([8, 8, 8, 8]),
        destination: end([192, 168, 142, 9]),
        server: Some(Workload { namespace: "default".into(), pod: "test".into(), ..Workload::default() }),
        inspection: Some(Inspection { namespace: "default".into(), name: "default-namespace-all-endpoints".into() }),
        ..SecurityEvent::default()
    };
    let note =
        (!OURS.contains(&asked)).then(|| format!("there is no sample of `{asked}`: deep packet inspection was sent"));
    (event, note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_event::{Format, Style};

    #[test]
    fn the_sample_is_the_incumbents() {
        let (event, note) = event("dpi", Timestamp::from_secs_nanos(1_727_425_450, 80_704_000));
        let document = Format::Calico.document(&event, &Style::default()).unwrap();
        assert_eq!(document["origin"], "dpi.default/default-namespace-all-endpoints");
        assert_eq!(
            document["record"]["snort_alert"],
            "24/09/27-08:24:10.080704 [**] [1:408:8] \"PROTOCOL-ICMP Echo Reply\" [**] [Classification: Misc activity] \
             [Priority: 3] {ICMP} 8.8.8.8 -> 192.168.142.9"
        );
        assert_eq!(note, None);
    }

    #[test]
    fn another_kind_is_told() {
        assert!(event("waf", Timestamp(0)).1.unwrap().contains("`waf`"));
    }
}
