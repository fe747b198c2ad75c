//! Link types and what lies between them and IP.

use crate::build::*;
use tapir_packet::{DecodeEvent, LinkType, MacAddress, VlanTag, count, decode};
use tapir_telemetry::{Counter, Counters};

fn inner() -> Vec<u8> {
    ipv4(17, &udp(5, 6, b"hello"))
}

#[track_caller]
fn carries_hello(data: &[u8], link: LinkType) {
    let packet = decoded(data, link);
    assert_eq!(events(&packet), [], "{link:?}");
    assert_eq!((packet.ports(), packet.payload, packet.broken), (Some((5, 6)), &b"hello"[..], false), "{link:?}");
}

#[test]
fn every_link_type_leads_to_ip() {
    let (v4, v6) = (inner(), ipv6(17, &udp(5, 6, b"hello")));
    for ip in [&v4, &v6] {
        let kind: [u8; 2] = if ip[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
        let family: u8 = if ip[0] >> 4 == 4 { 2 } else { 30 };
        let ppp: [u8; 2] = if ip[0] >> 4 == 4 { [0, 0x21] } else { [0, 0x57] };
        carries_hello(&join(&[&[0; 12], &kind, ip]), LinkType::ETHERNET);
        carries_hello(&join(&[&[0; 14], &kind, ip]), LinkType::LINUX_SLL);
        carries_hello(&join(&[&kind, &[0; 18], ip]), LinkType::LINUX_SLL2);
        for raw in [LinkType::RAW, LinkType::RAW_BSD, LinkType::RAW_OPENBSD] {
            carries_hello(ip, raw);
        }
        carries_hello(&join(&[&[family, 0, 0, 0], ip]), LinkType::NULL);
        carries_hello(&join(&[&[0, 0, 0, family], ip]), LinkType::NULL);
        carries_hello(&join(&[&[0, 0, 0, family], ip]), LinkType::LOOP);
        carries_hello(&join(&[&ppp, ip]), LinkType::PPP);
        carries_hello(&join(&[&ppp[1..], ip]), LinkType::PPP);
        carries_hello(&join(&[&[0xff, 3], &ppp, ip]), LinkType::PPP_HDLC);
        carries_hello(&join(&[&[0x0f, 0], &kind, ip]), LinkType::C_HDLC);
        let nfproto: u8 = if family == 2 { 2 } else { 10 };
        let len = u16::try_from(ip.len() + 4).unwrap();
        let attributes = [&[nfproto, 0, 0, 0][..], &[5, 0, 10, 0, b'x', 0, 0, 0], &len.to_le_bytes(), &[9, 0], ip];
        carries_hello(&join(&attributes), LinkType::NFLOG);
    }
    carries_hello(&v4, LinkType::IPV4);
    carries_hello(&v6, LinkType::IPV6);
}

#[test]
fn ethernet_addresses_are_source_destination_type() {
    let data = ethernet(0x0800, &inner());
    let (source, destination, kind) = ethernet_packet(&data).ethernet.unwrap();
    assert_eq!(MacAddress(source).to_string(), "02:00:00:00:00:02");
    assert_eq!(MacAddress(destination).to_string(), "02:00:00:00:00:01");
    assert_eq!(kind, 0x0800);
}

#[test]
fn vlan_tags_are_kept_outermost_first_and_the_stripped_one_is_outermost() {
    let data = ethernet(0x88a8, &join(&[&[0x20, 7, 0x81, 0, 0, 8, 8, 0], &inner()]));
    assert_eq!(ethernet_packet(&data).vlan, [Some(7), Some(8)]);
    let mut stripped = frame(&data, LinkType::ETHERNET);
    stripped.meta.vlan = Some(VlanTag { tpid: 0x8100, tci: 0xa005 });
    let packet = decode(&stripped);
    assert_eq!((packet.vlan, packet.payload), ([Some(5), Some(7)], &b"hello"[..]));
    let priority = ethernet(0x8100, &join(&[&[0x20, 0, 8, 0], &inner()]));
    let packet = ethernet_packet(&priority);
    assert_eq!((packet.vlan, events(&packet)), ([Some(0), None], vec![130]));
    let cut = ethernet(0x8100, &[0, 1]);
    assert!(ethernet_packet(&cut).broken && events(&ethernet_packet(&cut)) == [130]);
}

#[test]
fn llc_and_snap_lead_to_ip_only_with_an_ethernet_type() {
    let snap = |body: &[u8]| ethernet(u16::try_from(body.len()).unwrap(), body);
    carries_hello(&snap(&join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()])), LinkType::ETHERNET);
    let other = snap(&[0x42, 0x42, 3, 0, 0]);
    assert_eq!(ethernet_packet(&other).ip_layers, 0);
    assert!(!ethernet_packet(&other).broken);
    assert_eq!(events(&ethernet_packet(&snap(&[0xaa, 0xaa, 3, 0]))), [132]);
    assert_eq!(events(&ethernet_packet(&snap(&[0xaa]))), [131]);
    carries_hello(&join(&[&[0; 14], &[0, 4, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()]), LinkType::LINUX_SLL);
}

#[test]
fn mpls_labels_are_taken_off() {
    let entry = |label: u32, bottom: bool| ((label << 12) | u32::from(bottom) << 8 | 64).to_be_bytes();
    let mpls = |entries: &[[u8; 4]], payload: &[u8]| ethernet(0x8847, &join(&[&entries.concat(), payload]));
    carries_hello(&mpls(&[entry(100, false), entry(200, true)], &inner()), LinkType::ETHERNET);
    carries_hello(&mpls(&[entry(200, true)], &ipv6(17, &udp(5, 6, b"hello"))), LinkType::ETHERNET);
    carries_hello(&mpls(&[entry(0, true)], &inner()), LinkType::ETHERNET);
    let pseudowire = join(&[&[0; 4], &ethernet(0x0800, &inner())]);
    carries_hello(&mpls(&[entry(300, true)], &pseudowire), LinkType::ETHERNET);
    assert_eq!(events(&ethernet_packet(&mpls(&[entry(0, false), entry(9, true)], &inner()))), [171, 175]);
    let unfinished = mpls(&[entry(77, false)], &[]);
    assert!(ethernet_packet(&unfinished).broken);
    assert_eq!(events(&ethernet_packet(&unfinished)), [170]);
}

#[test]
fn pppoe_sessions_carry_ip() {
    let session = join(&[&[0x11, 0, 0, 1, 0, 40, 0, 0x21], &inner()]);
    carries_hello(&ethernet(0x8864, &session), LinkType::ETHERNET);
    carries_hello(&session, LinkType::PPP_ETHERNET);
    let bad = ethernet(0x8864, &[0x11, 9, 0, 1, 0, 0]);
    assert_eq!(events(&ethernet_packet(&bad)), [120]);
}

#[test]
fn what_is_not_ip_is_counted_as_such() {
    let counted = |data: &[u8], link: LinkType| {
        let mut counters = Counters::default();
        count(&decode(&frame(data, link)), &mut counters);
        counters
    };
    let arp = ethernet(0x0806, &[0; 28]);
    assert!(!ethernet_packet(&arp).broken);
    assert_eq!(ethernet_packet(&arp).protocol_name(), "eth");
    assert_eq!(counted(&arp, LinkType::ETHERNET).value(Counter::PacketsNotIp), 1);
    let cut = ethernet(0x0806, &[0; 27]);
    assert!(ethernet_packet(&cut).events.contains(DecodeEvent::ARP_TRUNCATED));
    assert_eq!(counted(&cut, LinkType::ETHERNET).value(Counter::PacketsBroken), 1);
    assert_eq!(counted(&arp, LinkType(105)).value(Counter::PacketsUndecodedLink), 1);
    assert_eq!(events(&ethernet_packet(&[0; 13])), [424]);
    assert_eq!(counted(&[0; 13], LinkType::ETHERNET).value(Counter::DecodeEvents), 1);
    let whole = ethernet(0x0800, &inner());
    assert_eq!(counted(&whole, LinkType::ETHERNET), Counters::default());
    let mut snapped = frame(&whole, LinkType::ETHERNET);
    snapped.original_len += 100;
    let mut counters = Counters::default();
    count(&decode(&snapped), &mut counters);
    assert_eq!(counters.value(Counter::PacketsCut), 1);
}

#[test]
fn a_frame_too_short_for_its_link_header_is_broken() {
    for &link in LinkType::DECODED {
        assert!(decoded(&[], link).broken, "{link:?}");
    }
    assert!(decoded(&[8; 15], LinkType::LINUX_SLL).broken);
    assert!(!decoded(&[], LinkType(105)).broken);
}
