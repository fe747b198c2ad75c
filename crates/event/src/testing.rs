//! One event with everything in it, for tests.

use crate::{
    Endpoint, EventId, Evidence, EvidenceBuffer, EvidenceHit, FlowDirection, FlowSummary, Generator, Inspection,
    RuleSummary, SecurityEvent, Session, Workload, session,
};
use std::sync::Arc;
use tapir_packet::Timestamp;

pub(crate) fn event() -> SecurityEvent {
    let client = Endpoint { address: "10.1.2.3".parse().expect("address"), port: Some(40000) };
    let server = Endpoint { address: "10.9.8.7".parse().expect("address"), port: Some(80) };
    SecurityEvent {
        id: EventId { node: "worker-3".into(), boot: 12, seq: 845 },
        time: Timestamp::from_secs_nanos(1_700_000_000, 39_999_000),
        observed: Timestamp::from_secs_nanos(1_700_000_001, 0),
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
            metadata: vec![
                ("policy".into(), "security-ips drop".into()),
                ("mitre_tactic_id".into(), "TA0001".into()),
                ("mitre_technique_id".into(), "T1190".into()),
            ],
            action: "alert".to_owned(),
            text: "alert http (msg:\"uri test\"; http_uri; content:\"test\"; sid:1; rev:3;)".to_owned(),
            place: "local.rules:1".to_owned(),
            target_is_source: None,
        }),
        protocol: "TCP".into(),
        protocol_number: Some(6),
        generator: Generator::StreamTcp,
        direction: Some(FlowDirection::ToServer),
        source: Some(client),
        destination: Some(server),
        client: None,
        server: Some(Workload {
            namespace: "shop".into(),
            pod: "frontend-77b88cc7cb-nwx6t".into(),
            uid: "5f0c".into(),
            owner_kind: "Deployment".into(),
            owner_name: "frontend".into(),
            service: "frontend".into(),
            labels: [("app".to_owned(), "frontend".to_owned())].into(),
        }),
        inspection: Some(Inspection { namespace: "shop".into(), name: "sample-dpi-frontend".into() }),
        service: Some("http".into()),
        packet_len: 31,
        flow: Some(FlowSummary {
            id: 1,
            start: Timestamp::from_secs_nanos(1_700_000_000, 0),
            client,
            server,
            packets: [4, 3],
            bytes: [400, 300],
            missing: [0, 0],
            midstream: false,
        }),
        interface: "cali0ab12".into(),
        session: Session {
            http: Some(session::Http {
                method: Some("GET".into()),
                uri: Some("/test?a=b|c".into()),
                version: Some("1.1".into()),
                host: Some("shop.example".into()),
                user_agent: Some("curl/8".into()),
                ..session::Http::default()
            }),
            ..Session::default()
        },
        evidence: Some(Evidence {
            buffers: vec![EvidenceBuffer {
                name: "http_uri".into(),
                offset: 0,
                bytes: b"/test?a=b|c".to_vec(),
                original_len: 11,
            }],
            hits: vec![EvidenceHit {
                option: 2,
                text: "content:\"test\"".into(),
                buffer: "http_uri".into(),
                offset: 1,
                len: 4,
            }],
            payload: b"GET /test?a=b|c HTTP/1.1\r\n\r\n\xff\0".to_vec(),
            payload_len: 30,
            ..Evidence::default()
        }),
        rule_set: 1,
        ..SecurityEvent::default()
    }
}
