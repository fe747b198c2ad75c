//! Windows, timestamps, keep-alives and other checks of single segments.

use super::*;
use crate::Direction;

const SCALE_7: [u8; 4] = [1, 3, 3, 7];

fn timestamp(value: u8) -> [u8; 12] {
    [1, 1, 8, 10, 0, 0, 0, value, 0, 0, 0, 0]
}

/// A handshake whose SYNs carry `options`.
fn open_with(options: [&'static [u8]; 2], config: TcpConfig) -> Connection {
    let mut c = Connection::new(config);
    let mut syn = header(Tcp::SYN, c.isn[0], 0);
    syn.options = options[0];
    c.send(ToServer, syn, b"");
    let mut answer = header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 0));
    answer.options = options[1];
    c.send(ToClient, answer, b"");
    let mut third = header(Tcp::ACK, c.seq(ToServer, 0), c.seq(ToClient, 0));
    third.options = options[0];
    c.send(ToServer, third, b"");
    assert!(c.session.established());
    c
}

fn window(c: &mut Connection, dir: Direction, acked: u32, window: u16) {
    let mut tcp = header(Tcp::ACK, c.seq(dir, 0), c.seq(dir.reverse(), acked));
    tcp.window = window;
    c.send(dir, tcp, b"");
}

#[test]
fn the_window_is_scaled_when_both_sides_offered_it() {
    let mut c = open_with([&SCALE_7, &SCALE_7], TcpConfig::default());
    window(&mut c, ToClient, 0, 1000);
    c.data(ToServer, 120_000, b"inside");
    assert_eq!(c.count(Counter::TcpBeyondWindow), 0);
    c.data(ToServer, 128_000, b"beyond");
    assert_eq!(c.count(Counter::TcpBeyondWindow), 1);
}

#[test]
fn one_offer_alone_scales_nothing() {
    let mut c = open_with([&SCALE_7, &[]], TcpConfig::default());
    window(&mut c, ToClient, 0, 1000);
    c.data(ToServer, 65_535, b"beyond");
    assert_eq!(c.count(Counter::TcpBeyondWindow), 1);
}

#[test]
fn without_a_handshake_no_window_is_known() {
    let mut c = Connection::midstream(TcpConfig::default());
    window(&mut c, ToClient, 0, 10);
    c.data(ToServer, 1_000_000, b"x");
    assert_eq!(c.count(Counter::TcpBeyondWindow), 0);
}

#[test]
fn a_segment_across_the_edge_of_the_window_is_doubtful_behind_it() {
    let mut c = open_with([&[], &[]], TcpConfig::default());
    let mut data = vec![b'a'; 65_535];
    data.extend(b"FAKE");
    assert_eq!(c.data(ToServer, 0, &data).data, DataOutcome::Queued);
    c.ack(ToClient, 65_535);
    c.data(ToServer, 65_535, b"REAL");
    c.ack(ToClient, 65_539);
    assert_eq!(c.take(ToServer)[65_535..], *b"REAL");
}

#[test]
fn data_on_a_closed_window_is_an_event() {
    let mut c = open_with([&[], &[]], TcpConfig::default());
    c.data(ToServer, 0, &vec![b'.'; 65_535]);
    window(&mut c, ToClient, 65_535, 0);
    c.data(ToServer, 65_535, b"more");
    assert_eq!(c.events, [19]);
}

#[test]
fn a_window_above_the_maximum_is_an_event() {
    let mut c = open_with([&SCALE_7, &SCALE_7], TcpConfig { max_window: 100_000, ..TcpConfig::default() });
    c.events.clear();
    window(&mut c, ToClient, 0, 700);
    assert_eq!(c.events, [0u32; 0]);
    window(&mut c, ToClient, 0, 800);
    assert_eq!(c.events, [6]);
}

#[test]
fn numbers_far_from_any_window_are_ignored() {
    let mut c = open();
    let outcome = c.data(ToServer, 1_500_000_000, b"x");
    assert_eq!(outcome.data, DataOutcome::Ignored(IgnoredData::Implausible));
    c.ack(ToClient, 0);
    let tcp = header(Tcp::ACK, c.seq(ToClient, 0), c.seq(ToServer, 1_500_000_000));
    assert_eq!(c.send(ToClient, tcp, b"").progressed, [false; 2]);
    assert_eq!(c.count(Counter::TcpImplausible), 2);
}

#[test]
fn where_both_sides_went_on_after_a_long_loss_the_stream_goes_on() {
    // The second place is just before the numbers wrap around.
    for distance in [1_500_000_000u32, 0x8000_0000 + 1_000_000_000 - 50] {
        let mut c = open();
        c.data(ToServer, 0, b"abc");
        c.ack(ToClient, 3);
        let lost = |c: &Connection, extra: u32| c.seq(ToServer, 3).wrapping_add(distance).wrapping_add(extra);
        let tcp = header(Tcp::ACK, c.seq(ToClient, 0), lost(&c, 100));
        c.send(ToClient, tcp, b"");
        let tcp = header(Tcp::ACK, lost(&c, 100), c.seq(ToClient, 0));
        assert_eq!(c.send(ToServer, tcp, b"xyz").data, DataOutcome::Queued);
        let tcp = header(Tcp::ACK, c.seq(ToClient, 0), lost(&c, 103));
        c.send(ToClient, tcp, b"");
        let half = c.session.half_mut(ToServer);
        half.check_invariants();
        assert_eq!(half.ready(), b"abc");
        half.consume(3);
        assert_eq!(half.gap(), Some(u64::from(distance) + 100));
        half.skip_gap();
        assert_eq!(half.ready(), b"xyz");
        assert_eq!(c.session.bytes_by_sequence()[0], u64::from(distance) + 106);
    }
}

#[test]
fn a_keep_alive_is_a_retransmission() {
    let mut c = open();
    c.data(ToServer, 0, b"ab");
    c.ack(ToClient, 2);
    c.take(ToServer);
    assert_eq!(c.data(ToServer, 1, b"\0").data, DataOutcome::Retransmission);
    let mut c = open();
    let tcp = header(Tcp::ACK, c.isn[0], c.seq(ToClient, 0));
    assert_eq!(c.send(ToServer, tcp, b"\0").data, DataOutcome::Retransmission);
    assert_eq!(c.session.bytes_by_sequence(), [0, 0]);
}

#[test]
fn a_segment_with_an_old_timestamp_is_ignored() {
    static TEN: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 10, 0, 0, 0, 0];
    let mut c = open_with([&TEN, &TEN], TcpConfig::default());
    let send = |c: &mut Connection, options: &[u8], offset: u32, payload: &[u8]| {
        let tcp = Tcp { options, ..header(Tcp::ACK, c.seq(ToServer, offset), c.seq(ToClient, 0)) };
        c.send(ToServer, tcp, payload).data
    };
    assert_eq!(send(&mut c, &timestamp(20), 0, b"real"), DataOutcome::Queued);
    assert_eq!(send(&mut c, &timestamp(19), 4, b"fake"), DataOutcome::Ignored(IgnoredData::Paws));
    assert_eq!((c.events.as_slice(), c.count(Counter::TcpPaws)), (&[4][..], 1));
    assert_eq!(send(&mut c, &timestamp(20), 4, b"next"), DataOutcome::Queued);
    c.events.clear();
    assert_eq!(send(&mut c, &[], 8, b"none"), DataOutcome::Queued);
    assert_eq!(c.events, [14]);
    // Very old by now: the clock may have wrapped.
    c.now = Timestamp::from_secs_nanos(25 * 86_400, 0);
    assert_eq!(send(&mut c, &timestamp(5), 12, b"late"), DataOutcome::Queued);
}

#[test]
fn an_old_timestamp_on_acknowledged_bytes_says_that_we_were_late() {
    static TEN: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 10, 0, 0, 0, 0];
    let mut c = open_with([&TEN, &TEN], TcpConfig::default());
    let at = |c: &Connection, offset, options| Tcp {
        options,
        ..header(Tcp::ACK, c.seq(ToServer, offset), c.seq(ToClient, 0))
    };
    let ack = Tcp { options: &TEN, ..header(Tcp::ACK, c.seq(ToClient, 0), c.seq(ToServer, 8)) };
    c.send(ToClient, ack, b"");
    let (first, second) = (timestamp(11), timestamp(12));
    c.send(ToServer, at(&c, 4, &second), b"efgh");
    c.send(ToServer, at(&c, 0, &first), b"abcd");
    assert_eq!(c.take(ToServer), b"abcdefgh");
}

#[test]
fn data_without_flags_is_an_event() {
    let mut c = open();
    c.send(ToServer, header(0, c.seq(ToServer, 0), 0), b"");
    assert_eq!(c.events, [0u32; 0]);
    c.send(ToServer, header(0, c.seq(ToServer, 0), 0), b"x");
    assert_eq!(c.events, [11]);
}

#[test]
fn runs_of_small_segments_are_an_event() {
    let config = TcpConfig { small_segment_count: 2, small_segment_size: 1, ..TcpConfig::default() };
    let mut c = Connection::open(config);
    for (offset, data) in [(0, &b"a"[..]), (1, b"b"), (2, b"cd"), (4, b"e"), (5, b"f")] {
        c.data(ToServer, offset, data);
    }
    assert_eq!(c.events, [0u32; 0]);
    c.data(ToServer, 6, b"g");
    assert_eq!(c.events, [12]);
}
