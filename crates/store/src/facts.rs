//! [`EventFacts`]: an event and the state of its group as queries see them. This is the meaning of every field of the
//! catalogue; stores that answer in another way must answer the same.

use crate::{Reason, Status};
use std::sync::OnceLock;
use tapir_event::{
    Endpoint, FlowDirection, Format, Orientation, RuleSummary, SecurityEvent, Style, Workload, community_id, session,
    shape,
};
use tapir_query::{Fact, Facts, Field, Key, State, rule_field};

/// What people and time made of an event's group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// State.
    pub status: Status,
    /// Why it was dismissed.
    pub reason: Option<Reason>,
    /// The same in words.
    pub reason_text: Option<String>,
    /// Whose it is.
    pub assignee: Option<String>,
    /// First event, nanoseconds.
    pub first: i64,
    /// Last event, nanoseconds.
    pub last: i64,
    /// Events that nothing hides.
    pub count: u64,
    /// Among the 1 % of groups with the most events.
    pub noisy: bool,
}

/// An event with the state of its group.
#[derive(Clone, Copy, Debug)]
pub struct EventFacts<'a> {
    /// The event.
    pub event: &'a SecurityEvent,
    /// Its group.
    pub group: &'a GroupState,
    /// The suppression that hides it.
    pub suppressed_by: Option<&'a str>,
    /// Name of the cluster; empty: not known.
    pub cluster: &'a str,
}

type Each<'e> = &'e mut dyn FnMut(Fact<'_>);

impl Facts for EventFacts<'_> {
    fn values(&self, key: &Key, each: &mut dyn FnMut(Fact<'_>)) {
        let event = self.event;
        let (client, server) = event.parties();
        let (source_pod, dest_pod) = event.source_and_destination();
        match key.field {
            Field::Id => each(Fact::Text(&event.id.to_string())),
            Field::Group => each(Fact::Text(&format!("{:016x}", tapir_event::GroupKey::of(event).hash()))),
            Field::Type => each(Fact::Text("deep_packet_inspection")),
            Field::Description => each(Fact::Text(description())),
            Field::AttackVector => each(Fact::Text("Network")),
            rule_field!() => rule(&event.rule, key.field, each),
            Field::Time => each(Fact::Time(event.time.0)),
            Field::FirstSeen => each(Fact::Time(self.group.first)),
            Field::LastSeen => each(Fact::Time(self.group.last)),
            Field::Count => each(Fact::Number(self.group.count)),
            Field::Ip => [client, server].into_iter().for_each(|end| address(end, each)),
            Field::ClientIp => address(client, each),
            Field::ServerIp => address(server, each),
            Field::SourceIp => address(event.source, each),
            Field::DestIp => address(event.destination, each),
            Field::Port => [client, server].into_iter().for_each(|end| port(end, each)),
            Field::ClientPort => port(client, each),
            Field::ServerPort => port(server, each),
            Field::SourcePort => port(event.source, each),
            Field::DestPort => port(event.destination, each),
            Field::Namespace => self.sides().for_each(|side| text(&side.namespace, each)),
            Field::ClientNamespace => some(event.client.as_ref().map(|side| side.namespace.as_str()), each),
            Field::ServerNamespace => some(event.server.as_ref().map(|side| side.namespace.as_str()), each),
            Field::SourceNamespace => some(source_pod.map(|side| side.namespace.as_str()), each),
            Field::DestNamespace => some(dest_pod.map(|side| side.namespace.as_str()), each),
            Field::Workload => self.sides().for_each(|side| workload(side, each)),
            Field::Client => event.client.iter().for_each(|side| workload(side, each)),
            Field::Server => event.server.iter().for_each(|side| workload(side, each)),
            Field::Pod => self.sides().for_each(|side| text(&side.pod, each)),
            Field::ClientPod => some(event.client.as_ref().map(|side| side.pod.as_str()), each),
            Field::ServerPod => some(event.server.as_ref().map(|side| side.pod.as_str()), each),
            Field::SourceName => some(source_pod.map(|side| side.pod.as_str()), each),
            Field::DestName => some(dest_pod.map(|side| side.pod.as_str()), each),
            Field::SourceNameAggr => some(source_pod.map(Workload::aggregated_name).as_deref(), each),
            Field::DestNameAggr => some(dest_pod.map(Workload::aggregated_name).as_deref(), each),
            Field::Node => text(&event.id.node, each),
            Field::Iface => text(&event.interface, each),
            Field::Inspection => some(event.inspection.as_ref().map(ToString::to_string).as_deref(), each),
            Field::Origin => each(Fact::Text(&match &event.inspection {
                Some(inspection) => format!("dpi.{inspection}"),
                None => "dpi".to_owned(),
            })),
            Field::Cluster => text(self.cluster, each),
            Field::Direction => {
                some(event.direction.map(FlowDirection::name), each);
                some(event.orientation().map(orientation), each);
            }
            Field::Protocol => text(&event.protocol.to_ascii_lowercase(), each),
            Field::Service => {
                some(event.service.as_deref(), each);
                // Rules and inspectors say ssl, people say tls.
                some(event.service.as_deref().and_then(|name| (name == "ssl").then_some("tls")), each);
            }
            Field::CommunityId => some(community_id(event).as_deref(), each),
            Field::FlowId => event.flow.iter().for_each(|flow| each(Fact::Number(flow.id))),
            Field::Visibility => {
                each(Fact::Text(event.visibility()));
                event.blind_spots().into_iter().for_each(|spot| each(Fact::Text(spot)));
            }
            Field::Shape => some(shape(event.evidence.as_ref()).map(|shape| format!("{shape:016x}")).as_deref(), each),
            Field::Uri => some(self.http(|http| http.uri.as_deref()), each),
            Field::HttpHost => some(self.http(|http| http.host.as_deref()), each),
            Field::UserAgent => some(self.http(|http| http.user_agent.as_deref()), each),
            Field::Method => some(self.http(|http| http.method.as_deref()), each),
            Field::StatusCode => {
                if let Some(status) = event.session.http.as_ref().and_then(|http| http.status) {
                    each(Fact::Number(status.into()));
                }
            }
            Field::DnsName => some(event.session.dns.as_ref().and_then(|dns| dns.name.as_deref()), each),
            Field::Sni => some(event.session.tls.as_ref().and_then(|tls| tls.sni.as_deref()), each),
            Field::Excerpt => excerpts(event, &mut |excerpt| each(Fact::Text(excerpt))),
            Field::Status => each(Fact::Text(self.group.status.name())),
            Field::Dismissed => each(Fact::Bool(self.group.status == Status::Dismissed)),
            Field::Reason => {
                some(self.group.reason.map(Reason::name), each);
                some(self.group.reason_text.as_deref(), each);
            }
            Field::Assignee => some(self.group.assignee.as_deref(), each),
            Field::SuppressedBy => some(self.suppressed_by, each),
            Field::Record => record(event, &key.path, each),
        }
    }

    fn texts(&self, each: &mut dyn FnMut(&str)) {
        let event = self.event;
        each(event.rule.message());
        for side in self.sides() {
            each(&side.display());
            each(&side.pod);
        }
        let (client, server) = event.parties();
        for end in [client, server].into_iter().flatten() {
            each(&end.address.to_canonical().to_string());
        }
        if let Some(http) = &event.session.http {
            [&http.uri, &http.host, &http.user_agent].into_iter().flatten().for_each(|text| each(text));
        }
        event.session.dns.iter().filter_map(|dns| dns.name.as_deref()).for_each(&mut *each);
        event.session.tls.iter().filter_map(|tls| tls.sni.as_deref()).for_each(&mut *each);
        excerpts(event, each);
    }

    fn is(&self, state: State) -> bool {
        match state {
            State::Open => self.group.status == Status::Open,
            State::Acknowledged => self.group.status == Status::Acknowledged,
            State::Escalated => self.group.status == Status::Escalated,
            State::Dismissed => self.group.status == Status::Dismissed,
            State::Suppressed => self.suppressed_by.is_some(),
            State::Encrypted => self.event.blind_spots().contains(&"encrypted"),
            State::Noisy => self.group.noisy,
        }
    }
}

impl<'a> EventFacts<'a> {
    fn sides(&self) -> impl Iterator<Item = &'a Workload> {
        self.event.client.iter().chain(&self.event.server)
    }

    fn http(&self, member: impl Fn(&'a session::Http) -> Option<&'a str>) -> Option<&'a str> {
        self.event.session.http.as_ref().and_then(member)
    }
}

fn text(value: &str, each: Each<'_>) {
    if !value.is_empty() {
        each(Fact::Text(value));
    }
}

fn some(value: Option<&str>, each: Each<'_>) {
    value.into_iter().for_each(|value| text(value, each));
}

fn address(end: Option<Endpoint>, each: Each<'_>) {
    end.into_iter().for_each(|end| each(Fact::Address(end.address.to_canonical())));
}

fn port(end: Option<Endpoint>, each: Each<'_>) {
    end.and_then(|end| end.port).into_iter().for_each(|port| each(Fact::Number(port.into())));
}

fn workload(side: &Workload, each: Each<'_>) {
    text(side.owner().1, each);
    each(Fact::Text(&side.display()));
}

fn rule(rule: &RuleSummary, field: Field, each: Each<'_>) {
    match field {
        Field::Sid => each(Fact::Number(rule.sid.into())),
        Field::Gid => each(Fact::Number(rule.gid.into())),
        Field::Rev => each(Fact::Number(rule.rev.into())),
        Field::Msg => each(Fact::Text(rule.message())),
        Field::Classtype => {
            some(rule.classtype.as_deref(), each);
            some(rule.class.as_deref(), each);
        }
        Field::Priority => each(Fact::Number(rule.priority.into())),
        Field::Action => text(&rule.action, each),
        Field::Severity => each(Fact::Number(rule.severity().into())),
        Field::Mitre => rule.techniques().iter().for_each(|technique| each(Fact::Text(technique.id))),
        Field::Tactic => {
            for tactic in rule.tactics() {
                each(Fact::Text(tactic.id));
                some(tactic.name.as_deref(), each);
            }
        }
        Field::Reference => {
            for (scheme, id, url) in &rule.references {
                each(Fact::Text(id));
                each(Fact::Text(&format!("{scheme},{id}")));
                some(url.as_deref(), each);
            }
        }
        Field::Cve => {
            for (_, id, _) in rule.references.iter().filter(|(scheme, ..)| scheme.eq_ignore_ascii_case("cve")) {
                let bare = id.split_at_checked(4).filter(|(head, _)| head.eq_ignore_ascii_case("cve-"));
                each(Fact::Text(bare.map_or(id.as_str(), |(_, bare)| bare)));
            }
        }
        _ => {}
    }
}

pub(crate) fn orientation(orientation: Orientation) -> &'static str {
    match orientation {
        Orientation::Inbound => "inbound",
        Orientation::Outbound => "outbound",
        Orientation::EastWest => "east-west",
    }
}

/// Each matched buffer, or the payload if none is kept, as printable text, 1 KiB of each.
pub(crate) fn excerpts(event: &SecurityEvent, each: &mut dyn FnMut(&str)) {
    let Some(evidence) = &event.evidence else { return };
    if evidence.buffers.is_empty() && !evidence.payload.is_empty() {
        each(&session::text(&evidence.payload));
    }
    evidence.buffers.iter().for_each(|buffer| each(&session::text(&buffer.bytes)));
}

/// What the incumbent's document says of every event.
fn description() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let document = Format::Calico.document(&SecurityEvent::default(), &Style::default());
        document.and_then(|document| document.get("description")?.as_str().map(str::to_owned)).unwrap_or_default()
    })
}

/// Members of the record that need no document to tell: `sid` and `rev`, as texts.
pub(crate) const SIGNATURE_ID: &str = "snort_signature_id";
pub(crate) const SIGNATURE_REVISION: &str = "snort_signature_revision";

/// A member of the `record` of the incumbent's document; lists give each item.
fn record(event: &SecurityEvent, path: &str, each: Each<'_>) {
    match path {
        SIGNATURE_ID => return each(Fact::Text(&event.rule.sid.to_string())),
        SIGNATURE_REVISION => return each(Fact::Text(&event.rule.rev.to_string())),
        _ => {}
    }
    let Some(document) = Format::Calico.document(event, &Style::default()) else { return };
    let mut value = document.get("record");
    for name in path.split('.') {
        value = value.and_then(|value| value.get(name));
    }
    match value {
        None | Some(serde_json::Value::Null | serde_json::Value::Object(_)) => {}
        Some(serde_json::Value::Array(items)) => items.iter().for_each(|item| json(item, each)),
        Some(value) => json(value, each),
    }
}

fn json(value: &serde_json::Value, each: Each<'_>) {
    match value {
        serde_json::Value::String(text) => each(Fact::Text(text)),
        serde_json::Value::Bool(yes) => each(Fact::Bool(*yes)),
        serde_json::Value::Number(number) => match number.as_u64() {
            Some(number) => each(Fact::Number(number)),
            None => each(Fact::Text(&number.to_string())),
        },
        _ => {}
    }
}
