//! Snort 3's `alert_csv` with its default fields (`snort/07-output.md` §7.4). No header line.

use super::json::direction;
use crate::{Endpoint, SecurityEvent, snort_time};

pub(super) fn line(event: &SecurityEvent) -> String {
    let rule = &event.rule;
    let end =
        |end: Option<Endpoint>| end.map(|end| format!("{}:{}", end.address, end.port.unwrap_or(0))).unwrap_or_default();
    [
        snort_time(event.time, false),
        event.packet_number.to_string(),
        event.protocol.to_string(),
        event.generator.name().to_owned(),
        event.packet_len.to_string(),
        direction(event.direction).to_owned(),
        end(event.source),
        end(event.destination),
        format!("{}:{}:{}", rule.gid, rule.sid, rule.rev),
        "allow".to_owned(),
    ]
    .join(", ")
}
