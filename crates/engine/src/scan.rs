//! Capture files through a worker.

use crate::config::EngineConfig;
use crate::cost::RuleCosts;
use crate::inspect::EventSink;
use crate::rules::Rules;
use crate::worker::Worker;
use std::path::Path;
use std::sync::Arc;
use tapir_packet::Frame;
use tapir_pcap::Reader;
use tapir_telemetry::Counters;

/// What a scan of one capture came to.
pub struct ScanReport {
    /// Frames read.
    pub packets: u64,
    /// Captured bytes read.
    pub bytes: u64,
    /// Counters of the worker.
    pub counters: Counters,
    /// What rules cost, if they were timed.
    pub costs: RuleCosts,
    /// Why reading stopped before the end, if it did. What was read before is inspected.
    pub error: Option<tapir_pcap::Error>,
}

/// Told about progress every some thousand packets: packets and bytes so far.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64);

fn cut<'f>(frame: Frame<'f>, config: &EngineConfig) -> Frame<'f> {
    match config.snaplen.and_then(|snaplen| frame.data.get(..snaplen)) {
        Some(data) => Frame { data, ..frame },
        None => frame,
    }
}

/// Scans a capture file (`-`: standard input) and hands its events to `out`, in order.
///
/// # Errors
/// If the file cannot be opened or has no capture header.
pub fn scan_file(
    path: &Path,
    config: &EngineConfig,
    rules: &Arc<Rules>,
    out: &mut dyn EventSink,
    progress: Progress<'_>,
) -> Result<ScanReport, tapir_pcap::Error> {
    let mut reader = Reader::open(path)?;
    let name: Arc<str> = path.to_string_lossy().into_owned().into();
    let mut worker = Worker::new(config.clone(), Arc::clone(rules), name);
    let (mut packets, mut bytes) = (0_u64, 0_u64);
    let error = loop {
        match reader.next() {
            Ok(Some(frame)) => {
                packets += 1;
                bytes += frame.data.len() as u64;
                let frame = cut(frame, config);
                worker.process(&frame, packets, 0, out);
                if packets % 8192 == 0 {
                    progress(packets, bytes);
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    worker.finish(out);
    progress(packets, bytes);
    Ok(ScanReport { packets, bytes, counters: worker.counters(), costs: worker.rule_costs(), error })
}
