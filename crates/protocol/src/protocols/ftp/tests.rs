//! Sessions of FTP.

use super::*;
use crate::Limits;
use crate::replay::{CLIENT, Replay, SERVER};
use Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn run(limits: Limits, script: &[(Direction, &[u8])]) -> Replay {
    let mut replay = Replay::new(Box::new(Ftp::default()), limits);
    for (dir, bytes) in script {
        replay.feed(*dir, bytes);
    }
    replay.end();
    assert_eq!(replay.violation, None);
    replay
}

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"220-welcome\r\nto this\r\n220 ftp ready\r\n"),
    (ToServer, b"USER anonymous\r\nPA\xff\xf1SS x\r\n"),
    (ToClient, b"331 password\r\n230 in\r\n"),
    (ToServer, b"PORT 10,1,1,2,200,10\r\n"),
    (ToClient, b"200 ok\r\n"),
    (ToServer, b"PASV\r\n"),
    (ToClient, b"227 Entering Passive Mode (10,2,2,3,195,80)\r\n"),
    (ToServer, b"EPSV\r\n"),
    (ToClient, b"229 Extended (|||6446|)\r\n"),
    (ToServer, b"CWD ~root"),
];

#[test]
fn commands_and_replies_are_units_and_telnet_is_gone_from_the_payload() {
    let replay = run(Limits::default(), SESSION);
    let pdus = &replay.recorder.pdus;
    assert_eq!(pdus[0].raw, b"220-welcome\r\nto this\r\n220 ftp ready\r\n");
    assert_eq!((&pdus[2].raw[..], &pdus[2].payload[..]), (&b"PA\xff\xf1SS x\r\n"[..], &b"PASS x\r\n"[..]));
    assert_eq!(pdus.iter().rfind(|pdu| pdu.dir == ToServer).unwrap().raw, b"CWD ~root");
    assert_eq!(replay.recorder.events, [InspectorEvent { gid: 125, sid: 1 }]);
}

#[test]
fn data_channels_are_announced() {
    let found: Vec<_> = run(Limits::default(), SESSION)
        .recorder
        .expectations
        .iter()
        .map(|e| (e.server, e.client, e.listener_is_client))
        .collect();
    assert_eq!(
        found,
        [
            ((CLIENT.0, 51_210), SERVER.0, true),
            ((SERVER.0, 50_000), CLIENT.0, false),
            ((SERVER.0, 6446), CLIENT.0, false),
        ]
    );
}

#[test]
fn a_passive_address_behind_translation_is_expected_at_the_server_too() {
    let expectations = run(Limits::default(), &[(ToClient, b"227 x (172,16,0,1,4,1)\r\n")]).recorder.expectations;
    assert_eq!(expectations.iter().map(|e| e.server.1).collect::<Vec<_>>(), [1025, 1025]);
    assert_eq!(expectations[1].server.0, SERVER.0);
}

#[test]
fn a_port_command_for_somebody_else_is_a_bounce() {
    let replay = run(Limits::default(), &[(ToServer, b"PORT 10,9,9,9,0,22\r\n")]);
    assert_eq!(replay.recorder.events, [InspectorEvent { gid: 125, sid: 8 }]);
}

#[test]
fn auth_tls_hands_the_flow_over_only_if_accepted() {
    let refused: &[(Direction, &[u8])] =
        &[(ToServer, b"AUTH TLS\r\n"), (ToClient, b"530 no\r\n"), (ToServer, b"USER a\r\n")];
    assert_eq!(run(Limits::default(), refused).switched, None);
    let accepted: &[(Direction, &[u8])] =
        &[(ToServer, b"AUTH TLS\r\n"), (ToClient, b"234 go\r\n"), (ToServer, b"\x16\x03\x01")];
    assert_eq!(run(Limits::default(), accepted).switched, Some(Some(Service::Ssl)));
}

proptest! {
    #[test]
    fn units_do_not_depend_on_how_bytes_were_cut(
        cuts in proptest::collection::vec(1usize..12, 0..20),
        pdu_bytes in 8usize..100,
    ) {
        let limits = Limits { pdu_bytes, ..Limits::default() };
        let whole = run(limits.clone(), SESSION);
        let mut pieces = Vec::new();
        for &(dir, mut bytes) in SESSION {
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
        fuzz_ftp(&data);
    }
}
