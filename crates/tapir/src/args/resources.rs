//! What `tapir manager` is told of the cluster's resources.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Kinds of resources that the manager honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HonourArg {
    /// AlertException (projectcalico.org/v3).
    Exceptions,
    /// SecurityEventWebhook (projectcalico.org/v3).
    Webhooks,
    /// Suppression (tapir.dev/v1alpha1).
    Suppressions,
    /// No kind at all.
    None,
}

/// The cluster's resources (docs/manager.md).
#[derive(Args, Clone, Debug)]
pub struct ResourceArgs {
    /// Honour resources of the cluster of this file of kubectl. Default: of the one that the manager runs in, if it runs in one.
    #[arg(long, value_name = "FILE", env = "TAPIR_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Which kinds of resources are honoured. Of several managers over one store one may have webhooks.
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        value_delimiter = ',',
        default_value = "exceptions,webhooks,suppressions",
        env = "TAPIR_HONOUR"
    )]
    pub honour: Vec<HonourArg>,
    /// Tapir's own namespace: a Suppression there holds for the whole cluster. Default: that of the manager's pod, else tapir-system.
    #[arg(long, value_name = "NAME", env = "TAPIR_NAMESPACE")]
    pub namespace: Option<String>,
    /// Where ConfigMaps and Secrets of webhooks are looked for.
    #[arg(long, value_name = "NAME", default_value = "tigera-intrusion-detection", env = "TAPIR_WEBHOOK_NAMESPACE")]
    pub webhook_namespace: String,
    /// Count alerts by inspection for the operator, into the ConfigMap tapir-alert-counts of that namespace.
    #[arg(long, env = "TAPIR_ALERT_COUNTS")]
    pub alert_counts: bool,
    /// Webhooks may go to loopback and link-local addresses: to a receiver in the manager's own pod, for instance.
    #[arg(long)]
    pub local_webhooks: bool,
}
