//! A filter as the server is asked: over events, and over groups where they alone can answer.

use super::MAX_SET;
use super::compile::{Compiler, Over, all, between, everything, fill, not, of_groups, terms};
use super::server::{hits, sort_value};
use super::store::Inner;
use crate::{Filter, StoreError};
use serde_json::{Value as Json, json};
use tapir_query::{Expr, Field, Node, Query, State};

/// Hits of one request for identities.
const PAGE: usize = 10_000;

/// What a filter asks.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Over events, the range and hiding included; with places for what groups must be asked first.
    events: Json,
    /// What they must be asked.
    places: Vec<Json>,
    /// Over groups, without the range; `None`: they can't tell.
    pub groups: Option<Json>,
    pub from: i64,
    pub to: i64,
    pub ranged: bool,
    /// Hidden events are not asked for.
    pub visible_only: bool,
    /// What pages of one list have in common.
    pub about: String,
}

impl Asked {
    /// Events in the range.
    pub(super) fn range(&self) -> Json {
        range("t", self.from, self.to)
    }
}

/// After the first moment, up to and including the second. The lowest moment of all is not after itself.
pub(super) fn range(field: &str, from: i64, to: i64) -> Json {
    match from {
        i64::MIN => between(field, i64::MIN, to),
        from => json!({ "range": { field: { "gt": from, "lte": to } } }),
    }
}

/// No suppression hides it.
pub(super) fn visible() -> Json {
    not(json!({ "exists": { "field": "sup" } }))
}

impl Inner {
    /// What a filter asks, in the server's words.
    pub(super) async fn ask(&self, filter: &Filter) -> Result<Asked, StoreError> {
        let exceptions = if filter.excepted { Vec::new() } else { self.exceptions_at(filter.now.0).await? };
        let hidden = filter.suppressed || asks_hidden(&filter.query);
        let noisy = if asks_noisy(&filter.query) { self.noisy().await? } else { None };
        let mut compiler = Compiler { cluster: &self.config.cluster, now: filter.now.0, noisy, asked: Vec::new() };
        let (from, to) = (filter.from.map_or(i64::MIN, |time| time.0), filter.to.map_or(i64::MAX, |time| time.0));
        let ranged = filter.from.is_some() || filter.to.is_some();
        let mut conditions: Vec<(&Expr, bool)> = filter.query.root().map(|root| (root, true)).into_iter().collect();
        conditions.extend(exceptions.iter().filter_map(Query::root).map(|root| (root, false)));
        let names: Vec<&str> = filter.status.iter().map(|status| status.name()).collect();
        let status = (!names.is_empty()).then(|| terms("k.status", &names));

        let mut events = Vec::new();
        if !hidden {
            events.push(visible());
        }
        if ranged {
            events.push(range("t", from, to));
        }
        if let Some(status) = &status {
            events.push(compiler.groups(status.clone()));
        }
        for (expr, wanted) in &conditions {
            let condition = compiler.compile(expr, Over::Events);
            events.push(if *wanted { condition } else { not(condition) });
        }
        let events = if events.is_empty() { everything() } else { all(events) };

        let mut groups = None;
        if conditions.iter().all(|(expr, _)| of_groups(expr)) {
            let alive = json!({ "range": { if hidden { "all" } else { "n.count" }: { "gt": 0 } } });
            let mut parts = vec![alive];
            parts.extend(status);
            for (expr, wanted) in &conditions {
                let condition = compiler.compile(expr, Over::Groups);
                parts.push(if *wanted { condition } else { not(condition) });
            }
            groups = Some(all(parts));
        }
        let about = format!("{}|{:?}|{hidden}|{}", filter.query, filter.status, filter.excepted);
        Ok(Asked { events, places: compiler.asked, groups, from, to, ranged, visible_only: !hidden, about })
    }

    /// The query over events, once the groups have been asked.
    pub(super) async fn events_query(&self, asked: &Asked) -> Result<Json, StoreError> {
        let mut found = Vec::with_capacity(asked.places.len());
        for condition in &asked.places {
            found.push(self.events_of(condition).await?);
        }
        let mut query = asked.events.clone();
        fill(&mut query, &found);
        Ok(query)
    }

    /// Events of the groups of a condition: by naming them or by naming all others, whichever are fewer.
    async fn events_of(&self, condition: &Json) -> Result<Json, StoreError> {
        let yes = self.identities(condition.clone()).await?;
        if let Ok(ids) = yes {
            return Ok(terms("k.group", &ids));
        }
        match self.identities(not(condition.clone())).await? {
            Ok(ids) => Ok(not(terms("k.group", &ids))),
            Err(count) => {
                Err(StoreError::TooBroad(format!("a condition on groups holds for {count} and more of them")))
            }
        }
    }

    /// Identities of the groups of a condition, or that they are too many.
    pub(super) async fn identities(&self, condition: Json) -> Result<Result<Vec<String>, usize>, StoreError> {
        let mut ids = Vec::new();
        let mut after: Option<i64> = None;
        loop {
            let mut body = json!({
                "size": PAGE, "query": condition, "_source": false, "track_total_hits": MAX_SET + 1,
                "sort": [{ "key": "asc" }],
            });
            if let (Some(after), Some(body)) = (after, body.as_object_mut()) {
                body.insert("search_after".to_owned(), json!([after]));
                body.insert("track_total_hits".to_owned(), json!(false));
            }
            let answer = self.server.search(&self.names.groups, body).await?;
            if after.is_none() && super::server::total(&answer).count > MAX_SET as u64 {
                return Ok(Err(MAX_SET));
            }
            let hits = hits(&answer);
            ids.extend(hits.iter().map(|hit| format!("{:016x}", sort_value(hit, 0).cast_unsigned())));
            match hits.last() {
                Some(last) if hits.len() == PAGE && ids.len() <= MAX_SET => after = Some(sort_value(last, 0)),
                _ => return Ok(Ok(ids)),
            }
        }
    }
}

fn any_node(query: &Query, test: impl Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    query.walk(&mut |expr| found |= test(expr));
    found
}

fn asks_hidden(query: &Query) -> bool {
    query.fields().contains(&Field::SuppressedBy) || any_node(query, |expr| expr.node == Node::Is(State::Suppressed))
}

fn asks_noisy(query: &Query) -> bool {
    any_node(query, |expr| expr.node == Node::Is(State::Noisy))
}
