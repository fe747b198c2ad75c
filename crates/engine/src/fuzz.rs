//! Fuzz entry: any sequence of frames through a whole worker with the starter rules.

use crate::{EngineConfig, RuleSources, Rules, Worker};
use std::sync::{Arc, OnceLock};
use tapir_detect::Profile;
use tapir_event::SecurityEvent;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_telemetry::Counter;

/// Bytes in front of each frame: seconds since the one before, and its length.
const HEAD: usize = 3;

/// Reads `data` as frames (one byte of seconds, two of length, the frame) and inspects them all.
#[doc(hidden)]
pub fn fuzz_frames(data: &[u8]) {
    static RULES: OnceLock<Arc<Rules>> = OnceLock::new();
    let rules = RULES.get_or_init(|| Arc::new(Rules::load(&RuleSources::default(), Profile::TAPIR).0));
    let config = EngineConfig {
        builtin_events: true,
        evidence: true,
        max_flows: 16,
        max_queued_bytes: 4096,
        ..Default::default()
    };
    let mut worker = Worker::new(config, Arc::clone(rules), "fuzz".into());
    let mut out = |event: SecurityEvent| {
        let (gid, sid) = (event.rule.gid, event.rule.sid);
        assert!(gid == 1 || crate::builtin::meaning(gid, sid).is_some(), "{gid}:{sid} is not in the list of events");
        drop(tapir_event::Format::Tapir.line(&event, &tapir_event::Style::default()));
    };
    let (mut rest, mut seconds, mut number) = (data, 0, 0);
    while let Some((&[wait, high, low], behind)) = rest.split_first_chunk::<HEAD>() {
        let (bytes, behind) =
            behind.split_at_checked(usize::from(u16::from_be_bytes([high, low]))).unwrap_or((behind, &[]));
        (rest, seconds, number) = (behind, seconds + i64::from(wait), number + 1);
        let frame = Frame {
            data: bytes,
            timestamp: Timestamp::from_secs_nanos(seconds, 0),
            link: LinkType::ETHERNET,
            original_len: u32::try_from(bytes.len()).unwrap_or(0),
            meta: FrameMeta::default(),
        };
        worker.process(&frame, number, 0, &mut out);
    }
    worker.finish(&mut out);
    let counters = worker.counters();
    assert_eq!(counters.value(Counter::PanicsContained), 0, "a packet panicked");
    assert_eq!(counters.value(Counter::InspectorsStuck), 0, "an inspector neither consumed nor asked for more");
}
