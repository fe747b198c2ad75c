//! One kind of resource, followed: a list, then what changes, again and again, however often the connection breaks.
//!
//! *Invariants*: 1. a list that is being heard replaces what is known when it is complete, not before; 2. what was last heard holds while
//! the API server is away, or when we may no longer ask; where the definition is gone for [`ABSENT`] there are no objects (a server that
//! starts says so of every definition for a moment, and a webhook must not forget where it was for that); 3. each state is told once,
//! when it begins, whatever new words the API server finds for it.
//!
//! *Limits*: [`MAX_OBJECTS`] of a kind; after a failure the API server is left alone for [`FIRST`] to [`LONGEST`].

use crate::Shared;
use crate::write::root;
use futures_util::StreamExt;
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_manager::resources::{Following, ResourceKind};
use tokio::sync::watch;
use tokio::time::timeout;

/// Objects of a kind that are kept.
pub(crate) const MAX_OBJECTS: usize = 5_000;
/// How long a watch is kept before it is asked for anew, in seconds: one that says nothing for longer is dead. The client waits for an answer
/// a little longer.
const WATCH: u32 = 60;
/// How long a kind may be away before its objects are.
const ABSENT: Duration = Duration::from_secs(30);
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
/// A watch that fails no more says nothing until something changes: after this time the API server is asked whether it is well.
const SILENCE: Duration = Duration::from_secs(1);
/// How long it may take to answer that.
const ANSWER: Duration = Duration::from_secs(5);

/// Namespace (empty for those without) and name.
pub(crate) type Key = (String, String);

/// What was heard of a kind.
pub(crate) struct Heard<K> {
    pub(crate) objects: BTreeMap<Key, Arc<K>>,
    /// A list was complete, or it is known that there is none.
    pub(crate) is_known: bool,
}

impl<K> Default for Heard<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), is_known: false }
    }
}

/// Follows a kind for ever.
pub(crate) async fn follow<K>(api: Api<K>, kind: ResourceKind, shared: &Arc<Shared>, told: watch::Sender<Heard<K>>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut stream = pin!(watcher::watcher(api.clone(), watcher::Config::default().timeout(WATCH)));
    let mut coming = BTreeMap::new();
    let mut pause = FIRST;
    // Nothing was told yet.
    let mut state = Following::Waiting.word();
    let mut refused = false;
    let mut absent: Option<Instant> = None;
    loop {
        let next = if pause > FIRST { timeout(SILENCE, stream.next()).await } else { Ok(stream.next().await) };
        let error = match next {
            Ok(Some(Ok(event))) => {
                let (is_news, no_room) = take(&told, &mut coming, event);
                if no_room && !refused {
                    refused = true;
                    let (most, resource) = (MAX_OBJECTS, kind.resource());
                    shared.warn(&format!("more than {most} {resource}: the rest is as if it were not there"));
                }
                if !is_news {
                    continue;
                }
                None
            }
            Ok(Some(Err(error))) => Some(in_words(kind, &error)),
            // A watcher has no end.
            Ok(None) => return,
            Err(_) if !told.borrow().is_known => continue,
            Err(_) => match timeout(ANSWER, api.list(&ListParams::default().limit(1))).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(verdict(kind, code(&error), &error)),
                Err(_) => continue,
            },
        };
        let Some(following) = error else {
            (pause, absent) = (FIRST, None);
            shared.board.follows(kind, Following::Followed);
            if std::mem::replace(&mut state, Following::Followed.word()) != state {
                shared.say(&format!("{}: followed", kind.resource()));
            }
            continue;
        };
        absent = absent.filter(|_| matches!(following, Following::Missing(_)));
        if matches!(following, Following::Missing(_))
            && (!told.borrow().is_known || absent.get_or_insert_with(Instant::now).elapsed() >= ABSENT)
        {
            told.send_if_modified(|heard| {
                let is_news = !heard.is_known || !heard.objects.is_empty();
                *heard = Heard { objects: BTreeMap::new(), is_known: true };
                is_news
            });
        }
        if std::mem::replace(&mut state, following.word()) != state {
            (shared.config.say)(following.why().unwrap_or_default(), !matches!(following, Following::Missing(_)));
        }
        shared.board.follows(kind, following);
        tokio::time::sleep(jitter(pause)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Takes in what a watch says; whether that is news, and whether there was no room for it.
fn take<K: Resource>(
    told: &watch::Sender<Heard<K>>,
    coming: &mut BTreeMap<Key, Arc<K>>,
    event: Event<K>,
) -> (bool, bool) {
    let mut no_room = false;
    let is_news = match event {
        Event::Init => {
            coming.clear();
            false
        }
        Event::InitApply(object) => {
            no_room = !put(coming, object);
            false
        }
        Event::InitDone => {
            let objects = std::mem::take(coming);
            told.send_modify(|heard| *heard = Heard { objects, is_known: true });
            true
        }
        Event::Apply(object) => {
            told.send_modify(|heard| no_room = !put(&mut heard.objects, object));
            true
        }
        Event::Delete(object) => {
            told.send_modify(|heard| drop(heard.objects.remove(&key(&object))));
            true
        }
    };
    (is_news, no_room)
}

fn put<K: Resource>(objects: &mut BTreeMap<Key, Arc<K>>, object: K) -> bool {
    let key = key(&object);
    let has_room = objects.len() < MAX_OBJECTS || objects.contains_key(&key);
    if has_room {
        objects.insert(key, Arc::new(object));
    }
    has_room
}

fn key<K: Resource>(object: &K) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

fn in_words(kind: ResourceKind, error: &watcher::Error) -> Following {
    let code = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => code(error),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    };
    verdict(kind, code, error)
}

/// What a failure means.
fn verdict(kind: ResourceKind, code: Option<u16>, error: &dyn std::error::Error) -> Following {
    let resource = kind.resource();
    match code {
        Some(404) => Following::Missing(format!(
            "{resource} are not served by this cluster: without their definition (deploy/crds) nobody can make one; waiting for it"
        )),
        Some(403) => Following::Forbidden(format!(
            "may not list and watch {resource}: the manager's service account needs the verbs get, list and watch on them \
             (deploy/kubernetes/manager-rbac.yaml)"
        )),
        Some(401) => Following::Away(format!(
            "{resource}: the API server does not know us (401): the token is missing or has expired; trying again"
        )),
        _ => Following::Away(format!("{resource} are not heard of: {}; trying again", root(error))),
    }
}

/// Between a half and the whole of it.
pub(crate) fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1000;
    pause / 2 + pause.mul_f64(random as f64 / 2000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tapir_kubernetes::resources::AlertException;

    fn exception(name: &str) -> AlertException {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"description": "x", "selector": "type = waf", "startTime": "2026-11-23T00:00:00Z"},
        }))
        .unwrap()
    }

    fn names(told: &watch::Sender<Heard<AlertException>>) -> Vec<String> {
        told.borrow().objects.keys().map(|(_, name)| name.clone()).collect()
    }

    #[test]
    fn a_list_replaces_what_was_known_only_when_it_is_complete() {
        let told = watch::channel(Heard::<AlertException>::default()).0;
        let mut coming = BTreeMap::new();
        for event in [Event::Init, Event::InitApply(exception("a")), Event::InitApply(exception("b"))] {
            assert_eq!(take(&told, &mut coming, event), (false, false));
        }
        assert!(names(&told).is_empty() && !told.borrow().is_known);
        assert_eq!(take(&told, &mut coming, Event::InitDone), (true, false));
        take(&told, &mut coming, Event::Apply(exception("c")));
        take(&told, &mut coming, Event::Delete(exception("a")));
        assert_eq!(names(&told), ["b", "c"]);
        take(&told, &mut coming, Event::Init);
        take(&told, &mut coming, Event::InitApply(exception("c")));
        assert_eq!(names(&told), ["b", "c"]);
        take(&told, &mut coming, Event::InitDone);
        assert_eq!(names(&told), ["c"]);
    }

    #[test]
    fn what_has_no_room_is_told() {
        let told = watch::channel(Heard::<AlertException>::default()).0;
        let mut coming = BTreeMap::new();
        for number in 0..MAX_OBJECTS {
            assert_eq!(take(&told, &mut coming, Event::Apply(exception(&number.to_string()))), (true, false));
        }
        assert_eq!(take(&told, &mut coming, Event::Apply(exception("more"))), (true, true));
        assert_eq!(take(&told, &mut coming, Event::Apply(exception("0"))), (true, false));
        assert_eq!(told.borrow().objects.len(), MAX_OBJECTS);
    }
}
