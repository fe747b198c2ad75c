//! [`Resources`]: what became of the cluster's resources that the manager honours, for the API, the page and the metrics.
//!
//! The manager asks no API server for them ([decision 16](../../../docs/decisions/0016-resources-beside-the-manager.md)): whoever
//! follows them writes into the store what they ask for, and on this board what became of each. What stands in the store because of a
//! resource is told by its name: exceptions by their ids ([`exception_id`]), suppressions by their authors ([`suppression_author`]).
//! It is the resource's, and nobody changes it through the API.
//!
//! *Limits*: [`MAX_SHOWN`] resources of a kind are shown, the worst first; all are counted.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tapir_packet::Timestamp;

/// Resources of a kind that the API shows.
pub const MAX_SHOWN: usize = 1_000;

/// What begins the id of an exception that a resource asks for; no id of the API can have a colon.
const EXCEPTION: &str = "alertexception:";
/// What begins the author of a suppression that a resource asks for.
const SUPPRESSION: &str = "suppressions.tapir.dev/";

/// The id of the exception that an `AlertException` of this name asks for.
pub fn exception_id(name: &str) -> String {
    format!("{EXCEPTION}{name}")
}

/// The name of the `AlertException` behind the id of an exception.
pub fn exception_name(id: &str) -> Option<&str> {
    id.strip_prefix(EXCEPTION)
}

/// The author of the suppression that a `Suppression` asks for.
pub fn suppression_author(namespace: &str, name: &str) -> String {
    format!("{SUPPRESSION}{namespace}/{name}")
}

/// Namespace and name of the `Suppression` behind the author of a suppression.
pub fn suppression_name(author: &str) -> Option<(&str, &str)> {
    author.strip_prefix(SUPPRESSION)?.split_once('/')
}

/// A kind that the manager honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Calico's: events left out of lists.
    AlertException,
    /// Calico's: events sent to a server.
    SecurityEventWebhook,
    /// Tapir's: events that are to be quiet.
    Suppression,
}

impl ResourceKind {
    /// All.
    pub const ALL: [Self; 3] = [Self::AlertException, Self::SecurityEventWebhook, Self::Suppression];

    /// As `kind:` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlertException => "AlertException",
            Self::SecurityEventWebhook => "SecurityEventWebhook",
            Self::Suppression => "Suppression",
        }
    }

    /// As permissions and kubectl have it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::AlertException => "alertexceptions.projectcalico.org",
            Self::SecurityEventWebhook => "securityeventwebhooks.projectcalico.org",
            Self::Suppression => "suppressions.tapir.dev",
        }
    }

    /// A command of kubectl about one; `namespace` is empty for those without.
    pub fn kubectl(self, verb: &str, namespace: &str, name: &str) -> String {
        let place = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
        format!("kubectl {verb} {} {name}{place}", self.resource())
    }
}

/// Whether a kind is heard of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Following {
    /// Not asked yet.
    #[default]
    Waiting,
    /// Changes come as they happen.
    Followed,
    /// Its definition is not there; it is looked for again and again.
    Missing(String),
    /// We may not; the text says which verbs on what are needed.
    Forbidden(String),
    /// The API server does not answer; what was last heard holds.
    Away(String),
}

impl Following {
    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Followed => "followed",
            Self::Missing(_) => "missing",
            Self::Forbidden(_) => "forbidden",
            Self::Away(_) => "away",
        }
    }

    /// Why it is not followed.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Waiting | Self::Followed => None,
            Self::Missing(why) | Self::Forbidden(why) | Self::Away(why) => Some(why),
        }
    }
}

/// What is wrong with a query in a resource, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryFault {
    /// In words.
    pub message: String,
    /// Byte of the query at which it begins.
    pub offset: usize,
    /// Bytes that it covers.
    pub length: usize,
    /// What to write there.
    pub suggestion: Option<String>,
}

/// A resource and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Empty for those without.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// It is honoured.
    pub is_honoured: bool,
    /// One word.
    pub reason: String,
    /// In words: what holds, or what is wrong and what to do.
    pub message: String,
    /// Where, if it is its query.
    pub fault: Option<QueryFault>,
    /// Of an exception that is not honoured: what it would be, as there is nothing of it in the store.
    pub exception: Option<BrokenException>,
}

/// An exception that cannot be honoured, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenException {
    /// What it is for.
    pub description: String,
    /// Its query.
    pub selector: String,
    /// From when.
    pub start: Timestamp,
    /// Until before when.
    pub end: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    kind: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Default)]
struct Known {
    following: Following,
    items: Vec<Resource>,
    honoured: usize,
    refused: usize,
}

/// The board. Whoever follows resources writes, the manager reads.
#[derive(Default)]
pub struct Resources {
    kinds: Mutex<BTreeMap<ResourceKind, Known>>,
    followed: Family<OfKind, Gauge>,
    counts: Family<OfState, Gauge>,
    events: Family<Outcome, Counter>,
    writes: Family<Outcome, Counter>,
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resources").finish_non_exhaustive()
    }
}

impl Resources {
    /// A board for these kinds, of which nothing is known yet.
    pub fn new(kinds: &[ResourceKind]) -> Self {
        let board = Self::default();
        for kind in kinds {
            board.kinds().entry(*kind).or_default();
            board.followed.get_or_create(&OfKind { kind: kind.name() }).set(0);
        }
        board
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<ResourceKind, Known>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a kind is heard of; tells whether that is news.
    pub fn follows(&self, kind: ResourceKind, following: Following) -> bool {
        let followed = i64::from(following == Following::Followed);
        self.followed.get_or_create(&OfKind { kind: kind.name() }).set(followed);
        let mut kinds = self.kinds();
        let known = kinds.entry(kind).or_default();
        let is_news = known.following != following;
        known.following = following;
        is_news
    }

    /// All resources of a kind.
    pub fn tell(&self, kind: ResourceKind, mut items: Vec<Resource>) {
        items.sort_by(|a, b| (a.is_honoured, &a.namespace, &a.name).cmp(&(b.is_honoured, &b.namespace, &b.name)));
        let honoured = items.iter().filter(|item| item.is_honoured).count();
        let refused = items.len() - honoured;
        for (state, count) in [("honoured", honoured), ("refused", refused)] {
            let gauge = self.counts.get_or_create(&OfState { kind: kind.name(), state }).clone();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        items.truncate(MAX_SHOWN);
        let mut kinds = self.kinds();
        let known = kinds.entry(kind).or_default();
        (known.items, known.honoured, known.refused) = (items, honoured, refused);
    }

    /// Events of webhooks: `delivered`, `rejected`, `expired`, `would_send`.
    pub fn count_events(&self, outcome: &'static str, count: u64) {
        if count > 0 {
            self.events.get_or_create(&Outcome { outcome }).inc_by(count);
        }
    }

    /// Writes to the API server: `written`, `conflict`, `failed`.
    pub fn count_write(&self, outcome: &'static str) {
        self.writes.get_or_create(&Outcome { outcome }).inc();
    }

    /// The resources of a kind, those that are not honoured first, at most [`MAX_SHOWN`].
    pub fn items(&self, kind: ResourceKind) -> Vec<Resource> {
        self.kinds().get(&kind).map(|known| known.items.clone()).unwrap_or_default()
    }

    /// The kinds: whether they are heard of, and how many are honoured and refused.
    pub fn summary(&self) -> Vec<(ResourceKind, Following, usize, usize)> {
        let summary =
            |(kind, known): (&ResourceKind, &Known)| (*kind, known.following.clone(), known.honoured, known.refused);
        self.kinds().iter().map(summary).collect()
    }

    /// This kind is the cluster's business here: what it made is not changed through the API.
    pub fn honours(&self, kind: ResourceKind) -> bool {
        self.kinds().contains_key(&kind)
    }

    /// Adds its figures to those of the manager.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Whether a kind of resource is heard of (1) or missing, forbidden, or the API server away (0)";
        registry.register("resources_followed", help, self.followed.clone());
        registry.register("resources", "Resources of the cluster by what became of them", self.counts.clone());
        let help = "Events of SecurityEventWebhooks by what became of them";
        registry.register("webhook_events", help, self.events.clone());
        registry.register("resource_writes", "Writes of statuses to the API server", self.writes.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str, is_honoured: bool) -> Resource {
        Resource {
            namespace: String::new(),
            name: name.into(),
            is_honoured,
            reason: String::new(),
            message: String::new(),
            fault: None,
            exception: None,
        }
    }

    #[test]
    fn what_a_resource_made_is_told_by_its_name() {
        assert_eq!(exception_name(&exception_id("scanner")), Some("scanner"));
        assert_eq!(exception_name("scanner"), None);
        assert_eq!(suppression_name(&suppression_author("shop", "probes")), Some(("shop", "probes")));
        assert_eq!(suppression_name("ana"), None);
        assert_eq!(
            ResourceKind::Suppression.kubectl("edit", "shop", "probes"),
            "kubectl edit suppressions.tapir.dev probes -n shop"
        );
    }

    #[test]
    fn the_refused_come_first_and_all_are_counted() {
        let board = Resources::new(&[ResourceKind::AlertException]);
        let mut items: Vec<Resource> = (0..MAX_SHOWN + 5).map(|n| resource(&format!("good-{n:05}"), true)).collect();
        items.push(resource("bad", false));
        board.tell(ResourceKind::AlertException, items);
        let shown = board.items(ResourceKind::AlertException);
        assert_eq!((shown.len(), shown[0].name.as_str()), (MAX_SHOWN, "bad"));
        let (_, following, honoured, refused) = board.summary().remove(0);
        assert_eq!((following, honoured, refused), (Following::Waiting, MAX_SHOWN + 5, 1));
        assert!(board.honours(ResourceKind::AlertException) && !board.honours(ResourceKind::Suppression));
        assert!(board.follows(ResourceKind::AlertException, Following::Followed));
        assert!(!board.follows(ResourceKind::AlertException, Following::Followed));
    }
}
