//! Snort 3's `alert_fast`: one line, byte for byte (`snort/07-output.md` §7.2).
//!
//! The incumbent parses its events out of exactly this line. Times are UTC (Snort: `-U`).

use crate::{Endpoint, SecurityEvent, snort_time};
use std::fmt::Write;

/// With `year`, the incumbent's form: `YY/MM/DD-…`.
pub(super) fn line(event: &SecurityEvent, year: bool) -> String {
    let rule = &event.rule;
    let mut line = snort_time(event.time, year);
    let _ = write!(line, " [**] [{}:{}:{}] {} [**] ", rule.gid, rule.sid, rule.rev, quoted(rule.msg.as_deref()));
    if let Some(class) = &rule.class {
        let _ = write!(line, "[Classification: {class}] ");
    }
    let _ = write!(line, "[Priority: {}] {{{}}} ", rule.priority, event.protocol);
    let ported = matches!(event.protocol.as_ref(), "TCP" | "UDP");
    match (&event.source, &event.destination) {
        (Some(source), Some(destination)) => {
            let _ = write!(line, "{} -> {}", address(source, ported), address(destination, ported));
        }
        _ => {
            if let Some((source, destination, _)) = event.wire.ethernet {
                let _ = write!(line, "{} -> {}", super::json::mac(source), super::json::mac(destination));
            }
        }
    }
    line
}

/// The message as Snort prints it: with the rule's quotes.
pub(super) fn quoted(msg: Option<&str>) -> String {
    format!("\"{}\"", one_line(msg.unwrap_or("no msg in rule")))
}

/// Control characters would break the line (a hostile rule file, not hostile traffic).
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn address(endpoint: &Endpoint, ported: bool) -> String {
    match endpoint.port {
        Some(port) if ported => format!("{}:{port}", endpoint.address),
        _ => endpoint.address.to_string(),
    }
}
