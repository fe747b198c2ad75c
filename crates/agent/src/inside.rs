//! Inside of a pod's network namespace: which of its devices are to be listened to, and a tap on each.
//!
//! *How it fits*: for pods whose device has no other end on the node (SR-IOV, macvlan, ipvlan), and for those whose other end is
//! blind ([`crate::blindness`]). Directions are mirrored there: what arrives is for the pod.
//!
//! *Invariants*: nothing stays behind in the pod; a thread of ours enters, asks, and ends. A tap holds the namespace, which lives until
//! the tap is given up: with the pod.
//!
//! *Limits*: [`MAX_INTERFACES`] devices. Needs CAP_SYS_ADMIN, and CAP_SYS_PTRACE where the namespace is found by a process.

use crate::board::Tap;
use crate::discovery::MAX_INTERFACES;
use crate::received::Sight;
use std::sync::Arc;
use tapir_capture::{CaptureError, InterfaceWatch, Link};

/// Why a pod could not be entered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// The agent lacks a capability, or the namespace is not there.
    #[error("{0}")]
    Closed(String),
    /// There is no device to listen to.
    #[error("no device is up in its network namespace (yet)")]
    Bare,
}

/// Taps on the devices of a namespace that carry its traffic.
pub fn taps(sight: &Sight) -> Result<Vec<Tap>, Barred> {
    let namespace = Arc::new(sight.open().map_err(closed)?);
    let watch = namespace.within(InterfaceWatch::open).map_err(closed)?;
    let carrying = watch.links().filter(|(_, link)| carries(link));
    let tap = |(index, link): (u32, &Link)| Tap {
        index,
        name: link.name.as_str().into(),
        inside: Some(Arc::clone(&namespace)),
    };
    let taps: Vec<Tap> = carrying.map(tap).take(MAX_INTERFACES).collect();
    if taps.is_empty() { Err(Barred::Bare) } else { Ok(taps) }
}

fn closed(error: CaptureError) -> Barred {
    let remedy = match error {
        CaptureError::MissingCapability { .. } => {
            "; give the agent SYS_ADMIN and SYS_PTRACE besides NET_RAW (docs/kubernetes/agent.md, inside of pods)"
        }
        _ => "",
    };
    Barred::Closed(format!("{error}{remedy}"))
}

/// Whether a device is one by which traffic comes and goes: one of hardware, or one whose other end or base is in another
/// namespace. What rests on such a device, or is a port of a bridge inside, would show the same traffic again.
fn carries(link: &Link) -> bool {
    let leads_out = link.peer.is_some() || link.kind.is_none();
    link.up && !link.is_loopback && !link.is_port && leads_out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_lead_out_carry_and_what_rests_on_them_does_not() {
        let link = |kind: &str, peer, lower| Link {
            name: "x".into(),
            up: true,
            kind: (!kind.is_empty()).then(|| kind.to_owned()),
            peer,
            lower,
            ..Link::default()
        };
        let veth = link("veth", Some(0), Some(9));
        assert!(carries(&veth) && carries(&link("macvlan", Some(0), Some(2))));
        assert!(carries(&link("", None, None)), "hardware");
        assert!(!carries(&link("vlan", None, Some(2))) && !carries(&link("bridge", None, None)));
        assert!(!carries(&Link { up: false, ..veth.clone() }));
        assert!(!carries(&Link { is_port: true, ..veth.clone() }));
        assert!(!carries(&Link { is_loopback: true, kind: None, ..veth }));
    }

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let error = closed(CaptureError::MissingCapability { operation: "x", capability: "CAP_SYS_PTRACE" });
        assert!(error.to_string().contains("CAP_SYS_PTRACE; give the agent SYS_ADMIN"), "{error}");
        let error = taps(&Sight::Named("no-such-namespace".into())).unwrap_err();
        assert!(error.to_string().contains("/run/netns/no-such-namespace"), "{error}");
    }
}
