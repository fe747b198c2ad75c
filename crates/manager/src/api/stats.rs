//! Numbers over many events: the histogram, facets, top lists.

use super::filter::{Unsaid, list_params};
use crate::problem::{Answer, Params, Problem};
use crate::sight::Sight;
use axum::Json;
use serde::Serialize;
use tapir_event::{Level, rfc3339};
use tapir_query::{Dialect, Field, Key};
use tapir_store::{self as store, EventStore, TopRequest};
use utoipa::ToSchema;

list_params! {
    /// Parameters of a histogram.
    HistogramParams {
        /// Most buckets, 1 to 500; 60 by default. Their length is a round one (an hour, a day), so there may be fewer.
        buckets: Option<usize>,
    }
}

list_params! {
    /// Parameters of facets.
    FacetsParams {
        /// Names of fields with commas between them, at most 20.
        fields: String,
    }
}

list_params! {
    /// Parameters of a top list.
    TopParams {
        /// Name of a field.
        field: String,
        /// 1 to 1,000; 10 by default.
        limit: Option<usize>,
    }
}

/// A stretch of time with its events by level.
#[derive(Serialize, ToSchema)]
pub(super) struct Bucket {
    /// Its begin, RFC 3339.
    at: String,
    /// Events of the level.
    critical: u64,
    /// Events of the level.
    high: u64,
    /// Events of the level.
    medium: u64,
    /// Events of the level.
    low: u64,
    /// Events of the level.
    info: u64,
}

/// Events over time.
#[derive(Serialize, ToSchema)]
pub(super) struct Histogram {
    /// Begin of the first bucket.
    from: String,
    /// End of the last.
    to: String,
    /// Length of a bucket; 0 without buckets.
    step_seconds: f64,
    /// In order, without gaps; none if the store is empty.
    buckets: Vec<Bucket>,
    /// Not everything was counted.
    partial: bool,
}

/// Events over time by level.
#[utoipa::path(get, path = "/stats/histogram", tag = "numbers", params(HistogramParams),
    responses((status = 200, body = Histogram), (status = 400, body = Problem)))]
pub(super) async fn histogram(sight: Sight, Params(params): Params<HistogramParams>) -> Answer<Json<Histogram>> {
    let count = params.buckets.unwrap_or(60);
    if !(1..=500).contains(&count) {
        return Err(Problem::bad_request("`buckets` must be between 1 and 500"));
    }
    let mut filter = params.asked().filter(Unsaid::All)?;
    filter.to = filter.to.or(Some(filter.now));
    let found = sight.histogram(filter.clone(), count).await?;
    let (from, to) = match (found.buckets.first(), found.buckets.last()) {
        (Some(first), Some(last)) => (first.from, last.to),
        _ => (filter.from.unwrap_or_default(), filter.to.unwrap_or(filter.now)),
    };
    let bucket = |bucket: &store::Bucket| {
        let of = |level: Level| {
            let levels = store::Bucket::LEVELS.iter().zip(bucket.counts);
            levels.filter(|(known, _)| **known == level).map(|(_, count)| count).sum()
        };
        Bucket {
            at: rfc3339(bucket.from),
            critical: of(Level::Critical),
            high: of(Level::High),
            medium: of(Level::Medium),
            low: of(Level::Low),
            info: of(Level::Info),
        }
    };
    let step = found.buckets.first().map_or(0, |first| first.to.nanos_since(first.from));
    #[allow(clippy::cast_precision_loss, reason = "seconds for a chart")]
    let step_seconds = step as f64 / 1e9;
    Ok(Json(Histogram {
        from: rfc3339(from),
        to: rfc3339(to),
        step_seconds,
        buckets: found.buckets.iter().map(bucket).collect(),
        partial: found.partial.is_some(),
    }))
}

/// A value with its events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValueCount {
    /// As a query takes it.
    pub value: String,
    /// Events.
    pub count: u64,
}

impl ValueCount {
    pub(super) fn list(values: Vec<store::FacetValue>) -> Vec<Self> {
        values.into_iter().map(|value| Self { value: value.value, count: value.count }).collect()
    }
}

/// The most frequent values of a field.
#[derive(Serialize, ToSchema)]
pub(super) struct Facet {
    /// Canonical name.
    field: String,
    /// Most events first, at most 20.
    values: Vec<ValueCount>,
    /// There are more.
    more: bool,
}

/// Facets of several fields.
#[derive(Serialize, ToSchema)]
pub(super) struct Facets {
    /// In the order asked for.
    facets: Vec<Facet>,
    /// Not everything was counted.
    partial: bool,
}

/// The most frequent values of some fields.
#[utoipa::path(get, path = "/stats/facets", tag = "numbers", params(FacetsParams),
    responses((status = 200, body = Facets), (status = 400, body = Problem)))]
pub(super) async fn facets(sight: Sight, Params(params): Params<FacetsParams>) -> Answer<Json<Facets>> {
    let fields = params.fields.split(',').map(str::trim).filter(|name| !name.is_empty());
    let fields = fields.map(field).collect::<Answer<Vec<_>>>()?;
    if !(1..=20).contains(&fields.len()) {
        return Err(Problem::bad_request("`fields` takes 1 to 20 names of fields, with commas between them"));
    }
    let filter = params.asked().filter(Unsaid::Open)?;
    let (found, partial) = sight.facets(filter, fields).await?;
    let facet = |facet: store::Facet| Facet {
        field: facet.field.to_owned(),
        values: ValueCount::list(facet.values),
        more: facet.more > 0,
    };
    Ok(Json(Facets { facets: found.into_iter().map(facet).collect(), partial: partial.is_some() }))
}

/// A top list.
#[derive(Serialize, ToSchema)]
pub(super) struct TopList {
    /// Most events first.
    items: Vec<ValueCount>,
    /// Not everything was counted.
    partial: bool,
}

/// The most frequent values of a field.
#[utoipa::path(get, path = "/stats/top", tag = "numbers", params(TopParams),
    responses((status = 200, body = TopList), (status = 400, body = Problem)))]
pub(super) async fn top(sight: Sight, Params(params): Params<TopParams>) -> Answer<Json<TopList>> {
    let limit = params.limit.unwrap_or(10);
    if !(1..=1_000).contains(&limit) {
        return Err(Problem::bad_request("`limit` must be between 1 and 1000"));
    }
    let field = field(&params.field)?;
    let filter = params.asked().filter(Unsaid::All)?;
    let found = sight.top(TopRequest { filter, field, prefix: String::new(), limit }).await?;
    Ok(Json(TopList { items: ValueCount::list(found.values), partial: found.partial.is_some() }))
}

/// A field by one of its names; else a problem with the nearest.
pub(super) fn field(name: &str) -> Answer<Field> {
    if let Some(key) = Key::parse(name, Dialect::Tapir).filter(|key| key.path.is_empty()) {
        return Ok(key.field);
    }
    let name: String = name.chars().take(64).collect();
    let known = Field::all().iter().flat_map(|field| field.names(Dialect::Tapir));
    let mut problem = Problem::bad_request(format!("no field `{name}`; GET fields lists them"));
    problem.suggestion = tapir_rules::nearest(&name, known).map(str::to_owned);
    Err(problem)
}
