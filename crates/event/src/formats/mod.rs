//! Output formats: one file each, one event to one line.

mod csv;
mod eve;
mod fast;
mod json;

use crate::SecurityEvent;

/// A line-oriented output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Snort 3 `alert_fast`.
    Fast,
    /// Snort 3 `alert_json`, with more fields.
    Json,
    /// Snort 3 `alert_csv`.
    Csv,
    /// Suricata EVE alert records.
    Eve,
}

impl Format {
    /// Every format with its name on the command line.
    pub const ALL: &'static [(&'static str, Format)] =
        &[("fast", Self::Fast), ("json", Self::Json), ("csv", Self::Csv), ("eve", Self::Eve)];

    /// By name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// The event as one line, without line end.
    pub fn line(self, event: &SecurityEvent) -> String {
        match self {
            Self::Fast => fast::line(event),
            Self::Json => json::line(event),
            Self::Csv => csv::line(event),
            Self::Eve => eve::line(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, FlowDirection, FlowSummary, Generator, RuleSummary, WireHeaders};
    use std::sync::Arc;
    use tapir_packet::Timestamp;

    fn event() -> SecurityEvent {
        let client = Endpoint { address: "10.1.2.3".parse().expect("address"), port: Some(40000) };
        let server = Endpoint { address: "10.9.8.7".parse().expect("address"), port: Some(80) };
        SecurityEvent {
            time: Timestamp::from_secs_nanos(1_700_000_000, 39_999_000),
            packet_number: 7,
            rule: Arc::new(RuleSummary {
                gid: 1,
                sid: 1,
                rev: 3,
                msg: Some("uri \"test\", with comma".to_owned()),
                classtype: Some("web-application-attack".to_owned()),
                class: Some("Web Application Attack".to_owned()),
                priority: 1,
                references: vec![("cve".into(), "2021-44228".into(), Some("https://example.test/cve".into()))],
                metadata: vec![("policy".into(), "security-ips drop".into())],
                action: "alert".to_owned(),
                ..RuleSummary::default()
            }),
            protocol: "TCP",
            protocol_number: Some(6),
            generator: Generator::StreamTcp,
            direction: Some(FlowDirection::ToServer),
            source: Some(client),
            destination: Some(server),
            service: Some("http"),
            packet_len: 31,
            wire: WireHeaders::default(),
            flow: Some(FlowSummary {
                id: 1,
                start: Timestamp::from_secs_nanos(1_700_000_000, 0),
                client,
                server,
                packets: [4, 3],
                bytes: [400, 300],
            }),
            interface: "eth0".into(),
            evidence: None,
            rule_set: 1,
        }
    }

    #[test]
    fn fast_is_snorts_line() {
        let mut event = event();
        Arc::make_mut(&mut event.rule).msg = Some("uri test".to_owned());
        assert_eq!(
            Format::Fast.line(&event),
            "11/14-22:13:20.039999 [**] [1:1:3] \"uri test\" [**] [Classification: Web Application Attack] \
             [Priority: 1] {TCP} 10.1.2.3:40000 -> 10.9.8.7:80"
        );
    }

    #[test]
    fn fast_without_class_message_and_ports() {
        let mut event = event();
        event.rule = Arc::new(RuleSummary { gid: 1, sid: 2, ..RuleSummary::default() });
        event.protocol = "ICMP";
        event.source = event.source.map(|source| Endpoint { port: None, ..source });
        assert_eq!(
            Format::Fast.line(&event),
            "11/14-22:13:20.039999 [**] [1:2:0] \"no msg in rule\" [**] [Priority: 0] {ICMP} 10.1.2.3 -> 10.9.8.7"
        );
    }

    #[test]
    fn csv_has_snorts_default_fields() {
        assert_eq!(
            Format::Csv.line(&event()),
            "11/14-22:13:20.039999, 7, TCP, stream_tcp, 31, C2S, 10.1.2.3:40000, 10.9.8.7:80, 1:1:3, allow"
        );
    }

    #[test]
    fn json_and_eve_are_json_with_the_promised_fields() {
        let json: serde_json::Value = serde_json::from_str(&Format::Json.line(&event())).expect("json");
        for field in [
            "timestamp",
            "pkt_num",
            "proto",
            "pkt_gen",
            "dir",
            "src_addr",
            "src_port",
            "dst_addr",
            "dst_port",
            "service",
            "gid",
            "sid",
            "rev",
            "rule",
            "msg",
            "class",
            "priority",
            "action",
            "community_id",
        ] {
            assert!(json.get(field).is_some(), "{field} is missing");
        }
        assert_eq!(json["msg"], "uri \"test\", with comma");
        let eve: serde_json::Value = serde_json::from_str(&Format::Eve.line(&event())).expect("json");
        assert_eq!(eve["alert"]["signature_id"], 1);
        assert_eq!(eve["alert"]["metadata"]["policy"][0], "security-ips drop");
        assert_eq!(eve["app_proto"], "http");
        assert_eq!(eve["timestamp"], "2023-11-14T22:13:20.039999+0000");
    }
}
