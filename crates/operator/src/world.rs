//! What the operator knows of the cluster: tables that watches keep.
//!
//! *How it fits*: one task for each kind of object fills a table and says that something changed; a pass reads them all.
//! *Invariants*: 1. while the API server is away what was last heard holds; 2. a table is swapped as a whole when a list is complete; 3. a kind
//! that the cluster does not serve is an empty table that was heard.
//! *Limits*: [`MAX_OBJECTS`] of a kind; what is beyond is as if it were not there, and told.

use crate::names::AgentNames;
use crate::object::{KEEPER, OPERATOR, resource};
use crate::options::Options;
use crate::pass::SINKS;
use crate::write::in_words;
use futures_util::future::join_all;
use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tapir_kubernetes::resources::{DeepPacketInspection, Inspection, IntrusionDetection, StoredDeepPacketInspection};
use tokio::sync::Notify;

/// Objects of a kind that are kept.
const MAX_OBJECTS: usize = 20_000;
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// Says something to people: a warning if it is one.
pub type Say = Arc<dyn Fn(&str, bool) + Send + Sync>;

/// Namespace and name.
pub type Key = (String, String);

/// Objects of a kind.
#[derive(Debug)]
pub struct Table<T> {
    objects: BTreeMap<Key, Arc<T>>,
    coming: BTreeMap<Key, Arc<T>>,
    heard: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), coming: BTreeMap::new(), heard: false }
    }
}

impl<T> Table<T> {
    /// All of them.
    pub fn all(&self) -> &BTreeMap<Key, Arc<T>> {
        &self.objects
    }
}

/// A definition of resources, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// It is one of ours.
    pub ours: bool,
    /// Whose it is else, for people.
    pub whose: String,
    /// Which version of it was judged.
    pub version: Option<String>,
    /// It is being deleted.
    pub leaving: bool,
}

/// All tables.
#[derive(Debug, Default)]
pub struct World {
    /// `DeepPacketInspection` of projectcalico.org.
    pub served: Table<DeepPacketInspection>,
    /// Those of crd.projectcalico.org.
    pub stored: Table<StoredDeepPacketInspection>,
    /// Ours.
    pub inspections: Table<Inspection>,
    /// The incumbent's settings.
    pub intrusion: Table<IntrusionDetection>,
    /// Nodes.
    pub nodes: Table<()>,
    /// Definitions of resources.
    pub definitions: Table<Installed>,
}

impl World {
    /// Whether everything was heard once that a pass depends on.
    pub fn is_heard(&self) -> bool {
        self.served.heard
            && self.stored.heard
            && self.inspections.heard
            && self.intrusion.heard
            && self.nodes.heard
            && self.definitions.heard
    }

    /// A definition by its name.
    pub fn definition(&self, name: &str) -> Option<Installed> {
        self.definitions.objects.get(&(String::new(), name.to_owned())).map(|known| Installed::clone(known))
    }
}

/// What the tasks share.
pub struct Hub {
    world: Mutex<World>,
    /// Something changed.
    pub changed: Notify,
    say: Say,
}

impl Hub {
    /// Nothing known yet.
    pub fn new(say: Say) -> Arc<Self> {
        Arc::new(Self { world: Mutex::default(), changed: Notify::new(), say })
    }

    /// The tables, locked: not to be held over a wait.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the cluster for ever.
pub async fn follow(hub: &Arc<Hub>, client: Client, options: &Options) {
    let of_all = watcher::Config::default;
    let definitions: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
    let nodes: Api<PartialObjectMeta<Node>> = Api::all(client.clone());
    tokio::join!(
        objects::<DeepPacketInspection>(hub, &client, |world| &mut world.served),
        objects::<StoredDeepPacketInspection>(hub, &client, |world| &mut world.stored),
        objects::<Inspection>(hub, &client, |world| &mut world.inspections),
        objects::<IntrusionDetection>(hub, &client, |world| &mut world.intrusion),
        table(
            hub,
            "customresourcedefinitions.apiextensions.k8s.io",
            watcher::watcher(definitions, of_all()),
            |world| &mut world.definitions,
            |definition| {
                let whose = crate::definition::foreign(&definition.metadata);
                Installed {
                    ours: whose.is_none(),
                    whose: whose.unwrap_or_default(),
                    version: definition.metadata.resource_version,
                    leaving: definition.metadata.deletion_timestamp.is_some(),
                }
            },
        ),
        table(hub, "nodes", watcher::watcher(nodes, of_all()), |world| &mut world.nodes, |_| ()),
        own_objects(hub, &client, options),
    );
}

async fn objects<K>(hub: &Arc<Hub>, client: &Client, of: fn(&mut World) -> &mut Table<K>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let name = format!("{}.{}", K::plural(&()), K::group(&()));
    let stream = watcher::watcher(Api::<K>::all(client.clone()), watcher::Config::default());
    table(hub, &name, stream, of, |mut object: K| {
        // Nobody here reads them, and they are half of every object.
        object.meta_mut().managed_fields = None;
        object
    })
    .await;
}

/// Our own objects: what somebody did to them is for the next pass to see.
async fn own_objects(hub: &Arc<Hub>, client: &Client, options: &Options) {
    let AgentNames { namespace: agents, .. } = options.agent();
    let namespaced = [
        ("v1", "ServiceAccount", "serviceaccounts"),
        ("v1", "ConfigMap", "configmaps"),
        ("v1", "Secret", "secrets"),
        ("v1", "Service", "services"),
        ("apps/v1", "DaemonSet", "daemonsets"),
        ("apps/v1", "StatefulSet", "statefulsets"),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
        ("rbac.authorization.k8s.io/v1", "Role", "roles"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    ];
    let of_cluster = [
        ("v1", "Namespace", "namespaces"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings"),
    ];
    let ours = || watcher::Config::default().labels(&format!("{KEEPER}={OPERATOR}"));
    let mut watched: Vec<_> = of_cluster.map(|kind| (kind, "", ours())).to_vec();
    for place in [options.namespace.as_str(), agents] {
        watched.extend(namespaced.map(|kind| (kind, place, ours())));
    }
    // Of people, but read by us.
    let sinks = watcher::Config::default().fields(&format!("metadata.name={SINKS}"));
    watched.push((("v1", "ConfigMap", "configmaps"), agents, sinks));
    let tasks = watched.into_iter().map(|((version, kind, plural), place, config)| {
        let resource = resource(version, kind, plural);
        let api: Api<PartialObjectMeta<DynamicObject>> = match place {
            "" => Api::all_with(client.clone(), &resource),
            place => Api::namespaced_with(client.clone(), place, &resource),
        };
        let hub = Arc::clone(hub);
        async move {
            let stream = watcher::watcher(api, config);
            follow_stream(&hub, plural, stream, |_, event| !matches!(event, Event::Init | Event::InitApply(_))).await;
        }
    });
    join_all(tasks).await;
}

async fn table<K: Resource, T>(
    hub: &Arc<Hub>,
    kind: &str,
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    of: fn(&mut World) -> &mut Table<T>,
    keep: impl Fn(K) -> T,
) {
    follow_stream(hub, kind, stream, |hub, event| {
        let mut world = hub.world();
        let table = of(&mut world);
        let key = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
        match event {
            Event::Init => {
                table.coming.clear();
                return false;
            }
            Event::InitApply(object) => {
                if table.coming.len() < MAX_OBJECTS {
                    table.coming.insert(key(&object), Arc::new(keep(object)));
                }
                return false;
            }
            Event::InitDone => {
                table.objects = std::mem::take(&mut table.coming);
                table.heard = true;
            }
            Event::Apply(object) => {
                if table.objects.len() < MAX_OBJECTS {
                    table.objects.insert(key(&object), Arc::new(keep(object)));
                }
            }
            Event::Delete(object) => {
                table.objects.remove(&key(&object));
            }
        }
        let is_full = table.objects.len() >= MAX_OBJECTS;
        drop(world);
        if is_full {
            (hub.say)(&format!("there are {MAX_OBJECTS} {kind} or more; the rest is as if it were not there"), true);
        }
        true
    })
    .await;
    // A stream of a watch has no end.
}

/// Takes a watch in, again and again, however often it breaks. `take` says whether an event is news.
async fn follow_stream<K>(
    hub: &Arc<Hub>,
    kind: &str,
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    mut take: impl FnMut(&Arc<Hub>, Event<K>) -> bool,
) {
    let mut stream = pin!(stream);
    let (mut pause, mut failing) = (FIRST, String::new());
    while let Some(event) = stream.next().await {
        let error = match event {
            Ok(event) => {
                if take(hub, event) {
                    hub.changed.notify_one();
                    pause = FIRST;
                    if !std::mem::take(&mut failing).is_empty() {
                        (hub.say)(&format!("{kind}: heard again"), false);
                    }
                }
                continue;
            }
            Err(error) => error,
        };
        let (why, is_absent) = said_of(kind, &error);
        if is_absent {
            hub.absent(kind);
        }
        if failing != why {
            (hub.say)(&why, !is_absent);
            failing = why;
        }
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

impl Hub {
    /// The cluster does not serve a kind: it was heard, and has nothing that was not there before. What was known stays, since an API server that
    /// starts answers the same for a moment.
    fn absent(&self, kind: &str) {
        let mut world = self.world();
        let heard = match kind {
            "deeppacketinspections.projectcalico.org" => &mut world.served.heard,
            "deeppacketinspections.crd.projectcalico.org" => &mut world.stored.heard,
            "inspections.tapir.dev" => &mut world.inspections.heard,
            "intrusiondetections.operator.tigera.io" => &mut world.intrusion.heard,
            _ => return,
        };
        if !std::mem::replace(heard, true) {
            self.changed.notify_one();
        }
    }
}

/// What went wrong, and whether it is that there are no such objects.
fn said_of(kind: &str, error: &watcher::Error) -> (String, bool) {
    let cause = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => return (format!("{kind}: {}", status.message), false),
        watcher::Error::NoResourceVersion => return (format!("{kind}: the API server gave no version"), false),
    };
    match cause {
        kube::Error::Api(status) if status.code == 404 => {
            (format!("{kind} are not served by this cluster (yet)"), true)
        }
        error => (format!("{kind}: {}", in_words(error)), false),
    }
}

/// Between a half and the whole of it.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1000;
    pause / 2 + pause.mul_f64(random as f64 / 2000.0)
}
