//! Resources of the cluster that the manager honours: whether they are heard of, and what became of each.
//!
//! They are read-only here: what a resource asks for is changed where it stands, and a refusal names the command.

use super::fleet::everywhere;
use crate::app::{App, State};
use crate::problem::{Answer, Problem};
use crate::resources::{QueryFault, Resource, ResourceKind, exception_name, suppression_name};
use crate::sight::Sight;
use axum::Json;
use axum::http::StatusCode;
use serde::Serialize;
use tapir_store::{EventStore, Suppression};
use utoipa::ToSchema;

/// The resource that something was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Origin {
    /// `AlertException`, `SecurityEventWebhook`, `Suppression`.
    kind: &'static str,
    /// Empty for resources of the whole cluster.
    namespace: String,
    /// Its name.
    name: String,
    /// The command that changes it.
    edit: String,
}

impl Origin {
    pub(super) fn new(kind: ResourceKind, namespace: &str, name: &str) -> Self {
        Self {
            kind: kind.name(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            edit: kind.kubectl("edit", namespace, name),
        }
    }

    /// Of an exception.
    pub(super) fn of_exception(app: &App, id: &str) -> Option<Self> {
        let kind = ResourceKind::AlertException;
        let name = exception_name(id).filter(|_| honours(app, kind))?;
        Some(Self::new(kind, "", name))
    }

    /// Of a suppression.
    pub(super) fn of_suppression(app: &App, author: &str) -> Option<Self> {
        let kind = ResourceKind::Suppression;
        let (namespace, name) = suppression_name(author).filter(|_| honours(app, kind))?;
        Some(Self::new(kind, namespace, name))
    }

    /// It is not changed here.
    fn refusal(&self, verb: &str) -> Problem {
        let command = self.edit.replacen("kubectl edit", &format!("kubectl {verb}"), 1);
        let detail =
            format!("this is {} {} of the cluster, not the page's to change: `{command}`", self.kind, self.name);
        Problem::new(StatusCode::CONFLICT, "resource", "A resource of the cluster", detail)
    }
}

fn honours(app: &App, kind: ResourceKind) -> bool {
    app.config.resources.as_ref().is_some_and(|resources| resources.honours(kind))
}

/// Refuses to change an exception that a resource asks for. `verb`: what kubectl would do.
pub(super) fn own_exception(app: &App, id: &str, verb: &str) -> Answer<()> {
    Origin::of_exception(app, id).map_or(Ok(()), |origin| Err(origin.refusal(verb)))
}

/// Refuses to change a suppression that a resource asks for.
pub(super) async fn own_suppression(app: &App, sight: &Sight, id: &str, verb: &str) -> Answer<()> {
    if !honours(app, ResourceKind::Suppression) {
        return Ok(());
    }
    let all: Vec<Suppression> = sight.suppressions().await?;
    let origin = all.iter().find(|one| one.id == id).and_then(|one| Origin::of_suppression(app, &one.author));
    origin.map_or(Ok(()), |origin| Err(origin.refusal(verb)))
}

/// What is wrong with a query.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Fault {
    /// In words.
    message: String,
    /// Byte of the query at which it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    /// Bytes that it covers; 0 if something is missing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    /// What to write there.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
}

impl Fault {
    /// Of a resource that is not honoured.
    pub(super) fn of(resource: &Resource) -> Self {
        match resource.fault.clone() {
            Some(QueryFault { message, offset, length, suggestion }) => {
                Self { message, offset: Some(offset), length: Some(length), suggestion }
            }
            None => Self { message: resource.message.clone(), offset: None, length: None, suggestion: None },
        }
    }
}

/// Whether a kind is heard of.
#[derive(Serialize, ToSchema)]
pub(super) struct KindRow {
    /// `AlertException`, …
    kind: &'static str,
    /// As permissions and kubectl name it.
    resource: &'static str,
    /// `waiting`, `followed`, `missing` (no definition), `forbidden`, `away` (no API server).
    state: &'static str,
    /// Why it is not followed, and what to do.
    why: Option<String>,
    /// Resources that are honoured.
    honoured: usize,
    /// Resources that are not.
    refused: usize,
}

/// A resource and what became of it.
#[derive(Serialize, ToSchema)]
pub(super) struct ResourceRow {
    #[serde(flatten)]
    origin: Origin,
    /// It is honoured.
    honoured: bool,
    /// One word.
    reason: String,
    /// In words.
    message: String,
    /// What is wrong with its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

/// Resources of the cluster.
#[derive(Serialize, ToSchema)]
pub(super) struct ResourceList {
    /// Kinds that this manager honours; none without a cluster.
    kinds: Vec<KindRow>,
    /// By kind, those that are not honoured first.
    items: Vec<ResourceRow>,
}

/// Resources of the cluster that this manager honours, and what became of each.
#[utoipa::path(get, path = "/resources", tag = "operation",
    responses((status = 200, body = ResourceList), (status = 403, body = Problem)))]
pub(super) async fn list(state: State, sight: Sight) -> Answer<Json<ResourceList>> {
    everywhere(&sight)?;
    let mut list = ResourceList { kinds: Vec::new(), items: Vec::new() };
    let Some(resources) = &state.config.resources else { return Ok(Json(list)) };
    for (kind, following, honoured, refused) in resources.summary() {
        let (state, why) = (following.word(), following.why().map(str::to_owned));
        list.kinds.push(KindRow { kind: kind.name(), resource: kind.resource(), state, why, honoured, refused });
        list.items.extend(resources.items(kind).into_iter().map(|one| ResourceRow {
            origin: Origin::new(kind, &one.namespace, &one.name),
            honoured: one.is_honoured,
            fault: one.fault.as_ref().map(|_| Fault::of(&one)),
            reason: one.reason,
            message: one.message,
        }));
    }
    Ok(Json(list))
}
