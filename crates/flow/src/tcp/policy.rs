//! Overlap policies: whose bytes a receiver keeps where TCP segments overlap.
//!
//! *Spec*: Snort 3 manual, `stream_tcp.policy`; the table in the tests is measured behaviour.

use crate::overlap::{OverlapRules, Span, Winner};
use std::str::FromStr;

/// The receiver's behaviour, by operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "names of operating systems")]
pub enum OverlapPolicy {
    /// What came first stays.
    First,
    /// What comes last replaces.
    Last,
    #[default]
    Linux,
    OldLinux,
    Bsd,
    Macos,
    Windows,
    Win2003,
    Vista,
    Irix,
    Hpux10,
    Hpux11,
    Solaris,
}

impl OverlapPolicy {
    /// All policies with their names in configuration.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("first", Self::First),
        ("last", Self::Last),
        ("linux", Self::Linux),
        ("old_linux", Self::OldLinux),
        ("bsd", Self::Bsd),
        ("macos", Self::Macos),
        ("windows", Self::Windows),
        ("win_2003", Self::Win2003),
        ("vista", Self::Vista),
        ("irix", Self::Irix),
        ("hpux10", Self::Hpux10),
        ("hpux11", Self::Hpux11),
        ("solaris", Self::Solaris),
    ];
}

/// No policy has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown TCP overlap policy `{0}`")]
pub struct UnknownOverlapPolicy(pub String);

impl FromStr for OverlapPolicy {
    type Err = UnknownOverlapPolicy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, policy)| *policy).ok_or_else(|| UnknownOverlapPolicy(name.to_owned()))
    }
}

impl OverlapRules for OverlapPolicy {
    fn left(&self, old: Span, new: Span) -> Winner {
        match self {
            Self::Last => Winner::New,
            Self::Solaris | Self::Hpux11 if old.end < new.end => Winner::New,
            _ => Winner::Old,
        }
    }

    fn right_partial(&self, old: Span, rest: Span) -> Winner {
        match self {
            Self::Last => Winner::New,
            Self::First | Self::Vista | Self::Solaris | Self::Hpux11 => Winner::Old,
            // What starts at the same place is taken as sent again.
            _ => new_if(rest.start < old.start),
        }
    }

    fn right_full(&self, old: Span, rest: Span, alone: bool) -> Winner {
        match self {
            Self::First | Self::Vista => Winner::Old,
            Self::Last | Self::OldLinux => Winner::New,
            Self::Linux | Self::Irix | Self::Hpux10 => new_if(rest.start < old.start || rest.end > old.end),
            Self::Bsd | Self::Macos | Self::Windows | Self::Win2003 => new_if(rest.start < old.start),
            Self::Solaris | Self::Hpux11 => new_if(!(rest == old && alone)),
        }
    }
}

fn new_if(new_wins: bool) -> Winner {
    if new_wins { Winner::New } else { Winner::Old }
}

#[cfg(test)]
pub(crate) mod table {
    //! Measured with Snort 3.12.2.0: positions 5 to 12 of the stream, cases A to J.

    use super::OverlapPolicy::{self, *};

    pub(crate) const MEASURED: [(&[OverlapPolicy], [&str; 10]); 7] = [
        (
            &[First],
            [
                "AAAAABBB", "BBBAAAAA", "AAABBzzz", "AAAAAzzz", "AAAAAzzz", "BBAABBzz", "BBAAAAzz", "AAAAAAzz",
                "AAAAAAzz", "BAABBCCB",
            ],
        ),
        (
            &[Last],
            [
                "AAABBBBB", "BBBBBAAA", "BBBBBzzz", "BBBBBzzz", "BBBAAzzz", "BBBBBBzz", "BBBBBBzz", "AABBAAzz",
                "AAABBBzz", "BBBBBBBB",
            ],
        ),
        (
            &[Linux, Irix, Hpux10],
            [
                "AAAAABBB", "BBBBBAAA", "BBBBBzzz", "AAAAAzzz", "AAAAAzzz", "BBBBBBzz", "BBBBBBzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
        (
            &[OldLinux],
            [
                "AAAAABBB", "BBBBBAAA", "BBBBBzzz", "BBBBBzzz", "AAAAAzzz", "BBBBBBzz", "BBBBBBzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
        (
            &[Bsd, Macos, Windows, Win2003],
            [
                "AAAAABBB", "BBBBBAAA", "AAABBzzz", "AAAAAzzz", "AAAAAzzz", "BBBBBBzz", "BBBBBBzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
        (
            &[Solaris, Hpux11],
            [
                "AAABBBBB", "BBBAAAAA", "BBBBBzzz", "BBBBBzzz", "AAAAAzzz", "BBBBBBzz", "BBBBBBzz", "AAAAAAzz",
                "AAAAAAzz", "BBBBBBBB",
            ],
        ),
        (
            &[Vista],
            [
                "AAAAABBB", "BBBAAAAA", "AAABBzzz", "AAAAAzzz", "AAAAAzzz", "BBAABBzz", "BBAAAAzz", "AAAAAAzz",
                "AAAAAAzz", "BAABBCCB",
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
        let mut seen = 0;
        for (policies, expected) in table::MEASURED {
            for policy in policies {
                seen += 1;
                for (case, expected) in CASES.iter().zip(expected) {
                    assert_eq!(outcome(policy, case), expected, "{policy:?}, case {}", case.name);
                }
            }
        }
        assert_eq!(seen, OverlapPolicy::ALL.len());
    }

    #[test]
    fn solaris_keeps_an_equal_segment_behind_a_hole() {
        let same = Span::new(5, 10);
        assert_eq!(OverlapPolicy::Solaris.right_full(same, same, true), Winner::Old);
        assert_eq!(OverlapPolicy::Solaris.right_full(same, same, false), Winner::New);
    }

    #[test]
    fn names_are_those_of_the_manual() {
        assert_eq!("win_2003".parse(), Ok(OverlapPolicy::Win2003));
        assert_eq!("".parse::<OverlapPolicy>(), Err(UnknownOverlapPolicy(String::new())));
        assert_eq!(OverlapPolicy::default(), OverlapPolicy::Linux);
    }
}
