//! Comparisons of a number, as many options take them: `5`, `!5`, `<5`, `1<>5`, `1<=>5`.
//!
//! *Spec*: Snort 3 manual, "interval" parameters: `a<>b` excludes both ends, `a<=>b` includes them.

use crate::value::{Arg, Problem, integer};
use std::fmt;

/// A test of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IntMatch {
    Equal(u64),
    Unequal(u64),
    Less(u64),
    LessOrEqual(u64),
    Greater(u64),
    GreaterOrEqual(u64),
    /// `a<>b`: between, ends excluded.
    Between(u64, u64),
    /// `a<=>b`: between, ends included.
    Within(u64, u64),
}

impl IntMatch {
    /// Reads an interval over numbers up to `max`.
    pub(crate) fn parse(arg: Arg<'_>, max: u64) -> Result<Self, Problem> {
        let text = arg.text;
        for (word, within) in [("<=>", true), ("<>", false)] {
            if let Some((low, high)) = text.split_once(word) {
                let (low, high) = (number(arg, low, max)?, number(arg, high, max)?);
                if low > high {
                    return Err(Problem::range(arg.span, format!("the interval `{text}` is backwards")));
                }
                return Ok(if within { Self::Within(low, high) } else { Self::Between(low, high) });
            }
        }
        type Make = fn(u64) -> IntMatch;
        let operators: [(&str, Make); 7] = [
            ("!=", Self::Unequal),
            ("<=", Self::LessOrEqual),
            (">=", Self::GreaterOrEqual),
            ("!", Self::Unequal),
            ("<", Self::Less),
            (">", Self::Greater),
            ("=", Self::Equal),
        ];
        for (word, make) in operators {
            if let Some(rest) = text.strip_prefix(word) {
                return Ok(make(number(arg, rest, max)?));
            }
        }
        Ok(Self::Equal(number(arg, text, max)?))
    }

    /// The test.
    #[inline]
    pub(crate) fn test(self, value: u64) -> bool {
        match self {
            Self::Equal(n) => value == n,
            Self::Unequal(n) => value != n,
            Self::Less(n) => value < n,
            Self::LessOrEqual(n) => value <= n,
            Self::Greater(n) => value > n,
            Self::GreaterOrEqual(n) => value >= n,
            Self::Between(low, high) => low < value && value < high,
            Self::Within(low, high) => low <= value && value <= high,
        }
    }

    /// Whether some number in 0…=max passes.
    pub(crate) fn can_match(self, max: u64) -> bool {
        match self {
            Self::Less(n) => n > 0,
            Self::Greater(n) => n < max,
            Self::Between(low, high) => low.saturating_add(1) < high,
            _ => true,
        }
    }

    /// In words, for `explain`.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Equal(n) => format!("is {n}"),
            Self::Unequal(n) => format!("is not {n}"),
            Self::Less(n) => format!("is less than {n}"),
            Self::LessOrEqual(n) => format!("is at most {n}"),
            Self::Greater(n) => format!("is more than {n}"),
            Self::GreaterOrEqual(n) => format!("is at least {n}"),
            Self::Between(low, high) => format!("is between {low} and {high}, ends excluded"),
            Self::Within(low, high) => format!("is between {low} and {high}"),
        }
    }
}

fn number(arg: Arg<'_>, text: &str, max: u64) -> Result<u64, Problem> {
    let value = integer(text.trim())
        .and_then(|value| u64::try_from(value).ok())
        .ok_or_else(|| Problem::syntax(arg.span, format!("`{}` is not a number or interval", arg.text)))?;
    if value > max {
        return Err(Problem::range(arg.span, format!("{value} is more than {max}")));
    }
    Ok(value)
}

impl fmt::Display for IntMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(n) => write!(f, "{n}"),
            Self::Unequal(n) => write!(f, "!{n}"),
            Self::Less(n) => write!(f, "<{n}"),
            Self::LessOrEqual(n) => write!(f, "<={n}"),
            Self::Greater(n) => write!(f, ">{n}"),
            Self::GreaterOrEqual(n) => write!(f, ">={n}"),
            Self::Between(low, high) => write!(f, "{low}<>{high}"),
            Self::Within(low, high) => write!(f, "{low}<=>{high}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<IntMatch> {
        IntMatch::parse(Arg { text, span: Default::default() }, 65_535).ok()
    }

    #[test]
    fn every_form_is_read_and_printed() {
        for text in ["5", "!5", "<5", "<=5", ">5", ">=5", "1<>5", "1<=>5"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("=5"), parse("5"));
        assert_eq!(parse("!=5"), parse("!5"));
        assert_eq!(parse("> 0x10"), Some(IntMatch::Greater(16)));
        assert_eq!(parse("1 <> 010"), Some(IntMatch::Between(1, 8)));
    }

    #[test]
    fn one_kind_of_interval_excludes_its_ends() {
        let open = parse("1<>3").unwrap();
        assert!(!open.test(1) && open.test(2) && !open.test(3));
        let closed = parse("1<=>3").unwrap();
        assert!(closed.test(1) && closed.test(3) && !closed.test(4));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "a", "5 6", "5<>3", "70000", "-1", "<", "1<>2<>3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn impossible_intervals_are_known() {
        assert!(!parse("1<>2").unwrap().can_match(65_535));
        assert!(!parse("<0").unwrap().can_match(65_535));
        assert!(parse("0<>2").unwrap().can_match(65_535));
    }
}
