//! What is kept of the traffic behind an alert.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is kept of the traffic behind an alert.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// none: nothing. bytes: what matched, and what stands around it. packets: also packets of the conversation up to the alert.
    pub capture: Capture,
    /// Bytes of packets kept of one alert; 65536 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 64, "maximum" = 65_536))]
    pub max_bytes: Option<i32>,
    /// Packets kept of one alert, the last ones; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 1, "maximum" = 1000))]
    pub max_packets: Option<i32>,
}

/// How much is kept.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Capture {
    /// Nothing. Not `off`, which YAML would read as false.
    None,
    /// What matched, and what stands around it.
    #[default]
    Bytes,
    /// Also packets of the conversation up to the alert.
    Packets,
}
