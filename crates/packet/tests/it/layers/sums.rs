//! Checksums on demand.

use crate::build::*;
use tapir_packet::{Check, ChecksumStatus, LinkType, Packet, checksums, decode};

fn with_sum(mut segment: Vec<u8>, at: usize, pseudo: &[u8]) -> Vec<u8> {
    let sum = checksum(&[pseudo, &segment]);
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    segment
}

fn pseudo_v4(protocol: u8, len: usize) -> Vec<u8> {
    let len = u16::try_from(len).unwrap().to_be_bytes();
    join(&[&SOURCE, &DESTINATION, &[0, protocol], &len])
}

/// From the addresses of a built IPv6 packet.
fn pseudo_v6(protocol: u8, len: usize) -> Vec<u8> {
    let addresses = ipv6(protocol, &[]);
    let len = u16::try_from(len).unwrap().to_be_bytes();
    join(&[&addresses[8..40], &[0, 0], &len, &[0, 0, 0, protocol]])
}

#[track_caller]
fn check(data: &[u8], ip: Check, transport: Check) {
    let packet: Packet<'_> = decoded(data, LinkType::RAW);
    let report = checksums(&packet);
    assert_eq!((report.ip, report.transport), (ip, transport));
    assert_eq!(report.is_bad(), ip == Check::Bad || transport == Check::Bad);
}

#[test]
fn good_and_bad_checksums_of_every_protocol_are_told_apart() {
    for body in [&b""[..], b"even", b"odd", &[0xff; 1_461]] {
        let tcp = tcp(0x18, &[], body);
        let udp = udp(5, 6, body);
        let icmp = join(&[&[8, 0, 0, 0, 0, 1, 0, 2], body]);
        let icmpv6 = join(&[&[128, 0, 0, 0, 0, 1, 0, 2], body]);
        let cases = [
            (ipv4(6, &with_sum(tcp.clone(), 16, &pseudo_v4(6, tcp.len()))), Check::Valid, 20 + 16),
            (ipv4(17, &with_sum(udp.clone(), 6, &pseudo_v4(17, udp.len()))), Check::Valid, 20 + 6),
            (ipv4(1, &with_sum(icmp.clone(), 2, &[])), Check::Valid, 20 + 2),
            (ipv6(6, &with_sum(tcp.clone(), 16, &pseudo_v6(6, tcp.len()))), Check::Absent, 40 + 16),
            (ipv6(17, &with_sum(udp.clone(), 6, &pseudo_v6(17, udp.len()))), Check::Absent, 40 + 6),
            (ipv6(58, &with_sum(icmpv6.clone(), 2, &pseudo_v6(58, icmpv6.len()))), Check::Absent, 40 + 2),
        ];
        for (mut data, ip, at) in cases {
            check(&data, ip, Check::Valid);
            data[at] ^= 0x40;
            check(&data, ip, Check::Bad);
        }
    }
    let mut header = ipv4(132, &[0; 12]);
    check(&header, Check::Valid, Check::Absent);
    header[8] = 1;
    check(&header, Check::Bad, Check::Absent);
}

#[test]
fn udp_may_go_without_over_ipv4_only() {
    check(&ipv4(17, &udp(5, 6, b"x")), Check::Valid, Check::Absent);
    check(&ipv6(17, &udp(5, 6, b"x")), Check::Absent, Check::Zero);
}

#[test]
fn the_final_destination_of_a_routing_header_counts() {
    let segment = tcp(0x18, &[], b"x");
    let mut last = [0x20; 16];
    last[15] = 9;
    let mut pseudo = pseudo_v6(6, segment.len());
    pseudo[16..32].copy_from_slice(&last);
    let summed = with_sum(segment, 16, &pseudo);
    let routing = |left: u8| join(&[&[6, 2, 0, left, 0, 0, 0, 0], &last]);
    check(&ipv6(43, &join(&[&routing(1), &summed])), Check::Absent, Check::Valid);
    check(&ipv6(43, &join(&[&routing(0), &summed])), Check::Absent, Check::Bad);
}

#[test]
fn fragments_and_offloaded_frames_are_not_judged() {
    check(&ipv4_with(17, &[], 0x2000, &udp(5, 6, b"x")), Check::Valid, Check::Absent);
    let mut data = ipv4(6, &tcp(0x18, &[], b"x"));
    data[11] ^= 1;
    let mut offloaded = frame(&data, LinkType::RAW);
    offloaded.meta.checksum = ChecksumStatus::NotReady;
    let report = checksums(&decode(&offloaded));
    assert_eq!((report.ip, report.transport), (Check::Absent, Check::Absent));
}
