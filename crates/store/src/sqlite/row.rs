//! An event as a row: what is read from its document before the writer sees it.

use super::names::{Known, Names, Place, text};
use crate::ingest::read_event;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use tapir_event::quiet::Named;
use tapir_event::{Endpoint, FlowDirection, GroupKey, RuleSummary, SecurityEvent, Workload};

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
    fn of(workload: Workload) -> Self {
        let Workload { namespace, pod, owner_kind, owner_name, .. } = workload;
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
    /// For people: `namespace/owner`, or the network or address.
    pub(super) fn display(&self) -> String {
        if self.kind.is_empty() { self.key.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }

    /// As suppressions name it.
    pub(super) fn named(&self) -> Named<'_> {
        Named { key: &self.key, namespace: &self.namespace }
    }
}

/// An address as it is stored: 4 or 16 bytes; an IPv4 address inside IPv6 is the IPv4 one, as in queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    bytes: [u8; 16],
    len: u8,
}

impl Address {
    pub(super) fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                Self { bytes: [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], len: 4 }
            }
            IpAddr::V6(address) => Self { bytes: address.octets(), len: 16 },
        }
    }

    /// Of stored bytes.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        address(bytes).map(Self::new)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The first address of the network by which groups are found: a public address stands for its `/24` or `/48`,
    /// as in the key of groups, so that a scanner's neighbours are one row; others stand for themselves.
    pub(super) fn network(mut self) -> Self {
        let [a, b, ..] = self.bytes;
        let here = a == 0 || a == 10 || a == 127 || a >= 224;
        let private = here || (a, b) == (192, 168) || (a, b) == (169, 254) || (a == 172 && b & 0xf0 == 16);
        let shared = a == 100 && b & 0xc0 == 64;
        let kept = match self.len {
            4 if !private && !shared => 3,
            16 if a & 0xe0 == 0x20 => 6,
            _ => 16,
        };
        self.bytes.iter_mut().skip(kept).for_each(|byte| *byte = 0);
        self
    }
}

impl ToSql for Address {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.bytes())))
    }
}

/// An event ready to be written. Names are places in the lists of its batch.
#[derive(Debug)]
pub(super) struct Row {
    pub index: usize,
    pub stream: Place,
    pub seq: u64,
    pub t: i64,
    pub observed: i64,
    pub hash: i64,
    pub client: Place,
    pub server: Place,
    pub inspection: Place,
    pub rule: Place,
    pub sev: i64,
    pub flags: i64,
    pub cpod: Place,
    pub spod: Place,
    pub iface: Place,
    pub service: Place,
    pub proto: Place,
    pub suppressed_by: Place,
    pub cip: Option<Address>,
    pub sip: Option<Address>,
    /// Source and destination, where they are not the flow's sides.
    pub others: Option<Box<[Option<Address>; 2]>>,
    pub cport: Option<u16>,
    pub sport: Option<u16>,
    pub shape: Option<i64>,
    pub flow: Option<i64>,
    pub body: Vec<u8>,
}

impl Row {
    /// All addresses of the event.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Address> {
        let others = self.others.as_deref().copied().unwrap_or_default();
        [self.cip, self.sip].into_iter().chain(others).flatten()
    }
}

/// Reads documents; remembers the last rules, which repeat.
#[derive(Default)]
pub(super) struct Reader {
    rules: std::collections::HashMap<(u32, u32, u32), Known>,
    pub names: Names,
}

impl Reader {
    /// The row of a document, without its body; or why it can never be stored.
    pub(super) fn read(&mut self, index: usize, document: &[u8]) -> Result<Row, (Option<String>, String)> {
        let event = read_event(document)?;
        let key = GroupKey::of(&event);
        let hash = key.hash().cast_signed();
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
        let address = |end: Option<Endpoint>| end.map(|end| Address::new(end.address));
        let port = |end: Option<Endpoint>| end.and_then(|end| end.port);
        let known = self.rule(&event.rule);
        let sev = known.0.severity().into();
        let shape = tapir_event::shape(event.evidence.as_ref()).map(u64::cast_signed);
        let flags = direction | blind(&event) << flag::BLIND_SHIFT | if irregular { flag::IRREGULAR } else { 0 };
        let names = &mut self.names;
        Ok(Row {
            index,
            stream: names.stream(&event.id.node, event.id.boot),
            seq: event.id.seq,
            t: event.time.0,
            observed: event.observed.0,
            hash,
            client: names.party(key.client, |key| party(key, event.client.as_ref())),
            server: names.party(key.server, |key| party(key, event.server.as_ref())),
            inspection: text(&mut names.inspections, &key.inspection),
            rule: names.rule(known),
            sev,
            flags,
            cpod: names.pod(event.client.map(Pod::of)),
            spod: names.pod(event.server.map(Pod::of)),
            iface: text(&mut names.ifaces, &event.interface),
            service: text(&mut names.services, event.service.as_deref().unwrap_or_default()),
            proto: text(&mut names.protocols, &event.protocol),
            suppressed_by: text(&mut names.suppressions, event.suppressed_by.as_deref().unwrap_or_default()),
            cip: address(client),
            sip: address(server),
            others: irregular.then(|| Box::new([address(event.source), address(event.destination)])),
            cport: port(client),
            sport: port(server),
            shape,
            flow: event.flow.map(|flow| i64::try_from(flow.id).unwrap_or(i64::MAX)),
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

/// The address of 4 or 16 bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_stand_for_their_network() {
        let network = |text: &str| {
            let found = Address::new(text.parse().unwrap()).network();
            address(found.bytes()).unwrap().to_string()
        };
        for (of, is) in [
            ("203.0.113.77", "203.0.113.0"),
            ("::ffff:203.0.113.77", "203.0.113.0"),
            ("2001:db8:1:2::3", "2001:db8:1::"),
            ("10.1.2.3", "10.1.2.3"),
            ("172.31.2.3", "172.31.2.3"),
            ("172.32.2.3", "172.32.2.0"),
            ("192.168.2.3", "192.168.2.3"),
            ("100.64.2.3", "100.64.2.3"),
            ("169.254.2.3", "169.254.2.3"),
            ("255.255.255.255", "255.255.255.255"),
            ("fd00::1", "fd00::1"),
            ("fe80::1", "fe80::1"),
        ] {
            assert_eq!(network(of), is, "{of}");
        }
    }
}
