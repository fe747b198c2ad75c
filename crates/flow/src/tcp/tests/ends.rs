//! Ends: FIN, reset, and data after them.

use super::*;

fn fin(c: &mut Connection, dir: crate::Direction, offset: u32, payload: &[u8]) -> SegmentOutcome {
    let tcp = header(Tcp::FIN | Tcp::ACK, c.seq(dir, offset), c.seq(dir.reverse(), 0));
    c.send(dir, tcp, payload)
}

fn reset(c: &mut Connection, dir: crate::Direction, offset: u32) -> SegmentOutcome {
    let tcp = header(Tcp::RST, c.seq(dir, offset), 0);
    c.send(dir, tcp, b"")
}

#[test]
fn a_direction_ends_when_its_fin_is_acknowledged() {
    let mut c = open();
    c.data(ToServer, 0, b"bye");
    assert_eq!(fin(&mut c, ToServer, 3, b"!").ended, [None, None]);
    assert_eq!(c.ack(ToClient, 4).ended, [None, None]);
    let outcome = c.ack(ToClient, 5);
    assert_eq!(outcome.ended, [Some(FlowEnd::Fin), None]);
    assert_eq!(outcome.progressed, [true, false]);
    assert_eq!(c.take(ToServer), b"bye!");
    assert_eq!(c.session.bytes_by_sequence(), [4, 0]);
    assert!(!c.session.closed());
    assert_eq!(c.ack(ToClient, 5).ended, [None, None], "reported once");
    fin(&mut c, ToClient, 0, b"");
    assert_eq!(c.ack(ToServer, 1).ended, [None, Some(FlowEnd::Fin)]);
    assert!(c.session.closed());
    assert_eq!(c.session.half(ToServer).ended(), Some(FlowEnd::Fin));
    assert!(c.send(ToServer, header(Tcp::SYN, 1, 0), b"").new_connection);
}

#[test]
fn a_fin_may_be_seen_after_its_acknowledgement() {
    let mut c = open();
    c.data(ToServer, 0, b"ab");
    c.ack(ToClient, 3);
    assert_eq!(c.session.half(ToServer).gap(), None);
    assert_eq!(fin(&mut c, ToServer, 2, b"").ended, [Some(FlowEnd::Fin), None]);
    assert_eq!(c.take(ToServer), b"ab");
}

#[test]
fn with_no_ack_a_fin_ends_at_once() {
    let mut c = Connection::open(TcpConfig { no_ack: true, ..TcpConfig::default() });
    assert_eq!(fin(&mut c, ToServer, 0, b"all").ended, [Some(FlowEnd::Fin), None]);
    assert_eq!(c.take(ToServer), b"all");
}

#[test]
fn a_fin_that_was_never_taken_does_not_end_the_data() {
    let mut c = open();
    c.data(ToServer, 0, b"abcd");
    fin(&mut c, ToServer, 2, b"");
    assert_eq!(c.ack(ToClient, 4).ended, [None, None]);
    assert_eq!(c.events, [17]);
    c.data(ToServer, 4, b"ef");
    fin(&mut c, ToServer, 6, b"");
    assert_eq!(c.ack(ToClient, 7).ended, [Some(FlowEnd::Fin), None]);
    assert_eq!(c.take(ToServer), b"abcdef");
}

#[test]
fn an_acknowledgement_far_beyond_a_fin_says_that_it_was_an_old_one() {
    let mut c = Connection::midstream(TcpConfig::default());
    fin(&mut c, ToServer, 0, b"");
    assert_eq!(c.ack(ToClient, 1200).ended, [None, None]);
    fin(&mut c, ToServer, 0, b"");
    assert_eq!(c.ack(ToClient, 1200).ended, [None, None]);
    fin(&mut c, ToServer, 1200, b"");
    assert_eq!(c.ack(ToClient, 1201).ended, [Some(FlowEnd::Fin), None]);
    assert_eq!(c.events, [0u32; 0]);
}

#[test]
fn a_fin_too_far_ahead_gives_way_to_one_that_fits() {
    let mut c = open();
    fin(&mut c, ToServer, 5000, b"");
    c.data(ToServer, 0, b"ab");
    fin(&mut c, ToServer, 2, b"");
    assert_eq!(c.ack(ToClient, 3).ended, [Some(FlowEnd::Fin), None]);
}

#[test]
fn a_second_fin_behind_the_first_is_an_event() {
    let mut c = open();
    fin(&mut c, ToServer, 2, b"");
    fin(&mut c, ToServer, 9, b"");
    assert_eq!(c.events, [16]);
}

#[test]
fn data_behind_an_acknowledged_fin_is_ignored() {
    let mut c = open();
    fin(&mut c, ToServer, 0, b"ab");
    c.ack(ToClient, 3);
    let outcome = c.data(ToServer, 3, b"more");
    assert_eq!(outcome.data, DataOutcome::Ignored(IgnoredData::AfterEnd));
    assert_eq!(c.events, [3]);
    assert_eq!(c.take(ToServer), b"ab");
}

#[test]
fn the_senders_reset_does_not_deliver_what_was_not_acknowledged() {
    let mut c = open();
    c.data(ToServer, 0, b"xxBC");
    c.ack(ToClient, 2);
    c.data(ToServer, 4, b"DExx");
    let outcome = reset(&mut c, ToServer, 8);
    assert_eq!(outcome.ended, [Some(FlowEnd::Reset); 2]);
    assert!(c.session.closed());
    c.ack(ToClient, 8);
    assert_eq!(c.take(ToServer), b"xx");
    assert_eq!(c.count(Counter::TcpResets), 1);
}

#[test]
fn a_refused_connection_ends() {
    let mut c = Connection::new(TcpConfig::default());
    c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"");
    let outcome = c.send(ToClient, header(Tcp::RST | Tcp::ACK, 0, c.seq(ToServer, 0)), b"");
    assert_eq!(outcome.ended, [Some(FlowEnd::Reset); 2]);
    let mut c = Connection::new(TcpConfig::default());
    c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"");
    let outcome = c.send(ToClient, header(Tcp::RST | Tcp::ACK, 0, c.seq(ToServer, 7777)), b"");
    assert_eq!(outcome.ended, [None; 2]);
    assert_eq!(c.events, [15]);
}

#[test]
fn a_reset_outside_the_window_is_ignored() {
    let mut c = open();
    c.data(ToServer, 0, b"abcd");
    c.ack(ToClient, 4);
    for offset in [3, 4_000_000] {
        assert_eq!(reset(&mut c, ToServer, offset).ended, [None; 2]);
    }
    assert_eq!((c.events.as_slice(), c.count(Counter::TcpResetsIgnored)), (&[15, 15][..], 2));
    assert!(!c.session.closed());
}

#[test]
fn linux_honours_only_an_exact_reset_and_others_any_in_the_window() {
    let mut c = open();
    reset(&mut c, ToServer, 100);
    assert!(!c.session.closed());
    assert_eq!((c.events.as_slice(), c.count(Counter::TcpResetsIgnored)), (&[][..], 1));
    reset(&mut c, ToServer, 0);
    assert!(c.session.closed());
    let mut c = Connection::open(TcpConfig { policy: OverlapPolicy::Bsd, ..TcpConfig::default() });
    reset(&mut c, ToServer, 100);
    assert!(c.session.closed());
}

#[test]
fn a_reset_may_follow_a_fin() {
    let mut c = open();
    fin(&mut c, ToServer, 0, b"ab");
    c.ack(ToClient, 3);
    assert_eq!(reset(&mut c, ToServer, 2).ended, [None, None], "the FIN has a number, too");
    assert_eq!(c.events, [15]);
    assert_eq!(reset(&mut c, ToServer, 3).ended, [None, Some(FlowEnd::Reset)]);
    assert!(c.session.closed());
}

#[test]
fn what_was_under_way_to_the_sender_of_a_reset_is_ignored() {
    let mut c = open();
    reset(&mut c, ToServer, 0);
    assert_eq!(c.data(ToClient, 0, b"x").data, DataOutcome::Ignored(IgnoredData::AfterEnd));
    assert_eq!(c.count(Counter::TcpDataAfterEnd), 1);
    assert_eq!(c.events, [0u32; 0]);
}

#[test]
fn who_goes_on_after_its_own_reset_never_sent_it() {
    let mut c = open();
    reset(&mut c, ToServer, 0);
    assert!(c.data(ToServer, 0, b"x").new_connection);
    let mut c = Connection::open(TcpConfig { midstream: false, ..TcpConfig::default() });
    reset(&mut c, ToServer, 0);
    assert_eq!(c.data(ToServer, 0, b"x").data, DataOutcome::Ignored(IgnoredData::AfterEnd));
    assert_eq!(c.events, [8]);
}

#[test]
fn data_on_a_reset_is_an_event() {
    let mut c = open();
    let tcp = header(Tcp::RST, c.seq(ToServer, 0), 0);
    assert_eq!(c.send(ToServer, tcp, b"why").data, DataOutcome::Ignored(IgnoredData::AfterEnd));
    assert_eq!(c.events, [18]);
    assert_eq!(c.take(ToServer), b"");
}

#[test]
fn a_fin_that_lies_before_acknowledged_data_is_an_old_one() {
    let mut c = Connection::midstream(TcpConfig::default());
    c.data(ToServer, 0, b"a");
    c.ack(ToClient, 500);
    fin(&mut c, ToServer, 100, b"");
    assert_eq!(c.ack(ToClient, 500).ended, [None, None]);
    assert_eq!(c.events, [0u32; 0]);
}
