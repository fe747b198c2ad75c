//! Tests of sessions as the engine uses them.

mod allocation;
mod ends;
mod model;
mod overlaps;
mod start;
mod window;

use super::testing::{Connection, Tcp, header};
use super::*;
use crate::Direction::{ToClient, ToServer};
use tapir_telemetry::Counter;

fn open() -> Connection {
    Connection::open(TcpConfig::default())
}

#[test]
fn data_is_ready_once_the_receiver_acknowledged_it() {
    let mut c = open();
    let outcome = c.data(ToServer, 0, b"GET /");
    assert_eq!(outcome.data, DataOutcome::Queued);
    assert_eq!(outcome.progressed, [false, false]);
    assert_eq!(c.ready(ToServer), b"");
    assert_eq!(c.ack(ToClient, 3).progressed, [true, false]);
    assert_eq!(c.ready(ToServer), b"GET");
    c.ack(ToClient, 5);
    assert_eq!(c.ready(ToServer), b"GET /");
    assert_eq!(c.ack(ToClient, 5).progressed, [false, false]);
    c.session.half_mut(ToServer).consume(4);
    assert_eq!(c.ready(ToServer), b"/");
    assert_eq!(c.session.half(ToServer).stream_offset(), 4);
}

#[test]
fn the_other_sides_data_acknowledges_too() {
    let mut c = open();
    c.data(ToServer, 0, b"ping");
    let reply = header(Tcp::ACK | Tcp::PSH, c.seq(ToClient, 0), c.seq(ToServer, 4));
    assert_eq!(c.send(ToClient, reply, b"pong").progressed, [true, false]);
    assert_eq!(c.ready(ToServer), b"ping");
    assert_eq!(c.ready(ToClient), b"");
    assert_eq!(c.session.bytes_by_sequence(), [4, 4]);
}

#[test]
fn segments_out_of_order_are_put_in_order() {
    let mut c = open();
    c.data(ToServer, 4, b"EF");
    c.data(ToServer, 2, b"CD");
    c.data(ToServer, 0, b"AB");
    c.ack(ToClient, 6);
    assert_eq!(c.ready(ToServer), b"ABCDEF");
    assert_eq!(c.session.half(ToServer).segment_ends().collect::<Vec<_>>(), [2, 4, 6]);
    assert_eq!(c.count(Counter::TcpOutOfOrder), 2);
}

#[test]
fn with_no_ack_data_is_ready_on_arrival() {
    let mut c = Connection::open(TcpConfig { no_ack: true, ..TcpConfig::default() });
    assert_eq!(c.data(ToServer, 0, b"abc").progressed, [true, false]);
    assert_eq!(c.ready(ToServer), b"abc");
    assert_eq!(c.data(ToServer, 5, b"fg").progressed, [false, false]);
    c.data(ToServer, 3, b"de");
    assert_eq!(c.ready(ToServer), b"abcdefg");
}

#[test]
fn the_first_ready_byte_tells_its_segment() {
    let mut c = open();
    assert_eq!(c.session.half(ToServer).first_meta(), None);
    c.now = Timestamp(77);
    c.data(ToServer, 0, b"abc");
    c.now = Timestamp(88);
    c.data(ToServer, 3, b"def");
    assert_eq!(c.session.half(ToServer).first_meta(), None);
    c.ack(ToClient, 5);
    let half = c.session.half_mut(ToServer);
    assert_eq!(half.first_meta(), Some(SegmentMeta { packet: 4, time: Timestamp(77) }));
    assert_eq!(half.segment_ends().collect::<Vec<_>>(), [3]);
    half.consume(4);
    assert_eq!(half.first_meta(), Some(SegmentMeta { packet: 5, time: Timestamp(88) }));
    assert_eq!(half.segment_ends().count(), 0);
}

#[test]
fn a_repeated_segment_is_a_retransmission_before_and_after_it_is_consumed() {
    let mut c = open();
    c.data(ToServer, 0, b"ABCD");
    assert_eq!(c.data(ToServer, 0, b"ABCD").data, DataOutcome::Retransmission);
    assert_eq!(c.data(ToServer, 1, b"BC").data, DataOutcome::Retransmission);
    c.ack(ToClient, 4);
    assert_eq!(c.data(ToServer, 0, b"ABCD").data, DataOutcome::Retransmission);
    assert_eq!(c.take(ToServer), b"ABCD");
    assert_eq!(c.data(ToServer, 0, b"ABCD").data, DataOutcome::Retransmission);
    assert_eq!(c.count(Counter::TcpRetransmissions), 4);
    assert_eq!(c.count(Counter::TcpOverlaps), 0);
}

#[test]
fn a_retransmission_with_more_behind_it_adds_the_rest() {
    let mut c = open();
    c.data(ToServer, 0, b"ABCD");
    c.ack(ToClient, 4);
    c.take(ToServer);
    assert_eq!(c.data(ToServer, 0, b"ABCDEF").data, DataOutcome::Queued);
    c.ack(ToClient, 6);
    assert_eq!(c.take(ToServer), b"EF");
}

#[test]
fn acknowledged_bytes_never_change() {
    let mut c = Connection::open(TcpConfig { policy: OverlapPolicy::Last, ..TcpConfig::default() });
    c.data(ToServer, 0, b"GOOD");
    c.ack(ToClient, 4);
    let outcome = c.data(ToServer, 0, b"EVIL");
    assert_eq!(outcome.data, DataOutcome::Ignored(IgnoredData::AlreadyDelivered));
    assert_eq!(c.take(ToServer), b"GOOD");
    assert_eq!(c.count(Counter::TcpOverlapsDelivered), 1);
}

#[test]
fn an_acknowledged_hole_with_data_behind_it_is_a_gap() {
    let mut c = open();
    c.data(ToServer, 0, b"abc");
    c.data(ToServer, 10, b"xyz");
    assert_eq!(c.session.half(ToServer).gap(), None);
    c.ack(ToClient, 13);
    assert_eq!(c.ready(ToServer), b"abc");
    let half = c.session.half_mut(ToServer);
    assert_eq!(half.gap(), Some(7));
    half.skip_gap();
    assert_eq!(half.ready(), b"abc", "bytes before the hole come first");
    half.consume(3);
    half.skip_gap();
    assert_eq!(half.ready(), b"xyz");
    assert_eq!((half.gap(), half.stream_offset()), (None, 10));
    c.session.report(&mut c.counters);
    assert_eq!((c.count(Counter::TcpGaps), c.count(Counter::TcpGapBytes)), (1, 7));
    c.ack(ToClient, 13);
    assert_eq!(c.count(Counter::TcpGaps), 1);
}

#[test]
fn a_hole_may_still_be_filled_after_its_acknowledgement() {
    let mut c = open();
    c.ack(ToClient, 6);
    assert_eq!(c.session.half(ToServer).gap(), None);
    assert_eq!(c.data(ToServer, 0, b"abc").progressed, [true, false]);
    assert_eq!(c.data(ToServer, 3, b"def").progressed, [true, false]);
    assert_eq!(c.take(ToServer), b"abcdef");
}

#[test]
fn an_unacknowledged_hole_is_waited_for() {
    let mut c = open();
    c.data(ToServer, 4, b"efgh");
    c.ack(ToClient, 0);
    assert_eq!((c.session.half(ToServer).gap(), c.ready(ToServer)), (None, &b""[..]));
    assert_eq!(c.session.half(ToServer).queued_bytes(), 4);
}

#[test]
fn a_discarded_direction_keeps_counting_but_no_bytes() {
    let mut c = open();
    c.data(ToServer, 0, b"hello");
    c.data(ToServer, 9, b"x");
    c.session.half_mut(ToServer).set_discard(true);
    assert_eq!(c.session.half(ToServer).queued_bytes(), 0);
    c.data(ToServer, 10, &[7; 5000]);
    assert_eq!(c.data(ToServer, 10, &[7; 5000]).data, DataOutcome::Retransmission);
    c.ack(ToClient, 5010);
    assert_eq!(c.ready(ToServer), b"");
    assert_eq!(c.session.bytes_by_sequence(), [5010, 0]);
    assert_eq!(c.session.half(ToServer).footprint(), 0);
    c.session.half_mut(ToServer).set_discard(false);
    c.data(ToServer, 5010, b"again");
    c.ack(ToClient, 5015);
    assert_eq!(c.take(ToServer), b"again");
}

#[test]
fn a_discarded_direction_ends_where_its_fin_says_even_if_the_acknowledgement_came_first() {
    let mut c = open();
    c.session.half_mut(ToServer).set_discard(true);
    c.ack(ToClient, 4);
    let fin = header(Tcp::FIN | Tcp::ACK, c.seq(ToServer, 0), c.seq(ToClient, 0));
    assert_eq!(c.send(ToServer, fin, b"abc").ended, [Some(FlowEnd::Fin), None]);
    c.session.half(ToServer).check_invariants();
    assert_eq!(c.session.bytes_by_sequence(), [3, 0]);
}

#[test]
fn urgent_data_stays_in_line() {
    let mut c = open();
    let mut tcp = header(Tcp::ACK | Tcp::URG, c.seq(ToServer, 0), c.seq(ToClient, 0));
    tcp.urgent = 2;
    c.send(ToServer, tcp, b"abc");
    c.ack(ToClient, 3);
    assert_eq!(c.take(ToServer), b"abc");
    assert_eq!(c.count(Counter::TcpUrgent), 1);
}

#[test]
fn a_long_stream_wraps_its_sequence_numbers() {
    let mut c = Connection::open(TcpConfig::default());
    let chunk = vec![b'x'; 60_000];
    let half = |c: &Connection| c.session.half(ToServer).stream_offset();
    // Beyond 2^32 bytes, most of them as acknowledged holes that were not captured.
    let mut offset: u64 = 0;
    while offset < (1 << 32) + 200_000 {
        let tcp = header(Tcp::ACK, c.isn[0].wrapping_add(1).wrapping_add(offset as u32), c.seq(ToClient, 0));
        assert_eq!(c.send(ToServer, tcp, &chunk).data, DataOutcome::Queued);
        offset += 60_000;
        let ack = c.isn[0].wrapping_add(1).wrapping_add(offset as u32);
        let tcp = header(Tcp::ACK, c.seq(ToClient, 0), ack);
        c.send(ToClient, tcp, b"");
        c.session.half_mut(ToServer).skip_gap();
        assert_eq!(c.take(ToServer).len(), 60_000);
        assert_eq!(half(&c), offset);
        // The next segments are missing.
        offset += 500_000_000;
        let tcp = header(Tcp::ACK, c.seq(ToClient, 0), c.isn[0].wrapping_add(1).wrapping_add(offset as u32));
        c.send(ToClient, tcp, b"");
        let tcp = header(Tcp::ACK, c.isn[0].wrapping_add(1).wrapping_add(offset as u32), c.seq(ToClient, 0));
        c.send(ToServer, tcp, b"!");
        offset += 1;
        let tcp = header(Tcp::ACK, c.seq(ToClient, 0), c.isn[0].wrapping_add(1).wrapping_add(offset as u32));
        c.send(ToClient, tcp, b"");
        let taken = c.take(ToServer);
        assert_eq!(taken.last(), Some(&b'!'));
    }
    assert_eq!(c.session.bytes_by_sequence()[0], offset);
}

#[test]
fn a_full_queue_drops_what_lies_ahead_and_says_so() {
    let config = TcpConfig { max_queued_bytes: 10, ..TcpConfig::default() };
    let mut c = Connection::open(config);
    c.data(ToServer, 5, b"fghij");
    let outcome = c.data(ToServer, 20, b"uvwxyz");
    assert_eq!(outcome.data, DataOutcome::Ignored(IgnoredData::QueueFull));
    assert_eq!(c.events, [21]);
    assert_eq!((c.count(Counter::TcpQueueFull), c.count(Counter::TcpQueueFullBytes)), (1, 6));
    // In-order data pushes out what is furthest ahead.
    assert_eq!(c.data(ToServer, 0, b"abcde").data, DataOutcome::Queued);
    c.ack(ToClient, 10);
    assert_eq!(c.take(ToServer), b"abcdefghij");
    c.data(ToServer, 12, b"mnopqrs");
    assert_eq!(c.data(ToServer, 10, b"klKLKL").data, DataOutcome::Queued);
    assert!(c.session.half(ToServer).queued_bytes() <= 10);
}

#[test]
fn too_many_segments_out_of_order_are_dropped_with_an_event() {
    let mut c = Connection::open(TcpConfig { max_queued_segments: 3, ..TcpConfig::default() });
    for n in 1..5 {
        c.data(ToServer, n * 2, b"x");
    }
    assert_eq!(c.events, [22]);
    assert_eq!(c.session.half(ToServer).queued_bytes(), 3);
}

#[test]
fn too_many_waiting_segments_in_order_lose_their_boundaries_only() {
    let mut c = Connection::open(TcpConfig { max_queued_segments: 3, ..TcpConfig::default() });
    for n in 0..6 {
        assert_eq!(c.data(ToServer, n, b"x").data, DataOutcome::Queued);
    }
    c.ack(ToClient, 6);
    assert_eq!(c.session.half(ToServer).segment_ends().collect::<Vec<_>>(), [1, 2, 6]);
    assert_eq!(c.count(Counter::TcpBoundariesMerged), 3);
}

#[test]
fn a_one_sided_stream_is_read_when_enough_is_queued() {
    let mut c = Connection::midstream(TcpConfig { one_sided_flush_bytes: 100, ..TcpConfig::default() });
    assert_eq!(c.data(ToServer, 0, &[b'a'; 60]).progressed, [false; 2]);
    assert!(c.session.one_sided());
    assert_eq!(c.data(ToServer, 60, &[b'b'; 60]).progressed, [true, false]);
    assert_eq!(c.take(ToServer).len(), 120);
    assert!(!c.session.established());
    // A hole that stays is stepped over.
    c.data(ToServer, 130, &[b'c'; 60]);
    assert_eq!(c.data(ToServer, 190, &[b'd'; 60]).progressed, [true, false]);
    assert_eq!(c.session.half(ToServer).gap(), Some(10));
    assert_eq!(c.take(ToServer).len(), 130);
    assert_eq!(c.count(Counter::TcpAssumedAcknowledged), 2);
    assert_eq!(c.count(Counter::TcpMidstream), 1);
}

#[test]
fn at_the_end_of_a_one_sided_flow_queued_data_can_be_taken() {
    let mut c = Connection::midstream(TcpConfig::default());
    c.data(ToServer, 0, b"abc");
    c.data(ToServer, 5, b"fg");
    c.data(ToServer, 9, b"jk");
    let mut all = Vec::new();
    while c.session.half_mut(ToServer).assume_acknowledged() {
        all.extend(c.take(ToServer));
    }
    assert_eq!(all, b"abc??fg??jk");
}
