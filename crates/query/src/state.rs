//! [`State`]: what `is:` asks for.

/// A state of an alert or its group. The first four exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody has looked at it.
    Open,
    /// Somebody has.
    Acknowledged,
    /// It was handed on.
    Escalated,
    /// It is done with.
    Dismissed,
    /// A suppression hides it.
    Suppressed,
    /// Its payload was encrypted.
    Encrypted,
    /// Its group is among the one per cent with the most alerts.
    Noisy,
}

impl State {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Acknowledged,
        Self::Escalated,
        Self::Dismissed,
        Self::Suppressed,
        Self::Encrypted,
        Self::Noisy,
    ];

    /// The word in queries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Escalated => "escalated",
            Self::Dismissed => "dismissed",
            Self::Suppressed => "suppressed",
            Self::Encrypted => "encrypted",
            Self::Noisy => "noisy",
        }
    }

    /// Whether people and time decide about it; the other two are the event's own.
    pub fn is_of_group(self) -> bool {
        !matches!(self, Self::Suppressed | Self::Encrypted)
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| word.eq_ignore_ascii_case(state.word()))
    }
}
