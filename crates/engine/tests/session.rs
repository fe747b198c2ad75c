//! What an event says of its conversation: the protocol's summary, and what of it was not visible.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Enable, EngineConfig, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_event::session::{Dns, Http};
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Segment, Side, ethernet, ipv4, udp};

const RULES: &str = r#"
alert http ( msg:"request"; flow:to_server; http_uri; content:"/evil"; sid:1; )
alert http ( msg:"response"; flow:to_client; http_header; content:"X-Evil"; sid:2; )
alert udp any any -> any 53 ( msg:"dns"; dns_query; content:"evil"; sid:3; )
alert tcp any any -> any 9000 ( msg:"plain"; flow:established; content:"evil"; sid:4; )
"#;
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 2, 2, 2);

fn events(frames: &[Vec<u8>], cut: u32) -> Vec<SecurityEvent> {
    let loaded = tapir_rules::load_str("test.rules", RULES, &tapir_rules::Config::default());
    let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
    assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
    let config = EngineConfig { evidence: true, ..EngineConfig::default() };
    let mut worker = Worker::new(config, Arc::new(rules), "test".into());
    let mut found = Vec::new();
    for (number, data) in frames.iter().enumerate() {
        let frame = Frame {
            data,
            timestamp: Timestamp::from_secs_nanos(1_700_000_000, number as u32 * 1_000),
            link: LinkType::ETHERNET,
            original_len: data.len() as u32 + cut,
            meta: FrameMeta::default(),
        };
        worker.process(&frame, number as u64 + 1, 0, &mut |event: SecurityEvent| found.push(event));
    }
    worker.finish(&mut |event: SecurityEvent| found.push(event));
    found
}

fn exchange() -> Conversation {
    let mut built = Conversation::open((CLIENT, 40_000), (SERVER, 80));
    built.data(
        Side::Client,
        b"GET /evil?a=\xff\x01 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent:  curl/8\r\nReferer: http://x/\r\n\r\n",
    );
    built.acknowledge(Side::Server);
    built.data(Side::Server, b"HTTP/1.0 404 No\r\nX-Evil: yes\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n");
    built.acknowledge(Side::Client);
    built
}

#[test]
fn an_http_request_and_its_response_are_summed_up() {
    let found = events(exchange().frames(), 0);
    let https: Vec<&Http> = found.iter().filter_map(|event| event.session.http.as_ref()).collect();
    let [request, response] = https.as_slice() else { panic!("{found:?}") };
    assert_eq!(request.method.as_deref(), Some("GET"));
    assert!(request.uri.as_deref().is_some_and(|uri| uri.starts_with("/evil?a=\\xff")), "{request:?}");
    assert_eq!(request.host.as_deref(), Some("shop.example"));
    assert_eq!(request.user_agent.as_deref(), Some("curl/8"));
    assert_eq!(request.referer.as_deref(), Some("http://x/"));
    assert_eq!((request.version.as_deref(), request.status), (Some("1.1"), None));
    assert_eq!((response.status, response.method.as_deref()), (Some(404), Some("GET")));
    assert_eq!(response.host.as_deref(), Some("shop.example"));
    assert_eq!((response.version.as_deref(), response.content_type.as_deref()), (Some("1.0"), Some("text/html")));
    assert_eq!(found[0].visibility(), "full");
}

#[test]
fn a_dns_query_is_summed_up_with_its_packet() {
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x03net\x00\x00\x10\x00\x01";
    let datagram = ipv4(CLIENT, SERVER, 17, &udp(5353, 53, query));
    let frames = [ethernet(&datagram)];
    let found = events(&frames, 0);
    let dns = Dns { name: Some("evil.net".into()), kind: Some(16), id: 0x1234, rcode: None };
    assert_eq!(found[0].session.dns, Some(dns));
    let evidence = found[0].evidence.as_ref().expect("evidence");
    assert_eq!((evidence.packet.as_slice(), evidence.link_type), (frames[0].as_slice(), 1));
    assert!(!found[0].truncated);
    assert_eq!(events(&frames, 9)[0].blind_spots(), ["truncated"]);
}

#[test]
fn what_was_not_seen_is_said() {
    // The beginning is missing: everything but the handshake.
    let built = exchange();
    let middle = events(built.frames().get(3..).unwrap_or_default(), 0);
    assert_eq!(middle[0].blind_spots(), ["midstream"]);

    // A segment that the server acknowledged was never captured.
    let mut holed = Conversation::open((CLIENT, 40_000), (SERVER, 9_000));
    holed.data(Side::Client, b"harmless beginning");
    holed.acknowledge(Side::Server);
    holed.segment(&Segment { side: Side::Client, data: b"evil", at: Some(54), acknowledged: false, flags: 0 });
    holed.acknowledge(Side::Server);
    holed.data(Side::Client, b"evil again").acknowledge(Side::Server);
    let found = events(holed.frames(), 0);
    assert!(!found.is_empty() && found.iter().all(|event| event.rule.sid == 4));
    let last = found.last().expect("an event");
    assert_eq!(last.blind_spots(), ["gap"], "{found:?}");
}
