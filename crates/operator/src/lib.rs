//! The operator: what the cluster must have so that nodes inspect and people see.
//!
//! *How it fits*: [`run`] follows the cluster, and while it leads makes passes: definitions, manager, agents, both forms of inspections, and how all
//! of it is. [`install`] is what brings the operator itself into a cluster. What is to be is made by [`render`], as values.
//!
//! | module | knows |
//! | --- | --- |
//! | [`options`], [`names`] | what may be chosen, what things are called |
//! | [`render`], [`install`], [`object`] | objects to be |
//! | [`world`] | what is known of the cluster |
//! | [`definition`] | whose a definition of resources is |
//! | [`twin`] | how two forms of a resource are kept alike |
//! | [`credentials`] | token and certificates |
//! | `pass`, `told`, `write` | what is done and told |
//! | [`lease`], [`health`] | one at a time, and alive |
//!
//! *Invariants*: only our own objects are changed; nothing is written by an operator that does not lead.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

pub mod credentials;
pub mod definition;
pub mod health;
pub mod install;
pub mod lease;
pub mod names;
pub mod object;
pub mod options;
mod pass;
pub mod render;
mod told;
pub mod twin;
pub mod world;
mod write;

use health::Health;
use lease::Lease;
use options::Options;
use pass::Pass;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use told::Teller;
use world::{Hub, Say};

/// Changes that follow each other within this time make one pass.
const TOGETHER: Duration = Duration::from_millis(200);
/// A pass is made at least so often.
const RESYNC: Duration = Duration::from_secs(60);
/// After a failure: first, and at the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// How long an answer of the API server may keep us waiting: longer than a watch on which nothing happens, which ends after 290 seconds.
const ANSWER: Duration = Duration::from_secs(300);

/// What [`run`] needs.
pub struct Config {
    /// Choices of the installation.
    pub options: Options,
    /// Who this one is among operators: the pod's name.
    pub identity: String,
    /// Its log.
    pub say: Say,
}

/// Connects with a file of kubectl, or from inside the cluster.
pub async fn client(kubeconfig: Option<&std::path::Path>) -> Result<kube::Client, String> {
    let mut config = match kubeconfig {
        Some(path) => {
            let told = |error: kube::config::KubeconfigError| format!("{}: {error}", path.display());
            let file = kube::config::Kubeconfig::read_from(path).map_err(told)?;
            kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
                .await
                .map_err(told)?
        }
        None => kube::Config::incluster()
            .map_err(|error| format!("not inside of a cluster ({error}): give --kubeconfig"))?,
    };
    // Without it a question whose answer is lost on the way is waited for for ever.
    config.read_timeout = Some(ANSWER);
    kube::Client::try_from(config).map_err(|error| format!("cannot make a client for the API server: {error}"))
}

/// The cluster of kubectl's current context, or of `context`; `None` where kubectl has none.
pub async fn current(
    kubeconfig: Option<&std::path::Path>,
    context: Option<&str>,
) -> Result<Option<kube::Client>, String> {
    let file = match kubeconfig {
        Some(path) => {
            kube::config::Kubeconfig::read_from(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => match kube::config::Kubeconfig::read() {
            Ok(file) => file,
            Err(_) if context.is_none() => return Ok(None),
            Err(error) => return Err(error.to_string()),
        },
    };
    let options = kube::config::KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
    let config = kube::Config::from_custom_kubeconfig(file, &options).await.map_err(|error| error.to_string())?;
    kube::Client::try_from(config).map(Some).map_err(|error| error.to_string())
}

/// Names of definitions that are there and are not ours.
pub async fn foreign_definitions(client: &kube::Client) -> Result<Vec<String>, String> {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let api: kube::Api<CustomResourceDefinition> = kube::Api::all(client.clone());
    let mut foreign = Vec::new();
    for definition in tapir_kubernetes::crds::all() {
        let found = api.get_metadata_opt(definition.name()).await.map_err(|error| write::in_words(&error))?;
        if found.is_some_and(|found| definition::foreign(&found.metadata).is_some()) {
            foreign.push(definition.name().to_owned());
        }
    }
    Ok(foreign)
}

/// Whose a namespace is that an installation uses and does not keep; `None`: it is ours, or not there.
pub async fn whose_namespace(client: &kube::Client, name: &str) -> Result<Option<String>, String> {
    let resource = object::resource("v1", "Namespace", "namespaces");
    let found = write::api(client, &resource, "").get_opt(name).await.map_err(|error| write::in_words(&error))?;
    let is_installed = found.as_ref().is_some_and(write::is_installed);
    Ok(found.as_ref().filter(|_| !is_installed).and_then(write::foreign))
}

/// Writes an object of an installation; what was done, in kubectl's words.
pub async fn put(client: &kube::Client, object: &object::Object) -> Result<&'static str, String> {
    match write::install(client, object).await {
        Ok(write::Outcome::Created) => Ok("created"),
        Ok(write::Outcome::Same) => Ok("unchanged"),
        Ok(_) => Ok("configured"),
        Err(error) => Err(format!("{}: {}", object.in_words(), write::in_words(&error))),
    }
}

/// Runs until `stop` is done, or until the lease is lost: then the text says why, and another process is to begin anew.
pub async fn run(
    client: kube::Client,
    config: Config,
    listener: TcpListener,
    health: Arc<Health>,
    stop: impl Future<Output = ()>,
) -> Option<String> {
    let Config { options, identity, say } = config;
    let hub = Hub::new(Arc::clone(&say));
    let mut lease = Lease::new(client.clone(), &options.namespace, names::OPERATOR, &identity);
    let ended = tokio::select! {
        lost = lead(&mut lease, &client, &options, &hub, &identity, &say, &health) => Some(lost),
        () = world::follow(&hub, client.clone(), &options) => None,
        () = heard(&hub, &health) => None,
        () = Arc::clone(&health).serve(listener) => None,
        () = stop => None,
    };
    if ended.is_none() && health.leads.load(Ordering::Relaxed) {
        lease.release().await;
    }
    ended
}

/// Waits for the lease, then makes passes until it is lost; why it is.
async fn lead(
    lease: &mut Lease,
    client: &kube::Client,
    options: &Options,
    hub: &Arc<Hub>,
    identity: &str,
    say: &Say,
    health: &Arc<Health>,
) -> String {
    let mut said = String::new();
    let acquired = lease.acquire(|text| {
        health.beat();
        if said != text {
            text.clone_into(&mut said);
            say(text, false);
        }
    });
    acquired.await;
    health.leads.store(true, Ordering::Relaxed);
    say(&format!("{identity} leads"), false);
    let lost = tokio::select! {
        lost = lease.hold() => lost,
        () = passes(client, options, hub, identity, say, health) => String::new(),
    };
    health.leads.store(false, Ordering::Relaxed);
    lost
}

/// Marks that the cluster was heard, then waits for ever.
async fn heard(hub: &Hub, health: &Health) {
    while !hub.world().is_heard() {
        tokio::time::sleep(TOGETHER).await;
    }
    health.heard.store(true, Ordering::Relaxed);
    std::future::pending().await
}

async fn passes(
    client: &kube::Client,
    options: &Options,
    hub: &Arc<Hub>,
    identity: &str,
    say: &Say,
    health: &Arc<Health>,
) {
    let mut teller = Teller::new(client.clone(), identity, Arc::clone(say), Arc::clone(&health.seen));
    let mut pause = RESYNC;
    let mut failed_before = RETRY.0;
    loop {
        // Whatever changed meanwhile makes it come at once.
        drop(tokio::time::timeout(pause, hub.changed.notified()).await);
        tokio::time::sleep(TOGETHER).await;
        health.beat();
        if !hub.world().is_heard() {
            pause = TOGETHER;
            continue;
        }
        let failed = Pass { client, options, hub, teller: &mut teller }.run().await;
        (pause, failed_before) = match failed {
            true => (failed_before, (failed_before * 2).min(RETRY.1)),
            false => (RESYNC, RETRY.0),
        };
    }
}
