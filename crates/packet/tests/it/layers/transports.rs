//! TCP, UDP, ICMP, ICMPv6, SCTP.

use crate::build::*;
use tapir_packet::{IcmpHeader, LinkType, Packet, TcpHeader, Transport};

fn icmp(packet: &Packet<'_>) -> IcmpHeader {
    match packet.transport {
        Transport::Icmp(header) => header,
        ref other => panic!("{other:?}"),
    }
}

#[track_caller]
fn v4_events(protocol: u8, payload: &[u8], expected: &[u16], broken: bool) {
    let data = ipv4(protocol, payload);
    let packet = decoded(&data, LinkType::RAW);
    assert_eq!((events(&packet), packet.broken), (expected.to_vec(), broken));
    if broken {
        assert!(matches!(packet.transport, Transport::None));
        assert_eq!(packet.payload, payload);
    }
}

#[track_caller]
fn v6_events(payload: &[u8], expected: &[u16], broken: bool) {
    let data = ipv6(58, payload);
    let packet = decoded(&data, LinkType::RAW);
    assert_eq!((events(&packet), packet.broken), (expected.to_vec(), broken));
}

#[test]
fn tcp_fields_are_those_of_the_header() {
    let data = ipv4(6, &tcp(0x18, &[2, 4, 5, 0xb4], b"data"));
    let packet = decoded(&data, LinkType::RAW);
    let header = packet.tcp().unwrap();
    assert_eq!((header.source_port, header.destination_port), (12_345, 80));
    assert_eq!((header.seq, header.ack, header.window), (0x0102_0304, 0x0506_0708, 0x2000));
    assert!(header.has(TcpHeader::ACK | TcpHeader::PSH) && !header.has(TcpHeader::SYN));
    assert_eq!((header.header_len, header.options), (24, &[2, 4, 5, 0xb4][..]));
    assert_eq!((packet.payload, packet.protocol_name()), (&b"data"[..], "TCP"));
}

#[test]
fn impossible_tcp_headers_break_the_packet() {
    let mut segment = tcp(0x10, &[], b"");
    v4_events(6, &segment[..19], &[45], true);
    segment[12] = 0x40;
    v4_events(6, &segment, &[46], true);
    segment[12] = 0x60;
    v4_events(6, &segment, &[47], true);
}

#[test]
fn tcp_flags_that_no_stack_sends_are_events() {
    for (flags, expected) in [
        (0x3fu8, vec![400, 421, 420, 419]),
        (0x29, vec![401, 423, 422, 419]),
        (0x03, vec![420, 422]),
        (0x06, vec![421]),
        (0x00, vec![423]),
        (0x01, vec![423, 422]),
        (0x12, vec![]),
        (0x11, vec![]),
        (0x04, vec![]),
        (0xc2, vec![]),
    ] {
        v4_events(6, &tcp(flags, &[], b""), &expected, false);
    }
    let mut zero = tcp(0x10, &[], b"");
    zero[2..4].fill(0);
    v4_events(6, &zero, &[446], false);
    let mut shaft = tcp(0x02, &[], b"");
    shaft[4..8].copy_from_slice(&674_711_609u32.to_be_bytes());
    v4_events(6, &shaft, &[433], false);
}

#[test]
fn tcp_options_are_checked_and_never_break_the_packet() {
    for (options, expected) in [
        (&[1u8, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2][..], vec![]),
        (&[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7], vec![]),
        (&[2, 3, 5, 0xb4], vec![54]),
        (&[8, 10, 0, 0], vec![55]),
        (&[1, 1, 1, 5], vec![55]),
        (&[5, 1, 1, 1], vec![54]),
        (&[13, 6, 0, 0, 0, 0, 0, 0], vec![56]),
        (&[6, 6, 0, 0, 0, 0, 0, 0], vec![57]),
        (&[34, 2, 0, 0], vec![58]),
        (&[3, 3, 15, 0], vec![59]),
        (&[0, 34, 99, 1], vec![]),
    ] {
        v4_events(6, &tcp(0x02, options, b""), &expected, false);
    }
}

#[test]
fn udp_is_cut_to_its_length() {
    let mut long = udp(5, 6, b"hello");
    long.extend(b"trailer");
    let data = ipv4(17, &long);
    let packet = decoded(&data, LinkType::RAW);
    assert_eq!((packet.payload, events(&packet), packet.broken), (&b"hello"[..], vec![98], false));
    assert_eq!((packet.ports(), packet.protocol_name()), (Some((5, 6)), "UDP"));
    let mut short = udp(5, 6, b"hello");
    short[5] += 1;
    v4_events(17, &short, &[97], true);
    short[5] = 7;
    v4_events(17, &short, &[96], true);
    v4_events(17, &short[..7], &[95], true);
    v4_events(17, &udp(0, 6, &[0; 4_001]), &[445, 447], false);
}

#[test]
fn icmp_identifier_and_sequence_are_those_of_echoes_only() {
    let data = ipv4(1, &[8, 0, 0, 0, 1, 2, 3, 4, 9, 9]);
    let packet = decoded(&data, LinkType::RAW);
    let header = icmp(&packet);
    assert_eq!((header.kind, header.id, header.seq, header.v6), (8, Some(0x0102), Some(0x0304), false));
    assert_eq!((packet.payload, packet.protocol_name()), (&[9, 9][..], "ICMP"));
    let timestamp = ipv4(1, &[13; 20]);
    let packet = decoded(&timestamp, LinkType::RAW);
    assert_eq!((icmp(&packet).id, packet.payload.len()), (None, 16));
    let v6 = ipv6(58, &[129, 0, 0, 0, 1, 2, 3, 4, 9]);
    let packet = decoded(&v6, LinkType::RAW);
    assert_eq!((icmp(&packet).id, icmp(&packet).v6, packet.payload), (Some(0x0102), true, &[9][..]));
}

#[test]
fn icmp_errors_show_what_the_quoted_header_carries() {
    let quoted = ipv4(17, &udp(7, 8, b"12345678"));
    let data = ipv4(1, &join(&[&[3, 3, 0, 0, 0, 0, 0, 0], &quoted]));
    let packet = decoded(&data, LinkType::RAW);
    assert_eq!((packet.payload, events(&packet)), (&udp(7, 8, b"12345678")[..], vec![]));
    assert_eq!(packet.ip_layers, 1);
    let unreachable = |quote: &[u8]| join(&[&[3, 3, 0, 0, 0, 0, 0, 0], quote]);
    v4_events(1, &unreachable(&quoted[..19]), &[250], false);
    v4_events(1, &unreachable(&quoted[..27]), &[253], false);
    v4_events(1, &unreachable(&ipv6(17, &udp(7, 8, b""))), &[251], false);
    v4_events(1, &unreachable(&ipv4_with(17, &[], 5, &[0; 8])), &[255], false);
    v4_events(1, &unreachable(&ipv4(17, &[0; 600])), &[254], false);
    let mut headless = quoted[..20].to_vec();
    headless[0] = 0x4f;
    v4_events(1, &unreachable(&headless), &[252], false);
    v6_events(&join(&[&[1, 0, 0, 0, 0, 0, 0, 0], &ipv6(17, &[0; 8])]), &[], false);
    v6_events(&[1, 0, 0, 0, 0, 0, 0, 0, 9], &[250], false);
}

#[test]
fn notable_icmp_messages_are_events() {
    v4_events(1, &[8, 0, 0], &[426], true);
    v4_events(1, &[8, 0, 0, 0, 0], &[105], true);
    v4_events(1, &[13; 19], &[106], true);
    v4_events(1, &[17; 11], &[107], true);
    v4_events(1, &[99, 0, 0, 0], &[418], false);
    v4_events(1, &[8, 0, 0, 0, 0, 1, 0, 1], &[434], false);
    v4_events(1, &[8, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 1], &[440], false);
    v4_events(1, &join(&[&[5, 1, 0, 0, 1, 1, 1, 1], &ipv4(17, &[0; 8])]), &[436], false);
    v4_events(1, &join(&[&[3, 4, 0, 0, 0, 0, 2, 0], &ipv4(17, &[0; 8])]), &[451], false);
    v6_events(&[128, 0, 0], &[427], true);
    v6_events(&[128, 0, 0, 0, 0], &[105], true);
    v6_events(&join(&[&[2, 0, 0, 0, 0, 0, 4, 0xff], &ipv6(17, &[])]), &[285], false);
    v6_events(&[133, 1, 0, 0, 0, 0, 0, 1], &[287, 289], false);
    v6_events(&[133, 0, 0, 0, 0, 0, 0, 0, 1, 0], &[478], false);
    v6_events(&[200, 0, 0, 0], &[431], false);
    v4_events(58, &[128, 0, 0, 0, 0, 0, 0, 0], &[474], true);
}

#[test]
fn sctp_has_ports() {
    let data = ipv4(132, &[0, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, b'x']);
    let packet = decoded(&data, LinkType::RAW);
    assert_eq!((packet.ports(), packet.payload), (Some((5, 6)), &b"x"[..]));
    assert!(matches!(packet.transport, Transport::Sctp { .. }) && packet.protocol_name() == "IP");
    let short = ipv4(132, &[0, 5, 0, 6]);
    let packet = decoded(&short, LinkType::RAW);
    assert!(packet.ports().is_none() && packet.payload.len() == 4 && !packet.broken);
}
