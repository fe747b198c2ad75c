//! Saved views: names for addresses of the page.

use crate::auth::Caller;
use crate::problem::{Answer, Body, Problem};
use crate::sight::Sight;
use axum::Json;
use serde::{Deserialize, Serialize};
use tapir_store::{EventStore, NewView, View};
use utoipa::ToSchema;

/// Most views of a person.
const MOST: usize = 100;

/// A saved view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewRow {
    /// Name, unique for its owner.
    name: String,
    /// Query string of the page.
    url: String,
    /// Others see it, too.
    #[serde(default)]
    shared: bool,
    /// Whose; of others only if shared. Ignored in requests.
    #[serde(default)]
    owner: Option<String>,
}

impl From<View> for ViewRow {
    fn from(view: View) -> Self {
        Self { name: view.name, url: view.url, shared: view.shared, owner: Some(view.owner) }
    }
}

/// One's own views and shared ones.
#[utoipa::path(get, path = "/views", tag = "views", responses((status = 200, body = Vec<ViewRow>)))]
pub(super) async fn list(sight: Sight, caller: Caller) -> Answer<Json<Vec<ViewRow>>> {
    let views = sight.views(caller.identity.user).await?;
    Ok(Json(views.into_iter().map(Into::into).collect()))
}

/// Replaces one's own views by these; those of others are left alone.
#[utoipa::path(put, path = "/views", tag = "views", request_body = Vec<ViewRow>,
    responses((status = 200, body = Vec<ViewRow>), (status = 400, body = Problem)))]
pub(super) async fn replace(
    sight: Sight,
    caller: Caller,
    Body(rows): Body<Vec<ViewRow>>,
) -> Answer<Json<Vec<ViewRow>>> {
    let user = caller.identity.user.clone();
    let mine = |row: &ViewRow| row.owner.as_ref().is_none_or(|owner| *owner == user);
    let rows: Vec<ViewRow> = rows.into_iter().filter(mine).collect();
    if rows.len() > MOST {
        return Err(Problem::bad_request(format!("more than {MOST} views")));
    }
    for row in &rows {
        if row.name.trim().is_empty() || row.name.len() > 200 || row.url.len() > 8_192 {
            return Err(Problem::bad_request("a view has a name of 1 to 200 bytes and a url of at most 8,192"));
        }
    }
    let kept = |view: &View| rows.iter().any(|row| row.name == view.name);
    for old in sight.views(user.clone()).await?.into_iter().filter(|view| view.owner == user && !kept(view)) {
        sight.remove_view(old.id, caller.decision()).await?;
    }
    for row in rows.iter().cloned() {
        let new = NewView { name: row.name, shared: row.shared, url: row.url };
        sight.put_view(new, caller.decision()).await?;
    }
    list(sight, caller).await
}
