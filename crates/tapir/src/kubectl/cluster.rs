//! The cluster, asked as kubectl asks it: lists, page by page, and refusals that say what was asked.
//!
//! *Limits*: [`PAGE`] objects at once, [`MOST`] of a list, [`PATIENCE`] for a page.

use crate::alerts::failure::Failure;
use crate::alerts::readable::readable;
use crate::args::kubectl::ClusterArgs;
use kube::api::ListParams;
use kube::{Api, Client, Error};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;

/// Objects of a page.
const PAGE: u32 = 500;
/// Objects of a list.
const MOST: usize = 200_000;
/// Of a page.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster, and which part of it is asked about.
pub struct Cluster {
    /// The API server.
    pub client: Client,
    /// One namespace; `None`: all.
    pub namespace: Option<String>,
}

/// What a list is of, for people: `deeppacketinspections.projectcalico.org`.
#[derive(Clone, Copy, Debug)]
pub struct What(pub &'static str);

impl Cluster {
    /// As kubectl has it.
    pub async fn connect(args: &ClusterArgs) -> Result<Self, Failure> {
        let client = tapir_operator::current(args.kubeconfig.as_deref(), args.context.as_deref()).await;
        let Some(client) = client.map_err(|why| Failure::Other(readable(&why)))? else {
            return Err(Failure::Other(
                "no cluster: kubectl has no current context; give --kubeconfig, or set one with kubectl config use-context"
                    .to_owned(),
            ));
        };
        let namespace = match (&args.namespace, args.all_namespaces) {
            (_, true) => None,
            (Some(namespace), _) => Some(namespace.clone()),
            (None, _) => Some(client.default_namespace().to_owned()),
        };
        Ok(Self { client, namespace })
    }

    /// Objects of the namespace asked about, or of all.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Objects of the whole cluster.
    pub fn whole<K: kube::Resource>(&self) -> Api<K>
    where
        K::DynamicType: Default,
    {
        Api::all(self.client.clone())
    }
}

/// Why a list could not be had.
#[derive(Debug)]
pub enum Refusal {
    /// The cluster has no such resource.
    Unknown,
    /// It may not be listed by whoever asks.
    Forbidden(String),
    /// Anything else.
    Failed(Failure),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => {
                Self::Other("the cluster does not know Tapir's resources: run tapir install first".to_owned())
            }
            Refusal::Forbidden(why) => Self::Other(why),
            Refusal::Failed(failure) => failure,
        }
    }
}

/// Hands on a list page by page.
pub async fn pages<K>(
    api: &Api<K>,
    what: What,
    labels: Option<&str>,
    mut take: impl FnMut(Vec<K>) -> Result<(), Failure>,
) -> Result<(), Refusal>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut params = ListParams::default().limit(PAGE);
    params.label_selector = labels.map(str::to_owned);
    let mut seen = 0_usize;
    loop {
        let page = match tokio::time::timeout(PATIENCE, api.list(&params)).await {
            Ok(page) => page.map_err(|error| refusal(what, &error))?,
            Err(_) => {
                let why = format!("list {}: the API server did not answer within {} s", what.0, PATIENCE.as_secs());
                return Err(Refusal::Failed(Failure::Unreachable(why)));
            }
        };
        seen = seen.saturating_add(page.items.len());
        if seen > MOST {
            let why = format!("list {}: there are more than {MOST}; name a namespace with -n", what.0);
            return Err(Refusal::Failed(Failure::Other(why)));
        }
        take(page.items).map_err(Refusal::Failed)?;
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params.continue_token = Some(next),
            None => return Ok(()),
        }
    }
}

/// A whole list.
pub async fn list<K>(api: &Api<K>, what: What) -> Result<Vec<K>, Refusal>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut all = Vec::new();
    let collect = |page| {
        all.extend(page);
        Ok(())
    };
    pages(api, what, None, collect).await?;
    Ok(all)
}

/// A list of a resource that the cluster may not know: then it has none.
pub async fn list_if_known<K>(api: &Api<K>, what: What) -> Result<Option<Vec<K>>, Refusal>
where
    K: Clone + DeserializeOwned + Debug,
{
    match list(api, what).await {
        Ok(all) => Ok(Some(all)),
        Err(Refusal::Unknown) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn refusal(what: What, error: &Error) -> Refusal {
    match error {
        Error::Api(status) if status.code == 404 => Refusal::Unknown,
        Error::Api(status) if status.code == 403 => {
            let why = readable(&status.message);
            Refusal::Forbidden(format!("not permitted to list {}: {why}; ask for a role with that verb", what.0))
        }
        Error::Api(status) if status.code == 401 => Refusal::Failed(Failure::Other(format!(
            "list {}: the cluster does not know who asks ({}); sign in again",
            what.0,
            readable(&status.message)
        ))),
        Error::Api(status) => {
            Refusal::Failed(Failure::Other(format!("list {}: {}", what.0, readable(&status.message))))
        }
        error => {
            let mut innermost: &dyn std::error::Error = error;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            let why = readable(&innermost.to_string());
            Refusal::Failed(Failure::Unreachable(format!("list {}: {why}; does kubectl reach this cluster?", what.0)))
        }
    }
}

/// Runs questions to their end.
pub fn block_on<T>(questions: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Other(format!("cannot start: {error}")))?.block_on(questions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: u16, message: &str) -> String {
        let status = kube::core::Status { code, message: message.into(), ..kube::core::Status::default() };
        Failure::from(refusal(What("pods"), &Error::Api(Box::new(status)))).text()
    }

    #[test]
    fn a_refusal_says_verb_and_resource_and_moves_no_terminal() {
        insta::assert_snapshot!(
            told(403, "pods is forbidden: User \"\x1b[2Jeve\" cannot list resource"),
            @r#"not permitted to list pods: pods is forbidden: User "\x1b[2Jeve" cannot list resource; ask for a role with that verb"#
        );
        assert!(told(404, "").contains("tapir install"));
        assert!(told(401, "Unauthorized").contains("sign in again"));
        assert_eq!(told(500, "etcd is away"), "list pods: etcd is away");
    }
}
