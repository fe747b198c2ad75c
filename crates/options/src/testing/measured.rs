//! Tests only: cases that were measured with Snort, and published rules, if `../shared` (or
//! `$TAPIR_SHARED`) is there.

use super::json::Json;
use super::{chain, compile_rule};
use crate::probe::{run, unit};
use crate::{BitNames, BitView, CompileContext, CompiledRule, Effect, Net, Unit};
use bumpalo::Bump;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tapir_flow::Direction;
use tapir_rules::{Config, Dialect, Loaded, Severity, load_files, load_str};

/// A file of the shared data, or `None` with a word about it.
fn shared(name: &str) -> Option<PathBuf> {
    let roots: Vec<PathBuf> = match std::env::var_os("TAPIR_SHARED") {
        Some(path) => vec![path.into()],
        None => Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared")).collect(),
    };
    let found = roots.iter().map(|root| root.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: no {name} in ../shared");
    }
    found
}

fn config() -> Config {
    Config { dialect: Some(Dialect::Snort3), ..Config::default() }
}

/// One datagram.
struct Datagram {
    data: Vec<u8>,
    net: Net,
    direction: Direction,
}

/// sid → matches, rules taken by themselves on one UDP flow: header addresses and filters aside.
fn matches(rules: &[CompiledRule], datagrams: &[Datagram]) -> BTreeMap<u32, u64> {
    let mut found = BTreeMap::new();
    let mut bits: BTreeSet<u32> = BTreeSet::new();
    let mut spoken = BTreeSet::new();
    let mut order: Vec<_> = rules.iter().collect();
    order.sort_by_key(|rule| rule.checks_flowbits);
    for datagram in datagrams {
        spoken.insert(datagram.direction);
        for rule in &order {
            let set: Vec<u32> = bits.iter().copied().collect();
            let flow = BitView {
                direction: datagram.direction,
                established: spoken.len() == 2,
                flowbits: &set,
                stream_bytes: [0; 2],
            };
            if !holds(rule, datagram, flow) {
                continue;
            }
            for effect in &rule.effects {
                match effect {
                    Effect::Bits(crate::BitOp::Set(ids)) => bits.extend(ids),
                    Effect::Bits(crate::BitOp::Unset(ids)) => bits.retain(|id| !ids.contains(id)),
                    _ => {}
                }
            }
            if !rule.effects.contains(&Effect::NoAlert) {
                *found.entry(rule.info.sid).or_default() += 1;
            }
        }
    }
    found
}

fn holds(rule: &CompiledRule, datagram: &Datagram, flow: BitView<'_>) -> bool {
    let arena = Bump::new();
    let direction = rule.flow.direction.is_none_or(|direction| direction == flow.direction);
    let state = rule.flow.established.is_none_or(|established| established == flow.established);
    let unit = Unit { flow: Some(flow), net: datagram.net, ..unit(&datagram.data, &arena) };
    direction && state && run(&unit, |ev, cursor| chain(&rule.options, ev, *cursor))
}

fn compile_all(loaded: &Loaded) -> (Vec<CompiledRule>, Vec<tapir_rules::Diagnostic>) {
    let mut bits = BitNames::default();
    loaded.rules.iter().for_each(|rule| crate::declare(rule, &mut bits));
    let mut cx = CompileContext::new(&mut bits);
    let rules =
        loaded.rules.iter().filter_map(|rule| crate::compile(rule, format!("{}", rule.line), &mut cx)).collect();
    (rules, cx.diagnostics)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Trap cases that hang on headers or filters, which are not this crate's.
const ELSEWHERE: &[u64] = &[101, 103, 109, 110, 111];

#[test]
fn options_behave_as_measured_in_snort_3() {
    let Some(path) = shared("spec/snort/traps.json") else { return };
    let cases = Json::parse(&std::fs::read_to_string(path).unwrap());
    let mut wrong = Vec::new();
    let mut seen = 0;
    for case in cases.list().iter().filter(|case| case.field("n").number() <= 113) {
        let n = case.field("n").number();
        if ELSEWHERE.contains(&n) {
            continue;
        }
        seen += 1;
        let text: Vec<_> = case.field("rules").list().iter().map(Json::text).collect();
        let (rules, problems) = compile_all(&load_str("trap", &text.join("\n"), &config()));
        let datagrams: Vec<_> = case
            .field("steps")
            .list()
            .iter()
            .map(|step| Datagram {
                data: bytes(step.field("hex").text()),
                net: crate::probe::NET,
                direction: if step.field("side").text() == "s" { Direction::ToClient } else { Direction::ToServer },
            })
            .collect();
        let Json::Map(expected) = case.field("snort3") else { continue };
        let expected: BTreeMap<u32, u64> =
            expected.iter().map(|(sid, count)| (sid.parse().unwrap(), count.number())).collect();
        let found = matches(&rules, &datagrams);
        if found != expected {
            wrong.push(format!("{n}: {text:?}: expected {expected:?}, found {found:?}; {problems:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(seen, 108);
}

/// Rules that Snort refuses for what their options say, or a rule set for what it holds.
#[test]
fn what_snort_3_refuses_is_refused() {
    let Some(path) = shared("conformance/snort3-options/expected.jsonl") else { return };
    let rules = rules_of(&path, "http-cases");
    let refused = cases(&path, |case| case.field("refused") != &Json::Other);
    for sid in refused.iter().flat_map(|case| case.field("sids").list()) {
        let line = rules.iter().find(|(known, _)| *known == sid.number()).map_or("", |(_, text)| text);
        let loaded = load_str("refused", line, &config());
        let failed = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error)
            || loaded.rules.iter().any(|rule| compile_rule(rule).0.is_none());
        assert!(failed, "{line}");
    }
    assert_eq!(refused.len(), 5);
}

fn cases(path: &Path, wanted: impl Fn(&Json) -> bool) -> Vec<Json> {
    std::fs::read_to_string(path).unwrap().lines().map(Json::parse).filter(wanted).collect()
}

/// sid and text of the rules of a capture.
fn rules_of(expected: &Path, capture: &str) -> Vec<(u64, String)> {
    let path = expected.with_file_name("rules").join(format!("{capture}.rules"));
    let sid = |line: &str| line.rsplit_once("sid:")?.1.split(';').next()?.trim().parse().ok();
    std::fs::read_to_string(path).unwrap().lines().filter_map(|line| Some((sid(line)?, line.to_owned()))).collect()
}

/// What an option is asked about; the other areas need flows, headers or filters.
const AREAS: &[&str] = &[
    "content",
    "fast_pattern",
    "isdataat",
    "bufferlen",
    "dsize",
    "byte_test",
    "byte_jump",
    "byte_extract",
    "byte_math",
    "pcre",
    "regex",
    "sd_pattern",
    "base64",
    "hash",
    "ber",
    "rpc",
];

#[test]
fn options_agree_with_snort_3_on_udp_payloads() {
    let Some(path) = shared("conformance/snort3-options/expected.jsonl") else { return };
    let datagrams = udp_datagrams(&std::fs::read(path.with_file_name("pcaps").join("udp-payloads.pcap")).unwrap());
    let rules = rules_of(&path, "udp-payloads");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for case in cases(&path, |case| {
        case.field("pcap").text() == "udp-payloads.pcap" && AREAS.contains(&case.field("area").text())
    }) {
        seen += 1;
        let sid = case.field("sids").list()[0].number();
        let line = rules.iter().find(|(known, _)| *known == sid).map_or("", |(_, text)| text);
        let (compiled, problems) = compile_all(&load_str("case", line, &config()));
        let expected: Vec<u64> = case.field("alerts").list().iter().map(|a| a.field("pkt_num").number()).collect();
        let found: Vec<u64> = (1..)
            .zip(&datagrams)
            .filter(|(_, datagram)| !matches(&compiled, std::slice::from_ref(datagram)).is_empty())
            .map(|(n, _)| n)
            .collect();
        if found != expected {
            wrong.push(format!("{line}\n  expected {expected:?}, found {found:?}; {problems:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 80, "{seen}");
}

/// The UDP payloads of a little-endian pcap with Ethernet frames.
fn udp_datagrams(pcap: &[u8]) -> Vec<Datagram> {
    let mut list = Vec::new();
    let mut rest = &pcap[24..];
    while let Some(len) = rest.get(8..12) {
        let len = u32::from_le_bytes(len.try_into().unwrap()) as usize;
        let frame = &rest[16..16 + len];
        rest = &rest[16 + len..];
        let (source, destination, udp): (IpAddr, IpAddr, usize) = if frame[12..14] == [8, 0] {
            let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap());
            (address(26), address(30), 14 + usize::from(frame[14] & 15) * 4)
        } else {
            let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).unwrap());
            (address(22), address(38), 54)
        };
        let word = |at: usize| u16::from_be_bytes([frame[udp + at], frame[udp + at + 1]]);
        let end = udp + usize::from(word(4));
        list.push(Datagram {
            data: frame[udp + 8..end].to_vec(),
            net: Net { source, destination, source_port: Some(word(0)), destination_port: Some(word(2)), protocol: 17 },
            direction: Direction::ToServer,
        });
    }
    list
}

#[test]
fn the_snort_3_community_rules_compile() {
    let Some(path) = shared("rules/snort3-community/snort3-community.rules") else { return };
    let loaded = load_files(&[path], &Config::default());
    let started = std::time::Instant::now();
    let (rules, problems) = compile_all(&loaded);
    let (total, compiled) = (loaded.rules.len(), rules.len());
    println!("{compiled} of {total} Snort 3 community rules compile, in {:?}", started.elapsed());
    for problem in problems.iter().filter(|problem| problem.severity == Severity::Error) {
        println!("{:?}: {} ({:?})", problem.rule, problem.message, problem.help);
    }
    let mut others: BTreeMap<(Severity, &str, String), usize> = BTreeMap::new();
    for problem in problems.iter().filter(|problem| problem.severity != Severity::Error) {
        *others.entry((problem.severity, problem.code, problem.message.clone())).or_default() += 1;
    }
    others.iter().for_each(|(what, count)| println!("{count} × {what:?}"));
    assert_eq!((total, compiled), (4_017, 4_017));
    canonical_texts_read_back(&rules);
}

/// Canonical text is a fixed point: read again, it yields the same.
fn canonical_texts_read_back(rules: &[CompiledRule]) {
    for rule in rules {
        let loaded = load_str("canonical", &rule.text, &config());
        let (again, problems) = compile_all(&loaded);
        let [again] = again.as_slice() else { panic!("{}\n{:?}\n{problems:?}", rule.text, loaded.diagnostics) };
        assert_eq!(again.text, rule.text);
    }
}

#[test]
fn the_snort_3_extra_rules_compile() {
    let Some(path) = shared("rules/snort3-extra/sensitive_data.rules") else { return };
    let loaded = load_files(&[path], &config());
    let (rules, problems) = compile_all(&loaded);
    assert!(!rules.is_empty() && rules.len() == loaded.rules.len(), "{problems:?}");
    canonical_texts_read_back(&rules);
}
