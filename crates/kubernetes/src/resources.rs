//! The custom resources: Calico's, accepted as they are, and Tapir's own.
//!
//! *How it fits*: types with `kube`'s derive, which an agent watches, the operator and the manager write; [`crate::crds`]
//! makes the definitions for the API server of them. Nothing here asks the API server.
//! *Invariants*: what Calico's schema allows is read without error, so that one strange object does not end a watch; what is
//! written satisfies the schema.
//! *Spec*: tigera/api and tigera/operator (schemas), Kubernetes API conventions (conditions, `observedGeneration`);
//! `docs/kubernetes/resources.md`.

mod alert_exception;
mod condition;
mod deep_packet_inspection;
mod inspection;
mod intrusion_detection;
mod quantity;
mod schema;
mod security_event_webhook;
mod stored;
mod suppression;
mod tapir_status;
mod text;

pub use alert_exception::{AlertException, AlertExceptionSpec, AlertExceptionStatus};
pub(crate) use condition::whole_second;
pub use condition::{Condition, Verdict, set_condition};
pub use deep_packet_inspection::{
    Active, DeepPacketInspection, DeepPacketInspectionSpec, DeepPacketInspectionStatus, ErrorCondition, MAX_ERRORS,
    NodeEntry,
};
pub use inspection::{
    Capture, Counts, Evidence, Host, Inspection, InspectionSpec, InspectionStatus, KeyRef, NodeError, NodeReport,
    ObjectRef, OciArtifact, Policy, Rules, RulesReport, Selectors, Source, Summary, UrlSource, Variable, Workloads,
};
pub use intrusion_detection::{
    ComponentName, ComponentResource, DaemonSetTemplate, InitContainer, IntrusionDetection, IntrusionDetectionSpec,
    IntrusionDetectionStatus, NAME as INTRUSION_DETECTION_NAME, ResourceClaim, ResourceRequirements,
};
pub use quantity::Quantity;
#[cfg(test)]
pub(crate) use schema::selector_pattern;
pub use security_event_webhook::{
    ConfigKey, ConfigSource, ConfigValue, Consumer, SecurityEventWebhook, SecurityEventWebhookSpec,
    SecurityEventWebhookStatus, State, labels_of_annotation,
};
pub use stored::{
    METADATA_ANNOTATION, StoredDeepPacketInspection, StoredDeepPacketInspectionSpec, StoredMetadataError, from_stored,
    prefer_served, to_stored,
};
pub use suppression::{Limit, Mode, OutOfReach, Reach, RuleId, Scope, Suppression, SuppressionSpec, SuppressionStatus};
pub use tapir_status::{
    INSPECTION as INSPECTION_STATUS, MANAGER as MANAGER_STATUS, TapirStatus, TapirStatusSpec, TapirStatusStatus,
};
pub use text::Bounded;
