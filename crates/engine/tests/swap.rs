//! A rule set is replaced while flows live: flowbits keep their meaning, counts by rule start anew.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{EngineConfig, RuleSources, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Side};

/// A rule file that is gone with the test.
struct RuleFile(PathBuf);

impl RuleFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("tapir-swap-{}-{name}.rules", std::process::id())))
    }

    fn sources(&self, text: &str) -> RuleSources {
        std::fs::write(&self.0, text).unwrap();
        RuleSources { files: vec![self.0.clone()], ..RuleSources::default() }
    }
}

impl Drop for RuleFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Sids raised by these frames.
fn feed(worker: &mut Worker, frames: &[Vec<u8>], first: usize) -> Vec<u32> {
    let mut sids = Vec::new();
    let mut out = |event: SecurityEvent| sids.push(event.rule.sid);
    for (index, data) in frames.iter().enumerate().skip(first) {
        let frame = Frame {
            data,
            timestamp: Timestamp::from_secs_nanos(1_000, u32::try_from(index).unwrap() * 1_000_000),
            link: LinkType::ETHERNET,
            original_len: u32::try_from(data.len()).unwrap(),
            meta: FrameMeta::default(),
        };
        worker.process(&frame, index as u64 + 1, 0, &mut out);
    }
    sids.sort_unstable();
    sids.dedup();
    sids
}

fn worker(rules: Rules) -> Worker {
    Worker::new(EngineConfig::default(), Arc::new(rules), "test".into())
}

fn conversation() -> Conversation {
    Conversation::open((Ipv4Addr::new(10, 0, 0, 1), 40_000), (Ipv4Addr::new(10, 0, 0, 2), 7_777))
}

const SETS: &str = "alert tcp any any -> any any ( msg:\"sets\"; content:\"first\"; flowbits:set,seen; sid:1; )\n";
/// The new set knows other flowbits, which come before the old one in the file.
const READS: &str = "alert tcp any any -> any any ( msg:\"a\"; content:\"x1\"; flowbits:set,another; sid:5; )\n\
    alert tcp any any -> any any ( msg:\"b\"; content:\"second\"; flowbits:isset,another; sid:6; )\n\
    alert tcp any any -> any any ( msg:\"c\"; content:\"second\"; flowbits:isset,seen; sid:7; )\n";

#[test]
fn a_flowbit_set_under_the_old_rules_is_set_under_the_new_ones() {
    let file = RuleFile::new("bits");
    let (old, _) = Rules::load(&file.sources(SETS), Profile::TAPIR);
    let (new, _) = old.load_successor(&file.sources(READS), Profile::TAPIR);
    let mut worker = worker(old);
    let mut talk = conversation();
    talk.data(Side::Client, b"first");
    let before = talk.frames().len();
    assert_eq!(feed(&mut worker, talk.frames(), 0), [1]);
    worker.set_rules(Arc::new(new));
    talk.data(Side::Client, b"second");
    assert_eq!(feed(&mut worker, talk.frames(), before), [7]);
}

#[test]
fn what_the_old_rules_counted_does_not_count_for_the_new_ones() {
    let counting = |sid: u32, word: &str| {
        format!(
            "alert udp any any -> any any ( msg:\"n\"; content:\"{word}\"; \
             detection_filter:track by_src,count 2,seconds 60; sid:{sid}; )\n"
        )
    };
    let file = RuleFile::new("counts");
    let datagrams = |word: &str, times: usize| {
        let datagram = tapir_testkit::udp(40_000, 9_999, word.as_bytes());
        let ip = tapir_testkit::ipv4(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), 17, &datagram);
        vec![tapir_testkit::ethernet(&ip); times]
    };
    let (old, _) = Rules::load(&file.sources(&counting(1, "old-word")), Profile::TAPIR);
    let (new, _) = old.load_successor(&file.sources(&counting(2, "new-word")), Profile::TAPIR);
    let mut worker = worker(old);
    assert_eq!(feed(&mut worker, &datagrams("old-word", 3), 0), [1]);
    worker.set_rules(Arc::new(new));
    assert!(feed(&mut worker, &datagrams("new-word", 2), 0).is_empty(), "two are not more than two");
    assert_eq!(feed(&mut worker, &datagrams("new-word", 1), 0), [2]);
}
