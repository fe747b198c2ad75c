//! Sessions of IMAP.

use super::*;
use crate::Limits;
use crate::replay::Replay;
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

const HEADERS: &str = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\
    Content-Type: multipart/mixed; boundary=\"_--=_13\"\r\n\r\n";
const BODY: &str = "This is a multi-part message.\r\n\r\n--_--=_13\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    YXR0YWNoZWQ=\r\n--_--=_13--\r\n\r\n";

fn fetch() -> Vec<u8> {
    let mail = format!("{HEADERS}{BODY}");
    format!("* 2 FETCH (UID 12 BODY[] {{{}}}\r\n{mail})\r\n15 OK done.\r\n", mail.len()).into_bytes()
}

fn run(limits: Limits, script: &[(Direction, &[u8])]) -> Replay {
    let mut replay = Replay::new(Box::new(Imap::default()), limits);
    for (dir, bytes) in script {
        replay.feed(*dir, bytes);
    }
    replay.end();
    assert_eq!(replay.violation, None);
    replay
}

fn raws(replay: &Replay, dir: Direction) -> Vec<String> {
    let pdus = replay.recorder.pdus.iter().filter(|pdu| pdu.dir == dir);
    pdus.map(|pdu| String::from_utf8_lossy(&pdu.raw).into_owned()).collect()
}

#[test]
fn a_fetched_message_is_one_unit_per_part_and_its_line_belongs_to_the_first() {
    let fetch = fetch();
    let replay = run(Limits::default(), &[(ToClient, b"* OK ready\r\n"), (ToClient, &fetch)]);
    let units = raws(&replay, ToClient);
    assert!(units[1].starts_with("* 2 FETCH") && units[1].ends_with("--_--=_13\r\n"));
    assert!(units[2].starts_with("Content-Transfer") && units[2].ends_with("--_--=_13--\r\n"));
    assert_eq!(units[3..], ["\r\n", ")\r\n", "15 OK done.\r\n"]);
    let files: Vec<_> = replay.recorder.pdus.iter().filter_map(|pdu| pdu.file.clone()).collect();
    assert_eq!(files, [b"This is a multi-part message.\r\n".to_vec(), b"attached".to_vec()]);
}

#[test]
fn a_part_fetched_alone_is_decoded_if_it_looks_like_base64() {
    let replay = run(Limits::default(), &[(ToClient, b"* 1 FETCH (BODY[2] {26}\r\nYXR0YWNoZWQgZmlsZSBoZXJl\r\n)\r\n")]);
    assert_eq!(replay.recorder.pdus[0].file.as_deref(), Some(&b"attached file here"[..]));
    let replay = run(Limits::default(), &[(ToClient, b"* 1 FETCH (BODY[TEXT] {7}\r\nHi: you)\r\n")]);
    assert_eq!(replay.recorder.pdus[0].file.as_deref(), Some(&b"Hi: you"[..]));
}

#[test]
fn a_command_and_its_literals_are_one_unit() {
    let script: &[(Direction, &[u8])] = &[
        (ToServer, b"a LOGIN {4}\r\n"),
        (ToClient, b"+ go\r\n"),
        (ToServer, b"a%\r\nb {2}\r\n"),
        (ToServer, b"xy\r\nb NOOP\r\n"),
    ];
    assert_eq!(raws(&run(Limits::default(), script), ToServer), ["a LOGIN {4}\r\na%\r\nb {2}\r\nxy\r\n", "b NOOP\r\n"]);
}

#[test]
fn a_refused_literal_does_not_swallow_the_next_command() {
    let script: &[(Direction, &[u8])] =
        &[(ToServer, b"a APPEND x {900}\r\n"), (ToClient, b"a NO full\r\n"), (ToServer, b"b LOGOUT\r\n")];
    assert_eq!(raws(&run(Limits::default(), script), ToServer), ["a APPEND x {900}\r\n", "b LOGOUT\r\n"]);
}

#[test]
fn an_appended_message_is_decoded() {
    let script: &[(Direction, &[u8])] = &[(
        ToServer,
        b"a APPEND x {56+}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nmarker=21\r\nb NOOP\r\n",
    )];
    let replay = run(Limits::default(), script);
    assert_eq!(replay.recorder.pdus[0].file.as_deref(), Some(&b"marker!"[..]));
    assert_eq!(raws(&replay, ToServer)[1..], ["\r\n", "b NOOP\r\n"]);
}

#[test]
fn starttls_and_compress_end_the_inspection_of_text() {
    let tls: &[(Direction, &[u8])] =
        &[(ToServer, b"a STARTTLS\r\n"), (ToClient, b"a OK\r\n"), (ToServer, b"\x16\x03\x01")];
    assert_eq!(run(Limits::default(), tls).switched, Some(Some(Service::Ssl)));
    let compress: &[(Direction, &[u8])] =
        &[(ToServer, b"a COMPRESS DEFLATE\r\n"), (ToClient, b"a OK\r\n"), (ToServer, b"\x78")];
    assert!(matches!(run(Limits::default(), compress).detached, Some(DetachReason::Limit(_))));
}

#[test]
fn unknown_commands_are_events_but_credentials_are_not() {
    let script: &[(Direction, &[u8])] = &[
        (ToServer, b"a AUTHENTICATE PLAIN\r\n"),
        (ToClient, b"+ \r\n"),
        (ToServer, b"AGFubmEAYg==\r\n"),
        (ToClient, b"a OK\r\n"),
        (ToServer, b"b BOGUS\r\n"),
    ];
    assert_eq!(run(Limits::default(), script).recorder.events, [InspectorEvent { gid: 141, sid: 1 }]);
}

proptest! {
    #[test]
    fn units_do_not_depend_on_how_bytes_were_cut(
        cuts in proptest::collection::vec(1usize..40, 0..20),
        pdu_bytes in 16usize..500,
    ) {
        let limits = Limits { pdu_bytes, ..Limits::default() };
        let fetch = fetch();
        let script: Vec<(Direction, &[u8])> = vec![
            (ToServer, b"a LOGIN {4}\r\nanna b\r\n1 UID fetch 12 (BODY.PEEK[])\r\n"),
            (ToClient, &fetch),
            (ToServer, b"c APPEND x {20+}\r\nSubject: x\r\n\r\nhello\r\r\n"),
        ];
        let whole = run(limits.clone(), &script);
        let mut pieces = Vec::new();
        for (dir, mut bytes) in script {
            for cut in &cuts {
                let (head, tail) = bytes.split_at((*cut).min(bytes.len()));
                pieces.push((dir, head));
                bytes = tail;
            }
            pieces.push((dir, bytes));
        }
        prop_assert_eq!(whole.recorder.pdus, run(limits, &pieces).recorder.pdus);
    }

    #[test]
    fn hostile_bytes_break_nothing(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
        fuzz_imap(&data);
    }

    #[test]
    fn sessions_out_of_order_break_nothing(script in crate::replay::scripts(&[
        "a LOGIN {4}\r\n", "a APPEND x {40}\r\n", "a APPEND x {400+}\r\n", "* 1 FETCH (BODY[] {60}\r\n", "* 1 FETCH (BODY[2] {20}\r\n", "* LIST {300}\r\n", ")\r\n", "a OK\r\n", "a NO\r\n", "+ go\r\n", "a AUTHENTICATE PLAIN\r\n", "\r\n", "--b\r\n", "--b--\r\n", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "Content-Transfer-Encoding: base64\r\n\r\n", "aGVsbG8=\r\n", "..x\r\n", ".\r\n", "=2", "0=\r\n",
    ])) {
        fuzz_imap(&script);
    }
}
