//! OCSF 1.8 Detection Finding (class 2004) with the profiles `security_control`, `container` and `host`.

use super::{Object, Style, tapir};
use crate::dns_names::record_type;
use crate::{Attack, Endpoint, Level, Orientation, SecurityEvent, Workload, time::millis};
use serde_json::{Map, Value, json};

const VERSION: &str = "1.8.0";
const CLASS: u32 = 2004;
/// Request methods that OCSF has names for; another one stands in `unmapped`.
const METHODS: [&str; 9] = ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH"];

pub(super) fn document(event: &SecurityEvent, style: &Style) -> Map<String, Value> {
    let rule = &event.rule;
    let (severity, word) = match rule.level() {
        Level::Info => (1, "Informational"),
        Level::Low => (2, "Low"),
        Level::Medium => (3, "Medium"),
        Level::High => (4, "High"),
        Level::Critical => (5, "Critical"),
    };
    let mut out = Object::new();
    out.put("class_uid", CLASS);
    out.put("class_name", "Detection Finding");
    out.put("category_uid", 2);
    out.put("category_name", "Findings");
    out.put("activity_id", 1);
    out.put("activity_name", "Create");
    out.put("type_uid", CLASS * 100 + 1);
    out.put("type_name", "Detection Finding: Create");
    out.put("time", millis(event.time));
    out.put("start_time", millis(event.time));
    out.put("end_time", millis(event.time));
    out.put("severity_id", severity);
    out.put("severity", word);
    out.put("status_id", if event.suppressed_by.is_some() { 3 } else { 1 });
    out.put("status", if event.suppressed_by.is_some() { "Suppressed" } else { "New" });
    out.put("is_alert", true);
    out.put("confidence_id", 0);
    out.put("action_id", 3);
    out.put("action", "Observed");
    out.put("disposition_id", 15);
    out.put("disposition", "Detected");
    out.put("message", rule.message());
    out.put("finding_info", finding(event, style));
    out.put("evidences", vec![evidence(event)]);
    out.put("resources", resources(event));
    out.put("metadata", metadata(event));
    out.put("observables", observables(event));
    let mut unmapped = tapir(event);
    unmapped
        .retain(|name, _| matches!(name.as_str(), "visibility" | "blind_spots" | "rule_set" | "shape" | "generator"));
    let method = event.session.http.as_ref().and_then(|http| http.method.as_deref());
    if let Some(method) = method.filter(|method| !METHODS.contains(method)) {
        unmapped.insert("http_method".to_owned(), method.into());
    }
    if let (None, None, Some((from, to, _))) = (event.source, event.destination, event.wire.ethernet) {
        unmapped.insert("macs".to_owned(), json!([from, to].map(super::json::mac)));
    }
    out.put("unmapped", unmapped);
    out.0
}

fn finding(event: &SecurityEvent, style: &Style) -> Value {
    let rule = &event.rule;
    let mut out = Object::new();
    out.put("uid", event.id.to_string());
    out.put("title", rule.message());
    out.put("desc", event.sentence());
    out.put("types", rule.class.as_ref().map(|class| vec![class.as_str()]).unwrap_or_default());
    out.put("created_time", millis(event.observed));
    out.put("first_seen_time", millis(event.time));
    out.put("last_seen_time", millis(event.time));
    out.put("data_sources", json!(["network"]));
    out.put("src_url", style.link(event));
    let mut analytic = Object::new();
    analytic.put("type_id", 1);
    analytic.put("type", "Rule");
    analytic.put("uid", format!("{}:{}", rule.gid, rule.sid));
    analytic.put("name", rule.message());
    analytic.put("version", rule.rev.to_string());
    analytic.put("category", rule.classtype.as_deref());
    analytic.put("state_id", 1);
    out.put("analytic", analytic);
    let tactics = rule.tactics();
    let mut attacks: Vec<Value> =
        rule.techniques().iter().enumerate().map(|(i, technique)| attack(Some(technique), tactics.get(i))).collect();
    attacks.extend(tactics.iter().skip(attacks.len()).map(|tactic| attack(None, Some(tactic))));
    out.put("attacks", attacks);
    out.into()
}

fn attack(technique: Option<&Attack<'_>>, tactic: Option<&Attack<'_>>) -> Value {
    let mut out = Object::new();
    if let Some(technique) = technique {
        let (parent, sub) = match technique.id.split_once('.') {
            Some((parent, _)) => (parent, Some(technique.id)),
            None => (technique.id, None),
        };
        out.put_path("technique.uid", parent);
        out.put_path("sub_technique.uid", sub);
        let place = if sub.is_some() { "sub_technique.name" } else { "technique.name" };
        out.put_path(place, technique.name.as_deref());
    }
    if let Some(tactic) = tactic {
        out.put_path("tactic.uid", tactic.id);
        out.put_path("tactic.name", tactic.name.as_deref());
    }
    out.into()
}

fn evidence(event: &SecurityEvent) -> Value {
    let mut out = Object::new();
    let (source, destination) = event.source_and_destination();
    let macs = event.wire.ethernet.map(|(source, destination, _)| [source, destination]);
    out.put("src_endpoint", endpoint(event.source, source, macs.map(|[mac, _]| mac)));
    out.put("dst_endpoint", endpoint(event.destination, destination, macs.map(|[_, mac]| mac)));
    let mut connection = Object::new();
    connection.put(
        "direction_id",
        match event.orientation() {
            Some(Orientation::Inbound) => 1,
            Some(Orientation::Outbound) => 2,
            Some(Orientation::EastWest) => 3,
            None => 0,
        },
    );
    connection.put("protocol_num", event.protocol_number);
    connection.put("protocol_name", event.protocol.to_ascii_lowercase());
    if let Some(source) = event.source {
        connection.put("protocol_ver_id", if source.address.is_ipv4() { 4 } else { 6 });
    }
    connection.put("community_uid", crate::community_id(event));
    connection.put("uid", event.flow.as_ref().map(|flow| flow.id.to_string()));
    connection.put("tcp_flags", event.wire.tcp.map(|(.., flags)| u32::from(flags)));
    out.put("connection_info", connection);
    if let Some(http) = &event.session.http {
        let known = http.method.as_deref().filter(|method| METHODS.contains(method));
        out.put_path("http_request.http_method", known);
        out.put_path("http_request.user_agent", http.user_agent.as_deref());
        out.put_path("http_request.referrer", http.referer.as_deref());
        out.put_path("http_request.version", http.version.as_deref());
        // A URL without a path is none to OCSF.
        if let Some(uri) = http.uri.as_deref().filter(|uri| !uri.is_empty() && !uri.starts_with('?')) {
            if let Some((name, port)) = http.authority() {
                out.put_path("http_request.url.hostname", name);
                out.put_path("http_request.url.port", port);
            }
            let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
            out.put_path("http_request.url.path", path);
            out.put_path("http_request.url.query_string", query);
        }
        out.put_path("http_response.code", http.status);
    }
    if let Some((name, dns)) = event.session.dns.as_ref().and_then(|dns| Some((dns.name.as_deref()?, dns))) {
        out.put_path("query.hostname", if name.is_empty() { "." } else { name });
        out.put_path("query.type", dns.kind.map(record_type).map(|name| name.into_owned()));
    }
    if let Some(tls) = &event.session.tls {
        out.put_path("tls.sni", tls.sni.as_deref());
        out.put_path("tls.version", tls.version.as_deref());
    }
    if let Some(found) = &event.evidence {
        out.put("data", super::json::evidence(found));
    }
    out.into()
}

fn endpoint(end: Option<Endpoint>, workload: Option<&Workload>, mac: Option<[u8; 6]>) -> Value {
    let mut out = Object::new();
    if let Some(end) = end {
        out.put("ip", end.address.to_string());
        out.put("port", end.port);
    }
    if let Some(workload) = workload {
        out.put("hostname", workload.pod.as_str());
        out.put("uid", workload.uid.as_str());
        out.put("svc_name", workload.service.as_str());
    }
    // A hardware address alone is no endpoint to OCSF.
    if !out.0.is_empty() {
        out.put("mac", mac.map(super::json::mac));
    }
    out.into()
}

fn resources(event: &SecurityEvent) -> Vec<Value> {
    let (client, server) = event.parties();
    [(&event.server, server), (&event.client, client)]
        .into_iter()
        .filter_map(|(workload, end)| Some((workload.as_ref()?, end)))
        .map(|(workload, end)| {
            let mut out = Object::new();
            out.put("name", workload.pod.as_str());
            out.put("namespace", workload.namespace.as_str());
            out.put("type", "Pod");
            out.put("uid", workload.uid.as_str());
            out.put("ip", end.map(|end| end.address.to_string()));
            out.put_path("owner.name", workload.owner().1);
            let labels: Vec<String> = workload.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            out.put("labels", labels);
            out.into()
        })
        .collect()
}

fn metadata(event: &SecurityEvent) -> Value {
    json!({
        "version": VERSION,
        "product": {
            "name": "Tapir", "vendor_name": "Tapir", "version": env!("CARGO_PKG_VERSION"), "feature": { "name": "dpi" },
        },
        "uid": event.id.to_string(),
        "event_code": format!("{}:{}", event.rule.gid, event.rule.sid),
        "log_name": "alert",
        "profiles": ["security_control", "container", "host"],
        "original_time": crate::rfc3339(event.time),
        "logged_time": millis(event.observed),
        "sequence": event.id.seq,
        "correlation_uid": format!("{:016x}", crate::GroupKey::of(event).hash()),
    })
}

fn observables(event: &SecurityEvent) -> Vec<Value> {
    let (source, destination) = event.source_and_destination();
    let sides = [("src_endpoint", event.source, source), ("dst_endpoint", event.destination, destination)];
    let mut out = Vec::new();
    for (side, end, workload) in sides {
        if let Some(end) = end {
            let name = format!("evidences[0].{side}.ip");
            out.push(json!({ "name": name, "type_id": 2, "type": "IP Address", "value": end.address.to_string() }));
        }
        if let Some(workload) = workload {
            let name = format!("evidences[0].{side}.hostname");
            out.push(json!({ "name": name, "type_id": 1, "type": "Hostname", "value": workload.pod }));
        }
    }
    out
}
