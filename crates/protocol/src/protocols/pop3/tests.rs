//! Sessions of POP3.

use super::*;
use crate::Limits;
use crate::replay::Replay;
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

const MAIL: &[u8] = b"+OK 400 octets\r\nFrom: a@example.test\r\nContent-Type: multipart/mixed; boundary=\"BB\"\r\n\r\n\
    preamble\r\n--BB\r\nContent-Transfer-Encoding: base64\r\n\r\nYXR0YWNoZWQgZmlsZQ==\r\n--BB--\r\n.\r\n";

fn run(limits: Limits, script: &[(Direction, &[u8])]) -> Replay {
    let mut replay = Replay::new(Box::new(Pop3::default()), limits);
    for (dir, bytes) in script {
        replay.feed(*dir, bytes);
    }
    replay.end();
    assert_eq!(replay.violation, None);
    replay
}

fn session() -> Vec<(Direction, &'static [u8])> {
    vec![
        (ToClient, b"+OK ready\r\n"),
        (ToServer, b"CAPA\r\n"),
        (ToClient, b"+OK\r\nTOP\r\nUIDL\r\n.\r\n"),
        (ToServer, b"USER bob\r\nPASS x\r\n"),
        (ToClient, b"+OK\r\n+OK in\r\n"),
        (ToServer, b"RETR 1\r\n"),
        (ToClient, MAIL),
        (ToServer, b"QUIT\r\n"),
        (ToClient, b"+OK bye\r\n"),
    ]
}

#[test]
fn lists_and_messages_are_told_from_plain_answers() {
    let replay = run(Limits::default(), &session());
    let units: Vec<_> = replay.recorder.pdus.iter().filter(|pdu| pdu.dir == ToClient).collect();
    let raw: Vec<_> = units.iter().map(|pdu| String::from_utf8_lossy(&pdu.raw).into_owned()).collect();
    assert_eq!(raw[..4], ["+OK ready\r\n", "+OK\r\nTOP\r\nUIDL\r\n.\r\n", "+OK\r\n", "+OK in\r\n"]);
    assert!(raw[4].starts_with("+OK 400") && raw[4].ends_with("--BB\r\n"));
    assert!(raw[5].ends_with("--BB--\r\n"));
    assert_eq!(raw[6..], [".\r\n", "+OK bye\r\n"]);
    let files: Vec<_> = units.iter().filter_map(|pdu| pdu.file.clone()).collect();
    assert_eq!(files, [b"preamble".to_vec(), b"attached file".to_vec()]);
    assert!(replay.recorder.events.is_empty());
}

#[test]
fn a_refused_message_is_a_line() {
    let replay =
        run(Limits::default(), &[(ToClient, b"+OK\r\n"), (ToServer, b"RETR 9\r\n"), (ToClient, b"-ERR no\r\n")]);
    assert_eq!(replay.recorder.pdus.last().unwrap().raw, b"-ERR no\r\n");
}

#[test]
fn stls_hands_the_flow_to_tls() {
    let script: &[(Direction, &[u8])] =
        &[(ToClient, b"+OK\r\n"), (ToServer, b"STLS\r\n"), (ToClient, b"+OK go\r\n"), (ToServer, b"\x16\x03\x01")];
    assert_eq!(run(Limits::default(), script).switched, Some(Some(Service::Ssl)));
}

#[test]
fn unknown_lines_are_events() {
    let script: &[(Direction, &[u8])] = &[(ToClient, b"+OK\r\n"), (ToServer, b"BOGUS\r\n"), (ToClient, b"+ \r\n")];
    let events = run(Limits::default(), script).recorder.events;
    assert_eq!(events, [InspectorEvent { gid: 142, sid: 1 }, InspectorEvent { gid: 142, sid: 2 }]);
}

proptest! {
    #[test]
    fn units_do_not_depend_on_how_bytes_were_cut(
        cuts in proptest::collection::vec(1usize..30, 0..20),
        pdu_bytes in 16usize..300,
    ) {
        let limits = Limits { pdu_bytes, ..Limits::default() };
        let whole = run(limits.clone(), &session());
        let mut pieces = Vec::new();
        for (dir, mut bytes) in session() {
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
        fuzz_pop3(&data);
    }

    #[test]
    fn sessions_out_of_order_break_nothing(script in crate::replay::scripts(&[
        "RETR 1\r\n", "LIST\r\n", "STLS\r\n", "USER a\r\n", "+OK\r\n", "+OK 3 octets\r\n", "-ERR\r\n", "+ \r\n", "\r\n", "--b\r\n", "--b--\r\n", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "Content-Transfer-Encoding: base64\r\n\r\n", "aGVsbG8=\r\n", "..x\r\n", ".\r\n", "=2", "0=\r\n",
    ])) {
        fuzz_pop3(&script);
    }
}
