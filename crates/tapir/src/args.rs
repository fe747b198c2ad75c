//! The command line as typed. What it means is decided in the commands.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

// By its path, because xtask takes this file in from elsewhere.
#[path = "args/alerts.rs"]
pub mod alerts;
#[path = "args/cluster.rs"]
pub mod cluster;
#[path = "args/kubectl.rs"]
pub mod kubectl;
#[path = "args/resources.rs"]
pub mod resources;

/// Deep packet inspection for Kubernetes workloads: Snort rules, one engine, any CNI.
#[derive(Debug, Parser)]
#[command(
    name = "tapir",
    version,
    after_help = "Exit codes: 0 done; 1 something failed (also: a capture that ends in the middle of a packet); \
                  2 wrong usage; 3 alerts were raised and --exit-code was given."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say nothing but alerts and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Form of messages on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Form of messages on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Inspect capture files and print alerts.
    Scan(ScanArgs),
    /// Inspect live interfaces and print alerts, until interrupted.
    Watch(WatchArgs),
    /// Inspect what a cluster, or a directory of files, wants inspected on this node.
    Agent(Box<AgentArgs>),
    /// Serve the API and the Alerts page over an embedded store.
    Manager(Box<ManagerArgs>),
    /// Keep what a cluster needs so that its nodes inspect: definitions, agents, manager, status.
    Operator(Box<cluster::OperatorArgs>),
    /// Bring the operator into a cluster, or print what that takes.
    Install(Box<cluster::InstallArgs>),
    /// Give a directory of the node to the user of the agents. Their pods call it first.
    #[command(hide = true)]
    PrepareNode(cluster::PrepareArgs),
    /// List, show, follow and decide about a manager's alerts.
    #[command(visible_alias = "alert")]
    Alerts(Box<alerts::AlertsArgs>),
    /// Show what is inspected in a cluster and how that goes. Called as kubectl-tapir, the program does only this.
    Kubectl(Box<kubectl::KubectlArgs>),
    /// Check, list, explain and convert rules.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages.
    Man {
        /// Into this directory.
        directory: PathBuf,
    },
}

/// Where rules come from.
#[derive(Args, Clone, Debug, Default)]
pub struct RuleArgs {
    /// Rule files or directories (Snort 3, Snort 2.9 or Suricata form). Default: the built-in starter rules.
    #[arg(long, short = 'r', value_name = "FILE", num_args = 1..)]
    pub rules: Vec<PathBuf>,
    /// Set a variable, e.g. HOME_NET=10.0.0.0/8 or HTTP_PORTS=80,8080.
    #[arg(long = "set", value_name = "VAR=VALUE")]
    pub set: Vec<String>,
    /// Switch on rules: `all` commented-out rules, `policy:NAME`, or a sid. Repeatable.
    #[arg(long, value_name = "all|policy:NAME|SID")]
    pub enable: Vec<String>,
    /// Surface form of the rule files. Default: seen from each file.
    #[arg(long, value_enum)]
    pub dialect: Option<DialectArg>,
    /// A rule that cannot be used is a failure, not a skipped rule.
    #[arg(long)]
    pub strict: bool,
    /// Configuration file.
    #[arg(long, value_name = "FILE", env = "TAPIR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Whose limits and choices to copy.
    #[arg(long, value_enum)]
    pub profile: Option<ProfileArg>,
}

/// Surface forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectArg {
    /// Snort 2.9.
    Snort2,
    /// Snort 3.
    Snort3,
    /// Suricata.
    Suricata,
}

/// Profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// No silent loss (default).
    Tapir,
    /// Snort 3's limits and blind spots.
    Snort3,
    /// Suricata's alert limit.
    Suricata,
}

/// Output of alerts.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputArgs {
    /// Form of alerts on standard output, one a line (table: a table at the end).
    #[arg(long, short, value_enum, default_value_t = FormatArg::Fast)]
    pub format: FormatArg,
    /// Add the matched bytes with their offsets (all formats but fast, csv and table).
    #[arg(long)]
    pub evidence: bool,
    /// Raise decoder, stream and inspector events (gid other than 1).
    #[arg(long)]
    pub builtin_events: bool,
    /// Write the packets of alerted conversations to this capture file.
    #[arg(long, value_name = "FILE")]
    pub pcap_out: Option<PathBuf>,
    /// Print counters at the end.
    #[arg(long)]
    pub stats: bool,
    /// Time the rules that are evaluated on one in N units, and tell what each costs; 0: none. Default: the configuration
    /// file's; else 1024 in a watch, none in a scan.
    #[arg(long, value_name = "N")]
    pub rule_cost_sample: Option<u32>,
    /// Exit with 3 if alerts were raised.
    #[arg(long)]
    pub exit_code: bool,
    /// Do not print the summary by rule.
    #[arg(long)]
    pub no_summary: bool,
}

/// Forms of alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Snort 3 alert_fast.
    #[default]
    Fast,
    /// Snort 3 alert_json, with more fields.
    Json,
    /// Suricata EVE.
    Eve,
    /// Snort 3 alert_csv.
    Csv,
    /// The whole event, as Tapir's own parts hand it on.
    Tapir,
    /// The event document of Calico Enterprise and Calico Cloud.
    Calico,
    /// Elastic Common Schema.
    Ecs,
    /// OCSF Detection Finding.
    Ocsf,
    /// ArcSight Common Event Format.
    Cef,
    /// A table for people, at the end.
    Table,
}

/// `tapir agent`
#[derive(Args, Debug)]
pub struct AgentArgs {
    /// Without Kubernetes: DeepPacketInspection resources and endpoints in the YAML files of this directory, followed while
    /// they change.
    #[arg(long, value_name = "DIR", conflicts_with = "kubeconfig", env = "TAPIR_RESOURCES")]
    pub resources: Option<PathBuf>,
    /// The cluster of this file of kubectl. Default: the one that the agent runs in.
    #[arg(long, value_name = "FILE", env = "TAPIR_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The interfaces are in this network namespace: a name of `ip netns`, or a path such as /proc/PID/ns/net. Only with
    /// --resources.
    #[arg(long, value_name = "NAME|PATH", requires = "resources")]
    pub netns: Option<String>,
    /// Name of this node. Default: the configuration file's, or the host's.
    #[arg(long, value_name = "NAME", env = "NODE_NAME")]
    pub node: Option<String>,
    /// Namespace of ConfigMaps and Secrets with rules. Default: that of the agent.
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub rule_args: RuleArgs,
    /// Rules from an image: the *.rules files of this directory and its snort.lua, if it has any rules when the agent begins.
    #[arg(long, value_name = "DIR", default_value = "/usr/etc/snort/rules", env = "TAPIR_SNORT_RULES")]
    pub snort_rules: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub outside: OutsideArgs,
    /// Print alerts on standard output in this form, too.
    #[arg(long, short, value_enum)]
    pub format: Option<FormatArg>,
    /// Raise decoder, stream and inspector events (gid other than 1).
    #[arg(long)]
    pub builtin_events: bool,
    /// Time the rules that are evaluated on one in N units, and tell what each costs; 0: none. Default: the configuration
    /// file's, or 1024.
    #[arg(long, value_name = "N", env = "TAPIR_RULE_COST_SAMPLE")]
    pub rule_cost_sample: Option<u32>,
    /// Where /readiness, /liveness and /metrics are served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9097", env = "TAPIR_HEALTH")]
    pub health: SocketAddr,
    /// How names of Calico's interfaces begin; several with commas.
    #[arg(long, value_name = "PREFIX", default_value = "cali", env = "FELIX_INTERFACEPREFIX")]
    pub interface_prefix: String,
    /// Which pods of other nodes alerts name: all, or those that services select, which asks less of the API server of a large
    /// cluster.
    #[arg(long, value_enum, default_value_t = FarNamesArg::Pods, env = "TAPIR_FAR_NAMES")]
    pub far_names: FarNamesArg,
    /// Where the node's processes are to be seen.
    #[arg(long, value_name = "DIR", default_value = "/proc")]
    pub proc: PathBuf,
    /// Listen inside of pods' network namespaces: where the node's side does not see them (needs SYS_ADMIN and SYS_PTRACE, and
    /// says so without), nowhere, or everywhere.
    #[arg(long, value_enum, default_value_t = InsideArg::Auto, env = "TAPIR_INSIDE_PODS")]
    pub inside_pods: InsideArg,
    /// Give up what an agent does not need once it has begun: capabilities, system calls, files. `require`: do not start where
    /// the kernel lacks a part of it. Default: the configuration file's, or on.
    #[arg(long, value_enum, env = "TAPIR_SANDBOX")]
    pub sandbox: Option<SandboxArg>,
    /// Capture rings inside of all pods together, in MiB.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub inside_ring_mib: u32,
    /// Capture ring in MiB.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub ring_mib: u32,
    /// Memory of the conversations of all endpoints, in MiB; shared fairly when it is short. Default: 512, or half of the memory
    /// limit of the agent's container or control group, if that is less.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536), env = "TAPIR_FLOW_MIB")]
    pub flow_mib: Option<u32>,
}

/// Whether there is a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SandboxArg {
    /// As far as the kernel has it; what is missing is told.
    On,
    /// No.
    Off,
    /// All of it, or no start.
    Require,
}

/// Rules from web servers and registries. The two files are read for each fetch, since they may be replaced. Nothing else of the disk
/// is touched for them.
#[derive(Args, Clone, Debug)]
pub struct OutsideArgs {
    /// Rules from a web server or a registry, beside all others: https://HOST/PATH#sha256=HEX (.rules, .tar.gz or .gz), or
    /// oci://REGISTRY/REPOSITORY@sha256:HEX. The digest is not optional. Repeatable; in the variable with spaces between.
    #[arg(long, value_name = "SOURCE", value_delimiter = ' ', env = "TAPIR_RULES_FROM")]
    pub rules_from: Vec<String>,
    /// Where copies of them are kept for a start without a network.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tapir/rules", env = "TAPIR_RULES_CACHE")]
    pub rules_cache: PathBuf,
    /// Credentials for their servers, as `docker login` writes them (.dockerconfigjson); each goes to its server only.
    #[arg(long, value_name = "FILE", env = "TAPIR_RULES_CREDENTIALS")]
    pub rules_credentials: Option<PathBuf>,
    /// Authorities of their servers, PEM. Default: the system's.
    #[arg(long, value_name = "FILE", env = "TAPIR_RULES_CA")]
    pub rules_ca: Option<PathBuf>,
}

/// Whether pods are listened to from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InsideArg {
    /// Where the node's side does not see them.
    Auto,
    /// Nowhere.
    Never,
    /// Everywhere.
    Always,
}

/// Which pods of other nodes are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FarNamesArg {
    /// All.
    Pods,
    /// Those that a service selects, without owner and labels.
    Services,
}

/// `tapir manager`
#[derive(Args, Debug)]
pub struct ManagerArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9443", env = "TAPIR_LISTEN")]
    pub listen: SocketAddr,
    /// Events and hashes of tokens.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tapir/manager", env = "TAPIR_DATA_DIR")]
    pub data_dir: PathBuf,
    /// Name of the cluster, in documents and on the page.
    #[arg(long, default_value = "cluster", env = "TAPIR_CLUSTER")]
    pub cluster: String,
    /// Address under which people reach the page, for links.
    #[arg(long, value_name = "URL", env = "TAPIR_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// A proxy in front speaks TLS with browsers and agents.
    #[arg(long)]
    pub behind_tls: bool,
    /// Certificate of the manager with those up to its authority, PEM; taken anew when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key", env = "TAPIR_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Key of that certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "TAPIR_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Authorities of agents, PEM: a client certificate of theirs lets an agent in for the node that it names.
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "TAPIR_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// Take tokens of the cluster in which it runs, with the permissions that the cluster gives (docs/manager.md).
    #[arg(long, env = "TAPIR_KUBERNETES")]
    pub kubernetes: bool,
    /// Take them of the cluster with this API server.
    #[arg(long, value_name = "URL", env = "TAPIR_KUBERNETES_API")]
    pub kubernetes_api: Option<String>,
    /// The manager's own token for that API server.
    #[arg(long, value_name = "FILE", requires = "kubernetes_api", env = "TAPIR_KUBERNETES_TOKEN")]
    pub kubernetes_token: Option<PathBuf>,
    /// Authorities of that API server, PEM.
    #[arg(long, value_name = "FILE", requires = "kubernetes_api", env = "TAPIR_KUBERNETES_CA")]
    pub kubernetes_ca: Option<PathBuf>,
    /// Tokens of the cluster must be for this audience. Repeatable. Default: that of the API server.
    #[arg(long, value_name = "NAME", env = "TAPIR_AUDIENCE")]
    pub audience: Vec<String>,
    /// Settings of an OpenID provider, TOML with a table [oidc] (docs/manager.md).
    #[arg(long, value_name = "FILE", requires = "public_url", env = "TAPIR_SIGN_IN")]
    pub sign_in: Option<PathBuf>,
    /// Files that each hold the token of an agent, besides the one in the data directory.
    #[arg(long, value_name = "FILE")]
    pub agent_token_file: Vec<PathBuf>,
    /// Rule files or directories, for the page of rules. Default: the rules that are built in.
    #[arg(long, short = 'r', value_name = "FILE", num_args = 1..)]
    pub rules: Vec<PathBuf>,
    /// Remove events after so many days.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub keep_days: u64,
    /// Remove the oldest events when the database, or the server's index of events, is larger.
    #[arg(long, value_name = "MIB", default_value_t = 20 << 10)]
    pub max_mib: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub store: StoreArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub resources: resources::ResourceArgs,
    /// Serve the page from this directory, not from the binary.
    #[arg(long, value_name = "DIR")]
    pub pages: Option<PathBuf>,
    /// Write the address to this file once requests are answered.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// Where the manager keeps events: in a file of its own, or on a server.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// OpenSearch or Elasticsearch that keeps events, e.g. https://search.example:9200. Default: a file in the data
    /// directory.
    #[arg(long, value_name = "URL", env = "TAPIR_STORE_URL")]
    pub store_url: Option<String>,
    /// User of that server.
    #[arg(long, value_name = "NAME", requires = "store_url", requires = "store_password_file")]
    pub store_user: Option<String>,
    /// File with the user's password.
    #[arg(long, value_name = "FILE", requires = "store_user")]
    pub store_password_file: Option<PathBuf>,
    /// File with an API key, in place of user and password.
    #[arg(long, value_name = "FILE", requires = "store_url", conflicts_with = "store_user")]
    pub store_api_key_file: Option<PathBuf>,
    /// Authorities that are trusted to vouch for that server (PEM). Default: the system's.
    #[arg(long, value_name = "FILE", requires = "store_url")]
    pub store_ca_file: Option<PathBuf>,
    /// Our certificate and its key (PEM), for servers that want one.
    #[arg(long, value_names = ["CERTIFICATE", "KEY"], num_args = 2, requires = "store_url")]
    pub store_client_cert: Option<Vec<PathBuf>>,
    /// Begin of the names of the indices.
    #[arg(long, value_name = "NAME", default_value = "tapir")]
    pub store_prefix: String,
    /// Primary shards of the index of events, when it is made: one for each 50 GB.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub store_shards: u32,
    /// Copies of every shard, when indices are made. Default: 1, or 0 on a server of a single node.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=8))]
    pub store_replicas: Option<u32>,
}

/// `tapir scan`
#[derive(Args, Debug)]
pub struct ScanArgs {
    /// Captures: pcap or pcapng, also gzip or zstd; directories; `-` for standard input.
    #[arg(value_name = "FILE|DIR|-")]
    pub inputs: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub rule_args: RuleArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub output: OutputArgs,
    /// Captures inspected at the same time (a capture is always inspected by one worker).
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Verify checksums; packets with a wrong one are counted and not inspected.
    #[arg(long)]
    pub verify_checksums: bool,
    /// Then show the alerts on the Alerts page, with their bytes, until interrupted. They are kept nowhere.
    #[arg(long)]
    pub serve: bool,
    /// Where to show them; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", requires = "serve")]
    pub listen: SocketAddr,
    /// Serve the page from this directory, not from the binary.
    #[arg(long, value_name = "DIR", requires = "serve")]
    pub pages: Option<PathBuf>,
}

/// `tapir watch`
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// Interfaces.
    #[arg(required = true, value_name = "IFACE")]
    pub interfaces: Vec<String>,
    /// The interfaces are in this network namespace: a name of `ip netns`, or a path such as /proc/PID/ns/net.
    #[arg(long, value_name = "NAME|PATH")]
    pub netns: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub rule_args: RuleArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub output: OutputArgs,
    /// Capture ring in MiB.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub ring_mib: u32,
    /// End after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<u64>,
    /// End after this many alerts.
    #[arg(long, value_name = "N")]
    pub max_alerts: Option<u64>,
    /// Write this file once capture has started (for scripts).
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// `tapir rules …`
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Parse and compile rules; name every one that cannot be used, and why.
    Check {
        /// Rule files (same as --rules).
        files: Vec<PathBuf>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flattened")]
        rule_args: RuleArgs,
        /// Also print warnings and notes.
        #[arg(long)]
        warnings: bool,
        /// Findings as JSON, one a line, on standard output.
        #[arg(long)]
        json: bool,
    },
    /// List rules: sid, state, class, message.
    List {
        /// Rule files (same as --rules).
        files: Vec<PathBuf>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flattened")]
        rule_args: RuleArgs,
    },
    /// Print a rule as Tapir understood it.
    Show {
        /// Its sid, or gid:sid.
        sid: String,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flattened")]
        rule_args: RuleArgs,
    },
    /// Say in plain words what a rule looks for.
    Explain {
        /// Its sid, or gid:sid.
        sid: String,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flattened")]
        rule_args: RuleArgs,
    },
    /// Print rules in canonical Snort 3 form (also Snort 2.9 and Suricata input).
    Convert {
        /// Rule files (same as --rules).
        files: Vec<PathBuf>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flattened")]
        rule_args: RuleArgs,
    },
}
