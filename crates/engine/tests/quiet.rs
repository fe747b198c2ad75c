//! Suppressions made by people hold in the engine: hidden events are marked, limits drop, stopped rules are not evaluated.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Counter, Enable, EngineConfig, Rules, Suppressions, Worker};
use tapir_event::SecurityEvent;
use tapir_event::quiet::{Mode, Scope, Side, Standing};
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Side as End};

const RULES: &str = "alert tcp any any -> any any ( msg:\"word\"; content:\"attack\"; sid:1; )\n\
    alert tcp any any -> any any ( msg:\"bit\"; content:\"attack\"; flowbits:set,seen; sid:2; )\n\
    alert tcp any any -> any any ( msg:\"depends\"; content:\"again\"; flowbits:isset,seen; sid:3; )\n";

struct Bench {
    worker: Worker,
    frames: u64,
    seconds: i64,
}

impl Bench {
    fn new(standing: Vec<Standing>) -> Self {
        let loaded = tapir_rules::load_str("test.rules", RULES, &tapir_rules::Config::default());
        let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
        assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
        let mut worker = Worker::new(EngineConfig::default(), Arc::new(rules), "test".into());
        worker.set_suppressions(Arc::new(Suppressions::new(standing, String::new())));
        Self { worker, frames: 0, seconds: 1_700_000_000 }
    }

    /// (sid, suppressed_by) of the events of a conversation of this client.
    fn attack(&mut self, client: [u8; 4]) -> Vec<(u32, Option<String>)> {
        let mut found = Vec::new();
        let port = 40_000 + u16::try_from(self.frames % 20_000).expect("port");
        let mut built = Conversation::open((Ipv4Addr::from(client), port), (Ipv4Addr::new(10, 2, 2, 2), 9000));
        built.data(End::Client, b"an attack");
        built.data(End::Client, b"and again");
        built.close();
        self.seconds += 1;
        let mut sink = |event: SecurityEvent| found.push((event.rule.sid, event.suppressed_by));
        for data in built.frames() {
            self.frames += 1;
            let frame = Frame {
                data,
                timestamp: Timestamp::from_secs_nanos(self.seconds, 0),
                link: LinkType::ETHERNET,
                original_len: data.len() as u32,
                meta: FrameMeta::default(),
            };
            self.worker.process(&frame, self.frames, 0, &mut sink);
        }
        found.sort();
        found.dedup();
        found
    }

    fn sids(&mut self, client: [u8; 4]) -> Vec<u32> {
        self.attack(client).into_iter().map(|(sid, _)| sid).collect()
    }

    fn count(&mut self, counter: Counter) -> u64 {
        self.worker.counters().value(counter)
    }
}

const NOISY: [u8; 4] = [10, 1, 1, 1];
const OTHER: [u8; 4] = [10, 1, 1, 9];

fn standing(sid: u32, client: Side, mode: Mode) -> Standing {
    Standing {
        id: format!("s-{sid}"),
        scope: Scope { sid: Some(sid), client, ..Scope::default() },
        mode,
        expires: None,
    }
}

fn noisy() -> Side {
    Side::Party("10.1.1.1".into())
}

#[test]
fn a_hidden_event_says_so_and_others_are_as_ever() {
    let mut bench = Bench::new(vec![standing(1, noisy(), Mode::Hide)]);
    let hidden = bench.attack(NOISY);
    assert_eq!(hidden, [(1, Some("s-1".to_owned())), (2, None), (3, None)]);
    assert!(bench.attack(OTHER).iter().all(|(_, by)| by.is_none()));
    assert_eq!((bench.count(Counter::EventsHidden), bench.worker.quieted().count()), (1, 0));
}

#[test]
fn a_stopped_rule_is_not_evaluated_for_its_scope() {
    let mut bench = Bench::new(vec![standing(1, noisy(), Mode::Stop)]);
    assert_eq!(bench.sids(NOISY), [2, 3]);
    assert!(bench.count(Counter::RulesStopped) > 0);
    assert_eq!(bench.count(Counter::EventsQuieted), 0, "no event came into being");
    assert_eq!(bench.sids(OTHER), [1, 2, 3]);
    bench.worker.set_suppressions(Arc::new(Suppressions::default()));
    assert_eq!(bench.sids(NOISY), [1, 2, 3], "and is evaluated again when the suppression is gone");
}

#[test]
fn a_stopped_rule_that_others_depend_on_goes_on_and_its_events_are_counted() {
    let mut bench = Bench::new(vec![standing(2, Side::Any, Mode::Stop)]);
    assert_eq!(bench.sids(NOISY), [1, 3], "the flowbit is set all the same");
    assert_eq!(bench.count(Counter::RulesStopped), 0);
    let dropped: u64 = bench.worker.quieted().map(|(_, count)| count).sum();
    assert_eq!(dropped, bench.count(Counter::EventsQuieted));
    assert!(dropped > 0);
}

#[test]
fn a_stop_ends_in_time_without_being_told() {
    let mut stop = standing(1, Side::Any, Mode::Stop);
    stop.expires = Some(Timestamp::from_secs_nanos(1_700_000_002, 0).0);
    let mut bench = Bench::new(vec![stop]);
    assert_eq!(bench.sids(NOISY), [2, 3]);
    assert_eq!(bench.sids(NOISY), [1, 2, 3]);
}

#[test]
fn a_limit_drops_what_is_too_much_of_a_pair() {
    let mut bench = Bench::new(vec![standing(1, Side::Any, Mode::Limit { count: 1, seconds: 3_600 })]);
    let raised: Vec<bool> = [NOISY, NOISY, OTHER, NOISY].iter().map(|who| bench.sids(*who).contains(&1)).collect();
    assert_eq!(raised, [true, false, true, false]);
    assert!(bench.worker.quieted().any(|(id, count)| id == "s-1" && count >= 2));
}

#[test]
fn a_new_rule_set_keeps_what_is_stopped() {
    let mut bench = Bench::new(vec![standing(1, Side::Any, Mode::Stop)]);
    let more = format!("alert tcp any any -> any any ( content:\"zzz\"; sid:9; )\n{RULES}");
    let loaded = tapir_rules::load_str("test.rules", &more, &tapir_rules::Config::default());
    let (rules, _) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
    bench.worker.set_rules(Arc::new(rules));
    assert_eq!(bench.sids(NOISY), [2, 3], "indexes of rules have moved");
}
