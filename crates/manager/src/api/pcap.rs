//! The packets behind an event, as a capture file.

use super::events::{event_id, parsed};
use crate::problem::{Answer, Path, Problem};
use crate::sight::Sight;
use axum::http::header;
use axum::response::IntoResponse;
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType};
use tapir_pcap::{Precision, Writer};
use tapir_store::EventStore;

/// Packets that are kept with an event: those of its conversation where they were asked for, otherwise its own; 404 if none is.
#[utoipa::path(get, path = "/events/{id}/pcap", tag = "events", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/vnd.tcpdump.pcap", body = Vec<u8>),
        (status = 404, body = Problem)))]
pub(super) async fn pcap(sight: Sight, Path(id): Path<String>) -> Answer<impl IntoResponse> {
    let id = event_id(&id)?;
    let event = parsed(&sight.event(id.clone()).await?.document)?;
    let file = capture(&event).ok_or_else(|| {
        let mut problem = Problem::not_found("packet of this event", &id.to_string());
        problem.detail = "no packet is kept with this event: it was raised on reassembled data, or evidence is off \
            in the agent; its matched buffers are in the document"
            .to_owned();
        problem
    })?;
    // The node's name comes from outside: only plain characters go into the header.
    let name: String = id.to_string().chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.tcpdump.pcap".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.pcap\"")),
    ];
    Ok((headers, file))
}

fn capture(event: &SecurityEvent) -> Option<Vec<u8>> {
    let evidence = event.evidence.as_ref()?;
    let link = LinkType(evidence.link_type.into());
    let mut writer = Writer::new(Vec::new(), link, Precision::Nanos).ok()?;
    let mut write = |data: &[u8], timestamp, original_len| {
        writer.write(&Frame { data, timestamp, link, original_len, meta: FrameMeta::default() }).ok()
    };
    match evidence.packets.as_slice() {
        [] if evidence.packet.is_empty() => return None,
        // The engine cuts it; how long it was on the wire is not in the event.
        [] => write(&evidence.packet, event.time, u32::try_from(evidence.packet.len()).unwrap_or(u32::MAX))?,
        packets => packets.iter().try_for_each(|one| write(&one.bytes, one.time, one.original_len))?,
    }
    Some(writer.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_event::{Evidence, EvidencePacket};
    use tapir_packet::Timestamp;

    #[test]
    fn packets_of_the_conversation_come_instead_of_the_one_that_matched() {
        let packet = |time, len: usize| EvidencePacket {
            time: Timestamp(time),
            bytes: vec![7; len],
            original_len: u32::try_from(len).unwrap() + 100,
        };
        let mut event = SecurityEvent {
            evidence: Some(Evidence { link_type: 1, ..Evidence::default() }),
            ..SecurityEvent::default()
        };
        assert!(capture(&event).is_none(), "there is nothing to show");
        let evidence = event.evidence.as_mut().unwrap();
        evidence.packet = vec![1; 60];
        evidence.packets = vec![packet(5, 60), packet(7_000_000_009, 33)];
        let file = capture(&event).unwrap();
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        // Header of the file, then of each record: seconds, nanoseconds, bytes that are there, bytes that were.
        assert_eq!((file.len(), word(20)), (24 + 16 + 60 + 16 + 33, 1));
        assert_eq!([24, 28, 32, 36].map(word), [0, 5, 60, 160]);
        assert_eq!([100, 104, 108, 112].map(word), [7, 9, 33, 133]);
    }
}
