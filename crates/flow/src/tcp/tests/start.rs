//! Beginnings: roles, handshakes, midstream, restarts.

use super::*;
use crate::tcp::testing::{packet, packet_between};
use tapir_packet::Transport;

fn sender_is_client(flags: u8, ports: (u16, u16)) -> bool {
    let mut tcp = header(flags, 0, 0);
    (tcp.source_port, tcp.destination_port) = ports;
    TcpSession::new(&packet("::1".parse().unwrap(), "::2".parse().unwrap(), Transport::Tcp(tcp))).1
}

#[test]
fn roles_follow_the_syn_or_else_the_higher_port() {
    assert!(sender_is_client(Tcp::SYN, (80, 40_000)));
    assert!(!sender_is_client(Tcp::SYN | Tcp::ACK, (40_000, 80)));
    assert!(sender_is_client(Tcp::ACK, (40_000, 80)));
    assert!(!sender_is_client(Tcp::ACK, (80, 40_000)));
    assert!(!sender_is_client(Tcp::ACK, (80, 80)));
    assert!(!TcpSession::new(&packet_between(("::1", 0), ("::2", 0))).1);
}

#[test]
fn established_comes_with_the_third_segment() {
    let mut c = Connection::new(TcpConfig::default());
    c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"");
    assert!(!c.session.established());
    c.send(ToClient, header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 0)), b"");
    assert!(!c.session.established());
    c.ack(ToServer, 0);
    assert!(c.session.established());
    assert_eq!(c.session.bytes_by_sequence(), [0, 0]);
    assert_eq!(c.count(Counter::TcpMidstream), 0);
}

#[test]
fn midstream_is_established_once_the_other_side_was_seen() {
    let mut c = Connection::midstream(TcpConfig::default());
    c.data(ToServer, 0, b"ABCD");
    assert!(!c.session.established());
    let reply = header(Tcp::ACK, c.seq(ToClient, 0), c.seq(ToServer, 4));
    c.send(ToClient, reply, b"ok");
    assert!(c.session.established());
    assert_eq!(c.take(ToServer), b"ABCD");
    c.ack(ToServer, 2);
    assert_eq!(c.take(ToClient), b"ok");
}

#[test]
fn a_midstream_direction_may_turn_out_to_start_earlier() {
    let mut c = Connection::midstream(TcpConfig::default());
    c.data(ToServer, 4, b"EF");
    c.data(ToServer, 8, b"IJ");
    assert_eq!(c.data(ToServer, 0, b"ABCD").data, DataOutcome::Queued);
    c.session.half(ToServer).check_invariants();
    c.data(ToServer, 6, b"GH");
    c.ack(ToClient, 10);
    assert_eq!(c.take(ToServer), b"ABCDEFGHIJ");
    assert_eq!(c.data(ToServer, 0, b"ABCD").data, DataOutcome::Retransmission);
}

#[test]
fn midstream_can_be_refused() {
    let mut c = Connection::midstream(TcpConfig { midstream: false, ..TcpConfig::default() });
    assert_eq!(c.data(ToServer, 0, b"AB").data, DataOutcome::Ignored(IgnoredData::Midstream));
    c.ack(ToClient, 2);
    assert_eq!(c.ready(ToServer), b"");
    assert_eq!((c.events.as_slice(), c.count(Counter::TcpMidstreamRefused)), (&[20][..], 2));
    assert!(c.send(ToServer, header(Tcp::SYN, 7, 0), b"").new_connection);
}

#[test]
fn data_on_a_syn_is_accepted() {
    let mut c = Connection::new(TcpConfig::default());
    assert_eq!(c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"GET").data, DataOutcome::Queued);
    assert_eq!(c.events, [2]);
    let answer = header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 3));
    assert_eq!(c.send(ToClient, answer, b"").progressed, [true, false]);
    assert_eq!(c.take(ToServer), b"GET");
    // The server may speak before the client's acknowledgement.
    c.data(ToClient, 0, b"200");
    assert!(!c.session.established());
    c.data(ToServer, 3, b" /");
    assert!(c.session.established());
}

#[test]
fn data_on_a_syn_that_was_refused_yields_to_what_is_sent_later() {
    let mut c = Connection::new(TcpConfig::default());
    c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"FAKE");
    c.send(ToClient, header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 0)), b"");
    c.data(ToServer, 0, b"REAL");
    c.ack(ToClient, 4);
    assert_eq!(c.take(ToServer), b"REAL");
}

#[test]
fn data_on_a_syn_counts_once_it_was_repeated_as_data() {
    let mut c = Connection::new(TcpConfig::default());
    c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"GOOD");
    c.send(ToClient, header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 0)), b"");
    assert_eq!(c.data(ToServer, 0, b"GOOD").data, DataOutcome::Retransmission);
    c.data(ToServer, 0, b"EVIL");
    c.ack(ToClient, 4);
    assert_eq!(c.take(ToServer), b"GOOD");
}

#[test]
fn both_sides_may_open_at_once() {
    let mut c = Connection::new(TcpConfig::default());
    c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"");
    let outcome = c.send(ToClient, header(Tcp::SYN, c.isn[1], 0), b"");
    assert!(!outcome.new_connection);
    assert_eq!(c.events, [13]);
    c.send(ToServer, header(Tcp::SYN | Tcp::ACK, c.isn[0], c.seq(ToClient, 0)), b"");
    c.send(ToClient, header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 0)), b"");
    c.data(ToServer, 0, b"hi");
    assert!(c.session.established());
    c.ack(ToClient, 2);
    assert_eq!(c.take(ToServer), b"hi");
}

#[test]
fn a_repeated_syn_changes_nothing() {
    let mut c = Connection::new(TcpConfig::default());
    let syn = header(Tcp::SYN, c.isn[0], 0);
    c.send(ToServer, syn, b"");
    assert!(!c.send(ToServer, syn, b"").new_connection);
    let answer = header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 0));
    c.send(ToClient, answer, b"");
    assert!(!c.send(ToClient, answer, b"").new_connection);
    c.ack(ToServer, 0);
    assert!(c.session.established());
    assert!(!c.send(ToServer, syn, b"").new_connection);
    assert!(!c.send(ToClient, answer, b"").new_connection);
    assert_eq!(c.events, [0u32; 0], "not taken for a simultaneous open either");
}

#[test]
fn an_unanswered_syn_gives_way_to_another() {
    let mut c = Connection::new(TcpConfig::default());
    c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"");
    let outcome = c.send(ToServer, header(Tcp::SYN, c.isn[0].wrapping_add(999), 0), b"");
    assert!(outcome.new_connection);
    assert_eq!(c.count(Counter::TcpRestarts), 1);
}

#[test]
fn a_stray_packet_gives_way_to_a_handshake() {
    let mut c = Connection::midstream(TcpConfig::default());
    c.ack(ToClient, 77);
    assert!(c.send(ToServer, header(Tcp::SYN, 5, 0), b"").new_connection);
}

#[test]
fn the_servers_answer_tells_the_real_initial_number() {
    // The server never got the SYN that we saw.
    let mut c = Connection::new(TcpConfig::default());
    c.send(ToServer, header(Tcp::SYN, 1000, 0), b"junk");
    c.send(ToClient, header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 0)), b"");
    c.ack(ToServer, 0);
    c.data(ToServer, 0, b"real");
    c.ack(ToClient, 4);
    assert_eq!(c.take(ToServer), b"real");
}

#[test]
fn a_syn_on_an_open_connection_counts_only_when_it_is_answered() {
    let mut c = open();
    let syn = header(Tcp::SYN, 5000, 0);
    let outcome = c.send(ToServer, syn, b"x");
    assert!(!outcome.new_connection);
    assert_eq!(outcome.data, DataOutcome::Ignored(IgnoredData::Syn));
    assert_eq!((c.events.as_slice(), c.count(Counter::TcpSynIgnored)), (&[1][..], 1));
    // The connection goes on.
    c.data(ToServer, 0, b"still");
    c.ack(ToClient, 5);
    assert_eq!(c.take(ToServer), b"still");
    assert!(c.send(ToClient, header(Tcp::SYN | Tcp::ACK, 9, 5001), b"").new_connection);
}

#[test]
fn a_syn_after_a_long_silence_is_a_new_connection() {
    let mut c = open();
    c.now = Timestamp::from_secs_nanos(181, 0);
    assert!(c.send(ToServer, header(Tcp::SYN, 5000, 0), b"").new_connection);
}

#[test]
fn data_far_from_a_closed_connection_starts_a_new_one() {
    let mut c = open();
    c.send(ToServer, header(Tcp::RST, c.seq(ToServer, 0), 0), b"");
    assert!(!c.data(ToClient, 10, b"late").new_connection);
    let far = header(Tcp::ACK, c.seq(ToClient, 50_000_000), 0);
    assert!(c.send(ToClient, far, b"other").new_connection);
}
