//! Which rules are considered for a unit: service groups and port groups, each with one merged
//! pattern set per kind of bytes.
//!
//! *How it fits*: built once per rule set; the detector asks for the groups of a unit and scans
//! each set of bytes once. *Spec*: `snort/03-detection.md` §3.3, `engine.md` §1.8 (merged sets with
//! a pattern → rules map).

use crate::fastpattern::{Chosen, sections};
use crate::header::{HeaderTest, Proto};
use crate::ruleset::{Quick, UnitBits};
use crate::search::{Pattern, PatternId, PatternSet, SearchSet, Seen};
use rapidhash::RapidHashMap;
use std::collections::BTreeMap;
use tapir_flow::Direction;
use tapir_options::{CompiledRule, TcpFlags};
use tapir_packet::protocol;
use tapir_protocol::{BufferId, Service};
use tapir_rules::Ports;

/// Port sets with this many ports or more count as `any` (Snort `bleedover_port_limit`).
const BLEEDOVER_PORTS: usize = 1024;

/// A rule as the group builder sees it.
pub(crate) struct Entry<'r> {
    pub(crate) index: u32,
    pub(crate) rule: &'r CompiledRule,
    pub(crate) header: &'r HeaderTest,
    pub(crate) pattern: Option<&'r Chosen>,
    pub(crate) quick: Quick,
}

/// A hit of a pattern: which rule, in which buffer its pattern belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) rule: u32,
    pub(crate) buffer: BufferId,
}

/// A content with a fixed position: compared, never searched.
#[derive(Debug)]
struct Anchored {
    bytes: Vec<u8>,
    target: Target,
}

/// All contents that stand at one offset, found by their first byte.
#[derive(Debug)]
struct Anchors {
    offset: usize,
    /// Start in `entries` for each first byte (lower case), and the end.
    starts: Vec<u32>,
    entries: Vec<Anchored>,
}

impl Anchors {
    fn new(offset: usize, mut entries: Vec<Anchored>) -> Self {
        let first = |entry: &Anchored| entry.bytes.first().map_or(0, u8::to_ascii_lowercase);
        entries.sort_by(|a, b| first(a).cmp(&first(b)).then_with(|| (&a.bytes, a.target).cmp(&(&b.bytes, b.target))));
        let starts =
            (0..=256_u32).map(|byte| to_u32(entries.partition_point(|entry| u32::from(first(entry)) < byte))).collect();
        Self { offset, starts, entries }
    }

    /// Entries whose first byte is the haystack's at the offset.
    #[inline]
    fn at<'g>(&'g self, haystack: &[u8]) -> &'g [Anchored] {
        let Some(byte) = haystack.get(self.offset).map(|byte| usize::from(byte.to_ascii_lowercase())) else {
            return &[];
        };
        match (self.starts.get(byte), self.starts.get(byte + 1)) {
            (Some(&start), Some(&end)) => self.entries.get(start as usize..end as usize).unwrap_or(&[]),
            _ => &[],
        }
    }
}

/// Patterns of several rules over one kind of bytes.
#[derive(Default)]
pub(crate) struct PatternGroup {
    set: Option<SearchSet>,
    /// Start of each pattern's targets in `targets`; one more than patterns.
    starts: Vec<u32>,
    targets: Vec<Target>,
    anchored: Vec<Anchors>,
    /// Bit per [`BufferId`] that has patterns here.
    buffers: u64,
}

impl PatternGroup {
    fn build(entries: &[(Target, &Chosen)]) -> Self {
        let mut group = Self::default();
        let mut by_pattern: RapidHashMap<Vec<u8>, Vec<Target>> = RapidHashMap::default();
        let mut by_offset: BTreeMap<usize, Vec<Anchored>> = BTreeMap::new();
        for (target, chosen) in entries {
            group.buffers |= bit(target.buffer);
            match chosen.anchor {
                Some(offset) => {
                    let anchored = Anchored { bytes: chosen.bytes.clone(), target: *target };
                    by_offset.entry(offset).or_default().push(anchored);
                }
                None => by_pattern.entry(chosen.bytes.to_ascii_lowercase()).or_default().push(*target),
            }
        }
        group.anchored = by_offset.into_iter().map(|(offset, entries)| Anchors::new(offset, entries)).collect();
        let mut patterns: Vec<_> = by_pattern.into_iter().collect();
        patterns.sort_unstable();
        group.starts.push(0);
        let mut searched = Vec::with_capacity(patterns.len());
        for (index, (bytes, mut targets)) in patterns.into_iter().enumerate() {
            targets.sort_unstable();
            targets.dedup();
            group.targets.append(&mut targets);
            group.starts.push(to_u32(group.targets.len()));
            searched.push(Pattern { id: PatternId(to_u32(index)), bytes });
        }
        if !searched.is_empty() {
            group.set = Some(SearchSet::compile(searched, None));
        }
        group
    }

    /// Reports the targets of every pattern that occurs in `haystack` and belongs to one of `buffers`.
    /// False: the buffer was hostile and the flat automaton had to take over.
    #[inline]
    pub(crate) fn scan(&self, haystack: &[u8], buffers: u64, seen: &mut Seen, found: &mut impl FnMut(u32)) -> bool {
        if self.buffers & buffers == 0 || haystack.is_empty() {
            return true;
        }
        for anchors in &self.anchored {
            for anchored in anchors.at(haystack) {
                let end = anchors.offset.saturating_add(anchored.bytes.len());
                if buffers & bit(anchored.target.buffer) != 0
                    && haystack.get(anchors.offset..end).is_some_and(|part| part.eq_ignore_ascii_case(&anchored.bytes))
                {
                    found(anchored.target.rule);
                }
            }
        }
        let Some(set) = &self.set else { return true };
        let scan = set.scan_once(haystack, seen, &mut |id: PatternId| {
            let at = id.0 as usize;
            let range = match (self.starts.get(at), self.starts.get(at + 1)) {
                (Some(&start), Some(&end)) => start as usize..end as usize,
                _ => return,
            };
            for target in self.targets.get(range).unwrap_or(&[]) {
                if buffers & bit(target.buffer) != 0 {
                    found(target.rule);
                }
            }
        });
        scan.capped.is_none()
    }
}

/// The bit of a buffer in masks.
#[inline]
pub(crate) fn bit(buffer: BufferId) -> u64 {
    1 << (buffer as u8)
}

/// A rule without a fast pattern, with what rejects it at a glance: such rules meet every packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Always {
    pub(crate) rule: u32,
    quick: Quick,
    /// The TCP flags it asks for, if any.
    flags: Option<TcpFlags>,
}

impl Always {
    fn new(entry: &Entry<'_>) -> Self {
        let flags = entry.rule.options.iter().filter_map(|option| option.tcp_flags()).reduce(TcpFlags::and);
        Self { rule: entry.index, quick: entry.quick, flags }
    }

    /// Whether the rule is worth evaluating; `flags` are those of the unit's TCP header, if it has one.
    #[inline]
    pub(crate) fn admits(&self, unit: UnitBits, flags: Option<u8>) -> bool {
        self.quick.admits(unit) && self.flags.is_none_or(|set| flags.is_some_and(|flags| set.contains(flags)))
    }
}

/// Rules considered together.
#[derive(Default)]
pub(crate) struct Group {
    /// Payload, and body-like buffers that usually are the same bytes.
    pub(crate) payload: PatternGroup,
    /// Other buffers, and body-like ones for when they differ from the payload.
    pub(crate) buffers: Vec<(BufferId, PatternGroup)>,
    /// Rules without a fast pattern: considered for every unit.
    pub(crate) always: Vec<Always>,
    /// Bit per buffer that has patterns.
    wanted: u64,
}

/// Buffers whose bytes often are the payload itself.
pub(crate) const BODY_LIKE: u64 = (1 << BufferId::FileData as u8)
    | (1 << BufferId::HttpClientBody as u8)
    | (1 << BufferId::RawData as u8)
    | (1 << BufferId::DceStubData as u8)
    | (1 << BufferId::SipBody as u8);

impl Group {
    /// Buffers, other than the payload, whose bytes the group would search.
    #[inline]
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted
    }

    fn build(entries: &[&Entry<'_>]) -> Self {
        let mut group = Self::default();
        let mut payload = Vec::new();
        let mut other: RapidHashMap<BufferId, Vec<(Target, &Chosen)>> = RapidHashMap::default();
        for entry in entries {
            let Some(chosen) = entry.pattern else {
                group.always.push(Always::new(entry));
                continue;
            };
            let target = Target { rule: entry.index, buffer: chosen.buffer };
            if chosen.buffer == BufferId::PktData || bit(chosen.buffer) & BODY_LIKE != 0 {
                payload.push((target, chosen));
            }
            if chosen.buffer != BufferId::PktData {
                other.entry(chosen.buffer).or_default().push((target, chosen));
            }
        }
        group.payload = PatternGroup::build(&payload);
        let mut other: Vec<_> = other.into_iter().collect();
        other.sort_unstable_by_key(|(buffer, _)| *buffer);
        group.buffers = other.into_iter().map(|(buffer, list)| (buffer, PatternGroup::build(&list))).collect();
        group.always.sort_unstable_by_key(|always| always.rule);
        group.always.dedup_by_key(|always| always.rule);
        group.wanted = group.payload.buffers | group.buffers.iter().fold(0, |mask, (buffer, _)| mask | bit(*buffer));
        group
    }
}

/// Port → group for one side of one protocol.
#[derive(Default)]
struct PortTable {
    /// First port of each segment, sorted; segment i ends where i+1 begins.
    starts: Vec<u16>,
    /// Index into `groups` per segment, `u32::MAX` = none.
    segments: Vec<u32>,
    groups: Vec<Group>,
    /// Rules of each group, in order.
    members: Vec<Vec<u32>>,
}

impl PortTable {
    fn build(rules: &[(&Entry<'_>, Vec<(u16, u16)>)]) -> Self {
        let mut table = Self::default();
        let mut borders: Vec<u16> = vec![0];
        for (_, ranges) in rules {
            for &(first, last) in ranges {
                borders.push(first);
                borders.extend(last.checked_add(1));
            }
        }
        borders.sort_unstable();
        borders.dedup();
        let mut known: RapidHashMap<Vec<u32>, u32> = RapidHashMap::default();
        for port in borders {
            let members: Vec<&Entry<'_>> = rules
                .iter()
                .filter(|(_, ranges)| ranges.iter().any(|&(first, last)| first <= port && port <= last))
                .map(|(entry, _)| *entry)
                .collect();
            let segment = if members.is_empty() {
                u32::MAX
            } else {
                let ids: Vec<u32> = members.iter().map(|entry| entry.index).collect();
                *known.entry(ids.clone()).or_insert_with(|| {
                    table.groups.push(Group::build(&members));
                    table.members.push(ids);
                    to_u32(table.groups.len() - 1)
                })
            };
            table.starts.push(port);
            table.segments.push(segment);
        }
        table
    }

    /// The number of a port's group, if it has one.
    #[inline]
    fn find(&self, port: u16) -> Option<usize> {
        let at = self.starts.partition_point(|&start| start <= port).checked_sub(1)?;
        self.segments.get(at).filter(|&&group| group != u32::MAX).map(|&group| group as usize)
    }

    /// Groups all of whose rules are among `members`, which are in order.
    fn covered_by(&self, members: &[&Entry<'_>]) -> Vec<bool> {
        let known = |rule: &u32| members.binary_search_by_key(rule, |entry| entry.index).is_ok();
        self.members.iter().map(|rules| rules.iter().all(known)).collect()
    }
}

/// Port groups of one protocol.
#[derive(Default)]
struct PortGroups {
    source: PortTable,
    destination: PortTable,
    any: Group,
}

/// Transport of a unit, for the choice of port groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    Tcp,
    Udp,
    Icmp,
    Ip,
}

/// The rules of a service in one direction, with those of its usual port.
struct ServiceGroup {
    group: Group,
    /// Groups of the source and destination tables whose rules are all in `group`: not searched again.
    sources: Vec<bool>,
    destinations: Vec<bool>,
}

/// The port where a service usually is. Any other works as well; then the rules of that port are
/// searched for apart.
fn usual_port(service: Service) -> Option<u16> {
    Some(match service {
        Service::Http => 80,
        Service::Smtp => 25,
        Service::Dns => 53,
        Service::Ftp => 21,
        Service::Imap => 143,
        Service::Pop3 => 110,
        Service::Sip => 5060,
        _ => return None,
    })
}

/// All groups of a rule set.
pub(crate) struct Groups {
    ports: [PortGroups; 4],
    /// Per service, direction and carrier (TCP, UDP): the service's rules merged with the any-any
    /// rules of the carrier.
    services: RapidHashMap<(Service, Direction, Carrier), ServiceGroup>,
}

impl Groups {
    pub(crate) fn build(entries: &[Entry<'_>]) -> Self {
        let carriers = [Carrier::Tcp, Carrier::Udp, Carrier::Icmp, Carrier::Ip];
        let ports = carriers.map(|carrier| port_groups(entries, carrier));
        let any_members = |carrier: Carrier| -> Vec<&Entry<'_>> {
            entries.iter().filter(|entry| placed(entry, carrier) == Some(Place::Any)).collect()
        };
        let by_index = |rule: u32| {
            let at = entries.binary_search_by_key(&rule, |entry| entry.index).ok()?;
            entries.get(at)
        };
        let mut services = RapidHashMap::default();
        for carrier in [Carrier::Tcp, Carrier::Udp] {
            let Some(tables) = ports.get(carrier as usize) else { continue };
            let any = any_members(carrier);
            for &service in Service::ALL {
                for direction in [Direction::ToServer, Direction::ToClient] {
                    let mut members: Vec<&Entry<'_>> = entries
                        .iter()
                        .filter(|entry| entry.rule.services.contains(&service))
                        .filter(|entry| entry.rule.flow.direction.is_none_or(|wanted| wanted == direction))
                        .collect();
                    if members.is_empty() {
                        continue;
                    }
                    // An any-any rule without services applies to every service; one with others never does.
                    members.extend(any.iter().filter(|entry| {
                        entry.rule.services.is_empty()
                            && entry.rule.flow.direction.is_none_or(|wanted| wanted == direction)
                    }));
                    // The same bytes are searched once for both: which ports a rule wants is told by its header.
                    let table = match direction {
                        Direction::ToServer => &tables.destination,
                        Direction::ToClient => &tables.source,
                    };
                    let of_port = usual_port(service).and_then(|port| table.members.get(table.find(port)?));
                    members.extend(of_port.into_iter().flatten().filter_map(|&rule| by_index(rule)));
                    members.sort_unstable_by_key(|entry| entry.index);
                    members.dedup_by_key(|entry| entry.index);
                    let group = ServiceGroup {
                        group: Group::build(&members),
                        sources: tables.source.covered_by(&members),
                        destinations: tables.destination.covered_by(&members),
                    };
                    services.insert((service, direction, carrier), group);
                }
            }
        }
        Self { ports, services }
    }

    /// The groups to search for a unit, most specific first.
    #[inline]
    pub(crate) fn select<'g>(
        &'g self,
        carrier: Carrier,
        service: Option<Service>,
        direction: Option<Direction>,
        ports: Option<(u16, u16)>,
        found: &mut impl FnMut(&'g Group),
    ) {
        let Some(groups) = self.ports.get(carrier as usize) else { return };
        let merged = match (service, direction) {
            (Some(service), Some(direction)) => self.services.get(&(service, direction, carrier)),
            _ => None,
        };
        found(merged.map_or(&groups.any, |merged| &merged.group));
        let Some((source, destination)) = ports else { return };
        let covered = |number: usize, of: fn(&ServiceGroup) -> &Vec<bool>| {
            merged.is_some_and(|merged| of(merged).get(number).copied().unwrap_or(false))
        };
        if let Some(number) = groups.destination.find(destination)
            && !covered(number, |merged| &merged.destinations)
            && let Some(group) = groups.destination.groups.get(number)
        {
            found(group);
        }
        if let Some(number) = groups.source.find(source)
            && !covered(number, |merged| &merged.sources)
            && let Some(group) = groups.source.groups.get(number)
        {
            found(group);
        }
    }

    /// Number of compiled pattern sets and their memory in bytes, for `--stats`.
    pub(crate) fn size(&self) -> (usize, usize) {
        let tables = self.ports.iter().flat_map(|ports| {
            ports.source.groups.iter().chain(&ports.destination.groups).chain(std::iter::once(&ports.any))
        });
        tables.chain(self.services.values().map(|service| &service.group)).fold((0, 0), |(sets, bytes), group| {
            let of = |patterns: &PatternGroup| patterns.set.as_ref().map_or((0, 0), |set| (1, set.memory()));
            std::iter::once(&group.payload)
                .chain(group.buffers.iter().map(|(_, patterns)| patterns))
                .map(of)
                .fold((sets, bytes), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Any,
    Source,
    Destination,
    Both,
}

/// Where a rule stands among the port groups of a carrier, if anywhere.
fn placed(entry: &Entry<'_>, carrier: Carrier) -> Option<Place> {
    let fits = match entry.header.proto {
        Proto::Tcp => carrier == Carrier::Tcp,
        Proto::Udp => carrier == Carrier::Udp,
        Proto::Icmp => carrier == Carrier::Icmp,
        Proto::Ip => true,
        Proto::Service => false,
    };
    let possible = |protocol| entry.rule.options.iter().all(|option| option.admits_protocol(protocol));
    let fits = fits
        && match carrier {
            Carrier::Tcp => possible(protocol::TCP),
            Carrier::Udp => possible(protocol::UDP),
            Carrier::Icmp => possible(protocol::ICMP) || possible(protocol::ICMPV6),
            Carrier::Ip => true,
        };
    // A rule with services whose pattern is in a service buffer is found by service only.
    let by_service_only = !entry.rule.services.is_empty()
        && entry.pattern.is_some_and(|chosen| !matches!(chosen.buffer, BufferId::PktData | BufferId::RawData));
    if !fits || by_service_only {
        return None;
    }
    let (source, destination) = entry.header.ports();
    let (from, to) = (port_count(source), port_count(destination));
    if from >= BLEEDOVER_PORTS && to >= BLEEDOVER_PORTS {
        return Some(Place::Any);
    }
    if entry.header.is_bidirectional() {
        return Some(Place::Both);
    }
    Some(if to <= from { Place::Destination } else { Place::Source })
}

fn port_count(ports: &Ports) -> usize {
    ports.0.iter().map(|range| usize::from(range.last).saturating_sub(usize::from(range.first)) + 1).sum()
}

fn port_groups(entries: &[Entry<'_>], carrier: Carrier) -> PortGroups {
    let mut any = Vec::new();
    let (mut source, mut destination) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some(place) = placed(entry, carrier) else { continue };
        let (from, to) = entry.header.ports();
        let ranges =
            |ports: &Ports| -> Vec<(u16, u16)> { ports.0.iter().map(|range| (range.first, range.last)).collect() };
        match place {
            Place::Any => any.push(entry),
            Place::Source => source.push((entry, ranges(from))),
            Place::Destination => destination.push((entry, ranges(to))),
            Place::Both => {
                let smaller = if port_count(to) <= port_count(from) { to } else { from };
                source.push((entry, ranges(smaller)));
                destination.push((entry, ranges(smaller)));
            }
        }
    }
    PortGroups {
        source: PortTable::build(&source),
        destination: PortTable::build(&destination),
        any: Group::build(&any),
    }
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Whether a rule's pattern is searched in this section's run.
#[inline]
pub(crate) fn in_section(rule_sections: u8, section: tapir_protocol::Section) -> bool {
    use tapir_protocol::Section;
    match section {
        Section::Plain => true,
        Section::Header => rule_sections & sections::HEADER != 0 || rule_sections == 0,
        Section::Body => rule_sections & sections::BODY != 0 || rule_sections == 0,
        Section::Trailer => rule_sections & sections::TRAILER != 0 || rule_sections == 0,
    }
}
