//! Overlap policies of IP fragments.
//!
//! *Spec*: Snort 3 manual, `stream_ip.policy`; the table in the tests is measured behaviour.

use crate::overlap::{OverlapRules, Span, Winner};
use std::str::FromStr;

/// Whose bytes a receiver keeps where fragments overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "names of operating systems")]
pub enum FragmentPolicy {
    /// What came first stays.
    First,
    #[default]
    Linux,
    Bsd,
    BsdRight,
    /// What comes last replaces.
    Last,
    Windows,
    Solaris,
}

impl FragmentPolicy {
    /// All policies with their names in configuration.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("first", Self::First),
        ("linux", Self::Linux),
        ("bsd", Self::Bsd),
        ("bsd_right", Self::BsdRight),
        ("last", Self::Last),
        ("windows", Self::Windows),
        ("solaris", Self::Solaris),
    ];
}

/// No policy has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown fragment policy `{0}`")]
pub struct UnknownFragmentPolicy(pub String);

impl FromStr for FragmentPolicy {
    type Err = UnknownFragmentPolicy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, policy)| *policy).ok_or_else(|| UnknownFragmentPolicy(name.to_owned()))
    }
}

impl OverlapRules for FragmentPolicy {
    fn left(&self, old: Span, new: Span) -> Winner {
        match self {
            Self::Last => Winner::New,
            Self::BsdRight if old.end < new.end => Winner::New,
            _ => Winner::Old,
        }
    }

    fn right_partial(&self, old: Span, rest: Span) -> Winner {
        match self {
            Self::Linux | Self::Last => Winner::New,
            Self::Bsd if rest.start < old.start => Winner::New,
            _ => Winner::Old,
        }
    }

    fn right_full(&self, old: Span, rest: Span, _alone: bool) -> Winner {
        let new_wins = match self {
            Self::First => false,
            Self::Linux | Self::BsdRight | Self::Last => true,
            Self::Bsd | Self::Solaris => rest.start < old.start,
            Self::Windows => rest.start < old.start && rest.end > old.end,
        };
        if new_wins { Winner::New } else { Winner::Old }
    }
}

#[cfg(test)]
pub(crate) mod table {
    //! Measured with Snort 3.12.2.0: units 5 to 12 of the datagram, cases A to J.
    //!
    //! In case J the measured `first` also left bytes of the new fragment behind its end; that
    //! defect is not part of the table.

    use super::FragmentPolicy::{self, *};

    pub(crate) const MEASURED: [(FragmentPolicy, [&str; 10]); 7] = [
        (
            First,
            [
                "AAAAABBB", "BBBAAAAA", "AAABBzzz", "AAAAAzzz", "AAAAAzzz", "BBAABBzz", "BBAAAAzz", "AAAAAAzz",
                "AAAAAAzz", "BAABBCCB",
            ],
        ),
        (
            Linux,
            [
                "AAAAABBB", "BBBBBAAA", "BBBBBzzz", "BBBBBzzz", "BBBAAzzz", "BBBBBBzz", "BBBBBBzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
        (
            Bsd,
            [
                "AAAAABBB", "BBBBBAAA", "AAABBzzz", "AAAAAzzz", "AAAAAzzz", "BBBBBBzz", "BBBBBBzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
        (
            BsdRight,
            [
                "AAABBBBB", "BBBAAAAA", "BBBBBzzz", "BBBBBzzz", "AAAAAzzz", "BBBBBBzz", "BBBBBBzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
        (
            Last,
            [
                "AAABBBBB", "BBBBBAAA", "BBBBBzzz", "BBBBBzzz", "BBBAAzzz", "BBBBBBzz", "BBBBBBzz", "AABBAAzz",
                "AAABBBzz", "BBBBBBBB",
            ],
        ),
        (
            Windows,
            [
                "AAAAABBB", "BBBAAAAA", "AAABBzzz", "AAAAAzzz", "AAAAAzzz", "BBBBBBzz", "BBAAAAzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
        (
            Solaris,
            [
                "AAAAABBB", "BBBAAAAA", "AAABBzzz", "AAAAAzzz", "AAAAAzzz", "BBBBBBzz", "BBBBBBzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlap::cases::{CASES, outcome};

    #[test]
    fn every_policy_decides_the_ten_cases_as_measured() {
        for (policy, expected) in table::MEASURED {
            for (case, expected) in CASES.iter().zip(expected) {
                assert_eq!(outcome(&policy, case), expected, "{policy:?}, case {}", case.name);
            }
        }
        assert_eq!(table::MEASURED.len(), FragmentPolicy::ALL.len());
    }

    #[test]
    fn names_are_those_of_the_manual() {
        assert_eq!("bsd_right".parse(), Ok(FragmentPolicy::BsdRight));
        assert_eq!("vista".parse::<FragmentPolicy>(), Err(UnknownFragmentPolicy("vista".into())));
    }
}
