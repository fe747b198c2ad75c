//! An event as a row: what is read from its document before the writer sees it.

use crate::ingest::read_event;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use tapir_event::quiet::Named;
use tapir_event::{Endpoint, EventId, FlowDirection, GroupKey, RuleSummary, SecurityEvent, Workload};

/// Bits of `event.flags`.
pub(super) mod flag {
    /// Client to server.
    pub(crate) const TO_SERVER: i64 = 1;
    /// Server to client.
    pub(crate) const TO_CLIENT: i64 = 2;
    /// [`super::blind`] begins here.
    pub(crate) const BLIND_SHIFT: i64 = 2;
    /// Source and destination are not the flow's sides: ask the document.
    pub(crate) const IRREGULAR: i64 = 64;
}

/// Names of the blind spots in the order of their bits.
pub(super) const BLIND: [&str; 4] = ["midstream", "gap", "truncated", "encrypted"];

/// Owner and name of a workload, as in the dictionary of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pod {
    pub namespace: String,
    pub pod: String,
    /// Owner's kind and name as the event has them, not [`Workload::owner`].
    pub kind: String,
    pub name: String,
}

impl Pod {
    fn of(workload: &Workload) -> Self {
        let Workload { namespace, pod, owner_kind, owner_name, .. } = workload.clone();
        Self { namespace, pod, kind: owner_kind, name: owner_name }
    }

    pub(super) fn workload(&self) -> Workload {
        Workload {
            namespace: self.namespace.clone(),
            pod: self.pod.clone(),
            owner_kind: self.kind.clone(),
            owner_name: self.name.clone(),
            ..Workload::default()
        }
    }
}

/// One side of a group, as in the dictionary of parties.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PartyKey {
    pub key: String,
    pub namespace: String,
    pub kind: String,
    pub name: String,
}

impl PartyKey {
    /// As suppressions name it.
    pub(super) fn named(&self) -> Named<'_> {
        Named { key: &self.key, namespace: &self.namespace }
    }
}

/// An event ready to be written.
#[derive(Debug)]
pub(super) struct Row {
    pub index: usize,
    pub id: EventId,
    pub t: i64,
    pub observed: i64,
    pub hash: i64,
    pub client: PartyKey,
    pub server: PartyKey,
    pub inspection: String,
    pub rule: Arc<RuleSummary>,
    pub digest: [u8; 16],
    pub sev: i64,
    pub flags: i64,
    pub cpod: Option<Pod>,
    pub spod: Option<Pod>,
    pub iface: String,
    pub service: String,
    pub proto: String,
    pub cip: Option<Vec<u8>>,
    pub sip: Option<Vec<u8>>,
    /// Source and destination, where they are not the flow's sides.
    pub others: Vec<Vec<u8>>,
    pub cport: Option<u16>,
    pub sport: Option<u16>,
    pub shape: Option<i64>,
    pub flow: Option<i64>,
    pub suppressed_by: Option<String>,
    pub body: Vec<u8>,
}

/// A rule with its digest.
type Known = (Arc<RuleSummary>, [u8; 16]);

/// Reads documents; remembers the last rules, which repeat.
#[derive(Default)]
pub(super) struct Reader {
    rules: std::collections::HashMap<(u32, u32, u32), Known>,
}

impl Reader {
    /// The row of a document, without its body; or why it can never be stored.
    pub(super) fn read(&mut self, index: usize, document: &[u8]) -> Result<Row, (Option<String>, String)> {
        let event = read_event(document)?;
        let key = GroupKey::of(&event);
        let (client, server) = event.parties();
        let to_client = event.direction == Some(FlowDirection::ToClient);
        let (source, destination) = if to_client { (server, client) } else { (client, server) };
        let same = |one: Option<Endpoint>, other: Option<Endpoint>| {
            let plain = |end: Endpoint| (end.address.to_canonical(), end.port);
            one.map(plain) == other.map(plain)
        };
        let irregular = !same(event.source, source) || !same(event.destination, destination);
        let direction = match event.direction {
            None => 0,
            Some(FlowDirection::ToServer) => flag::TO_SERVER,
            Some(FlowDirection::ToClient) => flag::TO_CLIENT,
        };
        let address = |end: Option<Endpoint>| end.map(|end| bytes(end.address));
        let port = |end: Option<Endpoint>| end.and_then(|end| end.port);
        let (rule, digest) = self.rule(&event.rule);
        Ok(Row {
            index,
            t: event.time.0,
            observed: event.observed.0,
            hash: key.hash().cast_signed(),
            sev: rule.severity().into(),
            client: party(key.client, event.client.as_ref()),
            server: party(key.server, event.server.as_ref()),
            inspection: key.inspection,
            rule,
            digest,
            flags: direction | blind(&event) << flag::BLIND_SHIFT | if irregular { flag::IRREGULAR } else { 0 },
            cpod: event.client.as_ref().map(Pod::of),
            spod: event.server.as_ref().map(Pod::of),
            iface: event.interface.to_string(),
            service: event.service.as_deref().unwrap_or_default().to_owned(),
            proto: event.protocol.to_string(),
            cip: address(client),
            sip: address(server),
            others: [event.source, event.destination].into_iter().filter(|_| irregular).filter_map(address).collect(),
            cport: port(client),
            sport: port(server),
            shape: tapir_event::shape(event.evidence.as_ref()).map(u64::cast_signed),
            flow: event.flow.map(|flow| i64::try_from(flow.id).unwrap_or(i64::MAX)),
            suppressed_by: event.suppressed_by.clone(),
            id: event.id,
            body: Vec::new(),
        })
    }

    fn rule(&mut self, rule: &Arc<RuleSummary>) -> Known {
        let key = (rule.gid, rule.sid, rule.rev);
        if let Some((known, digest)) = self.rules.get(&key)
            && known == rule
        {
            return (Arc::clone(known), *digest);
        }
        let mut digest = [0; 16];
        let text = serde_json::to_vec(&**rule).unwrap_or_default();
        digest.iter_mut().zip(Sha256::digest(text)).for_each(|(to, from)| *to = from);
        if self.rules.len() > 20_000 {
            self.rules.clear();
        }
        self.rules.insert(key, (Arc::clone(rule), digest));
        (Arc::clone(rule), digest)
    }
}

fn party(key: String, workload: Option<&Workload>) -> PartyKey {
    match workload {
        None => PartyKey { key, ..PartyKey::default() },
        Some(workload) => {
            let (kind, name) = workload.owner();
            PartyKey { key, namespace: workload.namespace.clone(), kind: kind.to_owned(), name: name.to_owned() }
        }
    }
}

/// Blind spots as bits.
pub(super) fn blind(event: &SecurityEvent) -> i64 {
    let spots = event.blind_spots();
    (0..).zip(BLIND).filter(|(_, name)| spots.contains(name)).map(|(bit, _)| 1 << bit).sum()
}

/// 4 or 16 bytes; an IPv4 address inside IPv6 is the IPv4 one, as in queries.
pub(super) fn bytes(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The address of [`bytes`].
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
