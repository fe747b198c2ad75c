//! `buffers.md`: the catalogue of buffers.

use super::head;
use std::fmt::Write;
use tapir_protocol::{BufferId, BufferKind};

pub(super) fn page() -> String {
    let mut text = head(
        "Buffers",
        "A rule looks into one buffer at a time; naming a buffer switches to it. \"Fast\" buffers can hold the \
         pattern that is searched first; a rule whose patterns are all in other buffers is evaluated for every \
         unit of its group. A rule that names no service gets the services of its buffers.\n\n\
         | buffer | searched first | services |\n| --- | --- | --- |",
    );
    for id in BufferId::ALL {
        let kind = match id.kind() {
            BufferKind::Raw | BufferKind::Fast => "yes",
            BufferKind::Other => "no",
        };
        let services: Vec<_> = id.services().iter().map(|service| service.name()).collect();
        let services = if services.is_empty() { "any".to_owned() } else { services.join(", ") };
        let _ = writeln!(text, "| `{}` | {kind} | {services} |", id.name());
    }
    text
}
