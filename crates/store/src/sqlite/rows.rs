//! Rows of tables to the rows of answers.

use super::dictionary::{Dictionaries, entry};
use super::link::Link;
use super::row::{PartyKey, address, flag};
use crate::{EventRow, Group, GroupId, Party, Reason, Status, StoreError, StoredEvent};
use rusqlite::{OptionalExtension, Row};
use std::net::IpAddr;
use std::sync::Arc;
use tapir_event::{EventId, Level, RuleSummary};
use tapir_packet::Timestamp;

const GROUP: &str = "SELECT hash, gid, sid, sig, sev, client, server, inspection, first, last, n, hidden, shapes,
    unclear, cip, sip, sport, status, assignee, reason, reason_text, comments, reopened_at, reopened_why, version,
    (SELECT count(*) FROM grp_pod WHERE grp = g.id AND side = 0),
    (SELECT count(*) FROM grp_pod WHERE grp = g.id AND side = 1)
    FROM grp g WHERE id = ?";

const EVENT: &str = "SELECT e.stream, e.seq, g.hash, e.t, e.observed, e.sig, g.client, g.server, e.cpod, e.spod, e.cip,
    e.sip, e.cport, e.sport, e.flags, e.proto, e.service, g.inspection, e.shape, e.sup, g.status, e.got";

/// Groups by row number, in that order. `hidden`: counts are of hidden events, too. `noisy`: from so many events on.
pub(super) fn groups(link: &Link, ids: &[i64], hidden: bool, noisy: Option<i64>) -> Result<Vec<Group>, StoreError> {
    let read = || {
        let mut statement = link.db.prepare_cached(GROUP)?;
        let mut groups = Vec::with_capacity(ids.len());
        for id in ids {
            groups.extend(statement.query_row([id], |row| group(&link.words, row, hidden, noisy)).optional()?);
        }
        Ok(groups)
    };
    read().map_err(|error| link.failed(&error))
}

/// Row number of a group.
pub(super) fn group_row(link: &Link, id: GroupId) -> Result<i64, StoreError> {
    let mut find = link.db.prepare_cached("SELECT id FROM grp WHERE hash = ?").map_err(|error| link.failed(&error))?;
    let found = find.query_row([id.0.cast_signed()], |row| row.get(0)).optional();
    found
        .map_err(|error| link.failed(&error))?
        .ok_or_else(|| StoreError::NotFound { what: "group", id: id.to_string() })
}

fn group(words: &Dictionaries, row: &Row<'_>, hidden: bool, noisy: Option<i64>) -> rusqlite::Result<Group> {
    let rule = rule(words, row.get(3)?);
    let severity = u8::try_from(row.get::<_, i64>(4)?).unwrap_or(100);
    let (client, server) = (party(words, row.get(5)?), party(words, row.get(6)?));
    let mut namespaces: Vec<String> =
        [&client.namespace, &server.namespace].into_iter().filter(|namespace| !namespace.is_empty()).cloned().collect();
    namespaces.dedup();
    let (n, suppressed): (i64, i64) = (row.get(10)?, row.get(11)?);
    Ok(Group {
        id: GroupId(row.get::<_, i64>(0)?.cast_unsigned()),
        gid: row.get(1)?,
        sid: row.get(2)?,
        rev: rule.rev,
        msg: rule.message().to_owned(),
        classtype: rule.classtype.clone(),
        severity,
        level: Level::of(severity).name(),
        client,
        server,
        inspection: words.word(row.get(7)?).map(str::to_owned),
        namespaces,
        first_seen: Timestamp(row.get(8)?),
        last_seen: Timestamp(row.get(9)?),
        count: (if hidden { n + suppressed } else { n }).unsigned_abs(),
        suppressed: suppressed.unsigned_abs(),
        in_range: None,
        shapes: row.get::<_, i64>(12)?.unsigned_abs(),
        partial: row.get::<_, i64>(13)? > 0,
        client_ip: ip(row, 14)?,
        server_ip: ip(row, 15)?,
        server_port: row.get(16)?,
        status: Status::of_code(row.get(17)?),
        assignee: row.get(18)?,
        reason: row.get::<_, Option<i64>>(19)?.and_then(Reason::of_number),
        reason_text: row.get(20)?,
        comments: row.get::<_, i64>(21)?.unsigned_abs(),
        reopened_at: row.get::<_, Option<i64>>(22)?.map(Timestamp),
        reopened_why: row.get(23)?,
        version: row.get::<_, i64>(24)?.unsigned_abs(),
        client_pods: row.get::<_, i64>(25)?.unsigned_abs(),
        server_pods: row.get::<_, i64>(26)?.unsigned_abs(),
        techniques: rule.techniques().into_iter().map(|technique| technique.id.to_owned()).collect(),
        tactics: rule.tactics().into_iter().map(|tactic| tactic.name.unwrap_or_else(|| tactic.id.to_owned())).collect(),
        noisy: noisy.is_some_and(|least| n >= least),
    })
}

/// Events by row number, in that order.
pub(super) fn events(link: &Link, ids: &[i64]) -> Result<Vec<EventRow>, StoreError> {
    let read = || {
        let sql = format!("{EVENT} FROM event e JOIN grp g ON g.id = e.grp WHERE e.id = ?");
        let mut statement = link.db.prepare_cached(&sql)?;
        let mut events = Vec::with_capacity(ids.len());
        for id in ids {
            events.extend(statement.query_row([id], |row| event(&link.words, row)).optional()?);
        }
        Ok(events)
    };
    read().map_err(|error| link.failed(&error))
}

/// Row number of an event.
pub(super) fn event_row(link: &Link, id: &EventId) -> Result<i64, StoreError> {
    let missing = || StoreError::NotFound { what: "event", id: id.to_string() };
    let find = || {
        let mut find = link.db.prepare_cached(
            "SELECT e.id FROM stream s JOIN event e ON e.stream = s.id WHERE s.node = ? AND s.boot = ? AND e.seq = ?",
        )?;
        find.query_row((&*id.node, id.boot.cast_signed(), id.seq.cast_signed()), |row| row.get(0)).optional()
    };
    find().map_err(|error| link.failed(&error))?.ok_or_else(missing)
}

/// A whole event.
pub(super) fn stored(link: &Link, id: &EventId) -> Result<StoredEvent, StoreError> {
    stored_at(link, event_row(link, id)?)
}

/// A whole event by its row number.
pub(super) fn stored_at(link: &Link, number: i64) -> Result<StoredEvent, StoreError> {
    let read = || {
        let sql = format!("{EVENT}, e.body FROM event e JOIN grp g ON g.id = e.grp WHERE e.id = ?");
        link.db.prepare_cached(&sql)?.query_row([number], |row| {
            Ok((event(&link.words, row)?, row.get::<_, i64>(21)?, row.get::<_, Vec<u8>>(22)?))
        })
    };
    let (row, got, body) = read().map_err(|error| link.failed(&error))?;
    let document = link.guard.open(&body).map_err(|detail| StoreError::Corrupt {
        path: link.config.path.clone(),
        detail: format!("document of event {}: {detail}", row.id),
    })?;
    Ok(StoredEvent { row, received: Timestamp(got.saturating_mul(1_000_000_000)), document })
}

fn event(words: &Dictionaries, row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let stream = entry(&words.streams, row.get(0)?).cloned().unwrap_or_default();
    let rule = rule(words, row.get(5)?);
    let severity = rule.severity();
    let pod = |id: i64| entry(&words.pods, id).map(|pod| pod.pod.clone());
    let flags: i64 = row.get(14)?;
    Ok(EventRow {
        id: EventId { node: stream.0, boot: stream.1, seq: row.get::<_, i64>(1)?.cast_unsigned() },
        group: GroupId(row.get::<_, i64>(2)?.cast_unsigned()),
        time: Timestamp(row.get(3)?),
        observed: Timestamp(row.get(4)?),
        gid: rule.gid,
        sid: rule.sid,
        rev: rule.rev,
        msg: rule.message().to_owned(),
        severity,
        level: Level::of(severity).name(),
        client: party(words, row.get(6)?),
        server: party(words, row.get(7)?),
        client_pod: pod(row.get(8)?),
        server_pod: pod(row.get(9)?),
        client_ip: ip(row, 10)?,
        server_ip: ip(row, 11)?,
        client_port: row.get(12)?,
        server_port: row.get(13)?,
        direction: match flags & 3 {
            flag::TO_SERVER => Some("to_server"),
            flag::TO_CLIENT => Some("to_client"),
            _ => None,
        },
        protocol: words.word(row.get(15)?).unwrap_or_default().to_ascii_lowercase(),
        service: words.word(row.get(16)?).map(str::to_owned),
        inspection: words.word(row.get(17)?).map(str::to_owned),
        shape: row.get::<_, Option<i64>>(18)?.map(|shape| format!("{:016x}", shape.cast_unsigned())),
        partial: flags >> flag::BLIND_SHIFT & 15 != 0,
        suppressed_by: words.word(row.get(19)?).map(str::to_owned),
        status: Status::of_code(row.get(20)?),
    })
}

pub(super) fn ip(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<IpAddr>> {
    Ok(row.get::<_, Option<Vec<u8>>>(column)?.as_deref().and_then(address))
}

fn rule(words: &Dictionaries, id: i64) -> Arc<RuleSummary> {
    entry(&words.sigs, id).cloned().unwrap_or_default()
}

pub(super) fn party(words: &Dictionaries, id: i64) -> Party {
    let party = entry(&words.parties, id).cloned().unwrap_or_default();
    let display = party.display();
    let PartyKey { key, namespace, kind, name } = party;
    Party { key, display, namespace, kind, name }
}
