//! What the search box needs: the catalogue of fields, their values, and a check of what was typed.

use super::stats::{ValueCount, field};
use crate::app::now;
use crate::problem::{Answer, Body, Params, Path, Problem};
use crate::sight::Sight;
use axum::Json;
use serde::{Deserialize, Serialize};
use tapir_packet::Timestamp;
use tapir_query::{Dialect, Field, parse};
use tapir_store::{EventStore, Filter, TopRequest};
use utoipa::{IntoParams, ToSchema};

/// A field of the query language.
#[derive(Serialize, ToSchema)]
pub(super) struct FieldRow {
    /// Canonical name.
    name: &'static str,
    /// Other names.
    aliases: Vec<&'static str>,
    /// `text`, `keyword`, `address`, …
    #[serde(rename = "type")]
    kind: &'static str,
    /// Usual values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<&'static str>,
    /// One line.
    description: &'static str,
}

/// The catalogue.
#[derive(Serialize, ToSchema)]
pub(super) struct Catalogue {
    /// In the order of the documentation.
    fields: Vec<FieldRow>,
}

/// All fields of the query language.
#[utoipa::path(get, path = "/fields", tag = "search", responses((status = 200, body = Catalogue)))]
pub(super) async fn list() -> Json<Catalogue> {
    let row = |field: &Field| {
        let info = field.info();
        FieldRow {
            name: info.name,
            aliases: info.aliases.to_vec(),
            kind: info.kind.word(),
            values: info.values.words().to_vec(),
            description: info.help,
        }
    };
    Json(Catalogue { fields: Field::all().iter().map(row).collect() })
}

/// Which values.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PrefixParams {
    /// What they begin with; case is ignored.
    prefix: String,
}

/// Values of a field.
#[derive(Serialize, ToSchema)]
pub(super) struct FieldValues {
    /// Most events first; usual values without events at the end.
    values: Vec<ValueCount>,
}

const VALUES: usize = 50;
const WEEK: i64 = 7 * 86_400_000_000_000;

/// Values of a field among the events of the last seven days, and its usual ones.
#[utoipa::path(get, path = "/fields/{name}/values", tag = "search", params(("name" = String, Path), PrefixParams),
    responses((status = 200, body = FieldValues), (status = 400, body = Problem)))]
pub(super) async fn values(
    sight: Sight,
    Path(name): Path<String>,
    Params(params): Params<PrefixParams>,
) -> Answer<Json<FieldValues>> {
    let field = field(&name)?;
    let now = now();
    let filter = Filter { from: Some(Timestamp(now.0.saturating_sub(WEEK))), ..Filter::all(now) };
    let prefix: String = params.prefix.chars().take(128).collect();
    let found = sight.top(TopRequest { filter, field, prefix: prefix.clone(), limit: VALUES }).await?;
    let mut values = ValueCount::list(found.values);
    for word in field.info().values.words() {
        let begins = word.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(&prefix));
        if begins && values.len() < VALUES && !values.iter().any(|known| known.value.eq_ignore_ascii_case(word)) {
            values.push(ValueCount { value: (*word).to_owned(), count: 0 });
        }
    }
    Ok(Json(FieldValues { values }))
}

/// A query to look at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    /// The text.
    q: String,
}

/// A query that is understood.
#[derive(Serialize, ToSchema)]
pub(super) struct Checked {
    /// Always true; what is not understood is a problem.
    ok: bool,
    /// In its canonical form.
    canonical: String,
}

/// Whether a query is understood; if not, the problem says where and what to write instead.
#[utoipa::path(post, path = "/query/check", tag = "search", request_body = Check,
    responses((status = 200, body = Checked), (status = 400, body = Problem)))]
pub(super) async fn check(Body(body): Body<Check>) -> Answer<Json<Checked>> {
    let query = parse(&body.q, Dialect::Tapir)?;
    Ok(Json(Checked { ok: true, canonical: query.to_string() }))
}
