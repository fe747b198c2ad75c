//! The document of an event: what lists show (`row`), the document as it came (`raw`), and what it is found by.

use super::indexed::{Indexed, Record, cut, digits, texts};
use crate::{EventFacts, EventRow, GroupId, GroupState, Party, Status, StoreError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use tapir_event::quiet::Named;
use tapir_event::{EventId, GroupKey, Level, SecurityEvent, Workload};
use tapir_packet::Timestamp;

/// Nanoseconds of a second and of a day.
pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;
/// Level of zstd, as in the embedded store.
const LEVEL: i32 = 1;
/// Bytes of a message in rows; the document has the whole.
const MAX_MESSAGE: usize = 2_000;

/// One side, as in [`Party`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Side {
    pub key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl Side {
    /// As suppressions name it.
    pub(super) fn named(&self) -> Named<'_> {
        Named { key: &self.key, namespace: &self.namespace }
    }

    fn of(key: String, workload: Option<&Workload>) -> Self {
        let Some(workload) = workload else { return Self { key, ..Self::default() } };
        let (kind, name) = workload.owner();
        Self { key, namespace: workload.namespace.clone(), kind: kind.to_owned(), name: name.to_owned() }
    }

    pub(super) fn party(&self) -> Party {
        let Self { key, namespace, kind, name } = self.clone();
        let display = if kind.is_empty() { key.clone() } else { format!("{namespace}/{name}") };
        Party { key, display, namespace, kind, name }
    }
}

/// What lists show of an event, and what its group counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub id: EventId,
    /// Its group, 16 hexadecimal digits.
    pub group: String,
    pub t: i64,
    observed: i64,
    pub gid: u32,
    pub sid: u32,
    rev: u32,
    msg: String,
    pub sev: u8,
    pub client: Side,
    pub server: Side,
    pub client_pod: Option<String>,
    pub server_pod: Option<String>,
    pub client_ip: Option<IpAddr>,
    pub server_ip: Option<IpAddr>,
    client_port: Option<u16>,
    pub server_port: Option<u16>,
    direction: Option<tapir_event::FlowDirection>,
    protocol: String,
    service: Option<String>,
    pub inspection: Option<String>,
    pub shape: Option<String>,
    pub partial: bool,
}

impl Row {
    /// What its group counts.
    pub(super) fn counted(&self, visible: bool) -> crate::extent::Counted {
        crate::extent::Counted { t: self.t, sev: self.sev, unclear: self.partial, visible }
    }

    /// What an event shows.
    pub(super) fn of(event: &SecurityEvent) -> Self {
        let key = GroupKey::of(event);
        let (client, server) = event.parties();
        let message = event.rule.message();
        Self {
            id: event.id.clone(),
            group: GroupId(key.hash()).to_string(),
            t: event.time.0,
            observed: event.observed.0,
            gid: event.rule.gid,
            sid: event.rule.sid,
            rev: event.rule.rev,
            msg: message.get(..message.floor_char_boundary(MAX_MESSAGE)).unwrap_or_default().to_owned(),
            sev: event.rule.severity(),
            client: Side::of(key.client, event.client.as_ref()),
            server: Side::of(key.server, event.server.as_ref()),
            client_pod: event.client.as_ref().map(|side| side.pod.clone()),
            server_pod: event.server.as_ref().map(|side| side.pod.clone()),
            client_ip: client.map(|end| end.address.to_canonical()),
            server_ip: server.map(|end| end.address.to_canonical()),
            client_port: client.and_then(|end| end.port),
            server_port: server.and_then(|end| end.port),
            direction: event.direction,
            protocol: event.protocol.to_ascii_lowercase(),
            service: event.service.as_deref().map(str::to_owned),
            inspection: event.inspection.as_ref().map(ToString::to_string),
            shape: tapir_event::shape(event.evidence.as_ref()).map(|shape| format!("{shape:016x}")),
            partial: !event.blind_spots().is_empty(),
        }
    }

    /// As a list shows it.
    pub(super) fn shown(self, suppressed_by: Option<String>, status: Status) -> Result<EventRow, StoreError> {
        Ok(EventRow {
            id: self.id,
            group: self.group.parse()?,
            time: Timestamp(self.t),
            observed: Timestamp(self.observed),
            gid: self.gid,
            sid: self.sid,
            rev: self.rev,
            msg: self.msg,
            severity: self.sev,
            level: Level::of(self.sev).name(),
            client: self.client.party(),
            server: self.server.party(),
            client_pod: self.client_pod,
            server_pod: self.server_pod,
            client_ip: self.client_ip,
            server_ip: self.server_ip,
            client_port: self.client_port,
            server_port: self.server_port,
            direction: self.direction.map(tapir_event::FlowDirection::name),
            protocol: self.protocol,
            service: self.service,
            inspection: self.inspection,
            shape: self.shape,
            partial: self.partial,
            suppressed_by,
            status,
        })
    }
}

/// An event on its way in.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub event: SecurityEvent,
    pub row: Row,
    pub suppressed_by: Option<String>,
    /// Its number in the order of arrival.
    pub arrival: i64,
}

impl Incoming {
    pub(super) fn id(&self) -> String {
        self.row.id.to_string()
    }

    /// The document that is kept.
    pub(super) fn document(&self, original: &[u8], now: i64) -> Result<Value, StoreError> {
        let (event, row) = (&self.event, &self.row);
        let group = GroupState::default();
        let facts = EventFacts { event, group: &group, suppressed_by: self.suppressed_by.as_deref(), cluster: "" };
        let mut indexed = Indexed::of_event(&facts);
        let record = Record::of(event, &mut indexed);
        let packed = zstd::bulk::compress(original, LEVEL)
            .map_err(|error| StoreError::Internal(format!("a document cannot be compressed: {error}")))?;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let ip = |address: Option<IpAddr>| address.map(digits).unwrap_or_default();
        let port = row.server_port.map(|port| port.to_string()).unwrap_or_default();
        let pair = [text(&row.client_pod), ip(row.client_ip), text(&row.server_pod), ip(row.server_ip), port];
        let mut document = json!({
            "@timestamp": tapir_event::rfc3339(event.time),
            "t": row.t,
            "second": row.t.div_euclid(SECOND),
            "day": row.t.div_euclid(DAY),
            "got": now.div_euclid(SECOND),
            "arrival": self.arrival,
            "key": key(&self.id()),
            "level": Level::of(row.sev).name(),
            "client_key": cut(&row.client.key),
            "server_key": cut(&row.server.key),
            "pair": pair.join("\n"),
            "texts": texts(&facts),
            "row": row,
            "raw": STANDARD.encode(packed),
        });
        if let Some(all) = document.as_object_mut() {
            for part in [json!(indexed), json!(record)] {
                if let Value::Object(part) = part {
                    all.extend(part);
                }
            }
            if let Some(by) = &self.suppressed_by {
                all.insert("sup".to_owned(), json!(by));
            }
            if let Some(shape) = &row.shape {
                all.insert("shape".to_owned(), json!(shape));
                all.insert("group_shape".to_owned(), json!(group_shape(&row.group, shape)));
            }
        }
        Ok(document)
    }
}

/// A shape of a group as one word.
pub(super) fn group_shape(group: &str, shape: &str) -> String {
    format!("{group}:{shape}")
}

/// A number of an event that does not change, for the order of those that came at one moment.
pub(super) fn key(id: &str) -> i64 {
    let digest = Sha256::digest(id);
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    i64::from_be_bytes(bytes)
}

/// The row of a hit, and the suppression that hides it.
pub(super) fn row_of(hit: &Value) -> Result<(Row, Option<String>), StoreError> {
    let row = hit.pointer("/_source/row").cloned().unwrap_or_default();
    let row = serde_json::from_value(row).map_err(|error| unreadable(hit, &error.to_string()))?;
    Ok((row, hit.pointer("/_source/sup").and_then(Value::as_str).map(str::to_owned)))
}

/// The document as it came.
pub(super) fn original(hit: &Value) -> Result<Vec<u8>, StoreError> {
    let raw = hit.pointer("/_source/raw").and_then(Value::as_str).unwrap_or_default();
    let packed = STANDARD.decode(raw).map_err(|error| unreadable(hit, &error.to_string()))?;
    let size = zstd::bulk::Decompressor::upper_bound(&packed).unwrap_or(crate::MAX_EVENT).min(crate::MAX_EVENT);
    zstd::bulk::decompress(&packed, size).map_err(|error| unreadable(hit, &error.to_string()))
}

fn unreadable(hit: &Value, why: &str) -> StoreError {
    let id = hit.get("_id").and_then(Value::as_str).unwrap_or_default();
    StoreError::Internal(format!("the event {id} cannot be read: {why}"))
}

/// A breakdown's row of its one word.
pub(super) fn pair(word: &str) -> [Option<&str>; 5] {
    let mut parts = word.split('\n').map(|part| Some(part).filter(|part| !part.is_empty()));
    std::array::from_fn(|_| parts.next().flatten())
}

/// The address of [`digits`].
pub(super) fn address(digits: &str) -> Option<IpAddr> {
    let (family, number) = digits.split_at_checked(1)?;
    Some(match family {
        "4" => IpAddr::V4(u32::from_str_radix(number, 16).ok()?.into()),
        _ => IpAddr::V6(u128::from_str_radix(number, 16).ok()?.into()),
    })
}
