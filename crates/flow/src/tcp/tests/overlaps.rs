//! Overlaps: the measured table through a session, and what decides regardless of the policy.

use super::*;
use crate::overlap::cases::CASES;
use crate::tcp::policy::table::MEASURED;

/// The stream's bytes 5 to 12 for a case; `in_order`: whether bytes 0 to 4 come first or last.
fn rebuilt(policy: OverlapPolicy, case: &crate::overlap::cases::Case, in_order: bool) -> String {
    let mut c = Connection::open(TcpConfig { policy, ..TcpConfig::default() });
    if in_order {
        c.data(ToServer, 0, b"-----");
    }
    let mut fill = [true; 13];
    let queued = case.old.iter().zip([b'A', b'C']).map(|(&range, letter)| (range, letter));
    for ((first, last), letter) in queued.chain([(case.new, b'B')]) {
        fill[first as usize..=last as usize].fill(false);
        c.data(ToServer, first as u32, &vec![letter; (last - first + 1) as usize]);
        c.session.half(ToServer).check_invariants();
    }
    for offset in (5..13).filter(|&offset| fill[offset as usize]) {
        c.data(ToServer, offset, b"z");
    }
    if !in_order {
        c.data(ToServer, 0, b"-----");
    }
    c.session.half(ToServer).check_invariants();
    c.ack(ToClient, 13);
    String::from_utf8(c.take(ToServer)[5..].to_vec()).unwrap()
}

#[test]
fn every_policy_rebuilds_the_ten_cases_as_measured() {
    for (policies, expected) in MEASURED {
        for &policy in policies {
            for (case, expected) in CASES.iter().zip(expected) {
                assert_eq!(rebuilt(policy, case, false), expected, "{policy:?}, case {}", case.name);
            }
        }
    }
}

#[test]
fn data_that_is_in_order_but_not_acknowledged_overlaps_in_the_same_way() {
    for (policies, expected) in MEASURED {
        for &policy in policies {
            for (case, expected) in CASES.iter().zip(expected) {
                assert_eq!(rebuilt(policy, case, true), expected, "{policy:?}, case {}", case.name);
            }
        }
    }
}

#[test]
fn bsd_keeps_queued_data_on_an_equal_start() {
    let mut c = Connection::open(TcpConfig { policy: OverlapPolicy::Bsd, ..TcpConfig::default() });
    c.data(ToServer, 1, b"XGOOD");
    assert_eq!(c.data(ToServer, 1, b"XEVIL").data, DataOutcome::Queued);
    c.data(ToServer, 0, b"A");
    c.ack(ToClient, 6);
    assert_eq!(c.take(ToServer), b"AXGOOD");
    assert_eq!(c.count(Counter::TcpOverlaps), 1);
}

#[test]
fn bsd_takes_a_segment_that_starts_before_and_ends_with_the_queued_one() {
    let mut c = Connection::open(TcpConfig { policy: OverlapPolicy::Bsd, ..TcpConfig::default() });
    c.data(ToServer, 2, b"GOOD");
    c.data(ToServer, 1, b"XEVIL");
    c.data(ToServer, 0, b"A");
    c.ack(ToClient, 6);
    assert_eq!(c.take(ToServer), b"AXEVIL");
}

#[test]
fn overwritten_bytes_carry_the_new_segments_number() {
    let mut c = Connection::open(TcpConfig { policy: OverlapPolicy::Last, ..TcpConfig::default() });
    c.data(ToServer, 0, b"abcdef");
    c.data(ToServer, 2, b"CD");
    c.ack(ToClient, 6);
    let half = c.session.half_mut(ToServer);
    assert_eq!(half.ready(), b"abCDef");
    assert_eq!(half.segment_ends().collect::<Vec<_>>(), [2, 4, 6]);
    let packets = [4, 5, 4].map(|packet| {
        assert_eq!(half.first_meta().unwrap().packet, packet);
        half.consume(2);
        packet
    });
    assert_eq!(packets, [4, 5, 4]);
}

#[test]
fn overlaps_above_the_limit_raise_an_event() {
    let mut c = Connection::open(TcpConfig { overlap_limit: 1, ..TcpConfig::default() });
    for byte in [b"a", b"b", b"c"] {
        c.data(ToServer, 3, byte);
    }
    assert_eq!(c.events, [7]);
}

#[test]
fn a_probe_of_a_closed_window_yields_to_the_data_that_is_sent_later() {
    let mut c = Connection::open(TcpConfig::default());
    let mut closed = header(Tcp::ACK, c.seq(ToClient, 0), c.seq(ToServer, 0));
    closed.window = 0;
    c.send(ToClient, closed, b"");
    // The handshake offered 65,535 bytes before that.
    c.data(ToServer, 0, &vec![b'.'; 65_535]);
    closed.ack = c.seq(ToServer, 65_535);
    c.send(ToClient, closed, b"");
    c.take(ToServer);
    c.data(ToServer, 65_535, b"?");
    assert_eq!(c.count(Counter::TcpBeyondWindow), 1);
    assert_eq!(c.events, [0u32; 0]);
    c.ack(ToClient, 65_535);
    assert_eq!(c.data(ToServer, 65_535, b"real").data, DataOutcome::Queued);
    c.ack(ToClient, 65_539);
    assert_eq!(c.take(ToServer), b"real");
}

#[test]
fn a_probe_that_was_taken_stays() {
    let mut c = Connection::open(TcpConfig::default());
    c.data(ToServer, 0, &vec![b'.'; 65_535]);
    c.data(ToServer, 65_535, b"?");
    c.ack(ToClient, 65_536);
    c.data(ToServer, 65_535, b"!x");
    c.ack(ToClient, 65_537);
    assert_eq!(c.take(ToServer)[65_535..], *b"?x");
}
