//! What may be chosen at installation, and is the same for all of it.

use crate::names::{AgentNames, Compat};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Port of the manager.
pub const MANAGER_PORT: u16 = 9443;
/// User and group of containers that need no other: nobody's.
pub const USER: u32 = 65_532;

/// Choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where operator and manager live; never where agents do.
    pub namespace: String,
    /// Whose names agents have.
    pub compat: Compat,
    /// The image of all three.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
    /// Secrets with credentials of the registry.
    pub pull_secrets: Vec<String>,
    /// Name of the cluster in documents and on the page.
    pub cluster: String,
    /// How names of Calico's interfaces begin.
    pub interface_prefix: String,
    /// Where agents serve health and metrics, on their node.
    pub agent_health: SocketAddr,
    /// Agents see the node's processes: for network plugins without a route for each pod.
    pub host_pid: bool,
    /// Agents may enter network namespaces of pods: SYS_ADMIN, SYS_PTRACE, the node's processes, root.
    pub inside_pods: bool,
    /// Whether agents give up what they do not need.
    pub sandbox: Sandbox,
    /// Agents run as root, without its powers: for runtimes that lose the capability of the program's file.
    pub run_as_root: bool,
    /// The manager; `None`: none is installed.
    pub manager: Option<ManagerOptions>,
}

/// Whether agents give up what they do not need once they have begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// As far as a node's kernel has it; what is missing is told.
    #[default]
    On,
    /// No.
    Off,
    /// All of it, or the agent does not start.
    Require,
}

impl Sandbox {
    /// As flags and values have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Require => "require",
        }
    }
}

/// Choices of the manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerOptions {
    /// Size of its volume.
    pub storage: String,
    /// Class of its volume. `None`: the cluster's default.
    pub storage_class: Option<String>,
    /// Where people reach the page.
    pub public_url: Option<String>,
    /// Kinds of resources that it honours, of [`HONOUR`] or `none`.
    pub honour: Vec<String>,
}

/// Kinds of resources that the manager honours unless told otherwise.
pub const HONOUR: [&str; 3] = ["exceptions", "webhooks", "suppressions"];
/// Where agents serve health: as the incumbent does, so that both cannot on one node.
pub const AGENT_HEALTH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9097);

impl ManagerOptions {
    /// It reads what webhooks refer to.
    pub fn sends_webhooks(&self) -> bool {
        self.honour.iter().any(|kind| kind == "webhooks")
    }
}

impl Default for ManagerOptions {
    fn default() -> Self {
        let honour = HONOUR.map(str::to_owned).to_vec();
        Self { storage: "30Gi".into(), storage_class: None, public_url: None, honour }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: crate::names::NAMESPACE.into(),
            compat: Compat::default(),
            image: concat!("ghcr.io/tapir-dpi/tapir:", env!("CARGO_PKG_VERSION")).into(),
            pull_policy: "IfNotPresent".into(),
            pull_secrets: Vec::new(),
            cluster: "cluster".into(),
            interface_prefix: "cali".into(),
            agent_health: AGENT_HEALTH,
            host_pid: false,
            inside_pods: false,
            sandbox: Sandbox::default(),
            run_as_root: false,
            manager: Some(ManagerOptions::default()),
        }
    }
}

impl Options {
    /// Names of the agents.
    pub fn agent(&self) -> AgentNames {
        self.compat.agent()
    }

    /// Agents are root by number.
    pub fn is_root(&self) -> bool {
        // Capabilities beyond that of the program's file come to root only.
        self.run_as_root || self.inside_pods
    }

    /// As arguments of `tapir operator`, those that are not the default only.
    pub fn arguments(&self) -> Vec<String> {
        let default = Self::default();
        let mut arguments = vec![format!("--image={}", self.image)];
        let mut add = |flag: &str, value: &str, usual: &str| {
            if value != usual {
                arguments.push(format!("--{flag}={value}"));
            }
        };
        add("namespace", &self.namespace, &default.namespace);
        add("compat", self.compat.word(), default.compat.word());
        add("pull-policy", &self.pull_policy, &default.pull_policy);
        add("pull-secret", &self.pull_secrets.join(","), "");
        add("cluster", &self.cluster, &default.cluster);
        add("interface-prefix", &self.interface_prefix, &default.interface_prefix);
        add("agent-health", &self.agent_health.to_string(), &default.agent_health.to_string());
        add("sandbox", self.sandbox.word(), default.sandbox.word());
        match &self.manager {
            None => add("manager", "no", ""),
            Some(manager) => {
                let usual = ManagerOptions::default();
                add("storage", &manager.storage, &usual.storage);
                add("storage-class", manager.storage_class.as_deref().unwrap_or_default(), "");
                add("public-url", manager.public_url.as_deref().unwrap_or_default(), "");
                add("honour", &manager.honour.join(","), &usual.honour.join(","));
            }
        }
        for (flag, is_set) in
            [("host-pid", self.host_pid), ("inside-pods", self.inside_pods), ("run-as-root", self.run_as_root)]
        {
            if is_set {
                arguments.push(format!("--{flag}"));
            }
        }
        arguments
    }
}
