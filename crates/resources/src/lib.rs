//! What resources of a cluster ask of the manager: Calico's `AlertException` and `SecurityEventWebhook`, and Tapir's
//! `Suppression`.
//!
//! *How it fits*: kinds are [followed](follow) on the API server. [Exceptions](exceptions) and [suppressions](suppressions) are
//! written into the manager's store, which hides what they name as if somebody had asked for it through the API;
//! [webhooks] read the store in the order of arrival and hand events to the sinks of `delivery`. What became of each is said in its
//! status where it has one, and on the manager's board ([`tapir_manager::resources`]) for the API, the page and the metrics.
//!
//! *Invariants*: 1. one resource that cannot be understood takes no other along; 2. while the API server is away what was last heard
//! holds; 3. nothing is asked, written or sent without a pause between tries; 4. values of Secrets are in no text for people.
//!
//! *Limits*: [`follow::MAX_OBJECTS`] resources of a kind, [`webhooks::MAX_HOOKS`] webhooks at work.
//! *Spec*: tigera/api (types), the incumbent's reference pages (behaviour); `docs/kubernetes/resources.md`.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod counts;
mod exceptions;
mod follow;
mod suppressions;
mod time;
mod webhooks;
mod write;

use kube::{Api, Client};
use std::path::PathBuf;
use std::sync::Arc;
use tapir_event::Style;
use tapir_kubernetes::resources::{AlertException, SecurityEventWebhook, Suppression};
use tapir_manager::Beside;
use tapir_manager::resources::{ResourceKind, Resources};
use tapir_store::{EventStore, StoreError};
use tokio::sync::watch;

/// Says something to people: a warning if it is one.
pub type Say = Arc<dyn Fn(&str, bool) + Send + Sync>;

/// Where Calico looks for what webhooks refer to.
pub const WEBHOOK_NAMESPACE: &str = "tigera-intrusion-detection";

/// What is honoured, and how.
#[derive(Clone)]
pub struct Config {
    /// Which kinds.
    pub kinds: Vec<ResourceKind>,
    /// Tapir's own namespace: a `Suppression` there holds for the whole cluster.
    pub namespace: String,
    /// Where ConfigMaps and Secrets of webhooks are looked for.
    pub webhook_namespace: String,
    /// Alerts are counted for the operator.
    pub counts: bool,
    /// Where it is kept how far webhooks have come.
    pub data_dir: PathBuf,
    /// Cluster, wording, address of the page.
    pub style: Style,
    /// Webhooks may go to loopback and link-local addresses.
    pub allow_local: bool,
    /// Who hears of news and troubles.
    pub say: Say,
}

/// What the parts share.
pub(crate) struct Shared {
    client: Client,
    store: Arc<dyn EventStore>,
    beside: Beside,
    board: Arc<Resources>,
    config: Config,
}

impl Shared {
    fn say(&self, text: &str) {
        (self.config.say)(text, false);
    }

    fn warn(&self, text: &str) {
        (self.config.say)(text, true);
    }
}

/// Honours the cluster's resources for ever. `board`: the one that the manager was given.
pub async fn run(client: Client, store: Arc<dyn EventStore>, beside: Beside, board: Arc<Resources>, config: Config) {
    let kinds = config.kinds.clone();
    let shared = Arc::new(Shared { client: client.clone(), store, beside, board, config });
    let has = |kind| kinds.contains(&kind);
    let exceptions = async {
        if has(ResourceKind::AlertException) {
            let (told, heard) = watch::channel(follow::Heard::<AlertException>::default());
            let api = Api::all(client.clone());
            tokio::join!(
                follow::follow(api, ResourceKind::AlertException, &shared, told),
                exceptions::keep(&shared, heard)
            );
        }
    };
    let suppressions = async {
        if has(ResourceKind::Suppression) {
            let (told, heard) = watch::channel(follow::Heard::<Suppression>::default());
            let api = Api::all(client.clone());
            tokio::join!(
                follow::follow(api, ResourceKind::Suppression, &shared, told),
                suppressions::keep(&shared, heard)
            );
        }
    };
    let hooks = async {
        if has(ResourceKind::SecurityEventWebhook) {
            let (told, heard) = watch::channel(follow::Heard::<SecurityEventWebhook>::default());
            let api = Api::all(client.clone());
            tokio::join!(
                follow::follow(api, ResourceKind::SecurityEventWebhook, &shared, told),
                webhooks::keep(&shared, heard)
            );
        }
    };
    let counts = async {
        if shared.config.counts {
            counts::keep(&shared).await;
        }
    };
    tokio::join!(exceptions, suppressions, hooks, counts);
    // With no kind to honour there is nothing to do, which is no end.
    std::future::pending::<()>().await;
}

/// Whether a refusal of the store is about what was asked, and not about the store's state.
pub(crate) fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::Invalid(_))
}
