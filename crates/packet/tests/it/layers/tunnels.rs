//! Tunnels lead to the inner packet, or leave the outer one as it is.

use crate::build::*;
use tapir_packet::{DecodeEvent, LinkType, MAX_IP_LAYERS, Transport};

fn inner() -> Vec<u8> {
    ipv4(6, &tcp(0x18, &[], b"hello"))
}

fn gre(flags: [u8; 2], kind: u16, rest: &[u8]) -> Vec<u8> {
    join(&[&flags, &kind.to_be_bytes(), rest])
}

#[track_caller]
fn reaches_hello(data: &[u8], layers: usize) {
    let packet = decoded(data, LinkType::RAW);
    assert_eq!((events(&packet), packet.ip_layers, packet.payload), (vec![], layers, &b"hello"[..]));
    assert!(packet.tcp().is_some() && !packet.broken);
}

#[test]
fn ip_in_ip_of_all_versions_is_followed() {
    let v6 = ipv6(6, &tcp(0x18, &[], b"hello"));
    reaches_hello(&ipv4(4, &inner()), 2);
    reaches_hello(&ipv4(41, &v6), 2);
    reaches_hello(&ipv4(4, &ipv4(4, &ipv4(4, &inner()))), 4);
    for (next, carried) in [(4, &inner()), (41, &v6)] {
        let data = ipv6(next, carried);
        let packet = decoded(&data, LinkType::RAW);
        // Snort's list of next headers lacks both.
        assert_eq!((events(&packet), packet.ip_layers, packet.payload), (vec![281], 2, &b"hello"[..]));
    }
}

#[test]
fn gre_with_every_optional_field_is_followed() {
    let ip = inner();
    reaches_hello(&ipv4(47, &gre([0, 0], 0x0800, &ip)), 2);
    reaches_hello(&ipv4(47, &gre([0xb0, 0], 0x0800, &join(&[&[0; 12], &ip]))), 2);
    reaches_hello(&ipv4(47, &gre([0, 0], 0x6558, &ethernet(0x0800, &ip))), 2);
    reaches_hello(&ipv4(47, &gre([0, 0], 0x88be, &ethernet(0x0800, &ip))), 2);
    reaches_hello(&ipv4(47, &gre([0x10, 0], 0x88be, &join(&[&[0; 4], &[0x10; 8], &ethernet(0x0800, &ip)]))), 2);
    let third = [0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    reaches_hello(&ipv4(47, &gre([0x10, 0], 0x22eb, &join(&[&[0; 4], &third, &ethernet(0x0800, &ip)]))), 2);
    let route = [0, 0, 0, 0, 8, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0];
    reaches_hello(&ipv4(47, &gre([0x40, 0], 0x0800, &join(&[&route, &ip]))), 2);
    reaches_hello(&ipv4(47, &gre([0x30, 0x81], 0x880b, &join(&[&[0; 12], &[0xff, 3, 0, 0x21], &ip]))), 2);
    reaches_hello(&ipv4(47, &gre([0, 0], 0x8847, &join(&[&[0, 6, 0x41, 64], &ip]))), 2);
}

#[test]
fn bad_gre_breaks_the_packet_as_nothing_else_is_usable() {
    for (body, event) in [
        (gre([0, 0], 0x0800, &[])[..3].to_vec(), 160),
        (gre([0x20, 0], 0x0800, &[0; 3]), 160),
        (gre([0x40, 0], 0x0800, &[0; 6]), 160),
        (gre([0, 2], 0x0800, &[]), 162),
        (gre([7, 0], 0x0800, &[]), 163),
        (gre([0, 1], 0x880b, &[]), 164),
    ] {
        let data = ipv4(47, &body);
        let packet = decoded(&data, LinkType::RAW);
        assert_eq!((events(&packet), packet.broken), (vec![event], true));
    }
}

#[test]
fn vxlan_and_geneve_carry_ethernet() {
    let carried = ethernet(0x0800, &inner());
    let vxlan = udp(9, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &carried]));
    reaches_hello(&ipv4(17, &vxlan), 2);
    let geneve = |head: &[u8], rest: &[u8]| ipv4(17, &udp(9, 6081, &join(&[head, rest])));
    reaches_hello(&geneve(&[0, 0, 0x65, 0x58, 0, 0, 1, 0], &carried), 2);
    reaches_hello(&geneve(&[2, 0, 8, 0, 0, 0, 1, 0], &join(&[&[0, 1, 1, 1, 0, 0, 0, 0], &inner()])), 2);
    for (head, rest, event) in [
        (&[0x40, 0, 8, 0, 0, 0, 1, 0][..], &[][..], 181),
        (&[1, 0, 8, 0, 0, 0, 1, 0], &[], 182),
        (&[0, 0x40, 8, 0, 0, 0, 1, 0], &[], 183),
        (&[1, 0, 8, 0, 0, 0, 1, 0], &[0, 0, 1, 1], 184),
        (&[0, 0, 8], &[], 180),
    ] {
        let data = geneve(head, rest);
        let packet = decoded(&data, LinkType::RAW);
        assert_eq!((events(&packet), packet.broken, packet.ports()), (vec![event], false, Some((9, 6081))));
        assert_eq!(packet.payload, join(&[head, rest]));
    }
}

#[test]
fn teredo_needs_a_teredo_address() {
    let teredo = |head: &[u8], ip: &[u8]| ipv4(17, &udp(3544, 9, &join(&[head, ip])));
    let mut ip = ipv6(6, &tcp(0x18, &[], b"hello"));
    let data = teredo(&[], &ip);
    let packet = decoded(&data, LinkType::RAW);
    assert_eq!((packet.ip_layers, packet.ports(), packet.payload), (1, Some((3544, 9)), &ip[..]));
    (ip[8], ip[9], ip[10], ip[11]) = (0x20, 1, 0, 0);
    reaches_hello(&teredo(&[], &ip), 2);
    reaches_hello(&teredo(&[0, 0, 1, 2, 3, 4, 5, 6], &ip), 2);
    reaches_hello(&teredo(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6], &ip), 2);
}

#[test]
fn gtp_carries_ip_behind_its_extension_headers() {
    let ip = inner();
    let gtp = |flags: u8, kind: u8, rest: &[u8]| {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        ipv4(17, &udp(9, 2152, &join(&[&[flags, kind], &len, &[0, 0, 0, 1], rest])))
    };
    reaches_hello(&gtp(0x30, 255, &ip), 2);
    reaches_hello(&gtp(0x34, 255, &join(&[&[0, 0, 0, 0x85, 1, 0, 9, 0], &ip])), 2);
    let signalling = gtp(0x32, 1, &[0; 6]);
    let packet = decoded(&signalling, LinkType::RAW);
    assert_eq!((events(&packet), packet.ports(), packet.broken), (vec![], Some((9, 2152)), false));
    let endless = gtp(0x34, 255, &join(&[&[0, 0, 0, 0x85, 0, 0, 9, 0], &ip]));
    assert_eq!(events(&decoded(&endless, LinkType::RAW)), [298]);
}

#[test]
fn a_bad_inner_packet_leaves_the_outer_one_usable() {
    let mut broken = inner();
    broken[32] = 0x10;
    let vxlan = ipv4(17, &udp(9, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0800, &broken)])));
    let packet = decoded(&vxlan, LinkType::RAW);
    assert_eq!((events(&packet), packet.broken, packet.ip_layers), (vec![46], false, 1));
    assert!(matches!(packet.transport, Transport::Udp { destination_port: 4789, .. }));
    assert_eq!(packet.payload.len(), 8 + 14 + broken.len());
    let mut cut = inner();
    cut.truncate(30);
    let data = ipv4(4, &cut);
    let packet = decoded(&data, LinkType::RAW);
    assert_eq!((events(&packet), packet.broken, packet.payload), (vec![6], false, &cut[..]));
    // Nothing wrong, but nothing to follow either.
    let arp = ipv4(17, &udp(9, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0806, &[0; 28])])));
    let packet = decoded(&arp, LinkType::RAW);
    assert_eq!((packet.ports(), packet.payload.len()), (Some((9, 4789)), 8 + 14 + 28));
}

#[test]
fn nesting_has_limits() {
    let mut data = inner();
    for _ in 0..MAX_IP_LAYERS {
        data = ipv4(4, &data);
    }
    let packet = decoded(&data, LinkType::RAW);
    assert_eq!((packet.ip_layers, packet.broken), (MAX_IP_LAYERS, false));
    assert!(packet.events.contains(DecodeEvent::TOO_MANY_LAYERS));
    assert_eq!(packet.payload, inner());
    let tags = ethernet(0x8100, &[0, 1, 0x81, 0].repeat(200));
    let packet = ethernet_packet(&tags);
    assert_eq!((packet.ip_layers, packet.vlan), (0, [Some(1); 2]));
    assert!(packet.events.contains(DecodeEvent::TOO_MANY_LAYERS));
}
