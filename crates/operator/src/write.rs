//! Objects brought to the API server, and taken away: only ever our own.
//!
//! *Invariants*: 1. an object without our label, or with another controller as its owner, is never touched: [`Outcome::NotOurs`] says whose it
//! is; 2. writes are server-side apply with our field manager, so that fields of others stay, and ours come back.

use crate::object::{INSTALLER, KEEPER, OPERATOR, Object};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, Error, ResourceExt};

/// Who we are among the managers of fields.
pub const FIELD_MANAGER: &str = "tapir-operator";

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was as it should be.
    Same,
    /// It is new.
    Created,
    /// It was not as it should be, and is.
    Changed,
    /// It is gone.
    Deleted,
    /// It belongs to somebody else, named for people.
    NotOurs(String),
}

/// A client for objects of any kind.
pub fn api(client: &Client, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
    match namespace {
        "" => Api::all_with(client.clone(), resource),
        namespace => Api::namespaced_with(client.clone(), namespace, resource),
    }
}

/// Makes an object of ours what it should be.
pub async fn apply(client: &Client, object: &Object) -> Result<Outcome, Error> {
    let api = api(client, &object.resource(), object.namespace());
    let before = api.get_opt(object.name()).await?;
    match before.as_ref().and_then(foreign) {
        Some(whose) => Ok(Outcome::NotOurs(whose)),
        None => send(&api, object, before, FIELD_MANAGER).await,
    }
}

/// Makes an object of an installation what it should be, whoever has it: who installs may.
pub async fn install(client: &Client, object: &Object) -> Result<Outcome, Error> {
    let api = api(client, &object.resource(), object.namespace());
    let before = api.get_opt(object.name()).await?;
    send(&api, object, before, INSTALLER).await
}

async fn send(
    api: &Api<DynamicObject>,
    object: &Object,
    before: Option<DynamicObject>,
    manager: &str,
) -> Result<Outcome, Error> {
    let to_be = object.dynamic().map_err(Error::SerdeError)?;
    let after = api.patch(object.name(), &PatchParams::apply(manager).force(), &Patch::Apply(&to_be)).await?;
    Ok(match before {
        None => Outcome::Created,
        Some(before) if before.metadata.resource_version == after.metadata.resource_version => Outcome::Same,
        Some(_) => Outcome::Changed,
    })
}

/// Takes an object away if it is there and ours.
pub async fn delete(client: &Client, object: &Object) -> Result<Outcome, Error> {
    let api = api(client, &object.resource(), object.namespace());
    let before = match api.get_opt(object.name()).await {
        Ok(Some(before)) => before,
        Ok(None) => return Ok(Outcome::Same),
        Err(error) => return Err(error),
    };
    if before.metadata.deletion_timestamp.is_some() {
        return Ok(Outcome::Same);
    }
    if let Some(whose) = foreign(&before) {
        return Ok(Outcome::NotOurs(whose));
    }
    let preconditions = Preconditions { uid: before.uid(), resource_version: None };
    let params = DeleteParams::background().preconditions(preconditions);
    match api.delete(object.name(), &params).await {
        Ok(_) => Ok(Outcome::Deleted),
        Err(Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(Outcome::Same),
        Err(error) => Err(error),
    }
}

/// Whose an object is, if not ours.
pub(crate) fn foreign(object: &DynamicObject) -> Option<String> {
    if let Some(owner) = object.owner_references().iter().find(|owner| owner.controller == Some(true)) {
        return Some(format!("{} {}", owner.kind, owner.name));
    }
    match object.labels().get(KEEPER).map(String::as_str) {
        Some(OPERATOR) => None,
        Some(other) => Some(format!("whoever calls himself {other}")),
        None => Some("somebody who did not label it".to_owned()),
    }
}

/// Whether `tapir install` made it.
pub(crate) fn is_installed(object: &DynamicObject) -> bool {
    object.labels().get(KEEPER).map(String::as_str) == Some(INSTALLER)
}

/// The API server's own words: they name verb, object and namespace.
pub fn in_words(error: &Error) -> String {
    match error {
        Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        error => {
            let mut innermost: &dyn std::error::Error = error;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            innermost.to_string()
        }
    }
}
