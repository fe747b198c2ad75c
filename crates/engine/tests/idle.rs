//! Bytes that wait for the rest of their unit are inspected when nothing comes for a while: who sends half of a
//! body and then waits is seen within seconds, not at the end of the connection.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Counter, Enable, EngineConfig, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Segment, Side};

const RULES: &str = r#"
alert http ( msg:"body"; flow:to_server; http_client_body; content:"MARK-OF-EVIL"; sid:1; )
alert tcp any any -> any 9000 ( msg:"plain"; flow:to_server; content:"wget http"; sid:2; )
"#;
const START: u32 = 1_700_000_000;

/// A conversation at one packet a microsecond, silence, and what happened until then and after it.
struct Run {
    worker: Worker,
    sent: usize,
}

impl Run {
    fn new(config: EngineConfig) -> Self {
        let loaded = tapir_rules::load_str("test.rules", RULES, &tapir_rules::Config::default());
        let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
        assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
        Self { worker: Worker::new(config, Arc::new(rules), "test".into()), sent: 0 }
    }

    /// The frames that are new since the last call, from second `at` on; sids raised by them.
    fn feed(&mut self, built: &Conversation, at: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut sink = |event: SecurityEvent| found.push(event.rule.sid);
        for data in built.frames().iter().skip(self.sent) {
            self.sent += 1;
            let frame = Frame {
                data,
                timestamp: Timestamp::from_secs_nanos(i64::from(START + at), self.sent as u32 * 1_000),
                link: LinkType::ETHERNET,
                original_len: data.len() as u32,
                meta: FrameMeta::default(),
            };
            self.worker.process(&frame, self.sent as u64, 0, &mut sink);
        }
        found
    }

    /// Silence until second `at`.
    fn wait(&mut self, at: u32) -> Vec<u32> {
        let mut found = Vec::new();
        self.worker.idle(Timestamp::from_secs_nanos(i64::from(START + at), 0), &mut |event: SecurityEvent| {
            found.push(event.rule.sid)
        });
        found
    }

    fn flushes(&mut self) -> u64 {
        self.worker.counters().value(Counter::IdleFlushes)
    }
}

fn open(port: u16) -> Conversation {
    Conversation::open((Ipv4Addr::new(10, 1, 1, 1), 40_000), (Ipv4Addr::new(10, 2, 2, 2), port))
}

fn send(built: &mut Conversation, data: &[u8]) {
    built.segment(&Segment { side: Side::Client, data, at: None, acknowledged: true, flags: 0 });
}

#[test]
fn half_a_body_is_seen_after_five_seconds_and_once() {
    let mut run = Run::new(EngineConfig::default());
    let mut built = open(80);
    send(&mut built, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60\r\n\r\nname=MARK-OF-EVIL&");
    assert_eq!(run.feed(&built, 0), [0_u32; 0]);
    assert_eq!(run.wait(4), [0_u32; 0]);
    assert_eq!(run.wait(6), [1]);
    assert_eq!(run.wait(60), [0_u32; 0]);
    send(&mut built, &[b'x'; 42]);
    built.close();
    assert_eq!(run.feed(&built, 61), [0_u32; 0]);
    assert_eq!(run.flushes(), 1);
}

#[test]
fn what_stands_across_the_pause_is_found() {
    let mut run = Run::new(EngineConfig::default());
    let mut built = open(80);
    send(&mut built, b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nxxMARK-OF\r\n");
    assert_eq!(run.feed(&built, 0), [0_u32; 0]);
    assert_eq!(run.wait(10), [0_u32; 0]);
    send(&mut built, b"7\r\n-EVIL..\r\n0\r\n\r\n");
    assert_eq!(run.feed(&built, 11), [1]);
}

#[test]
fn what_is_typed_is_seen_when_the_typing_stops() {
    let mut run = Run::new(EngineConfig::default());
    let mut built = open(9000);
    for byte in b"id; wget http" {
        send(&mut built, &[*byte]);
    }
    assert_eq!(run.feed(&built, 0), [0_u32; 0]);
    assert_eq!(run.wait(7), [2]);
    send(&mut built, b"://example.test/x\n");
    built.close();
    assert_eq!(run.feed(&built, 8), [0_u32; 0]);
}

#[test]
fn other_packets_are_a_clock_as_well() {
    let mut run = Run::new(EngineConfig::default());
    let mut built = open(80);
    send(&mut built, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60\r\n\r\nname=MARK-OF-EVIL&");
    run.feed(&built, 0);
    built.acknowledge(Side::Client);
    assert_eq!(run.feed(&built, 20), [1]);
}

#[test]
fn profile_snort3_waits_for_the_end() {
    let mut run = Run::new(EngineConfig::for_profile(Profile::SNORT3));
    let mut built = open(80);
    send(&mut built, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60\r\n\r\nname=MARK-OF-EVIL&");
    run.feed(&built, 0);
    assert_eq!(run.wait(100), [0_u32; 0]);
    assert_eq!(run.flushes(), 0);
}
