//! [`Value`]: what a field is compared with, read by the type of the field.

use crate::{Glob, Level, Net, Time};

/// A value of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// The whole text.
    Text(String),
    /// The whole text with wildcards.
    Glob(Glob),
    /// A part of the text that begins at a word ([`Glob::occurs_in`]).
    Search(Glob),
    /// An address or a prefix.
    Net(Net),
    /// A number, at most `i64::MAX`.
    Number(u64),
    /// A band of severities.
    Level(Level),
    /// A time.
    Time(Time),
    /// Yes or no.
    Bool(bool),
}

impl Value {
    /// Of a number, a band or a time: the least and the greatest value that it means; times in nanoseconds since
    /// 1970. `=` is true between them, `<` below the first, `<=` up to the last, `>` above the last, `>=` from the
    /// first. `now` has the same unit.
    pub fn bounds(&self, now: i64) -> Option<(i64, i64)> {
        match self {
            Self::Number(number) => i64::try_from(*number).ok().map(|number| (number, number)),
            Self::Level(level) => {
                let (low, high) = level.range();
                // Whatever is above the scale counts as critical, as in `Level::of`.
                Some((low.into(), if *level == Level::Critical { i64::MAX } else { high.into() }))
            }
            Self::Time(time) => Some(time.bounds(now)),
            Self::Text(_) | Self::Glob(_) | Self::Search(_) | Self::Net(_) | Self::Bool(_) => None,
        }
    }
}
