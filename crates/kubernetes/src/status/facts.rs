//! What an agent knows of an inspection on its node.

use super::ErrorLog;
use crate::resources::Counts;
use k8s_openapi::jiff::Timestamp;

/// An endpoint that is selected: a pod, or an interface of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointFact {
    /// `namespace/pod`, or the name of the interface.
    pub name: String,
    /// Its traffic is read at this moment.
    pub attached: bool,
}

/// The rules that are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFacts {
    /// Rules in force.
    pub loaded: u64,
    /// Rules left out, since something is wrong with them.
    pub rejected: u64,
    /// Identity of the rule set.
    pub rule_set: String,
}

/// What an agent knows of an inspection on its node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Name of the node.
    pub node: String,
    /// Generation of the resource that it works by.
    pub generation: Option<i64>,
    /// Every selected endpoint.
    pub endpoints: Vec<EndpointFact>,
    /// There may be more that nobody knows of.
    pub incomplete: bool,
    /// The rules.
    pub rules: RuleFacts,
    /// Packets inspected since the agent began.
    pub packets: u64,
    /// Packets lost since the agent began.
    pub drops: u64,
    /// When the last alert was raised.
    pub last_alert: Option<Timestamp>,
    /// What is wrong.
    pub errors: ErrorLog,
}

impl NodeFacts {
    /// Endpoints that are inspected.
    pub fn attached(&self) -> usize {
        self.endpoints.iter().filter(|endpoint| endpoint.attached).count()
    }

    /// Endpoints as a status has them.
    pub fn counts(&self) -> Counts {
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Counts { selected: count(self.endpoints.len()), attached: count(self.attached()) }
    }

    /// Every selected endpoint is known and attached, there is one at least, and rules are loaded.
    pub fn success(&self) -> bool {
        !self.endpoints.is_empty()
            && !self.incomplete
            && self.attached() == self.endpoints.len()
            && self.rules.loaded > 0
    }

    /// Nothing to inspect here and nothing wrong: nothing to say.
    pub fn is_silent(&self) -> bool {
        self.endpoints.is_empty() && self.errors.is_empty()
    }
}
