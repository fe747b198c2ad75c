//! Removing old events, and bringing hidden ones back: at most [`STEP`] at a time, their groups counted anew.

use super::compile::{all, everything, terms};
use super::server::{Operation, hits};
use super::store::Inner;
use crate::{RetentionPolicy, RetentionReport, StoreError};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tapir_outbound::Method;
use tapir_packet::Timestamp;

/// Events of one step.
const STEP: usize = 5_000;

impl Inner {
    /// One step of retention; before it, groups of which nobody knows are counted anew, and hidden events come back.
    pub(super) async fn retain_step(
        &self,
        policy: &RetentionPolicy,
        now: Timestamp,
    ) -> Result<RetentionReport, StoreError> {
        let mut report = RetentionReport::default();
        self.settle_doubts(now).await?;
        let notes = self.settle_notes(now).await?;
        report.more = self.reveal_step(now).await? || notes > 0;
        let before = |keep: Duration| {
            let keep = i64::try_from(keep.as_secs()).unwrap_or(i64::MAX);
            json!({ "range": { "got": { "lt": now.0.div_euclid(super::event::SECOND).saturating_sub(keep) } } })
        };
        let hidden = all(vec![json!({ "exists": { "field": "sup" } }), before(policy.keep_suppressed)]);
        for (query, of_age) in [(before(policy.keep), true), (hidden, false)] {
            let found = self.oldest(query).await?;
            if !found.is_empty() {
                *(if of_age { &mut report.by_age } else { &mut report.by_suppression }) = found.len() as u64;
                report.more |= found.len() == STEP;
                report.groups = self.remove(&found, now).await?;
                return Ok(report);
            }
        }
        if self.size().await? > policy.max_bytes {
            let found = self.oldest(everything()).await?;
            report.by_size = found.len() as u64;
            report.more |= found.len() == STEP;
            report.groups = self.remove(&found, now).await?;
        }
        Ok(report)
    }

    /// The first events that came, with their groups.
    async fn oldest(&self, query: Json) -> Result<Vec<(String, String)>, StoreError> {
        let body = json!({
            "size": STEP, "query": query, "sort": [{ "arrival": "asc" }], "_source": ["row.group"],
            "track_total_hits": false,
        });
        self.server.refresh(&self.names.events).await?;
        let answer = self.server.search(&self.names.events, body).await?;
        Ok(hits(&answer).iter().filter_map(identity).collect())
    }

    /// Removes events; groups that went with them.
    async fn remove(&self, found: &[(String, String)], now: Timestamp) -> Result<u64, StoreError> {
        let removals: Vec<Operation> =
            found.iter().map(|(id, _)| Operation::delete(&self.names.events, id, None)).collect();
        let gone = self.change(found, &removals, now).await?;
        self.gauges.removed.fetch_add(found.len() as u64, Ordering::Relaxed);
        Ok(gone)
    }

    /// Changes events and counts their groups anew.
    async fn change(
        &self,
        found: &[(String, String)],
        operations: &[Operation],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let groups: BTreeSet<&String> = found.iter().map(|(_, group)| group).collect();
        let groups: Vec<String> = groups.into_iter().cloned().collect();
        if groups.is_empty() {
            return Ok(0);
        }
        let note = self.note(self.clock.take(1), &groups).await?;
        let changed = match self.server.bulk(operations, false).await {
            Ok(_) => self.recount(&groups, now.0).await,
            Err(error) => Err(error),
        };
        self.settled(note, groups, changed.is_ok());
        self.clear_notes().await;
        changed
    }

    /// Brings back a step of hidden events whose suppression was removed; whether there are more.
    pub(super) async fn reveal_step(&self, now: Timestamp) -> Result<bool, StoreError> {
        let wanted = self.state_docs("reveal", None, 100).await?;
        if wanted.is_empty() {
            return Ok(false);
        }
        let ids: Vec<String> = wanted.iter().map(|(_, doc, _)| super::ingest::text(doc, "suppression")).collect();
        let found = self.oldest(terms("sup", &ids)).await?;
        let change = json!({ "script": { "source": REVEAL } });
        let updates: Vec<Operation> =
            found.iter().map(|(id, _)| Operation::update(&self.names.events, id, &change)).collect();
        self.change(&found, &updates, now).await?;
        if found.len() == STEP {
            return Ok(true);
        }
        let done: Vec<Operation> =
            wanted.iter().map(|(name, _, _)| Operation::delete(&self.names.state, name, None)).collect();
        self.server.bulk(&done, true).await?;
        Ok(false)
    }

    /// Bytes of the events without what is deleted and not yet merged away.
    pub(super) async fn size(&self) -> Result<u64, StoreError> {
        let path = format!("{}/_stats/store,docs", self.names.events);
        let stats = self.server.json(Method::GET, &path, None).await?;
        let number = |name: &str| {
            let all = stats.pointer(&format!("/_all/primaries/{name}"));
            all.and_then(Json::as_u64).unwrap_or_default()
        };
        let (bytes, live, deleted) = (number("store/size_in_bytes"), number("docs/count"), number("docs/deleted"));
        if live == 0 {
            return Ok(0);
        }
        let share = u128::from(bytes) * u128::from(live) / u128::from(live + deleted);
        Ok(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

/// Takes a suppression off an event.
const REVEAL: &str = "ctx._source.remove('sup'); if (ctx._source.k != null) { ctx._source.k.remove('suppressed_by'); } \
                      if (ctx._source.has != null) { ctx._source.has.removeIf(name -> name == 'suppressed_by'); }";

fn identity(hit: &Json) -> Option<(String, String)> {
    let group = hit.pointer("/_source/row/group")?.as_str()?;
    Some((hit.get("_id")?.as_str()?.to_owned(), group.to_owned()))
}
