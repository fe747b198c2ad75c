//! The cluster as a source of [`View`]s: watches on the API server, joined.
//!
//! *How it fits*: one task for each kind of object ([`watch`]) keeps a table of what the agent needs of it ([`table`]); a change
//! of any of them makes a new view.
//!
//! *Invariants*: 1. while the API server is away what was last heard holds; 2. an object that cannot be understood takes no other
//! along; 3. no view is made before pods and resources were heard once, so that a start shows no emptiness that is none.
//!
//! *Limits*: whole pods of this node only (a field selector), of others what names them ([`far`]); ConfigMaps and Secrets with the label of
//! rules, in the agent's own namespace; of every object only the fields that are used are kept; tables are bounded ([`table::MAX_OBJECTS`]).
//! Changes within [`TOGETHER`] make one view, those of names alone within [`NAMES_TOGETHER`]. A connection that has gone silent is given up
//! after [`WATCH`] and a few seconds; a new one gets [`CONNECTING`].

mod far;
mod reduce;
mod status;
mod table;
mod watch;

use crate::library::{LABEL, Library, Shelf};
use crate::selection::Object;
use crate::shared::Shared;
use crate::view::{Asked, LabelMap, View};
use far::{Far, FarPod};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Secret, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Config as Watched;
use kube::{Api, Client};
use reduce::{Held, HeldWhole, Slice};
pub use status::Facts;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use table::{Key, Table};
use tapir_kubernetes::resources::{DeepPacketInspection, Inspection, StoredDeepPacketInspection};
use tokio::sync::{Notify, watch as channel};

/// Changes that follow each other within this time make one view.
const TOGETHER: Duration = Duration::from_millis(20);
/// The same of what only gives names to addresses: somewhere in a large cluster a pod changes all the time.
const NAMES_TOGETHER: Duration = Duration::from_millis(250);
/// How long a watch is kept before it is asked for anew, in seconds: one that says nothing for longer is dead.
const WATCH: u32 = 60;
/// How long an answer may keep us waiting: a little longer than a watch on which nothing happens.
const ANSWER: Duration = Duration::from_secs(WATCH as u64 + 8);
/// How long a connection to the API server may take.
const CONNECTING: Duration = Duration::from_secs(10);
/// Pods of other nodes that are asked for at once. The API has tens of kilobytes of each, which pass through our memory.
const PAGE: u32 = 100;

/// Says something to people: a warning if it is one.
pub type Say = Arc<dyn Fn(&str, bool) + Send + Sync>;

/// What was heard of the cluster.
#[derive(Default)]
struct World {
    pods: Table<Arc<Pod>>,
    served: Table<Held>,
    stored: Table<Held>,
    wholes: Table<HeldWhole>,
    nodes: Table<LabelMap>,
    config_maps: Table<Shelf>,
    secrets: Table<Shelf>,
    namespaces: Table<LabelMap>,
    accounts: Table<LabelMap>,
    slices: Table<Slice>,
    far: Table<Far>,
}

/// What the tasks share.
struct Hub {
    world: Mutex<World>,
    changed: Notify,
    /// Something changed that only gives names.
    named: Notify,
    shared: Arc<Shared>,
    say: Say,
}

impl Hub {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects with a file of kubectl, or from inside the cluster.
pub async fn client(kubeconfig: Option<&std::path::Path>) -> Result<Client, String> {
    let mut config = match kubeconfig {
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
    // Without these a question whose answer is lost on the way is waited for for ever.
    config.connect_timeout = Some(CONNECTING);
    config.read_timeout = Some(ANSWER);
    Client::try_from(config).map_err(|error| format!("cannot make a client for the API server: {error}"))
}

/// Who is told what is heard.
pub struct Tell {
    /// What is to be inspected.
    pub views: channel::Sender<Arc<View>>,
    /// Rules.
    pub library: channel::Sender<Arc<Library>>,
    /// Whether anything was heard.
    pub heard: channel::Sender<bool>,
}

/// Which pods of other nodes events name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FarNames {
    /// All.
    #[default]
    Pods,
    /// Those that a service selects, without owner and labels: less is asked of the API server.
    Services,
}

/// What to follow.
pub struct Follow<'f> {
    /// The way to the API server.
    pub client: Client,
    /// Name of this node.
    pub node: &'f str,
    /// Where rules are looked for; `None`: in the client's own namespace.
    pub namespace: Option<&'f str>,
    /// Which pods of other nodes are named.
    pub far_names: FarNames,
}

/// Follows the cluster, and tells it what this node does, until [`Facts::ending`]. `heard` becomes true with the first view.
pub async fn follow(what: Follow<'_>, tell: Tell, facts: Facts, say: Say) {
    let Follow { client, node, namespace, far_names } = what;
    let Tell { views, library, heard } = tell;
    let namespace = namespace.unwrap_or_else(|| client.default_namespace()).to_owned();
    let all = || Watched::default().timeout(WATCH);
    let labelled = || all().labels(LABEL);
    let this = all().fields(&format!("metadata.name={node}"));
    let own = all().fields(&format!("spec.nodeName={node}"));
    let others = all().fields(&far::selected(node)).page_size(PAGE);
    let hub = Arc::new(Hub {
        world: Mutex::default(),
        changed: Notify::new(),
        named: Notify::new(),
        shared: Arc::clone(&facts.shared),
        say,
    });
    let far = async {
        if far_names == FarNames::Pods {
            let api = Api::all(client.clone());
            watch::objects::<FarPod, _>(&hub, &hub.named, api, others, |world| &mut world.far, Far::of).await;
        }
    };
    let tasks = async {
        tokio::join!(
            watch::objects::<Pod, _>(
                &hub,
                &hub.changed,
                Api::all(client.clone()),
                own,
                |world| &mut world.pods,
                |pod| Some(Arc::new(reduce::pod(pod))),
            ),
            watch::objects::<DeepPacketInspection, _>(
                &hub,
                &hub.changed,
                Api::all(client.clone()),
                all(),
                |world| &mut world.served,
                |resource| Some(reduce::served(&resource, node)),
            ),
            watch::objects::<StoredDeepPacketInspection, _>(
                &hub,
                &hub.changed,
                Api::all(client.clone()),
                all(),
                |world| &mut world.stored,
                |resource| Some(reduce::stored(resource, node)),
            ),
            watch::objects::<Inspection, _>(
                &hub,
                &hub.changed,
                Api::all(client.clone()),
                all(),
                |world| &mut world.wholes,
                |resource| Some(reduce::whole(&resource, node)),
            ),
            watch::objects::<ConfigMap, _>(
                &hub,
                &hub.changed,
                Api::namespaced(client.clone(), &namespace),
                labelled(),
                |world| &mut world.config_maps,
                Shelf::of_config_map,
            ),
            watch::objects::<Secret, _>(
                &hub,
                &hub.changed,
                Api::namespaced(client.clone(), &namespace),
                labelled(),
                |world| &mut world.secrets,
                Shelf::of_secret,
            ),
            watch::metadata::<Node>(&hub, Api::all(client.clone()), this, |world| &mut world.nodes),
            watch::metadata::<Namespace>(&hub, Api::all(client.clone()), all(), |world| &mut world.namespaces),
            watch::metadata::<ServiceAccount>(&hub, Api::all(client.clone()), all(), |world| &mut world.accounts),
            watch::objects::<EndpointSlice, _>(
                &hub,
                &hub.named,
                Api::all(client.clone()),
                all(),
                |world| &mut world.slices,
                |slice| Some(reduce::slice(slice)),
            ),
            far,
        )
    };
    let joined = async {
        loop {
            tokio::select! {
                () = hub.changed.notified() => {}
                () = hub.named.notified() => {
                    // Something that matters more does not wait for it.
                    let _ = tokio::time::timeout(NAMES_TOGETHER, hub.changed.notified()).await;
                }
            }
            tokio::time::sleep(TOGETHER).await;
            let (view, lent) = {
                let mut world = hub.world();
                (world.view(), world.rule_texts())
            };
            library.send_if_modified(|known| {
                let is_new = **known != lent;
                if is_new {
                    *known = Arc::new(lent);
                }
                is_new
            });
            let Some(view) = view else { continue };
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
    /// Rules that were heard of.
    fn rule_texts(&self) -> Library {
        let shelves = |table: &Table<Shelf>, is_secret| {
            let shelf =
                move |((_, name), shelf): (&Key, &Shelf)| (Object { is_secret, name: name.clone() }, shelf.clone());
            table.iter().map(shelf).collect::<Vec<_>>()
        };
        let all = shelves(&self.config_maps, false).into_iter().chain(shelves(&self.secrets, true));
        Library { shelves: all.collect() }
    }

    /// What is known now; nothing before the kinds that matter were heard.
    fn view(&mut self) -> Option<View> {
        if !(self.pods.is_heard() && self.served.is_heard() && self.stored.is_heard() && self.wholes.is_heard()) {
            return None;
        }
        // Where both forms are there, the one that is served counts.
        let mut inspections: BTreeMap<Key, Asked> =
            self.stored.iter().map(|(key, held)| (key.clone(), held.asked.clone())).collect();
        inspections.extend(self.served.iter().map(|(key, held)| (key.clone(), held.asked.clone())));
        inspections.extend(self.wholes.iter().map(|(key, held)| (key.clone(), held.asked.clone())));
        let mut view = View {
            node: self.nodes.iter().next().map(|(_, labels)| labels.clone()),
            pods: self.pods.iter().map(|(_, pod)| Arc::clone(pod)).collect(),
            inspections,
            namespaces: self.namespaces.iter().map(|((_, name), labels)| (name.clone(), labels.clone())).collect(),
            accounts: self.accounts.iter().map(|(key, labels)| (key.clone(), labels.clone())).collect(),
            ..View::default()
        };
        for (_, slice) in self.slices.iter().filter(|(_, slice)| !slice.service.is_empty()) {
            for (address, _) in &slice.addresses {
                view.services.entry(*address).or_insert_with(|| slice.service.clone());
            }
        }
        // What a pod says of itself goes before what a service knows of it.
        for far in self.far.values_mut() {
            far.serve(&view.services);
            view.elsewhere.extend(far.addresses.iter().map(|address| (*address, Arc::clone(&far.workload))));
        }
        for (_, slice) in self.slices.iter() {
            view.elsewhere.extend(slice.addresses.iter().map(|(address, named)| (*address, Arc::clone(named))));
        }
        Some(view)
    }
}
