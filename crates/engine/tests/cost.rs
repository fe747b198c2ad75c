//! What single rules cost is told, and what is detected does not depend on it.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{CostSample, Counter, Enable, EngineConfig, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Side};

/// The first has no pattern to search for, so its expression runs over every unit; the second is looked at where its word stands.
const RULES: &str = "alert tcp any any -> any any ( msg:\"dear\"; pcre:\"/(a+)+[0-9]x/\"; sid:1; )\n\
    alert tcp any any -> any any ( msg:\"cheap\"; content:\"attack\"; sid:2; )\n";

/// A microsecond later with each look: an evaluation takes one, however fast the machine is.
fn ticks() -> u64 {
    thread_local!(static NOW: Cell<u64> = const { Cell::new(0) });
    NOW.replace(NOW.get() + 1_000)
}

fn rules(text: &str) -> Arc<Rules> {
    let loaded = tapir_rules::load_str("test.rules", text, &tapir_rules::Config::default());
    let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
    assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
    Arc::new(rules)
}

fn worker(sample: CostSample) -> Worker {
    let config = EngineConfig { cost_sample: sample, ..EngineConfig::default() };
    Worker::new(config, rules(RULES), "test".into())
}

/// Twenty conversations, one of them with the word; sids of the events.
fn speak(worker: &mut Worker) -> Vec<u32> {
    let mut found = Vec::new();
    let mut number = 0;
    for turn in 0..20_u16 {
        let client = (Ipv4Addr::new(10, 1, 1, 1), 40_000 + turn);
        let mut built = Conversation::open(client, (Ipv4Addr::new(10, 2, 2, 2), 9000));
        built.data(Side::Client, if turn == 7 { b"an attack, aaaa" } else { b"all aaa quiet" });
        built.data(Side::Server, b"as it was");
        built.close();
        let mut sink = |event: SecurityEvent| found.push(event.rule.sid);
        for data in built.frames() {
            number += 1;
            let frame = Frame {
                data,
                timestamp: Timestamp::from_secs_nanos(1_700_000_000 + i64::from(turn), 0),
                link: LinkType::ETHERNET,
                original_len: u32::try_from(data.len()).expect("short"),
                meta: FrameMeta::default(),
            };
            worker.process(&frame, number, 0, &mut sink);
        }
    }
    found
}

#[test]
fn a_rule_that_is_evaluated_everywhere_is_dearer_than_one_with_a_pattern() {
    let mut worker = worker(CostSample { every: 1, clock: ticks });
    assert_eq!(speak(&mut worker), [2]);
    let costs = worker.rule_costs();
    let counters = worker.counters();
    assert_eq!((costs.every, costs.units), (1, counters.value(Counter::UnitsInspected)));
    let [((1, 1), dear), ((1, 2), cheap)] = costs.dearest(10)[..] else { panic!("{costs:?}") };
    // Each evaluation took a tick, and each is counted.
    assert_eq!((dear.nanos, cheap.nanos), (dear.evaluations * 1_000, cheap.evaluations * 1_000));
    assert_eq!(dear.evaluations + cheap.evaluations, counters.value(Counter::RulesEvaluated));
    assert!(dear.evaluations >= 20 * cheap.evaluations.max(1), "{dear:?} {cheap:?}");
    assert!(dear.matches == 0 && cheap.matches > 0, "{dear:?} {cheap:?}");
    assert_eq!(costs.total().nanos, dear.nanos + cheap.nanos);
}

#[test]
fn without_samples_nothing_is_told_and_the_clock_is_not_looked_at() {
    let mut worker = worker(CostSample { every: 0, clock: || panic!("nobody should look") });
    assert_eq!(speak(&mut worker), [2]);
    let costs = worker.rule_costs();
    assert_eq!((costs.every, costs.units, costs.rules.len()), (0, 0, 0));
}

#[test]
fn some_units_stand_for_all_and_another_rule_set_begins_anew() {
    let mut worker = worker(CostSample { every: 8, clock: ticks });
    for _ in 0..20 {
        assert_eq!(speak(&mut worker), [2]);
    }
    let costs = worker.rule_costs();
    let inspected = worker.counters().value(Counter::UnitsInspected);
    assert!(costs.units.abs_diff(inspected / 8) < inspected / 40, "{} of {inspected}", costs.units);
    assert_eq!(costs.dearest(1).first().map(|(rule, _)| *rule), Some((1, 1)));
    worker.set_rules(rules("alert tcp any any -> any any ( msg:\"other\"; content:\"quiet\"; sid:9; )\n"));
    assert_eq!((worker.rule_costs().units, worker.rule_costs().rules.len()), (0, 0));
}
