//! What a decoded packet adds to the counters.

use crate::{DecodeEvent, Packet};
use tapir_telemetry::{Counter, Counters};

/// Counts anomalies, limits and losses of decoding. The engine calls it once per frame.
#[inline]
pub fn count(packet: &Packet<'_>, counters: &mut Counters) {
    // The usual packet: one whole IP layer, nothing to remark.
    let whole = u64::try_from(packet.frame.data.len()).unwrap_or(u64::MAX) >= u64::from(packet.frame.original_len);
    if packet.ip_layers == 1 && packet.events.is_empty() && !packet.broken && whole {
        return;
    }
    count_unusual(packet, whole, counters);
}

#[cold]
fn count_unusual(packet: &Packet<'_>, whole: bool, counters: &mut Counters) {
    if !whole {
        counters.bump(Counter::PacketsCut);
    }
    if !packet.frame.link.is_decoded() {
        counters.bump(Counter::PacketsUndecodedLink);
    } else if packet.broken {
        counters.bump(Counter::PacketsBroken);
    } else if packet.ip_layers == 0 {
        counters.bump(Counter::PacketsNotIp);
    } else if packet.ip_layers > 1 {
        counters.bump(Counter::PacketsTunnelled);
    }
    if packet.events.contains(DecodeEvent::TOO_MANY_LAYERS) {
        counters.bump(Counter::PacketsTooManyLayers);
    }
    counters.add(Counter::DecodeEvents, u64::try_from(packet.events.len()).unwrap_or(u64::MAX));
    counters.add(Counter::DecodeEventsLost, u64::from(packet.events.lost));
}
