//! Numbers over many events. Whole hours and days come from rollups where the filter allows; the rest is counted.

use super::asked::{Asked, Way};
use super::detail::ended;
use super::dictionary::entry;
use super::link::Link;
use super::row::{BLIND, address, flag};
use super::sql::Sql;
use super::tally::HOUR;
use crate::stats::{FACET, Forms, MAX_BUCKETS, MAX_TOP, WIDTHS, counted, level_place, top_of};
use crate::{Bucket, EventFacts, Facet, Filter, GroupState, Histogram, Partial, Status, StoreError, Top, TopRequest};
use rusqlite::{OptionalExtension, Row, params_from_iter};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tapir_event::{Endpoint, FlowDirection, FlowSummary, Inspection, SecurityEvent};
use tapir_packet::Timestamp;
use tapir_query::{Field, rule_field};

const SECOND: i64 = 1_000_000_000;
/// More events than this are not counted one by one where hours will do.
const LIVE: u64 = 2_000_000;

/// Events over time by level.
pub(super) fn histogram(link: &mut Link, filter: &Filter, buckets: usize) -> Result<Histogram, StoreError> {
    let buckets = buckets.clamp(1, MAX_BUCKETS);
    let asked = link.ask(filter)?;
    let Some((first, last)) = span(link, &asked)? else {
        return Ok(Histogram { buckets: Vec::new(), partial: None });
    };
    let places =
        |width: i64| (i128::from(last).div_euclid(width.into()) - i128::from(first).div_euclid(width.into())) + 1;
    let fits = |width: &i64| places(*width) <= i128::try_from(buckets).unwrap_or(1);
    let widths = WIDTHS.map(|seconds| seconds * SECOND);
    let mut width = widths.into_iter().find(fits).unwrap_or(i64::MAX / 4);
    let rolled = asked.everything && asked.visible_only || asked.namespace.is_some();
    if rolled && width < HOUR && hours(link, &asked, first, last)?.values().sum::<u64>() > LIVE {
        width = HOUR;
    }
    let start = first.div_euclid(width);
    let count = usize::try_from(places(width)).unwrap_or(1).min(MAX_BUCKETS);
    let mut counts = vec![[0; 5]; count];
    let mut add = |t: i64, sev: i64, n: u64| {
        let place = usize::try_from(t.div_euclid(width) - start).ok().and_then(|place| counts.get_mut(place));
        if let Some(bucket) = place.and_then(|levels| levels.get_mut(level_place(sev))) {
            *bucket += n;
        }
    };
    let mut partial = None;
    if rolled && width >= HOUR {
        let (from, to) = whole_hours(&asked, first, last);
        for ((hour, sev), n) in hours_between(link, &asked, from, to)? {
            add(hour.saturating_mul(HOUR), sev, n);
        }
        for (from, to) in [(asked.from, from.saturating_mul(HOUR) - 1), (to.saturating_mul(HOUR) - 1, asked.to)] {
            if asked.ranged && from < to {
                let edge = Asked { from: from.max(asked.from), to: to.min(asked.to), ..asked.clone() };
                partial = partial.or(live(link, &edge, &mut add)?);
            }
        }
    } else {
        partial = live(link, &asked, &mut add)?;
    }
    let bound = |place: usize| {
        let place = i64::try_from(place).unwrap_or(i64::MAX).saturating_add(start);
        Timestamp(place.saturating_mul(width))
    };
    let counts = counts.into_iter().enumerate();
    let buckets = counts.map(|(at, counts)| Bucket { from: bound(at), to: bound(at + 1), counts }).collect();
    Ok(Histogram { buckets, partial })
}

/// First and last moment of the histogram.
fn span(link: &Link, asked: &Asked) -> Result<Option<(i64, i64)>, StoreError> {
    let end = |order: &str| {
        let sql = format!("SELECT t FROM event INDEXED BY event_t ORDER BY t {order} LIMIT 1");
        link.db.prepare_cached(&sql)?.query_row([], |row| row.get(0)).optional()
    };
    let ends = || Ok((end("ASC")?, end("DESC")?));
    let (first, last): (Option<i64>, Option<i64>) = ends().map_err(|error| link.failed(&error))?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    let first = if asked.from == i64::MIN { first } else { asked.from.saturating_add(1) };
    let last = if asked.to == i64::MAX { last } else { asked.to };
    Ok((first <= last).then_some((first, last)))
}

/// Hours that lie in the range as a whole: first, and the one behind the last.
fn whole_hours(asked: &Asked, first: i64, last: i64) -> (i64, i64) {
    if !asked.ranged {
        return (first.div_euclid(HOUR), last.div_euclid(HOUR) + 1);
    }
    let from = if asked.from == i64::MIN { first.div_euclid(HOUR) } else { asked.from.div_euclid(HOUR) + 1 };
    let to = if asked.to == i64::MAX { last.div_euclid(HOUR) + 1 } else { asked.to.saturating_add(1).div_euclid(HOUR) };
    (from, to.max(from))
}

type Hours = BTreeMap<(i64, i64), u64>;

fn hours(link: &Link, asked: &Asked, first: i64, last: i64) -> Result<Hours, StoreError> {
    hours_between(link, asked, first.div_euclid(HOUR), last.div_euclid(HOUR) + 1)
}

fn hours_between(link: &Link, asked: &Asked, from: i64, to: i64) -> Result<Hours, StoreError> {
    let read = || {
        let (sql, params) = match asked.namespace {
            None => ("SELECT hour, sev, n FROM roll_hour WHERE hour >= ? AND hour < ?", vec![from, to]),
            Some(ns) => {
                ("SELECT hour, sev, n FROM roll_ns WHERE hour >= ? AND hour < ? AND ns = ?", vec![from, to, ns])
            }
        };
        let mut statement = link.db.prepare_cached(sql)?;
        let rows = statement.query_map(params_from_iter(params), |row| {
            Ok(((row.get(0)?, row.get(1)?), row.get::<_, i64>(2)?.unsigned_abs()))
        })?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|error| link.failed(&error))
}

/// Counts event by event.
fn live(link: &Link, asked: &Asked, add: &mut dyn FnMut(i64, i64, u64)) -> Result<Option<Partial>, StoreError> {
    let sql = if asked.everything && asked.visible_only {
        // The index alone answers; the time limit is guard enough.
        Sql::new("SELECT e.t, e.sev FROM event e INDEXED BY event_t WHERE e.sup = 0 AND ", []).then(asked.range())
    } else {
        let way = asked.way(link)?;
        let order = if way == Way::ByTime { " ORDER BY e.t DESC" } else { "" };
        Sql::new("SELECT e.t, e.sev", []).then(asked.events(&way, Sql::constant(true))).word(order)
    };
    let counted = (|| {
        let mut statement = link.db.prepare_cached(&sql.text)?;
        let mut rows = statement.query(params_from_iter(&sql.params))?;
        while let Some(row) = rows.next()? {
            add(row.get(0)?, row.get(1)?, 1);
        }
        Ok(())
    })();
    ended(link, counted)
}

/// Columns that a facet needs, and where they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Rule,
    Group,
    Event,
}

/// Columns of an event, in the order of [`Seen`]'s numbers.
const COLUMNS: [&str; 11] = [
    "e.sig",
    "e.grp",
    "e.cpod",
    "e.spod",
    "e.stream",
    "e.iface",
    "e.service",
    "e.proto",
    "e.flags",
    "e.cport",
    "e.sport",
];

fn needs(field: Field) -> Option<(Source, &'static [usize])> {
    Some(match field {
        rule_field!() => (Source::Rule, &[0]),
        Field::Namespace
        | Field::ClientNamespace
        | Field::ServerNamespace
        | Field::Workload
        | Field::Client
        | Field::Server
        | Field::Inspection
        | Field::Origin
        | Field::Status
        | Field::Assignee => (Source::Group, &[1]),
        Field::Pod | Field::ClientPod | Field::ServerPod => (Source::Event, &[2, 3]),
        Field::Direction => (Source::Event, &[2, 3, 8]),
        Field::Node => (Source::Event, &[4]),
        Field::Iface => (Source::Event, &[5]),
        Field::Service => (Source::Event, &[6]),
        Field::Protocol => (Source::Event, &[7]),
        Field::Visibility => (Source::Event, &[8]),
        Field::ClientPort => (Source::Event, &[9]),
        Field::ServerPort => (Source::Event, &[10]),
        Field::Port => (Source::Event, &[9, 10]),
        Field::Ip | Field::ClientIp | Field::ServerIp => (Source::Event, &[11]),
        _ => return None,
    })
}

/// What is alike in events for the fields asked for.
#[derive(Clone, Debug, Default)]
struct Seen {
    numbers: [Option<i64>; 11],
    cip: Option<Vec<u8>>,
    sip: Option<Vec<u8>>,
}

impl Seen {
    fn of((numbers, [cip, sip]): Key, columns: &[usize]) -> Self {
        let mut seen = Self { cip, sip, ..Self::default() };
        for (number, column) in numbers.into_iter().zip(columns) {
            if let Some(place) = seen.numbers.get_mut(*column) {
                *place = number;
            }
        }
        seen
    }
}

/// Place behind [`COLUMNS`] of both addresses.
const ADDRESSES: usize = 11;
/// Columns that a field needs at most.
const MOST: usize = 3;

/// Numbers in the order of the columns of a kind, and both addresses.
type Key = ([Option<i64>; MOST], [Option<Vec<u8>>; 2]);

/// Fields that need the same columns, and what was seen in them.
#[derive(Default)]
struct Kind {
    fields: Vec<(usize, Field)>,
    seen: HashMap<Key, u64>,
}

impl Kind {
    fn count(&mut self, row: &Row<'_>, columns: &[usize]) -> rusqlite::Result<()> {
        let mut key = Key::default();
        for (number, column) in key.0.iter_mut().zip(columns) {
            if *column == ADDRESSES {
                key.1 = [row.get(ADDRESSES)?, row.get(ADDRESSES + 1)?];
            } else {
                *number = row.get(*column)?;
            }
        }
        *self.seen.entry(key).or_default() += 1;
        Ok(())
    }
}

/// The most frequent values of fields.
pub(super) fn facets(
    link: &mut Link,
    filter: &Filter,
    fields: &[Field],
) -> Result<(Vec<Facet>, Option<Partial>), StoreError> {
    let (counts, partial) = count(link, filter, fields, Forms::One)?;
    let facet = |(field, counts): (&Field, BTreeMap<String, u64>)| {
        let (values, more) = top_of(counts, FACET, "");
        Facet { field: field.info().name, values, more }
    };
    Ok((fields.iter().zip(counts).map(facet).collect(), partial))
}

/// A top list.
pub(super) fn top(link: &mut Link, request: &TopRequest) -> Result<Top, StoreError> {
    let (counts, partial) = count(link, &request.filter, &[request.field], Forms::with_prefix(&request.prefix))?;
    let limit = request.limit.clamp(1, MAX_TOP);
    let (values, more) = top_of(counts.into_iter().next().unwrap_or_default(), limit, &request.prefix);
    Ok(Top { values, more, partial })
}

type Counts = Vec<BTreeMap<String, u64>>;

fn count(
    link: &mut Link,
    filter: &Filter,
    fields: &[Field],
    forms: Forms,
) -> Result<(Counts, Option<Partial>), StoreError> {
    if fields.is_empty() || fields.len() > 20 {
        return Err(StoreError::Invalid("facets: 1 to 20 fields".to_owned()));
    }
    let asked = link.ask(filter)?;
    let mut counts = vec![BTreeMap::new(); fields.len()];
    let mut live = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        let Some((source, columns)) = needs(*field) else {
            let name = field.info().name;
            return Err(StoreError::Invalid(format!("values of {name} can't be counted; search for them instead")));
        };
        let whole = asked.everything && asked.visible_only && !asked.ranged;
        match source {
            Source::Rule if whole => {
                let seen = seen(link, 0, "SELECT sig, sum(n) FROM roll_day GROUP BY sig")?;
                spread(link, &[(place, *field)], forms, &mut counts, seen)?;
            }
            Source::Group if whole => {
                let seen = seen(link, 1, "SELECT id, n FROM grp WHERE n > 0")?;
                spread(link, &[(place, *field)], forms, &mut counts, seen)?;
            }
            _ => live.push((place, *field, columns)),
        }
    }
    if live.is_empty() {
        return Ok((counts, None));
    }
    // Fields of the same columns are counted together, others on their own: all columns at once are a row for nearly each event.
    let mut kinds: BTreeMap<&[usize], Kind> = BTreeMap::new();
    for (place, field, columns) in live {
        kinds.entry(columns).or_default().fields.push((place, field));
    }
    let wanted: BTreeSet<usize> = kinds.keys().flat_map(|columns| columns.iter().copied()).collect();
    let list = COLUMNS.iter().enumerate().map(|(at, column)| if wanted.contains(&at) { column } else { "NULL" });
    let ips = if wanted.contains(&ADDRESSES) { "e.cip, e.sip" } else { "NULL, NULL" };
    let columns = list.collect::<Vec<_>>().join(", ");
    let way = asked.way(link)?;
    let order = if way == Way::ByTime { " ORDER BY e.t DESC" } else { "" };
    let sql =
        Sql::new(format!("SELECT {columns}, {ips}"), []).then(asked.events(&way, Sql::constant(true))).word(order);
    let counted = (|| {
        let mut statement = link.db.prepare_cached(&sql.text)?;
        let mut rows = statement.query(params_from_iter(&sql.params))?;
        while let Some(row) = rows.next()? {
            for (columns, kind) in &mut kinds {
                kind.count(row, columns)?;
            }
        }
        Ok(())
    })();
    let partial = ended(link, counted)?;
    for (columns, Kind { fields, seen }) in kinds {
        spread(link, &fields, forms, &mut counts, seen.into_iter().map(|(key, n)| (Seen::of(key, columns), n)))?;
    }
    Ok((counts, partial))
}

/// Counts of a column from a table of counts.
fn seen(link: &Link, column: usize, sql: &str) -> Result<Vec<(Seen, u64)>, StoreError> {
    let read = || {
        let mut statement = link.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let mut seen = Seen::default();
            if let Some(number) = seen.numbers.get_mut(column) {
                *number = row.get(0)?;
            }
            Ok((seen, row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|error| link.failed(&error))
}

/// Adds what was seen to the values that it has.
fn spread(
    link: &Link,
    fields: &[(usize, Field)],
    forms: Forms,
    counts: &mut [BTreeMap<String, u64>],
    seen: impl IntoIterator<Item = (Seen, u64)>,
) -> Result<(), StoreError> {
    for (seen, n) in seen {
        let (event, group) = event(link, &seen).map_err(|error| link.failed(&error))?;
        let facts = EventFacts { event: &event, group: &group, suppressed_by: None, cluster: "" };
        for (place, field) in fields {
            let Some(counts) = counts.get_mut(*place) else { continue };
            for value in counted(&facts, *field, forms) {
                *counts.entry(value).or_default() += n;
            }
        }
    }
    Ok(())
}

/// An event that has what was seen, and its group.
fn event(link: &Link, seen: &Seen) -> rusqlite::Result<(SecurityEvent, GroupState)> {
    let words = &link.words;
    let [sig, grp, cpod, spod, stream, iface, service, proto, flags, cport, sport] = seen.numbers;
    let mut event = SecurityEvent::default();
    let mut state = GroupState::default();
    if let Some(rule) = sig.and_then(|id| entry(&words.sigs, id)) {
        event.rule = rule.clone();
    }
    let pod = |id: Option<i64>| id.and_then(|id| entry(&words.pods, id)).map(super::row::Pod::workload);
    (event.client, event.server) = (pod(cpod), pod(spod));
    if let Some(id) = grp {
        let mut find =
            link.db.prepare_cached("SELECT client, server, inspection, status, assignee FROM grp WHERE id = ?")?;
        let (client, server, inspection): (i64, i64, i64) = find.query_row([id], |row| {
            state.status = Status::of_code(row.get(3)?);
            state.assignee = row.get(4)?;
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        let party = |id: i64| {
            let party = entry(&words.parties, id).filter(|party| !party.kind.is_empty())?;
            let pod = super::row::Pod {
                namespace: party.namespace.clone(),
                kind: party.kind.clone(),
                name: party.name.clone(),
                ..Default::default()
            };
            Some(pod.workload())
        };
        event.client = event.client.or_else(|| party(client));
        event.server = event.server.or_else(|| party(server));
        event.inspection = words.word(inspection).map(|text| {
            let (namespace, name) = text.split_once('/').unwrap_or(("", text));
            Inspection { namespace: namespace.to_owned(), name: name.to_owned() }
        });
    }
    if let Some((node, boot)) = stream.and_then(|id| entry(&words.streams, id)) {
        (event.id.node, event.id.boot) = (node.clone(), *boot);
    }
    let text = |id: Option<i64>| id.and_then(|id| words.word(id));
    event.interface = text(iface).unwrap_or_default().into();
    event.service = text(service).map(|text| text.to_owned().into());
    event.protocol = text(proto).unwrap_or_default().to_owned().into();
    let flags = flags.unwrap_or(0);
    event.direction = match flags & 3 {
        flag::TO_SERVER => Some(FlowDirection::ToServer),
        flag::TO_CLIENT => Some(FlowDirection::ToClient),
        _ => None,
    };
    let blind =
        |name: &str| (flag::BLIND_SHIFT..).zip(BLIND).any(|(bit, known)| known == name && flags >> bit & 1 == 1);
    event.truncated = blind("truncated");
    if blind("encrypted") && event.service.is_none() {
        event.service = Some("ssl".into());
    }
    let end = |ip: &Option<Vec<u8>>, port: Option<i64>| {
        let address = ip.as_deref().and_then(address);
        let port = port.and_then(|port| u16::try_from(port).ok());
        (address, port)
    };
    let ends = [end(&seen.cip, cport), end(&seen.sip, sport)];
    let [client, server] = ends.map(|(address, port)| {
        let known = address.is_some() || port.is_some();
        known.then(|| Endpoint { address: address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()), port })
    });
    if blind("midstream") || blind("gap") {
        let none = Endpoint { address: std::net::Ipv4Addr::UNSPECIFIED.into(), port: None };
        event.flow = Some(FlowSummary {
            id: 0,
            start: Timestamp(0),
            client: client.unwrap_or(none),
            server: server.unwrap_or(none),
            packets: [0; 2],
            bytes: [0; 2],
            missing: [u64::from(blind("gap")), 0],
            midstream: blind("midstream"),
        });
    } else {
        (event.source, event.destination) = (client, server);
    }
    Ok((event, state))
}
