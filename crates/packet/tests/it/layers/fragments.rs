//! Fragments, and datagrams put together from them.

use crate::build::*;
use tapir_packet::{LinkType, Transport, decode_ip};

#[test]
fn a_fragment_has_no_transport_and_carries_the_ip_payload() {
    let payload = udp(5, 6, b"0123456789abcdef");
    for (flags, offset, more) in [(0x2000u16, 0u32, true), (0x2002, 16, true), (0x0003, 24, false)] {
        let data = ipv4_with(17, &[], flags, &payload);
        let packet = decoded(&data, LinkType::RAW);
        let fragment = packet.inner_ip().unwrap().fragment;
        assert_eq!((fragment.offset, fragment.more, fragment.is_fragment()), (offset, more, true));
        assert!(matches!(packet.transport, Transport::None) && !packet.broken);
        assert_eq!((packet.payload, events(&packet)), (&payload[..], vec![]));
    }
    let v6 = ipv6(44, &join(&[&[17, 0, 0, 0x19, 0, 1, 0, 2], &payload]));
    let packet = decoded(&v6, LinkType::RAW);
    let ip = packet.inner_ip().unwrap();
    assert_eq!((ip.fragment.offset, ip.fragment.more, ip.id, ip.protocol), (24, true, 0x1_0002, 17));
    assert_eq!((packet.payload, ip.header.len(), packet.ports()), (&payload[..], 48, None));
}

#[test]
fn odd_fragment_fields_are_events() {
    for (flags, expected) in [(0x8000u16, vec![448]), (0x6000, vec![405]), (0x4001, vec![430]), (0x1fff, vec![407])] {
        let data = ipv4_with(17, &[], flags, &udp(5, 6, b"x"));
        assert_eq!(events(&decoded(&data, LinkType::RAW)), expected);
    }
    assert_eq!(events(&decoded(&ipv4_with(17, &[], 0x2000, &[]), LinkType::RAW)), [459]);
    assert_eq!(events(&decoded(&ipv6(44, &[17, 0, 0, 1, 0, 0, 0, 1]), LinkType::RAW)), [459]);
}

#[test]
fn a_rebuilt_datagram_takes_the_place_of_its_fragment() {
    let whole = ipv4(17, &udp(5, 6, b"rebuilt"));
    let fragment = ipv4_with(17, &[], 3, b"uilt");
    let tagged = ethernet(0x8100, &join(&[&[0, 7, 8, 0], &fragment]));
    let packet = decode_ip(&frame(&tagged, LinkType::ETHERNET), &whole);
    assert!(packet.defragmented && !packet.broken && packet.ethernet.is_some());
    assert_eq!((packet.vlan, packet.ip_layers, packet.payload), ([Some(7), None], 1, &b"rebuilt"[..]));
    assert_eq!((packet.ports(), packet.inner_ip().unwrap().fragment.is_fragment()), (Some((5, 6)), false));

    let tunnelled = ethernet(0x0800, &ipv4(4, &fragment));
    let packet = decode_ip(&frame(&tunnelled, LinkType::ETHERNET), &whole);
    assert_eq!((packet.ip_layers, packet.ports()), (2, Some((5, 6))));
    assert_eq!(packet.ip[0].unwrap().protocol, 4);

    assert!(decode_ip(&frame(&tagged, LinkType::ETHERNET), &[]).broken);
}
