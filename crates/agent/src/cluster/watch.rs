//! One kind of object, watched: a list, then what changes, again and again, however often the connection breaks.
//!
//! *Invariants*: a kind that the API server no longer serves has no objects only after it has said so for [`ABSENT`]: one that starts says
//! it of every definition of resources for a moment.
//!
//! *Limits*: after a failure the API server is left alone for [`FIRST`] to [`LONGEST`], a little differently on every node.

use super::table::{Key, Table};
use super::{Hub, World};
use crate::view::LabelMap;
use futures_util::{Stream, StreamExt};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a kind may be away before its objects are.
const ABSENT: Duration = Duration::from_secs(30);
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// Which table a kind has.
type In<T> = fn(&mut World) -> &mut Table<T>;

/// Watches whole objects; `reduce` says what is kept of one, `news` is told of changes.
pub(super) async fn objects<K, T>(
    hub: &Arc<Hub>,
    news: &Notify,
    api: Api<K>,
    config: watcher::Config,
    table: In<T>,
    reduce: impl Fn(K) -> Option<T>,
) where
    T: PartialEq,
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow(hub, news, &kind_of::<K>(), watcher::watcher(api, config), table, reduce).await;
}

/// Watches the labels of objects.
pub(super) async fn metadata<K>(
    hub: &Arc<Hub>,
    api: Api<PartialObjectMeta<K>>,
    config: watcher::Config,
    table: In<LabelMap>,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let stream = watcher::watcher(api, config);
    let labels = |object: PartialObjectMeta<K>| Some(object.metadata.labels.unwrap_or_default());
    follow(hub, &hub.changed, &kind_of::<K>(), stream, table, labels).await;
}

/// `pods`, `deeppacketinspections.projectcalico.org`: as permissions name it.
fn kind_of<K: Resource<DynamicType = ()>>() -> String {
    let (plural, group) = (K::plural(&()), K::group(&()));
    if group.is_empty() { plural.into_owned() } else { format!("{plural}.{group}") }
}

async fn follow<K: Resource, T: PartialEq>(
    hub: &Arc<Hub>,
    news: &Notify,
    kind: &str,
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    table: In<T>,
    reduce: impl Fn(K) -> Option<T>,
) {
    let mut stream = pin!(stream);
    let mut pause = FIRST;
    let mut failing = String::new();
    let mut absent: Option<Instant> = None;
    while let Some(event) = stream.next().await {
        let error = match event {
            Ok(event) => {
                let mut world = hub.world();
                let before = table(&mut world).refused();
                let is_news = take(table(&mut world), event, &reduce);
                let refused = table(&mut world).refused();
                drop(world);
                if before == 0 && refused > 0 {
                    (hub.say)(
                        &format!("there are more {kind} than are kept; the rest is as if it were not there"),
                        true,
                    );
                }
                if is_news {
                    news.notify_one();
                }
                // A list that has begun says nothing yet of how the next call goes.
                if is_news && !std::mem::take(&mut failing).is_empty() {
                    (hub.say)(&format!("{kind}: heard again"), false);
                }
                if is_news {
                    (pause, absent) = (FIRST, None);
                    hub.shared.deny(kind, None);
                }
                continue;
            }
            Err(error) => error,
        };
        let (why, verdict) = in_words(kind, &error);
        let is_heard = table(&mut hub.world()).is_heard();
        absent = absent.filter(|_| verdict == Verdict::NoSuchKind);
        hub.shared.deny(kind, (verdict == Verdict::Forbidden).then(|| why.clone()));
        let is_gone = match verdict {
            Verdict::NoSuchKind => !is_heard || absent.get_or_insert_with(Instant::now).elapsed() >= ABSENT,
            Verdict::Forbidden => !is_heard,
            Verdict::Passing => false,
        };
        if is_gone && table(&mut hub.world()).clear() {
            news.notify_one();
        }
        if failing != why {
            (hub.say)(&why, true);
            failing = why;
        }
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Takes in what a watch says; whether that changes what is known.
fn take<K: Resource, T: PartialEq>(table: &mut Table<T>, event: Event<K>, reduce: &impl Fn(K) -> Option<T>) -> bool {
    match event {
        Event::Init => {
            table.begin();
            false
        }
        Event::InitApply(object) => {
            table.list(key(&object), reduce(object));
            false
        }
        Event::InitDone => {
            table.complete();
            true
        }
        Event::Apply(object) => table.put(key(&object), reduce(object)),
        Event::Delete(object) => table.remove(&key(&object)),
    }
}

fn key<K: Resource>(object: &K) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// What a failure means for what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// There are no such objects.
    NoSuchKind,
    /// We may not see them; what was heard while we might holds.
    Forbidden,
    /// Nothing.
    Passing,
}

/// What went wrong.
fn in_words(kind: &str, error: &watcher::Error) -> (String, Verdict) {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        watcher::Error::WatchError(status) => Some(status),
        _ => None,
    };
    match status.map(|status| status.code) {
        Some(404) => {
            let why =
                format!("{kind} are not served by this cluster (yet): without their definition nobody can make one");
            (why, Verdict::NoSuchKind)
        }
        Some(401) => {
            let why = format!("{kind}: the API server does not know us (401): the token is missing or has expired");
            (why, Verdict::Passing)
        }
        Some(403) => {
            let why =
                format!("may not list and watch {kind}: the agent's service account needs get, list and watch on them");
            (why, Verdict::Forbidden)
        }
        _ => (format!("{kind} are not heard of: {}; trying again", root(error)), Verdict::Passing),
    }
}

/// The innermost reason: what is around it repeats it.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Between a half and the whole of it, so that the nodes of a cluster do not come back all at once.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1000;
    pause / 2 + pause.mul_f64(random as f64 / 2000.0)
}
