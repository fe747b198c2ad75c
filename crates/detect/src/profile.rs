//! Detection profiles: which engine's limits and choices to copy.

/// How matches become events, and how faithful to Snort 3 the choice of fast patterns is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name on the command line.
    pub name: &'static str,
    /// Copy Snort 3 also where it makes a rule blind (dead fast patterns, memory of raised alerts).
    pub exact_snort3: bool,
    /// Different rules kept per unit and action group.
    pub matches_per_action: usize,
    /// Events queued per unit.
    pub queue: usize,
    /// Events logged per unit.
    pub log: usize,
    /// Use the first non-empty action group only.
    pub first_action_only: bool,
}

impl Profile {
    /// The default: no silent loss; all action groups except after `pass`.
    pub const TAPIR: Self = Self {
        name: "tapir",
        exact_snort3: false,
        matches_per_action: 64,
        queue: 64,
        log: 64,
        first_action_only: false,
    };
    /// Snort 3.12's shipped limits (`snort/03-detection.md` §3.6).
    pub const SNORT3: Self =
        Self { name: "snort3", exact_snort3: true, matches_per_action: 5, queue: 8, log: 3, first_action_only: true };
    /// Suricata 7: 15 alerts per packet.
    pub const SURICATA: Self = Self {
        name: "suricata",
        exact_snort3: false,
        matches_per_action: 64,
        queue: 15,
        log: 15,
        first_action_only: false,
    };

    /// By name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::TAPIR, Self::SNORT3, Self::SURICATA].into_iter().find(|profile| profile.name == name)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::TAPIR
    }
}
