//! Exceptions: while one holds, events that answer its query are left out of every list. They stay stored.

use super::filter::{moment, query};
use super::resources::{Fault, Origin, own_exception};
use crate::app::{App, State, now};
use crate::auth::{Caller, random_hex};
use crate::problem::{Answer, Body, Path, Problem};
use crate::resources::{Resource, ResourceKind, exception_id};
use crate::sight::Sight;
use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use tapir_event::rfc3339;
use tapir_packet::Timestamp;
use tapir_query::Dialect;
use tapir_store::{EventStore, Exception, NewException};
use utoipa::ToSchema;

/// An exception.
#[derive(Serialize, ToSchema)]
pub(super) struct ExceptionRow {
    /// Name, unique.
    id: String,
    /// For people.
    description: String,
    /// The query.
    selector: String,
    /// From when.
    start: String,
    /// Until before when; `null`: for ever.
    end: Option<String>,
    /// Who.
    author: String,
    /// It holds now.
    active: bool,
    /// The resource of the cluster that asks for it; it is changed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Origin>,
    /// Why it does nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

impl ExceptionRow {
    fn new(app: &App, exception: Exception, now: Timestamp) -> Self {
        let NewException { name, description, selector, start, end, .. } = exception.what;
        Self {
            resource: Origin::of_exception(app, &name),
            error: None,
            id: name,
            description,
            selector,
            active: start <= now && end.is_none_or(|end| now < end),
            start: rfc3339(start),
            end: end.map(rfc3339),
            author: exception.author,
        }
    }

    /// Of a resource that cannot be honoured.
    fn broken(resource: Resource) -> Option<Self> {
        let error = Some(Fault::of(&resource));
        let what = resource.exception?;
        Some(Self {
            id: exception_id(&resource.name),
            description: what.description,
            selector: what.selector,
            start: rfc3339(what.start),
            end: what.end.map(rfc3339),
            author: "cluster".to_owned(),
            active: false,
            resource: Some(Origin::new(ResourceKind::AlertException, "", &resource.name)),
            error,
        })
    }
}

/// All exceptions.
#[derive(Serialize, ToSchema)]
pub(super) struct Exceptions {
    /// By name.
    items: Vec<ExceptionRow>,
}

/// All exceptions.
#[utoipa::path(get, path = "/exceptions", tag = "tuning", responses((status = 200, body = Exceptions)))]
pub(super) async fn list(state: State, sight: Sight) -> Answer<Json<Exceptions>> {
    let now = now();
    let all = sight.exceptions().await?;
    let mut items: Vec<_> = all.into_iter().map(|one| ExceptionRow::new(&state, one, now)).collect();
    // As in the store: a selector can name anything, so it is for who sees everything.
    if let Some(resources) = state.config.resources.as_ref().filter(|_| sight.reads_all()) {
        let told = resources.items(ResourceKind::AlertException);
        items.extend(told.into_iter().filter_map(ExceptionRow::broken));
        items.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Ok(Json(Exceptions { items }))
}

/// An exception to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRow {
    /// Name; the exception of this name is replaced. Made up if absent.
    id: Option<String>,
    /// For people.
    description: String,
    /// The query.
    selector: String,
    /// From when; now if absent.
    start: Option<String>,
    /// Until before when; absent or `null`: for ever.
    end: Option<String>,
}

/// Adds an exception, or replaces the one of its name.
#[utoipa::path(post, path = "/exceptions", tag = "tuning", request_body = NewRow,
    responses((status = 201, body = ExceptionRow), (status = 400, body = Problem),
        (status = 409, description = "it is a resource of the cluster", body = Problem)))]
pub(super) async fn add(
    state: State,
    sight: Sight,
    caller: Caller,
    Body(body): Body<NewRow>,
) -> Answer<impl IntoResponse> {
    let by = caller.tune()?;
    if query(Some(&body.selector))?.is_all() {
        return Err(Problem::bad_request("an empty `selector` would hide everything"));
    }
    if let Some(id) = &body.id {
        own_exception(&state, id, "edit")?;
    }
    let name = match body.id {
        Some(id) if is_name(&id) => id,
        Some(_) => return Err(Problem::bad_request("`id` has 1 to 253 of a-z, A-Z, 0-9, `-`, `_`, `.`")),
        None => {
            random_hex().map(|hex| hex.chars().take(16).collect()).map_err(|error| Problem::busy(error.to_string()))?
        }
    };
    if body.description.len() > 4_096 {
        return Err(Problem::bad_request("`description` is longer than 4,096 bytes"));
    }
    let start = body.start.map(|text| moment(&text, by.now, "start")).transpose()?.unwrap_or(by.now);
    let end = body.end.map(|text| moment(&text, by.now, "end")).transpose()?;
    if end.is_some_and(|end| end <= start) {
        return Err(Problem::bad_request("`end` must be after `start`"));
    }
    let new = NewException {
        name,
        description: body.description,
        selector: body.selector,
        dialect: Dialect::Tapir,
        start,
        end,
    };
    let now = by.now;
    let made = sight.put_exception(new, by).await?;
    state.live.changed();
    Ok((StatusCode::CREATED, Json(ExceptionRow::new(&state, made, now))))
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(plain)
}

/// Removes an exception: its events show again.
#[utoipa::path(delete, path = "/exceptions/{id}", tag = "tuning", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem),
        (status = 409, description = "it is a resource of the cluster", body = Problem)))]
pub(super) async fn remove(state: State, sight: Sight, caller: Caller, Path(id): Path<String>) -> Answer<StatusCode> {
    let by = caller.tune()?;
    own_exception(&state, &id, "delete")?;
    sight.remove_exception(id, by).await?;
    state.live.changed();
    Ok(StatusCode::NO_CONTENT)
}
