//! What could not be inspected is told by endpoint, reason, service and port; what is left out on purpose is counted.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Counter, Enable, EngineConfig, Excluded, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Segment, Side};

const RULES: &str = "alert tcp any any -> any any ( msg:\"word\"; content:\"attack\"; sid:1; )\n";
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 2, 2, 2);

struct Bench {
    worker: Worker,
    frames: u64,
    events: usize,
}

/// Endpoint, reason, service, port, conversations.
type Row = (u32, &'static str, Option<&'static str>, Option<u16>, u64);

impl Bench {
    fn new(max_flows: usize) -> Self {
        let loaded = tapir_rules::load_str("test.rules", RULES, &tapir_rules::Config::default());
        let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
        assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
        let config = EngineConfig { max_flows, ..EngineConfig::default() };
        Self { worker: Worker::new(config, Arc::new(rules), "test".into()), frames: 0, events: 0 }
    }

    fn take(&mut self, frames: &[Vec<u8>], endpoint: u32) {
        for data in frames {
            self.frames += 1;
            let frame = Frame {
                data,
                timestamp: Timestamp::from_secs_nanos(1_700_000_000, 0),
                link: LinkType::ETHERNET,
                original_len: data.len() as u32,
                meta: FrameMeta::default(),
            };
            let events = &mut self.events;
            self.worker.process(&frame, self.frames, endpoint, &mut |_: SecurityEvent| *events += 1);
        }
    }

    fn spots(&mut self) -> Vec<Row> {
        let spots = self.worker.coverage().spots();
        spots.map(|(spot, count)| (spot.endpoint, spot.blind.name(), spot.service, spot.port, count)).collect()
    }
}

fn ssh(port: u16) -> Conversation {
    let packet = |kind: u8| [&[0, 0, 0, 6, 4, kind][..], &[0; 4]].concat();
    let mut built = Conversation::open((CLIENT, port), (SERVER, 22));
    for side in [Side::Server, Side::Client] {
        built.data(side, &[b"SSH-2.0-x\r\n".to_vec(), packet(20), packet(21)].concat());
    }
    for _ in 0..3 {
        built.data(Side::Client, b"\xfe\xdc secret").acknowledge(Side::Server);
        built.data(Side::Server, b"\xfe\xdc secret").acknowledge(Side::Client);
    }
    built
}

#[test]
fn blind_spots_are_told_by_endpoint_reason_service_and_port() {
    let mut bench = Bench::new(1_000);
    bench.take(ssh(40_000).frames(), 1);
    bench.take(ssh(40_001).frames(), 2);
    bench.take(ssh(40_002).frames(), 2);
    assert_eq!(bench.spots(), [(1, "encrypted", Some("ssh"), Some(22), 1), (2, "encrypted", Some("ssh"), Some(22), 2)]);

    // Without its handshake; with a hole that is found when the flow ends.
    let mut plain = Conversation::open((CLIENT, 40_003), (SERVER, 9_000));
    plain.data(Side::Client, b"words").acknowledge(Side::Server);
    bench.take(plain.frames().get(3..).expect("data"), 3);
    let mut holed = Conversation::open((CLIENT, 40_004), (SERVER, 9_001));
    holed.data(Side::Client, b"beginning").acknowledge(Side::Server);
    holed.segment(&Segment { side: Side::Client, data: b"more", at: Some(54), acknowledged: false, flags: 0 });
    holed.acknowledge(Side::Server);
    holed.data(Side::Client, b"the rest").acknowledge(Side::Server);
    bench.take(holed.frames(), 4);
    bench.worker.finish(&mut |_: SecurityEvent| ());
    let spots = bench.spots();
    assert!(spots.contains(&(3, "midstream", None, Some(9_000), 1)), "{spots:?}");
    assert!(spots.contains(&(4, "gap", None, Some(9_001), 1)), "{spots:?}");
    let flows: Vec<_> = bench.worker.coverage().flows().collect();
    assert_eq!(flows, [(1, 1), (2, 2), (3, 1), (4, 1)]);
}

#[test]
fn a_conversation_that_makes_room_for_another_is_told() {
    let mut bench = Bench::new(2);
    for port in 0..5 {
        let mut built = Conversation::open((CLIENT, 40_000 + port), (SERVER, 9_000));
        built.data(Side::Client, b"words");
        bench.take(built.frames(), 1);
    }
    assert_eq!(bench.spots(), [(1, "shed", None, Some(9_000), 3)]);
    assert_eq!(bench.worker.counters().value(Counter::FlowsEvictedCount), 3);
}

#[test]
fn an_excluded_connection_is_counted_and_no_other_is_spared() {
    let attack = |port: u16, server: u16| {
        let mut built = Conversation::open((CLIENT, port), (SERVER, server));
        built.data(Side::Client, b"an attack").acknowledge(Side::Server);
        built.data(Side::Server, b"an attack").acknowledge(Side::Client);
        built
    };
    let mut bench = Bench::new(1_000);
    let own = Excluded { protocol: 6, ends: [(IpAddr::V4(CLIENT), 40_000), (IpAddr::V4(SERVER), 9_443)] };
    bench.worker.set_excluded(vec![own]);
    let ours = attack(40_000, 9_443);
    bench.take(ours.frames(), 1);
    assert_eq!((bench.events, bench.worker.flows()), (0, 0));
    assert_eq!(bench.worker.counters().value(Counter::PacketsOwn), ours.frames().len() as u64);
    // Another client of the same port, and our own port to another one.
    bench.take(attack(40_001, 9_443).frames(), 1);
    assert!(bench.events >= 2, "{}", bench.events);
    let before = bench.events;
    bench.take(attack(40_000, 9_444).frames(), 1);
    assert!(bench.events > before);
    assert_eq!(bench.worker.counters().value(Counter::PacketsOwn), ours.frames().len() as u64);
    bench.worker.set_excluded(Vec::new());
    let before = bench.events;
    bench.take(ours.frames(), 1);
    assert!(bench.events > before);
}
