//! [`Level`]: the words for severities and the numbers behind them; the bands are those of the events
//! (`tapir_event::Level`), and a test of the store holds both together.

/// A band of the severity scale from 0 to 100, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 0 to 29.
    Info,
    /// 30 to 59.
    Low,
    /// 60 to 79.
    Medium,
    /// 80 to 94.
    High,
    /// 95 to 100.
    Critical,
}

impl Level {
    /// All, mildest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word in queries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Lowest and highest severity of the band.
    pub fn range(self) -> (u8, u8) {
        match self {
            Self::Info => (0, 29),
            Self::Low => (30, 59),
            Self::Medium => (60, 79),
            Self::High => (80, 94),
            Self::Critical => (95, 100),
        }
    }

    /// The band of a severity; all above 100 is critical.
    pub fn of(severity: u8) -> Self {
        match severity {
            0..=29 => Self::Info,
            30..=59 => Self::Low,
            60..=79 => Self::Medium,
            80..=94 => Self::High,
            95.. => Self::Critical,
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| word.eq_ignore_ascii_case(level.word()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_the_scale_without_gap_or_overlap() {
        for severity in 0..=100 {
            let inside = |level: &Level| (level.range().0..=level.range().1).contains(&severity);
            let bands: Vec<_> = Level::ALL.into_iter().filter(inside).collect();
            assert_eq!(bands, [Level::of(severity)], "{severity}");
        }
    }
}
