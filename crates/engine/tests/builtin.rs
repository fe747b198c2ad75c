//! Builtin events obey `pass` rules, `suppress`, `event_filter` and `rate_filter` as the events of rules do.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Enable, EngineConfig, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::Conversation;

/// (gid, sid, action) of the events of `count` connections, from one client to one server.
fn events(rules: &str, all: bool, count: u16) -> Vec<(u32, u32, String)> {
    let loaded = tapir_rules::load_str("test.rules", rules, &tapir_rules::Config::default());
    let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
    assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
    let config = EngineConfig { builtin_events: all, ..EngineConfig::default() };
    let mut worker = Worker::new(config, Arc::new(rules), "test".into());
    let mut found = Vec::new();
    let mut sink = |event: SecurityEvent| found.push((event.rule.gid, event.rule.sid, event.rule.action.clone()));
    let mut number = 0;
    for port in 0..count {
        let client = (Ipv4Addr::new(10, 1, 1, 1), 40_000 + port);
        let mut built = Conversation::open(client, (Ipv4Addr::new(10, 2, 2, 2), 9000));
        built.close();
        for data in built.frames() {
            number += 1;
            let frame = Frame {
                data,
                timestamp: Timestamp::from_secs_nanos(1_700_000_000, number * 1_000),
                link: LinkType::ETHERNET,
                original_len: data.len() as u32,
                meta: FrameMeta::default(),
            };
            worker.process(&frame, u64::from(number), 0, &mut sink);
        }
    }
    worker.finish(&mut sink);
    found
}

fn sids(rules: &str, count: u16) -> Vec<u32> {
    events(rules, false, count).into_iter().map(|(_, sid, _)| sid).collect()
}

const NAMED: &str = "alert ( gid:135; sid:1; )\nalert ( gid:135; sid:2; )\nalert ( gid:135; sid:3; )\n";

#[test]
fn the_steps_of_a_connection_are_events_of_rules_that_name_them() {
    assert_eq!(sids(NAMED, 1), [1, 2, 3]);
    assert_eq!(sids("alert ( gid:135; sid:2; )", 2), [2, 2]);
    assert!(events("", true, 1).is_empty(), "not of every connection, whoever wants all builtin events");
}

#[test]
fn a_pass_rule_silences() {
    assert_eq!(sids("pass ( gid:135; sid:1; )\nalert ( gid:135; sid:3; )", 1), [3]);
}

#[test]
fn suppressions_and_filters_hold() {
    assert_eq!(sids(&format!("{NAMED}suppress gen_id 135, sig_id 2\n"), 1), [1, 3]);
    let here = "suppress gen_id 135, sig_id 0, track by_src, ip 10.1.1.0/24\n";
    assert_eq!(sids(&format!("{NAMED}{here}"), 1), [0_u32; 0]);
    let limit = "event_filter gen_id 135, sig_id 2, type limit, track by_src, count 3, seconds 60\n";
    assert_eq!(sids(&format!("alert ( gid:135; sid:2; )\n{limit}"), 9), [2, 2, 2]);
}

#[test]
fn a_rate_filter_raises_what_passes_otherwise() {
    let rules = "pass ( gid:135; sid:2; )\n\
        rate_filter gen_id 135, sig_id 2, track by_dst, count 30, seconds 0, new_action alert, timeout 1\n";
    let found = events(rules, false, 100);
    assert_eq!(found.len(), 70);
    assert!(found.iter().all(|event| *event == (135, 2, "alert".to_owned())));
}
