//! IPv4 with options, IPv6 with extension headers, and their impossible lengths.

use crate::build::*;
use std::net::IpAddr;
use tapir_packet::{LinkType, Transport};

#[test]
fn ipv4_fields_are_those_of_the_header() {
    let data = ethernet(0x0800, &join(&[&ipv4_with(6, &[148, 4, 0, 0], 0x4000, &tcp(0x18, &[], b"data")), b"pad"]));
    let packet = ethernet_packet(&data);
    let ip = packet.inner_ip().unwrap();
    assert_eq!((ip.source, ip.destination), (IpAddr::from(SOURCE), IpAddr::from(DESTINATION)));
    assert_eq!((ip.protocol, ip.ttl, ip.tos, ip.id), (6, 64, 0x10, 0x1234));
    assert!(ip.fragment.dont && !ip.fragment.is_fragment());
    assert_eq!((ip.header.len(), ip.options, ip.payload.len()), (24, &[148, 4, 0, 0][..], 24));
    assert_eq!((packet.payload, events(&packet)), (&b"data"[..], vec![444]));
}

#[test]
fn impossible_ipv4_headers_break_the_packet() {
    let good = ipv4(17, &udp(5, 6, b"hello"));
    let patched = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let cases = [
        (patched(0, 0x55), 1),
        (patched(0, 0x44), 2),
        (patched(3, 19), 3),
        (patched(3, good.len() as u8 + 1), 6),
        (good[..19].to_vec(), 425),
    ];
    for (bytes, event) in cases {
        let packet = decoded(&bytes, LinkType::IPV4);
        assert_eq!((events(&packet), packet.broken, packet.ip_layers), (vec![event], true, 0));
        assert!(matches!(packet.transport, Transport::None));
    }
}

#[test]
fn a_total_length_of_zero_means_as_captured() {
    let mut offloaded = ipv4(6, &tcp(0x10, &[], &[7; 3_000]));
    offloaded[2..4].fill(0);
    let packet = decoded(&offloaded, LinkType::RAW);
    assert_eq!((packet.payload.len(), packet.broken, events(&packet)), (3_000, false, vec![3]));
    let big = ipv4(6, &tcp(0x10, &[], &[7; 100_000]));
    let packet = decoded(&big, LinkType::RAW);
    assert_eq!((packet.payload.len(), packet.broken, events(&packet)), (100_000, false, vec![]));
}

#[test]
fn bad_ipv4_options_leave_the_packet_usable() {
    for (options, expected) in [
        (&[7u8, 1, 0, 0][..], vec![4]),
        (&[7, 9, 4, 0], vec![5]),
        (&[1, 1, 1, 7], vec![5, 444]),
        (&[0, 7, 1, 0], vec![]),
        (&[7, 7, 5, 1, 1, 1, 1, 0], vec![452, 444]),
        (&[7, 7, 4, 1, 1, 1, 1, 0], vec![444]),
    ] {
        let data = ipv4_with(17, options, 0, &udp(5, 6, b"x"));
        let packet = decoded(&data, LinkType::RAW);
        assert_eq!((events(&packet), packet.payload), (expected, &b"x"[..]), "{options:?}");
    }
}

#[test]
fn odd_ipv4_addresses_are_events() {
    let with = |source: [u8; 4], destination: [u8; 4]| {
        let mut data = ipv4(17, &udp(5, 6, b"x"));
        data[12..16].copy_from_slice(&source);
        data[16..20].copy_from_slice(&destination);
        events(&decoded(&data, LinkType::RAW))
    };
    assert_eq!(with([127, 0, 0, 1], [127, 0, 0, 1]), [151, 150]);
    assert_eq!(with([0, 0, 0, 0], [255; 4]), [414, 408]);
    assert_eq!(with([224, 0, 0, 1], [0, 1, 1, 1]), [409, 410]);
    assert_eq!(with([255; 4], [239, 255, 255, 250]), [413]);
    assert_eq!(with([1, 0, 0, 0], [223, 1, 1, 1]), []);
}

#[test]
fn ipv6_extension_headers_are_part_of_the_header() {
    let udp = udp(5, 6, b"hello");
    let padded = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination = [43, 0, 1, 4, 0, 0, 0, 0];
    let routing = [51, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let authentication = [17, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0xaa, 0xaa, 0xaa, 0xaa];
    let chain = join(&[&padded, &destination, &routing, &authentication, &udp]);
    let data = ipv6(0, &chain);
    let packet = decoded(&data, LinkType::IPV6);
    let ip = packet.inner_ip().unwrap();
    assert_eq!((ip.protocol, ip.header.len(), ip.payload.len()), (17, 40 + 56, udp.len()));
    assert_eq!((ip.tos, ip.ttl, ip.id), (0x12, 63, 0));
    assert_eq!((packet.payload, events(&packet)), (&b"hello"[..], vec![292]));
    let atomic = ipv6(44, &join(&[&[17, 0, 0, 0, 0, 0, 0, 9], &udp]));
    let packet = decoded(&atomic, LinkType::IPV6);
    assert_eq!((packet.inner_ip().unwrap().id, packet.inner_ip().unwrap().header.len()), (9, 48));
    assert_eq!((packet.payload, events(&packet)), (&b"hello"[..], vec![458]));
}

#[test]
fn extension_headers_that_end_the_chain_leave_their_payload() {
    for (next, protocol) in [(50u8, 50u8), (59, 59)] {
        let data = ipv6(next, b"opaque");
        let packet = decoded(&data, LinkType::IPV6);
        assert_eq!((packet.inner_ip().unwrap().protocol, packet.payload), (protocol, &b"opaque"[..]));
        assert!(!packet.broken && packet.ports().is_none());
    }
    let mobility = ipv6(135, &[59, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(events(&decoded(&mobility, LinkType::IPV6)), []);
}

#[test]
fn impossible_ipv6_headers_break_the_packet() {
    let good = ipv6(17, &udp(5, 6, b"hello"));
    let mut version = good.clone();
    version[0] = 0x51;
    let mut long = good.clone();
    long[5] += 1;
    let cases = [
        (version, vec![271]),
        (long, vec![275]),
        (good[..39].to_vec(), vec![273, 291]),
        (ipv6(0, &[17, 0, 1]), vec![272]),
        (ipv6(0, &[17, 1, 1, 4, 0, 0, 0, 0]), vec![272]),
        (ipv6(0, &[17, 0, 1, 9, 0, 0, 0, 0]), vec![295]),
        (ipv6(43, &[17, 9, 0, 0, 0, 0, 0, 0]), vec![461, 272]),
        (ipv6(51, &[17, 2, 0, 0]), vec![465]),
        (ipv6(51, &[17, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), vec![466]),
    ];
    for (bytes, expected) in cases {
        let packet = decoded(&bytes, LinkType::IPV6);
        assert_eq!((events(&packet), packet.broken), (expected, true));
    }
}

#[test]
fn odd_ipv6_is_an_event_and_stays_usable() {
    let undefined = ipv6(0, &join(&[&[17, 0, 0x1e, 0, 1, 2, 0, 0], &udp(5, 6, b"x")]));
    assert_eq!(events(&decoded(&undefined, LinkType::IPV6)), [279]);
    let twice = ipv6(60, &join(&[&[0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0], &udp(5, 6, b"x")]));
    let packet = decoded(&twice, LinkType::IPV6);
    assert_eq!((events(&packet), packet.payload), (vec![296], &b"x"[..]));
    let mut multicast = ipv6(17, &udp(5, 6, b"x"));
    multicast[8] = 0xff;
    multicast[24] = 0xff;
    multicast[25] = 0x03;
    assert_eq!(events(&decoded(&multicast, LinkType::IPV6)), [277, 280, 278]);
    let foreign = ipv6(132, &[0; 12]);
    assert_eq!(events(&decoded(&foreign, LinkType::IPV6)), [281]);
}

#[test]
fn unassigned_and_unroutable_protocols_are_events() {
    for (protocol, expected) in [(143, vec![449, 449]), (142, vec![]), (77, vec![450]), (89, vec![])] {
        let data = ipv4(protocol, b"opaque");
        let packet = decoded(&data, LinkType::RAW);
        assert_eq!((events(&packet), packet.payload, packet.broken), (expected, &b"opaque"[..], false));
        assert_eq!(packet.protocol_name(), "IP");
    }
}
