//! Suppressions: adding, changing, removing, listing; and what is kept in memory of them and of exceptions.
//!
//! What another manager writes is seen after [`FRESH`] at the latest. How much a suppression has hidden is counted over
//! the events that are still kept.

use super::actions::refused;
use super::compile::{all, term, terms};
use super::event::Row;
use super::server::{Operation, Seen, buckets, doc_count};
use super::store::Inner;
use crate::{Decision, Mode, NewException, NewSuppression, StoreError, Suppression, SuppressionChange};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tapir_packet::Timestamp;

/// Most suppressions in force.
const MAX: usize = 10_000;
/// Suppressions whose events are counted in one request.
const AT_ONCE: usize = 100;
/// How long what was read is good.
const FRESH: Duration = Duration::from_secs(2);

/// Suppressions that hide, oldest first, and exceptions.
#[derive(Debug, Default)]
pub(super) struct Tuning {
    hiding: Vec<(String, NewSuppression)>,
    pub exceptions: Vec<NewException>,
}

impl Tuning {
    /// The suppression that hides an event.
    pub(super) fn hides(&self, row: &Row, now: i64) -> Option<String> {
        let (client, server) = (row.client.named(), row.server.named());
        let silence = self.hiding.iter().find(|(_, what)| {
            what.expires.is_none_or(|expires| now < expires.0) && what.scope.covers(row.gid, row.sid, &client, &server)
        });
        silence.map(|(id, _)| id.clone())
    }
}

/// What was read a moment ago.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Option<(Instant, Arc<Tuning>)>>);

impl Remembered {
    fn get(&self) -> Option<Arc<Tuning>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, tuning)| Arc::clone(tuning))
    }

    fn set(&self, tuning: &Arc<Tuning>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(tuning)));
    }

    /// It has changed.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Inner {
    /// Suppressions and exceptions as they are.
    pub(super) async fn tuning(&self) -> Result<Arc<Tuning>, StoreError> {
        if let Some(tuning) = self.tuning.get() {
            return Ok(tuning);
        }
        let mut tuning = Tuning::default();
        for (_, doc, _) in self.state_docs("suppression", None, MAX).await? {
            let suppression = suppression(&doc)?;
            if suppression.what.mode == Mode::Hide {
                tuning.hiding.push((suppression.id, suppression.what));
            }
        }
        tuning.exceptions = self.all_exceptions().await?.into_iter().map(|exception| exception.what).collect();
        let tuning = Arc::new(tuning);
        self.tuning.set(&tuning);
        Ok(tuning)
    }

    /// All suppressions, newest first, with what they have hidden.
    pub(super) async fn all_suppressions(&self) -> Result<Vec<Suppression>, StoreError> {
        let found = self.state_docs("suppression", None, MAX).await?;
        let mut all = found.iter().rev().map(|(_, doc, _)| suppression(doc)).collect::<Result<Vec<_>, _>>()?;
        for chunk in all.chunks_mut(AT_ONCE) {
            self.count_silenced(chunk).await?;
        }
        Ok(all)
    }

    async fn count_silenced(&self, suppressions: &mut [Suppression]) -> Result<(), StoreError> {
        let ids: Vec<&str> = suppressions.iter().map(|suppression| suppression.id.as_str()).collect();
        let body = json!({ "size": 0, "track_total_hits": false, "query": terms("sup", &ids), "aggs": {
            "sup": { "terms": { "field": "sup", "size": AT_ONCE, "include": ids }, "aggs": {
                "days": { "terms": { "field": "day", "size": 30, "order": { "_key": "desc" } } },
                "last": { "top_hits": { "size": 1, "sort": [{ "t": "desc" }], "_source": false } },
            } },
        } });
        let answer = self.server.search(&self.names.events, body).await?;
        let by_id: BTreeMap<&str, &Json> =
            buckets(&answer, "sup").iter().filter_map(|bucket| Some((bucket.get("key")?.as_str()?, bucket))).collect();
        for suppression in suppressions {
            let Some(bucket) = by_id.get(suppression.id.as_str()) else { continue };
            suppression.silenced = doc_count(bucket);
            suppression.last_silenced =
                bucket.pointer("/last/hits/hits/0/sort/0").and_then(Json::as_i64).map(Timestamp);
            let days = bucket.pointer("/days/buckets").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            suppression.days =
                days.iter().filter_map(|day| Some((day.get("key")?.as_i64()?, doc_count(day)))).collect();
        }
        Ok(())
    }

    /// One, with the version of its document.
    async fn suppression(&self, id: &str) -> Result<(Suppression, Option<Seen>, i64), StoreError> {
        let missing = || StoreError::NotFound { what: "suppression", id: id.chars().take(64).collect() };
        let number: i64 = id.strip_prefix("s-").and_then(|number| number.parse().ok()).ok_or_else(missing)?;
        let found = self.state_docs("suppression", Some(term("id", number)), 1).await?;
        let (_, doc, seen) = found.first().ok_or_else(missing)?;
        let mut one = [suppression(doc)?];
        self.count_silenced(&mut one).await?;
        let [one] = one;
        Ok((one, *seen, number))
    }

    /// Adds one.
    pub(super) async fn add_suppression(&self, new: &NewSuppression, by: &Decision) -> Result<Suppression, StoreError> {
        new.check(by.now.0)?;
        if self.state_docs("suppression", None, MAX).await?.len() >= MAX {
            return Err(StoreError::Invalid(format!("there are {MAX} suppressions; remove some first")));
        }
        let number = self.clock.take(1);
        let doc = json!({ "kind": "suppression", "id": number, "body": {
            "what": new, "author": by.who, "created": by.now.0, "version": 1,
        } });
        let detail = json!({ "id": name(number), "what": new });
        let audit = self.audit_entry(by.now.0, &by.who, "suppress", None, &detail);
        let write = Operation::create(&self.names.state, &format!("suppression/{number}"), &doc);
        self.write_state(write, audit).await?;
        suppression(&doc)
    }

    /// Changes one.
    pub(super) async fn alter_suppression(
        &self,
        id: &str,
        change: &SuppressionChange,
        by: &Decision,
    ) -> Result<Suppression, StoreError> {
        let (mut one, seen, number) = self.suppression(id).await?;
        if let Some(expected) = change.if_version.filter(|version| *version != one.version) {
            return Err(StoreError::Conflict { what: format!("suppression {id}"), expected, found: one.version });
        }
        one.what.mode = change.mode.unwrap_or(one.what.mode);
        one.what.reason = change.reason.clone().unwrap_or(one.what.reason);
        one.what.expires = change.expires.unwrap_or(one.what.expires);
        one.what.check(by.now.0)?;
        one.version += 1;
        let doc = json!({ "kind": "suppression", "id": number, "body": {
            "what": one.what, "author": one.author, "created": one.created.0, "version": one.version,
        } });
        let audit =
            self.audit_entry(by.now.0, &by.who, "change_suppression", None, &json!({ "id": id, "what": one.what }));
        let write = Operation::replace(&self.names.state, &format!("suppression/{number}"), seen, &doc);
        self.write_state(write, audit).await?;
        Ok(one)
    }

    /// Removes one.
    pub(super) async fn drop_suppression(&self, id: &str, reveal: bool, by: &Decision) -> Result<(), StoreError> {
        let (_, seen, number) = self.suppression(id).await?;
        if reveal {
            let note = json!({ "kind": "reveal", "id": number, "body": { "suppression": id } });
            let write = Operation::put(&self.names.state, &format!("reveal/{number}"), &note);
            refused(self.server.bulk(&[write], true).await?)?;
        }
        let audit =
            self.audit_entry(by.now.0, &by.who, "remove_suppression", None, &json!({ "id": id, "reveal": reveal }));
        self.write_state(Operation::delete(&self.names.state, &format!("suppression/{number}"), seen), audit).await?;
        if reveal {
            // The first few thousand at once, the rest when nothing else waits.
            self.reveal_step(by.now).await?;
        }
        Ok(())
    }
}

/// Identity by number; it is in `suppressed_by` of the events.
fn name(number: i64) -> String {
    format!("s-{number}")
}

fn suppression(doc: &Json) -> Result<Suppression, StoreError> {
    let body = |name: &str| doc.pointer(&format!("/body/{name}"));
    let what = serde_json::from_value(body("what").cloned().unwrap_or_default())
        .map_err(|error| StoreError::Internal(format!("a suppression cannot be read: {error}")))?;
    Ok(Suppression {
        id: name(doc.get("id").and_then(Json::as_i64).unwrap_or_default()),
        what,
        author: super::ingest::text(doc, "author"),
        created: Timestamp(body("created").and_then(Json::as_i64).unwrap_or_default()),
        version: body("version").and_then(Json::as_u64).unwrap_or_default(),
        silenced: 0,
        last_silenced: None,
        days: Vec::new(),
    })
}

/// Events of a scope, as a condition over events or groups.
pub(super) fn scope(scope: &crate::Scope) -> Json {
    use crate::Side;
    let mut parts = rule(scope);
    for (side, key, namespace) in
        [(&scope.client, "client_key", "k.client_namespace"), (&scope.server, "server_key", "k.server_namespace")]
    {
        match side {
            Side::Any => {}
            Side::Namespace(name) => parts.push(term(namespace, name.clone())),
            Side::Party(party) => parts.push(term(key, party.clone())),
        }
    }
    parts.extend(scope.namespace.as_ref().map(|name| term("k.namespace", name.clone())));
    all(parts)
}

/// Its rule alone.
pub(super) fn rule(scope: &crate::Scope) -> Vec<Json> {
    let number = |field: &str, number: Option<u32>| number.map(|number| term(field, number));
    number("n.gid", scope.gid).into_iter().chain(number("n.sid", scope.sid)).collect()
}
