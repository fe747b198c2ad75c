//! `services.md`: which services are named, which are inspected, and what each inspector knows.

use super::{cell, head};
use crate::tidy::protocols;
use crate::tree::Tree;
use std::fmt::Write;
use tapir_protocol::{BufferId, PROTOCOLS, Service, TransportKind};

pub(super) fn page(tree: &Tree) -> String {
    let mut text = head(
        "Services",
        "A service is what a flow speaks, found in its first bytes and, for some, bound to a port. Services with an \
         inspector are cut into messages with buffers; the others are inspected as plain streams or datagrams.\n\n\
         | service | inspected over | buffers of its own |\n| --- | --- | --- |",
    );
    let mut plain = Vec::new();
    for &service in Service::ALL {
        let transports: Vec<_> = PROTOCOLS
            .iter()
            .filter(|def| def.service == service)
            .flat_map(|def| def.transports)
            .map(|transport| match transport {
                TransportKind::Tcp => "TCP",
                TransportKind::Udp => "UDP",
            })
            .collect();
        if transports.is_empty() {
            plain.push(format!("`{}`", service.name()));
            continue;
        }
        let buffers: Vec<_> = BufferId::ALL
            .iter()
            .filter(|id| id.services().contains(&service))
            .map(|id| format!("`{}`", id.name()))
            .collect();
        let _ = writeln!(text, "| `{}` | {} | {} |", service.name(), transports.join(", "), cell(&buffers.join(" ")));
    }
    let _ = write!(text, "\nNamed in rules and found by identification, without an inspector: {}.\n", plain.join(", "));
    text.push_str("\n## Inspectors\n\nWhat the source of each says of itself.\n");
    for name in protocols::names(tree) {
        let path = protocols::main_file(tree, name);
        let docs: Vec<&str> = tree
            .text(&path)
            .unwrap_or_default()
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .map(|line| line.trim_start_matches("//!").trim_start_matches(' '))
            .collect();
        let _ = write!(text, "\n### {name}\n\n{}\n", without_code_links(docs.join("\n").trim()));
    }
    text
}

/// `[`Thing`]` links lead nowhere outside of the API documentation.
fn without_code_links(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`")
}
