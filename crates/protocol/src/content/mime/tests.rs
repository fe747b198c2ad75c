//! Structure of messages, and a comparison with the mail-parser crate.

use super::*;
use crate::replay::Recorder;
use crate::{Limits, replay};
use proptest::prelude::*;

/// Files of a whole message.
fn files(mail: &[u8]) -> Vec<Vec<u8>> {
    pieces(mail, Limits::default().pdu_bytes).pdus.into_iter().filter_map(|pdu| pdu.file).collect()
}

fn pieces(mail: &[u8], pdu_bytes: usize) -> Recorder {
    let mut recorder = replay::Recorder::default();
    let mut counters = Counters::default();
    let limits = Limits { pdu_bytes, ..Limits::default() };
    let mut cx = recorder.cx(&limits, &mut counters);
    let (mut message, mut scratch) = (Message::mime(Framing::Length, 0), Scratch::default());
    let events = DecodeEvents { gid: 124, base64: 10, uuencode: 13 };
    let mut rest = mail;
    while !rest.is_empty() {
        match message.scan(rest, rest.len() as u64, pdu_bytes, &mut cx) {
            Scan::Piece { len, cut } => {
                message.emit(&rest[..len], cut, &events, &mut scratch, &mut cx);
                rest = &rest[len..];
            }
            Scan::NeedMore(_) => unreachable!("the length is known"),
        }
    }
    recorder
}

fn texts(mail: &str) -> Vec<String> {
    files(mail.replace('\n', "\r\n").as_bytes()).iter().map(|file| String::from_utf8_lossy(file).into_owned()).collect()
}

#[test]
fn nested_multiparts_and_messages_within_messages_are_followed() {
    let mail = "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/alternative;\n boundary=in\n\n\
        --in\n\none\n--in\nContent-Transfer-Encoding: base64\n\ndHdv\n--in--\nepilogue\n--out\n\
        Content-Type: message/rfc822\n\nSubject: inner\nContent-Transfer-Encoding: quoted-printable\n\nthr=65e\n--out--\n";
    assert_eq!(texts(mail), ["one", "two", "three"]);
}

#[test]
fn an_outer_boundary_ends_an_unclosed_inner_multipart() {
    let mail = "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/mixed; boundary=in\n\n\
        --in\n\none\n--out\n\ntwo\n--in\nstill two\n--out--\n";
    assert_eq!(texts(mail), ["one", "two\r\n--in\r\nstill two"]);
}

#[test]
fn boundary_lines_need_the_whole_boundary() {
    let mail = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bb\n--b-\n-b\n--b  \n\ntwo\n--b--\n";
    assert_eq!(texts(mail), ["--bb\r\n--b-\r\n-b", "two"]);
}

#[test]
fn a_line_that_is_no_header_does_not_hide_the_encoding() {
    assert_eq!(texts("Subject: x\nnot a header\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n"), ["hello"]);
}

#[test]
fn folded_and_oddly_spelt_headers_count() {
    assert_eq!(texts("CONTENT-transfer-ENCODING :\n\tBASE64 \n\naGVsbG8=\n"), ["hello"]);
}

#[test]
fn depth_and_boundary_limits_are_counted() {
    let mut mail = String::new();
    for level in 0..=MAX_DEPTH {
        mail.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"));
    }
    let mut counters = Counters::default();
    let mut entity = Entity::message();
    for line in mail.split_inclusive('\n') {
        entity.line(line.as_bytes(), true, &mut counters);
    }
    assert_eq!(counters.value(Counter::MimeDepthLimited), 1);
    assert_eq!(counters.value(Counter::MimeParts), MAX_DEPTH as u64);
    let mut entity = Entity::message();
    entity.line(format!("Content-Type: multipart/x; boundary={}\n", "b".repeat(1500)).as_bytes(), true, &mut counters);
    entity.line(b"\n", true, &mut counters);
    assert_eq!(counters.value(Counter::MimeBoundaryOverlong), 1);
}

#[test]
fn broken_encodings_raise_events() {
    let mail = "Content-Transfer-Encoding: base64\n\n!!!!\n";
    let sids: Vec<_> = pieces(mail.as_bytes(), 4096).events.iter().map(|event| event.sid).collect();
    assert_eq!(sids, [10]);
    let mail = "Content-Transfer-Encoding: x-uuencode\n\nno begin line\n";
    let sids: Vec<_> = pieces(mail.as_bytes(), 4096).events.iter().map(|event| event.sid).collect();
    assert_eq!(sids, [13]);
    assert!(pieces(b"Content-Transfer-Encoding: base64\n\n\n", 4096).events.is_empty());
}

/// Lines of which random messages are made.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("--b".to_owned()),
        Just("--b--".to_owned()),
        Just("--c".to_owned()),
        Just(String::new()),
        Just("Content-Type: multipart/mixed; boundary=b".to_owned()),
        Just("Content-Type: multipart/mixed; boundary=\"c\"".to_owned()),
        Just("Content-Transfer-Encoding: base64".to_owned()),
        Just("Content-Transfer-Encoding: quoted-printable".to_owned()),
        "[a-zA-Z0-9+/=. ]{0,90}",
    ]
}

proptest! {
    #[test]
    fn pieces_together_are_the_message_and_their_files_the_whole_files(
        lines in proptest::collection::vec(line(), 0..40),
        pdu_bytes in 1usize..200,
    ) {
        let mail = lines.join("\r\n");
        let whole = pieces(mail.as_bytes(), 1 << 20);
        let small = pieces(mail.as_bytes(), pdu_bytes);
        let raw: Vec<u8> = small.pdus.iter().flat_map(|pdu| pdu.raw.iter().copied()).collect();
        prop_assert_eq!(&raw[..], mail.as_bytes());
        prop_assert!(small.pdus.iter().all(|pdu| pdu.raw.len() <= pdu_bytes));
        // Cutting may move the line end before a boundary into the file; nothing else changes.
        let squeeze = |recorder: &Recorder| {
            let bytes = recorder.pdus.iter().filter_map(|pdu| pdu.file.clone()).flatten();
            bytes.filter(|byte| !b"\r\n".contains(byte)).collect::<Vec<u8>>()
        };
        if pdu_bytes > 120 {
            prop_assert_eq!(squeeze(&whole), squeeze(&small));
        }
    }

    #[test]
    fn a_well_formed_message_decodes_as_mail_parser_decodes_it(
        parts in proptest::collection::vec((0u8..3, proptest::collection::vec(any::<u8>(), 1..300)), 1..5),
    ) {
        let mail = compose(&parts);
        let parsed = mail_parser::MessageParser::default().parse(&mail).expect("a message");
        let theirs: Vec<Vec<u8>> = parsed.attachments().map(|part| part.contents().to_vec()).collect();
        let expected: Vec<Vec<u8>> = parts.iter().map(|(encoding, bytes)| content(*encoding, bytes)).collect();
        prop_assert_eq!(&theirs, &expected, "the oracle agrees with what was composed");
        prop_assert_eq!(&files(&mail), &expected);
    }

    #[test]
    fn hostile_bytes_break_nothing(data in proptest::collection::vec(any::<u8>(), 0..3000)) {
        fuzz_mime(&data);
    }
}

/// What a part of a composed message holds: any bytes if encoded, letters if not.
fn content(encoding: u8, bytes: &[u8]) -> Vec<u8> {
    if encoding == 0 { bytes.iter().map(|byte| b'a' + byte % 26).collect() } else { bytes.to_vec() }
}

fn compose(parts: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut mail =
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n".to_vec();
    for (encoding, bytes) in parts {
        let name = ["8bit", "base64", "quoted-printable"][usize::from(*encoding)];
        let head = format!(
            "--=_b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"a\"\r\n\
             Content-Transfer-Encoding: {name}\r\n\r\n"
        );
        mail.extend_from_slice(head.as_bytes());
        match encoding {
            0 => mail.extend_from_slice(&content(0, bytes)),
            1 => mail.extend_from_slice(encode_base64(bytes).as_bytes()),
            _ => {
                for chunk in bytes.chunks(24) {
                    let line: String = chunk.iter().map(|byte| format!("={byte:02X}")).collect();
                    mail.extend_from_slice(line.as_bytes());
                    mail.extend_from_slice(b"=\r\n");
                }
            }
        }
        mail.extend_from_slice(b"\r\n");
    }
    mail.extend_from_slice(b"--=_b--\r\n");
    mail
}

fn encode_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
        if index % 19 == 18 {
            out.push_str("\r\n");
        }
    }
    out
}
