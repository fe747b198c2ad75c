//! Single events: lists of them, and whole documents in every format.

use super::event_form::EventPage;
use super::filter::Unsaid;
use super::groups::EventsParams;
use crate::app::State;
use crate::auth::Caller;
use crate::problem::{Answer, Params, Path, Problem};
use crate::sight::Sight;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tapir_event::{EventId, Format, SecurityEvent, Style};
use tapir_store::EventStore;
use utoipa::IntoParams;

/// Events, newest first.
#[utoipa::path(get, path = "/events", tag = "events", params(EventsParams),
    responses((status = 200, body = EventPage), (status = 400, body = Problem)))]
pub(super) async fn list(sight: Sight, Params(params): Params<EventsParams>) -> Answer<Json<EventPage>> {
    let (filter, page) = params.page(Unsaid::Open)?;
    let found = sight.events(filter.clone(), page).await?;
    Ok(Json(EventPage::new(found, &filter)))
}

/// Which document.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FormatParams {
    /// `tapir` (the default: everything), `calico`, `eve`, `ecs`, `ocsf` are JSON; `cef`, `fast`, `json`, `csv` are a line.
    format: Option<String>,
}

/// An event's document. Somebody who may decide and looks at it has opened its shape.
#[utoipa::path(get, path = "/events/{id}", tag = "events", params(("id" = String, Path), FormatParams),
    responses((status = 200, content_type = "application/json", body = serde_json::Value),
        (status = 404, body = Problem)))]
pub(super) async fn one(
    state: State,
    sight: Sight,
    caller: Caller,
    Path(id): Path<String>,
    Params(params): Params<FormatParams>,
) -> Answer<Response> {
    let name = params.format.as_deref().unwrap_or("tapir");
    let Some(format) = Format::from_name(name) else {
        let known: Vec<_> = Format::ALL.iter().map(|(name, _)| *name).collect();
        return Err(Problem::bad_request(format!("`format` is one of {}", known.join(", "))));
    };
    let id = event_id(&id)?;
    let stored = sight.event(id.clone()).await?;
    let event = parsed(&stored.document)?;
    if caller.identity.can.act {
        sight.mark_opened(id, caller.decision()).await?;
    }
    let style =
        Style { cluster: state.config.cluster.clone(), page: state.config.public_url.clone(), ..Style::default() };
    let Some(mut document) = format.document(&event, &style) else {
        let line = format.line(&event, &style) + "\n";
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], line).into_response());
    };
    if format == Format::Tapir {
        // What newer agents wrote and this version does not know stays in.
        if let Ok(serde_json::Value::Object(original)) = serde_json::from_slice(&stored.document) {
            for (name, value) in original {
                document.entry(name).or_insert(value);
            }
        }
        // Decided here, after the agent had sent it.
        if let Some(by) = stored.row.suppressed_by {
            document.insert("suppressed_by".to_owned(), by.into());
        }
    }
    Ok(Json(document).into_response())
}

pub(super) fn event_id(text: &str) -> Answer<EventId> {
    text.parse().map_err(|_| Problem::not_found("event", text))
}

pub(super) fn parsed(document: &[u8]) -> Answer<SecurityEvent> {
    serde_json::from_slice(document).map_err(|error| {
        let detail = format!("the stored document cannot be read ({error}); please report it");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "store", "The store failed", detail)
    })
}
