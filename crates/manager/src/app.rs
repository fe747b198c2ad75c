//! [`App`]: what all handlers share.

use crate::api::{Fleet, History, Live, Orders, RuleList, RuleSets};
use crate::auth::Auth;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::sight::Vault;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tapir_packet::Timestamp;
use tokio::sync::Semaphore;

/// What all handlers share.
pub(crate) struct App {
    pub config: Config,
    pub store: Vault,
    pub auth: Auth,
    pub metrics: Metrics,
    pub live: Live,
    pub fleet: Fleet,
    /// What agents could not inspect.
    pub unseen: History,
    pub orders: Orders,
    pub rules: RuleList,
    /// Rules that agents have in force.
    pub rule_sets: RuleSets,
    /// Permits of requests at once.
    pub requests: Arc<Semaphore>,
    /// Permits of live streams at once.
    pub streams: Arc<Semaphore>,
    /// Becomes true when the manager is to end: streams look at it.
    pub ending: tokio::sync::watch::Receiver<bool>,
}

pub(crate) type State = axum::extract::State<Arc<App>>;

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs_nanos(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}
