//! One operator at a time: a Lease of the cluster, taken, renewed, lost.
//!
//! *How it fits*: [`Lease::acquire`] waits for the turn, [`Lease::hold`] keeps it and returns when it is lost; between the two the operator
//! writes.
//! *Invariants*: who holds it stops writing at [`GIVE_UP`] without a renewal, before another may take it at [`LASTS`]; how long another's
//! lease lasts is measured by our own clock from when we saw it renewed, so that clocks may differ.
//! *Spec*: coordination.k8s.io/v1; client-go's leader election, whose times these are.

use crate::write::in_words;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, Error};
use std::time::{Duration, Instant};

/// How long a lease lasts.
const LASTS: Duration = Duration::from_secs(15);
/// When its holder gives up.
const GIVE_UP: Duration = Duration::from_secs(10);
/// How often it is renewed, and looked at by those who wait.
const EVERY: Duration = Duration::from_secs(2);
/// A call takes no longer.
const CALL: Duration = Duration::from_secs(5);

/// A lease by its name, and who we are.
pub struct Lease {
    api: Api<Object>,
    name: String,
    identity: String,
    /// What another last wrote, and when we saw it.
    seen: Option<(String, Instant)>,
}

impl Lease {
    /// Of a namespace.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.into(), identity: identity.into(), seen: None }
    }

    /// Waits until it is ours. `say` hears whom we wait for, and what goes wrong.
    pub async fn acquire(&mut self, mut say: impl FnMut(&str)) {
        loop {
            match tokio::time::timeout(CALL, self.take()).await {
                Ok(Ok(None)) => return,
                Ok(Ok(Some(holder))) => say(&format!("waiting: {holder} leads")),
                Ok(Err(error)) => say(&format!("cannot take the lease {}: {}", self.name, in_words(&error))),
                Err(_) => say(&format!("cannot take the lease {}: the API server does not answer", self.name)),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Renews it; returns why it is no longer ours.
    pub async fn hold(&mut self) -> String {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(EVERY).await;
            let left = GIVE_UP.saturating_sub(renewed.elapsed());
            let failed = match tokio::time::timeout(left.min(CALL), self.take()).await {
                Ok(Ok(None)) => {
                    renewed = Instant::now();
                    continue;
                }
                Ok(Ok(Some(holder))) => return format!("{holder} leads now"),
                Ok(Err(error)) => in_words(&error),
                Err(_) => "the API server does not answer".to_owned(),
            };
            if renewed.elapsed() >= GIVE_UP {
                return format!("the lease could not be renewed: {failed}");
            }
        }
    }

    /// Takes or renews it; the holder, if that is another.
    async fn take(&mut self) -> Result<Option<String>, Error> {
        let now = Timestamp::now();
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let fresh = Object { metadata, spec: Some(self.spec(now, None)) };
            return match self.api.create(&PostParams::default(), &fresh).await {
                Ok(_) => Ok(None),
                // Somebody was faster: his turn.
                Err(Error::Api(status)) if status.code == 409 => Ok(Some("another".to_owned())),
                Err(error) => Err(error),
            };
        };
        let old = lease.spec.take().unwrap_or_default();
        let holder = old.holder_identity.clone().unwrap_or_default();
        if holder != self.identity && !holder.is_empty() {
            let version = lease.metadata.resource_version.clone().unwrap_or_default();
            match &self.seen {
                Some((seen, at)) if *seen == version && at.elapsed() > lasts(&old) => {}
                Some((seen, _)) if *seen == version => return Ok(Some(holder)),
                _ => {
                    self.seen = Some((version, Instant::now()));
                    return Ok(Some(holder));
                }
            }
        }
        lease.spec = Some(self.spec(now, Some(&old)));
        match self.api.replace(&self.name, &PostParams::default(), &lease).await {
            Ok(_) => Ok(None),
            Err(Error::Api(status)) if status.code == 409 => Ok(Some("another".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// What we write over `old`.
    fn spec(&self, now: Timestamp, old: Option<&LeaseSpec>) -> LeaseSpec {
        let same = old.filter(|old| old.holder_identity.as_deref() == Some(&self.identity));
        let changes = old.and_then(|old| old.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: same.map_or(Some(MicroTime(now)), |same| same.acquire_time.clone()),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(if old.is_none() || same.is_some() { changes } else { changes.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }

    /// Gives it up in order, so that the next one need not wait.
    pub async fn release(&mut self) {
        let Ok(Ok(Some(mut lease))) = tokio::time::timeout(CALL, self.api.get_opt(&self.name)).await else { return };
        if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) != Some(&self.identity) {
            return;
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        drop(tokio::time::timeout(CALL, self.api.replace(&self.name, &PostParams::default(), &lease)).await);
    }
}

/// How long a lease of another lasts.
fn lasts(spec: &LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(LASTS, |seconds| Duration::from_secs(seconds.clamp(1, 300)))
}
