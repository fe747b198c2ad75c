//! Which rules an inspection uses, and where they come from.
//!
//! *Invariants*: what comes from outside of the cluster is pinned by its digest: the rules that are in force are the ones that
//! somebody looked at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which rules.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Switches on the rules whose metadata names this policy, and no others but those in enable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Whether the rules that come with the agent are among them. Absent: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundled: Option<bool>,
    /// Single rules to switch on, as gid:sid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 1000, "x-kubernetes-list-type" = "set"), inner(regex(pattern = r"^[0-9]{1,10}:[0-9]{1,10}$")))]
    pub enable: Vec<String>,
    /// Single rules to switch off, as gid:sid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 1000, "x-kubernetes-list-type" = "set"), inner(regex(pattern = r"^[0-9]{1,10}:[0-9]{1,10}$")))]
    pub disable: Vec<String>,
    /// Where rules come from, besides the bundled ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 16, "x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sources: Vec<Source>,
}

/// Switches on the rules whose metadata names this policy, and no others but those in enable.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Few rules, fast.
    Connectivity,
    /// The usual choice.
    Balanced,
    /// More rules, more alerts.
    Security,
    /// Everything that may find something.
    MaxDetect,
}

/// Where rules come from: exactly one of configMap, secret, url and oci.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "[has(self.configMap), has(self.secret), has(self.url), has(self.oci)].filter(given, given).size() == 1",
        "message": "name exactly one of configMap, secret, url and oci"
    }
]))]
pub struct Source {
    /// What it is called in status and logs.
    #[schemars(extend("minLength" = 1, "maxLength" = 63))]
    pub name: String,
    /// A ConfigMap in Tapir's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<KeyRef>,
    /// A Secret in Tapir's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<KeyRef>,
    /// A file of a web server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<UrlSource>,
    /// An artifact of a container registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciArtifact>,
}

/// A ConfigMap or Secret with rule files.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRef {
    /// Name of the object.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
    /// One key. Absent: every key that ends in .rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub key: Option<String>,
}

/// An object in Tapir's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef {
    /// Its name.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
}

/// A file of a web server.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlSource {
    /// Where: a .rules file or a .tar.gz of them.
    #[schemars(extend("maxLength" = 2048), regex(pattern = r"^https://[^\s@]+$"))]
    pub url: String,
    /// What it must be.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
    /// A Secret with the label tapir.dev/rules, with host and username and password, or host and token, or of type
    /// kubernetes.io/dockerconfigjson.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<ObjectRef>,
}

/// An artifact of a container registry.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OciArtifact {
    /// Which, with its digest: registry.example/rules@sha256:…
    #[schemars(extend("maxLength" = 1024), regex(pattern = r"^[^\s@]+@sha256:[0-9a-f]{64}$"))]
    pub reference: String,
    /// A Secret of type kubernetes.io/dockerconfigjson with the label tapir.dev/rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<ObjectRef>,
}

/// A variable of rules.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// Its name, without $.
    #[schemars(extend("maxLength" = 64), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value, as in a rule file: any, 10.0.0.0/8, [80,8080], !$HOME_NET.
    #[schemars(extend("minLength" = 1, "maxLength" = 4096))]
    pub value: String,
}
