//! People and agents whom the cluster knows: their tokens by TokenReview, their permissions by SubjectAccessReview.
//!
//! Permissions are those of resources in our API group ([`GROUP`]), which need not exist as objects: `list` on `alerts`
//! to see them, `update` on `alerts` to decide, `create` on `suppressions`, and `create` on `events` for agents. Each is
//! asked for the whole cluster first, and then for each namespace in which there are alerts. Who may read events by a role of Calico
//! Enterprise ([`INCUMBENT`]) sees all alerts.
//!
//! The token is reviewed again after a minute ([`crate::Limits::known`]), and so are the permissions, in sessions, too; a session ends with its
//! token. When the API server fails nobody comes in and nobody is turned away: the answer is 503.
//! *Limits*: 1,000 tokens and as many people in memory; 500 namespaces, the ones with the most alerts; what is refused is
//! kept for ten seconds.

mod good;
mod review;

use super::cache::Cache;
use super::tokens::{Hash, hash};
use super::{Authenticator, How, Identity, Reach, Realm, Verdict, outside};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use good::Good;
use review::{Permission, Reviews};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tapir_query::Field;
use tapir_store::{EventStore, Filter, TopRequest};
use tokio::task::JoinSet;

pub(crate) use review::Subject;

/// API group of the resources that permissions are about.
pub const GROUP: &str = "tapir.dev";

/// What the roles of Calico Enterprise and Cloud give to who may see security events: in the whole cluster, or not at all. `cluster` is
/// the name that a cluster has for itself.
const INCUMBENT: Permission<'static> =
    Permission { group: "lma.tigera.io", resource: "cluster", name: "events", verb: "get", namespace: "" };

const REFUSED: Duration = Duration::from_secs(10);
const LISTED: Duration = Duration::from_secs(15);
const MOST: usize = 1_000;
const NAMESPACES: usize = 500;

/// Where the API server is, and how the manager asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// Its address, `https://…`.
    pub server: String,
    /// The manager's own token; it needs `create` on `tokenreviews` and `subjectaccessreviews`
    /// (ClusterRole `system:auth-delegator`). Read again and again, since Kubernetes replaces it.
    pub token: Option<PathBuf>,
    /// Authorities of the API server, PEM.
    pub authorities: Option<PathBuf>,
    /// Tokens must be for one of these; empty: for the API server itself.
    pub audiences: Vec<String>,
}

impl KubernetesConfig {
    /// As a pod finds it; `None` outside of one.
    pub fn in_cluster() -> Option<Self> {
        const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
        let (host, port) =
            (std::env::var("KUBERNETES_SERVICE_HOST").ok()?, std::env::var("KUBERNETES_SERVICE_PORT").ok()?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Some(Self {
            server: format!("https://{host}:{port}"),
            token: Some(PathBuf::from(MOUNT).join("token")),
            authorities: Some(PathBuf::from(MOUNT).join("ca.crt")),
            audiences: Vec::new(),
        })
    }
}

/// The namespaces with alerts, as they were a moment ago.
struct Listed {
    at: Option<Instant>,
    names: Arc<BTreeSet<String>>,
}

pub(crate) struct Kubernetes {
    reviews: Arc<Reviews>,
    store: Arc<dyn EventStore>,
    tokens: Cache<Option<Arc<Subject>>>,
    good: Good,
    granted: Cache<Arc<Granted>>,
    listed: Mutex<Listed>,
    /// How long what was found holds.
    known: Duration,
}

/// What somebody may do.
struct Granted {
    realm: Realm,
    ingest: bool,
}

impl Kubernetes {
    pub(crate) fn new(config: &KubernetesConfig, known: Duration, store: Arc<dyn EventStore>) -> Self {
        Self {
            reviews: Arc::new(Reviews::new(config)),
            store,
            tokens: Cache::new(MOST),
            good: Good::new(MOST),
            granted: Cache::new(MOST),
            listed: Mutex::new(Listed { at: None, names: Arc::default() }),
            known,
        }
    }

    async fn subject(&self, token: &str) -> Result<Option<Arc<Subject>>, String> {
        let ask = async {
            let mut subject = self.reviews.token(token).await?;
            if let Some(subject) = &mut subject {
                subject.expires = expiry(token);
            }
            self.good.found(hash(token), subject.is_some());
            let holds = if subject.is_some() { self.known } else { REFUSED };
            Ok((subject.map(Arc::new), holds))
        };
        self.tokens.get(hash(token), ask).await
    }

    /// What he is now.
    async fn known(&self, subject: &Arc<Subject>) -> Result<Identity, String> {
        let ask = async { Ok((Arc::new(self.grants(subject).await?), self.known)) };
        let granted = self.granted.get(key(subject), ask).await?;
        let user = outside("kubernetes", &subject.username);
        let mut identity = if granted.ingest && granted.realm.read.is_nowhere() {
            Identity::agent(user, How::Kubernetes, subject.node().map(str::to_owned))
        } else {
            Identity::new(user, How::Kubernetes, granted.realm.clone())
        };
        identity.can.ingest = granted.ingest;
        identity.subject = Some(Arc::clone(subject));
        Ok(identity)
    }

    async fn grants(&self, subject: &Arc<Subject>) -> Result<Granted, String> {
        let one = |verb, resource| self.reviews.may(subject, own(verb, resource, ""));
        let read = async { Ok(one("list", "alerts").await? || self.reviews.may(subject, INCUMBENT).await?) };
        let (read, act, tune, ingest) =
            tokio::try_join!(read, one("update", "alerts"), one("create", "suppressions"), one("create", "events"))?;
        let read = match read {
            true => Reach::All,
            false => {
                let listed = self.namespaces().await?;
                self.among(subject, "list", "alerts", &listed).await?
            }
        };
        // Only what is seen can be decided about: nothing else needs to be asked.
        let seen = match &read {
            Reach::All if act && tune => Arc::default(),
            Reach::All => self.namespaces().await?,
            Reach::Only(some) => Arc::clone(some),
        };
        let act = if act { Reach::All } else { self.among(subject, "update", "alerts", &seen).await? };
        let tune = if tune { Reach::All } else { self.among(subject, "create", "suppressions", &seen).await? };
        Ok(Granted { realm: Realm { read, act, tune }, ingest })
    }

    /// Those of the namespaces in which he may. One answer that fails is a failure of all.
    async fn among(
        &self,
        subject: &Arc<Subject>,
        verb: &'static str,
        resource: &'static str,
        namespaces: &BTreeSet<String>,
    ) -> Result<Reach, String> {
        let mut asked = JoinSet::new();
        for namespace in namespaces.iter().cloned() {
            let (reviews, subject) = (Arc::clone(&self.reviews), Arc::clone(subject));
            asked.spawn(async move {
                let may = reviews.may(&subject, own(verb, resource, &namespace)).await?;
                Ok::<_, String>(may.then_some(namespace))
            });
        }
        let mut found = BTreeSet::new();
        while let Some(answer) = asked.join_next().await {
            found.extend(answer.map_err(|error| error.to_string())??);
        }
        Ok(Reach::of(found))
    }

    /// Namespaces with alerts. One that the store did not name this time stays.
    async fn namespaces(&self) -> Result<Arc<BTreeSet<String>>, String> {
        {
            let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            if listed.at.is_some_and(|at| at.elapsed() < LISTED) {
                return Ok(Arc::clone(&listed.names));
            }
        }
        let filter = Filter { suppressed: true, excepted: true, ..Filter::all(crate::app::now()) };
        let request = TopRequest { filter, field: Field::Namespace, prefix: String::new(), limit: NAMESPACES };
        let found = self.store.top(request).await.map_err(|error| error.to_string())?;
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: BTreeSet<String> = found.values.into_iter().map(|value| value.value).collect();
        for name in listed.names.iter() {
            if names.len() < NAMESPACES {
                names.insert(name.clone());
            }
        }
        *listed = Listed { at: Some(Instant::now()), names: Arc::new(names) };
        Ok(Arc::clone(&listed.names))
    }
}

impl Authenticator for Kubernetes {
    fn identify<'a>(&'a self, bearer: &'a str) -> Verdict<'a> {
        Box::pin(async move {
            // Service accounts' and providers' tokens are JWTs: nothing else is worth a question.
            if bearer.split('.').count() != 3 {
                return Ok(None);
            }
            match self.subject(bearer).await? {
                Some(subject) => Ok(Some(self.known(&subject).await?)),
                None => Ok(None),
            }
        })
    }

    fn knows(&self, bearer: &str) -> bool {
        self.good.has(&hash(bearer))
    }

    fn again<'a>(&'a self, identity: &'a Identity) -> Verdict<'a> {
        Box::pin(async move {
            match &identity.subject {
                Some(subject) => Ok(Some(self.known(subject).await?)),
                None => Ok(None),
            }
        })
    }
}

/// A permission of ours.
fn own<'a>(verb: &'a str, resource: &'a str, namespace: &'a str) -> Permission<'a> {
    Permission { group: GROUP, resource, name: "", verb, namespace }
}

fn key(subject: &Subject) -> Hash {
    // Everything that a review looks at, in a form that no two have in common.
    Sha256::digest(serde_json::to_vec(subject).unwrap_or_default()).into()
}

/// `exp` of a token that the API server has found good: nothing is decided by it but how long a session may last.
fn expiry(token: &str) -> Option<i64> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<serde_json::Value>(&claims).ok()?.get("exp")?.as_i64()
}
