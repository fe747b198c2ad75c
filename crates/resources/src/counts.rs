//! Alerts of the last day, counted by inspection: for the operator, which shows them as a column of `kubectl get`.
//!
//! *How it fits*: the manager has the alerts and may not write resources of people; the operator may and has no alerts. Between them is a
//! ConfigMap in Tapir's namespace that the operator makes and the manager fills: [`AlertCounts`].
//!
//! *Limits*: counted every [`EVERY`]; [`MOST`] inspections, those with the most alerts. A day of more events than the store looks at in one
//! question is counted in part.

use crate::Shared;
use crate::write::{code, root};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use std::collections::BTreeMap;
use std::time::Duration;
use tapir_kubernetes::status::AlertCounts;
use tapir_packet::Timestamp;
use tapir_query::Field;
use tapir_store::{Filter, StoreError, TopRequest};

/// How often alerts are counted.
const EVERY: Duration = Duration::from_secs(300);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(60);
/// Inspections that are counted.
const MOST: usize = 1_000;
const DAY: i64 = 86_400_000_000_000;
const WRITER: &str = "tapir-manager";

/// Counts for ever.
pub(crate) async fn keep(shared: &Shared) {
    let api: Api<ConfigMap> = Api::namespaced(shared.client.clone(), &shared.config.namespace);
    let mut told = String::new();
    loop {
        let done = match count(shared).await {
            Ok(counts) => write(shared, &api, &counts).await,
            Err(error) => Err(error.to_string()),
        };
        let pause = match done {
            Ok(()) => {
                told.clear();
                EVERY
            }
            Err(why) => {
                if why != told {
                    shared.warn(&format!("alerts by inspection are not told to the operator: {why}"));
                    told = why;
                }
                AGAIN
            }
        };
        tokio::time::sleep(crate::follow::jitter(pause)).await;
    }
}

async fn count(shared: &Shared) -> Result<AlertCounts, StoreError> {
    let now = crate::time::now();
    let filter = Filter { from: Some(Timestamp(now.0.saturating_sub(DAY))), ..Filter::all(now) };
    let request = TopRequest { filter, field: Field::Inspection, prefix: String::new(), limit: MOST };
    let top = shared.store.top(request).await?;
    let alerts: BTreeMap<String, u64> = top.values.into_iter().map(|value| (value.value, value.count)).collect();
    Ok(AlertCounts { at: now.0.div_euclid(1_000_000_000), alerts })
}

async fn write(shared: &Shared, api: &Api<ConfigMap>, counts: &AlertCounts) -> Result<(), String> {
    let name = AlertCounts::NAME;
    let body = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name },
        "data": { AlertCounts::KEY: serde_json::to_string(counts).map_err(|error| error.to_string())? },
    });
    // The operator makes the object: to make one by name is no right that can be given.
    match api.patch(name, &PatchParams::apply(WRITER).force(), &Patch::Apply(&body)).await {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == Some(403) => Err(format!(
            "the manager's service account needs the verb patch on configmaps {name} in namespace {}, which the operator makes",
            shared.config.namespace
        )),
        Err(error) => Err(root(&error)),
    }
}
