//! The engine as the suites drive it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Enable, EngineConfig, LoadReport, Rules, Worker, scan_file};
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_rules::{Config, load_bytes};

/// Compiles rules from text.
pub(crate) fn rules(text: &[u8], config: &Config, profile: Profile) -> (Arc<Rules>, LoadReport) {
    let loaded = load_bytes("case.rules", text, config);
    let enable = Enable::default();
    let (rules, report) = Rules::build(loaded, &enable, profile);
    (Arc::new(rules), report)
}

/// Everything that a capture raises. The error text if it can't be read to its end.
pub(crate) fn scan(path: &Path, rules: &Arc<Rules>, config: &EngineConfig) -> (Vec<SecurityEvent>, Option<String>) {
    let mut events = Vec::new();
    let mut sink = |event: SecurityEvent| events.push(event);
    let error = match scan_file(path, config, rules, &mut sink, &mut |_, _| ()) {
        Ok(report) => report.error.map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    (events, error)
}

/// Everything that frames raise, one millisecond apart.
pub(crate) fn run_frames(frames: &[Vec<u8>], rules: &Arc<Rules>, config: &EngineConfig) -> Vec<SecurityEvent> {
    let mut events = Vec::new();
    let mut sink = |event: SecurityEvent| events.push(event);
    let mut worker = Worker::new(config.clone(), Arc::clone(rules), "case".into());
    for (index, data) in frames.iter().enumerate() {
        let number = index as u64 + 1;
        let frame = Frame {
            data,
            timestamp: Timestamp::from_secs_nanos(1_700_000_000, u32::try_from(index).unwrap_or(0) * 1_000_000),
            link: LinkType::ETHERNET,
            original_len: u32::try_from(data.len()).unwrap_or(0),
            meta: FrameMeta::default(),
        };
        worker.process(&frame, number, 0, &mut sink);
    }
    worker.finish(&mut sink);
    events
}

/// The traps' client and server.
pub(crate) const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 1, 2, 3), 40_000);
/// The traps' server address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);
