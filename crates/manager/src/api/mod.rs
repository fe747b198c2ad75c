//! The calls under `/api/v1`: one file for each group of them, and who may make them.
//!
//! Three sets of routes: *open* ones (sign-in, the OpenAPI document, health), those of *people* (a known identity that
//! may read; handlers ask for more), those of *agents*.

mod actions;
mod audit;
mod caller;
mod document;
mod event_form;
mod events;
mod exceptions;
mod fields;
mod filter;
mod fleet;
mod group_form;
mod groups;
mod health;
mod ingest;
mod orders;
mod packed;
mod pcap;
mod related;
mod resources;
mod rule_sets;
mod rules;
mod session;
mod stats;
mod stream;
mod suggestions;
mod suppression_form;
mod tuning;
mod unseen;
mod views;
mod why;

use crate::app::App;
use crate::config::Limits;
use crate::problem::Problem;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::{Router, middleware};
use document::Who;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use fleet::Fleet;
pub(crate) use orders::{MAX_WAIT, Orders};
pub(crate) use rule_sets::RuleSets;
pub(crate) use rules::RuleList;
pub(crate) use stream::Live;
pub(crate) use unseen::History;

/// Head of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(info(
    title = "Tapir manager",
    description = "Alerts of Tapir: groups, events, decisions, tuning, live. Errors are RFC 9457 problems.",
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Head;

/// The call that may wait.
pub(crate) const HEARTBEAT: &str = "/api/v1/heartbeat";

type Routes = OpenApiRouter<Arc<App>>;

fn open() -> Routes {
    Routes::new()
        .routes(routes!(session::open, session::close))
        .routes(routes!(session::providers))
        .routes(routes!(session::oidc))
        .routes(routes!(session::oidc_callback))
        .routes(routes!(health::openapi_json))
}

fn people() -> Routes {
    Routes::new()
        .routes(routes!(session::me))
        .routes(routes!(groups::list))
        .routes(routes!(groups::one))
        .routes(routes!(groups::group_events))
        .routes(routes!(groups::counts))
        .merge(Routes::new().routes(routes!(actions::act)).layer(DefaultBodyLimit::max(actions::MAX_BODY)))
        .routes(routes!(actions::undo))
        .routes(routes!(events::list))
        .routes(routes!(events::one))
        .routes(routes!(why::why))
        .routes(routes!(pcap::pcap))
        .routes(routes!(related::related))
        .routes(routes!(stats::histogram))
        .routes(routes!(stats::facets))
        .routes(routes!(stats::top))
        .routes(routes!(unseen::blind_spots))
        .routes(routes!(fields::list))
        .routes(routes!(fields::values))
        .routes(routes!(fields::check))
        .routes(routes!(tuning::list, tuning::add))
        .routes(routes!(tuning::one, tuning::change, tuning::remove))
        .routes(routes!(tuning::preview))
        .routes(routes!(suggestions::suggestions))
        .routes(routes!(exceptions::list, exceptions::add))
        .routes(routes!(exceptions::remove))
        .routes(routes!(views::list, views::replace))
        .routes(routes!(audit::list))
        .routes(routes!(stream::stream))
        .routes(routes!(fleet::nodes))
        .routes(routes!(fleet::inspections))
        .routes(routes!(fleet::sinks))
        .routes(routes!(resources::list))
        .routes(routes!(rules::list))
        .routes(routes!(rules::one))
}

fn agents(limits: &Limits) -> Routes {
    let ingest = Routes::new()
        .routes(routes!(ingest::ingest))
        .routes(routes!(rule_sets::put))
        .layer(DefaultBodyLimit::max(limits.ingest_body));
    let heartbeat = Routes::new().routes(routes!(fleet::heartbeat)).layer(DefaultBodyLimit::max(fleet::MAX_HEARTBEAT));
    ingest.merge(heartbeat)
}

fn all(open: Routes, people: Routes, agents: Routes) -> Routes {
    let calls = document::of(Who::Anybody, open)
        .merge(document::of(Who::People, people))
        .merge(document::of(Who::Agents, agents));
    let operation = Routes::new().routes(routes!(health::healthz)).routes(routes!(health::metrics));
    let mut all =
        Routes::with_openapi(Head::openapi()).nest("/api/v1", calls).merge(document::of(Who::Anybody, operation));
    document::schemes(all.get_openapi_mut());
    all
}

/// The OpenAPI 3.1 document of the API, as JSON with indentation.
pub fn openapi() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(all(open(), people(), agents(&Limits::default())).get_openapi())
        .map(|text| text + "\n")
}

/// All routes but those of the page.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let limits = &app.config.limits;
    let people = people().layer(middleware::from_fn_with_state(Arc::clone(app), caller::people));
    let agents = agents(limits).layer(middleware::from_fn_with_state(Arc::clone(app), caller::agents));
    let (router, _) =
        all(open().layer(DefaultBodyLimit::max(limits.body)), people.layer(DefaultBodyLimit::max(limits.body)), agents)
            .split_for_parts();
    router.method_not_allowed_fallback(|| async {
        let detail = "this call exists, but not with this method; see /api/v1/openapi.json";
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Wrong method", detail)
    })
}
