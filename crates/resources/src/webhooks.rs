//! `SecurityEventWebhook`: one task for each, which reads the store in the order of arrival and sends what the query matches.
//!
//! *Invariants*: 1. at least once: a mark moves when the receiver has acknowledged, refused for ever, or a day has passed, and each of
//! these is counted; 2. what an exception or a suppression hides at the time of sending is not sent; 3. a webhook that is slow, wrong or
//! away holds up no other.
//!
//! *Limits*: [`MAX_HOOKS`] webhooks are at work, the others say so; a hook that is new, or was disabled, begins with what comes from then on.
//! *Spec*: the incumbent's reference page of the resource; states, reasons and settings in `docs/kubernetes/resources.md`.

mod hook;
mod marks;
mod sample;
mod settings;

use crate::Shared;
use crate::follow::Heard;
use hook::Hook;
use kube::ResourceExt;
use marks::Marks;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tapir_kubernetes::resources::{SecurityEventWebhook, Verdict};
use tapir_manager::resources::{QueryFault, Resource, ResourceKind};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Webhooks at work.
pub(crate) const MAX_HOOKS: usize = 100;
/// How often the store is asked whether anything has changed.
const PULSE: Duration = Duration::from_secs(1);

/// What the tasks share.
pub(crate) struct Hooks {
    shared: Arc<Shared>,
    marks: Marks,
    /// The store's count of changes.
    pulse: watch::Receiver<u64>,
    states: Mutex<BTreeMap<String, Resource>>,
}

impl Hooks {
    /// How a webhook is now.
    fn report(&self, name: &str, verdict: &Verdict, fault: Option<QueryFault>) {
        let item = Resource {
            namespace: String::new(),
            name: name.to_owned(),
            is_honoured: verdict.holds == Some(true),
            reason: verdict.reason.to_owned(),
            message: verdict.message.clone(),
            fault,
            exception: None,
        };
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.get(name) != Some(&item) {
            states.insert(name.to_owned(), item);
            self.shared.board.tell(ResourceKind::SecurityEventWebhook, states.values().cloned().collect());
        }
    }

    /// Forgets all but these.
    fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let before = states.len();
        states.retain(|name, _| keep(name));
        if states.len() != before {
            self.shared.board.tell(ResourceKind::SecurityEventWebhook, states.values().cloned().collect());
        }
    }
}

/// A webhook at work.
struct Running {
    uid: String,
    told: watch::Sender<Arc<SecurityEventWebhook>>,
    task: AbortHandle,
}

/// Runs the cluster's webhooks for ever.
pub(crate) async fn keep(shared: &Arc<Shared>, heard: watch::Receiver<Heard<SecurityEventWebhook>>) {
    let (marks, trouble) = Marks::open(&shared.config.data_dir);
    if let Some(why) = trouble {
        shared.warn(&why);
    }
    let (beat, pulse) = watch::channel(0);
    let hooks = Arc::new(Hooks { shared: Arc::clone(shared), marks, pulse, states: Mutex::default() });
    tokio::join!(supervise(&hooks, heard), hooks.marks.keep(|why| shared.warn(why)), async {
        loop {
            tokio::time::sleep(PULSE).await;
            // A store in trouble is told by whoever reads events.
            if let Ok(change) = shared.store.last_change().await {
                beat.send_if_modified(|known| std::mem::replace(known, change) != change);
            }
        }
    });
}

async fn supervise(hooks: &Arc<Hooks>, mut heard: watch::Receiver<Heard<SecurityEventWebhook>>) {
    // Tasks end with it.
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<String, Running> = BTreeMap::new();
    loop {
        let objects = {
            let heard = heard.borrow_and_update();
            heard.is_known.then(|| heard.objects.values().cloned().collect::<Vec<_>>())
        };
        if let Some(objects) = objects {
            hooks.marks.retain(|uid| objects.iter().any(|object| object.metadata.uid.as_deref() == Some(uid)));
            running.retain(|name, one| {
                let uid = |object: &SecurityEventWebhook| object.metadata.uid.clone().unwrap_or_default();
                let stays = objects.iter().any(|object| object.name_any() == *name && uid(object) == one.uid);
                if !stays {
                    one.task.abort();
                }
                stays
            });
            hooks.retain(|name| objects.iter().any(|object| object.name_any() == name));
            for object in objects {
                let (name, uid) = (object.name_any(), object.metadata.uid.clone().unwrap_or_default());
                if let Some(one) = running.get(&name) {
                    one.told.send_if_modified(|known| {
                        let is_other = asks(known) != asks(&object);
                        *known = Arc::clone(&object);
                        is_other
                    });
                } else if running.len() >= MAX_HOOKS {
                    let why = format!("there are {MAX_HOOKS} webhooks at work already; remove some first");
                    hooks.report(&name, &Verdict::no(hook::HEALTHY, "WebhookState", why), None);
                } else {
                    let (told, asked) = watch::channel(object);
                    let task = tasks.spawn(Hook::new(Arc::clone(hooks), &name, &uid).run(asked));
                    running.insert(name, Running { uid, told, task });
                }
            }
        }
        // Tasks that were ended leave their result here.
        while tasks.try_join_next().is_some() {}
        if heard.changed().await.is_err() {
            return;
        }
    }
}

/// What of a webhook its owner decides; the rest is what we write ourselves.
fn asks(
    object: &SecurityEventWebhook,
) -> (&tapir_kubernetes::resources::SecurityEventWebhookSpec, [Option<&String>; 2]) {
    let annotation = |name| object.annotations().get(name);
    (&object.spec, [annotation(hook::LABELS), annotation(hook::TEST_EVENT)])
}
