//! Lists that are coarser than groups: by rule, by workload, by source. A row stands for the groups that a filter shows
//! and that have the same key.

use crate::{Cursor, Group, GroupSort, Partial, Total, moment};
use serde::Serialize;
use std::collections::HashMap;
use std::net::IpAddr;
use tapir_event::Level;
use tapir_packet::Timestamp;

/// Most groups that one list puts together; of more, some that it says to be a part.
pub(crate) const MOST_GROUPS: usize = 200_000;

/// By what groups are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BundleBy {
    /// The rule, whatever its revision.
    Signature,
    /// Each workload that takes part: a group between two counts for both. Groups without one go by their server's
    /// address or network.
    Workload,
    /// Who opened the conversations: a workload, an address or a network.
    Source,
}

/// Groups that have the same key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bundle {
    /// The key for people: `1:1122`, `shop/frontend`, `203.0.113.0/24`, `?`.
    pub key: String,
    /// A query for what it stands for, in the same time range and the same states.
    pub query: String,
    /// How many groups.
    pub groups: u64,
    /// Different clients and servers of the groups.
    pub clients: u64,
    /// As `clients`.
    pub servers: u64,
    /// Worst severity.
    pub severity: u8,
    /// Its word.
    pub level: &'static str,
    /// First event.
    #[serde(with = "moment")]
    pub first_seen: Timestamp,
    /// Last event.
    #[serde(with = "moment")]
    pub last_seen: Timestamp,
    /// Events.
    pub count: u64,
    /// Events that a suppression hides.
    pub suppressed: u64,
    /// As in [`Group`].
    pub in_range: Option<u64>,
    /// The group that was seen last.
    pub newest: Group,
}

/// A page of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BundlePage {
    /// Rows.
    pub items: Vec<Bundle>,
    /// The next page; `None` at the end, and where not everything was looked at.
    pub next: Option<Cursor>,
    /// The whole list, if asked for.
    pub total: Option<Total>,
    /// Not everything was looked at.
    pub partial: Option<Partial>,
    /// When.
    #[serde(with = "moment")]
    pub as_of: Timestamp,
}

/// One side of a group, as far as keys go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideOf<'a> {
    /// `namespace/owner`, or the network or address.
    pub display: &'a str,
    /// It is a workload.
    pub workload: bool,
}

/// A key with the query for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BundleKey {
    pub name: String,
    pub query: String,
}

impl BundleKey {
    /// Of a rule.
    pub(crate) fn rule(gid: u32, sid: u32) -> Self {
        Self { name: format!("{gid}:{sid}"), query: format!("gid={gid} sid={sid}") }
    }

    /// Of a client.
    pub(crate) fn source(client: SideOf<'_>) -> Self {
        if client.workload {
            let query = format!("client={}", quoted(client.display));
            return Self { name: client.display.to_owned(), query };
        }
        Self::outside(client, "client_ip", "-has:client")
    }

    /// Of a workload on either side; of a side that is none, of groups without one.
    pub(crate) fn workload(side: SideOf<'_>) -> Self {
        if side.workload {
            let query = format!("workload={}", quoted(side.display));
            return Self { name: side.display.to_owned(), query };
        }
        Self::outside(side, "server_ip", "-has:workload")
    }

    /// A side that is no workload. Its name is an address, a network, or `?` where there is none. An IPv4 address inside
    /// IPv6 is the IPv4 one, as in queries.
    fn outside(side: SideOf<'_>, field: &str, and: &str) -> Self {
        let plain = side.display.parse::<IpAddr>().map(|address| address.to_canonical().to_string());
        let name = plain.unwrap_or_else(|_| side.display.to_owned());
        let query = match name.as_str() {
            "?" => format!("-has:{field} {and}"),
            address => format!("{field}={} {and}", quoted(address)),
        };
        Self { name, query }
    }
}

/// As a value of a query.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A group on its way into a bundle. `Id`: as the store knows groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<Id> {
    pub id: Id,
    pub severity: u8,
    pub first: i64,
    pub last: i64,
    pub n: u64,
    pub hidden: u64,
    /// Numbers that stand for the parties.
    pub client: u64,
    pub server: u64,
}

/// A bundle while groups are added.
#[derive(Clone, Debug)]
pub(crate) struct Bundling<Id> {
    pub key: BundleKey,
    pub members: Vec<Id>,
    pub severity: u8,
    pub first: i64,
    pub last: i64,
    pub n: u64,
    pub hidden: u64,
    pub newest: Id,
    /// With repetitions.
    clients: Vec<u64>,
    servers: Vec<u64>,
}

impl<Id: Copy + Ord> Bundling<Id> {
    fn new(key: BundleKey, first: &Member<Id>) -> Self {
        Self {
            key,
            members: Vec::new(),
            severity: 0,
            first: first.first,
            last: first.last,
            n: 0,
            hidden: 0,
            newest: first.id,
            clients: Vec::new(),
            servers: Vec::new(),
        }
    }

    fn add(&mut self, member: &Member<Id>) {
        if (member.last, member.id) > (self.last, self.newest) {
            self.newest = member.id;
        }
        self.severity = self.severity.max(member.severity);
        self.first = self.first.min(member.first);
        self.last = self.last.max(member.last);
        self.n += member.n;
        self.hidden += member.hidden;
        self.members.push(member.id);
        self.clients.push(member.client);
        self.servers.push(member.server);
    }

    /// Sort values; the key settles ties.
    pub(crate) fn place(&self, sort: GroupSort, hidden: bool) -> (i64, i64) {
        let count = if hidden { self.n + self.hidden } else { self.n };
        match sort {
            GroupSort::LastSeen => (self.last, 0),
            GroupSort::FirstSeen => (self.first, 0),
            GroupSort::Severity => (self.severity.into(), self.last),
            GroupSort::Count => (i64::try_from(count).unwrap_or(i64::MAX), 0),
        }
    }

    /// As lists show it.
    pub(crate) fn shown(self, newest: Group, hidden: bool, in_range: Option<u64>) -> Bundle {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Bundle {
            key: self.key.name,
            query: self.key.query,
            groups: number(self.members.len()),
            clients: different(self.clients),
            servers: different(self.servers),
            severity: self.severity,
            level: Level::of(self.severity).name(),
            first_seen: Timestamp(self.first),
            last_seen: Timestamp(self.last),
            count: if hidden { self.n + self.hidden } else { self.n },
            suppressed: self.hidden,
            in_range,
            newest,
        }
    }
}

/// How many different numbers.
fn different(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.dedup();
    u64::try_from(numbers.len()).unwrap_or(u64::MAX)
}

/// The sides of a group under whose keys it is in a list by workload: one, or two of a group between two workloads.
pub(crate) fn workload_sides(client: SideOf<'_>, server: SideOf<'_>) -> (bool, bool) {
    match (client.workload, server.workload) {
        (true, true) => (true, client.display != server.display),
        (is, also) => (is, also || !is),
    }
}

/// All bundles of a list.
#[derive(Debug)]
pub(crate) struct Bundles<Id> {
    /// By the query, which the name follows from.
    places: HashMap<String, usize>,
    all: Vec<Bundling<Id>>,
}

impl<Id> Default for Bundles<Id> {
    fn default() -> Self {
        Self { places: HashMap::new(), all: Vec::new() }
    }
}

impl<Id: Copy + Ord> Bundles<Id> {
    /// The place of a key, for [`Self::add`].
    pub(crate) fn place(&mut self, key: BundleKey, first: &Member<Id>) -> usize {
        if let Some(place) = self.places.get(&key.query) {
            return *place;
        }
        self.places.insert(key.query.clone(), self.all.len());
        self.all.push(Bundling::new(key, first));
        self.all.len() - 1
    }

    pub(crate) fn add(&mut self, place: usize, member: &Member<Id>) {
        if let Some(bundle) = self.all.get_mut(place) {
            bundle.add(member);
        }
    }

    /// In order: by sort values, the greatest first, then by the number of the key. With those values.
    pub(crate) fn sorted(self, sort: GroupSort, hidden: bool) -> Vec<(crate::cursor::Position, Bundling<Id>)> {
        let at = |bundle: Bundling<Id>| {
            let (value, second) = bundle.place(sort, hidden);
            (crate::cursor::Position { value, second, id: number(&bundle.key.query) }, bundle)
        };
        let mut all: Vec<_> = self.all.into_iter().map(at).collect();
        all.sort_by_key(|(at, _)| std::cmp::Reverse((at.value, at.second, at.id)));
        all
    }
}

/// 64 bits that stand for a key in cursors: FNV-1a. Cursors are signed, and two keys with one number only settle a tie at
/// the end of a page in one way.
fn number(text: &str) -> i64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(display: &str) -> SideOf<'_> {
        SideOf { display, workload: display.contains('/') && !display.contains('.') }
    }

    fn keys(by: BundleBy, client: &str, server: &str) -> Vec<String> {
        let (client, server) = (side(client), side(server));
        let found = match by {
            BundleBy::Signature => vec![BundleKey::rule(1, 7)],
            BundleBy::Source => vec![BundleKey::source(client)],
            BundleBy::Workload => {
                let (is_client, is_server) = workload_sides(client, server);
                let sides = [(is_client, client), (is_server, server)];
                sides.into_iter().filter(|side| side.0).map(|side| BundleKey::workload(side.1)).collect()
            }
        };
        found.into_iter().map(|key| key.query).collect()
    }

    #[test]
    fn keys_are_queries_for_what_they_stand_for() {
        assert_eq!(keys(BundleBy::Signature, "?", "?"), ["gid=1 sid=7"]);
        assert_eq!(keys(BundleBy::Source, "shop/cart", "?"), [r#"client="shop/cart""#]);
        assert_eq!(keys(BundleBy::Source, "203.0.113.0/24", "?"), [r#"client_ip="203.0.113.0/24" -has:client"#]);
        assert_eq!(keys(BundleBy::Source, "?", "a/b"), ["-has:client_ip -has:client"]);
        assert_eq!(keys(BundleBy::Workload, "a/b", "c/d"), [r#"workload="a/b""#, r#"workload="c/d""#]);
        assert_eq!(keys(BundleBy::Workload, "a/b", "a/b"), [r#"workload="a/b""#]);
        assert_eq!(keys(BundleBy::Workload, "a/b", "10.0.0.1"), [r#"workload="a/b""#]);
        assert_eq!(keys(BundleBy::Workload, "?", "10.0.0.1"), [r#"server_ip="10.0.0.1" -has:workload"#]);
        let odd = "a\"\\/b\n*";
        let key = BundleKey::source(SideOf { display: odd, workload: true });
        let read = tapir_query::parse(&key.query, tapir_query::Dialect::Tapir).unwrap();
        assert!(format!("{:?}", read.root()).contains(r#""a\"\\/b\n*""#), "{:?}", read.root());
    }
}
