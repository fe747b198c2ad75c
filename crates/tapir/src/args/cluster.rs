//! Arguments of `tapir operator`, `tapir install` and `tapir prepare-node`.

use super::SandboxArg;
use super::resources::HonourArg;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `tapir operator`
#[derive(Args, Debug)]
pub struct OperatorArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub options: InstallOptions,
    /// The cluster of this file of kubectl. Default: the one that the operator runs in.
    #[arg(long, value_name = "FILE", env = "TAPIR_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Who this operator is among several. Default: the host's name.
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pub identity: Option<String>,
    /// Where /readiness, /liveness and /metrics are served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9098", env = "TAPIR_HEALTH")]
    pub health: SocketAddr,
}

/// `tapir install`
#[derive(Args, Debug)]
#[command(
    after_help = "Calico's definitions of resources are installed only where the cluster has none. With --print the cluster of \
                  kubectl's current context is asked which it has; without a cluster, --calico-crds says what to print."
)]
pub struct InstallArgs {
    /// Print the objects for `kubectl apply -f -`, change nothing.
    #[arg(long)]
    pub print: bool,
    /// Calico's definitions of resources.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = CalicoCrds::Absent)]
    pub calico_crds: CalicoCrds,
    /// The cluster of this file of kubectl. Default: as kubectl has it.
    #[arg(long, value_name = "FILE", env = "TAPIR_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of that file. Default: the current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub options: InstallOptions,
}

/// When Calico's definitions are installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CalicoCrds {
    /// Those that the cluster has not. Without a cluster to ask: all, with a warning.
    Absent,
    /// All, whatever the cluster has: for a cluster that never had Calico's.
    Always,
    /// None: the operator installs absent ones once it runs.
    Never,
}

/// Choices of the installation, the same for all of it.
#[derive(Args, Clone, Debug)]
pub struct InstallOptions {
    /// Where operator and manager live.
    #[arg(long, value_name = "NAME", default_value = "tapir-system")]
    pub namespace: String,
    /// Whose names the agents have.
    #[arg(long, value_enum, value_name = "WHOSE", default_value_t = CompatArg::Calico)]
    pub compat: CompatArg,
    /// The image of operator, agents and manager. Default: that of this version.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// When nodes pull it.
    #[arg(long, value_name = "WHEN", default_value = "IfNotPresent", value_parser = ["Always", "IfNotPresent", "Never"])]
    pub pull_policy: String,
    /// Secrets with credentials of the registry.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub pull_secret: Vec<String>,
    /// Name of the cluster, in documents and on the page.
    #[arg(long, value_name = "NAME", default_value = "cluster")]
    pub cluster: String,
    /// How names of Calico's interfaces begin; several with commas.
    #[arg(long, value_name = "PREFIX", default_value = "cali")]
    pub interface_prefix: String,
    /// Where agents serve /readiness, /liveness and /metrics on their node. The incumbent's agents have the default: beside them take
    /// another port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9097")]
    pub agent_health: SocketAddr,
    /// Agents see the node's processes: for network plugins without a route for each pod (bridge, Flannel, Cilium).
    #[arg(long)]
    pub host_pid: bool,
    /// Agents may enter network namespaces of pods, for those that the node's side does not show (eBPF host routing, SR-IOV, macvlan, ipvlan): SYS_ADMIN, SYS_PTRACE, the
    /// node's processes, root.
    #[arg(long)]
    pub inside_pods: bool,
    /// Agents give up what they do not need once they have begun: as far as a node's kernel has it (and say what it lacks), not, or
    /// wholly or they do not start.
    #[arg(long, value_enum, value_name = "ON|OFF|REQUIRE", default_value_t = SandboxArg::On)]
    pub sandbox: SandboxArg,
    /// Agents run as root, without its powers: for runtimes that lose the capability of the program's file.
    #[arg(long)]
    pub run_as_root: bool,
    /// Whether the manager is installed.
    #[arg(long, value_enum, value_name = "YES|NO", default_value_t = YesNo::Yes)]
    pub manager: YesNo,
    /// Size of the manager's volume.
    #[arg(long, value_name = "SIZE", default_value = "30Gi")]
    pub storage: String,
    /// Class of the manager's volume. Default: the cluster's.
    #[arg(long, value_name = "NAME")]
    pub storage_class: Option<String>,
    /// Where people reach the page, for links.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Which kinds of resources the manager honours. Beside the incumbent leave webhooks out: both would send them.
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        value_delimiter = ',',
        default_value = "exceptions,webhooks,suppressions"
    )]
    pub honour: Vec<HonourArg>,
}

/// Whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompatArg {
    /// The incumbent's: DaemonSet tigera-dpi in namespace tigera-dpi.
    Calico,
    /// Tapir's own: DaemonSet tapir-agent in namespace tapir-agents.
    None,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// `tapir prepare-node`
#[derive(Args, Debug)]
pub struct PrepareArgs {
    /// The directory of the node that agents write to.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Number of the user and the group to whom it is to belong.
    #[arg(long, value_name = "UID")]
    pub user: u32,
}
