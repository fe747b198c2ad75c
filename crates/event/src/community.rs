//! Community ID: the flow hash that lets tools join their records of one flow.

use crate::SecurityEvent;

/// `1:…` for the flow (or packet) of an event; `None` without addresses.
pub fn community_id(event: &SecurityEvent) -> Option<String> {
    let protocol = event.protocol_number?;
    let (client, server) = match &event.flow {
        Some(flow) => (flow.client, flow.server),
        None => (event.source?, event.destination?),
    };
    let (source_port, destination_port) = match event.wire.icmp {
        Some((kind, code, ..)) => (Some(u16::from(kind)), Some(u16::from(code))),
        None => (client.port, server.port),
    };
    community_id::calculate_community_id(
        0,
        client.address,
        server.address,
        source_port,
        destination_port,
        protocol,
        Default::default(),
    )
    .ok()
}
