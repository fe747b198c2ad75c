//! From a pod to the interface that leads to it, whichever plugin made it.
//!
//! *How it fits*: [`find`] is asked for every wanted pod; the facts come from a [`Kernel`].
//!
//! *Invariants*: 1. a name is a guess: nothing is listened to unless the kernel says that it leads to the pod, by the number of
//! the pod's network namespace or by a route to its address alone; 2. where both speak the namespace is right.
//!
//! *Limits*: [`MAX_INTERFACES`] interfaces of a pod.

use std::net::IpAddr;
use std::sync::Arc;
use tapir_kubernetes::endpoint::Endpoint;
use tapir_kubernetes::interface::{PodInterface, Prefixes, hints};

use crate::board::Tap;
use crate::inside::Barred;

/// Interfaces of a pod that are inspected at most.
pub const MAX_INTERFACES: usize = 8;

/// What the kernel knows.
pub trait Kernel {
    /// The interface with a name.
    fn index(&self, name: &str) -> Option<u32>;
    /// The name of an interface.
    fn name(&self, index: u32) -> Option<Arc<str>>;
    /// The interface that leads to this address alone.
    fn route(&self, address: IpAddr) -> Option<Arc<str>>;
    /// The interfaces whose other end the pod has; `None` if no process of the pod can be seen.
    fn peers(&self, uid: &str) -> Option<Vec<u32>>;
}

/// How the interface of a pod was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// A file names it.
    Given,
    /// Its other end is in the pod's network namespace.
    Namespace,
    /// The host's route to the pod leads there.
    Route,
    /// It is the pod's own device.
    Inside,
    /// It is the node's own.
    Node,
}

impl How {
    /// For logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "file",
            Self::Namespace => "namespace",
            Self::Route => "route",
            Self::Inside => "inside",
            Self::Node => "node",
        }
    }
}

/// Why no interface of a pod is inspected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A file names an interface that is not there.
    #[error("interface {0} does not exist here (yet)")]
    Given(String),
    /// The kernel knows of none.
    #[error("no interface leads to it (yet); looked for {looked_for} and for a route to {address}")]
    Nothing {
        /// Names of usual plugins.
        looked_for: String,
        /// The pod's address.
        address: IpAddr,
    },
    /// There is one by its name, but nothing says that it is the pod's.
    #[error(
        "{0} is named like its interface, but neither a process of the pod nor a route to it is to be seen, so it may be \
         another's; let the agent see the node's processes (hostPID)"
    )]
    Unconfirmed(String),
    /// The pod has a network namespace of its own, but nothing on this side leads there.
    #[error(
        "its network namespace has no other end on this node (SR-IOV, macvlan, ipvlan or a device of the host): it would \
         have to be inspected inside of the pod, which --inside-pods never forbids"
    )]
    Inside,
    /// It is to be inspected from inside, and cannot.
    #[error("it has to be inspected inside of the pod, and that is not possible: {0}")]
    Barred(Barred),
    /// It is to be inspected from inside, and none of its processes is to be seen.
    #[error(
        "--inside-pods always wants it inspected inside of the pod, but no process of the pod is to be seen; let the agent \
         see the node's processes (hostPID)"
    )]
    Unseen,
    /// The node inspects as many as it can.
    #[error("this node inspects {0} interfaces already, and no more than that")]
    NoRoom(usize),
}

impl Missing {
    /// For metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Given(_) | Self::Nothing { .. } => "no_interface",
            Self::Unconfirmed(_) => "unconfirmed",
            Self::Inside | Self::Barred(_) => "inside_pod",
            Self::Unseen => "no_process",
            Self::NoRoom(_) => "no_room",
        }
    }
}

/// The interfaces that lead to a pod.
pub fn find(
    endpoint: &Endpoint,
    given: Option<&str>,
    prefixes: &Prefixes,
    kernel: &dyn Kernel,
) -> Result<Vec<(Tap, How)>, Missing> {
    let tap = |index: u32, how| kernel.name(index).map(|name| (Tap { index, name, inside: None }, how));
    if let Some(name) = given {
        let found = kernel.index(name).and_then(|index| tap(index, How::Given));
        return found.map(|found| vec![found]).ok_or_else(|| Missing::Given(name.to_owned()));
    }
    let peers = kernel.peers(&endpoint.uid);
    if let Some(peers) = &peers {
        let found: Vec<_> = peers.iter().filter_map(|index| tap(*index, How::Namespace)).take(MAX_INTERFACES).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let mut found: Vec<(Tap, How)> = Vec::new();
    for address in &endpoint.addresses {
        let routed = kernel.route(*address).and_then(|name| tap(kernel.index(&name)?, How::Route));
        found.extend(routed.filter(|new| !found.contains(new)));
    }
    if !found.is_empty() {
        found.truncate(MAX_INTERFACES);
        return Ok(found);
    }
    let names = hints(&PodInterface::first(&endpoint.namespace, &endpoint.pod), prefixes);
    if let Some(hint) = names.iter().find(|hint| kernel.index(&hint.name).is_some()) {
        return Err(Missing::Unconfirmed(hint.name.clone()));
    }
    if peers.is_some() {
        return Err(Missing::Inside);
    }
    let mut looked_for: Vec<&str> = names.iter().map(|hint| hint.name.as_str()).collect();
    looked_for.dedup();
    let address = endpoint.addresses.first().copied().unwrap_or(IpAddr::from([0, 0, 0, 0]));
    Err(Missing::Nothing { looked_for: looked_for.join(", "), address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Fake {
        links: BTreeMap<u32, &'static str>,
        routes: BTreeMap<IpAddr, &'static str>,
        peers: Option<Vec<u32>>,
    }

    impl Kernel for Fake {
        fn index(&self, name: &str) -> Option<u32> {
            self.links.iter().find(|(_, known)| **known == name).map(|(index, _)| *index)
        }
        fn name(&self, index: u32) -> Option<Arc<str>> {
            self.links.get(&index).map(|name| (*name).into())
        }
        fn route(&self, address: IpAddr) -> Option<Arc<str>> {
            self.routes.get(&address).map(|name| (*name).into())
        }
        fn peers(&self, _: &str) -> Option<Vec<u32>> {
            self.peers.clone()
        }
    }

    fn endpoint() -> Endpoint {
        Endpoint {
            namespace: "hipstershop".into(),
            pod: "frontend-6b64dc9665-97687".into(),
            uid: "u".into(),
            node: "n".into(),
            addresses: vec!["10.65.1.9".parse().unwrap(), "fd00::9".parse().unwrap()],
        }
    }

    /// As Calico names it.
    const NAME: &str = "cali047739587bc";

    fn find(kernel: &Fake) -> Result<Vec<(u32, How)>, Missing> {
        let found = super::find(&endpoint(), None, &Prefixes::default(), kernel)?;
        Ok(found.into_iter().map(|(tap, how)| (tap.index, how)).collect())
    }

    #[test]
    fn a_name_alone_is_not_listened_to() {
        let mut kernel = Fake { links: [(7, NAME)].into(), ..Fake::default() };
        assert_eq!(find(&kernel), Err(Missing::Unconfirmed(NAME.into())));
        kernel.routes.insert("10.65.1.9".parse().unwrap(), NAME);
        kernel.routes.insert("fd00::9".parse().unwrap(), NAME);
        assert_eq!(find(&kernel), Ok(vec![(7, How::Route)]));
    }

    #[test]
    fn the_network_namespace_is_right_and_has_all_interfaces() {
        let mut kernel = Fake { links: [(7, NAME), (9, "veth1"), (11, "veth2")].into(), ..Fake::default() };
        kernel.routes.insert("10.65.1.9".parse().unwrap(), NAME);
        kernel.peers = Some(vec![9, 11, 99]);
        assert_eq!(find(&kernel), Ok(vec![(9, How::Namespace), (11, How::Namespace)]));
        // It is being made: its route is there before its process.
        kernel.peers = Some(Vec::new());
        assert_eq!(find(&kernel), Ok(vec![(7, How::Route)]));
    }

    #[test]
    fn what_was_looked_for_is_told() {
        let Err(Missing::Nothing { looked_for, address }) = find(&Fake::default()) else { panic!() };
        assert!(looked_for.starts_with(NAME) && looked_for.contains("eni"), "{looked_for}");
        assert_eq!(address.to_string(), "10.65.1.9");
        assert_eq!(find(&Fake { peers: Some(Vec::new()), ..Fake::default() }), Err(Missing::Inside));
    }

    #[test]
    fn a_file_is_believed() {
        let kernel = Fake { links: [(3, "eth7")].into(), ..Fake::default() };
        let find = |name| super::find(&endpoint(), Some(name), &Prefixes::default(), &kernel);
        assert_eq!(find("eth7").unwrap()[0].0.index, 3);
        assert_eq!(find("eth8"), Err(Missing::Given("eth8".into())));
    }
}
