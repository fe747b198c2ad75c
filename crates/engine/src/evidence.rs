//! The bytes behind a detection, copied out of the worker and bounded.
//!
//! *Limits*: 4 KiB per buffer, 16 KiB per event, 2 KiB of payload, 2 KiB of packet.

use tapir_detect::DetectRule;
use tapir_event::{Evidence, EvidenceBuffer, EvidenceHit};
use tapir_options::{Hit, Unit};
use tapir_protocol::{BufferId, BufferKey};

const PER_BUFFER: usize = 4 << 10;
const PER_EVENT: usize = 16 << 10;
const PAYLOAD: usize = 2 << 10;
const PACKET: usize = 2 << 10;
/// Context kept before the first hit of a long buffer.
const BEFORE: usize = 256;

/// Copies every buffer in which the rule's options matched.
pub(crate) fn collect(rule: &DetectRule, unit: &Unit<'_>, hits: &[Hit]) -> Evidence {
    let mut evidence = Evidence {
        payload: unit.payload.get(..unit.payload.len().min(PAYLOAD)).unwrap_or_default().to_vec(),
        payload_len: to_u32(unit.payload.len()),
        ..Evidence::default()
    };
    let mut room = PER_EVENT;
    if let Some(packet) = unit.packet {
        let frame = packet.frame;
        evidence.packet = frame.data.get(..frame.data.len().min(PACKET)).unwrap_or_default().to_vec();
        evidence.link_type = u16::try_from(frame.link.0).unwrap_or(u16::MAX);
    }
    for hit in hits {
        let text = rule.rule.options.get(usize::from(hit.option)).map(|option| option.canonical()).unwrap_or_default();
        evidence.hits.push(EvidenceHit {
            option: hit.option,
            text,
            buffer: hit.buffer.name().into(),
            offset: hit.offset,
            len: hit.len,
        });
        if evidence.buffers.iter().any(|buffer| buffer.name == hit.buffer.name()) {
            continue;
        }
        let bytes = match hit.buffer {
            BufferId::PktData => Some(unit.payload),
            BufferId::RawData => Some(unit.raw),
            id => unit.view.buffer(&BufferKey::whole(id), unit.arena),
        };
        let Some(bytes) = bytes else { continue };
        let start = if bytes.len() > PER_BUFFER { (hit.offset as usize).saturating_sub(BEFORE) } else { 0 };
        let end = bytes.len().min(start.saturating_add(PER_BUFFER)).min(start.saturating_add(room));
        let kept = bytes.get(start..end).unwrap_or_default();
        room -= kept.len();
        evidence.buffers.push(EvidenceBuffer {
            name: hit.buffer.name().into(),
            offset: to_u32(start),
            bytes: kept.to_vec(),
            original_len: to_u32(bytes.len()),
        });
    }
    evidence
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
