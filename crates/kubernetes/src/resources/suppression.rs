//! Tapir's own `Suppression`: alerts that somebody wants quiet, with reason and end, where a team reviews its manifests.
//!
//! *How it fits*: the words are those of `event::quiet`, of the manager's API and of its page; what a suppression does is written
//! there. It is namespaced, so that a team may quiet its own alerts with the permissions it has anyhow, and in Tapir's own
//! namespace it holds for the whole cluster: [`SuppressionSpec::reach`]. Were it for the cluster only, every team would have
//! to ask, or could hide what it does to others.
//! *Invariants*: outside of Tapir's namespace both sides are named, each in the namespace of the resource or outside of the
//! cluster; the manager asks the same of its users.

use super::condition::Condition;
use super::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to quiet, how, why, and how long.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "tapir.dev",
    version = "v1alpha1",
    kind = "Suppression",
    plural = "suppressions",
    singular = "suppression",
    category = "tapir",
    namespaced,
    status = "SuppressionStatus",
    derive = "PartialEq",
    doc = "Quiets alerts. In Tapir's own namespace it holds for the whole cluster, elsewhere between parties of its namespace and the outside.",
    printcolumn = r#"{"name": "Rule", "type": "string", "jsonPath": ".spec.rule"}"#,
    printcolumn = r#"{"name": "Mode", "type": "string", "jsonPath": ".spec.mode"}"#,
    printcolumn = r#"{"name": "Client", "type": "string", "jsonPath": ".spec.scope.client"}"#,
    printcolumn = r#"{"name": "Server", "type": "string", "jsonPath": ".spec.scope.server"}"#,
    printcolumn = r#"{"name": "Silenced", "type": "integer", "jsonPath": ".status.silenced"}"#,
    printcolumn = r#"{"name": "Expires", "type": "string", "jsonPath": ".spec.expires"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".spec.reason", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.rule) || has(self.query) || has(self.scope)",
        "message": "name a rule, a scope or a query, or it would quiet everything"
    },
    {"rule": "has(self.limit) == (self.mode == 'limit')", "message": "limit goes with mode limit, and only with it"},
    {"rule": "!has(self.query) || self.mode == 'hide'", "message": "a query goes with mode hide only: the other modes decide before there is an alert to ask"}
]))]
pub struct SuppressionSpec {
    /// gid:sid of the rule; gid:* stands for all rules of a generator. Absent: any rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,10}:(\*|[0-9]{1,10})$"))]
    pub rule: Option<String>,
    /// Between whom. Absent: anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// A query over alerts that must match, too, in Tapir's query language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 4096))]
    pub query: Option<String>,
    /// hide: keep and count, but show and send nowhere. limit: at most so many. stop: do not evaluate the rule.
    pub mode: Mode,
    /// Of mode limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Why.
    #[schemars(extend("minLength" = 1, "maxLength" = 4096))]
    pub reason: String,
    /// Until when. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub expires: Option<Time>,
}

/// Between whom. All that is given must hold.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[schemars(extend("minProperties" = 1))]
pub struct Scope {
    /// Who opened the conversation: namespace/kind/owner, namespace/*, a network or an address. Absent: anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 600))]
    pub client: Option<String>,
    /// The other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 600))]
    pub server: Option<String>,
    /// Namespace of either side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 63))]
    pub namespace: Option<String>,
}

/// How.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Keep and count, but show and send nowhere.
    Hide,
    /// At most so many.
    Limit,
    /// Do not evaluate the rule.
    Stop,
}

/// At most so many alerts for a pair of parties on a node.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Alerts.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
    pub count: i32,
    /// In so many seconds.
    #[schemars(extend("minimum" = 1, "maximum" = 604_800))]
    pub seconds: i32,
}

/// What became of it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SuppressionStatus {
    /// Generation of the resource that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, Applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::condition_map")]
    pub conditions: Vec<Condition>,
    /// Alerts that it has quieted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<i64>,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_silenced: Option<Time>,
    /// Nodes that apply it, of all: 3/4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
}

/// A rule, or all of a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId {
    /// Generator.
    pub gid: u32,
    /// Signature; `None`: all.
    pub sid: Option<u32>,
}

/// Where a suppression holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Everywhere.
    Cluster,
    /// Between parties of its namespace and the outside.
    Namespace,
}

/// Why a suppression is not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfReach {
    /// A side is not named.
    #[error(
        "spec.scope.{side} is missing: outside of namespace {tapir} a suppression names both sides, each in its own namespace or \
         outside of the cluster"
    )]
    SideMissing {
        /// `client` or `server`.
        side: &'static str,
        /// Tapir's namespace.
        tapir: String,
    },
    /// A side is somebody else's.
    #[error("spec.scope.{side} is of namespace {of}: suppressions between namespaces belong into namespace {tapir}")]
    SideElsewhere {
        /// `client` or `server`.
        side: &'static str,
        /// Whose it is.
        of: String,
        /// Tapir's namespace.
        tapir: String,
    },
    /// A number that no rule has.
    #[error("spec.rule is no gid:sid: {0}")]
    Rule(String),
}

impl SuppressionSpec {
    /// The rule, if one is named.
    pub fn rule(&self) -> Result<Option<RuleId>, OutOfReach> {
        let Some(text) = &self.rule else { return Ok(None) };
        let read = text.split_once(':').and_then(|(gid, sid)| {
            let sid = if sid == "*" { None } else { Some(sid.parse().ok()?) };
            Some(RuleId { gid: gid.parse().ok()?, sid })
        });
        read.map(Some).ok_or_else(|| OutOfReach::Rule(text.clone()))
    }

    /// Where it holds, as a resource of `namespace`, or why it holds nowhere.
    pub fn reach(&self, namespace: &str, tapir: &str) -> Result<Reach, OutOfReach> {
        self.rule()?;
        if namespace == tapir {
            return Ok(Reach::Cluster);
        }
        let scope = self.scope.clone().unwrap_or_default();
        for (side, party) in [("client", &scope.client), ("server", &scope.server)] {
            let Some(party) = party else {
                return Err(OutOfReach::SideMissing { side, tapir: tapir.to_owned() });
            };
            if let Some(of) = namespace_of(party).filter(|of| *of != namespace) {
                return Err(OutOfReach::SideElsewhere { side, of: of.to_owned(), tapir: tapir.to_owned() });
            }
        }
        Ok(Reach::Namespace)
    }

    /// Whether it holds at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires.as_ref().is_none_or(|expires| now < expires.0)
    }
}

/// Of a workload or a whole namespace; none of a network or an address.
fn namespace_of(party: &str) -> Option<&str> {
    let (first, rest) = party.split_once('/')?;
    let outside = first.parse::<std::net::IpAddr>().is_ok() && rest.bytes().all(|byte| byte.is_ascii_digit());
    (!outside).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(scope: serde_json::Value) -> SuppressionSpec {
        serde_json::from_value(json!({"rule": "1:408", "scope": scope, "mode": "hide", "reason": "monitoring"}))
            .unwrap()
    }

    #[test]
    fn in_tapirs_namespace_anything_may_be_quieted() {
        assert_eq!(spec(json!({})).reach("tapir", "tapir"), Ok(Reach::Cluster));
        assert_eq!(spec(json!({"client": "scan/*"})).reach("tapir", "tapir"), Ok(Reach::Cluster));
    }

    #[test]
    fn elsewhere_both_sides_are_named_and_ones_own_or_outside() {
        let reach = |scope| spec(scope).reach("shop", "tapir");
        for scope in [
            json!({"client": "shop/Deployment/probe", "server": "shop/*"}),
            json!({"client": "203.0.113.0/24", "server": "shop/Deployment/cart"}),
            json!({"client": "shop/Pod/x", "server": "10.1.2.3"}),
            json!({"client": "2001:db8:1::/48", "server": "shop/*"}),
        ] {
            assert_eq!(reach(scope.clone()), Ok(Reach::Namespace), "{scope}");
        }
        let missing = reach(json!({"client": "shop/*"})).unwrap_err();
        assert!(missing.to_string().contains("spec.scope.server"), "{missing}");
        let elsewhere = reach(json!({"client": "shop/*", "server": "bank/Deployment/ledger"})).unwrap_err();
        assert!(elsewhere.to_string().contains("namespace bank"), "{elsewhere}");
        // A namespace may look like an address, but its parties do not.
        assert!(reach(json!({"client": "shop/*", "server": "10/*"})).is_err());
    }

    #[test]
    fn rules_are_read_as_gid_and_sid() {
        let rule = |text: &str| SuppressionSpec { rule: Some(text.into()), ..spec(json!({})) }.rule();
        assert_eq!(rule("1:408"), Ok(Some(RuleId { gid: 1, sid: Some(408) })));
        assert_eq!(rule("119:*"), Ok(Some(RuleId { gid: 119, sid: None })));
        for wrong in ["408", "1:", "1:9999999999", "a:1"] {
            assert_eq!(rule(wrong), Err(OutOfReach::Rule(wrong.into())));
        }
    }

    #[test]
    fn it_ends_when_it_expires() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ends = SuppressionSpec { expires: Some(Time(at(100))), ..spec(json!({})) };
        assert_eq!([99, 100].map(|second| ends.holds(at(second))), [true, false]);
        assert!(spec(json!({})).holds(at(i64::from(i32::MAX))));
    }
}
