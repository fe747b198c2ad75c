//! Suricata EVE alert records (Suricata 8 names). Unknown keys are ignored by readers.

use super::Object;
use super::json::{evidence, mac, printable};
use crate::dns_names::{record_type, response_code};
use crate::{Generator, SecurityEvent, community_id, eve_time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub(super) fn document(event: &SecurityEvent) -> Map<String, Value> {
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
    if let Some((source, destination, kind)) = event.wire.ethernet {
        let [source, destination] = [source, destination].map(|address| mac(address).to_ascii_lowercase());
        put("ether", json!({ "src_mac": source, "dest_mac": destination, "ether_type": kind }));
    }
    if event.wire.vlan != 0 {
        put("vlan", json!([event.wire.vlan]));
    }
    if let Some(id) = community_id(event) {
        put("community_id", id.into());
    }
    put("pkt_src", if event.generator == Generator::Raw { "wire/pcap" } else { "stream (detect/log)" }.into());
    put("pcap_cnt", event.packet_number.into());
    if let Some(service) = &event.service {
        put("app_proto", app_proto(service).into());
    }
    if let Some(direction) = event.direction {
        put("direction", direction.name().into());
    }
    put("alert", alert(event));
    if let Some(flow) = &event.flow {
        let mut out = Object::new();
        out.put("pkts_toserver", flow.packets[0]);
        out.put("pkts_toclient", flow.packets[1]);
        out.put("bytes_toserver", flow.bytes[0]);
        out.put("bytes_toclient", flow.bytes[1]);
        out.put("start", eve_time(flow.start));
        out.put("src_ip", flow.client.address.to_string());
        out.put("dest_ip", flow.server.address.to_string());
        out.put("src_port", flow.client.port);
        out.put("dest_port", flow.server.port);
        put("flow", out.into());
    }
    put("stream", u8::from(event.generator == Generator::StreamTcp).into());
    if let Some(found) = &event.evidence {
        put("payload", STANDARD.encode(&found.payload).into());
        put("payload_printable", printable(&found.payload).into());
        put("payload_length", found.payload_len.into());
        if !found.packet.is_empty() {
            put("packet", STANDARD.encode(&found.packet).into());
            let mut info = Object::new();
            info.put("linktype", found.link_type);
            info.put("linktype_name", link_type_name(found.link_type));
            put("packet_info", info.into());
        }
        put("evidence", evidence(found));
    }
    sessions(event, &mut put);
    if !event.id.node.is_empty() {
        put("host", event.id.node.as_ref().into());
    }
    let kubernetes = kubernetes(event);
    if !kubernetes.is_empty() {
        put("kubernetes", Value::Object(kubernetes));
    }
    eve
}

/// `http`, `dns` and `tls` in Suricata's names.
fn sessions(event: &SecurityEvent, put: &mut impl FnMut(&str, Value)) {
    if let Some(http) = &event.session.http {
        let mut out = Object::new();
        if let Some((name, port)) = http.authority() {
            out.put("hostname", name);
            out.put("http_port", port);
        }
        out.put("url", http.uri.as_deref());
        out.put("http_user_agent", http.user_agent.as_deref());
        out.put("http_content_type", http.content_type.as_deref());
        out.put("http_method", http.method.as_deref());
        out.put("http_refer", http.referer.as_deref());
        out.put("protocol", http.version.as_ref().map(|version| format!("HTTP/{version}")));
        out.put("status", http.status);
        put("http", out.into());
    }
    if let Some(dns) = &event.session.dns {
        let mut out = Object::new();
        out.put("version", 3);
        out.put("type", if dns.rcode.is_some() { "response" } else { "request" });
        out.put("id", dns.id);
        out.put("rcode", dns.rcode.map(response_code).map(|name| name.into_owned()));
        if let Some(name) = &dns.name {
            let mut query = Object::new();
            query.put("rrname", name.as_str());
            query.put("rrtype", dns.kind.map(record_type).map(|name| name.into_owned()));
            out.put("queries", vec![Value::from(query)]);
        }
        put("dns", out.into());
    }
    if let Some(tls) = &event.session.tls {
        let mut out = Object::new();
        out.put("sni", tls.sni.as_deref());
        out.put("version", tls.version.as_deref());
        put("tls", out.into());
    }
}

/// Names in the cluster: Tapir's addition.
fn kubernetes(event: &SecurityEvent) -> Map<String, Value> {
    let mut out = Object::new();
    out.put("node", event.id.node.as_ref());
    out.put("inspection", event.inspection.as_ref().map(ToString::to_string));
    for (side, workload) in [("client", &event.client), ("server", &event.server)] {
        let Some(workload) = workload else { continue };
        out.put_path(&format!("{side}.namespace"), workload.namespace.as_str());
        out.put_path(&format!("{side}.pod"), workload.pod.as_str());
        out.put_path(&format!("{side}.owner_kind"), workload.owner_kind.as_str());
        out.put_path(&format!("{side}.owner_name"), workload.owner_name.as_str());
        out.put_path(&format!("{side}.service"), workload.service.as_str());
    }
    out.0
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
        "signature": rule.message(),
        "category": rule.class.as_deref().unwrap_or(""),
        "severity": rule.priority,
    });
    if let Some(object) = alert.as_object_mut() {
        if !metadata.is_empty() {
            object.insert("metadata".to_owned(), Value::Object(metadata));
        }
        if !rule.references.is_empty() {
            object.insert("references".to_owned(), rule.reference_urls().collect::<Vec<_>>().into());
        }
        if !rule.text.is_empty() {
            object.insert("rule".to_owned(), rule.text.as_str().into());
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
        None => event.protocol.to_string(),
    }
}

/// libpcap's name of a link type.
fn link_type_name(link_type: u16) -> Option<&'static str> {
    Some(match link_type {
        0 => "NULL",
        1 => "EN10MB",
        9 => "PPP",
        12 | 101 => "RAW",
        104 => "C_HDLC",
        105 => "IEEE802_11",
        108 => "LOOP",
        113 => "LINUX_SLL",
        127 => "IEEE802_11_RADIO",
        228 => "IPV4",
        229 => "IPV6",
        276 => "LINUX_SLL2",
        _ => return None,
    })
}

/// Suricata's name of a service, which others expect as well: `tls`, where Snort says `ssl`.
pub(super) fn app_proto(service: &str) -> &str {
    match service {
        "ssl" => "tls",
        "netbios-ssn" => "smb",
        "sunrpc" => "rpc",
        other => other,
    }
}
