//! Properties: any cut, order and repetition of a stream delivers the same bytes, and the policy
//! decides on bytes as in a plain model of queued pieces.

use super::*;
use crate::overlap::{OverlapRules, Span, Winner};
use proptest::prelude::*;

fn policy() -> impl Strategy<Value = OverlapPolicy> {
    (0..OverlapPolicy::ALL.len()).prop_map(|i| OverlapPolicy::ALL[i].1)
}

/// What happens next to a stream.
#[derive(Clone, Debug)]
enum Op {
    /// A segment from somewhere, mostly near the front.
    Send(u16, u8),
    /// Everything that was sent without a hole is acknowledged, up to this share of 255.
    Ack(u8),
    /// So many bytes are read.
    Read(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any::<u16>(), 1u8..60).prop_map(|(at, len)| Op::Send(at, len)),
        2 => any::<u8>().prop_map(Op::Ack),
        2 => any::<u8>().prop_map(Op::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_cut_order_and_repetition_delivers_the_same_bytes(
        len in 1usize..500,
        ops in prop::collection::vec(op(), 0..120),
        policy in policy(),
        no_ack in any::<bool>(),
        midstream in any::<bool>(),
    ) {
        let stream: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        let config = TcpConfig { policy, no_ack, ..TcpConfig::default() };
        let mut c = if midstream { Connection::midstream(config) } else { Connection::open(config) };
        if midstream {
            // Without a handshake the first segment's place is taken for the start.
            c.data(ToServer, 0, &stream[..1]);
        }
        let mut got = Vec::new();
        let mut seen = vec![false; len + 1];
        let mut acked = 0;
        for op in ops {
            match op {
                Op::Send(at, size) => {
                    let at = usize::from(at) % len;
                    let end = (at + usize::from(size)).min(len);
                    c.data(ToServer, at as u32, &stream[at..end]);
                    seen[at..end].fill(true);
                }
                Op::Ack(share) => {
                    let have = seen.iter().position(|seen| !seen).unwrap();
                    acked = acked.max(have * usize::from(share) / 255);
                    c.ack(ToClient, acked as u32);
                }
                Op::Read(n) => {
                    let half = c.session.half_mut(ToServer);
                    let n = half.ready().len().min(usize::from(n));
                    got.extend_from_slice(&half.ready()[..n]);
                    half.consume(n);
                }
            }
            let half = c.session.half(ToServer);
            half.check_invariants();
            let readable = half.stream_offset() as usize + half.ready().len();
            if no_ack {
                let have = seen.iter().position(|seen| !seen).unwrap();
                prop_assert!(readable == have || midstream);
            } else {
                prop_assert_eq!(readable, acked);
            }
            prop_assert_eq!(half.gap(), None);
        }
        c.data(ToServer, 0, &stream);
        c.ack(ToClient, len as u32);
        got.extend(c.take(ToServer));
        prop_assert_eq!(got, stream);
        prop_assert_eq!(c.count(Counter::TcpOverlaps), 0);
        prop_assert_eq!(c.session.half(ToServer).queued_bytes(), 0);
    }

    #[test]
    fn missing_segments_become_gaps_at_their_places(
        len in 1usize..400,
        sent in prop::collection::vec((any::<u16>(), 1u8..40), 1..20),
    ) {
        let stream: Vec<u8> = (0..len).map(|i| (i % 250) as u8 + 1).collect();
        let mut expected = vec![b'?'; len];
        let mut c = Connection::open(TcpConfig::default());
        for (at, size) in sent {
            let at = usize::from(at) % len;
            let end = (at + usize::from(size)).min(len);
            c.data(ToServer, at as u32, &stream[at..end]);
            expected[at..end].copy_from_slice(&stream[at..end]);
        }
        c.ack(ToClient, len as u32);
        let seen = expected.iter().rposition(|&byte| byte != b'?').map_or(0, |last| last + 1);
        // `?` is also a byte of the stream; where it is, both agree anyway.
        let taken = c.take(ToServer);
        prop_assert!(taken.len() >= seen.min(taken.len()));
        prop_assert_eq!(&taken[..], &expected[..taken.len()]);
        let known = stream.iter().zip(&expected).rposition(|(a, b)| a == b && *a != b'?').map_or(0, |last| last + 1);
        prop_assert!(taken.len() >= known);
    }

    #[test]
    fn conflicting_segments_are_decided_as_by_a_model_of_pieces(
        policy in policy(),
        sent in prop::collection::vec((0u64..60, 1u64..25), 1..25),
        first in any::<bool>(),
    ) {
        let mut c = Connection::open(TcpConfig { policy, ..TcpConfig::default() });
        let mut model = Model::default();
        if first {
            c.data(ToServer, 0, b"-");
            model.write(policy, Span::new(0, 1), b'-');
        }
        for (n, (start, len)) in sent.into_iter().enumerate() {
            let letter = b'A' + n as u8;
            c.data(ToServer, start as u32, &vec![letter; len as usize]);
            c.session.half(ToServer).check_invariants();
            model.write(policy, Span::new(start, start + len), letter);
        }
        for hole in 0..90 {
            if !model.pieces.iter().any(|(span, _)| (span.start..span.end).contains(&hole)) {
                c.data(ToServer, hole as u32, b".");
                model.pieces.push((Span::new(hole, hole + 1), b'.'));
            }
        }
        c.ack(ToClient, 90);
        model.pieces.sort_by_key(|(span, _)| span.start);
        let expected: Vec<u8> =
            model.pieces.iter().flat_map(|(span, letter)| vec![*letter; span.len() as usize]).collect();
        prop_assert_eq!(String::from_utf8(c.take(ToServer)).unwrap(), String::from_utf8(expected).unwrap());
    }
}

/// Queued pieces as Snort keeps them: one list, changed piece by piece.
#[derive(Default)]
struct Model {
    pieces: Vec<(Span, u8)>,
}

impl Model {
    fn write(&mut self, policy: OverlapPolicy, new: Span, letter: u8) {
        self.pieces.sort_by_key(|(span, _)| span.start);
        let mut rest = new;
        let left = self.pieces.iter().rposition(|(span, _)| span.start < new.start);
        if let Some(i) = left {
            let (old, byte) = self.pieces[i];
            if old.end > rest.start {
                if policy.left(old, rest) == Winner::Old {
                    rest.start = old.end.min(rest.end);
                } else {
                    self.pieces[i].0.end = rest.start;
                    if old.end > rest.end {
                        self.pieces.push((Span::new(rest.end, old.end), byte));
                    }
                }
            }
        }
        while !rest.is_empty() {
            self.pieces.sort_by_key(|(span, _)| span.start);
            let right = self.pieces.iter().position(|(span, _)| span.start >= rest.start && span.start < rest.end);
            let Some(i) = right else {
                self.pieces.push((rest, letter));
                return;
            };
            let old = self.pieces[i].0;
            if old.end > rest.end {
                if policy.right_partial(old, rest) == Winner::Old {
                    rest.end = old.start;
                } else {
                    self.pieces[i].0.start = rest.end;
                }
            } else {
                let alone = i.checked_sub(1).is_some_and(|before| self.pieces[before].0.end != old.start);
                if policy.right_full(old, rest, alone) == Winner::New {
                    self.pieces.remove(i);
                } else {
                    if rest.start < old.start {
                        self.pieces.push((Span::new(rest.start, old.start), letter));
                    }
                    rest.start = old.end;
                }
            }
        }
    }
}
