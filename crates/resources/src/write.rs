//! Statuses on their way to the API server, and what it says when it refuses.
//!
//! *Invariants*: an object is read, changed and written in the version that was read; a conflict is read again, [`TRIES`] times.

use kube::api::PostParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tapir_manager::resources::Resources;

/// How often a write that met another one is tried.
pub(crate) const TRIES: usize = 5;

/// Changes the status of an object. `change` says whether there is anything to write. One that is gone is no error.
pub(crate) async fn status<K>(
    api: &Api<K>,
    resource: &str,
    name: &str,
    board: &Resources,
    change: impl Fn(&mut K) -> bool + Send + Sync,
) -> Result<(), String>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug + Send + Sync,
{
    for _ in 0..TRIES {
        let mut object = match api.get(name).await {
            Ok(object) => object,
            Err(error) => return gone_or(board, refused("get", resource, &error), &error),
        };
        if !change(&mut object) {
            return Ok(());
        }
        match api.replace_status(name, &PostParams::default(), &object).await {
            Ok(_) => {
                board.count_write("written");
                return Ok(());
            }
            Err(error) if code(&error) == Some(409) => board.count_write("conflict"),
            Err(error) => return gone_or(board, refused("update", &format!("{resource}/status"), &error), &error),
        }
    }
    board.count_write("failed");
    Err("others wrote at the same time, again and again; trying again later".to_owned())
}

fn gone_or(board: &Resources, why: String, error: &kube::Error) -> Result<(), String> {
    if code(error) == Some(404) {
        return Ok(());
    }
    board.count_write("failed");
    Err(why)
}

/// The status of HTTP, where the API server answered.
pub(crate) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// Why a call failed, and what to do.
pub(crate) fn refused(verb: &str, what: &str, error: &kube::Error) -> String {
    match code(error) {
        Some(403) => format!(
            "the manager's service account needs the verb {verb} on {what} (deploy/kubernetes/manager-rbac.yaml)"
        ),
        _ => root(error),
    }
}

/// The innermost reason: what is around it repeats it.
pub(crate) fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
