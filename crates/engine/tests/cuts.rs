//! What stands across the cut between two pieces of a body is found, once, and nothing else is.
//!
//! Profile `tapir`. Bodies are longer than a PDU (16 KiB), so that they are inspected in pieces.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Enable, EngineConfig, Rules, Worker};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Segment, Side};

const RULES: &str = r#"
alert http ( msg:"file"; flow:to_client; file_data; content:"MARK-OF-EVIL"; sid:1; )
alert http ( msg:"two"; flow:to_client; file_data; content:"first-half"; content:"second-half",distance 0,within 40; sid:2; )
alert http ( msg:"by header"; flow:to_client; http_header; content:"X-Kind: odd"; file_data; content:"MARK-OF-EVIL"; sid:3; )
alert http ( msg:"at its start"; flow:to_client; file_data; content:"MARK-OF-EVIL",depth 600; sid:4; )
alert http ( msg:"unless safe"; flow:to_client; file_data; content:"MARK-OF-EVIL"; content:!"harmless"; sid:5; )
alert http ( msg:"jump"; flow:to_client; file_data; content:"JUMP",fast_pattern; byte_jump:4,0,relative,big; content:"LANDED",within 8; sid:7; )
alert http ( msg:"window"; flow:to_client; file_data; content:"OPEN-UP",fast_pattern; content:"CLOSE-IT",within 5000; sid:8; )
alert http ( msg:"posted"; flow:to_server; http_client_body; content:"MARK-OF-EVIL"; sid:6; )
"#;
const PIECE: usize = 16_384;

fn rules() -> Arc<Rules> {
    let loaded = tapir_rules::load_str("test.rules", RULES, &tapir_rules::Config::default());
    let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
    assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
    Arc::new(rules)
}

/// Sids in the order of the alerts, of a message with this body.
fn alerts(side: Side, head: &str, body: &[u8], rules: &Arc<Rules>) -> Vec<u32> {
    let mut built = Conversation::open((Ipv4Addr::new(10, 1, 1, 1), 40_000), (Ipv4Addr::new(10, 2, 2, 2), 80));
    let mut send = |side, data: &[u8]| {
        for part in data.chunks(1400) {
            built.segment(&Segment { side, data: part, at: None, acknowledged: true, flags: 0 });
        }
    };
    match side {
        Side::Client => send(Side::Client, &[head.as_bytes(), body].concat()),
        Side::Server => {
            send(Side::Client, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            send(Side::Server, &[head.as_bytes(), body].concat());
        }
    }
    built.close();
    let mut found = Vec::new();
    let mut sink = |event: SecurityEvent| found.push(event.rule.sid);
    let mut worker = Worker::new(EngineConfig::default(), Arc::clone(rules), "test".into());
    for (index, data) in built.frames().iter().enumerate() {
        let frame = Frame {
            data,
            timestamp: Timestamp::from_secs_nanos(1_700_000_000, index as u32 * 1_000),
            link: LinkType::ETHERNET,
            original_len: data.len() as u32,
            meta: FrameMeta::default(),
        };
        worker.process(&frame, index as u64 + 1, 0, &mut sink);
    }
    worker.finish(&mut sink);
    found
}

fn body(len: usize, marks: &[(usize, &[u8])]) -> Vec<u8> {
    let mut body: Vec<u8> = (0..len).map(|at| b'a' + (at % 23) as u8).collect();
    for (at, mark) in marks {
        body[*at..*at + mark.len()].copy_from_slice(mark);
    }
    body
}

fn response(body: &[u8], header: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{header}Content-Length: {}\r\n\r\n", body.len())
}

const MARK: &[u8] = b"MARK-OF-EVIL";

/// Rule 5 needs all the bytes to tell that something is missing: it is not judged by what stands around a cut.
fn expected(from_cut: i32) -> Vec<u32> {
    let across = (1 - MARK.len() as i32..0).contains(&from_cut);
    if across { vec![1] } else { vec![1, 5] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_pattern_is_found_once_wherever_it_stands(near in -40_i32..40, cut in 1_usize..3) {
        let at = (cut * PIECE).checked_add_signed(near as isize).expect("inside");
        let body = body(3 * PIECE + 77, &[(at, MARK)]);
        prop_assert_eq!(alerts(Side::Server, &response(&body, ""), &body, &rules()), expected(near));
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
        prop_assert_eq!(alerts(Side::Client, &head, &body, &rules()), vec![6]);
    }

    #[test]
    fn chunks_may_be_cut_anywhere(near in -30_i32..30, chunk in 900_usize..9000) {
        let at = PIECE.checked_add_signed(near as isize).expect("inside");
        let body = body(2 * PIECE, &[(at, MARK)]);
        let mut chunked = Vec::new();
        for part in body.chunks(chunk) {
            chunked.extend(format!("{:x}\r\n", part.len()).into_bytes());
            chunked.extend_from_slice(part);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        prop_assert_eq!(alerts(Side::Server, head, &chunked, &rules()), expected(near));
    }
}

#[test]
fn parts_of_a_rule_may_stand_on_both_sides() {
    let body = body(2 * PIECE, &[(PIECE - 15, b"first-half"), (PIECE + 12, b"second-half")]);
    assert_eq!(alerts(Side::Server, &response(&body, ""), &body, &rules()), [2]);
}

#[test]
fn a_rule_that_began_in_the_header_goes_on() {
    let body = body(2 * PIECE, &[(PIECE - 5, MARK)]);
    assert_eq!(alerts(Side::Server, &response(&body, "X-Kind: odd\r\n"), &body, &rules()), [1, 3]);
}

#[test]
fn a_jump_or_a_window_beyond_the_piece_goes_on_in_the_next_ones() {
    let far = (3 * PIECE + 100 - 5008) as u32;
    let jump = [b"JUMP".as_slice(), &far.to_be_bytes()].concat();
    let marks: &[(usize, &[u8])] = &[(5000, &jump), (3 * PIECE + 102, b"LANDED")];
    let body_with = |marks: &[(usize, &[u8])]| body(4 * PIECE, marks);
    let landed = body_with(marks);
    assert_eq!(alerts(Side::Server, &response(&landed, ""), &landed, &rules()), [7]);
    let missed = body_with(&[(5000, &jump), (3 * PIECE + 103, b"LANDED")]);
    assert_eq!(alerts(Side::Server, &response(&missed, ""), &missed, &rules()), [0_u32; 0]);
    let inside = body_with(&[(PIECE - 2000, b"OPEN-UP"), (PIECE + 2900, b"CLOSE-IT")]);
    assert_eq!(alerts(Side::Server, &response(&inside, ""), &inside, &rules()), [8]);
    let outside = body_with(&[(PIECE - 2000, b"OPEN-UP"), (PIECE + 3100, b"CLOSE-IT")]);
    assert_eq!(alerts(Side::Server, &response(&outside, ""), &outside, &rules()), [0_u32; 0]);
}

#[test]
fn each_piece_raises_for_itself() {
    let body = body(3 * PIECE, &[(5000, MARK), (PIECE + 5000, MARK)]);
    assert_eq!(alerts(Side::Server, &response(&body, ""), &body, &rules()), [1, 5, 1, 5]);
}

#[test]
fn what_is_missing_or_must_stand_at_the_start_is_not_judged_by_a_part() {
    let body = body(2 * PIECE, &[(PIECE - 5, MARK), (3000, b"harmless"), (PIECE + 3000, b"harmless")]);
    let found = alerts(Side::Server, &response(&body, ""), &body, &rules());
    assert_eq!(found, [1], "neither 4 (600 bytes from the start) nor 5 (harmless)");
}
