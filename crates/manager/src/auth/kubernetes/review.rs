//! The two questions to the API server: `authentication.k8s.io/v1` TokenReview and `authorization.k8s.io/v1`
//! SubjectAccessReview, as two POSTs.
//!
//! An answer that is not understood is a failure, never a yes and never a no. `evaluationError` changes nothing: servers set it
//! beside answers that hold, when a binding names a role that is gone, for instance.

use super::KubernetesConfig;
use crate::auth::client::{Body, Client};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Somebody whom the cluster knows, as reviews of permissions want him.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Subject {
    pub username: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
    /// When his token ends, seconds of Unix time; not known of every kind of token.
    #[serde(skip)]
    pub expires: Option<i64>,
}

impl Subject {
    /// The node that a token of a pod is bound to.
    pub(crate) fn node(&self) -> Option<&str> {
        self.extra.get("authentication.kubernetes.io/node-name")?.first().map(String::as_str)
    }
}

/// Something that a role may give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission<'a> {
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    /// Of one object; empty: of all of them.
    pub(super) name: &'a str,
    pub(super) verb: &'a str,
    /// Empty: in all of them.
    pub(super) namespace: &'a str,
}

#[derive(Deserialize)]
struct Review<S> {
    status: S,
}

#[derive(Deserialize)]
struct TokenStatus {
    #[serde(default)]
    authenticated: bool,
    user: Option<Subject>,
    #[serde(default)]
    audiences: Vec<String>,
}

#[derive(Deserialize)]
struct AccessStatus {
    allowed: bool,
    #[serde(default)]
    denied: bool,
}

pub(super) struct Reviews {
    server: String,
    audiences: Vec<String>,
    client: Client,
}

impl Reviews {
    pub(super) fn new(config: &KubernetesConfig) -> Self {
        Self {
            server: config.server.trim_end_matches('/').to_owned(),
            audiences: config.audiences.clone(),
            client: Client::new(config.authorities.clone(), config.token.clone()),
        }
    }

    /// Whose token it is.
    pub(super) async fn token(&self, token: &str) -> Result<Option<Subject>, String> {
        let spec = match self.audiences.as_slice() {
            [] => json!({ "token": token }),
            audiences => json!({ "token": token, "audiences": audiences }),
        };
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec });
        let status: TokenStatus = self.ask("authentication.k8s.io/v1/tokenreviews", "tokenreviews", &review).await?;
        if !status.authenticated {
            return Ok(None);
        }
        // A server that knows no audiences says that a token is good without saying for whom.
        let meant = self.audiences.is_empty() || self.audiences.iter().any(|own| status.audiences.contains(own));
        if !meant {
            return Ok(None);
        }
        match status.user {
            Some(user) if !user.username.is_empty() => Ok(Some(user)),
            _ => Err("the API server finds the token good and does not say whose it is".to_owned()),
        }
    }

    /// Whether he may.
    pub(super) async fn may(&self, subject: &Subject, what: Permission<'_>) -> Result<bool, String> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": subject.username,
                "uid": subject.uid,
                "groups": subject.groups,
                "extra": subject.extra,
                "resourceAttributes": {
                    "group": what.group,
                    "version": "*",
                    "resource": what.resource,
                    "name": what.name,
                    "verb": what.verb,
                    "namespace": what.namespace,
                },
            },
        });
        let path = "authorization.k8s.io/v1/subjectaccessreviews";
        let status: AccessStatus = self.ask(path, "subjectaccessreviews", &review).await?;
        Ok(status.allowed && !status.denied)
    }

    async fn ask<S: DeserializeOwned>(&self, path: &str, resource: &str, review: &Value) -> Result<S, String> {
        let url = format!("{}/apis/{path}", self.server);
        let body = Body::Json(serde_json::to_vec(review).map_err(|error| error.to_string())?);
        let reply = self.client.call(&url, body, None).await?;
        match reply.status {
            200 | 201 => {}
            status @ (401 | 403) => {
                return Err(format!(
                    "the API server does not let the manager ask (status {status}); its service account needs `create` on \
                     {resource}: bind it to ClusterRole system:auth-delegator"
                ));
            }
            status => return Err(format!("the API server answered with status {status}")),
        }
        let review: Review<S> = serde_json::from_slice(&reply.body)
            .map_err(|error| format!("the API server's answer is not understood ({error})"))?;
        Ok(review.status)
    }
}
