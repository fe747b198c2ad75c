//! The two directions of a conversation.

/// Who is speaking, by the roles of the flow (not by packet addresses).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The client's bytes (Snort `C2S`).
    ToServer,
    /// The server's bytes (Snort `S2C`).
    ToClient,
}

impl Direction {
    /// The other direction.
    #[inline]
    pub fn reverse(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// 0 for [`Direction::ToServer`], 1 for [`Direction::ToClient`]: index into per-direction arrays.
    #[inline]
    pub fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}
