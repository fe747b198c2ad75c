//! Elastic Common Schema 9: the alert as `logs-*` and Elastic Security expect it. What ECS has no place for
//! stands under `tapir`.

use super::eve::app_proto;
use super::{Object, Style, tapir};
use crate::dns_names::{record_type, response_code};
use crate::{Attack, Endpoint, FlowDirection, Orientation, SecurityEvent, Workload, rfc3339};
use serde_json::{Map, Value, json};

const ECS_VERSION: &str = "9.4.0";

pub(super) fn document(event: &SecurityEvent, style: &Style) -> Map<String, Value> {
    let mut out = Object::new();
    out.put("@timestamp", rfc3339(event.time));
    out.put_path("ecs.version", ECS_VERSION);
    out.put("message", event.rule.message());
    out.put("tags", json!(["tapir"]));
    about_event(&mut out, event, style);
    about_rule(&mut out, event);
    parties(&mut out, event);
    network(&mut out, event);
    cluster(&mut out, event, style);
    sessions(&mut out, event);
    rest(&mut out, event);
    out.0
}

fn about_event(out: &mut Object, event: &SecurityEvent, style: &Style) {
    let rule = &event.rule;
    out.put_path("event.kind", "alert");
    out.put_path("event.category", json!(["intrusion_detection", "network"]));
    out.put_path("event.type", json!(["info"]));
    out.put_path("event.module", "tapir");
    out.put_path("event.dataset", "tapir.alert");
    out.put_path("event.provider", "tapir-agent");
    out.put_path("event.id", event.id.to_string());
    out.put_path("event.sequence", event.id.seq);
    out.put_path("event.code", format!("{}:{}", rule.gid, rule.sid));
    out.put_path("event.created", rfc3339(event.observed));
    out.put_path("event.severity", rule.severity());
    out.put_path("event.risk_score", rule.severity());
    out.put_path("event.action", "alert");
    out.put_path("event.reason", event.sentence());
    if let Some(flow) = &event.flow {
        // A capture's clock may go back between two packets.
        out.put_path("event.start", rfc3339(flow.start.min(event.time)));
        out.put_path("event.duration", event.time.0.saturating_sub(flow.start.0).max(0));
    }
    out.put_path("event.reference", rule.reference_urls().next());
    out.put_path("event.url", style.link(event));
    for (agent, value) in [
        ("type", "ids"),
        ("vendor", "Tapir"),
        ("product", "tapir"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("hostname", event.id.node.as_ref()),
        ("ingress.interface.name", event.interface.as_ref()),
    ] {
        out.put_path(&format!("observer.{agent}"), value);
    }
    out.put_path("host.name", event.id.node.as_ref());
}

fn about_rule(out: &mut Object, event: &SecurityEvent) {
    let rule = &event.rule;
    out.put_path("rule.id", rule.sid.to_string());
    out.put_path("rule.version", rule.rev.to_string());
    out.put_path("rule.name", rule.message());
    out.put_path("rule.category", rule.class.as_deref());
    out.put_path("rule.ruleset", rule.place.rsplit_once(':').map_or(rule.place.as_str(), |(file, _)| file));
    out.put_path("rule.reference", rule.reference_urls().next());
    let (tactics, techniques) = (rule.tactics(), rule.techniques());
    if !tactics.is_empty() || !techniques.is_empty() {
        out.put_path("threat.framework", "MITRE ATT&CK");
    }
    // A sub-technique has a place of its own, below the technique it belongs to.
    let (below, mut above): (Vec<Attack<'_>>, Vec<Attack<'_>>) =
        techniques.into_iter().partition(|attack| attack.id.contains('.'));
    for attack in &below {
        let id = attack.id.split('.').next().unwrap_or(attack.id);
        if above.iter().all(|known| known.id != id) {
            above.push(Attack { id, name: None });
        }
    }
    for (place, list) in [("tactic", tactics), ("technique", above), ("technique.subtechnique", below)] {
        out.put_path(&format!("threat.{place}.id"), list.iter().map(|attack| attack.id).collect::<Vec<_>>());
        let names: Vec<&str> = list.iter().filter_map(|attack| attack.name.as_deref()).collect();
        out.put_path(&format!("threat.{place}.name"), names);
    }
}

fn parties(out: &mut Object, event: &SecurityEvent) {
    let (client, server) = event.parties();
    let (source, destination) = event.source_and_destination();
    let sent = event.flow.as_ref().map(|flow| match event.direction {
        Some(FlowDirection::ToClient) => [flow.bytes[1], flow.packets[1], flow.bytes[0], flow.packets[0]],
        _ => [flow.bytes[0], flow.packets[0], flow.bytes[1], flow.packets[1]],
    });
    party(out, "source", event.source, source);
    party(out, "destination", event.destination, destination);
    party(out, "client", client, event.client.as_ref());
    party(out, "server", server, event.server.as_ref());
    if let Some([bytes, packets, back_bytes, back_packets]) = sent {
        out.put_path("source.bytes", bytes);
        out.put_path("source.packets", packets);
        out.put_path("destination.bytes", back_bytes);
        out.put_path("destination.packets", back_packets);
    }
    if let Some((source, destination, _)) = event.wire.ethernet {
        out.put_path("source.mac", mac(source));
        out.put_path("destination.mac", mac(destination));
    }
    let mut related: Vec<String> =
        [event.source, event.destination].iter().flatten().map(|end| end.address.to_string()).collect();
    related.dedup();
    out.put_path("related.ip", related);
    let mut hosts: Vec<&str> = [&event.client, &event.server].into_iter().flatten().map(|w| w.pod.as_str()).collect();
    hosts.extend(event.session.http.as_ref().and_then(|http| http.authority()).map(|(name, _)| name));
    hosts.extend(event.session.tls.as_ref().and_then(|tls| tls.sni.as_deref()));
    out.put_path("related.hosts", hosts);
}

/// ECS writes addresses of hardware with dashes.
fn mac(address: [u8; 6]) -> String {
    super::json::mac(address).replace(':', "-")
}

fn party(out: &mut Object, name: &str, end: Option<Endpoint>, workload: Option<&Workload>) {
    if let Some(end) = end {
        out.put_path(&format!("{name}.address"), end.address.to_string());
        out.put_path(&format!("{name}.ip"), end.address.to_string());
        out.put_path(&format!("{name}.port"), end.port);
    }
    out.put_path(&format!("{name}.domain"), workload.map(|workload| workload.pod.as_str()));
}

fn network(out: &mut Object, event: &SecurityEvent) {
    out.put_path("network.transport", event.protocol.to_ascii_lowercase());
    out.put_path("network.iana_number", event.protocol_number.map(|number| number.to_string()));
    if let Some(source) = event.source {
        out.put_path("network.type", if source.address.is_ipv4() { "ipv4" } else { "ipv6" });
    }
    out.put_path("network.protocol", event.service.as_deref().map(app_proto));
    out.put_path("network.community_id", crate::community_id(event));
    let direction = event.orientation().map(|orientation| match orientation {
        Orientation::Inbound => "inbound",
        Orientation::Outbound => "outbound",
        Orientation::EastWest => "internal",
    });
    out.put_path("network.direction", direction);
    if let Some(flow) = &event.flow {
        out.put_path("network.bytes", flow.bytes.iter().sum::<u64>());
        out.put_path("network.packets", flow.packets.iter().sum::<u64>());
    }
    if event.wire.vlan != 0 {
        out.put_path("network.vlan.id", event.wire.vlan.to_string());
    }
}

/// The watched workload: ECS's `orchestrator`, and `kubernetes` for dashboards made for Beats.
fn cluster(out: &mut Object, event: &SecurityEvent, style: &Style) {
    out.put_path("labels.inspection", event.inspection.as_ref().map(ToString::to_string));
    let (workload, address) = match (&event.server, &event.client) {
        (Some(server), _) => (server, event.parties().1),
        (None, Some(client)) => (client, event.parties().0),
        (None, None) => return,
    };
    out.put_path("orchestrator.type", "kubernetes");
    out.put_path("orchestrator.cluster.name", style.cluster.as_str());
    out.put_path("orchestrator.namespace", workload.namespace.as_str());
    out.put_path("orchestrator.resource.type", "pod");
    out.put_path("orchestrator.resource.name", workload.pod.as_str());
    out.put_path("orchestrator.resource.id", workload.uid.as_str());
    out.put_path("orchestrator.resource.ip", address.map(|end| end.address.to_string()));
    out.put_path("orchestrator.resource.parent.type", workload.owner().0);
    let labels: Vec<String> = workload.labels.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    out.put_path("orchestrator.resource.label", labels);
    out.put_path("kubernetes.namespace", workload.namespace.as_str());
    out.put_path("kubernetes.pod.name", workload.pod.as_str());
    out.put_path("kubernetes.pod.uid", workload.uid.as_str());
    out.put_path("kubernetes.node.name", event.id.node.as_ref());
    let (kind, owner) = workload.owner();
    if kind != "Pod" {
        out.put_path(&format!("kubernetes.{}.name", kind.to_ascii_lowercase()), owner);
    }
}

fn sessions(out: &mut Object, event: &SecurityEvent) {
    if let Some(http) = &event.session.http {
        out.put_path("http.request.method", http.method.as_deref());
        out.put_path("http.request.referrer", http.referer.as_deref());
        out.put_path("http.response.status_code", http.status);
        out.put_path("http.version", http.version.as_deref());
        out.put_path("user_agent.original", http.user_agent.as_deref());
        if let Some((name, port)) = http.authority() {
            out.put_path("url.domain", name);
            out.put_path("url.port", port);
        }
        if let Some(uri) = &http.uri {
            out.put_path("url.original", uri.as_str());
            let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
            out.put_path("url.path", path);
            out.put_path("url.query", query);
        }
    }
    if let Some(dns) = &event.session.dns {
        out.put_path("dns.id", dns.id.to_string());
        out.put_path("dns.type", if dns.rcode.is_some() { "answer" } else { "query" });
        out.put_path("dns.question.name", dns.name.as_deref());
        out.put_path("dns.question.type", dns.kind.map(record_type).map(|name| name.into_owned()));
        out.put_path("dns.response_code", dns.rcode.map(response_code).map(|name| name.into_owned()));
    }
    if let Some(tls) = &event.session.tls {
        out.put_path("tls.client.server_name", tls.sni.as_deref());
        out.put_path("tls.version", tls.version.as_ref().and_then(|version| version.strip_prefix("TLS ")));
    }
}

/// What has no place above.
fn rest(out: &mut Object, event: &SecurityEvent) {
    let mut own = tapir(event);
    own.retain(|name, _| {
        matches!(
            name.as_str(),
            "evidence" | "visibility" | "blind_spots" | "rule_set" | "group" | "shape" | "generator" | "suppressed_by"
        )
    });
    if let Some(flow) = &event.flow {
        own.insert("flow_id".to_owned(), flow.id.into());
    }
    out.put("tapir", own);
}
