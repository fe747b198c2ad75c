//! The `kafka` table of a sink.
//!
//! It is read in every build, so that one without the feature `kafka` says what it lacks and not that the key is unknown.

use super::TlsTable;
use serde::Deserialize;
use std::path::PathBuf;
use tapir_delivery::Sink;
use tapir_event::Style;

/// `kafka = { … }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "read to be understood, not to be used"))]
pub(super) struct KafkaTable {
    brokers: Vec<String>,
    topic: String,
    format: Option<String>,
    key: Option<String>,
    compression: Option<String>,
    max_batch_bytes: Option<usize>,
    max_message_bytes: Option<usize>,
    timeout_seconds: Option<u64>,
    /// An empty table is TLS with the system's authorities.
    tls: Option<TlsTable>,
    sasl: Option<SaslTable>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "read to be understood, not to be used"))]
struct SaslTable {
    mechanism: String,
    user: String,
    password_file: PathBuf,
    #[serde(default)]
    allow_cleartext: bool,
}

impl KafkaTable {
    /// Files of the table.
    pub(super) fn reads(&self) -> Vec<Option<&PathBuf>> {
        let mut files: Vec<Option<&PathBuf>> = self.tls.iter().flat_map(TlsTable::reads).collect();
        files.push(self.sasl.as_ref().map(|sasl| &sasl.password_file));
        files
    }
}

#[cfg(not(feature = "kafka"))]
impl KafkaTable {
    pub(super) fn make(&self, _: &Style) -> Result<Box<dyn Sink>, String> {
        Err("this tapir was built without Kafka (feature `kafka`)".to_owned())
    }
}

#[cfg(feature = "kafka")]
mod made {
    use super::super::{format, secret};
    use super::{KafkaTable, SaslTable, Sink, Style};
    use std::time::Duration;
    use tapir_delivery::sinks::kafka::{Compression, KafkaConfig, KafkaSink, Key, Mechanism, Sasl};

    impl KafkaTable {
        pub(in crate::sinks) fn make(&self, style: &Style) -> Result<Box<dyn Sink>, String> {
            let defaults = KafkaConfig::new(self.brokers.clone(), &self.topic);
            let key = match self.key.as_deref() {
                None => defaults.key,
                Some(name) => Key::from_name(name)
                    .ok_or_else(|| format!("key \"{name}\": write workload, node, event or none"))?,
            };
            let compression = match self.compression.as_deref() {
                None => defaults.compression,
                Some(name) => Compression::from_name(name)
                    .ok_or_else(|| format!("compression \"{name}\": write none, gzip or zstd"))?,
            };
            let config = KafkaConfig {
                format: format(self.format.as_deref(), defaults.format)?,
                style: style.clone(),
                key,
                compression,
                max_batch_bytes: self.max_batch_bytes.unwrap_or(defaults.max_batch_bytes),
                max_message_bytes: self.max_message_bytes.unwrap_or(defaults.max_message_bytes),
                tls: self.tls.as_ref().map(super::TlsTable::config).transpose()?,
                sasl: self.sasl.as_ref().map(SaslTable::config).transpose()?,
                timeout: self.timeout_seconds.map_or(defaults.timeout, Duration::from_secs),
                ..defaults
            };
            Ok(Box::new(KafkaSink::new(config).map_err(|error| error.to_string())?))
        }
    }

    impl SaslTable {
        fn config(&self) -> Result<Sasl, String> {
            let name = &self.mechanism;
            let mechanism = Mechanism::from_name(name)
                .ok_or_else(|| format!("mechanism \"{name}\": write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"))?;
            Ok(Sasl {
                mechanism,
                user: self.user.clone(),
                password: secret(&self.password_file)?,
                allow_cleartext: self.allow_cleartext,
            })
        }
    }
}
