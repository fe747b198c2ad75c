//! Settings of the engine, as plain values with units.

use crate::cost::CostSample;
use tapir_detect::Profile;
use tapir_flow::{FragmentPolicy, OverlapPolicy};

/// What to do about checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumMode {
    /// Never looked at (veth traffic carries unfinished ones).
    #[default]
    Ignore,
    /// A packet with a bad checksum is counted and not inspected (Snort's default).
    Verify,
}

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Limits and choices of which engine.
    pub profile: Profile,
    /// TCP overlap policy.
    pub overlap_policy: OverlapPolicy,
    /// IP fragment policy.
    pub fragments: FragmentPolicy,
    /// Pick up TCP connections without a handshake.
    pub midstream: bool,
    /// Key of the hash tables. Fixed for captures; random for live traffic, whose senders must not be able
    /// to choose keys that collide. Results do not depend on it.
    pub hash_seed: u64,
    /// Flows at most, per worker.
    pub max_flows: usize,
    /// Bytes queued per direction at most.
    pub max_queued_bytes: usize,
    /// Checksums.
    pub checksums: ChecksumMode,
    /// Raise decoder, stream and inspector events (gid other than 1).
    pub builtin_events: bool,
    /// Keep the matched bytes in events.
    pub evidence: bool,
    /// Depths and caps of inspectors.
    pub limits: tapir_protocol::Limits,
    /// Identify more services by content than Snort's wizard does.
    pub extended_identification: bool,
    /// Recognise services by content. Off: only bound ports have an inspector.
    pub identify: bool,
    /// Services bound to server ports, before the built-in ones.
    pub bindings: Vec<(tapir_protocol::TransportKind, u16, tapir_protocol::Service)>,
    /// Bytes of a frame that are looked at; `None` = all. Snort 3 keeps 1,518 unless told otherwise,
    /// and its recorded answers show it.
    pub snaplen: Option<usize>,
    /// Bytes after which a plain stream (no inspector) is inspected as rebuilt data.
    pub plain_flush_bytes: usize,
    /// Bytes of the unit before that each further unit of a plain stream repeats, and bytes on each side of
    /// the cut between two pieces of a file that are inspected together. 0 = what stands across is missed.
    pub overlap: usize,
    /// Seconds after which bytes that wait for the rest of their unit are inspected all the same; `None` = they
    /// wait for it, or for the end of the flow.
    pub idle_flush: Option<u32>,
    /// Whether single rules are timed, on which units.
    pub cost_sample: CostSample,
}

impl EngineConfig {
    /// The defaults for a profile.
    pub fn for_profile(profile: Profile) -> Self {
        let exact = profile.exact_snort3;
        Self {
            profile,
            overlap_policy: if exact { OverlapPolicy::Bsd } else { OverlapPolicy::Linux },
            fragments: FragmentPolicy::Linux,
            midstream: true,
            max_flows: 262_144,
            hash_seed: 0,
            max_queued_bytes: 4 << 20,
            checksums: ChecksumMode::Ignore,
            builtin_events: false,
            evidence: false,
            limits: tapir_protocol::Limits {
                // Fewer, larger pieces: less work at their borders, and less that could hide in one.
                http_first_param_only: exact,
                http_compressed_piece: if exact { 2048 } else { 16_384 },
                ..tapir_protocol::Limits::default()
            },
            extended_identification: !exact,
            identify: true,
            bindings: Vec::new(),
            snaplen: exact.then_some(1518),
            plain_flush_bytes: if exact { 192 } else { 512 },
            overlap: if exact { 0 } else { 512 },
            idle_flush: (!exact).then_some(5),
            cost_sample: CostSample::default(),
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self::for_profile(Profile::TAPIR)
    }
}
