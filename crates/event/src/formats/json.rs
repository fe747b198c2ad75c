//! Snort 3's `alert_json` field names, one object a line (`snort/07-output.md` §7.3), plus
//! `community_id` and, on request, `evidence`.
//!
//! `differs:` always valid JSON (Snort writes a stray comma if its first field is absent); spacing
//! as Snort's; times are UTC.

use crate::{Evidence, FlowDirection, SecurityEvent, community_id, snort_time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) fn line(event: &SecurityEvent) -> String {
    let mut members = Members(String::with_capacity(512));
    let rule = &event.rule;
    members.add("timestamp", snort_time(event.time, false));
    members.add("seconds", event.time.secs());
    members.add("pkt_num", event.packet_number);
    members.add("proto", event.protocol.as_ref());
    members.add("pkt_gen", event.generator.name());
    members.add("pkt_len", event.packet_len);
    members.add("dir", direction(event.direction));
    addresses(&mut members, event);
    members.add("service", event.service.as_deref().unwrap_or("unknown"));
    members.add("gid", rule.gid);
    members.add("sid", rule.sid);
    members.add("rev", rule.rev);
    members.add("rule", format!("{}:{}:{}", rule.gid, rule.sid, rule.rev));
    members.add("msg", rule.message());
    members.add("class", rule.class.as_deref().unwrap_or("none"));
    members.add("priority", rule.priority);
    members.add("action", "allow");
    wire(&mut members, event);
    if let Some(flow) = &event.flow {
        members.add("client_pkts", flow.packets.first().copied().unwrap_or(0));
        members.add("server_pkts", flow.packets.get(1).copied().unwrap_or(0));
        members.add("client_bytes", flow.bytes.first().copied().unwrap_or(0));
        members.add("server_bytes", flow.bytes.get(1).copied().unwrap_or(0));
        members.add("flowstart_time", flow.start.secs());
    }
    members.add("iface", event.interface.as_ref());
    if let Some(id) = community_id(event) {
        members.add("community_id", id);
    }
    if let Some(found) = &event.evidence {
        members.add("b64_data", STANDARD.encode(&found.payload));
        members.add("evidence", evidence(found));
    }
    members.finish()
}

struct Members(String);

impl Members {
    fn add(&mut self, name: &str, value: impl Into<Value>) {
        let separator = if self.0.is_empty() { "{ " } else { ", " };
        let _ = write!(self.0, "{separator}\"{name}\" : {}", value.into());
    }

    fn finish(mut self) -> String {
        self.0.push_str(" }");
        self.0
    }
}

/// `C2S`, `S2C`, `UNK`.
pub(super) fn direction(direction: Option<FlowDirection>) -> &'static str {
    match direction {
        Some(FlowDirection::ToServer) => "C2S",
        Some(FlowDirection::ToClient) => "S2C",
        None => "UNK",
    }
}

fn addresses(members: &mut Members, event: &SecurityEvent) {
    for (name, end) in [("src", event.source), ("dst", event.destination)] {
        let Some(end) = end else { continue };
        members.add(&format!("{name}_addr"), end.address.to_string());
        if let Some(port) = end.port {
            members.add(&format!("{name}_port"), port);
        }
        members.add(&format!("{name}_ap"), format!("{}:{}", end.address, end.port.unwrap_or(0)));
    }
}

fn wire(members: &mut Members, event: &SecurityEvent) {
    let wire = &event.wire;
    if let Some((source, destination, kind)) = wire.ethernet {
        members.add("eth_src", mac(source));
        members.add("eth_dst", mac(destination));
        members.add("eth_type", format!("{kind:#X}").replace("0X", "0x"));
    }
    members.add("vlan", wire.vlan);
    for (name, value) in [
        ("ttl", wire.ttl.map(u32::from)),
        ("tos", wire.tos.map(u32::from)),
        ("ip_id", wire.ip_id),
        ("ip_len", wire.ip_len),
        ("udp_len", wire.udp_len.map(u32::from)),
    ] {
        if let Some(value) = value {
            members.add(name, value);
        }
    }
    if let Some((seq, ack, window, header, flags)) = wire.tcp {
        members.add("tcp_seq", seq);
        members.add("tcp_ack", ack);
        members.add("tcp_win", window);
        members.add("tcp_len", header);
        members.add("tcp_flags", tcp_flags(flags));
    }
    if let Some((kind, code, id, seq)) = wire.icmp {
        members.add("icmp_type", kind);
        members.add("icmp_code", code);
        if let Some(id) = id {
            members.add("icmp_id", id);
        }
        if let Some(seq) = seq {
            members.add("icmp_seq", seq);
        }
    }
}

/// Eight characters `12UAPRSF`, `*` for clear bits.
fn tcp_flags(flags: u8) -> String {
    "12UAPRSF".chars().enumerate().map(|(bit, name)| if flags & (0x80 >> bit) != 0 { name } else { '*' }).collect()
}

pub(super) fn mac(address: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = address;
    format!("{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}")
}

/// Matched buffers with offsets, and a bounded excerpt of the payload.
pub(super) fn evidence(evidence: &Evidence) -> Value {
    let buffers: Vec<Value> = evidence
        .buffers
        .iter()
        .map(|buffer| {
            json!({
                "name": buffer.name,
                "offset": buffer.offset,
                "length": buffer.original_len,
                "b64": STANDARD.encode(&buffer.bytes),
                "printable": printable(&buffer.bytes),
            })
        })
        .collect();
    let matches: Vec<Value> = evidence
        .hits
        .iter()
        .map(|hit| {
            json!({
                "option": hit.option,
                "text": hit.text,
                "buffer": hit.buffer,
                "offset": hit.offset,
                "length": hit.len,
            })
        })
        .collect();
    json!({
        "buffers": buffers,
        "matches": matches,
        "payload_b64": STANDARD.encode(&evidence.payload),
        "payload_length": evidence.payload_len,
    })
}

/// Printable ASCII, dots for the rest.
pub(super) fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| if (0x20..0x7f).contains(&b) { char::from(b) } else { '.' }).collect()
}
