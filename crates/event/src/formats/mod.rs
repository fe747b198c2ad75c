//! Output formats: one file each, one event to one line. Pure functions of the event and a [`Style`].

mod calico;
mod cef;
mod csv;
mod ecs;
mod eve;
mod fast;
mod json;
mod ocsf;

use crate::SecurityEvent;
use serde_json::{Map, Value};

pub use calico::CalicoWords;

/// A line-oriented output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Snort 3 `alert_fast`.
    Fast,
    /// Snort 3 `alert_json`, with more fields.
    Json,
    /// Snort 3 `alert_csv`.
    Csv,
    /// Suricata EVE alert records.
    Eve,
    /// Our own document: the whole event.
    Tapir,
    /// The incumbent's event document.
    Calico,
    /// Elastic Common Schema.
    Ecs,
    /// OCSF Detection Finding.
    Ocsf,
    /// ArcSight Common Event Format.
    Cef,
}

/// What a format needs to know that no event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// Name of the cluster.
    pub cluster: String,
    /// Tenant, in stores that several share; empty = none.
    pub tenant: String,
    /// Address of the Alerts page without a slash at its end; links are left out without it.
    pub page: Option<String>,
    /// Which generation of the incumbent's wording.
    pub words: CalicoWords,
    /// Write severity 100 always, and the incumbent's ids, as the incumbent does.
    pub as_incumbent: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            cluster: "cluster".to_owned(),
            tenant: String::new(),
            page: None,
            words: CalicoWords::default(),
            as_incumbent: false,
        }
    }
}

impl Style {
    /// Address of an event on the Alerts page; `None` if the page's own is not known.
    pub fn link(&self, event: &SecurityEvent) -> Option<String> {
        self.page.as_ref().map(|page| format!("{page}/alerts/e/{}", event.id))
    }
}

impl Format {
    /// Every format with its name on the command line.
    pub const ALL: &'static [(&'static str, Format)] = &[
        ("fast", Self::Fast),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("eve", Self::Eve),
        ("tapir", Self::Tapir),
        ("calico", Self::Calico),
        ("ecs", Self::Ecs),
        ("ocsf", Self::Ocsf),
        ("cef", Self::Cef),
    ];

    /// By name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// The event as one line, without line end.
    pub fn line(self, event: &SecurityEvent, style: &Style) -> String {
        match self {
            Self::Fast => fast::line(event, false),
            Self::Json => json::line(event),
            Self::Csv => csv::line(event),
            Self::Cef => cef::line(event),
            Self::Eve | Self::Tapir | Self::Calico | Self::Ecs | Self::Ocsf => {
                Value::Object(self.document(event, style).unwrap_or_default()).to_string()
            }
        }
    }

    /// The event as a JSON object; `None` for formats that are no JSON, and for Snort's, whose spacing matters.
    pub fn document(self, event: &SecurityEvent, style: &Style) -> Option<Map<String, Value>> {
        Some(match self {
            Self::Fast | Self::Json | Self::Csv | Self::Cef => return None,
            Self::Eve => eve::document(event),
            Self::Tapir => tapir(event),
            Self::Calico => calico::document(event, style),
            Self::Ecs => ecs::document(event, style),
            Self::Ocsf => ocsf::document(event, style),
        })
    }
}

/// The event itself, with what follows from it, for readers that are not Tapir.
fn tapir(event: &SecurityEvent) -> Map<String, Value> {
    let Ok(Value::Object(mut document)) = serde_json::to_value(event) else { return Map::new() };
    let group = crate::GroupKey::of(event).hash();
    for (name, value) in [
        ("severity", event.rule.severity().into()),
        ("level", event.rule.level().name().into()),
        ("group", format!("{group:016x}").into()),
        ("shape", crate::shape(event.evidence.as_ref()).map_or(Value::Null, |shape| format!("{shape:016x}").into())),
        ("visibility", event.visibility().into()),
        ("blind_spots", event.blind_spots().into()),
        ("community_id", crate::community_id(event).into()),
    ] {
        if !value.is_null() {
            document.insert(name.to_owned(), value);
        }
    }
    document
}

/// Adds members to a JSON object, leaving out what is not known.
struct Object(Map<String, Value>);

impl Object {
    fn new() -> Self {
        Self(Map::new())
    }

    fn put(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !empty {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Puts a value below nested objects: `a.b.c`.
    fn put_path(&mut self, path: &str, value: impl Into<Value>) {
        let Some((first, rest)) = path.split_once('.') else { return self.put(path, value) };
        let mut inner = match self.0.remove(first) {
            Some(Value::Object(members)) => Self(members),
            _ => Self::new(),
        };
        inner.put_path(rest, value);
        self.put(first, inner.0);
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;
    use crate::{Endpoint, RuleSummary};
    use std::sync::Arc;

    fn line(format: Format, event: &SecurityEvent) -> String {
        format.line(event, &Style::default())
    }

    #[test]
    fn fast_is_snorts_line() {
        let mut event = event();
        Arc::make_mut(&mut event.rule).msg = Some("uri test".to_owned());
        assert_eq!(
            line(Format::Fast, &event),
            "11/14-22:13:20.039999 [**] [1:1:3] \"uri test\" [**] [Classification: Web Application Attack] \
             [Priority: 1] {TCP} 10.1.2.3:40000 -> 10.9.8.7:80"
        );
    }

    #[test]
    fn fast_without_class_message_and_ports() {
        let mut event = event();
        event.rule = Arc::new(RuleSummary { gid: 1, sid: 2, ..RuleSummary::default() });
        event.protocol = "ICMP".into();
        event.source = event.source.map(|source| Endpoint { port: None, ..source });
        assert_eq!(
            line(Format::Fast, &event),
            "11/14-22:13:20.039999 [**] [1:2:0] \"no msg in rule\" [**] [Priority: 0] {ICMP} 10.1.2.3 -> 10.9.8.7"
        );
    }

    #[test]
    fn csv_has_snorts_default_fields() {
        assert_eq!(
            line(Format::Csv, &event()),
            "11/14-22:13:20.039999, 7, TCP, stream_tcp, 31, C2S, 10.1.2.3:40000, 10.9.8.7:80, 1:1:3, allow"
        );
    }

    #[test]
    fn in_ecs_a_conversation_begins_before_its_event_even_when_the_clock_went_back() {
        let mut event = event();
        let flow = event.flow.as_mut().expect("a flow");
        flow.start = tapir_packet::Timestamp(event.time.0 + 1_000_000_000);
        let document: serde_json::Value = serde_json::from_str(&line(Format::Ecs, &event)).expect("json");
        assert_eq!(document["event"]["start"], document["@timestamp"]);
        assert_eq!(document["event"]["duration"], 0);
    }

    #[test]
    fn json_and_eve_are_json_with_the_promised_fields() {
        let json: serde_json::Value = serde_json::from_str(&line(Format::Json, &event())).expect("json");
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
        let eve: serde_json::Value = serde_json::from_str(&line(Format::Eve, &event())).expect("json");
        assert_eq!(eve["alert"]["signature_id"], 1);
        assert_eq!(eve["alert"]["metadata"]["policy"][0], "security-ips drop");
        assert_eq!(eve["app_proto"], "http");
        assert_eq!(eve["timestamp"], "2023-11-14T22:13:20.039999+0000");
    }

    /// Each format of the same full event, as a reader would see it.
    #[test]
    fn every_format_of_one_event() {
        for (name, format) in Format::ALL {
            let style = Style { page: Some("https://tapir.example".into()), ..Style::default() };
            let text = match format.document(&event(), &style) {
                Some(document) => serde_json::to_string_pretty(&document).expect("json"),
                None => format.line(&event(), &style),
            };
            insta::assert_snapshot!(*name, text);
        }
    }

    #[test]
    fn numbers_of_dns_are_names_where_others_expect_names() {
        let mut event = event();
        event.session = crate::Session {
            dns: Some(crate::session::Dns { name: Some("a.example".into()), kind: Some(28), id: 7, rcode: Some(3) }),
            ..crate::Session::default()
        };
        let document = |format: Format| Value::Object(format.document(&event, &Style::default()).unwrap_or_default());
        let eve = document(Format::Eve);
        assert_eq!(eve["dns"]["queries"], serde_json::json!([{ "rrname": "a.example", "rrtype": "AAAA" }]));
        assert_eq!(eve["dns"]["rcode"], "NXDOMAIN");
        let ecs = document(Format::Ecs);
        assert_eq!(ecs["dns"]["question"]["type"], "AAAA");
        assert_eq!(ecs["dns"]["response_code"], "NXDOMAIN");
        assert_eq!(document(Format::Ocsf)["evidences"][0]["query"]["type"], "AAAA");
    }

    #[test]
    fn a_port_in_the_host_header_is_no_part_of_the_name() {
        let mut event = event();
        event.session.http.as_mut().expect("http").host = Some("10.9.8.7:8080".into());
        let document = |format: Format| Value::Object(format.document(&event, &Style::default()).unwrap_or_default());
        let ecs = document(Format::Ecs);
        assert_eq!((&ecs["url"]["domain"], &ecs["url"]["port"]), (&"10.9.8.7".into(), &8080.into()));
        let url = &document(Format::Ocsf)["evidences"][0]["http_request"]["url"];
        assert_eq!((&url["hostname"], &url["port"]), (&"10.9.8.7".into(), &8080.into()));
        let http = &document(Format::Eve)["http"];
        assert_eq!((&http["hostname"], &http["http_port"]), (&"10.9.8.7".into(), &8080.into()));
    }

    #[test]
    fn a_sub_technique_stands_below_its_technique_in_ecs() {
        let mut event = event();
        Arc::make_mut(&mut event.rule).metadata = vec![
            ("mitre_technique_id".into(), "T1071.001".into()),
            ("mitre_technique_id".into(), "T1190".into()),
            ("mitre_technique_id".into(), "T1190.002".into()),
        ];
        let ecs = Value::Object(Format::Ecs.document(&event, &Style::default()).unwrap_or_default());
        assert_eq!(ecs["threat"]["technique"]["id"], serde_json::json!(["T1190", "T1071"]));
        assert_eq!(ecs["threat"]["technique"]["subtechnique"]["id"], serde_json::json!(["T1071.001", "T1190.002"]));
    }

    #[test]
    fn what_ocsf_has_no_place_for_is_left_out_or_unmapped() {
        let mut event = event();
        let http = event.session.http.as_mut().expect("http");
        (http.method, http.uri) = (Some("NOTIFY".into()), None);
        event.session.dns = Some(crate::session::Dns::default());
        let ocsf = Value::Object(Format::Ocsf.document(&event, &Style::default()).unwrap_or_default());
        let evidence = &ocsf["evidences"][0];
        assert_eq!((evidence["http_request"].get("url"), evidence["http_request"].get("http_method")), (None, None));
        assert_eq!((evidence.get("query"), &ocsf["unmapped"]["http_method"]), (None, &"NOTIFY".into()));
    }

    #[test]
    fn what_snort_calls_ssl_is_tls_to_others() {
        let mut event = event();
        event.service = Some("ssl".into());
        let member = |format: Format, path: &str| {
            let document = format.document(&event, &Style::default()).map(Value::Object);
            document.and_then(|document| Some(document.pointer(path)?.as_str()?.to_owned()))
        };
        assert_eq!(member(Format::Ecs, "/network/protocol").as_deref(), Some("tls"));
        assert_eq!(member(Format::Eve, "/app_proto").as_deref(), Some("tls"));
        assert!(Format::Cef.line(&event, &Style::default()).contains(" app=tls "));
        assert!(Format::Json.line(&event, &Style::default()).contains(r#""service" : "ssl""#), "Snort's own format");
    }

    #[test]
    fn eve_names_the_link_and_the_node() {
        let mut event = event();
        event.wire.ethernet = Some(([0x0a, 1, 2, 3, 4, 5], [0xff; 6], 0x0800));
        if let Some(evidence) = &mut event.evidence {
            (evidence.packet, evidence.link_type) = (vec![1], 1);
        }
        let eve = Format::Eve.document(&event, &Style::default()).expect("a document");
        let ether =
            serde_json::json!({ "src_mac": "0a:01:02:03:04:05", "dest_mac": "ff:ff:ff:ff:ff:ff", "ether_type": 2048 });
        assert_eq!(eve["ether"], ether);
        assert_eq!(eve["packet_info"], serde_json::json!({ "linktype": 1, "linktype_name": "EN10MB" }));
        assert_eq!(eve["kubernetes"]["node"], "worker-3");
        let line = Format::Json.line(&event, &Style::default());
        assert!(line.contains(r#""b64_data" : "R0VU"#), "{line}");
    }

    #[test]
    fn a_flow_without_ports_has_none_in_eve() {
        let mut event = event();
        let flow = event.flow.as_mut().expect("flow");
        (flow.client.port, flow.server.port) = (None, None);
        let eve = Value::Object(Format::Eve.document(&event, &Style::default()).unwrap_or_default());
        assert_eq!((eve["flow"].get("src_port"), eve["flow"].get("dest_port")), (None, None));
        assert_eq!(eve["flow"]["pkts_toclient"], 3);
    }

    #[test]
    fn a_hardware_address_alone_is_no_endpoint_of_ocsf() {
        let mut event = event();
        (event.source, event.destination, event.server) = (None, None, None);
        event.wire.ethernet = Some(([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], 0x0806));
        let ocsf = Value::Object(Format::Ocsf.document(&event, &Style::default()).unwrap_or_default());
        assert_eq!(ocsf["evidences"][0].get("src_endpoint"), None);
        assert_eq!(ocsf["unmapped"]["macs"], serde_json::json!(["02:00:00:00:00:01", "02:00:00:00:00:02"]));
    }

    #[test]
    fn hostile_text_stays_inside_its_line_and_its_field() {
        let mut event = event();
        Arc::make_mut(&mut event.rule).msg = Some("a|b=c\\d\n[**] \u{202e} \0".to_owned());
        if let Some(http) = &mut event.session.http {
            http.uri = Some("/a=b|c\\d\r\ne".into());
        }
        for (name, format) in Format::ALL {
            let line = format.line(&event, &Style::default());
            assert!(!line.contains(['\n', '\r']), "{name}: {line:?}");
            if format.document(&event, &Style::default()).is_some() {
                let parsed: Value = serde_json::from_str(&line).expect(name);
                assert!(parsed.is_object());
            }
        }
    }

    #[test]
    fn an_empty_event_has_a_line_in_every_format() {
        for (name, format) in Format::ALL {
            assert!(!format.line(&SecurityEvent::default(), &Style::default()).is_empty(), "{name}");
        }
    }
}
