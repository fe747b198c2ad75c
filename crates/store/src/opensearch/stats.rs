//! Numbers over many events, by the server's aggregations.
//!
//! *Limits*: of a field the [`VALUES`] most frequent values are looked at; `more` counts no further. A tactic of which only
//! the id is known is in no list: here an id cannot be told from one whose name is there, too.

use super::compile::{all, not, term, terms};
use super::event::SECOND;
use super::server::{buckets, doc_count, hits, sort_value};
use super::store::Inner;
use crate::stats::{FACET, Forms, MAX_BUCKETS, MAX_TOP, WIDTHS, level_place, top_of};
use crate::{Bucket, Facet, Filter, Histogram, Status, StoreError, Top, TopRequest};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use tapir_event::Level;
use tapir_packet::Timestamp;
use tapir_query::{Field, rule_field};

/// Values of a field that are looked at.
const VALUES: usize = 5_000;
/// Groups of which somebody takes care, that are told apart.
const MAX_FIELDS: usize = 20;

type Counts = BTreeMap<String, u64>;

impl Inner {
    /// Events over time by level.
    pub(super) async fn over_time(&self, filter: &Filter, buckets_wanted: usize) -> Result<Histogram, StoreError> {
        let wanted = buckets_wanted.clamp(1, MAX_BUCKETS);
        let asked = self.ask(filter).await?;
        let Some((first, last)) = self.span(asked.from, asked.to).await? else {
            return Ok(Histogram { buckets: Vec::new(), partial: None });
        };
        // In whole seconds, which the server's numbers hold exactly.
        let (first, last) = (first.div_euclid(SECOND), last.div_euclid(SECOND));
        let places = |width: i64| last.div_euclid(width) - first.div_euclid(width) + 1;
        let fits = |width: &i64| usize::try_from(places(*width)).is_ok_and(|places| places <= wanted);
        let width = WIDTHS.into_iter().find(fits).unwrap_or(i64::MAX / 4 / SECOND);
        let start = first.div_euclid(width);
        let count = usize::try_from(places(width)).unwrap_or(1).min(MAX_BUCKETS);
        let query = self.events_query(&asked).await?;
        let body = json!({ "size": 0, "track_total_hits": false, "query": query, "aggs": {
            "times": { "histogram": { "field": "second", "interval": width, "min_doc_count": 1 }, "aggs": {
                "levels": { "terms": { "field": "level", "size": 10 } },
            } },
        } });
        let answer = self.server.search(&self.names.events, body).await?;
        let mut counts = vec![[0; 5]; count];
        for bucket in buckets(&answer, "times") {
            let key = bucket.get("key").and_then(Json::as_f64).unwrap_or_default();
            let place = (key / width as f64).round() as i64 - start;
            let Some(to) = usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) else { continue };
            let levels = bucket.pointer("/levels/buckets").and_then(Json::as_array);
            for level in levels.into_iter().flatten() {
                let name = level.get("key").and_then(Json::as_str).unwrap_or_default();
                let place = Level::from_name(name).map_or(0, |level| level_place(level.range().0.into()));
                if let Some(to) = to.get_mut(place) {
                    *to += doc_count(level);
                }
            }
        }
        let bound = |place: usize| {
            let place = i64::try_from(place).unwrap_or(i64::MAX).saturating_add(start);
            Timestamp(place.saturating_mul(width).saturating_mul(SECOND))
        };
        let counts = counts.into_iter().enumerate();
        let buckets = counts.map(|(at, counts)| Bucket { from: bound(at), to: bound(at + 1), counts }).collect();
        Ok(Histogram { buckets, partial: None })
    }

    /// First and last moment of the histogram.
    async fn span(&self, from: i64, to: i64) -> Result<Option<(i64, i64)>, StoreError> {
        let mut ends = Vec::with_capacity(2);
        for order in ["asc", "desc"] {
            let body = json!({ "size": 1, "sort": [{ "t": order }], "_source": false, "track_total_hits": false });
            let answer = self.server.search(&self.names.events, body).await?;
            ends.extend(hits(&answer).first().map(|hit| sort_value(hit, 0)));
        }
        let &[first, last] = ends.as_slice() else { return Ok(None) };
        let first = if from == i64::MIN { first } else { from.saturating_add(1) };
        let last = if to == i64::MAX { last } else { to };
        Ok((first <= last).then_some((first, last)))
    }

    /// The most frequent values of fields.
    pub(super) async fn frequent(&self, filter: &Filter, fields: &[Field]) -> Result<Vec<Facet>, StoreError> {
        let counts = self.count_values(filter, fields, "").await?;
        let facet = |(field, counts): (&Field, Counts)| {
            let (values, more) = top_of(counts, FACET, "");
            Facet { field: field.info().name, values, more }
        };
        Ok(fields.iter().zip(counts).map(facet).collect())
    }

    /// A top list.
    pub(super) async fn top_list(&self, request: &TopRequest) -> Result<Top, StoreError> {
        let mut counts = self.count_values(&request.filter, &[request.field], &request.prefix).await?;
        let limit = request.limit.clamp(1, MAX_TOP);
        let (values, more) = top_of(counts.pop().unwrap_or_default(), limit, &request.prefix);
        Ok(Top { values, more, partial: None })
    }

    async fn count_values(&self, filter: &Filter, fields: &[Field], prefix: &str) -> Result<Vec<Counts>, StoreError> {
        if fields.is_empty() || fields.len() > MAX_FIELDS {
            return Err(StoreError::Invalid("facets: 1 to 20 fields".to_owned()));
        }
        let mut aggregations = serde_json::Map::new();
        for (place, field) in fields.iter().enumerate() {
            let name = field.info().name;
            let forms = Forms::with_prefix(prefix);
            let aggregation = match counted(*field, forms) {
                Counted::Never => {
                    return Err(StoreError::Invalid(format!(
                        "values of {name} can't be counted; search for them instead"
                    )));
                }
                Counted::Level => json!({ "terms": { "field": "level", "size": 10 } }),
                Counted::Group => json!({ "filters": { "filters": self.groups_by(*field).await? } }),
                Counted::Direction => json!({ "filters": { "filters": directions() } }),
                Counted::Value => {
                    let mut terms = json!({ "field": format!("k.{name}"), "size": VALUES });
                    let only = include(*field, prefix).map(|values| ("include", values));
                    let only = only.or_else(|| one_form(*field).filter(|_| forms == Forms::One));
                    if let (Some((how, values)), Some(terms)) = (only, terms.as_object_mut()) {
                        terms.insert(how.to_owned(), json!(values));
                    }
                    json!({ "terms": terms })
                }
            };
            aggregations.insert(format!("{place}"), aggregation);
        }
        let asked = self.ask(filter).await?;
        let query = self.events_query(&asked).await?;
        let body = json!({ "size": 0, "track_total_hits": false, "query": query, "aggs": aggregations });
        let answer = self.server.search(&self.names.events, body).await?;
        let counts = |place: usize| -> Counts {
            let found = answer.pointer(&format!("/aggregations/{place}/buckets"));
            match found {
                Some(Json::Object(named)) => named
                    .iter()
                    .map(|(name, bucket)| (name.clone(), doc_count(bucket)))
                    .filter(|(_, count)| *count > 0)
                    .collect(),
                Some(Json::Array(buckets)) => buckets
                    .iter()
                    .filter_map(|bucket| Some((bucket.get("key")?.as_str()?.to_owned(), doc_count(bucket))))
                    .collect(),
                _ => Counts::new(),
            }
        };
        Ok((0..fields.len()).map(counts).collect())
    }

    /// Conditions over events, by what people decided about their groups.
    async fn groups_by(&self, field: Field) -> Result<serde_json::Map<String, Json>, StoreError> {
        let name = format!("k.{}", field.info().name);
        let mut values: Vec<String> = Vec::new();
        if field == Field::Status {
            values.extend(Status::ALL.iter().filter(|status| **status != Status::Open).map(|s| s.name().to_owned()));
        } else {
            let body = json!({ "size": 0, "track_total_hits": false,
                "aggs": { "values": { "terms": { "field": name, "size": 100 } } } });
            let answer = self.server.search(&self.names.groups, body).await?;
            let found = buckets(&answer, "values").iter();
            values.extend(found.filter_map(|bucket| bucket.get("key")?.as_str().map(str::to_owned)));
        }
        let mut conditions = serde_json::Map::new();
        let mut decided = Vec::new();
        for value in values {
            let ids = self.identities(term(name.clone(), value.clone())).await?;
            let ids = ids.map_err(|count| StoreError::TooBroad(format!("more than {count} groups are {value}")))?;
            decided.extend(ids.iter().cloned());
            conditions.insert(value, terms("k.group", &ids));
        }
        if field == Field::Status {
            if decided.len() > super::MAX_SET {
                return Err(StoreError::TooBroad(format!("more than {} groups are decided", super::MAX_SET)));
            }
            conditions
                .insert(Status::Open.name().to_owned(), super::compile::not(all(vec![terms("k.group", &decided)])));
        }
        Ok(conditions)
    }
}

/// How values of a field are counted.
enum Counted {
    /// By the event's own values.
    Value,
    /// By bands of severity.
    Level,
    /// By what people decided about the group.
    Group,
    /// By how it lay to the cluster, else by the side that the data went to.
    Direction,
    /// They are too many to be counted.
    Never,
}

fn counted(field: Field, forms: Forms) -> Counted {
    match field {
        Field::Direction if forms == Forms::One => Counted::Direction,
        Field::Severity => Counted::Level,
        Field::Status | Field::Assignee => Counted::Group,
        rule_field!()
        | Field::Namespace
        | Field::ClientNamespace
        | Field::ServerNamespace
        | Field::Workload
        | Field::Client
        | Field::Server
        | Field::Inspection
        | Field::Origin
        | Field::Pod
        | Field::ClientPod
        | Field::ServerPod
        | Field::Direction
        | Field::Node
        | Field::Iface
        | Field::Service
        | Field::Protocol
        | Field::Visibility
        | Field::ClientPort
        | Field::ServerPort
        | Field::Port
        | Field::Ip
        | Field::ClientIp
        | Field::ServerIp => Counted::Value,
        _ => Counted::Never,
    }
}

/// Conditions over events, each of which holds for one direction ([`crate::stats::counted`]).
fn directions() -> serde_json::Map<String, Json> {
    let name = "k.direction";
    let border = ["inbound", "outbound", "east-west"];
    let unknown = || not(terms(name, &border));
    let known = border.map(|value| (value, term(name, value)));
    let sides = ["to_server", "to_client"].map(|value| (value, all(vec![term(name, value), unknown()])));
    known.into_iter().chain(sides).map(|(value, condition)| (value.to_owned(), condition)).collect()
}

/// Which values to look at, or to leave out, to have one form of each ([`crate::stats::counted`]).
fn one_form(field: Field) -> Option<(&'static str, String)> {
    let (how, values) = match field {
        // Names have no blanks, texts have.
        Field::Classtype => ("include", "[^ ]+"),
        Field::Tactic => ("exclude", "TA[0-9.]+"),
        Field::Service => ("exclude", "ssl"),
        _ => return None,
    };
    Some((how, values.to_owned()))
}

/// An expression of the values that are wanted. Of workloads the form with the namespace, which is one.
fn include(field: Field, prefix: &str) -> Option<String> {
    let mut expression = String::new();
    for c in prefix.chars().take(200) {
        match (c.is_ascii_alphabetic(), c.is_ascii()) {
            (true, _) => expression.push_str(&format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase())),
            (false, true) if !c.is_ascii_digit() => expression.extend(['\\', c]),
            _ => expression.push(c),
        }
    }
    let workload = matches!(field, Field::Workload | Field::Client | Field::Server);
    match (workload, prefix.is_empty()) {
        // What is before the slash may already be written.
        (true, _) if prefix.contains('/') => Some(format!("{expression}.*")),
        (true, _) => Some(format!("{expression}[^/]*\\/.*")),
        (false, true) => None,
        (false, false) => Some(format!("{expression}.*")),
    }
}
