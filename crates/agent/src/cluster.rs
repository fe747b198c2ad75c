//! The cluster as a source of [`View`]s: watches on the API server, joined.
//!
//! *How it fits*: one task for each kind of object ([`watch`]) keeps a table of what the agent needs of it ([`table`]); a change
//! of any of them makes a new view.
//!
//! *Invariants*: 1. while the API server is away what was last heard holds; 2. an object that cannot be understood takes no other
//! along; 3. no view is made before pods and resources were heard once, so that a start shows no emptiness that is none.
//!
//! *Limits*: pods of this node only (a field selector); of every object only the fields that are used are kept; tables are
//! bounded ([`table::MAX_OBJECTS`]). Changes within [`TOGETHER`] make one view.

mod reduce;
mod status;
mod table;
mod watch;

use crate::view::{Asked, LabelMap, View};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client};
use reduce::{Held, Slice};
pub use status::Facts;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use table::{Key, Table};
use tapir_kubernetes::resources::{DeepPacketInspection, StoredDeepPacketInspection};
use tokio::sync::{Notify, watch as channel};

/// Changes that follow each other within this time make one view.
const TOGETHER: Duration = Duration::from_millis(20);

/// Says something to people: a warning if it is one.
pub type Say = Arc<dyn Fn(&str, bool) + Send + Sync>;

/// What was heard of the cluster.
#[derive(Default)]
struct World {
    pods: Table<Arc<Pod>>,
    served: Table<Held>,
    stored: Table<Held>,
    namespaces: Table<LabelMap>,
    accounts: Table<LabelMap>,
    slices: Table<Slice>,
}

/// What the tasks share.
struct Hub {
    world: Mutex<World>,
    changed: Notify,
    say: Say,
}

impl Hub {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects with a file of kubectl, or from inside the cluster.
pub async fn client(kubeconfig: Option<&std::path::Path>) -> Result<Client, String> {
    let config = match kubeconfig {
        Some(path) => {
            let file =
                kube::config::Kubeconfig::read_from(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let options = kube::config::KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => kube::Config::incluster().map_err(|error| {
            format!(
                "not inside of a cluster ({error}): give --kubeconfig, or --resources for a host without Kubernetes"
            )
        })?,
    };
    Client::try_from(config).map_err(|error| format!("cannot make a client for the API server: {error}"))
}

/// Follows the cluster for ever, and tells it what this node does. `heard` becomes true with the first view.
pub async fn follow(
    client: Client,
    node: &str,
    views: channel::Sender<Arc<View>>,
    heard: channel::Sender<bool>,
    facts: Facts,
    say: Say,
) {
    let hub = Arc::new(Hub { world: Mutex::default(), changed: Notify::new(), say });
    let own = kube::runtime::watcher::Config::default().fields(&format!("spec.nodeName={node}"));
    let all = kube::runtime::watcher::Config::default;
    let tasks = async {
        tokio::join!(
            watch::objects::<Pod, _>(
                &hub,
                Api::all(client.clone()),
                own,
                |world| &mut world.pods,
                |pod| Some(Arc::new(reduce::pod(pod))),
            ),
            watch::objects::<DeepPacketInspection, _>(
                &hub,
                Api::all(client.clone()),
                all(),
                |world| &mut world.served,
                |resource| Some(reduce::served(&resource, node)),
            ),
            watch::objects::<StoredDeepPacketInspection, _>(
                &hub,
                Api::all(client.clone()),
                all(),
                |world| &mut world.stored,
                |resource| Some(reduce::stored(resource, node)),
            ),
            watch::metadata::<Namespace>(&hub, Api::all(client.clone()), |world| &mut world.namespaces),
            watch::metadata::<ServiceAccount>(&hub, Api::all(client.clone()), |world| &mut world.accounts),
            watch::objects::<EndpointSlice, _>(
                &hub,
                Api::all(client.clone()),
                all(),
                |world| &mut world.slices,
                |slice| Some(reduce::slice(slice)),
            ),
        )
    };
    let joined = async {
        loop {
            hub.changed.notified().await;
            tokio::time::sleep(TOGETHER).await;
            let Some(view) = hub.world().view() else { continue };
            views.send_replace(Arc::new(view));
            heard.send_replace(true);
        }
    };
    tokio::select! {
        _ = tasks => {}
        () = status::follow(&hub, client.clone(), node, facts) => {}
        () = joined => {}
    }
}

impl World {
    /// What is known now; nothing before the kinds that matter were heard.
    fn view(&self) -> Option<View> {
        if !(self.pods.is_heard() && self.served.is_heard() && self.stored.is_heard()) {
            return None;
        }
        // Where both forms are there, the one that is served counts.
        let mut inspections: BTreeMap<Key, Asked> =
            self.stored.iter().map(|(key, held)| (key.clone(), held.asked.clone())).collect();
        inspections.extend(self.served.iter().map(|(key, held)| (key.clone(), held.asked.clone())));
        let mut view = View {
            pods: self.pods.iter().map(|(_, pod)| Arc::clone(pod)).collect(),
            inspections,
            namespaces: self.namespaces.iter().map(|((_, name), labels)| (name.clone(), labels.clone())).collect(),
            accounts: self.accounts.iter().map(|(key, labels)| (key.clone(), labels.clone())).collect(),
            ..View::default()
        };
        for (_, slice) in self.slices.iter() {
            for (address, workload) in &slice.addresses {
                view.elsewhere.push((*address, Arc::clone(workload)));
                if !slice.service.is_empty() {
                    view.services.entry(*address).or_insert_with(|| slice.service.clone());
                }
            }
        }
        Some(view)
    }
}
