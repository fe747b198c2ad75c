//! Connections that this process has made itself: what carries alerts would else raise alerts of its own.
//!
//! *How it fits*: asked for every block of packets. A connection is told before its first byte is sent, so that no packet with
//! one is here before it is known.

use tapir_delivery::own;
use tapir_engine::Excluded;
use tapir_packet::protocol;

/// The connections over which this process delivers: they are not inspected, or an alert that leaves in the clear over a
/// watched interface would raise the next one. Everything else that goes to the same port is inspected.
#[derive(Default)]
pub struct Own {
    version: u64,
}

impl Own {
    /// Whether they are others than at the last call.
    pub fn has_changed(&mut self) -> bool {
        let now = own::version();
        std::mem::replace(&mut self.version, now) != now
    }

    /// All of them.
    pub fn ends(&self) -> Vec<Excluded> {
        let one = |connection: own::OwnConnection| Excluded {
            protocol: match connection.transport {
                own::Transport::Tcp => protocol::TCP,
                own::Transport::Udp => protocol::UDP,
            },
            ends: [connection.local, connection.remote].map(|end| (end.ip(), end.port())),
        };
        own::list().into_iter().map(one).collect()
    }
}
