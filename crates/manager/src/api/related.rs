//! What else happened around an event: in the same conversation, from the same client, at the same server.

use super::event_form::EventRow;
use super::events::event_id;
use crate::app::now;
use crate::problem::{Answer, Path, Problem};
use crate::sight::Sight;
use axum::Json;
use serde::Serialize;
use tapir_event::SecurityEvent;
use tapir_packet::Timestamp;
use tapir_query::{Dialect, parse};
use tapir_store::{EventStore, Filter, PageRequest};
use utoipa::ToSchema;

/// An hour before and after.
const AROUND: i64 = 3_600_000_000_000;
const ROWS: usize = 20;

/// Events around another one, at most 20 of each kind, newest first, without itself.
#[derive(Serialize, ToSchema)]
pub(super) struct Related {
    /// Of the same conversation.
    same_flow: Vec<EventRow>,
    /// Of the same client's workload, or address.
    same_client: Vec<EventRow>,
    /// Of the same server's workload, or address.
    same_server: Vec<EventRow>,
}

/// Events within an hour of another one.
#[utoipa::path(get, path = "/events/{id}/related", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = Related), (status = 404, body = Problem)))]
pub(super) async fn related(sight: Sight, Path(id): Path<String>) -> Answer<Json<Related>> {
    let id = event_id(&id)?;
    let event = super::events::parsed(&sight.event(id.clone()).await?.document)?;
    let [flow, client, server] = questions(&event);
    let find = |question: Option<String>| {
        let (sight, id, time) = (&sight, &id, event.time);
        async move {
            let Some(query) = question.and_then(|text| parse(&text, Dialect::Tapir).ok()) else {
                return Ok::<_, Problem>(Vec::new());
            };
            let filter = Filter {
                query,
                from: Some(Timestamp(time.0.saturating_sub(AROUND))),
                to: Some(Timestamp(time.0.saturating_add(AROUND))),
                suppressed: true,
                ..Filter::all(now())
            };
            let page = PageRequest { limit: ROWS + 1, ..PageRequest::default() };
            let found = sight.events(filter, page).await?;
            Ok(found.items.into_iter().filter(|row| row.id != *id).take(ROWS).map(EventRow::new).collect())
        }
    };
    let (same_flow, same_client, same_server) = tokio::try_join!(find(flow), find(client), find(server))?;
    Ok(Json(Related { same_flow, same_client, same_server }))
}

/// What to ask for flow, client and server; `None` where nothing is known.
fn questions(event: &SecurityEvent) -> [Option<String>; 3] {
    let (client, server) = event.parties();
    let side = |name: &str, workload: &Option<tapir_event::Workload>, end: Option<tapir_event::Endpoint>| match workload
    {
        Some(workload) => Some(format!("{name}={}", quoted(&workload.display()))),
        None => end.map(|end| format!("{name}_ip={}", end.address.to_canonical())),
    };
    [
        event.flow.map(|flow| format!("flow_id={} node={}", flow.id, quoted(&event.id.node))),
        side("client", &event.client, client),
        side("server", &event.server, server),
    ]
}

/// As the query language quotes text; `=` knows no wildcards.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
