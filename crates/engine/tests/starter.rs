//! Every starter rule against conversations that must raise it and conversations that must not, run
//! through the whole engine: whole, and cut into small segments.
//!
//! *How it fits*: `starter/*.toml` hold the conversations by sid, `starter/traffic.rs` turns one into
//! frames. A rule without both kinds fails the test, and so do conversations without a rule.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[path = "starter/cases.rs"]
mod cases;
#[path = "starter/traffic.rs"]
mod traffic;

use cases::Cases;
use std::collections::BTreeSet;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{EngineConfig, RuleSources, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use traffic::{Cut, Talk};

/// The public rule whose indicator the demonstration shows.
const DEMONSTRATION: u32 = 21_562;

/// Rules whose search string is short because the thing itself is, with what narrows them.
const SHORT_PATTERNS: &[u32] = &[
    3_000_059, // '=' between quotes, in bodies only
    3_000_128, // no bytes to search: ICMP echo above a size
];

fn rules() -> Arc<Rules> {
    rules_for(Profile::TAPIR)
}

fn rules_for(profile: Profile) -> Arc<Rules> {
    let (rules, report) = Rules::load(&RuleSources::default(), profile);
    assert_eq!(report.diagnostics.len(), 0, "the starter rules load without a finding");
    assert_eq!(report.evaluable, report.parsed);
    Arc::new(rules)
}

fn sids(rules: &Rules) -> BTreeSet<u32> {
    rules.set.rules.iter().map(|rule| rule.rule.info.sid).collect()
}

/// The sids that the frames raise.
fn raised(rules: &Arc<Rules>, frames: &[Vec<u8>]) -> BTreeSet<u32> {
    raised_with(rules, EngineConfig::default(), frames)
}

fn raised_with(rules: &Arc<Rules>, config: EngineConfig, frames: &[Vec<u8>]) -> BTreeSet<u32> {
    let mut raised = BTreeSet::new();
    let mut sink = |event: SecurityEvent| {
        raised.insert(event.rule.sid);
    };
    let mut worker = Worker::new(config, Arc::clone(rules), "starter".into());
    for (index, data) in frames.iter().enumerate() {
        let index = u32::try_from(index).unwrap();
        let frame = Frame {
            data,
            timestamp: Timestamp::from_secs_nanos(1_700_000_000, index * 1_000_000),
            link: LinkType::ETHERNET,
            original_len: u32::try_from(data.len()).unwrap(),
            meta: FrameMeta::default(),
        };
        worker.process(&frame, u64::from(index) + 1, 0, &mut sink);
    }
    worker.finish(&mut sink);
    raised
}

fn both_cuts(rules: &Arc<Rules>, talk: &Talk) -> [(Cut, BTreeSet<u32>); 2] {
    [Cut::Whole, Cut::Small].map(|cut| (cut, raised(rules, &talk.frames(cut))))
}

#[test]
fn every_rule_has_a_conversation_that_raises_it_and_one_that_does_not() {
    let (known, cases) = (sids(&rules()), Cases::read());
    let listed: BTreeSet<u32> = cases.by_sid.keys().copied().collect();
    assert_eq!(known.difference(&listed).collect::<Vec<_>>(), Vec::<&u32>::new(), "rules without conversations");
    assert_eq!(listed.difference(&known).collect::<Vec<_>>(), Vec::<&u32>::new(), "conversations without a rule");
    for (sid, case) in &cases.by_sid {
        assert!(!case.fires.is_empty(), "{sid}: nothing that raises it");
        assert!(!case.silent.is_empty(), "{sid}: nothing that does not");
    }
}

#[test]
fn what_must_raise_a_rule_does_however_it_is_cut() {
    let (rules, mut wrong) = (rules(), Vec::new());
    for (sid, case) in &Cases::read().by_sid {
        for talk in &case.fires {
            for (cut, raised) in both_cuts(&rules, talk) {
                if !raised.contains(sid) {
                    wrong.push(format!("{sid} is not raised ({cut:?}; raised: {raised:?}) by {talk:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The file is also for Snort 3: with its blind spots and limits the rules must still work.
#[test]
fn what_must_raise_a_rule_does_so_under_the_limits_of_snort() {
    let (rules, mut wrong) = (rules_for(Profile::SNORT3), Vec::new());
    for (sid, case) in &Cases::read().by_sid {
        for talk in case.fires.iter().filter(|talk| !talk.beyond_snort) {
            let config = EngineConfig::for_profile(Profile::SNORT3);
            let raised = raised_with(&rules, config, &talk.frames(Cut::Whole));
            if !raised.contains(sid) {
                wrong.push(format!("{sid} is not raised (raised: {raised:?}) by {talk:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_must_not_raise_a_rule_does_not() {
    let (rules, mut wrong) = (rules(), Vec::new());
    for (sid, case) in &Cases::read().by_sid {
        for talk in &case.silent {
            for (cut, raised) in both_cuts(&rules, talk) {
                if raised.contains(sid) {
                    wrong.push(format!("{sid} is raised ({cut:?}) by {talk:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ordinary_traffic_raises_nothing() {
    let (rules, cases) = (rules(), Cases::read());
    assert!(cases.ordinary.len() >= 20, "too little to say so");
    for talk in &cases.ordinary {
        for (cut, raised) in both_cuts(&rules, talk) {
            assert!(raised.is_empty(), "{raised:?} ({cut:?}) by {talk:?}");
        }
    }
}

#[test]
fn every_rule_says_what_it_is_about() {
    let rules = rules();
    for index in 0..rules.set.rules.len() {
        let summary = rules.summary(u32::try_from(index).unwrap()).unwrap();
        let sid = summary.sid;
        let one = |key: &str| {
            let mut values = summary.metadata.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str());
            values.next().unwrap_or_else(|| panic!("{sid}: no {key}")).to_owned()
        };
        assert!(summary.msg.as_deref().is_some_and(|msg| msg.starts_with("TAPIR ")), "{sid}: msg");
        assert!(sid == DEMONSTRATION || (3_000_000..3_001_000).contains(&sid), "{sid}: outside our numbers");
        assert_eq!((summary.gid, summary.rev), (1, 1), "{sid}");
        assert!(summary.class.is_some(), "{sid}: classtype {:?} is not built in", summary.classtype);
        assert!(!summary.references.is_empty(), "{sid}: no reference");
        for (scheme, id, url) in &summary.references {
            assert!(url.as_deref().is_some_and(|url| url.starts_with("http")), "{sid}: {scheme} {id}");
        }
        assert!(technique(&one("mitre_technique_id")), "{sid}: mitre_technique_id");
        assert!(shape(&one("mitre_tactic_id"), "TAdddd"), "{sid}: mitre_tactic_id");
        assert!(shape(&one("created"), "dddd-dd-dd"), "{sid}: created");
    }
}

#[test]
fn rules_are_found_by_strings_that_are_rare() {
    let rules = rules();
    for rule in &rules.set.rules {
        let sid = rule.rule.info.sid;
        let len = rule.fast_pattern().map_or(0, |(bytes, _)| bytes.len());
        assert_eq!(len < 4, SHORT_PATTERNS.contains(&sid), "{sid}: fast pattern of {len} bytes");
    }
}

fn technique(id: &str) -> bool {
    shape(id, "Tdddd") || shape(id, "Tdddd.ddd")
}

/// Whether `text` has the form, `d` standing for a digit.
fn shape(text: &str, form: &str) -> bool {
    let fits = |(found, wanted): (char, char)| if wanted == 'd' { found.is_ascii_digit() } else { found == wanted };
    text.len() == form.len() && text.chars().zip(form.chars()).all(fits)
}
