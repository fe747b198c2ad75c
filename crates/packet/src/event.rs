//! Decode events: anomalies of headers, by Snort's gid 116 numbers.

/// One event: the sid within gid 116.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodeEvent(pub u16);

/// Events of one packet, in order; more than fit are counted, not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeEvents {
    list: [u16; Self::MAX],
    len: u8,
    /// Events that did not fit.
    pub lost: u16,
}

impl DecodeEvents {
    /// Events kept per packet.
    pub const MAX: usize = 8;

    /// Notes an event.
    #[inline]
    pub fn push(&mut self, event: DecodeEvent) {
        match self.list.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = event.0;
                self.len += 1;
            }
            None => self.lost = self.lost.saturating_add(1),
        }
    }

    /// The events in order.
    pub fn iter(&self) -> impl Iterator<Item = DecodeEvent> + '_ {
        self.list.iter().take(usize::from(self.len)).map(|&sid| DecodeEvent(sid))
    }

    /// None seen.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
