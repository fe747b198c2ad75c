//! Sessions of SMTP.

use super::*;
use crate::Limits;
use crate::replay::{Recorded, Replay};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

const MAIL: &[u8] = b"From: a@example.test\r\nSubject: unit mail\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed;\r\n boundary=\"BB\"\r\n\r\n--BB\r\nContent-Type: text/plain\r\n\r\n\
    plain text part\r\n--BB\r\nContent-Type: application/octet-stream; name=\"x.bin\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nYXR0YWNoZWQgZmlsZSBtYXJr\r\nZXItYjY0\r\n\
    --BB\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    quoted=20marker-=\r\nqp=21\r\n--BB--\r\n.\r\n";

fn run(limits: Limits, script: &[(Direction, &[u8])]) -> Replay {
    let mut replay = Replay::new(Box::new(Smtp::default()), limits);
    for (dir, bytes) in script {
        replay.feed(*dir, bytes);
    }
    replay.end();
    assert_eq!(replay.violation, None);
    replay
}

fn session(mail: &[u8]) -> Vec<(Direction, &[u8])> {
    vec![
        (ToClient, b"220 mail ESMTP\r\n"),
        (ToServer, b"EHLO a\r\n"),
        (ToClient, b"250-mail\r\n250 SIZE 1\r\n"),
        (ToServer, b"MAIL FROM:<a@b>\r\n"),
        (ToClient, b"250 ok\r\n"),
        (ToServer, b"RCPT TO:<c@d>\r\n"),
        (ToClient, b"250 ok\r\n"),
        (ToServer, b"DATA\r\n"),
        (ToClient, b"354 go\r\n"),
        (ToServer, mail),
        (ToClient, b"250 queued\r\n"),
        (ToServer, b"QUIT\r\n"),
        (ToClient, b"221 bye\r\n"),
    ]
}

fn files(replay: &Replay) -> Vec<String> {
    let texts = replay.recorder.pdus.iter().filter_map(|pdu| pdu.file.as_deref());
    texts.map(|file| String::from_utf8_lossy(file).into_owned()).collect()
}

fn stream(pdus: &[Recorded], dir: Direction) -> Vec<u8> {
    pdus.iter().filter(|pdu| pdu.dir == dir).flat_map(|pdu| pdu.raw.iter().copied()).collect()
}

#[test]
fn commands_replies_and_parts_are_units_of_their_own() {
    let replay = run(Limits::default(), &session(MAIL));
    let pdus = &replay.recorder.pdus;
    assert_eq!(pdus.iter().filter(|pdu| pdu.raw == b"250-mail\r\n250 SIZE 1\r\n").count(), 1);
    assert_eq!(files(&replay), ["plain text part", "attached file marker-b64", "quoted marker-qp!"]);
    let attachment = pdus.iter().find(|pdu| pdu.file.as_deref() == Some(b"attached file marker-b64")).unwrap();
    assert!(attachment.raw.starts_with(b"Content-Type: application/octet-stream"));
    assert!(attachment.raw.ends_with(b"\r\n--BB\r\n"));
    assert!(pdus.iter().any(|pdu| pdu.raw == b"QUIT\r\n"));
    assert!(replay.recorder.events.is_empty());
}

#[test]
fn a_depth_cuts_each_attachment() {
    let limits = Limits { mime_depth: Some(8), ..Limits::default() };
    let replay = run(limits, &session(MAIL));
    assert_eq!(files(&replay), ["plain te", "attached", "quoted m"]);
    assert_eq!(replay.recorder.pdus.len(), run(Limits::default(), &session(MAIL)).recorder.pdus.len());
}

#[test]
fn a_message_without_mime_headers_is_one_unit_with_its_text_as_file() {
    let replay = run(Limits::default(), &session(b"Subject: x\r\n\r\nhello\r\n..dot\r\n.\r\n"));
    assert_eq!(files(&replay), ["hello\r\n.dot\r\n"]);
}

#[test]
fn lines_before_any_header_are_body() {
    let replay = run(Limits::default(), &session(b"\nCroot\nMprog\r\n.\r\n"));
    assert!(replay.recorder.pdus.iter().any(|pdu| pdu.raw == b"\nCroot\nMprog\r\n.\r\n"));
}

#[test]
fn long_attachments_come_in_pieces_that_know_their_place() {
    let mut mail = b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec();
    for _ in 0..100 {
        mail.extend_from_slice(b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\r\n");
    }
    mail.extend_from_slice(b".\r\n");
    let replay = run(Limits { pdu_bytes: 1000, ..Limits::default() }, &session(&mail));
    let pieces: Vec<_> = replay.recorder.pdus.iter().filter(|pdu| pdu.file.is_some()).collect();
    assert!(pieces.len() > 3);
    let mut position = 0;
    for (index, piece) in pieces.iter().enumerate() {
        assert!(piece.raw.len() <= 1000);
        assert_eq!((piece.position, piece.starts_message), (position, index == 0));
        position += piece.file.as_ref().unwrap().len() as u64;
    }
    assert_eq!(position, 3300);
}

#[test]
fn after_a_rejected_data_command_lines_are_commands() {
    let script: &[(Direction, &[u8])] = &[
        (ToClient, b"220 x SMTP\r\n"),
        (ToServer, b"DATA\r\n"),
        (ToClient, b"503 no\r\n"),
        (ToServer, b"Hello, Alice\r\n.\r\n"),
    ];
    let replay = run(Limits::default(), script);
    assert_eq!(replay.recorder.events, [InspectorEvent { gid: 124, sid: 5 }; 2]);
    assert!(replay.recorder.pdus.iter().any(|pdu| pdu.raw == b".\r\n"));
}

#[test]
fn chunks_are_joined_to_one_message() {
    let script: &[(Direction, &[u8])] = &[
        (ToClient, b"220 x SMTP\r\n"),
        (ToServer, b"BDAT 36\r\nContent-Transfer-Encoding: base64\r\n\r"),
        (ToServer, b"BDAT 7\r\n\naGVsbG"),
        (ToServer, b"BDAT 4 LAST\r\n8=\r\nQUIT\r\n"),
    ];
    let replay = run(Limits::default(), script);
    // 36 bytes end behind the CR of the blank line.
    assert_eq!(files(&replay).concat(), "hello");
    assert_eq!(replay.recorder.pdus.last().unwrap().raw, b"QUIT\r\n");
}

#[test]
fn starttls_hands_the_flow_to_tls() {
    let script: &[(Direction, &[u8])] = &[
        (ToClient, b"220 x SMTP\r\n"),
        (ToServer, b"EHLO a\r\n"),
        (ToClient, b"250 STARTTLS\r\n"),
        (ToServer, b"STARTTLS\r\n"),
        (ToClient, b"220 go\r\n"),
        (ToServer, b"\x16\x03\x01\x00\x05hello"),
    ];
    assert_eq!(run(Limits::default(), script).switched, Some(Some(Service::Ssl)));
}

#[test]
fn plain_text_behind_starttls_is_an_event() {
    let script: &[(Direction, &[u8])] = &[
        (ToClient, b"220 x SMTP\r\n"),
        (ToServer, b"STARTTLS\r\nRSET\r\nNOOP\r\n"),
        (ToClient, b"220 go\r\n"),
        (ToServer, b"\x16\x03"),
    ];
    let replay = run(Limits::default(), script);
    assert_eq!(replay.recorder.events, [InspectorEvent { gid: 124, sid: 17 }]);
    assert_eq!(replay.switched, Some(Some(Service::Ssl)));
}

#[test]
fn credentials_are_no_unknown_commands() {
    let script: &[(Direction, &[u8])] = &[
        (ToClient, b"220 x SMTP\r\n"),
        (ToServer, b"AUTH LOGIN\r\n"),
        (ToClient, b"334 VXNlcm5hbWU6\r\n"),
        (ToServer, b"Z2FsdW50\r\n"),
        (ToClient, b"334 UGFzc3dvcmQ6\r\n"),
        (ToServer, b"VjF2MXRyMG4=\r\n"),
        (ToClient, b"235 ok\r\n"),
        (ToServer, b"BOGUS\r\n"),
    ];
    assert_eq!(run(Limits::default(), script).recorder.events, [InspectorEvent { gid: 124, sid: 5 }]);
}

#[test]
fn what_has_no_line_end_is_inspected_at_the_end() {
    let mut script = session(b"Subject: x\r\n\r\n.\r\n");
    script.truncate(10);
    script.push((ToServer, b"=0D=0AClipboard"));
    let replay = run(Limits::default(), &script);
    assert_eq!(replay.recorder.pdus.last().unwrap().raw, b"=0D=0AClipboard");
}

proptest! {
    #[test]
    fn units_do_not_depend_on_how_bytes_were_cut(
        cuts in proptest::collection::vec(1usize..60, 0..40),
        pdu_bytes in 16usize..400,
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut mail = MAIL.to_vec();
        mail.extend_from_slice(b"NOOP\r\n");
        mail.extend_from_slice(&garbage);
        let limits = Limits { pdu_bytes, ..Limits::default() };
        let whole = run(limits.clone(), &session(&mail));
        let mut pieces = Vec::new();
        for (dir, mut bytes) in session(&mail) {
            for cut in &cuts {
                let (head, tail) = bytes.split_at((*cut).min(bytes.len()));
                pieces.push((dir, head));
                bytes = tail;
            }
            pieces.push((dir, bytes));
        }
        let cut = run(limits, &pieces);
        prop_assert_eq!(&whole.recorder.pdus, &cut.recorder.pdus);
        prop_assert_eq!(&whole.recorder.events, &cut.recorder.events);
        let sent: Vec<u8> = session(&mail).iter().filter(|(dir, _)| *dir == ToServer).flat_map(|(_, b)| b.to_vec()).collect();
        prop_assert_eq!(stream(&cut.recorder.pdus, ToServer), sent);
    }

    #[test]
    fn hostile_bytes_break_nothing(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
        fuzz_smtp(&data);
    }

    #[test]
    fn sessions_out_of_order_break_nothing(script in crate::replay::scripts(&[
        "EHLO a\r\n", "DATA\r\n", "BDAT 9\r\n", "BDAT 30 LAST\r\n", "BDAT 0 LAST\r\n", "STARTTLS\r\n", "AUTH LOGIN\r\n", "220 x\r\n", "250-a\r\n", "250 a\r\n", "354 go\r\n", "503 no\r\n", "RSET\r\n", "\r\n", "--b\r\n", "--b--\r\n", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "Content-Transfer-Encoding: base64\r\n\r\n", "aGVsbG8=\r\n", "..x\r\n", ".\r\n", "=2", "0=\r\n",
    ])) {
        fuzz_smtp(&script);
    }
}
