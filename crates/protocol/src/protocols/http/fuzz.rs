//! The fuzz target of the inspector: hostile bytes in hostile cuts, every buffer asked for.

use super::inspector::HttpInspector;
use crate::{
    BufferId, BufferKey, End, Expectation, InspectCx, Inspector, InspectorEvent, Limits, Pdu, PduSink, Selector, Step,
    UriPart,
};
use bumpalo::Bump;
use std::net::{IpAddr, Ipv4Addr};
use tapir_flow::Direction;
use tapir_telemetry::Counters;

/// Drives the inspector with hostile bytes: the first bytes choose directions and cuts.
#[doc(hidden)]
pub fn fuzz_http(data: &[u8]) {
    let limits = Limits { pdu_bytes: 64, http_header_bytes: 512, inflate_bytes: 1 << 16, ..Limits::default() };
    let Some((plan, mut data)) = data.split_at_checked(16) else { return };
    let mut counters = Counters::default();
    let mut inspector = HttpInspector::default();
    let mut tails = [Vec::new(), Vec::new()];
    let mut live = [true, true];
    for &step in plan.iter().cycle() {
        if data.is_empty() {
            break;
        }
        let (chunk, rest) = data.split_at(data.len().min(usize::from(step >> 1) + 1));
        data = rest;
        let direction = if step & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let (Some(tail), Some(live)) = (tails.get_mut(direction.index()), live.get_mut(direction.index())) else {
            return;
        };
        tail.extend_from_slice(chunk);
        let mut zero = false;
        while *live {
            let step = with_cx(&limits, &mut counters, |cx| inspector.on_bytes(direction, tail, cx));
            match step {
                Step::Consumed(count) => {
                    debug_assert!(count <= tail.len() && !(zero && count == 0));
                    zero = count == 0;
                    tail.drain(..count.min(tail.len()));
                }
                Step::NeedMore { at_least } => {
                    debug_assert!(at_least > tail.len());
                    break;
                }
                Step::Switch(_) => return,
                Step::Detach(_) => *live = false,
            }
        }
    }
    for (direction, tail) in [Direction::ToServer, Direction::ToClient].into_iter().zip(&tails) {
        with_cx(&limits, &mut counters, |cx| inspector.on_end(direction, tail, End::EndOfCapture, cx));
    }
}

/// A context whose sink asks every buffer of every PDU.
fn with_cx<T>(limits: &Limits, counters: &mut Counters, run: impl FnOnce(&mut InspectCx<'_>) -> T) -> T {
    struct Prober;
    impl PduSink for Prober {
        fn pdu(&mut self, pdu: &Pdu<'_>) {
            let arena = Bump::new();
            for &id in BufferId::ALL {
                for selector in [
                    Selector::Whole,
                    Selector::Field("host".into()),
                    Selector::Uri(UriPart::Path),
                    Selector::Param { name: (*b"a").into(), nocase: true, occurrence: 1 },
                ] {
                    let key = BufferKey { id, request: false, selector };
                    debug_assert!(pdu.view.buffer(&key, &arena).is_none_or(|buffer| !buffer.is_empty()));
                }
                let _ = pdu.view.searchable(id, &arena);
            }
            let _ = pdu.view.http(false);
        }
        fn event(&mut self, _event: InspectorEvent) {}
        fn expect(&mut self, _expectation: Expectation) {}
    }
    let nowhere = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    run(&mut InspectCx { sink: &mut Prober, limits, counters, client: nowhere, server: nowhere })
}
