//! The audit log: who decided what, and when.

use super::groups::Entry;
use crate::problem::{Answer, Params, Problem};
use crate::sight::Sight;
use axum::Json;
use serde::{Deserialize, Serialize};
use tapir_store::{AuditWhat, Cursor, EventStore, PageRequest};
use utoipa::{IntoParams, ToSchema};

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Of one group.
    group: Option<String>,
    /// Of one person.
    by: Option<String>,
    /// Of an earlier page.
    cursor: Option<String>,
    /// Rows, at most 500; 100 by default.
    limit: Option<usize>,
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// Newest first.
    items: Vec<Entry>,
    /// Cursor of the next page; `null` at the end.
    next: Option<String>,
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditParams),
    responses((status = 200, body = AuditPage), (status = 400, body = Problem)))]
pub(super) async fn list(sight: Sight, Params(params): Params<AuditParams>) -> Answer<Json<AuditPage>> {
    let limit = params.limit.unwrap_or(100);
    if !(1..=500).contains(&limit) {
        return Err(Problem::bad_request("`limit` must be between 1 and 500"));
    }
    let what = AuditWhat { group: params.group.map(|id| id.parse()).transpose()?, who: params.by };
    let cursor = super::filter::given(params.cursor.as_deref()).map(|text| Cursor(text.to_owned()));
    let page = PageRequest { limit, cursor, total: false };
    let found = sight.audit(what, page).await?;
    let next = found.next.map(|cursor| cursor.0);
    Ok(Json(AuditPage { items: found.items.into_iter().map(Entry::new).collect(), next }))
}
