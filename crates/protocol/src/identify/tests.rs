//! Identification: what is found in first bytes, however they are cut.

use super::*;
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

#[track_caller]
fn check(dir: Direction, bytes: &[u8], expected: Identified) {
    assert_eq!(Wizard::new().on_stream(dir, bytes), expected, "whole");
    let mut wizard = Wizard::new();
    let mut answer = Identified::NeedMore;
    for end in 1..=bytes.len() {
        answer = wizard.on_stream(dir, &bytes[..end]);
        if answer != Identified::NeedMore {
            break;
        }
    }
    assert_eq!(answer, expected, "byte by byte");
}

fn yes(service: Service) -> Identified {
    Identified::Service(service)
}

#[test]
fn text_protocols_are_found_by_their_first_words() {
    check(ToServer, b"GET / HTTP/1.1\r\n", yes(Service::Http));
    check(ToServer, b"get / http/1.1\r\n", yes(Service::Http));
    check(ToServer, b"FOO /x HTTP/1.0\r\n", yes(Service::Http));
    check(ToServer, b"OPTIONS sip:a SIP/2.0\r\n", yes(Service::Sip));
    check(ToServer, b"EHLO me\r\n", yes(Service::Smtp));
    check(ToClient, b"* OK ready", yes(Service::Imap));
    check(ToClient, b"+OK ready", yes(Service::Pop3));
    check(ToClient, b"220 x ESMTP FTP", yes(Service::Smtp));
    check(ToClient, b"220-FileZilla Server", yes(Service::Ftp));
    check(ToClient, b"SSH-2.0-x", yes(Service::Ssh));
}

#[test]
fn the_http2_preface_outranks_the_request_line_it_looks_like() {
    check(ToServer, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", yes(Service::Http2));
    check(ToServer, b"PRI * HTTP/2.0\r\nHost: x\r\n\r\n", yes(Service::Http));
}

#[test]
fn binary_protocols_are_found_by_their_headers() {
    check(ToServer, &[0x16, 3, 1, 0], yes(Service::Ssl));
    check(ToServer, &[5, 0x64, 5], yes(Service::Dnp3));
    check(ToServer, &[0, 1, 0, 0, 0, 6, 1, 3], Identified::NeedMore);
    check(ToClient, &[0xff, 0xfd, 1], yes(Service::Telnet));
    check(ToServer, b"\x00\x00\x00\x2f\xffSMB", yes(Service::NetbiosSsn));
    check(ToServer, b"\x81\x00\x00\x02ab\x00\x00\x00\x2f\xfeSMB", yes(Service::NetbiosSsn));
    check(ToServer, &[5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0], yes(Service::Dcerpc));
    check(ToServer, &[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10], yes(Service::Ssl));
    check(ToServer, &[4, 1, 0, 80, 10, 0, 0, 1, b'm', 0], yes(Service::Socks));
    check(ToServer, &[5, 1, 0], yes(Service::Socks));
    check(
        ToServer,
        &[
            3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0, 0xc1, 2, 1, 0, 0xc2, 2, 1, 2, 0xc0, 1, 10, 3, 0, 0, 9, 2, 0xf0, 0x80,
            0x72,
        ],
        yes(Service::S7commplus),
    );
    check(ToServer, b"HELF\x20\0\0\0", yes(Service::Opcua));
}

#[test]
fn unknown_bytes_stay_open_only_while_a_pattern_could_still_match() {
    check(ToClient, &[1, 2, 3, 4, 5], Identified::No);
    check(ToServer, b"zzz", Identified::NeedMore);
    let long = vec![b'z'; MAX_SEARCH_DEPTH];
    check(ToServer, &long, Identified::No);
    let mut late = vec![b' '; MAX_SEARCH_DEPTH - 5];
    late.extend_from_slice(b" HTTP/1.1");
    check(ToServer, &late, Identified::No);
}

#[test]
fn only_the_first_datagram_can_identify_a_flow() {
    let mut wizard = Wizard::new();
    assert_eq!(wizard.on_datagram(ToServer, b"x"), Identified::No);
    assert_eq!(wizard.on_datagram(ToServer, b"INVITE sip:a SIP/2.0\r\n"), Identified::No);
    assert_eq!(Wizard::new().on_datagram(ToServer, b"INVITE sip:a SIP/2.0\r\n"), yes(Service::Sip));
    assert_eq!(Wizard::new().on_datagram(ToServer, b"GET / HTTP/1.1"), Identified::No);
    assert_eq!(Wizard::new().on_datagram(ToServer, &[0, 5, 0, 1]), yes(Service::Netflow));
}

#[test]
fn a_dcerpc_datagram_must_hold_the_body_it_announces() {
    let mut datagram = vec![0u8; 96];
    (datagram[0], datagram[4], datagram[74]) = (4, 0x10, 16);
    assert_eq!(Wizard::new().on_datagram(ToServer, &datagram), yes(Service::Dcerpc));
    datagram[74] = 17;
    assert_eq!(Wizard::new().on_datagram(ToServer, &datagram), Identified::No);
}

#[test]
fn the_extended_checks_are_off_by_default() {
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03net\x00\x00\x01\x00\x01";
    assert_eq!(Wizard::new().on_datagram(ToServer, query), Identified::No);
    assert_eq!(Wizard::extended().on_datagram(ToServer, query), yes(Service::Dns));
    let cases: [(Direction, &[u8], Service); 10] = [
        (ToServer, b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x01", Service::Modbus),
        (ToServer, b"*1\r\n$4\r\nPING\r\n", Service::Redis),
        (ToClient, b"\x4a\0\0\0\x0a8.0.36\0", Service::Mysql),
        (ToServer, b"\0\0\0\x08\x04\xd2\x16\x2f", Service::Postgres),
        (ToServer, b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0", Service::Rdp),
        (ToServer, b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0", Service::Ldap),
        (ToServer, b"\x10\x10\0\x04MQTT\x04", Service::Mqtt),
        (ToServer, b"NICK me\r\n", Service::Irc),
        (ToClient, b"200 news NNRP NNTP ready\r\n", Service::Nntp),
        (ToServer, b"RFB 003.008\n", Service::Vnc),
    ];
    for (dir, bytes, service) in cases {
        assert_eq!(Wizard::extended().on_stream(dir, bytes), yes(service));
        assert_ne!(Wizard::new().on_stream(dir, bytes), yes(service));
    }
    let datagrams: [(&[u8], Service); 4] = [
        (b"\0\x01boot.img\0octet\0", Service::Tftp),
        (b"M-SEARCH * HTTP/1.1\r\nST: x\r\n", Service::Ssdp),
        (b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x04\0\0\0\x01\x02\x01\0\x02\x01\0\x30\x0b\x30\x09\x06\x05\x2b\x06\x01\x02\x01\x05\0", Service::Snmp),
        (b"\0\x01\x01\x10\0\x01\0\0\0\0\0\0\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01", Service::NetbiosNs),
    ];
    for (bytes, service) in datagrams {
        assert_eq!(Wizard::extended().on_datagram(ToServer, bytes), yes(service));
    }
}

#[test]
fn ports_bind_as_in_the_default_configuration() {
    assert_eq!(bind_port(TransportKind::Udp, 53), Some(Service::Dns));
    assert_eq!(bind_port(TransportKind::Tcp, 111), Some(Service::SunRpc));
    assert_eq!(bind_port(TransportKind::Udp, 111), None);
    assert_eq!(bind_port(TransportKind::Udp, 2123), Some(Service::Gtp));
    assert_eq!(bind_port(TransportKind::Tcp, 80), None);
}

proptest! {
    #[test]
    fn the_cut_of_a_stream_does_not_change_the_answer(
        text in "(\\* | |[0-9]{3}|GET|PRI|HTTP/|SIP/|FTP|MAIL|SMTP|\r\n|[a-zA-Z]){0,20}",
        flags in 0u8..=255,
    ) {
        let mut data = vec![flags];
        data.extend_from_slice(text.as_bytes());
        fuzz_wizard(&data);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_are_cut_invariant(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_wizard(&data);
    }

    #[test]
    fn near_headers_are_cut_invariant(
        start in prop::sample::select(vec![&b"\x00\x00\x00\x20\xffSMB"[..], b"\x05\x00\x0b\x03\x10\0\0\0\x48\0", b"\x04\x01\0\x50\0\0\0\x01id\0host\0", b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10", b"\x03\0\0\x16\x11\xe0", b"\x81\0\0\x01a\0\0\0\0\xfeSMB", b"POST", b"\x80\0\0\x28\0\0\0\0\0\0\0\x01"]),
        change in (0usize..16, any::<u8>()),
        tail in proptest::collection::vec(any::<u8>(), 0..40),
        flags in any::<u8>(),
    ) {
        let mut data = vec![flags];
        data.extend_from_slice(start);
        data.extend_from_slice(&tail);
        if let Some(byte) = data.get_mut(change.0 + 1) { *byte = change.1; }
        fuzz_wizard(&data);
    }
}
