//! Whether the node's end of a pod's interface is blind to what the pod receives.
//!
//! eBPF host routing (`bpf_redirect_peer`) hands packets to the pod's device itself: the node's end of the pair sends nothing and a
//! tap there sees only what the pod answers. The node's end cannot tell; the pod's own counter of received packets can.
//!
//! *How it fits*: [`Test::look`] is told both numbers about once a second, for each endpoint, right after a report of the taps: what
//! they see between the report that begins a span and the reading of the pod's counter is to their credit, so it must be little.
//!
//! *Invariants*: what a tap that sees everything can have seen is never taken for blindness: the span in which captured packets are
//! counted begins before that of received ones and ends [`LAG`] after it, and a span in which the kernel dropped frames does
//! not count.
//!
//! *Limits*: less than [`LEAST`] packets prove nothing; a verdict takes [`WITNESSES`] looks in a row. A tap that misses less than one
//! packet in [`SHARE`] is taken to see.

use std::time::{Duration, Instant};

/// Packets that a pod has received before its tap is judged.
pub const LEAST: u64 = 8;
/// One packet in so many that is missing is too many.
const SHARE: u64 = 8;
/// Looks in a row that must find the same.
const WITNESSES: u32 = 3;
/// What a frame takes at most from the pod's counter to ours, when nothing is dropped: a block of the ring and a turn of the loop.
const LAG: Duration = Duration::from_millis(300);
/// A span with so many packets that proved nothing wrong begins anew, so that a tap that turns blind later is found soon.
const SPAN: u64 = 64;

/// What is known at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Packets that the pod's device has received.
    pub received: u64,
    /// Packets to the pod that the tap has seen, and when that was told: before `received` was read.
    pub captured: u64,
    /// When `captured` was told.
    pub told: Instant,
    /// When `received` was read.
    pub read: Instant,
    /// Frames that the kernel dropped for want of room.
    pub drops: u64,
}

/// What came out of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is proved yet.
    Open,
    /// The tap sees what the pod receives.
    Sees,
    /// It misses so many packets of so many.
    Blind {
        /// Packets that the tap did not see.
        missed: u64,
        /// Packets that the pod received.
        of: u64,
    },
}

/// The test of one tap.
#[derive(Clone, Debug, Default)]
pub struct Test {
    /// Where the span begins.
    first: Option<Sample>,
    last: Option<Sample>,
    witnesses: u32,
}

impl Test {
    /// Takes in what is known now.
    pub fn look(&mut self, now: Sample) -> Verdict {
        let (Some(first), Some(last)) = (self.first, self.last) else {
            return self.restart(now);
        };
        let went_back = now.received < last.received || now.captured < last.captured;
        if went_back || now.drops != first.drops {
            return self.restart(now);
        }
        // What was read before has had time to arrive in what is told now.
        if now.told < last.read + LAG {
            return Verdict::Open;
        }
        let received = last.received.saturating_sub(first.received);
        let captured = now.captured.saturating_sub(first.captured);
        self.last = Some(now);
        if received < LEAST {
            return Verdict::Open;
        }
        let missed = received.saturating_sub(captured);
        if missed.saturating_mul(SHARE) <= received {
            self.witnesses = 0;
            if received >= SPAN {
                // At the last look, not at this one: what came since has not been judged, and may be all that ever tells.
                self.first = Some(last);
            }
            return Verdict::Sees;
        }
        self.witnesses = self.witnesses.saturating_add(1);
        if self.witnesses < WITNESSES { Verdict::Open } else { Verdict::Blind { missed, of: received } }
    }

    fn restart(&mut self, now: Sample) -> Verdict {
        *self = Self { first: Some(now), last: Some(now), witnesses: 0 };
        Verdict::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Looks a second apart: received, captured as it was told a tenth of a second before, drops.
    fn looks(samples: &[(u64, u64, u64)]) -> Vec<Verdict> {
        let begin = Instant::now();
        let (mut test, mut out) = (Test::default(), Vec::new());
        for (second, (received, captured, drops)) in (1..).zip(samples) {
            let read = begin + Duration::from_secs(second);
            let told = read - Duration::from_millis(100);
            out.push(test.look(Sample { received: *received, captured: *captured, told, read, drops: *drops }));
        }
        out
    }

    #[test]
    fn a_tap_that_sees_nothing_of_what_the_pod_receives_is_blind() {
        let found = looks(&[(100, 7, 0), (120, 7, 0), (120, 7, 0), (120, 7, 0), (140, 7, 0)]);
        assert_eq!(found[4], Verdict::Blind { missed: 20, of: 20 });
        assert_eq!(found[..4], [Verdict::Open; 4]);
    }

    #[test]
    fn what_comes_by_the_tap_now_and_then_does_not_hide_that_the_rest_does_not() {
        // Probes of the node are seen, a quarter of all.
        let samples: Vec<_> = (0..8).map(|second| (second * 40, second * 10, 0)).collect();
        assert!(
            matches!(looks(&samples)[7], Verdict::Blind { missed, of } if missed * 3 > of * 2),
            "{:?}",
            looks(&samples)
        );
    }

    #[test]
    fn few_packets_prove_nothing_and_drops_begin_anew() {
        assert!(
            looks(&[(0, 0, 0), (7, 0, 0), (7, 0, 0), (7, 0, 0), (7, 0, 0)]).iter().all(|one| *one == Verdict::Open)
        );
        let dropping: Vec<_> = (0..20).map(|second| (second * 100, 0, second)).collect();
        assert!(looks(&dropping).iter().all(|one| *one == Verdict::Open));
    }

    #[test]
    fn a_tap_that_turns_blind_is_found_however_much_it_saw_before() {
        let mut samples: Vec<_> = (0..100).map(|second| (second * 1000, second * 1000, 0)).collect();
        samples.extend((100..110).map(|second| (second * 1000, 99_000, 0)));
        let found = looks(&samples);
        assert!(found[1..100].iter().all(|one| matches!(one, Verdict::Open | Verdict::Sees)), "{found:?}");
        assert!(matches!(found[106], Verdict::Blind { .. }), "{:?}", &found[100..]);
    }

    #[test]
    fn what_came_since_the_last_look_is_judged_when_a_span_ends() {
        // 9 of 72 are few enough, and the span ends; the 15 that came meanwhile are all that is ever missed again.
        let found = looks(&[(0, 0, 0), (63, 63, 0), (72, 63, 0), (87, 63, 0), (87, 63, 0), (87, 63, 0), (87, 63, 0)]);
        assert_eq!(found[3], Verdict::Sees, "{found:?}");
        assert_eq!(found[6], Verdict::Blind { missed: 15, of: 15 }, "{found:?}");
    }

    #[test]
    fn a_device_that_is_replaced_begins_anew() {
        let found = looks(&[(1000, 0, 0), (1010, 0, 0), (1020, 0, 0), (5, 0, 0), (6, 0, 0), (7, 0, 0), (7, 0, 0)]);
        assert!(found.iter().all(|one| *one == Verdict::Open), "{found:?}");
    }

    proptest! {
        /// Whatever the traffic: a tap that has seen each packet a little later than the pod is not blind.
        #[test]
        fn who_sees_everything_is_never_blind(rates in prop::collection::vec(0_u64..5000, 2..60)) {
            let begin = Instant::now();
            let (mut test, mut received) = (Test::default(), 0);
            for (second, rate) in (1..).zip(rates) {
                let read = begin + Duration::from_secs(second);
                // Told a tenth of a second before, with what the pod had a fifth of a second before that.
                let before = received;
                received += rate;
                let captured = before + rate * 7 / 10;
                let verdict = test.look(Sample { received, captured, told: read - Duration::from_millis(100), read, drops: 0 });
                prop_assert!(matches!(verdict, Verdict::Open | Verdict::Sees), "{verdict:?}");
            }
        }
    }
}
