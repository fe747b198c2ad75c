//! What the interface of a pod is called on its node, by network plugin.
//!
//! *How it fits*: [`hints`] tells, without asking anybody, which names the host's end of a pod's interface may have. An agent
//! looks for them and asks the kernel whether the interface it found is the pod's; only then it listens. Names collide,
//! are changed, and outlive pods: a hint alone is no reason to listen.
//! *Invariants*: names have at most [`MAX_NAME`] bytes, which is what Linux allows; each is listed once per plugin.
//! *Limits*: [`MAX_PREFIXES`] prefixes of Calico. Plugins whose names are random, or that have nothing on the node, give no
//! hint: [`Cni::finding`] says what to do instead.
//! *Spec*: Calico `workload_endpoint_default.go`, Amazon VPC CNI `networkutils/names.go`, Azure `endpoint_linux.go`, Cilium
//! `datapath/connector`, Antrea `agent/util/net.go`, OVN-Kubernetes `cni/helper_linux.go`, Kube-OVN `daemon/ovs_linux.go`.

mod digest;
mod endpoint_name;
mod names;
mod prefix;
#[cfg(test)]
mod vectors;

pub use endpoint_name::workload_endpoint;
pub use prefix::{PrefixError, Prefixes};

/// The longest name of an interface in bytes: Linux' IFNAMSIZ without its end.
pub const MAX_NAME: usize = 15;
/// Prefixes of Calico that are tried at most.
pub const MAX_PREFIXES: usize = 8;

/// A network plugin, or one of its ways to name interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cni {
    /// Calico; also GKE and others with Calico's policy, under another prefix.
    Calico,
    /// Amazon VPC CNI.
    AwsVpc,
    /// Amazon VPC CNI with security groups for pods in strict mode.
    AwsVpcBranch,
    /// Azure CNI.
    Azure,
    /// GKE with Calico's policy.
    GkeCalico,
    /// Cilium with veth or netkit, GKE's Dataplane V2 not among them.
    Cilium,
    /// Antrea; the interface is a port of Open vSwitch.
    Antrea,
    /// OVN-Kubernetes.
    OvnKubernetes,
    /// Kube-OVN.
    KubeOvn,
    /// The plugins `bridge` and `ptp`, and who delegates to them: Flannel, Weave, GKE's default.
    Bridge,
    /// kindnet of kind.
    Kindnet,
    /// SR-IOV, `host-device`, `macvlan`, `ipvlan`.
    Direct,
}

/// How the interface of a plugin is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// [`hints`] has its name; the kernel confirms it.
    ByName,
    /// Its name is random: ask the kernel for the peer of the pod's own interface.
    ByPeer,
    /// There is none on the node: listen inside of the pod's network namespace.
    InsidePod,
}

impl Cni {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Calico,
        Self::AwsVpc,
        Self::AwsVpcBranch,
        Self::Azure,
        Self::GkeCalico,
        Self::Cilium,
        Self::Antrea,
        Self::OvnKubernetes,
        Self::KubeOvn,
        Self::Bridge,
        Self::Kindnet,
        Self::Direct,
    ];

    /// Its name in status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calico => "calico",
            Self::AwsVpc => "aws-vpc-cni",
            Self::AwsVpcBranch => "aws-vpc-cni-branch",
            Self::Azure => "azure-vnet",
            Self::GkeCalico => "gke-with-calico-policy",
            Self::Cilium => "cilium",
            Self::Antrea => "antrea",
            Self::OvnKubernetes => "ovn-kubernetes",
            Self::KubeOvn => "kube-ovn",
            Self::Bridge => "bridge",
            Self::Kindnet => "kindnet",
            Self::Direct => "direct",
        }
    }

    /// How its interfaces are found.
    pub fn finding(self) -> Finding {
        match self {
            Self::Bridge | Self::Kindnet => Finding::ByPeer,
            Self::Direct => Finding::InsidePod,
            _ => Finding::ByName,
        }
    }
}

/// An interface of a pod, as far as it is known. All but namespace and pod may be unknown; less is known, fewer are the hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PodInterface<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// Id of the pod's sandbox at the container runtime, without `containerd://` and the like.
    pub sandbox: Option<&'a str>,
    /// Which interface of the pod: 0 is the one that every pod has.
    pub index: u32,
    /// Its name inside of the pod.
    pub name: &'a str,
    /// Its number inside of the pod, as the kernel counts.
    pub link: Option<u32>,
}

impl<'a> PodInterface<'a> {
    /// `eth0` of a pod.
    pub fn first(namespace: &'a str, pod: &'a str) -> Self {
        Self { namespace, pod, sandbox: None, index: 0, name: "eth0", link: None }
    }

    /// With the id of the pod's sandbox.
    pub fn in_sandbox(self, sandbox: &'a str) -> Self {
        Self { sandbox: Some(sandbox), ..self }
    }
}

/// A name that the host's end of a pod's interface may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hint {
    /// The name; at most [`MAX_NAME`] bytes.
    pub name: String,
    /// The plugin that would call it so.
    pub cni: Cni,
}

/// All names that the interface may have, the plugins in the order of [`Cni::ALL`].
pub fn hints(interface: &PodInterface<'_>, prefixes: &Prefixes) -> Vec<Hint> {
    let mut found: Vec<Hint> = Vec::new();
    for cni in Cni::ALL {
        names::of(cni, interface, prefixes, &mut |name| {
            let fits = !name.is_empty() && name.len() <= MAX_NAME;
            let hint = Hint { name, cni };
            if fits && !found.contains(&hint) {
                found.push(hint);
            }
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SANDBOX: &str = "4f1c6e0b9d2a7853e6cf1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f";

    fn names(interface: &PodInterface<'_>, cni: Cni) -> Vec<String> {
        let hints = hints(interface, &Prefixes::default());
        hints.into_iter().filter(|hint| hint.cni == cni).map(|hint| hint.name).collect()
    }

    #[test]
    fn names_that_need_the_sandbox_wait_for_it() {
        let pod = PodInterface::first("shop", "frontend");
        let known: Vec<Cni> = hints(&pod, &Prefixes::default()).iter().map(|hint| hint.cni).collect();
        assert_eq!(known, [Cni::Calico, Cni::AwsVpc, Cni::AwsVpcBranch, Cni::Azure, Cni::GkeCalico]);
        let all = hints(&pod.in_sandbox(SANDBOX), &Prefixes::default());
        for cni in Cni::ALL {
            let hinted = all.iter().any(|hint| hint.cni == cni);
            assert_eq!(hinted, cni.finding() == Finding::ByName, "{}", cni.name());
        }
    }

    #[test]
    fn further_interfaces_have_names_of_their_own_or_none() {
        let eth0 = PodInterface::first("shop", "frontend").in_sandbox(SANDBOX);
        let net1 = PodInterface { index: 1, name: "net1", link: Some(7), ..eth0 };
        for cni in [Cni::Calico, Cni::Azure, Cni::GkeCalico, Cni::Cilium] {
            assert!(names(&net1, cni).is_empty(), "{}", cni.name());
        }
        assert_eq!(names(&net1, Cni::OvnKubernetes), ["4f1c6e0b9d2a7_7"]);
        assert_eq!(names(&net1, Cni::KubeOvn), ["4f1c6e0b_net1_h"]);
        for cni in [Cni::AwsVpc, Cni::Antrea] {
            let (first, second) = (names(&eth0, cni), names(&net1, cni));
            assert!(second.len() == 1 && first != second, "{first:?} {second:?}");
        }
        let unnumbered = PodInterface { link: None, ..net1 };
        assert!(names(&unnumbered, Cni::OvnKubernetes).is_empty());
    }

    #[test]
    fn strange_identities_give_short_names_and_no_panic() {
        for (pod, sandbox, name) in
            [("", "", ""), ("é", "é", "é"), ("---------", "4f1c", "a-very-long-name"), ("a", "日本語日本語", "eth0")]
        {
            for index in [0, 1, u32::MAX] {
                let interface =
                    PodInterface { namespace: pod, pod, sandbox: Some(sandbox), index, name, link: Some(index) };
                for hint in hints(&interface, &Prefixes::default()) {
                    assert!((1..=MAX_NAME).contains(&hint.name.len()), "{hint:?}");
                }
            }
        }
    }
}
