//! Tests of defragmentation.

use super::policy::table::MEASURED;
use super::*;
use crate::overlap::cases::CASES;
use crate::tcp::testing;
use proptest::prelude::*;
use tapir_packet::{Fragment, Transport};

/// Payload bytes at an offset of one datagram, and whether more follow.
struct Piece<'a>(u32, bool, &'a [u8]);

const V4: [u8; 20] = [0x45, 0, 0, 0, 0x12, 0x34, 0x20, 0, 64, 17, 0xff, 0xff, 10, 0, 0, 1, 10, 0, 0, 2];

struct Setup {
    defragmenter: Defragmenter,
    counters: Counters,
    events: Vec<u32>,
    now: i64,
    id: u32,
}

impl Setup {
    fn new(config: DefragConfig) -> Self {
        let defragmenter = Defragmenter::new(config);
        Self { defragmenter, counters: Counters::default(), events: Vec::new(), now: 0, id: 0x1234 }
    }

    fn policy(policy: FragmentPolicy) -> Self {
        Self::new(DefragConfig { policy, ..DefragConfig::default() })
    }

    fn push(&mut self, piece: &Piece<'_>) -> Option<Vec<u8>> {
        self.push_with(piece, "10.0.0.1", "10.0.0.2", &V4)
    }

    fn push_with(&mut self, piece: &Piece<'_>, source: &str, destination: &str, header: &[u8]) -> Option<Vec<u8>> {
        let &Piece(offset, more, payload) = piece;
        let plain = testing::packet(source.parse().unwrap(), destination.parse().unwrap(), Transport::None);
        let mut packet: Packet<'_> = plain;
        packet.frame.timestamp = Timestamp::from_secs_nanos(self.now, 0);
        let mut ip = packet.ip[0].unwrap();
        ip.protocol = 17;
        ip.id = self.id;
        ip.fragment = Fragment { offset, more, ..Fragment::default() };
        ip.header = header;
        ip.options = if source.contains(':') { &[] } else { &header[20..] };
        ip.payload = payload;
        packet.ip[0] = Some(ip);
        let events = &mut self.events;
        let datagram = self.defragmenter.push(&packet, 0, &mut self.counters, &mut |sid| events.push(sid));
        datagram.map(<[u8]>::to_vec)
    }

    fn count(&self, counter: Counter) -> u64 {
        self.counters.value(counter)
    }
}

#[test]
fn every_policy_reassembles_the_ten_cases_as_measured() {
    for (policy, expected) in MEASURED {
        for (case, expected) in CASES.iter().zip(expected) {
            let mut setup = Setup::policy(policy);
            let mut fill = [true; 13];
            let queued = case.old.iter().zip([b'A', b'C']).map(|(&range, letter)| (range, letter));
            for ((first, last), letter) in queued.chain([(case.new, b'B')]) {
                fill[first as usize..=last as usize].fill(false);
                let bytes = vec![letter; (last - first + 1) as usize * 8];
                assert_eq!(setup.push(&Piece(first as u32 * 8, true, &bytes)), None);
            }
            for unit in (5..13).filter(|&unit| fill[unit as usize]) {
                assert_eq!(setup.push(&Piece(unit * 8, true, b"zzzzzzzz")), None);
            }
            assert_eq!(setup.push(&Piece(104, false, b"end")), None);
            let datagram = setup.push(&Piece(0, true, &[b'-'; 40])).unwrap();
            let letters: String = datagram[20 + 40..20 + 104].chunks(8).map(|unit| char::from(unit[0])).collect();
            assert_eq!(letters, expected, "{policy:?}, case {}", case.name);
            assert_eq!(&datagram[20 + 104..], b"end");
        }
    }
}

#[test]
fn the_rebuilt_ipv4_header_is_that_of_a_whole_datagram() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    assert_eq!(setup.push(&Piece(8, false, b"tail")), None);
    let datagram = setup.push(&Piece(0, true, b"12345678")).unwrap();
    assert_eq!(&datagram[..10], [0x45, 0, 0, 32, 0x12, 0x34, 0, 0, 64, 17]);
    assert_eq!(&datagram[12..], b"\x0a\0\0\x01\x0a\0\0\x0212345678tail");
    let sum: u32 = datagram[..20].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    assert_eq!(setup.count(Counter::FragmentDatagrams), 1);
    assert!(setup.defragmenter.is_empty() && setup.defragmenter.footprint() == 0);
    assert_eq!(setup.events, [0u32; 0]);
}

#[test]
fn the_rebuilt_ipv6_header_has_no_fragment_header() {
    let mut header = vec![0u8; 40];
    header[0] = 0x60;
    header[6] = 0; // hop-by-hop follows
    header.extend([44, 0, 1, 4, 0, 0, 0, 0]);
    header.extend([17, 0, 0, 1, 0, 0, 0x12, 0x34]);
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    assert_eq!(setup.push_with(&Piece(0, true, b"12345678"), "fe80::1", "fe80::2", &header), None);
    let datagram = setup.push_with(&Piece(8, false, b"tail"), "fe80::1", "fe80::2", &header).unwrap();
    assert_eq!(&datagram[4..7], [0, 8 + 12, 0]);
    assert_eq!(&datagram[40..48], [17, 0, 1, 4, 0, 0, 0, 0]);
    assert_eq!(&datagram[48..], b"12345678tail");
}

#[test]
fn ipv6_headers_behind_the_fragment_header_are_data() {
    let mut header = vec![0u8; 40];
    header[0] = 0x60;
    header[6] = 44;
    header.extend([60, 0, 0, 1, 0, 0, 0x12, 0x34]);
    let tail = header.clone();
    header.extend([17, 0, 1, 4, 0, 0, 0, 0]);
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    assert_eq!(setup.push_with(&Piece(0, true, b"12345678"), "fe80::1", "fe80::2", &header), None);
    let datagram = setup.push_with(&Piece(16, false, b"tail"), "fe80::1", "fe80::2", &tail).unwrap();
    assert_eq!(datagram[6], 60);
    assert_eq!(&datagram[40..], b"\x11\0\x01\x04\0\0\0\x0012345678tail");
}

#[test]
fn ipv6_without_its_fragment_header_is_counted_as_invalid() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    assert_eq!(setup.push_with(&Piece(0, true, b"12345678"), "fe80::1", "fe80::2", &[0x60; 40]), None);
    assert_eq!(setup.count(Counter::FragmentsInvalid), 1);
}

#[test]
fn a_lone_fragment_and_a_whole_packet_yield_nothing() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    assert_eq!(setup.push(&Piece(0, true, b"12345678")), None);
    assert_eq!(setup.push(&Piece(0, false, b"12345678")), None);
    assert_eq!(setup.defragmenter.len(), 1);
    assert_eq!(setup.count(Counter::Fragments), 1);
}

#[test]
fn datagrams_with_other_ids_are_kept_apart() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(0, true, b"12345678"));
    setup.id = 9;
    assert_eq!(setup.push(&Piece(8, false, b"tail")), None);
    assert_eq!(setup.defragmenter.len(), 2);
}

#[test]
fn a_repeated_fragment_is_an_event_but_no_conflict() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    for _ in 0..2 {
        assert_eq!(setup.push(&Piece(0, true, b"12345678")), None);
    }
    assert!(setup.push(&Piece(8, false, b"tail")).is_some());
    assert_eq!(setup.events, [event::FULL_OVERLAP]);
    assert_eq!(setup.count(Counter::FragmentOverlaps), 0);
}

#[test]
fn a_fragment_in_the_middle_is_cut_to_whole_units() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(0, true, b"12345678xyz"));
    assert_eq!(&setup.push(&Piece(8, false, b"tail")).unwrap()[20..], b"12345678tail");
    assert_eq!(setup.events, [event::SHORT]);
}

#[test]
fn empty_fragments_are_dropped() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(8, true, b""));
    setup.push(&Piece(8, true, b"1234567"));
    assert_eq!(setup.events, [event::EMPTY, event::SHORT, event::EMPTY]);
    assert_eq!(setup.count(Counter::FragmentsInvalid), 2);
}

#[test]
fn two_different_ends_drop_the_datagram() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(16, false, b"12345678"));
    assert_eq!(setup.push(&Piece(8, false, b"12345678")), None);
    assert_eq!(setup.events, [event::TEARDROP]);
    assert!(setup.defragmenter.is_empty());
    assert_eq!(setup.count(Counter::FragmentConflicts), 1);
}

#[test]
fn data_beyond_a_known_end_is_dropped() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(8, false, b"tail"));
    setup.push(&Piece(16, true, b"12345678"));
    assert_eq!(setup.events, [event::BEYOND_END]);
    assert_eq!(&setup.push(&Piece(0, true, b"12345678")).unwrap()[20..], b"12345678tail");
}

#[test]
fn an_end_before_known_data_drops_the_datagram() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(16, true, b"12345678"));
    setup.push(&Piece(8, false, b"tail"));
    assert_eq!(setup.events, [event::TEARDROP]);
    assert!(setup.defragmenter.is_empty());
}

#[test]
fn a_datagram_beyond_the_maximum_length_is_dropped() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(65_528, false, b"1"));
    assert_eq!(setup.events, [event::TOO_LARGE]);
    setup.push(&Piece(65_512, false, b"123"));
    assert_eq!(setup.events, [event::TOO_LARGE]);
}

#[test]
fn covering_a_whole_fragment_is_an_event() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(8, true, b"AAAAAAAA"));
    setup.push(&Piece(0, true, &[b'B'; 24]));
    assert_eq!(setup.events, [event::FULL_OVERLAP]);
    assert_eq!(setup.count(Counter::FragmentOverlaps), 1);
}

#[test]
fn differing_options_and_low_ttl_are_events() {
    let mut setup = Setup::new(DefragConfig { min_ttl: 65, ..DefragConfig::default() });
    setup.push(&Piece(8, true, b"AAAAAAAA"));
    assert_eq!(setup.events, [event::TTL]);
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(8, true, b"AAAAAAAA"));
    let with_options = [&V4[..], &[1, 1, 1, 0]].concat();
    setup.push_with(&Piece(16, true, b"AAAAAAAA"), "10.0.0.1", "10.0.0.2", &with_options);
    assert_eq!(setup.events, [event::OPTIONS]);
}

#[test]
fn limits_on_length_and_overlaps_are_off_unless_set() {
    let limits = DefragConfig { min_fragment_length: 16, max_overlaps: 1, ..DefragConfig::default() };
    let mut setup = Setup::new(limits);
    setup.push(&Piece(0, true, b"AAAAAAAA"));
    setup.push(&Piece(0, true, &[b'B'; 16]));
    setup.push(&Piece(0, true, &[b'C'; 16]));
    assert_eq!(setup.events, [event::TINY, event::FULL_OVERLAP, event::FULL_OVERLAP, event::OVERLAP_LIMIT]);
    assert_eq!(&setup.push(&Piece(16, false, b"t")).unwrap()[20..], b"BBBBBBBBBBBBBBBBt");
}

#[test]
fn an_incomplete_datagram_lives_sixty_seconds() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    setup.push(&Piece(0, true, b"AAAAAAAA"));
    setup.now = 60;
    setup.push(&Piece(16, true, b"AAAAAAAA"));
    setup.now = 61;
    assert_eq!(setup.push(&Piece(8, false, b"tail")), None);
    assert_eq!(setup.count(Counter::FragmentTimeouts), 1);
    assert_eq!(setup.defragmenter.len(), 1);
}

#[test]
fn at_the_caps_the_oldest_datagrams_go() {
    let config = DefragConfig { max_datagrams: 2, ..DefragConfig::default() };
    let mut setup = Setup::new(config);
    for id in 0..4 {
        setup.id = id;
        setup.push(&Piece(0, true, b"AAAAAAAA"));
    }
    assert_eq!(setup.count(Counter::FragmentsEvicted), 2);
    assert!(setup.push(&Piece(8, false, b"t")).is_some());
    setup.id = 0;
    assert_eq!(setup.push(&Piece(8, false, b"t")), None);

    let mut setup = Setup::new(DefragConfig { max_bytes: 4000, ..DefragConfig::default() });
    for id in 0..4 {
        setup.id = id;
        setup.push(&Piece(0, true, &[b'A'; 1000]));
    }
    assert!(setup.count(Counter::FragmentsEvicted) >= 1);
    assert!(setup.defragmenter.footprint() <= 4000);
}

#[test]
fn the_number_of_pieces_is_limited() {
    let mut setup = Setup::new(DefragConfig { max_pieces: 2, ..DefragConfig::default() });
    for unit in 1..4 {
        setup.push(&Piece(unit * 16, true, b"AAAAAAAA"));
    }
    assert_eq!(setup.count(Counter::FragmentPiecesFull), 1);
}

#[test]
fn completed_datagrams_leave_nothing_behind() {
    let mut setup = Setup::policy(FragmentPolicy::Linux);
    for id in 0..1000 {
        setup.id = id;
        setup.push(&Piece(0, true, b"AAAAAAAA"));
        assert!(setup.push(&Piece(8, false, b"t")).is_some());
    }
    assert!(setup.defragmenter.order.len() < 100);
}

proptest! {
    #[test]
    fn any_order_of_consistent_fragments_gives_the_datagram(
        units in 1usize..40,
        cuts in prop::collection::vec((0usize..40, 1usize..12), 0..30),
        policy in 0usize..7,
        tail in 1usize..9,
        reverse in any::<bool>(),
    ) {
        let payload: Vec<u8> = (0..units * 8 + tail).map(|i| (i * 7) as u8).collect();
        let mut setup = Setup::policy(FragmentPolicy::ALL[policy].1);
        let mut pieces: Vec<Piece<'_>> = cuts
            .iter()
            .filter(|(start, _)| *start < units)
            .map(|&(start, len)| Piece(start as u32 * 8, true, &payload[start * 8..(start + len).min(units) * 8]))
            .collect();
        // All units once, so that nothing is missing.
        pieces.extend((0..units).map(|unit| Piece(unit as u32 * 8, true, &payload[unit * 8..unit * 8 + 8])));
        pieces.push(Piece(units as u32 * 8, false, &payload[units * 8..]));
        if reverse {
            pieces.reverse();
        }
        let done = pieces.iter().find_map(|piece| setup.push(piece)).unwrap();
        prop_assert_eq!(&done[20..], &payload[..]);
        prop_assert_eq!(setup.count(Counter::FragmentOverlaps), 0);
    }
}
