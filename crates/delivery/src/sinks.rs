//! The sinks: standard output, files, syslog, Kafka; over HTTP Elasticsearch and OpenSearch, webhooks, OTLP.
//!
//! A sink is one file here. What the simple ones write is up to a formatter that the caller brings.

mod blocking;
pub mod elastic;
mod file;
pub mod http;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod manager;
pub mod otlp;
mod stdout;
mod syslog;
mod visible;
pub mod webhook;

pub use file::{FileConfig, file};
pub use stdout::{lines_to, stdout};
pub use syslog::{
    Facility, Severity, StructuredElement, SyslogConfig, SyslogFormatter, SyslogMessage, SyslogTransport, syslog,
};
pub use visible::Visible;

use crate::record::Record;
use crate::sink::Outcome;

/// Makes a line of a record, without its line end; `None` leaves the record out, which is counted.
pub type LineFormatter = Box<dyn Fn(&Record) -> Option<Vec<u8>> + Send + Sync>;

/// The lines of a batch in one buffer, and what becomes of the records once it is written.
fn lines(format: &LineFormatter, batch: &[Record]) -> (Vec<u8>, Vec<Outcome>) {
    let mut buffer = Vec::new();
    let outcomes = batch
        .iter()
        .map(|record| match format(record) {
            Some(line) => {
                buffer.extend_from_slice(&line);
                if line.last() != Some(&b'\n') {
                    buffer.push(b'\n');
                }
                Outcome::Done
            }
            None => Outcome::Skipped,
        })
        .collect();
    (buffer, outcomes)
}
