//! Random events of a small world, so that they share groups, shapes, addresses and words.

use crate::fixture::{DAY, HOUR, NOW, SECOND};
use std::net::IpAddr;
use std::sync::Arc;
use tapir_event::*;
use tapir_packet::Timestamp;

/// Numbers without a library: splitmix64 (Steele, Lea, Flood 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

pub const NODES: [&str; 3] = ["worker-1", "worker-2", "gpu-node-1"];
const PODS: [(&str, &str, &str, &str); 6] = [
    ("shop", "frontend-77b88cc7cb-nwx6t", "Deployment", "frontend"),
    ("shop", "frontend-77b88cc7cb-8xnwg", "Deployment", "frontend"),
    ("shop", "cart-0", "StatefulSet", "cart"),
    ("scan", "zap-5c9f", "Job", "zap"),
    ("kube-system", "coredns-1-x", "Deployment", "coredns"),
    ("scan", "my-shell", "", ""),
];
const ADDRESSES: [&str; 8] = [
    "203.0.113.7",
    "203.0.113.200",
    "10.1.2.3",
    "10.1.2.4",
    "2001:db8:1:2::3",
    "fd00::1",
    "::ffff:10.1.2.3",
    "198.51.100.9",
];
const URIS: [&str; 6] = ["/cart?id=17", "/cart?id=99812", "/../etc/passwd", "/login", "/Caf\u{e9}?q=\u{202e}", "/a\0b"];

fn workload(dice: &mut Dice) -> Option<Workload> {
    if dice.one_in(3) {
        return None;
    }
    let (namespace, pod, kind, owner) = *dice.pick(&PODS);
    Some(Workload {
        namespace: namespace.into(),
        pod: pod.into(),
        owner_kind: kind.into(),
        owner_name: owner.into(),
        service: owner.into(),
        ..Workload::default()
    })
}

fn endpoint(dice: &mut Dice, ports: &[u16]) -> Option<Endpoint> {
    if dice.one_in(12) {
        return None;
    }
    let address: IpAddr = dice.pick(&ADDRESSES).parse().unwrap();
    let port = (!dice.one_in(8)).then(|| *dice.pick(ports));
    Some(Endpoint { address, port })
}

/// One of a dozen rules; two revisions of some.
pub fn rule(dice: &mut Dice) -> Arc<RuleSummary> {
    let sid = 1_000 + u32::try_from(dice.below(6)).unwrap();
    let rev = if sid % 2 == 0 { 1 } else { 1 + u32::try_from(dice.below(2)).unwrap() };
    let metadata = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Arc::new(RuleSummary {
        gid: if sid == 1_005 { 119 } else { 1 },
        sid,
        rev,
        msg: (sid != 1_004).then(|| format!("SERVER-WEBAPP attempt {sid} on /etc/passwd r{rev}")),
        classtype: Some(if sid % 3 == 0 { "trojan-activity" } else { "web-application-attack" }.to_owned()),
        class: (sid % 3 == 0).then(|| "A Network Trojan was detected".to_owned()),
        priority: sid % 4 + rev - 1,
        references: vec![("cve".into(), format!("CVE-2021-{sid}"), Some(format!("https://x.test/{sid}")))],
        metadata: match sid % 3 {
            0 => metadata(&[("mitre_technique_id", "T1071.001"), ("mitre_tactic_id", "TA0011")]),
            1 => metadata(&[("signature_severity", "Critical")]),
            _ => Vec::new(),
        },
        action: if sid % 2 == 0 { "alert" } else { "drop" }.to_owned(),
        text: format!("alert tcp any any -> any any (sid:{sid};)"),
        place: "local.rules:1".to_owned(),
        target_is_source: None,
    })
}

/// An event; its identity is for the caller to give.
pub fn event(dice: &mut Dice) -> SecurityEvent {
    let (client, server) = (workload(dice), workload(dice));
    let (client_end, server_end) = (endpoint(dice, &[40_000, 40_001, 80]), endpoint(dice, &[80, 443, 8080]));
    let direction = *dice.pick(&[None, Some(FlowDirection::ToServer), Some(FlowDirection::ToClient)]);
    let (mut source, mut destination) = match direction {
        Some(FlowDirection::ToClient) => (server_end, client_end),
        _ => (client_end, server_end),
    };
    if dice.one_in(20) {
        (source, destination) = (endpoint(dice, &[53]), endpoint(dice, &[53]));
    }
    let flow = match (client_end, server_end) {
        (Some(client), Some(server)) if direction.is_some() && !dice.one_in(5) => Some(FlowSummary {
            id: dice.below(5) + 1,
            start: NOW,
            client,
            server,
            packets: [1, 2],
            bytes: [3, 4],
            missing: [0, u64::from(dice.one_in(6))],
            midstream: dice.one_in(6),
        }),
        _ => None,
    };
    let uri = *dice.pick(&URIS);
    let http = dice.one_in(2).then(|| session::Http {
        method: Some((*dice.pick(&["GET", "POST"])).to_owned()),
        uri: Some(uri.to_owned()),
        host: Some("shop.example".to_owned()),
        user_agent: Some("curl/8.1".to_owned()),
        status: dice.one_in(2).then_some(404),
        ..session::Http::default()
    });
    let evidence = (!dice.one_in(4)).then(|| Evidence {
        buffers: vec![EvidenceBuffer {
            name: "http_uri".into(),
            offset: 0,
            bytes: uri.as_bytes().to_vec(),
            original_len: 11,
        }],
        payload: vec![0xff, 0, b'x'],
        ..Evidence::default()
    });
    // Mostly the last days; some clocks are wrong.
    let time = match dice.below(40) {
        0 => i64::try_from(dice.below(10)).unwrap() - 5,
        1 => NOW.0 + i64::try_from(dice.below(400)).unwrap() * DAY,
        2..=6 => NOW.0 - HOUR,
        _ => NOW.0 - i64::try_from(dice.below(5 * DAY as u64)).unwrap() / SECOND * SECOND,
    };
    SecurityEvent {
        time: Timestamp(time),
        observed: NOW,
        rule: rule(dice),
        protocol: (*dice.pick(&["TCP", "UDP", "ICMP"])).into(),
        direction,
        source,
        destination,
        client,
        server,
        inspection: (!dice.one_in(3)).then(|| {
            // The last one is a whole cluster's.
            let (namespace, name) = *dice.pick(&[("shop", "dpi-frontend"), ("shop", "dpi-cart"), ("", "edge")]);
            Inspection { namespace: namespace.into(), name: name.into() }
        }),
        service: (!dice.one_in(3)).then(|| (*dice.pick(&["http", "dns", "ssl", "ssh"])).into()),
        packet_len: 100,
        truncated: dice.one_in(9),
        flow,
        interface: (*dice.pick(&["cali0ab12", "eth0"])).into(),
        session: Session {
            http,
            dns: dice.one_in(5).then(|| session::Dns { name: Some("evil.example".into()), ..Default::default() }),
            tls: dice.one_in(5).then(|| session::Tls { sni: Some("api.shop.example".into()), version: None }),
        },
        evidence,
        rule_set: 7,
        suppressed_by: dice.one_in(15).then(|| "engine-1".to_owned()),
        ..SecurityEvent::default()
    }
}

/// Events with identities, some of them on several boots.
pub fn events(dice: &mut Dice, count: usize) -> Vec<SecurityEvent> {
    let mut sequencers: Vec<Sequencer> =
        NODES.iter().flat_map(|node| [Sequencer::new(node, 1), Sequencer::new(node, 2)]).collect();
    // A few kinds that come again and again, so that groups have many events.
    let kinds: Vec<SecurityEvent> = (0..1 + count / 8).map(|_| event(dice)).collect();
    (0..count)
        .map(|_| {
            let mut event = event(dice);
            if !dice.one_in(4) {
                let kind = dice.pick(&kinds).clone();
                event.rule = Arc::new(RuleSummary {
                    rev: event.rule.rev,
                    priority: event.rule.priority,
                    ..(*kind.rule).clone()
                });
                event = SecurityEvent {
                    time: event.time,
                    rule: event.rule,
                    evidence: event.evidence,
                    suppressed_by: event.suppressed_by,
                    ..kind
                };
            }
            let place = usize::try_from(dice.below(sequencers.len() as u64)).unwrap();
            sequencers[place].stamp(&mut event, NOW);
            event
        })
        .collect()
}

const ATOMS: &[&str] = &[
    "passwd",
    "cart",
    "shop",
    "\"on /etc\"",
    "10.1.2.3",
    "*asswd",
    "nothing",
    "trojan",
    "zap",
    "curl",
    "evil",
    "frontend",
    "id=worker-1-1-1",
    "id:worker-2-2-3",
    "id:gpu*",
    "has:id",
    "type:deep_packet_inspection",
    "type=waf",
    "sid:1001",
    "sid>1002",
    "sid:(1000 1003)",
    "gid:119",
    "rev:2",
    "rev<2",
    "msg:passwd",
    "msg:attempt",
    "msg=x",
    "has:msg",
    "description:snort",
    "classtype:trojan-activity",
    "class:\"a network trojan was detected\"",
    "priority<2",
    "priority=0",
    "action:drop",
    "severity:high",
    "severity>=medium",
    "severity<70",
    "severity:critical",
    "sev:100",
    "mitre:T1071*",
    "has:mitre",
    "tactic:\"command and control\"",
    "tactic:ta0011",
    "attack_vector:network",
    "reference:cve*",
    "cve:2021-1001",
    "cve:CVE-2021-1002",
    "time>now-1d",
    "time<=now-1h",
    "time:2026-11-25",
    "time>now",
    "first_seen<now-2d",
    "last_seen>now-12h",
    "last_seen>now-1m",
    "count>3",
    "count:1",
    "ip:10.0.0.0/8",
    "ip:203.0.113.7",
    "ip:2001:db8::/32",
    "ip:::/0",
    "has:ip",
    "client_ip:10.1.2.3",
    "server_ip=10.1.2.4",
    "source_ip:10.1.2.3",
    "dest_ip:203.0.113.0/24",
    "source_ip=fd00::1",
    "port:80",
    "client_port>=40000",
    "server_port:(443 8080)",
    "source_port:53",
    "dest_port=80",
    "dest_port!=80",
    "has:port",
    "namespace:shop",
    "ns:sc*",
    "ns!=shop",
    "ns IN {shop, \"s*\"}",
    "ns NOTIN {shop}",
    "client_namespace:shop",
    "server_namespace:kube-system",
    "source_namespace=scan",
    "dest_namespace:shop",
    "workload:frontend",
    "workload:shop/cart",
    "client:zap",
    "server:front*",
    "has:client",
    "pod:cart-0",
    "client_pod:frontend-*",
    "server_pod=my-shell",
    "source_name:my-shell",
    "source_name_aggr:frontend-77b88cc7cb-*",
    "dest_name_aggr=\"frontend-77b88cc7cb-*\"",
    "dest_name=cart-0",
    "node:worker-1",
    "node:WORKER-*",
    "host=gpu-node-1",
    "iface:eth0",
    "inspection:shop/dpi-cart",
    "inspection:edge",
    "origin = dpi.edge",
    "inspection:edge*",
    "has:inspection",
    "origin:dpi",
    "origin=\"dpi.shop/dpi-frontend\"",
    "cluster:blue",
    "cluster=red",
    "direction:to_server",
    "direction:inbound",
    "dir:east-west",
    "direction:outbound",
    "has:direction",
    "protocol:tcp",
    "protocol=TCP",
    "proto:udp",
    "service:http",
    "service:tls",
    "service:ssl",
    "has:service",
    "has:community_id",
    "flow_id:2",
    "flow_id>3",
    "visibility:partial",
    "visibility:full",
    "visibility:(gap midstream)",
    "visibility=truncated",
    "has:shape",
    "shape:4e22a20eb2591b64",
    "shape:4e*",
    "uri:passwd",
    "uri:/cart",
    "has:uri",
    "http_host:shop.example",
    "user_agent:curl",
    "method:get",
    "method=GET",
    "status_code:404",
    "status_code>400",
    "has:status_code",
    "dns_name:evil.example",
    "sni:api*",
    "excerpt:login",
    "has:excerpt",
    "status:open",
    "status=dismissed",
    "dismissed:false",
    "dismissed:true",
    "dismissed!=true",
    "reason:test",
    "has:reason",
    "has:assignee",
    "assignee=ana",
    "suppressed_by:engine*",
    "has:suppressed_by",
    "record.snort_signature_id:1001",
    "record.snort_signature_id>1002",
    "has:record.snort_alert",
    "is:open",
    "is:dismissed",
    "is:suppressed",
    "is:encrypted",
    "is:noisy",
    "is:acknowledged",
];

/// A query of up to so many conditions.
pub fn query(dice: &mut Dice, size: u64) -> String {
    if size <= 1 || dice.one_in(3) {
        return (*dice.pick(ATOMS)).to_owned();
    }
    match dice.below(4) {
        0 => format!("NOT ({})", query(dice, size - 1)),
        1 => format!("({} OR {})", query(dice, size / 2), query(dice, size / 2)),
        _ => format!("{} AND {}", query(dice, size / 2), query(dice, size / 2)),
    }
}

/// Every condition alone.
pub fn atoms() -> impl Iterator<Item = &'static str> {
    ATOMS.iter().copied()
}
