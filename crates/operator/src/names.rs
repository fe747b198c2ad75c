//! What things are called: as the incumbent calls them, so that habits and scripts go on, or in Tapir's own way.
//!
//! *Invariants*: both ways differ in the namespace, so that objects of one are never those of the other.
//! *Spec*: `docs/kubernetes/install.md`; tigera/operator `pkg/render/intrusiondetection/dpi`.

/// Whose names the agents have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// The incumbent's: DaemonSet `tigera-dpi` in namespace `tigera-dpi`.
    #[default]
    Calico,
    /// Tapir's own: DaemonSet `tapir-agent` in the operator's namespace.
    None,
}

/// Names of the agents' objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentNames {
    /// Their namespace.
    pub namespace: String,
    /// DaemonSet, ServiceAccount, ClusterRole, label `k8s-app`, container.
    pub name: String,
}

/// The manager: StatefulSet, Service, ServiceAccount, ClusterRole.
pub const MANAGER: &str = "tapir-manager";
/// The operator: Deployment, ServiceAccount, roles, lease.
pub const OPERATOR: &str = "tapir-operator";
/// Where operator and manager live unless told otherwise.
pub const NAMESPACE: &str = "tapir-system";

impl Compat {
    /// As flags have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Calico => "calico",
            Self::None => "none",
        }
    }

    /// Names of the agents; `own` is the operator's namespace.
    pub fn agent(self, own: &str) -> AgentNames {
        let (namespace, name) = match self {
            Self::Calico => ("tigera-dpi", "tigera-dpi"),
            Self::None => (own, "tapir-agent"),
        };
        AgentNames { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The other way, whose objects go when this one is chosen.
    pub fn other(self) -> Self {
        match self {
            Self::Calico => Self::None,
            Self::None => Self::Calico,
        }
    }
}
