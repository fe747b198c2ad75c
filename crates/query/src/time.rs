//! [`Time`]: a moment or a stretch of time as it is written in a query.
//!
//! A time is as precise as it is written: `1649298474` is a whole second, `2026-11-24` a whole day in UTC, as the
//! incumbent's events know whole seconds and Tapir's nanoseconds. [`Time::bounds`] gives both ends, and every
//! comparison is one with an end.
//! *Limits*: years 1 to 9999; bounds saturate at the ends of 64 bits of nanoseconds (1677 and 2262).
//! *Spec*: RFC 3339 §5.6; `now-2h` as in Elasticsearch's date math, without rounding.

use std::fmt;

/// A time in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Time {
    /// Whole seconds since 1970.
    Epoch(u64),
    /// RFC 3339: seconds since 1970 and, if a fraction was written, nanoseconds.
    Stamp {
        /// Seconds since 1970.
        second: i64,
        /// Fraction, below 1,000,000,000; without one the whole second is meant.
        nanos: Option<u32>,
    },
    /// A day of UTC: days since 1970-01-01.
    Date(i64),
    /// `now`, `now-2h`, `now+30m`.
    Relative {
        /// Before now or after it.
        back: bool,
        /// How many units; 0 is now.
        amount: u32,
        /// Unit of the amount.
        unit: Unit,
    },
}

/// A unit of relative times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`, 24 hours
    Day,
    /// `w`, 7 days
    Week,
}

impl Unit {
    fn letter(self) -> char {
        match self {
            Self::Second => 's',
            Self::Minute => 'm',
            Self::Hour => 'h',
            Self::Day => 'd',
            Self::Week => 'w',
        }
    }

    fn parse(letter: &str) -> Option<Self> {
        Some(match letter {
            "s" => Self::Second,
            "m" => Self::Minute,
            "h" => Self::Hour,
            "d" => Self::Day,
            "w" => Self::Week,
            _ => return None,
        })
    }

    /// Length in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 604_800,
        }
    }
}

impl Time {
    /// The first and the last nanosecond since 1970 that it means, if it is `now` (same unit).
    pub fn bounds(&self, now: i64) -> (i64, i64) {
        let (first, length) = match *self {
            Self::Epoch(second) => (i128::from(second) * SECOND, SECOND),
            Self::Stamp { second, nanos: None } => (i128::from(second) * SECOND, SECOND),
            Self::Stamp { second, nanos: Some(nanos) } => (i128::from(second) * SECOND + i128::from(nanos), 1),
            Self::Date(day) => (i128::from(day) * DAY * SECOND, DAY * SECOND),
            Self::Relative { back, amount, unit } => {
                let distance = i128::from(amount) * i128::from(unit.seconds()) * SECOND;
                (i128::from(now) + if back { -distance } else { distance }, 1)
            }
        };
        (clamp(first), clamp(first + length - 1))
    }

    /// Whether it depends on the time of asking.
    pub fn is_relative(&self) -> bool {
        matches!(self, Self::Relative { .. })
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::epoch(text);
        }
        if let Some(offset) = text.get(..3).filter(|now| now.eq_ignore_ascii_case("now")).and(text.get(3..)) {
            return relative(offset);
        }
        let day = date(text.get(..10)?)?;
        match text.get(10..)? {
            "" => Some(Self::Date(day)),
            clock => stamp(day, clock),
        }
    }

    /// Digits only, as the incumbent has it.
    pub(crate) fn epoch(text: &str) -> Option<Self> {
        let second: u64 = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
        i64::try_from(second).is_ok().then_some(Self::Epoch(second))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Epoch(second) => write!(f, "{second}"),
            Self::Date(day) => write_date(f, day),
            Self::Relative { amount: 0, .. } => f.write_str("now"),
            Self::Relative { back, amount, unit } => {
                write!(f, "now{}{amount}{}", if back { '-' } else { '+' }, unit.letter())
            }
            Self::Stamp { second, nanos } => {
                write_date(f, second.div_euclid(86_400))?;
                let of_day = second.rem_euclid(86_400);
                write!(f, "T{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)?;
                if let Some(nanos) = nanos {
                    let digits = format!("{nanos:09}");
                    let kept = digits.trim_end_matches('0');
                    write!(f, ".{}", if kept.is_empty() { "0" } else { kept })?;
                }
                f.write_str("Z")
            }
        }
    }
}

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400;

fn clamp(nanos: i128) -> i64 {
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

fn relative(offset: &str) -> Option<Time> {
    if offset.is_empty() {
        return Some(Time::Relative { back: true, amount: 0, unit: Unit::Second });
    }
    let back = offset.starts_with('-');
    let offset = offset.strip_prefix(['-', '+'])?;
    let (amount, unit) = offset.split_at_checked(offset.len().checked_sub(1)?)?;
    let unit = Unit::parse(unit)?;
    let amount: u32 = amount.bytes().all(|byte| byte.is_ascii_digit()).then(|| amount.parse().ok())??;
    Some(match amount {
        0 => Time::Relative { back: true, amount: 0, unit: Unit::Second },
        _ => Time::Relative { back, amount, unit },
    })
}

/// `2026-11-24` as days since 1970.
fn date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    (year >= 1 && (1..=length).contains(&day) && parts.next().is_none()).then(|| days(year, month, day))
}

/// `T03:12:07.412+01:00` on a day.
fn stamp(day: i64, clock: &str) -> Option<Time> {
    let clock = clock.strip_prefix(['T', 't'])?;
    let zone_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at_checked(zone_at)?;
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let mut parts = clock.split(':');
    let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    // RFC 3339 has leap seconds: 23:59:60 is the next minute's first second here.
    if hour > 23 || minute > 59 || second > 60 || parts.next().is_some() {
        return None;
    }
    let nanos = match fraction {
        None => None,
        Some(digits) if digits.len() <= 9 => {
            let padded = format!("{digits:0<9}");
            Some(u32::try_from(number(&padded, 9).filter(|_| !digits.is_empty())?).ok()?)
        }
        Some(_) => return None,
    };
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            let offset = (hours <= 23 && minutes <= 59).then_some(hours * 3_600 + minutes * 60)?;
            if zone.starts_with('-') { -offset } else { offset }
        }
    };
    let second = day * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    let years = days(1, 1, 1)..days(10_000, 1, 1);
    years.contains(&second.div_euclid(86_400)).then_some(Time::Stamp { second, nanos })
}

/// Exactly `width` digits.
fn number(text: &str, width: usize) -> Option<i64> {
    (text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. Years run from March, so that the leap day is last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - FROM_MARCH_OF_YEAR_0
}

/// 1970-01-01 counted from March of year 0.
const FROM_MARCH_OF_YEAR_0: i64 = 719_468;

fn write_date(f: &mut fmt::Formatter<'_>, day: i64) -> fmt::Result {
    // Never too late, and before year 10,000 at most 22 years too early.
    let mut year = day.div_euclid(366).min(day.div_euclid(365)) + 1970;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|&month| days(year, month, 1) <= day).unwrap_or(1);
    write!(f, "{year:04}-{month:02}-{:02}", day - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<(i64, i64)> {
        let (first, last) = Time::parse(text)?.bounds(1_000_000_000_000);
        Some((first.div_euclid(1_000_000_000), last.div_euclid(1_000_000_000)))
    }

    #[test]
    fn a_time_is_as_precise_as_it_is_written() {
        assert_eq!(seconds("1649298474"), Some((1_649_298_474, 1_649_298_474)));
        assert_eq!(
            Time::parse("1649298474").unwrap().bounds(0),
            (1_649_298_474_000_000_000, 1_649_298_474_999_999_999)
        );
        assert_eq!(seconds("2022-04-07T02:27:54Z"), Some((1_649_298_474, 1_649_298_474)));
        assert_eq!(
            Time::parse("2022-04-07T04:27:54.5+02:00").unwrap().bounds(0),
            (1_649_298_474_500_000_000, 1_649_298_474_500_000_000)
        );
        assert_eq!(seconds("1970-01-01"), Some((0, 86_399)));
        assert_eq!(seconds("2000-03-01"), Some((951_868_800, 951_955_199)));
        assert_eq!(seconds("now-1m"), Some((940, 940)));
        assert_eq!(seconds("NOW+1h"), Some((4_600, 4_600)));
        assert_eq!(Time::parse("99999999999999").unwrap().bounds(0), (i64::MAX, i64::MAX), "saturates");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "now-",
            "now-h",
            "now-2",
            "now2h",
            "now-2y",
            "now--2h",
            "now-99999999999h",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-11-24T",
            "2026-11-24T03:12:07",
            "2026-11-24T24:00:00Z",
            "2026-11-24T03:12Z",
            "0000-01-01",
            "2026-11-24T03:12:07.Z",
            "2026-11-24T03:12:07.1234567890Z",
            "2026-11-24T03:12:07+1:00",
            "0001-01-01T00:00:00+01:00",
            "2026-11-24 03:12:07Z",
            "99999999999999999999",
            "yesterday",
            "2026-11-24é",
        ] {
            assert_eq!(Time::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn printing_and_reading_agree_over_four_centuries() {
        for day in (-200_000..200_000).step_by(17) {
            let text = Time::Date(day).to_string();
            assert_eq!(Time::parse(&text), Some(Time::Date(day)), "{text}");
        }
        for text in [
            "2022-04-07T02:27:54Z",
            "2022-04-07T02:27:54.5Z",
            "2022-04-07T02:27:54.0Z",
            "now",
            "now-90m",
            "now+2w",
            "0001-01-01",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Time::parse("2016-12-31T23:59:60Z").unwrap().to_string(), "2017-01-01T00:00:00Z");
    }
}
