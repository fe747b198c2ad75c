//! ArcSight Common Event Format, version 0: one line with a header of seven fields and `key=value` pairs.
//!
//! *Limits*: lengths of values are those of ArcSight's dictionary; what is longer is cut. Of an id that is longer than 40 characters
//! the end stays, which has boot and sequence; the node is whole in `cs6`.

use super::eve::app_proto;
use crate::{Endpoint, Orientation, SecurityEvent, session};
use std::fmt::Write;

/// Most characters of the header's name.
const MAX_NAME: usize = 512;

/// Most characters of a value.
fn longest(key: &str) -> usize {
    match key {
        "app" | "proto" => 31,
        "externalId" => 40,
        "act" => 63,
        "dvchost" => 100,
        "deviceInboundInterface" => 128,
        "sntdom" | "dntdom" => 255,
        "cs1" | "cs2" | "cs3" | "cs4" | "cs5" | "cs6" => 4_000,
        _ => 1_023,
    }
}

pub(super) fn line(event: &SecurityEvent) -> String {
    let rule = &event.rule;
    let mut line = format!(
        "CEF:0|Tapir|tapir|{}|{}:{}|{}|{}|",
        env!("CARGO_PKG_VERSION"),
        rule.gid,
        rule.sid,
        header(rule.message()),
        rule.severity().div_ceil(10)
    );
    let mut pairs = Pairs { line: &mut line, first: true };
    pairs.put("rt", crate::time::millis(event.time).to_string());
    let id = event.id.to_string();
    let cut = id.char_indices().rev().nth(longest("externalId") - 1).map_or(0, |(at, _)| at);
    pairs.put("externalId", id.get(cut..).unwrap_or_default());
    address(&mut pairs, event.source, ["src", "spt"], ("c6a2", "Source IPv6 Address"));
    address(&mut pairs, event.destination, ["dst", "dpt"], ("c6a3", "Destination IPv6 Address"));
    if let Some((source, destination, _)) = event.wire.ethernet {
        pairs.put("smac", super::json::mac(source));
        pairs.put("dmac", super::json::mac(destination));
    }
    pairs.put("proto", event.protocol.as_ref());
    pairs.put("app", event.service.as_deref().map(app_proto).unwrap_or_default());
    match event.orientation() {
        Some(Orientation::Inbound) => pairs.put("deviceDirection", "0"),
        Some(Orientation::Outbound) => pairs.put("deviceDirection", "1"),
        Some(Orientation::EastWest) | None => {}
    }
    let (source, destination) = event.source_and_destination();
    for (workload, host, domain) in [(source, "shost", "sntdom"), (destination, "dhost", "dntdom")] {
        if let Some(workload) = workload {
            pairs.put(host, workload.pod.as_str());
            pairs.put(domain, workload.namespace.as_str());
        }
    }
    pairs.put("act", rule.action.as_str());
    pairs.put("cat", rule.class.as_deref().unwrap_or_default());
    let owner = |workload: &Option<crate::Workload>| workload.as_ref().map(|w| w.display()).unwrap_or_default();
    let mitre: Vec<&str> = rule.tactics().iter().chain(&rule.techniques()).map(|attack| attack.id).collect();
    for (key, label, value) in [
        ("cs1", "Inspection", event.inspection.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("cs2", "Client", owner(&event.client)),
        ("cs3", "Server", owner(&event.server)),
        ("cs4", "MITRE", mitre.join(",")),
        ("cs5", "Community ID", crate::community_id(event).unwrap_or_default()),
        ("cs6", "Node", event.id.node.to_string()),
        ("cn1", "Priority", rule.priority.to_string()),
        ("cn2", "Revision", rule.rev.to_string()),
    ] {
        if !value.is_empty() {
            pairs.put(key, value);
            pairs.put(&format!("{key}Label"), label);
        }
    }
    if let Some(http) = &event.session.http {
        pairs.put("request", http.uri.as_deref().unwrap_or_default());
        pairs.put("requestMethod", http.method.as_deref().unwrap_or_default());
        pairs.put("requestClientApplication", http.user_agent.as_deref().unwrap_or_default());
    }
    if let Some(flow) = &event.flow {
        let [to_server, to_client] = flow.bytes;
        pairs.put("out", to_server.to_string());
        pairs.put("in", to_client.to_string());
    }
    pairs.put("deviceInboundInterface", event.interface.as_ref());
    pairs.put("dvchost", event.id.node.as_ref());
    pairs.put("reason", event.sentence());
    if let Some(evidence) = &event.evidence {
        pairs.put("msg", session::text(&evidence.payload));
    }
    line
}

fn address(pairs: &mut Pairs<'_>, end: Option<Endpoint>, keys: [&str; 2], (v6, label): (&str, &str)) {
    let Some(end) = end else { return };
    let [address, port] = keys;
    if end.address.is_ipv4() {
        pairs.put(address, end.address.to_string());
    } else {
        pairs.put(v6, end.address.to_string());
        pairs.put(&format!("{v6}Label"), label);
    }
    pairs.put(port, end.port.map(|port| port.to_string()).unwrap_or_default());
}

struct Pairs<'l> {
    line: &'l mut String,
    first: bool,
}

impl Pairs<'_> {
    /// Adds a pair unless the value is empty.
    fn put(&mut self, key: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        if value.is_empty() {
            return;
        }
        let blank = if std::mem::take(&mut self.first) { "" } else { " " };
        let _ = write!(self.line, "{blank}{key}=");
        for c in value.chars().take(longest(key)) {
            match c {
                '\\' => self.line.push_str("\\\\"),
                '=' => self.line.push_str("\\="),
                '\n' => self.line.push_str("\\n"),
                '\r' => self.line.push_str("\\r"),
                c if c.is_control() => self.line.push(' '),
                c => self.line.push(c),
            }
        }
    }
}

/// A header field: `|` and `\` escaped, no line ends.
fn header(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(MAX_NAME) {
        match c {
            '|' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;
    use std::sync::Arc;

    #[test]
    fn separators_are_escaped_where_they_separate() {
        let mut event = event();
        Arc::make_mut(&mut event.rule).msg = Some("a|b=c\\d".into());
        let line = line(&event);
        assert!(line.starts_with("CEF:0|Tapir|tapir|"), "{line}");
        assert!(line.contains("|1:1|a\\|b=c\\\\d|9|rt=1700000000039 externalId=worker-3-12-845 "), "{line}");
        assert!(line.contains(" request=/test?a\\=b|c "), "{line}");
    }

    #[test]
    fn values_are_as_long_as_the_dictionary_lets_them_be() {
        let mut event = event();
        event.id.node = "ip-10-0-12-34.eu-central-1.compute.internal".into();
        event.interface = "i".repeat(200).into();
        event.session.http.as_mut().expect("http").uri = Some("/".repeat(2_000));
        let line = line(&event);
        assert!(line.contains(" externalId=-34.eu-central-1.compute.internal-12-845 "), "{line}");
        assert!(line.contains(&format!(" deviceInboundInterface={} dvchost", "i".repeat(128))), "{line}");
        assert!(line.contains(&format!(" request={} ", "/".repeat(1_023))), "{line}");
    }

    #[test]
    fn ipv6_has_its_own_keys() {
        let mut event = event();
        event.source = Some(Endpoint { address: "2001:db8::1".parse().expect("address"), port: Some(5) });
        let line = line(&event);
        assert!(line.contains("c6a2=2001:db8::1 c6a2Label=Source IPv6 Address spt=5 dst=10.9.8.7"), "{line}");
    }
}
