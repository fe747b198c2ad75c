//! Against etherparse: what both know, both decode alike.
//!
//! Left out on purpose: tunnels (etherparse does not follow them), packets that either refuses.

use crate::build::ethernet_packet;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;
use std::net::IpAddr;
use tapir_packet::{Check, Packet, Transport, checksums};

/// A valid packet of etherparse's making.
#[derive(Clone, Debug)]
struct Wanted {
    v6: bool,
    vlan: Option<u16>,
    transport: u8,
    addresses: [u8; 32],
    ports: (u16, u16),
    numbers: (u32, u32, u16),
    ttl: u8,
    payload: Vec<u8>,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (
        any::<bool>(),
        prop::option::of(1u16..4_095),
        0u8..3,
        any::<[u8; 32]>(),
        any::<(u16, u16)>(),
        any::<(u32, u32, u16)>(),
        any::<u8>(),
        prop::collection::vec(any::<u8>(), 0..1_400),
    )
        .prop_map(|(v6, vlan, transport, addresses, ports, numbers, ttl, payload)| {
            // No port behind which a tunnel is looked for.
            let ports = (ports.0 | 0x8000, ports.1 | 0x8000);
            Wanted { v6, vlan, transport, addresses, ports, numbers, ttl, payload }
        })
}

fn build(wanted: &Wanted) -> Vec<u8> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let (source, destination) = wanted.addresses.split_at(16);
    let (s6, d6): ([u8; 16], [u8; 16]) = (source.try_into().unwrap(), destination.try_into().unwrap());
    let (s4, d4): ([u8; 4], [u8; 4]) = (source[..4].try_into().unwrap(), destination[..4].try_into().unwrap());
    let ip = match (wanted.vlan, wanted.v6) {
        (None, false) => link.ipv4(s4, d4, wanted.ttl),
        (None, true) => link.ipv6(s6, d6, wanted.ttl),
        (Some(id), false) => link.single_vlan(id.try_into().unwrap()).ipv4(s4, d4, wanted.ttl),
        (Some(id), true) => link.single_vlan(id.try_into().unwrap()).ipv6(s6, d6, wanted.ttl),
    };
    let mut bytes = Vec::new();
    let (seq, ack, window) = wanted.numbers;
    match wanted.transport {
        0 => ip.tcp(wanted.ports.0, wanted.ports.1, seq, window).ack(ack).psh().write(&mut bytes, &wanted.payload),
        1 => ip.udp(wanted.ports.0, wanted.ports.1).write(&mut bytes, &wanted.payload),
        _ if wanted.v6 => ip.icmpv6_echo_request(window, 7).write(&mut bytes, &wanted.payload),
        _ => ip.icmpv4_echo_request(window, 7).write(&mut bytes, &wanted.payload),
    }
    .unwrap();
    bytes
}

/// Compares addresses, header fields and payload of an unfragmented packet that both accept.
fn compare(ours: &Packet<'_>, theirs: &SlicedPacket<'_>) {
    let ip = ours.inner_ip().unwrap();
    match theirs.net.as_ref().unwrap() {
        NetSlice::Ipv4(net) => {
            let header = net.header();
            assert_eq!(ip.source, IpAddr::V4(header.source_addr()));
            assert_eq!(ip.destination, IpAddr::V4(header.destination_addr()));
            assert_eq!((ip.ttl, ip.id), (header.ttl(), u32::from(header.identification())));
            assert_eq!((ip.options, ip.fragment.dont), (header.options(), header.dont_fragment()));
            assert_eq!(ip.fragment.more, header.more_fragments());
            assert_eq!(ip.fragment.offset, u32::from(header.fragments_offset().value()) * 8);
        }
        NetSlice::Ipv6(net) => {
            let header = net.header();
            assert_eq!(ip.source, IpAddr::V6(header.source_addr()));
            assert_eq!(ip.destination, IpAddr::V6(header.destination_addr()));
            assert_eq!((ip.ttl, ip.tos), (header.hop_limit(), header.traffic_class()));
        }
        NetSlice::Arp(_) => unreachable!("no ARP is built"),
    }
    match (&ours.transport, &theirs.transport) {
        (Transport::Tcp(header), Some(TransportSlice::Tcp(tcp))) => {
            assert_eq!((header.source_port, header.destination_port), (tcp.source_port(), tcp.destination_port()));
            assert_eq!((header.seq, header.ack), (tcp.sequence_number(), tcp.acknowledgment_number()));
            assert_eq!((header.window, header.urgent), (tcp.window_size(), tcp.urgent_pointer()));
            assert_eq!((header.options, ours.payload), (tcp.options(), tcp.payload()));
            assert_eq!(header.flags & 0x3f, tcp.slice()[13] & 0x3f);
        }
        (Transport::Udp { source_port, destination_port, length }, Some(TransportSlice::Udp(udp))) => {
            assert_eq!((*source_port, *destination_port), (udp.source_port(), udp.destination_port()));
            assert_eq!((*length, ours.payload), (udp.length(), udp.payload()));
        }
        (Transport::Icmp(header), Some(TransportSlice::Icmpv4(icmp))) => {
            assert_eq!((header.kind, header.code), (icmp.type_u8(), icmp.code_u8()));
        }
        (Transport::Icmp(header), Some(TransportSlice::Icmpv6(icmp))) => {
            assert_eq!((header.kind, header.code), (icmp.type_u8(), icmp.code_u8()));
        }
        (ours, theirs) => panic!("{ours:?} but {theirs:?}"),
    }
}

proptest! {
    #[test]
    fn valid_packets_decode_as_etherparse_decodes_them(wanted in wanted()) {
        let bytes = build(&wanted);
        let ours = ethernet_packet(&bytes);
        prop_assert!(!ours.broken);
        prop_assert_eq!(ours.vlan, [wanted.vlan, None]);
        prop_assert_eq!(ours.payload, &wanted.payload[..]);
        compare(&ours, &SlicedPacket::from_ethernet(&bytes).unwrap());
        // etherparse also filled in the checksums.
        let report = checksums(&ours);
        prop_assert_eq!(report.ip, if wanted.v6 { Check::Absent } else { Check::Valid });
        prop_assert_eq!(report.transport, Check::Valid);
    }

    #[test]
    fn changed_packets_that_both_accept_decode_alike(
        wanted in wanted(),
        changes in prop::collection::vec((14usize..54, any::<u8>()), 1..3),
    ) {
        let mut bytes = build(&wanted);
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let ours = ethernet_packet(&bytes);
        let Ok(theirs) = SlicedPacket::from_ethernet(&bytes) else { return Ok(()) };
        let plain = ours.ip_layers == 1 && !ours.broken && ours.vlan[0] == wanted.vlan;
        let whole = ours.inner_ip().is_some_and(|ip| !ip.fragment.is_fragment());
        let known = !matches!(ours.transport, Transport::None | Transport::Sctp { .. });
        // A length of 0 is taken as captured here, and UDP is not cut to its length there.
        let lengths = !ours.events.iter().any(|event| matches!(event.0, 3 | 98));
        if plain && whole && known && lengths {
            compare(&ours, &theirs);
        }
    }
}
