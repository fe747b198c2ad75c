//! Resources of the cluster that `tapir manager` honours: whether there is a cluster, and what of it is asked.

use crate::args::ManagerArgs;
use crate::args::resources::{HonourArg, ResourceArgs};
use crate::message::Messages;
use std::sync::Arc;
use tapir_event::Style;
use tapir_manager::Manager;
use tapir_manager::resources::{ResourceKind, Resources};
use tapir_resources::Config;
use tapir_store::EventStore;

/// Where a pod finds its namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// Where Tapir is installed if nothing else is said.
const NAMESPACE: &str = "tapir-system";

/// What is honoured; `None`: there is no cluster, or nothing of it is.
pub fn board(args: &ResourceArgs) -> Option<Arc<Resources>> {
    let kinds = kinds(&args.honour);
    let has_cluster = args.kubeconfig.is_some() || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    (has_cluster && (!kinds.is_empty() || args.alert_counts)).then(|| Arc::new(Resources::new(&kinds)))
}

fn kinds(honoured: &[HonourArg]) -> Vec<ResourceKind> {
    let kinds = [
        (HonourArg::Exceptions, ResourceKind::AlertException),
        (HonourArg::Webhooks, ResourceKind::SecurityEventWebhook),
        (HonourArg::Suppressions, ResourceKind::Suppression),
    ];
    let is_none = honoured.contains(&HonourArg::None);
    kinds.into_iter().filter(|(arg, _)| !is_none && honoured.contains(arg)).map(|(_, kind)| kind).collect()
}

/// Honours them for ever. Fails at the start only, and only over what the command line says: a pod without a token goes on without.
pub async fn honour(
    args: &ManagerArgs,
    manager: &Manager,
    store: &Arc<dyn EventStore>,
    board: Option<Arc<Resources>>,
    messages: &Messages,
) -> Result<impl Future<Output = ()> + use<>, String> {
    let asked = &args.resources;
    let mut work = None;
    if let Some(board) = board {
        match tapir_agent::cluster::client(asked.kubeconfig.as_deref()).await {
            Ok(client) => {
                let (hears, store, beside) = (*messages, Arc::clone(store), manager.beside());
                work = Some(tapir_resources::run(client, store, beside, board, config(args, hears)));
            }
            Err(error) if asked.kubeconfig.is_some() => return Err(error),
            Err(error) => messages.warning(&format!("resources of the cluster are not honoured: {error}")),
        }
    }
    Ok(async {
        match work {
            Some(work) => work.await,
            None => std::future::pending().await,
        }
    })
}

fn config(args: &ManagerArgs, messages: Messages) -> Config {
    let asked = &args.resources;
    let of_pod = || std::fs::read_to_string(POD_NAMESPACE).ok().map(|text| text.trim().to_owned());
    let page = args.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    Config {
        kinds: kinds(&asked.honour),
        namespace: asked
            .namespace
            .clone()
            .or_else(of_pod)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| NAMESPACE.to_owned()),
        webhook_namespace: asked.webhook_namespace.clone(),
        counts: asked.alert_counts,
        data_dir: args.data_dir.clone(),
        style: Style { cluster: args.cluster.clone(), page, ..Style::default() },
        allow_local: asked.local_webhooks,
        say: Arc::new(move |text, is_warning| if is_warning { messages.warning(text) } else { messages.info(text) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_none_whatever_else_is_named() {
        let all = [HonourArg::Exceptions, HonourArg::Webhooks, HonourArg::Suppressions];
        assert_eq!(kinds(&all), ResourceKind::ALL);
        assert_eq!(kinds(&[HonourArg::Webhooks]), [ResourceKind::SecurityEventWebhook]);
        assert!(kinds(&[HonourArg::Webhooks, HonourArg::None]).is_empty());
    }
}
