//! What could not be inspected, as heartbeats tell it: by interface and reason from the engine's coverage, and of the whole node
//! from its counters.

use std::collections::BTreeMap;
use tapir_delivery::beacon::Unseen;
use tapir_engine::{Counter, Counters, Coverage};
use tapir_telemetry::Unit;

/// What was not inspected, or in part only, beside what [`crate::inspector::LOSSES`] has.
const UNSEEN: [Counter; 10] = [
    Counter::PacketsCut,
    Counter::PacketsUndecodedLink,
    Counter::PacketsBadChecksum,
    Counter::PacketsOwn,
    Counter::FlowsEvictedMemory,
    Counter::TcpGapBytes,
    Counter::TcpQueueFullBytes,
    Counter::HttpCodingsOpaque,
    Counter::HttpBodyBytesSkipped,
    Counter::MimeBytesSkipped,
];

/// Of the whole node.
pub fn of_counters(counters: &Counters) -> Vec<Unseen> {
    let whole = |counter: &Counter| Unseen {
        reason: counter.name().to_owned(),
        unit: counter.unit().name().to_owned(),
        count: counters.value(*counter),
        ..Unseen::default()
    };
    UNSEEN.iter().map(whole).filter(|one| one.count > 0).collect()
}

/// Adds conversations by interface to `flows`, and those that could not be inspected, or not wholly, to `unseen`.
pub fn of_coverage(
    coverage: &Coverage,
    name: impl Fn(u32) -> String,
    flows: &mut BTreeMap<String, u64>,
    unseen: &mut Vec<Unseen>,
) {
    unseen.extend(coverage.spots().map(|(spot, count)| Unseen {
        interface: name(spot.endpoint),
        reason: spot.blind.name().to_owned(),
        service: spot.service.map(str::to_owned),
        port: spot.port,
        unit: Unit::Flows.name().to_owned(),
        count,
    }));
    for (endpoint, count) in coverage.flows() {
        *flows.entry(name(endpoint)).or_default() += count;
    }
}
