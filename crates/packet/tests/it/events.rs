//! Events of gid 116 against a recorded Snort 3 over the shared corpus.
//!
//! Snort logs at most three events per packet, so only our first three count. Compared are triples
//! (capture, sid, number of events) over captures whose link type Snort decodes. Rebuilt datagrams
//! are left out: putting fragments together is `flow`'s part.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tapir_packet::{Packet, decode};
use tapir_pcap::Reader;

/// Events that Snort logs per packet.
const LOGGED: usize = 3;
/// Bytes that Snort keeps of a frame unless told otherwise; the recording was made so.
const SNAPLEN: usize = 1_518;
/// Triples that must agree.
const GOAL_PERCENT: usize = 90;

type Counts = BTreeMap<u16, u64>;
/// Events by packet number.
type Packets = BTreeMap<u64, Vec<u16>>;

fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("TAPIR_SHARED").map(PathBuf::from);
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared"));
    named.into_iter().chain(found).find(|dir| dir.join("conformance/snort3-golden/builtin.jsonl").is_file())
}

fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.split_once(&format!("\"{name}\": "))?.1;
    rest.split([',', '}']).next()?.trim().parse().ok()
}

/// Capture and events of one line; `None` if Snort could not read the capture.
fn recorded(line: &str) -> Option<(&str, Packets)> {
    let file = line.split_once("{\"file\": \"")?.1.split('"').next()?;
    let alerts = line.split_once("\"alerts\": [")?.1;
    let mut packets = Packets::new();
    for alert in alerts.split("{\"pkt_num\": ").skip(1) {
        if number(alert, "gid") == Some(116) && alert.contains("\"pkt_gen\": \"raw\"") {
            let packet: u64 = alert.split(',').next()?.parse().ok()?;
            packets.entry(packet).or_default().push(u16::try_from(number(alert, "sid")?).ok()?);
        }
    }
    Some((file, packets))
}

/// Our events, by packet number.
fn ours(path: &Path) -> Packets {
    let mut packets = Packets::new();
    let Ok(mut reader) = Reader::open(path) else { return packets };
    let mut number = 0;
    while let Ok(Some(mut frame)) = reader.next() {
        number += 1;
        frame.data = frame.data.get(..SNAPLEN).unwrap_or(frame.data);
        let events: Vec<u16> = decode(&frame).events.iter().take(LOGGED).map(|event| event.0).collect();
        if !events.is_empty() {
            packets.insert(number, events);
        }
    }
    packets
}

fn counts(packets: &Packets) -> Counts {
    let mut counts = Counts::new();
    for sid in packets.values().flatten() {
        *counts.entry(*sid).or_default() += 1;
    }
    counts
}

#[test]
fn events_agree_with_snort_over_the_corpus() {
    let Some(shared) = shared() else {
        eprintln!("SKIPPED: no shared corpus (set TAPIR_SHARED)");
        return;
    };
    let conformance = shared.join("conformance");
    let golden = std::fs::read_to_string(conformance.join("snort3-golden/builtin.jsonl")).unwrap();
    let verbose = std::env::var_os("TAPIR_VERBOSE").is_some();
    // Per sid: triples that agree, triples in all.
    let mut per_sid: BTreeMap<u16, (usize, usize)> = BTreeMap::new();
    let mut files = 0;
    for line in golden.lines() {
        let Some((file, theirs)) = recorded(line) else { continue };
        files += 1;
        let ours = ours(&conformance.join(file));
        let (our_counts, their_counts) = (counts(&ours), counts(&theirs));
        for sid in our_counts.keys().chain(their_counts.keys().filter(|sid| !our_counts.contains_key(sid))) {
            let slot = per_sid.entry(*sid).or_default();
            slot.1 += 1;
            slot.0 += usize::from(our_counts.get(sid) == their_counts.get(sid));
        }
        if verbose {
            let numbers: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
            for number in numbers.into_iter().filter(|number| ours.get(number) != theirs.get(number)).take(4) {
                println!("{file} #{number}: ours {:?}, Snort {:?}", ours.get(number), theirs.get(number));
            }
        }
    }
    let (mut agree, mut all) = (0, 0);
    for (sid, (same, total)) in &per_sid {
        println!("116:{sid:<4} {same:>4} of {total:>4} captures agree");
        (agree, all) = (agree + same, all + total);
    }
    println!("{files} captures, {agree} of {all} (capture, sid, count) agree");
    assert!(agree * 100 >= all * GOAL_PERCENT, "{agree} of {all} agree, the goal is {GOAL_PERCENT} %");
}

/// One alert of any inspector on a packet as captured: packet, protocol, source, destination.
struct Alert<'a> {
    packet: u64,
    protocol: &'a str,
    source: &'a str,
    destination: &'a str,
}

fn text<'a>(alert: &'a str, name: &str) -> Option<&'a str> {
    alert.split_once(&format!("\"{name}\": \""))?.1.split('"').next()
}

/// Alerts with addresses.
fn alerts(line: &str) -> impl Iterator<Item = Alert<'_>> {
    let alerts = line.split_once("\"alerts\": [").map_or("", |parts| parts.1);
    alerts.split("{\"pkt_num\": ").skip(1).filter(|alert| alert.contains("\"pkt_gen\": \"raw\"")).filter_map(|alert| {
        Some(Alert {
            packet: alert.split(',').next()?.parse().ok()?,
            protocol: text(alert, "proto")?,
            source: text(alert, "src")?,
            destination: text(alert, "dst")?,
        })
    })
}

/// Whether our packet is between the same endpoints and of the same protocol.
fn same(packet: &Packet<'_>, alert: &Alert<'_>) -> bool {
    let Some(ip) = packet.inner_ip() else { return false };
    let parse = |text: &str| text.parse::<IpAddr>().ok();
    let ends = (parse(alert.source), parse(alert.destination));
    let forth = ends == (Some(ip.source), Some(ip.destination));
    let back = ends == (Some(ip.destination), Some(ip.source));
    (forth || back) && packet.protocol_name() == alert.protocol
}

#[test]
fn innermost_addresses_and_protocols_agree_with_snort_over_the_corpus() {
    let Some(shared) = shared() else {
        eprintln!("SKIPPED: no shared corpus (set TAPIR_SHARED)");
        return;
    };
    let conformance = shared.join("conformance");
    let (mut agree, mut all, mut tunnelled) = (0, 0, 0);
    for name in ["builtin", "community"] {
        let golden = std::fs::read_to_string(conformance.join(format!("snort3-golden/{name}.jsonl"))).unwrap();
        for line in golden.lines() {
            let mut wanted: BTreeMap<u64, Alert<'_>> = alerts(line).map(|alert| (alert.packet, alert)).collect();
            let Some(file) = text(line, "file").filter(|_| !wanted.is_empty()) else { continue };
            let mut reader = Reader::open(conformance.join(file)).unwrap();
            let mut number = 0;
            while let Ok(Some(frame)) = reader.next() {
                number += 1;
                let Some(alert) = wanted.remove(&number) else { continue };
                let packet = decode(&frame);
                all += 1;
                tunnelled += usize::from(packet.ip_layers > 1);
                if same(&packet, &alert) {
                    agree += 1;
                } else {
                    let ends = packet.inner_ip().map(|ip| (ip.source, ip.destination));
                    println!(
                        "{file} #{number}: ours {} {ends:?}, Snort {} {} {}",
                        packet.protocol_name(),
                        alert.protocol,
                        alert.source,
                        alert.destination
                    );
                }
            }
        }
    }
    println!("{agree} of {all} packets agree, {tunnelled} of them tunnelled");
    assert!(agree * 1_000 >= all * 995, "{agree} of {all} packets agree");
}
