//! Identification and inspectors against recorded conversations for which Snort 3 named the service.
//!
//! Reads `../shared/conformance/snort3-synth` (or below `TAPIR_SHARED`); says so and passes if that
//! is not there.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "test code over trusted files")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tapir_flow::Direction;
use tapir_protocol::{BufferId, Identified, Limits, Service, TransportKind, Wizard, bind_port, drive, inspector_for};

/// Conversations in segments that Snort calls SIP or HTTP though no `SIP/` or `HTTP/` is in them: its
/// wizard mistakes the wildcards of request lines when it goes on at the next segment.
const MISTAKEN: [(&str, &str); 8] = [
    ("2674", "again"),
    ("2749", "segments"),
    ("2629", "segments"),
    ("1538", "cut"),
    ("2412", "segments"),
    ("2412", "cut"),
    ("45961", "segments"),
    ("45961", "cut"),
];

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("TAPIR_SHARED").map(PathBuf::from).into_iter();
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared"));
    shared.chain(above).map(|dir| dir.join("conformance/snort3-synth")).find(|dir| dir.join("expected.jsonl").exists())
}

/// The text value of `"key": "…"` or `"key": n`, from `from` on.
fn value<'l>(line: &'l str, key: &str) -> &'l str {
    let start = line.find(&format!("\"{key}\": ")).unwrap() + key.len() + 4;
    let rest = &line[start..];
    rest[..rest.find([',', '}']).unwrap()].trim_matches('"')
}

fn services(line: &str) -> Vec<&str> {
    line.match_indices("\"service\": \"").map(|(at, key)| line[at + key.len()..].split('"').next().unwrap()).collect()
}

type Key = ([u8; 4], u16, [u8; 4], u16, u8);

#[derive(Default)]
struct Stream {
    next: Option<u32>,
    early: BTreeMap<u32, Vec<u8>>,
}

impl Stream {
    /// In-order bytes that the segment completes.
    fn push(&mut self, seq: u32, syn: bool, payload: &[u8]) -> Vec<u8> {
        if syn {
            self.next = Some(seq.wrapping_add(1));
            return Vec::new();
        }
        self.early.entry(seq).or_insert_with(|| payload.to_vec());
        let mut out = Vec::new();
        while let Some(next) = self.next {
            let Some(bytes) = self.early.remove(&next) else { break };
            if bytes.is_empty() {
                break;
            }
            self.next = Some(next.wrapping_add(bytes.len() as u32));
            out.extend(bytes);
        }
        out
    }
}

/// A conversation as turns.
#[derive(Default)]
struct Conversation {
    streams: [Stream; 2],
    turns: Vec<(Direction, Vec<u8>)>,
}

fn load(path: &Path, expected: &BTreeSet<([u8; 4], [u8; 4])>) -> BTreeMap<Key, Conversation> {
    let file = std::fs::read(path).unwrap();
    let mut found: BTreeMap<Key, Conversation> = BTreeMap::new();
    let mut at = 24;
    while at < file.len() {
        let len = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
        let ip = &file[at + 16 + 14..at + 16 + len];
        at += 16 + len;
        let be = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let fragment = be(ip, 6) & 0x3fff != 0;
        if ip[0] >> 4 != 4 || fragment || !matches!(ip[9], 6 | 17) {
            continue;
        }
        let segment = &ip[usize::from(ip[0] & 15) * 4..usize::from(be(ip, 2))];
        let (source, target): ([u8; 4], [u8; 4]) = (ip[12..16].try_into().unwrap(), ip[16..20].try_into().unwrap());
        let (sport, dport) = (be(segment, 0), be(segment, 2));
        let to_server = expected.contains(&(source, target));
        let key = match to_server {
            true => (source, sport, target, dport, ip[9]),
            false => (target, dport, source, sport, ip[9]),
        };
        let dir = if to_server { Direction::ToServer } else { Direction::ToClient };
        let conversation = found.entry(key).or_default();
        let bytes = match ip[9] {
            17 => segment[8..].to_vec(),
            _ => {
                let seq = u32::from_be_bytes(segment[4..8].try_into().unwrap());
                let payload = &segment[usize::from(segment[12] >> 4) * 4..];
                conversation.streams[dir.index()].push(seq, segment[13] & 2 != 0, payload)
            }
        };
        if !bytes.is_empty() {
            conversation.turns.push((dir, bytes));
        }
    }
    found
}

fn identify(conversation: &Conversation, udp: bool) -> Option<Service> {
    let mut wizard = Wizard::new();
    let mut prefixes = [Vec::new(), Vec::new()];
    for (dir, bytes) in &conversation.turns {
        let answer = match udp {
            true => wizard.on_datagram(*dir, bytes),
            false => {
                prefixes[dir.index()].extend(bytes);
                wizard.on_stream(*dir, &prefixes[dir.index()])
            }
        };
        if let Identified::Service(service) = answer {
            return Some(service);
        }
    }
    None
}

fn address(text: &str) -> [u8; 4] {
    text.parse::<std::net::Ipv4Addr>().unwrap().octets()
}

#[test]
fn services_are_those_that_snort_names() {
    let Some(corpus) = corpus() else {
        println!("skipped: no shared/conformance/snort3-synth above the crate and TAPIR_SHARED is not set");
        return;
    };
    let text = std::fs::read_to_string(corpus.join("expected.jsonl")).unwrap();
    let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| services(line).iter().any(|service| *service != "unknown")) {
        by_file.entry(value(line, "pcap")).or_default().push(line);
    }
    let (mut checked, mut wrong, mut calls) = (0, Vec::new(), 0);
    for (file, lines) in by_file {
        let pairs = lines.iter().map(|line| (address(value(line, "client")), address(value(line, "server"))));
        let conversations = load(&corpus.join("pcaps").join(file), &pairs.collect());
        for line in lines {
            if MISTAKEN.contains(&(value(line, "sid_target"), value(line, "variant"))) {
                continue;
            }
            let pair = (address(value(line, "client")), address(value(line, "server")));
            let udp = value(line, "proto") == "udp";
            let named: Vec<Service> = services(line).iter().filter_map(|name| Service::from_name(name)).collect();
            let flows = conversations.iter().filter(|(key, flow)| (key.0, key.2) == pair && !flow.turns.is_empty());
            let mut met = false;
            for (_, flow) in flows {
                let service = identify(flow, udp);
                met |= service.is_some_and(|service| named.contains(&service));
                calls += inspect(flow, service, udp);
            }
            // Data channels are announced, not recognised; fragments are put together elsewhere.
            if named.iter().all(|service| *service == Service::FtpData) || value(line, "variant") == "fragments" {
                continue;
            }
            checked += 1;
            if !met {
                wrong.push(line.chars().take(260).collect::<String>());
            }
        }
    }
    println!("{checked} conversations, {calls} DCE/RPC calls with a bound interface");
    assert!(wrong.is_empty(), "{} of {checked} identified otherwise:\n{}", wrong.len(), wrong.join("\n"));
    assert!(calls > 0, "no DCE/RPC call was understood");
}

/// Runs the inspector in every cut; counts calls whose interface is known.
fn inspect(flow: &Conversation, service: Option<Service>, udp: bool) -> usize {
    let transport = if udp { TransportKind::Udp } else { TransportKind::Tcp };
    let limits = Limits::default();
    let owned =
        [Service::Dns, Service::SunRpc, Service::Ssl, Service::Sip, Service::Dcerpc, Service::NetbiosSsn, Service::Ssh];
    let Some(service) = service.filter(|service| owned.contains(service)) else { return 0 };
    let make = || inspector_for(service, transport, &limits).unwrap();
    let script: Vec<(Direction, &[u8])> = flow.turns.iter().map(|(dir, bytes)| (*dir, bytes.as_slice())).collect();
    let seen = match udp {
        true => drive::run_datagrams(make(), &script),
        false => drive::every_way(&make, &limits, &script),
    };
    let bound = |pdu: &&drive::Seen| pdu.dce.is_some_and(|facts| facts.iface.is_some());
    assert!(!seen.pdus.is_empty() || seen.detached.iter().any(Option::is_some), "bytes vanished");
    seen.pdus.iter().filter(bound).filter(|pdu| pdu.buffer(BufferId::DceStubData).is_some()).count()
}

#[test]
fn what_snort_leaves_unknown_stays_unknown() {
    let Some(corpus) = corpus() else {
        println!("skipped: no shared/conformance/snort3-synth above the crate and TAPIR_SHARED is not set");
        return;
    };
    let text = std::fs::read_to_string(corpus.join("expected.jsonl")).unwrap();
    let unknown = |line: &&str| line.contains("stream_tcp") && services(line).iter().all(|name| *name == "unknown");
    let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter(unknown) {
        by_file.entry(value(line, "pcap")).or_default().push(line);
    }
    let (mut checked, mut bound) = (0, 0);
    for (file, lines) in by_file {
        let pairs = lines.iter().map(|line| (address(value(line, "client")), address(value(line, "server"))));
        for (key, flow) in load(&corpus.join("pcaps").join(file), &pairs.collect()) {
            let relevant = lines
                .iter()
                .any(|line| (address(value(line, "client")), address(value(line, "server"))) == (key.0, key.2));
            match bind_port(TransportKind::Tcp, key.3) {
                Some(service) if relevant && key.4 == 6 => {
                    inspect(&flow, Some(service), false);
                    bound += 1;
                }
                None if relevant && key.4 == 6 => {
                    assert_eq!(identify(&flow, false), None, "{file}: {key:?}");
                    checked += 1;
                }
                _ => {}
            }
        }
    }
    println!("{checked} conversations stay unknown, {bound} are bound by port");
    assert!(checked > 0 && bound > 0);
}
