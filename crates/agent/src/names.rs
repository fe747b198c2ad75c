//! Who had an address, and when: the history of addresses, so that an event names the workload that spoke, not the one that
//! has its address now.
//!
//! *How it fits*: the agent tells it what the cluster says ([`History::learn`]); a [`Snapshot`] of it goes to the packet
//! path with every change and answers for events.
//!
//! *Invariants*: 1. an owner of an address ends where the next one begins; 2. an address of a pod that has ended is nobody's.
//!
//! *Limits*: [`MAX_ADDRESSES`] addresses; owners that ended longer ago than [`KEPT`] are forgotten, and of one address the
//! oldest beyond [`MAX_OWNERS`]. What did not fit is counted.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tapir_event::Workload;
use tapir_packet::Timestamp;

/// Addresses known at once.
const MAX_ADDRESSES: usize = 262_144;
/// Owners of an address that are remembered.
const MAX_OWNERS: usize = 8;
/// How long an owner is remembered after it has gone: longer than an event can wait to be raised.
const KEPT: Duration = Duration::from_secs(2 * 3600);

/// An owner of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    workload: Arc<Workload>,
    since: Timestamp,
    /// When it was seen to be gone.
    until: Option<Timestamp>,
}

/// The history, as the agent keeps it.
#[derive(Clone, Debug, Default)]
pub struct History {
    owners: HashMap<IpAddr, Arc<[Owner]>>,
    refused: u64,
}

/// The history at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    owners: Arc<HashMap<IpAddr, Arc<[Owner]>>>,
}

impl History {
    /// Takes in who has which address at `now`; every other owner has gone by then. Returns whether anything changed.
    pub fn learn(&mut self, now: Timestamp, current: impl IntoIterator<Item = (IpAddr, Arc<Workload>)>) -> bool {
        let mut changed = false;
        let mut seen: HashSet<IpAddr> = HashSet::new();
        for (address, workload) in current {
            if seen.insert(address) {
                changed |= self.owned(now, address, workload);
            }
        }
        let oldest = now.0.saturating_sub(i64::try_from(KEPT.as_nanos()).unwrap_or(i64::MAX));
        self.owners.retain(|address, owners| {
            // Nearly always: all pods of a cluster are here, and one of them changed.
            let is_had = seen.contains(address) || owners.last().is_none_or(|last| last.until.is_some());
            if is_had && owners.iter().all(|owner| owner.until.is_none_or(|until| until.0 >= oldest)) {
                return !owners.is_empty();
            }
            let mut kept = owners.to_vec();
            if !seen.contains(address)
                && let Some(last) = kept.last_mut()
                && last.until.is_none()
            {
                last.until = Some(now);
                changed = true;
            }
            let before = kept.len();
            kept.retain(|owner| owner.until.is_none_or(|until| until.0 >= oldest));
            changed |= before != kept.len();
            if kept != **owners {
                *owners = kept.into();
            }
            !owners.is_empty()
        });
        changed
    }

    fn owned(&mut self, now: Timestamp, address: IpAddr, workload: Arc<Workload>) -> bool {
        let known = self.owners.get(&address);
        let is_known = |last: &Owner| last.until.is_none() && last.workload == workload;
        if known.and_then(|owners| owners.last()).is_some_and(is_known) {
            return false;
        }
        let owners = known.map(|owners| owners.to_vec());
        if owners.is_none() && self.owners.len() >= MAX_ADDRESSES {
            self.refused = self.refused.saturating_add(1);
            return false;
        }
        let mut owners = owners.unwrap_or_default();
        match owners.last_mut() {
            // The same pod with other labels, or one that came back in the list: the name changes, not the owner.
            Some(last) if last.until.is_none() && is_same(&last.workload, &workload) => last.workload = workload,
            last => {
                // Nobody is known to have had it before: what was captured just before we heard of the pod is the pod's.
                let since = if last.is_some() { now } else { Timestamp(i64::MIN) };
                if let Some(last) = last {
                    last.until = Some(last.until.map_or(now, |until| until.min(now)));
                }
                owners.push(Owner { workload, since, until: None });
            }
        }
        let extra = owners.len().saturating_sub(MAX_OWNERS);
        owners.drain(..extra);
        self.owners.insert(address, owners.into());
        true
    }

    /// For the packet path.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { owners: Arc::new(self.owners.clone()) }
    }

    /// Addresses known.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Addresses for which there was no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// One pod, by its uid; without uids by its name.
fn is_same(one: &Workload, other: &Workload) -> bool {
    one.uid == other.uid && one.namespace == other.namespace && one.pod == other.pod
}

impl Snapshot {
    /// Who had the address at this time.
    pub fn at(&self, address: IpAddr, time: Timestamp) -> Option<&Arc<Workload>> {
        let owners = self.owners.get(&address)?;
        let held = |owner: &&Owner| owner.since <= time && owner.until.is_none_or(|until| time < until);
        owners.iter().rev().find(held).map(|owner| &owner.workload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs_nanos(seconds, 0)
    }

    fn pod(name: &str, service: &str) -> Arc<Workload> {
        Arc::new(Workload {
            namespace: "shop".into(),
            pod: name.into(),
            uid: format!("u-{name}"),
            service: service.into(),
            ..Workload::default()
        })
    }

    fn address() -> IpAddr {
        "10.0.0.9".parse().unwrap()
    }

    fn name(history: &History, seconds: i64) -> Option<String> {
        history.snapshot().at(address(), at(seconds)).map(|workload| workload.pod.clone())
    }

    #[test]
    fn an_address_that_changes_hands_names_each_owner_in_its_time() {
        let mut history = History::default();
        assert!(history.learn(at(100), [(address(), pod("cart", ""))]));
        assert!(!history.learn(at(110), [(address(), pod("cart", ""))]));
        assert!(history.learn(at(200), [(address(), pod("pay", ""))]));
        assert!(history.learn(at(300), []));
        // The first packets of a pod come before the API tells of it.
        let names = [99, 150, 199, 200, 299, 300].map(|time| name(&history, time));
        let expected = [Some("cart"), Some("cart"), Some("cart"), Some("pay"), Some("pay"), None];
        assert_eq!(names, expected.map(|name| name.map(str::to_owned)));
        assert!(history.learn(at(400), [(address(), pod("next", ""))]));
        assert_eq!((name(&history, 350), name(&history, 400)), (None, Some("next".into())));
    }

    #[test]
    fn a_changed_description_is_no_change_of_hands() {
        let mut history = History::default();
        history.learn(at(100), [(address(), pod("cart", ""))]);
        assert!(history.learn(at(200), [(address(), pod("cart", "cart-service"))]));
        let snapshot = history.snapshot();
        assert_eq!(snapshot.at(address(), at(150)).map(|one| one.service.as_str()), Some("cart-service"));
    }

    #[test]
    fn who_has_gone_is_forgotten_and_the_table_is_bounded() {
        let mut history = History::default();
        history.learn(at(100), [(address(), pod("cart", ""))]);
        history.learn(at(200), []);
        assert!(history.learn(at(200 + 7201), []) && history.len() == 0);
        for second in 0..20 {
            history.learn(at(second), [(address(), pod(&format!("p{second}"), ""))]);
        }
        assert_eq!(history.owners.get(&address()).map(|owners| owners.len()), Some(MAX_OWNERS));
        let many =
            (0..MAX_ADDRESSES as u32 + 3).map(|number| (std::net::Ipv4Addr::from_bits(number).into(), pod("x", "")));
        history.learn(at(30), many);
        // The one known before went for lack of mention only after all were offered.
        assert_eq!((history.len(), history.refused()), (MAX_ADDRESSES, 4));
    }
}
