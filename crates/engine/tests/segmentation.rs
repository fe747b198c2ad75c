//! The same stream gives the same alerts however it is cut into segments, reordered or repeated.
//!
//! Profile `tapir`. Rules over HTTP buffers, bodies, and a plain stream of no known service.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Enable, EngineConfig, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Segment, Side};

const RULES: &str = r#"
alert http ( msg:"uri"; flow:to_server,established; http_uri; content:"/etc/passwd"; sid:1; )
alert http ( msg:"header"; flow:to_server; http_header; content:"X-Evil|3a 20|yes",nocase; sid:2; )
alert http ( msg:"body"; http_client_body; content:"smk="; content:"pass",distance 1,within 20; sid:3; )
alert http ( msg:"file"; flow:to_client; file_data; content:"MARK"; content:"END",distance 0; sid:4; )
alert tcp any any -> any 9000 ( msg:"plain"; flow:to_server; content:"needle-in-a-stream"; sid:5; )
alert tcp any any -> any 9000 ( msg:"apart"; flow:to_server; content:"first-word"; content:"second-word",distance 0,within 100; sid:6; )
"#;

const REQUEST: &[u8] =
    b"POST /a/../etc/passwd HTTP/1.1\r\nHost: h\r\nX-Evil: yes\r\nContent-Length: 21\r\n\r\nsmk=1234&pass=secret!";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nab MAR\r\n9\r\nK 123 END\r\n0\r\n\r\n";
const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 1, 1, 1), 40_000);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 2, 2, 2);

fn plain_stream() -> Vec<u8> {
    let mut stream = b"\x01\x02hello ".repeat(120);
    stream.extend_from_slice(b"needle-in-a-stream");
    stream.extend(b"filler. ".repeat(90));
    stream.extend_from_slice(b"first-word, then some more, second-word");
    stream.extend(b"tail".repeat(30));
    stream
}

fn rules() -> Arc<Rules> {
    let loaded = tapir_rules::load_str("test.rules", RULES, &tapir_rules::Config::default());
    let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
    assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
    Arc::new(rules)
}

/// The set of sids, sorted.
fn sids(frames: &[Vec<u8>], rules: &Arc<Rules>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut sink = |event: SecurityEvent| found.push(event.rule.sid);
    let mut worker = Worker::new(EngineConfig::default(), Arc::clone(rules), "test".into());
    for (index, data) in frames.iter().enumerate() {
        let frame = Frame {
            data,
            timestamp: Timestamp::from_secs_nanos(1_700_000_000, index as u32 * 1_000),
            link: LinkType::ETHERNET,
            original_len: data.len() as u32,
            meta: FrameMeta::default(),
        };
        worker.process(&frame, index as u64 + 1, 0, &mut sink);
    }
    worker.finish(&mut sink);
    let counters = worker.counters();
    assert_eq!(counters.value(tapir_engine::Counter::PanicsContained), 0);
    found.sort_unstable();
    found.dedup();
    found
}

/// Sends `data` in the pieces that `cuts` make of it: swapped in pairs and repeated where told; the
/// whole is acknowledged at the end.
fn send(built: &mut Conversation, side: Side, data: &[u8], base: u32, cuts: &[(u16, bool, bool)]) {
    let mut borders: Vec<usize> = cuts.iter().map(|(at, ..)| usize::from(*at) % data.len()).collect();
    borders.extend([0, data.len()]);
    borders.sort_unstable();
    borders.dedup();
    let mut pieces: Vec<(usize, &[u8])> = borders.windows(2).map(|pair| (pair[0], &data[pair[0]..pair[1]])).collect();
    for (index, (_, swap, _)) in cuts.iter().enumerate() {
        if *swap && index + 1 < pieces.len() {
            pieces.swap(index, index + 1);
        }
    }
    for (index, (at, piece)) in pieces.iter().enumerate() {
        let segment = Segment {
            side,
            data: piece,
            at: Some(base + u32::try_from(*at).expect("small")),
            acknowledged: false,
            flags: 0,
        };
        built.segment(&segment);
        if cuts.get(index).is_some_and(|(.., again)| *again) {
            built.segment(&segment);
        }
    }
    built.acknowledge(side);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn http_alerts_do_not_depend_on_the_cut(
        request in prop::collection::vec((any::<u16>(), any::<bool>(), any::<bool>()), 0..30),
        response in prop::collection::vec((any::<u16>(), any::<bool>(), any::<bool>()), 0..20),
    ) {
        let rules = rules();
        let mut built = Conversation::open(CLIENT, (SERVER, 80));
        send(&mut built, Side::Client, REQUEST, 0, &request);
        send(&mut built, Side::Server, RESPONSE, 0, &response);
        built.close();
        prop_assert_eq!(sids(built.frames(), &rules), vec![1, 2, 3, 4]);
    }

    #[test]
    fn alerts_on_a_plain_stream_do_not_depend_on_the_cut(
        cuts in prop::collection::vec((any::<u16>(), any::<bool>(), any::<bool>()), 0..40),
    ) {
        let rules = rules();
        let mut built = Conversation::open(CLIENT, (SERVER, 9000));
        send(&mut built, Side::Client, &plain_stream(), 0, &cuts);
        built.close();
        prop_assert_eq!(sids(built.frames(), &rules), vec![5, 6]);
    }
}
