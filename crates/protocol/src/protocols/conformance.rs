//! Captures with a real Snort 3's answers: the units that its alerts came from must exist here.
//!
//! The captures are no part of the repository (`TAPIR_SHARED`, or a `shared` folder above it).

use crate::replay::{Recorded, Replay};
use crate::{Limits, Service, TransportKind, inspector_for};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tapir_flow::Direction;

/// The folder with captures; says so when there is none.
fn captures() -> Option<PathBuf> {
    let above = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let candidates = std::env::var_os("TAPIR_SHARED")
        .map(PathBuf::from)
        .into_iter()
        .chain(above.ancestors().map(|folder| folder.join("shared")));
    let found = candidates.map(|folder| folder.join("conformance")).find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED: no shared/conformance folder (set TAPIR_SHARED)");
    }
    found
}

/// Runs the flows of a server port of a capture (in order, IPv4, Ethernet) through an inspector.
fn units(file: &[u8], service: Service, port: u16) -> Vec<Recorded> {
    let mut flows: BTreeMap<u16, Replay> = BTreeMap::new();
    let mut at = 24;
    while let Some(header) = file.get(at..at + 16) {
        let len = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let packet = &file[at + 16..at + 16 + len];
        at += 16 + len;
        if packet[12..14] != [8, 0] || packet[23] != 6 {
            continue;
        }
        let ip = &packet[14..];
        let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let tcp = &ip[usize::from(ip[0] & 15) * 4..total];
        let ports = [u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]])];
        let (dir, client) = match ports {
            [source, target] if target == port => (Direction::ToServer, source),
            [source, target] if source == port => (Direction::ToClient, target),
            _ => continue,
        };
        let limits = Limits::default();
        let flow = flows
            .entry(client)
            .or_insert_with(|| Replay::new(inspector_for(service, TransportKind::Tcp, &limits).unwrap(), limits));
        flow.feed(dir, &tcp[usize::from(tcp[12] >> 4) * 4..]);
    }
    flows
        .into_values()
        .flat_map(|mut flow| {
            flow.end();
            assert_eq!(flow.violation, None);
            flow.recorder.pdus
        })
        .collect()
}

/// How many units have `text` in what `of` picks.
fn hits<'a>(units: &'a [Recorded], text: &[u8], of: impl Fn(&'a Recorded) -> &'a [u8]) -> usize {
    units.iter().filter(|unit| memchr::memmem::find(of(unit), text).is_some()).count()
}

#[test]
fn the_services_capture_gives_the_units_that_snort_alerted_on() {
    let Some(captures) = captures() else { return };
    let file = std::fs::read(captures.join("snort3-options/pcaps/services.pcap")).unwrap();
    let payload = |unit: &'static Recorded| &unit.payload[..];
    for (service, port) in [(Service::Smtp, 25), (Service::Smtp, 2500), (Service::Pop3, 110)] {
        let units: &'static [Recorded] = units(&file, service, port).leak();
        let in_file = |text: &[u8]| hits(units, text, |unit| unit.file.as_deref().unwrap_or_default());
        assert_eq!(in_file(b"attached file marker-b64"), 1, "case 337 on port {port}");
        assert_eq!(hits(units, b"YXR0YWNoZWQgZmlsZ", payload), 1, "case 338 on port {port}");
        assert_eq!(in_file(b"quoted marker-qp!"), 1, "case 339 on port {port}");
        assert_eq!(hits(units, b"Subject: unit mail", payload), 1, "case 341 on port {port}");
        assert_eq!(hits(units, b"VRFY root", payload), usize::from(port != 110), "case 335 on port {port}");
    }
    let ftp: &'static [Recorded] = units(&file, Service::Ftp, 21).leak();
    assert_eq!(hits(ftp, b"CWD ~root", payload), 1, "case 342");
    let data: &'static [Recorded] = units(&file, Service::FtpData, 50_000).leak();
    assert_eq!(hits(data, b"marker-ftp", payload), 1, "case 343");
    let telnet: &'static [Recorded] = units(&file, Service::Telnet, 23).leak();
    assert_eq!(hits(telnet, b"toor", payload), 0, "case 345");
    assert_eq!(hits(telnet, b"to\xff\xf1or", |unit| &unit.raw[..]), 1, "case 346");
}

#[test]
fn units_have_the_lengths_that_snort_reports() {
    let Some(captures) = captures() else { return };
    let file = std::fs::read(captures.join("snort3_demo/demo__inspectors__imap/input.pcap")).unwrap();
    let found = units(&file, Service::Imap, 143);
    let preamble = found.iter().filter(|unit| unit.file.as_deref().is_some_and(|f| f.starts_with(b"This is a multi")));
    assert_eq!(preamble.map(|unit| unit.raw.len()).collect::<Vec<_>>(), [746, 746]);

    let file = std::fs::read(captures.join("snort3_demo/demo__inspectors__pop/input.pcap")).unwrap();
    let found = units(&file, Service::Pop3, 110);
    let html = found.iter().filter(|unit| unit.file.as_deref().is_some_and(|f| f.starts_with(b"<html")));
    assert_eq!(html.map(|unit| unit.raw.len()).collect::<Vec<_>>(), [9472]);
}
