//! Who says so: the node's name and a boot number, for the ids of events.

pub use tapir_agent::clock::now as wall_clock;
use tapir_event::{SecurityEvent, Sequencer};

/// Stamps events of a live watch or of a capture file.
pub struct Identity {
    sequencer: Sequencer,
    live: bool,
}

impl Identity {
    /// Of a watch on this host: its name, and the second of the start as the boot number.
    pub fn live() -> Self {
        let boot = wall_clock().0.div_euclid(1_000_000_000);
        Self { sequencer: Sequencer::new(&host_name(), boot.try_into().unwrap_or(0)), live: true }
    }

    /// Of a scan. The same capture gives the same ids and times on every host.
    pub fn offline() -> Self {
        Self { sequencer: Sequencer::new("scan", 0), live: false }
    }

    /// Gives the event its id; observed now, or when the packet was captured.
    pub fn stamp(&mut self, event: &mut SecurityEvent) {
        let now = if self.live { wall_clock() } else { event.time };
        self.sequencer.stamp(event, now);
    }
}

/// The name of this node: `NODE_NAME`, as Kubernetes hands it down, or the kernel's host name.
pub fn host_name() -> String {
    std::env::var("NODE_NAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
