//! `tapir kubectl`, and the same program called as `kubectl-tapir`, as typed.

use super::alerts::{AlertsArgs, CommonArgs, Form};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Deep packet inspection of this cluster: what is inspected, by whom, how it goes, what it found.
#[derive(Debug, Parser)]
#[command(name = "kubectl tapir", bin_name = "kubectl tapir", version)]
pub struct Plugin {
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub args: KubectlArgs,
    /// Say nothing but errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Form of messages on standard error.
    #[arg(long, global = true, value_enum, default_value_t = super::LogFormat::Text)]
    pub log_format: super::LogFormat,
}

/// `tapir kubectl`
#[derive(Args, Debug)]
#[command(after_help = "Linked as kubectl-tapir into a folder of PATH, it is `kubectl tapir`.\n\n\
    drops and alerts ask the manager: --server or TAPIR_SERVER says where it is, --token-file, TAPIR_TOKEN or TAPIR_TOKEN_FILE who asks.\n\n\
    Exit codes: 0 done; 1 something failed, and of status: Tapir is degraded; 2 wrong usage.")]
pub struct KubectlArgs {
    /// What to show.
    #[command(subcommand)]
    pub command: KubectlCommand,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum KubectlCommand {
    /// List what asks for inspection: DeepPacketInspection and Inspection resources, with what nodes say of them.
    #[command(visible_aliases = ["inspection", "dpi"])]
    Inspections(ClusterArgs),
    /// Show which pods are selected by which inspection, and which by none.
    Coverage(CoverageArgs),
    /// Show how Tapir is: parts, agents. Exit code 1 if something is degraded.
    Status(ClusterArgs),
    /// Show what nodes lost, as the manager knows it.
    #[command(visible_alias = "nodes")]
    Drops(CommonArgs),
    /// The manager's alerts: `tapir alerts`.
    #[command(visible_alias = "alert")]
    Alerts(Box<AlertsArgs>),
}

/// Which cluster and namespace, and how answers are shown.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// The cluster of this file of kubectl. Default: as kubectl has it.
    #[arg(long, value_name = "FILE", env = "TAPIR_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of that file. Default: the current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Of this namespace. Default: that of the context; of status, all.
    #[arg(long, short, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Of all namespaces.
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Form::Table)]
    pub output: Form,
    /// Tables without headings.
    #[arg(long)]
    pub no_headers: bool,
}

/// `tapir kubectl coverage`
#[derive(Args, Clone, Debug)]
pub struct CoverageArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "flattened")]
    pub cluster: ClusterArgs,
    /// Only pods that no inspection selects.
    #[arg(long)]
    pub uncovered: bool,
    /// Only the totals of namespaces.
    #[arg(long, conflicts_with = "uncovered")]
    pub totals: bool,
}
