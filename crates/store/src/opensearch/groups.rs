//! The inbox: groups that have an event of the kind, in an order.
//!
//! Where groups alone can answer, no event is looked at. Else the server is asked first which groups have such events,
//! and then for those in the order.

use super::MAX_SET;
use super::ask::Asked;
use super::compile::{all, any, between, not, terms};
use super::group::Found;
use super::server::{Seen, buckets, hits, sort_value, total};
use super::store::Inner;
use crate::cursor::{List, Position};
use crate::{Changes, Filter, Group, GroupId, GroupPage, GroupSort, PageRequest, StoreError, TOTAL_EXACT, Total};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use tapir_packet::Timestamp;

/// Buckets of one request for the groups of events.
const BUCKETS: usize = 10_000;
/// Groups with their documents in one answer.
const DOCUMENTS: usize = 200;

/// Fields by which groups are ordered.
pub(super) fn order(sort: GroupSort, visible_only: bool) -> [&'static str; 3] {
    match sort {
        GroupSort::LastSeen => ["n.last_seen", "born", "key"],
        GroupSort::Severity => ["sev", "n.last_seen", "key"],
        GroupSort::Count if visible_only => ["n.count", "born", "key"],
        GroupSort::Count => ["all", "born", "key"],
        GroupSort::FirstSeen => ["n.first_seen", "born", "key"],
    }
}

/// Groups that were found.
struct Walked {
    found: Vec<(Found, Position)>,
    total: Total,
}

impl Inner {
    /// A page of the inbox.
    pub(super) async fn group_page(
        &self,
        filter: &Filter,
        sort: GroupSort,
        page: &PageRequest,
    ) -> Result<GroupPage, StoreError> {
        let asked = self.ask(filter).await?;
        let about = format!("{}|{sort:?}", asked.about);
        let after = page.cursor.as_ref().map(|cursor| self.signer.read(List::Groups, &about, cursor)).transpose()?;
        let limit = page.rows();
        let condition = self.groups_of(&asked, None).await?;
        let Walked { mut found, total } =
            self.walk(&condition, sort, asked.visible_only, after, limit + 1, page.total).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(_, at)| self.signer.sign(List::Groups, &about, *at));
        let mut items = self.shown(found.into_iter().map(|(found, _)| found).collect(), !asked.visible_only).await?;
        if asked.ranged {
            self.count_range(&mut items, &asked).await?;
        }
        let total = page.total.then_some(total);
        Ok(GroupPage { items, next, total, partial: None, as_of: Timestamp(filter.now.0) })
    }

    /// Fills in how many events of each group lie in a range.
    async fn count_range(&self, groups: &mut [Group], asked: &Asked) -> Result<(), StoreError> {
        // Times are of visible events, if the group has some.
        let whole = |group: &Group| group.first_seen.0 > asked.from && group.last_seen.0 <= asked.to;
        let ids: Vec<String> = groups.iter().filter(|group| !whole(group)).map(|group| group.id.to_string()).collect();
        let counts = self.range_counts(&ids, asked.from, asked.to).await?;
        for group in groups {
            let hidden = if asked.visible_only { 0 } else { group.suppressed };
            let counted = || counts.get(&group.id.to_string()).copied().unwrap_or(0);
            group.in_range = Some(if whole(group) { group.count.saturating_sub(hidden) } else { counted() });
        }
        Ok(())
    }

    /// As the inbox shows them.
    pub(super) async fn shown(&self, found: Vec<Found>, hidden: bool) -> Result<Vec<Group>, StoreError> {
        let noisy = self.noisy().await?;
        Ok(found.into_iter().map(|found| found.doc.shown(hidden, noisy)).collect())
    }

    /// The groups that a filter shows, as a condition over groups; of `only` if there are some.
    pub(super) async fn groups_of(&self, asked: &Asked, only: Option<&[String]>) -> Result<Json, StoreError> {
        let mut parts: Vec<Json> = only.map(|ids| json!({ "ids": { "values": ids } })).into_iter().collect();
        match &asked.groups {
            Some(groups) if !asked.ranged => parts.push(groups.clone()),
            // A group whose first or last event lies in the range needs no look at its events.
            Some(groups) if asked.visible_only => {
                parts.push(groups.clone());
                let within = |field: &str| super::ask::range(field, asked.from, asked.to);
                let sure = any(vec![within("n.last_seen"), within("n.first_seen")]);
                let around = all(vec![
                    all(parts.clone()),
                    not(sure.clone()),
                    between("n.first_seen", i64::MIN, asked.from),
                    json!({ "range": { "n.last_seen": { "gt": asked.to } } }),
                ]);
                let maybe = self.identities(around).await?;
                let maybe = maybe.map_err(|count| StoreError::TooBroad(format!("more than {count} groups")))?;
                let mut also = Vec::new();
                if !maybe.is_empty() {
                    let query = all(vec![asked.range(), super::ask::visible(), terms("k.group", &maybe)]);
                    let ids: Vec<String> = self.groups_of_events(&query).await?.into_iter().collect();
                    also.push(json!({ "ids": { "values": ids } }));
                }
                also.push(sure);
                parts.push(any(also));
            }
            _ => {
                let mut query = self.events_query(asked).await?;
                if let Some(ids) = only {
                    query = all(vec![query, terms("k.group", ids)]);
                }
                let ids: Vec<String> = self.groups_of_events(&query).await?.into_iter().collect();
                parts.push(json!({ "ids": { "values": ids } }));
            }
        }
        Ok(all(parts))
    }

    /// Groups that have events of the kind.
    async fn groups_of_events(&self, query: &Json) -> Result<BTreeSet<String>, StoreError> {
        let mut ids = BTreeSet::new();
        let mut after = None;
        loop {
            let mut composite =
                json!({ "size": BUCKETS, "sources": [{ "group": { "terms": { "field": "k.group" } } }] });
            if let (Some(after), Some(composite)) = (after.take(), composite.as_object_mut()) {
                composite.insert("after".to_owned(), after);
            }
            let body = json!({
                "size": 0, "track_total_hits": false, "query": query,
                "aggs": { "groups": { "composite": composite } },
            });
            let answer = self.server.search(&self.names.events, body).await?;
            let buckets = buckets(&answer, "groups");
            let group = |bucket: &Json| bucket.pointer("/key/group").and_then(Json::as_str).map(str::to_owned);
            ids.extend(buckets.iter().filter_map(group));
            if ids.len() > MAX_SET {
                return Err(StoreError::TooBroad(format!("more than {MAX_SET} groups")));
            }
            if buckets.len() < BUCKETS {
                return Ok(ids);
            }
            after = answer.pointer("/aggregations/groups/after_key").cloned();
            if after.is_none() {
                return Ok(ids);
            }
        }
    }

    /// Groups of a condition over groups, in order.
    async fn walk(
        &self,
        condition: &Json,
        sort: GroupSort,
        visible_only: bool,
        mut after: Option<Position>,
        limit: usize,
        count: bool,
    ) -> Result<Walked, StoreError> {
        let order = order(sort, visible_only).map(|field| json!({ field: "desc" }));
        let mut walked = Walked { found: Vec::new(), total: Total { count: 0, exact: false } };
        let mut counted = !count;
        loop {
            let size = DOCUMENTS.min(limit - walked.found.len());
            let mut body = json!({
                "size": size, "query": condition, "sort": order, "_source": "doc", "seq_no_primary_term": true,
                "track_total_hits": if counted { json!(false) } else { json!(TOTAL_EXACT) },
            });
            if let (Some(at), Some(body)) = (after, body.as_object_mut()) {
                if !counted {
                    // The whole list is counted, not what is left of it.
                    let count = json!({ "size": 0, "query": condition, "track_total_hits": TOTAL_EXACT });
                    walked.total = total(&self.server.search(&self.names.groups, count).await?);
                    counted = true;
                    body.insert("track_total_hits".to_owned(), json!(false));
                }
                body.insert("search_after".to_owned(), json!([at.value, at.second, at.id]));
            }
            let answer = self.server.search(&self.names.groups, body).await?;
            if !counted {
                walked.total = total(&answer);
                counted = true;
            }
            let hits = hits(&answer);
            for hit in hits {
                let at = Position { value: sort_value(hit, 0), second: sort_value(hit, 1), id: sort_value(hit, 2) };
                walked.found.push((Found::of(hit)?, at));
                after = Some(at);
            }
            if hits.len() < size || walked.found.len() >= limit {
                return Ok(walked);
            }
        }
    }

    /// Identities of all groups that the filter shows; an error if they are more than `most`.
    pub(super) async fn all_groups(&self, filter: &Filter, most: usize) -> Result<Vec<String>, StoreError> {
        let asked = self.ask(filter).await?;
        let condition = self.groups_of(&asked, None).await?;
        let too_many = || StoreError::TooBroad(format!("more than {most} groups"));
        let ids = self.identities(condition).await?.map_err(|_| too_many())?;
        if ids.len() > most { Err(too_many()) } else { Ok(ids) }
    }

    /// Groups that changed. The count of changes is that of the index of groups, which has one shard.
    pub(super) async fn changed(&self, filter: &Filter, after: u64, limit: usize) -> Result<Changes, StoreError> {
        let limit = limit.clamp(1, crate::MAX_PAGE);
        let asked = self.ask(filter).await?;
        let body = json!({
            "size": limit + 1, "query": { "range": { "_seq_no": { "gte": after } } }, "sort": [{ "_seq_no": "asc" }],
            "_source": false, "seq_no_primary_term": true, "track_total_hits": false,
        });
        let answer = self.server.search(&self.names.groups, body).await?;
        let mut changed: Vec<(String, i64)> = hits(&answer)
            .iter()
            .filter_map(|hit| Some((hit.get("_id")?.as_str()?.to_owned(), Seen::of(hit)?.seq_no())))
            .collect();
        let more = changed.len() > limit;
        changed.truncate(limit);
        let at = changed.last().map_or(after, |(_, seq_no)| seq_no.unsigned_abs() + 1);
        let ids: Vec<String> = changed.into_iter().map(|(id, _)| id).collect();
        if ids.is_empty() {
            return Ok(Changes { groups: Vec::new(), gone: Vec::new(), at, more });
        }
        let condition = self.groups_of(&asked, Some(&ids)).await?;
        let walked = self.walk(&condition, GroupSort::LastSeen, asked.visible_only, None, ids.len(), false).await?;
        let place = |id: &str| ids.iter().position(|known| known == id);
        let mut found: Vec<Found> = walked.found.into_iter().map(|(found, _)| found).collect();
        found.sort_by_key(|found| place(&found.doc.id));
        let shown: BTreeSet<&str> = found.iter().map(|found| found.doc.id.as_str()).collect();
        let gone = ids.iter().filter(|id| !shown.contains(id.as_str())).map(|id| id.parse());
        let gone: Vec<GroupId> = gone.collect::<Result<_, _>>()?;
        Ok(Changes { gone, groups: self.shown(found, !asked.visible_only).await?, at, more })
    }

    /// Events that a group needs to be among the 1 % with the most; none is in a store of less than 100 groups.
    pub(super) async fn noisy(&self) -> Result<Option<u64>, StoreError> {
        let (state, known) = self.noisy.get();
        if let Some(noisy) = known {
            return Ok(noisy);
        }
        let alive = json!({ "range": { "n.count": { "gt": 0 } } });
        let body = json!({ "size": 0, "query": alive, "track_total_hits": true });
        let groups = total(&self.server.search(&self.names.groups, body).await?).count;
        // The server looks no further than at 10,000 rows: of more than a million groups the first 10,000 are noisy.
        let noisy = match (groups / 100).min(10_000).checked_sub(1) {
            None => None,
            Some(rank) => {
                let body = json!({
                    "from": rank, "size": 1, "query": alive, "sort": [{ "n.count": "desc" }], "_source": false,
                    "track_total_hits": false,
                });
                let answer = self.server.search(&self.names.groups, body).await?;
                hits(&answer).first().map(|hit| sort_value(hit, 0).unsigned_abs())
            }
        };
        self.noisy.set(state, noisy);
        Ok(noisy)
    }
}
