//! What is kept beside events: exceptions, saved views, the audit log, marks of what was opened, health.

use super::actions::refused;
use super::compile::{all, any, everything, term};
use super::fold::TRIES;
use super::ingest::text;
use super::server::{Done, Operation, Seen, hits, sort_value, total};
use super::store::Inner;
use crate::cursor::{List, Position};
use crate::{
    AuditEntry, AuditPage, AuditWhat, Decision, Exception, NewException, NewView, PageRequest, StoreError, StoreHealth,
    View,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use tapir_event::EventId;
use tapir_packet::Timestamp;
use tapir_query::{Dialect, Query, parse};

/// Most exceptions, and most views of a person.
const MAX_EXCEPTIONS: usize = 200;
const MAX_VIEWS: usize = 200;
/// Most views that a person is shown.
const MAX_SHOWN: usize = 10_000;
/// Documents of one request for state; what takes an action back can have 150 KB each.
const PAGE: usize = 100;

/// A document of the store's state: its name, what it holds, and in which version.
pub(super) type StateDoc = (String, Json, Option<Seen>);

impl Inner {
    /// Documents of a kind in the order of their numbers, at most `most`.
    pub(super) async fn state_docs(
        &self,
        kind: &str,
        also: Option<Json>,
        most: usize,
    ) -> Result<Vec<StateDoc>, StoreError> {
        let mut found: Vec<StateDoc> = Vec::new();
        let query = all(also.into_iter().chain([term("kind", kind)]).collect());
        let mut after: Option<i64> = None;
        while found.len() < most {
            let size = PAGE.min(most - found.len());
            let mut body = json!({
                "size": size, "query": query, "sort": [{ "id": "asc" }], "seq_no_primary_term": true,
                "track_total_hits": false,
            });
            if let (Some(after), Some(body)) = (after, body.as_object_mut()) {
                body.insert("search_after".to_owned(), json!([after]));
            }
            let answer = self.server.search(&self.names.state, body).await?;
            let hits = hits(&answer);
            found.extend(hits.iter().filter_map(|hit| {
                Some((hit.get("_id")?.as_str()?.to_owned(), hit.get("_source")?.clone(), Seen::of(hit)))
            }));
            match hits.last() {
                Some(last) if hits.len() == size => after = Some(sort_value(last, 0)),
                _ => break,
            }
        }
        Ok(found)
    }

    /// A random name that nobody guesses.
    pub(super) fn random_word(&self) -> Result<String, StoreError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| StoreError::Internal(format!("no random numbers: {error}")))?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// An entry of the audit log, to be written.
    pub(super) fn audit_entry(
        &self,
        at: i64,
        who: &str,
        action: &str,
        group: Option<&str>,
        detail: &Json,
    ) -> Operation {
        let id = self.clock.take(1);
        let entry = json!({
            "id": id, "who": who, "action": action, "group": group, "@timestamp": tapir_event::rfc3339(Timestamp(at)),
            "body": { "at": at, "detail": detail },
        });
        Operation::create(&self.names.audit, &format!("{id}-{}", self.random_word().unwrap_or_default()), &entry)
    }

    /// Writes a document of the state along with its audit entry.
    pub(super) async fn write_state(&self, operation: Operation, audit: Operation) -> Result<(), StoreError> {
        let done = self.server.bulk(&[operation], true).await?;
        if done.contains(&Done::Conflict) {
            return Err(self.contested(""));
        }
        refused(done)?;
        self.tuning.forget();
        refused(self.server.bulk(&[audit], true).await?)
    }

    /// All exceptions by name.
    pub(super) async fn all_exceptions(&self) -> Result<Vec<Exception>, StoreError> {
        let found = self.state_docs("exception", None, 2 * MAX_EXCEPTIONS).await?;
        let mut exceptions: Vec<Exception> = found.iter().map(|(_, doc, _)| exception(doc)).collect();
        exceptions.sort_by(|a, b| a.what.name.cmp(&b.what.name));
        Ok(exceptions)
    }

    /// Queries of those that hold at a moment.
    pub(super) async fn exceptions_at(&self, now: i64) -> Result<Vec<Query>, StoreError> {
        let tuning = self.tuning().await?;
        let holds = |what: &&NewException| what.start.0 <= now && what.end.is_none_or(|end| end.0 > now);
        // They were read before they were stored; one that a newer version can't read any more hides nothing.
        Ok(tuning.exceptions.iter().filter(holds).filter_map(|what| parse(&what.selector, what.dialect).ok()).collect())
    }

    /// Adds or replaces an exception.
    pub(super) async fn add_exception(&self, new: NewException, by: &Decision) -> Result<Exception, StoreError> {
        new.check()?;
        let others = self.all_exceptions().await?;
        if others.iter().filter(|other| other.what.name != new.name).count() >= MAX_EXCEPTIONS {
            return Err(StoreError::Invalid(format!("there are {MAX_EXCEPTIONS} exceptions; remove some first")));
        }
        let doc = json!({ "kind": "exception", "id": self.clock.take(1), "body": {
            "name": new.name, "description": new.description, "selector": new.selector,
            "theirs": new.dialect == Dialect::Incumbent, "start": new.start.0, "end": new.end.map(|end| end.0),
            "author": by.who, "created": by.now.0,
        } });
        let detail = json!({ "name": new.name, "selector": new.selector });
        let audit = self.audit_entry(by.now.0, &by.who, "put_exception", None, &detail);
        self.write_state(Operation::put(&self.names.state, &named("exception", &new.name), &doc), audit).await?;
        Ok(Exception { what: new, author: by.who.clone(), created: by.now })
    }

    /// Removes an exception.
    pub(super) async fn drop_exception(&self, name: &str, by: &Decision) -> Result<(), StoreError> {
        if !self.all_exceptions().await?.iter().any(|exception| exception.what.name == name) {
            return Err(StoreError::NotFound { what: "exception", id: name.chars().take(253).collect() });
        }
        let audit = self.audit_entry(by.now.0, &by.who, "remove_exception", None, &json!({ "name": name }));
        self.write_state(Operation::delete(&self.names.state, &named("exception", name), None), audit).await
    }

    /// Views that somebody may see.
    pub(super) async fn views_of(&self, who: &str) -> Result<Vec<View>, StoreError> {
        let mine = any(vec![term("owner", who), term("shared", true)]);
        let found = self.state_docs("view", Some(mine), MAX_SHOWN).await?;
        let mut views: Vec<View> = found.iter().map(|(_, doc, _)| view(doc)).collect();
        views.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(views)
    }

    /// Adds or replaces a view.
    pub(super) async fn add_view(&self, new: &NewView, by: &Decision) -> Result<View, StoreError> {
        new.check()?;
        let mine = self.state_docs("view", Some(term("owner", by.who.clone())), MAX_VIEWS + 1).await?;
        let same = mine.iter().find(|(_, doc, _)| text(doc, "name") == new.name);
        if same.is_none() && mine.len() >= MAX_VIEWS {
            return Err(StoreError::Invalid(format!("you have {MAX_VIEWS} views; remove some first")));
        }
        let id = same.and_then(|(_, doc, _)| doc.get("id")?.as_i64()).unwrap_or_else(|| self.clock.take(1));
        let doc = json!({ "kind": "view", "id": id, "owner": by.who, "shared": new.shared, "body": {
            "name": new.name, "url": new.url, "changed": by.now.0,
        } });
        let name = named("view", &format!("{}\n{}", by.who, new.name));
        refused(self.server.bulk(&[Operation::put(&self.names.state, &name, &doc)], true).await?)?;
        Ok(view(&doc))
    }

    /// Removes one's own view.
    pub(super) async fn drop_view(&self, id: u64, by: &Decision) -> Result<(), StoreError> {
        let number = i64::try_from(id).unwrap_or(i64::MAX);
        let mine = all(vec![term("owner", by.who.clone()), term("id", number)]);
        let found = self.state_docs("view", Some(mine), 1).await?;
        let missing = || StoreError::NotFound { what: "view of yours", id: id.to_string() };
        let (name, _, _) = found.first().ok_or_else(missing)?;
        self.server.bulk(&[Operation::delete(&self.names.state, name, None)], true).await.map(drop)
    }

    /// A page of the audit log.
    pub(super) async fn audit_page(&self, what: &AuditWhat, page: &PageRequest) -> Result<AuditPage, StoreError> {
        let about = format!("{what:?}");
        let mut parts: Vec<Json> = what.group.map(|group| term("group", group.to_string())).into_iter().collect();
        parts.extend(what.who.as_ref().map(|who| term("who", who.clone())));
        let query = if parts.is_empty() { everything() } else { all(parts) };
        let rows = page.rows();
        let mut body =
            json!({ "size": rows + 1, "query": query, "sort": [{ "id": "desc" }], "track_total_hits": false });
        if let (Some(cursor), Some(body)) = (&page.cursor, body.as_object_mut()) {
            let at = self.signer.read(List::Audit, &about, cursor)?;
            body.insert("search_after".to_owned(), json!([at.id]));
        }
        let answer = self.server.search(&self.names.audit, body).await?;
        let all = hits(&answer);
        let items: Vec<AuditEntry> = all.iter().take(rows).map(entry).collect();
        let last = all.get(rows.wrapping_sub(1)).filter(|_| all.len() > rows);
        let next = last.map(|hit| {
            self.signer.sign(List::Audit, &about, Position { id: sort_value(hit, 0), ..Position::default() })
        });
        Ok(AuditPage { items, next })
    }

    /// Marks the shape of an event as opened in its group.
    pub(super) async fn opened(&self, id: &EventId, by: &Decision) -> Result<(), StoreError> {
        let row = self.whole_event(id).await?.row;
        let Some(shape) = row.shape else { return Ok(()) };
        let group = row.group.to_string();
        for _ in 0..TRIES {
            let mut found = self.group_doc(&group).await?;
            let Some(shape) = found.doc.figures.shapes.get_mut(&shape) else { return Ok(()) };
            if shape.opened_at.is_some() {
                return Ok(());
            }
            (shape.opened_at, shape.opened_by) = (Some(by.now.0), Some(by.who.clone()));
            let write = Operation::replace(&self.names.groups, &group, found.seen, &found.doc.document());
            let done = self.server.bulk(&[write], true).await?;
            if !done.contains(&Done::Conflict) {
                return refused(done);
            }
        }
        Err(self.contested(&group))
    }

    /// The count of changes: the last write to the groups that the server shows.
    pub(super) async fn last_change(&self) -> Result<u64, StoreError> {
        let last = json!({
            "size": 1, "sort": [{ "_seq_no": "desc" }], "_source": false, "seq_no_primary_term": true,
            "track_total_hits": false,
        });
        let last = self.server.search(&self.names.groups, last).await?;
        Ok(hits(&last).first().and_then(Seen::of).map_or(0, |seen| seen.seq_no().unsigned_abs() + 1))
    }

    /// How the store is.
    pub(super) async fn how_it_is(&self) -> Result<StoreHealth, StoreError> {
        let count = json!({ "size": 0, "track_total_hits": true });
        let events = total(&self.server.search(&self.names.events, count).await?).count;
        let alive = json!({
            "size": 0, "track_total_hits": true, "query": { "range": { "all": { "gt": 0 } } },
        });
        let groups = total(&self.server.search(&self.names.groups, alive).await?).count;
        let change = self.last_change().await?;
        let gauges = &self.gauges;
        let get = |gauge: &std::sync::atomic::AtomicU64| gauge.load(Ordering::Relaxed);
        Ok(StoreHealth {
            events,
            groups,
            bytes: self.size().await?,
            queued: (super::ingest::AT_ONCE - self.batches.available_permits()) as u64,
            stored: get(&gauges.stored),
            duplicates: get(&gauges.duplicates),
            rejected: get(&gauges.rejected),
            removed: get(&gauges.removed),
            refused_busy: get(&gauges.busy),
            partial_answers: 0,
            last_write_error: gauges.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            change,
        })
    }
}

/// A name that people gave, as the name of a document, which has at most 512 bytes.
pub(super) fn named(kind: &str, name: &str) -> String {
    format!("{kind}/{}", URL_SAFE_NO_PAD.encode(Sha256::digest(name)))
}

fn number(doc: &Json, name: &str) -> Option<i64> {
    doc.pointer(&format!("/body/{name}")).and_then(Json::as_i64)
}

pub(super) fn exception(doc: &Json) -> Exception {
    let theirs = doc.pointer("/body/theirs").and_then(Json::as_bool) == Some(true);
    Exception {
        what: NewException {
            name: text(doc, "name"),
            description: text(doc, "description"),
            selector: text(doc, "selector"),
            dialect: if theirs { Dialect::Incumbent } else { Dialect::Tapir },
            start: Timestamp(number(doc, "start").unwrap_or_default()),
            end: number(doc, "end").map(Timestamp),
        },
        author: text(doc, "author"),
        created: Timestamp(number(doc, "created").unwrap_or_default()),
    }
}

fn view(doc: &Json) -> View {
    View {
        id: doc.get("id").and_then(Json::as_u64).unwrap_or_default(),
        name: text(doc, "name"),
        owner: doc.get("owner").and_then(Json::as_str).unwrap_or_default().to_owned(),
        shared: doc.get("shared").and_then(Json::as_bool).unwrap_or_default(),
        url: text(doc, "url"),
        changed: Timestamp(number(doc, "changed").unwrap_or_default()),
    }
}

fn entry(hit: &Json) -> AuditEntry {
    let source = hit.get("_source").unwrap_or(&Json::Null);
    let word = |name: &str| source.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    AuditEntry {
        id: source.get("id").and_then(Json::as_u64).unwrap_or_default(),
        at: Timestamp(number(source, "at").unwrap_or_default()),
        who: word("who"),
        action: word("action"),
        group: source.get("group").and_then(Json::as_str).and_then(|group| group.parse().ok()),
        detail: source.pointer("/body/detail").cloned().unwrap_or_default(),
    }
}
