//! Fuzz entry: any sequence of segments, with the invariants checked after each.

use super::{OverlapPolicy, SegmentMeta, TcpConfig, TcpSession};
use crate::Direction;
use tapir_packet::{DecodeEvents, Frame, FrameMeta, LinkType, MAX_IP_LAYERS, Packet, TcpHeader, Timestamp, Transport};
use tapir_telemetry::Counters;

/// Bytes that describe one segment; its payload follows.
const STEP: usize = 9;

/// Reads `data` as a script of segments and reads from both directions in between.
#[doc(hidden)]
pub fn fuzz_reassembly(data: &[u8]) {
    let Some((&[policy, limits], mut script)) = data.split_first_chunk() else { return };
    let config = config(policy, limits);
    let mut counters = Counters::default();
    let mut session: Option<TcpSession> = None;
    let mut packet = 0;
    while let Some((&step, rest)) = script.split_first_chunk::<STEP>() {
        let [a, b, c, d, e, flags, window, len, action] = step;
        let (payload, rest) = rest.split_at_checked(usize::from(len & 0x3f)).unwrap_or((rest, &[]));
        script = rest;
        packet += 1;
        let dir = if action & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let tcp = TcpHeader {
            source_port: 1,
            destination_port: 2,
            seq: number(a, b, action & 0x10 != 0),
            ack: number(c, d, action & 0x20 != 0),
            flags: sensible(flags),
            window: u16::from(window),
            urgent: 0,
            options: payload.get(..usize::from(e) & 0x1f).unwrap_or_default(),
            header_len: 20,
        };
        let meta = SegmentMeta { packet, time: Timestamp(i64::from(e) << 32) };
        let live = session.get_or_insert_with(|| TcpSession::new(&first(tcp)).0);
        let outcome = live.on_segment(dir, &tcp, payload, meta, &config, &mut counters, &mut |_| {});
        if outcome.new_connection {
            session = None;
            continue;
        }
        read(live, dir, action, &config);
    }
}

fn config(policy: u8, limits: u8) -> TcpConfig {
    let all = OverlapPolicy::ALL;
    let policy = all.get(usize::from(policy) % all.len()).map(|(_, policy)| *policy).unwrap_or_default();
    let mut config = TcpConfig { policy, no_ack: limits & 1 != 0, midstream: limits & 2 == 0, ..TcpConfig::default() };
    if limits & 4 != 0 {
        config.max_queued_bytes = 200;
        config.max_queued_segments = 4;
        config.one_sided_flush_bytes = 100;
    }
    config
}

/// Mostly plain data, at times anything: resets end sessions too soon.
fn sensible(flags: u8) -> u8 {
    match flags >> 6 {
        0 => flags,
        1 => flags & !TcpHeader::RST,
        _ => flags & (TcpHeader::ACK | TcpHeader::URG),
    }
}

/// Mostly near the wrap-around, at times anywhere.
fn number(high: u8, low: u8, anywhere: bool) -> u32 {
    let value = (u32::from(high & 0x03) << 8) | u32::from(low);
    if anywhere { (u32::from(high) << 24) | value } else { value.wrapping_sub(256) }
}

/// Reads from a direction as the engine may, and checks what must hold.
fn read(session: &mut TcpSession, dir: Direction, action: u8, config: &TcpConfig) {
    for dir in [Direction::ToServer, Direction::ToClient] {
        let half = session.half(dir);
        half.check_invariants();
        assert!(half.queued_bytes() <= config.max_queued_bytes);
        assert!(half.segment_ends().all(|end| end <= half.ready().len()));
    }
    let half = session.half_mut(if action & 2 == 0 { dir } else { dir.reverse() });
    match action >> 6 {
        1 => half.consume(usize::from(action & 0x0f)),
        2 => {
            half.consume(usize::MAX);
            half.skip_gap();
        }
        3 if action & 0x0c == 0x0c => half.set_discard(action & 1 != 0),
        _ => {
            if action & 0x0c == 0x0c {
                half.assume_acknowledged();
            }
        }
    }
    half.check_invariants();
}

fn first(tcp: TcpHeader<'_>) -> Packet<'_> {
    let meta = FrameMeta::default();
    Packet {
        frame: Frame { data: &[], timestamp: Timestamp(0), link: LinkType::RAW, original_len: 0, meta },
        ethernet: None,
        vlan: [None; 2],
        ip: [None; MAX_IP_LAYERS],
        ip_layers: 0,
        transport: Transport::Tcp(tcp),
        payload: &[],
        defragmented: false,
        events: DecodeEvents::default(),
        broken: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn no_script_breaks_the_invariants(data in prop::collection::vec(any::<u8>(), 0..800)) {
            fuzz_reassembly(&data);
        }
    }
}
