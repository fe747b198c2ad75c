//! The packet behind an event, as a capture file.

use super::events::{event_id, parsed};
use crate::problem::{Answer, Problem};
use crate::sight::Sight;
use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse;
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType};
use tapir_pcap::{Precision, Writer};
use tapir_store::EventStore;

/// The packet that is kept with an event; 404 if none is.
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
    let evidence = event.evidence.as_ref().filter(|evidence| !evidence.packet.is_empty())?;
    let link = LinkType(evidence.link_type.into());
    let length = u32::try_from(evidence.packet.len()).unwrap_or(u32::MAX);
    let frame = Frame {
        data: &evidence.packet,
        timestamp: event.time,
        link,
        // The engine cuts it; how long it was on the wire is not in the event.
        original_len: length,
        meta: FrameMeta::default(),
    };
    let mut writer = Writer::new(Vec::new(), link, Precision::Nanos).ok()?;
    writer.write(&frame).ok()?;
    Some(writer.into_inner())
}
