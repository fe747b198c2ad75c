//! One group: its shapes, its history, its events by pod and port; and sparklines of many.

use super::ask::visible;
use super::compile::{all, between, term, terms};
use super::event::{address, pair};
use super::server::{buckets, doc_count};
use super::store::Inner;
use crate::{AuditWhat, Breakdown, BreakdownRow, GroupDetail, GroupId, PageRequest, ShapeRow, StoreError};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use tapir_packet::Timestamp;

/// Rows of a breakdown, and shapes of a group that are shown.
const BREAKDOWN: usize = 200;
const SHAPES: usize = 100;
/// Buckets that one request may have; the server's own limit is 65,535.
const MAX_BUCKETS: usize = 50_000;

impl Inner {
    /// The head of the drawer.
    pub(super) async fn detail(&self, id: GroupId) -> Result<GroupDetail, StoreError> {
        let found = self.group_doc(&id.to_string()).await?;
        let shapes = found.doc.figures.shapes.iter().filter(|(_, shape)| shape.n > 0);
        let mut shapes_seen: Vec<ShapeRow> = shapes
            .map(|(name, shape)| ShapeRow {
                shape: name.clone(),
                count: shape.n,
                last_seen: Timestamp(shape.last),
                opened_at: shape.opened_at.map(Timestamp),
                opened_by: shape.opened_by.clone(),
            })
            .collect();
        shapes_seen.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.shape.cmp(&b.shape)));
        shapes_seen.truncate(SHAPES);
        let what = AuditWhat { group: Some(id), who: None };
        let history = self.audit_page(&what, &PageRequest::default()).await?.items;
        let mut groups = self.shown(vec![found], false).await?;
        let group = groups.pop().ok_or_else(|| StoreError::NotFound { what: "group", id: id.to_string() })?;
        Ok(GroupDetail { group, shapes_seen, history })
    }

    /// Events by pod and port.
    pub(super) async fn broken_down(&self, id: GroupId) -> Result<Breakdown, StoreError> {
        self.group_doc(&id.to_string()).await?;
        let body = json!({
            "size": 0, "track_total_hits": false, "query": all(vec![term("k.group", id.to_string()), visible()]),
            "aggs": {
                "pairs": { "terms": { "field": "pair", "size": BREAKDOWN }, "aggs": {
                    "last": { "top_hits": { "size": 1, "sort": [{ "t": "desc" }], "_source": false } },
                } },
                "different": { "cardinality": { "field": "pair", "precision_threshold": 10_000 } },
            },
        });
        let answer = self.server.search(&self.names.events, body).await?;
        let row = |bucket: &Json| {
            let word = bucket.get("key").and_then(Json::as_str).unwrap_or_default();
            let [client_pod, client_ip, server_pod, server_ip, port] = pair(word);
            BreakdownRow {
                client_pod: client_pod.map(str::to_owned),
                client_ip: client_ip.and_then(address),
                server_pod: server_pod.map(str::to_owned),
                server_ip: server_ip.and_then(address),
                server_port: port.and_then(|port| port.parse().ok()),
                count: doc_count(bucket),
                last_seen: Timestamp(
                    bucket.pointer("/last/hits/hits/0/sort/0").and_then(Json::as_i64).unwrap_or_default(),
                ),
            }
        };
        let rows: Vec<BreakdownRow> = buckets(&answer, "pairs").iter().map(row).collect();
        let different = answer.pointer("/aggregations/different/value").and_then(Json::as_u64).unwrap_or_default();
        let more = if rows.len() < BREAKDOWN { 0 } else { different.saturating_sub(BREAKDOWN as u64) };
        Ok(Breakdown { rows, more, partial: None })
    }

    /// Events of groups over time.
    pub(super) async fn lines(
        &self,
        groups: &[GroupId],
        from: i64,
        to: i64,
        buckets_wanted: usize,
    ) -> Result<Vec<Vec<u64>>, StoreError> {
        let span = i128::from(to) - i128::from(from);
        if buckets_wanted == 0 || buckets_wanted > 100 || groups.len() > 1_000 || span <= 0 {
            let why = "sparklines: 1 to 100 buckets, up to 1,000 groups, `from` before `to`";
            return Err(StoreError::Invalid(why.into()));
        }
        let count = buckets_wanted as i128;
        // Buckets are open at their beginning, as the range is: the first moment of each, rounded up.
        let begin = |place: usize| {
            let offset = (place as i128 * span + count - 1).div_euclid(count);
            i64::try_from(i128::from(from) + 1 + offset).unwrap_or(i64::MAX)
        };
        let mut filters = serde_json::Map::new();
        for place in 0..buckets_wanted {
            let last = if place + 1 == buckets_wanted { to } else { begin(place + 1).saturating_sub(1) };
            filters.insert(format!("{place:03}"), between("t", begin(place), last));
        }
        let mut lines = Vec::with_capacity(groups.len());
        for groups in groups.chunks((MAX_BUCKETS / buckets_wanted).clamp(1, 1_000)) {
            let ids: Vec<String> = groups.iter().map(ToString::to_string).collect();
            let body = json!({
                "size": 0, "track_total_hits": false,
                "query": all(vec![terms("k.group", &ids), super::ask::range("t", from, to), visible()]),
                "aggs": { "times": { "filters": { "filters": filters }, "aggs": {
                    "groups": { "terms": { "field": "k.group", "size": ids.len(), "include": ids } },
                } } },
            });
            let answer = self.server.search(&self.names.events, body).await?;
            let mut counts: BTreeMap<&str, Vec<u64>> =
                ids.iter().map(|id| (id.as_str(), vec![0; buckets_wanted])).collect();
            let times = answer.pointer("/aggregations/times/buckets").and_then(Json::as_object);
            for (place, bucket) in times.into_iter().flatten() {
                let Ok(place) = place.parse::<usize>() else { continue };
                let groups = bucket.pointer("/groups/buckets").and_then(Json::as_array);
                for group in groups.into_iter().flatten() {
                    let id = group.get("key").and_then(Json::as_str).unwrap_or_default();
                    if let Some(bucket) = counts.get_mut(id).and_then(|line| line.get_mut(place)) {
                        *bucket = doc_count(group);
                    }
                }
            }
            lines.extend(ids.iter().map(|id| counts.get(id.as_str()).cloned().unwrap_or_default()));
        }
        Ok(lines)
    }
}
