//! What things are called: as the incumbent calls them, so that habits and scripts go on, or in Tapir's own way.
//!
//! *Invariants*: 1. both ways differ in the namespace, so that objects of one are never those of the other; 2. neither is that of operator and manager:
//! agents read the Secrets of theirs, and the manager's authority is none of them.
//! *Spec*: `docs/kubernetes/install.md`; tigera/operator `pkg/render/intrusiondetection/dpi`.

/// Whose names the agents have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// The incumbent's: DaemonSet `tigera-dpi` in namespace `tigera-dpi`.
    #[default]
    Calico,
    /// Tapir's own: DaemonSet `tapir-agent` in namespace `tapir-agents`.
    None,
}

/// Names of the agents' objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentNames {
    /// Their namespace.
    pub namespace: &'static str,
    /// DaemonSet, ServiceAccount, ClusterRole, label `k8s-app`, container.
    pub name: &'static str,
}

/// The manager: StatefulSet, Service, ServiceAccount, ClusterRole.
pub const MANAGER: &str = "tapir-manager";
/// Where webhooks of the incumbent refer to ConfigMaps and Secrets.
pub const WEBHOOKS: &str = "tigera-intrusion-detection";
/// What the manager may read there.
pub const WEBHOOKS_ROLE: &str = "tapir-manager-webhooks";
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

    /// Names of the agents.
    pub fn agent(self) -> AgentNames {
        let (namespace, name) = match self {
            Self::Calico => ("tigera-dpi", "tigera-dpi"),
            Self::None => ("tapir-agents", "tapir-agent"),
        };
        AgentNames { namespace, name }
    }

    /// The other way, whose objects go when this one is chosen.
    pub fn other(self) -> Self {
        match self {
            Self::Calico => Self::None,
            Self::None => Self::Calico,
        }
    }
}
