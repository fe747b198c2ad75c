//! Suricata EVE alert records (Suricata 8 names). Unknown keys are ignored by readers.

use super::json::{evidence, printable};
use crate::{FlowDirection, Generator, SecurityEvent, community_id, eve_time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub(super) fn line(event: &SecurityEvent) -> String {
    let mut eve = Map::new();
    let mut put = |name: &str, value: Value| {
        eve.insert(name.to_owned(), value);
    };
    put("timestamp", eve_time(event.time).into());
    if let Some(flow) = &event.flow {
        put("flow_id", (flow.id & ((1 << 53) - 1)).into());
    }
    put("in_iface", event.interface.as_ref().into());
    put("event_type", "alert".into());
    for (ip, port, end) in [("src_ip", "src_port", event.source), ("dest_ip", "dest_port", event.destination)] {
        let Some(end) = end else { continue };
        put(ip, end.address.to_string().into());
        if let Some(port_number) = end.port {
            put(port, port_number.into());
        }
    }
    if let Some(source) = event.source {
        put("ip_v", if source.address.is_ipv4() { 4 } else { 6 }.into());
    }
    put("proto", protocol(event).into());
    if let Some((kind, code, ..)) = event.wire.icmp {
        put("icmp_type", kind.into());
        put("icmp_code", code.into());
    }
    if event.wire.vlan != 0 {
        put("vlan", json!([event.wire.vlan]));
    }
    if let Some(id) = community_id(event) {
        put("community_id", id.into());
    }
    put("pkt_src", if event.generator == Generator::Raw { "wire/pcap" } else { "stream (detect/log)" }.into());
    put("pcap_cnt", event.packet_number.into());
    if let Some(service) = event.service {
        put("app_proto", app_proto(service).into());
    }
    if let Some(direction) = event.direction {
        let word = if direction == FlowDirection::ToServer { "to_server" } else { "to_client" };
        put("direction", word.into());
    }
    put("alert", alert(event));
    if let Some(flow) = &event.flow {
        put(
            "flow",
            json!({
                "pkts_toserver": flow.packets.first(),
                "pkts_toclient": flow.packets.get(1),
                "bytes_toserver": flow.bytes.first(),
                "bytes_toclient": flow.bytes.get(1),
                "start": eve_time(flow.start),
                "src_ip": flow.client.address.to_string(),
                "dest_ip": flow.server.address.to_string(),
                "src_port": flow.client.port,
                "dest_port": flow.server.port,
            }),
        );
    }
    put("stream", u8::from(event.generator == Generator::StreamTcp).into());
    if let Some(found) = &event.evidence {
        put("payload", STANDARD.encode(&found.payload).into());
        put("payload_printable", printable(&found.payload).into());
        put("payload_length", found.payload_len.into());
        put("evidence", evidence(found));
    }
    Value::Object(eve).to_string()
}

fn alert(event: &SecurityEvent) -> Value {
    let rule = &event.rule;
    let mut metadata: Map<String, Value> = Map::new();
    for (key, value) in &rule.metadata {
        if let Value::Array(values) = metadata.entry(key.clone()).or_insert_with(|| json!([])) {
            values.push(value.as_str().into());
        }
    }
    let mut alert = json!({
        "action": "allowed",
        "gid": rule.gid,
        "signature_id": rule.sid,
        "rev": rule.rev,
        "signature": rule.msg.as_deref().unwrap_or("no msg in rule"),
        "category": rule.class.as_deref().unwrap_or(""),
        "severity": rule.priority,
    });
    if let Some(object) = alert.as_object_mut() {
        if !metadata.is_empty() {
            object.insert("metadata".to_owned(), Value::Object(metadata));
        }
        if !rule.references.is_empty() {
            let urls: Vec<Value> = rule
                .references
                .iter()
                .map(|(scheme, id, url)| url.clone().unwrap_or_else(|| format!("{scheme}:{id}")).into())
                .collect();
            object.insert("references".to_owned(), Value::Array(urls));
        }
        if let (Some(target_is_source), Some(source), Some(destination)) =
            (rule.target_is_source, event.source, event.destination)
        {
            let (source, target) = if target_is_source { (destination, source) } else { (source, destination) };
            object.insert("source".to_owned(), json!({ "ip": source.address.to_string(), "port": source.port }));
            object.insert("target".to_owned(), json!({ "ip": target.address.to_string(), "port": target.port }));
        }
    }
    alert
}

fn protocol(event: &SecurityEvent) -> String {
    match event.protocol_number {
        Some(6) => "TCP".to_owned(),
        Some(17) => "UDP".to_owned(),
        Some(1) => "ICMP".to_owned(),
        Some(58) => "IPv6-ICMP".to_owned(),
        Some(132) => "SCTP".to_owned(),
        Some(number) => number.to_string(),
        None => event.protocol.to_owned(),
    }
}

/// Suricata's name of a service.
fn app_proto(service: &str) -> &str {
    match service {
        "ssl" => "tls",
        "netbios-ssn" => "smb",
        "sunrpc" => "rpc",
        other => other,
    }
}
