//! Calico's `AlertException`: events that are left out of lists for some time.
//!
//! *Spec*: tigera/api `alertexception.go`. The selector is a query over events in the incumbent's dialect.

use super::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which events, and when.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "projectcalico.org",
    version = "v3",
    kind = "AlertException",
    plural = "alertexceptions",
    singular = "alertexception",
    status = "AlertExceptionStatus",
    derive = "PartialEq",
    doc = "Leaves the events that a query matches out of lists. They stay stored, and show again when it ends."
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.endTime) || self.endTime > self.startTime", "message": "endTime must be after startTime"}
]))]
pub struct AlertExceptionSpec {
    /// What it is for.
    pub description: String,
    /// A query over events.
    pub selector: String,
    /// From then on; it may lie in the future.
    #[schemars(schema_with = "schema::time")]
    pub start_time: Time,
    /// Until then. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub end_time: Option<Time>,
}

impl AlertExceptionSpec {
    /// Whether it holds at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.start_time.0 <= now && self.end_time.as_ref().is_none_or(|end| now < end.0)
    }
}

/// Nothing is said.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertExceptionStatus {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_from_its_start_until_before_its_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut spec = AlertExceptionSpec {
            description: "scanner".into(),
            selector: "source_ip = '10.0.0.1'".into(),
            start_time: Time(at(100)),
            end_time: Some(Time(at(200))),
        };
        let holds = |spec: &AlertExceptionSpec| [99, 100, 199, 200].map(|second| spec.holds(at(second)));
        assert_eq!(holds(&spec), [false, true, true, false]);
        spec.end_time = None;
        assert_eq!(holds(&spec), [false, true, true, true]);
    }
}
