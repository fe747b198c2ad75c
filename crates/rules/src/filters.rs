//! Lines of `threshold.conf`: event filters, rate filters, suppressions.
//!
//! `event_filter gen_id 1, sig_id 2, type limit, track by_src, count 1, seconds 60` — words of
//! Snort 2.9 (manual 2.4) and of Suricata, which also says `threshold`. A generator or signature
//! of 0 means all of them.

use crate::value::{integer_in, split_args};
use crate::variables::Variables;
use crate::{Address, Dialect, Span, suggest};

/// A filter line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterLine {
    /// Generator; 0 = all.
    pub gid: u32,
    /// Signature; 0 = all of the generator.
    pub sid: u32,
    /// What it does.
    pub kind: FilterLineKind,
    /// The line.
    pub span: Span,
}

/// What a filter line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterLineKind {
    /// Thins out events.
    Event {
        /// How.
        kind: FilterType,
        /// Whose events are counted.
        track: FilterTrack,
        /// Count; `None` (−1) disables the filter.
        count: Option<u32>,
        /// Seconds.
        seconds: u32,
    },
    /// Changes the action of a rule that fires too often.
    Rate {
        /// Whose events are counted.
        track: FilterTrack,
        /// More than this many …
        count: u32,
        /// … in this many seconds (0: in total).
        seconds: u32,
        /// Action from then on, as written.
        new_action: String,
        /// For this many seconds (0: for ever).
        timeout: u32,
        /// Only these addresses.
        apply_to: Option<Address>,
    },
    /// Drops events.
    Suppress {
        /// Which address is compared; `None` = every event of the rule.
        track: Option<SuppressTrack>,
        /// Addresses whose events are dropped.
        addresses: Address,
    },
}

/// Type of an event filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterType {
    /// The first `count` events of every period.
    Limit,
    /// Every `count`-th event of a period.
    Threshold,
    /// One event per period, once `count` is reached.
    Both,
}

/// Whose events are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterTrack {
    /// One source address.
    BySource,
    /// One destination address.
    ByDestination,
    /// A pair of addresses.
    ByBoth,
    /// The rule.
    ByRule,
}

/// Which address of an event a suppression compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuppressTrack {
    /// Source.
    BySource,
    /// Destination.
    ByDestination,
    /// Either.
    ByEither,
}

/// Whether a directive is a filter line.
pub(crate) fn is_filter(word: &str) -> bool {
    matches!(word, "event_filter" | "threshold" | "rate_filter" | "suppress")
}

/// Reads a filter line; the error says why not.
pub(crate) fn parse(word: &str, rest: &str, span: Span, variables: &mut Variables) -> Result<FilterLine, String> {
    let mut fields = Fields::read(rest)?;
    let gid = number(fields.need("gen_id")?)?;
    let sid = number(fields.need("sig_id")?)?;
    let kind = match word {
        "rate_filter" => rate(&mut fields, variables)?,
        "suppress" => suppress(&mut fields, variables)?,
        _ => event(&mut fields)?,
    };
    fields.finish()?;
    Ok(FilterLine { gid, sid, kind, span })
}

fn event(fields: &mut Fields<'_>) -> Result<FilterLineKind, String> {
    let kind = match fields.need("type")? {
        "limit" => FilterType::Limit,
        "threshold" => FilterType::Threshold,
        "both" => FilterType::Both,
        other => return Err(unknown("type", other, &["limit", "threshold", "both"])),
    };
    let track = track(fields.need("track")?)?;
    let count = match fields.need("count")? {
        "-1" => None,
        text => Some(number(text)?),
    };
    Ok(FilterLineKind::Event { kind, track, count, seconds: number(fields.need("seconds")?)? })
}

fn rate(fields: &mut Fields<'_>, variables: &mut Variables) -> Result<FilterLineKind, String> {
    let track = track(fields.need("track")?)?;
    let count = number(fields.need("count")?)?;
    let seconds = number(fields.need("seconds")?)?;
    let new_action = fields.need("new_action")?.to_owned();
    let timeout = number(fields.need("timeout")?)?;
    let apply_to = match fields.take("apply_to") {
        Some(text) => Some(addresses(text, variables)?),
        None => None,
    };
    Ok(FilterLineKind::Rate { track, count, seconds, new_action, timeout, apply_to })
}

fn suppress(fields: &mut Fields<'_>, variables: &mut Variables) -> Result<FilterLineKind, String> {
    let track = match fields.take("track") {
        None => None,
        Some("by_src") => Some(SuppressTrack::BySource),
        Some("by_dst") => Some(SuppressTrack::ByDestination),
        Some("by_either") => Some(SuppressTrack::ByEither),
        Some(other) => return Err(unknown("track", other, &["by_src", "by_dst", "by_either"])),
    };
    let addresses = match fields.take("ip") {
        Some(_) if track.is_none() => return Err("`ip` needs `track by_src`, `by_dst` or `by_either`".to_owned()),
        Some(text) => addresses(text, variables)?,
        None if track.is_some() => return Err("`track` needs `ip ADDRESSES`".to_owned()),
        None => Address::default(),
    };
    Ok(FilterLineKind::Suppress { track, addresses })
}

fn addresses(text: &str, variables: &mut Variables) -> Result<Address, String> {
    variables.address(text, Dialect::Suricata).map_err(|fault| fault.message)
}

fn track(text: &str) -> Result<FilterTrack, String> {
    match text {
        "by_src" => Ok(FilterTrack::BySource),
        "by_dst" => Ok(FilterTrack::ByDestination),
        "by_both" => Ok(FilterTrack::ByBoth),
        "by_rule" => Ok(FilterTrack::ByRule),
        other => Err(unknown("track", other, &["by_src", "by_dst", "by_both", "by_rule"])),
    }
}

fn number(text: &str) -> Result<u32, String> {
    let number = integer_in(text, 0..=u32::MAX.into())?;
    u32::try_from(number).map_err(|_| format!("{number} is too big"))
}

fn unknown(field: &str, value: &str, words: &[&str]) -> String {
    match suggest::nearest(value, words.iter().copied()) {
        Some(near) => format!("unknown {field} `{value}`, did you mean `{near}`?"),
        None => format!("unknown {field} `{value}`, it is one of {}", words.join(", ")),
    }
}

/// `name value` pairs separated by commas.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn read(rest: &'a str) -> Result<Self, String> {
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for arg in split_args(rest) {
            let (name, value) = arg.text.split_once(char::is_whitespace).unwrap_or((arg.text, ""));
            if fields.iter().any(|field| field.0 == name) {
                return Err(format!("`{name}` is given twice"));
            }
            if fields.len() >= MAX_FIELDS {
                return Err("too many fields".to_owned());
            }
            fields.push((name, value.trim()));
        }
        Ok(Self(fields))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|field| field.0 == name)?;
        Some(self.0.remove(at).1)
    }

    fn need(&mut self, name: &str) -> Result<&'a str, String> {
        self.take(name).ok_or_else(|| format!("`{name}` is missing"))
    }

    fn finish(self) -> Result<(), String> {
        match self.0.first() {
            Some((name, _)) => Err(format!("unknown field `{name}`")),
            None => Ok(()),
        }
    }
}

const MAX_FIELDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn read(word: &str, rest: &str) -> Result<FilterLineKind, String> {
        parse(word, rest, Span::default(), &mut Variables::new(&Config::default())).map(|line| line.kind)
    }

    #[test]
    fn reads_the_three_kinds() {
        let event = read("event_filter", "gen_id 1, sig_id 2, type limit, track by_src, count 1, seconds 60");
        let expected = FilterLineKind::Event {
            kind: FilterType::Limit,
            track: FilterTrack::BySource,
            count: Some(1),
            seconds: 60,
        };
        assert_eq!(event, Ok(expected));
        let suppress = read("suppress", "gen_id 1, sig_id 2, track by_either, ip [10.0.0.0/8,!10.1.0.0/16]");
        assert!(matches!(suppress, Ok(FilterLineKind::Suppress { track: Some(SuppressTrack::ByEither), .. })));
        let rate = "gen_id 135, sig_id 1, track by_src, count 100, seconds 1, new_action drop, timeout 10";
        assert!(matches!(read("rate_filter", rate), Ok(FilterLineKind::Rate { timeout: 10, .. })));
    }

    #[test]
    fn refuses_what_is_incomplete_or_unknown() {
        for (word, rest) in [
            ("suppress", "gen_id 1"),
            ("suppress", "gen_id 1, sig_id 2, track by_src"),
            ("suppress", "gen_id 1, sig_id 2, ip 10.0.0.1"),
            ("suppress", "gen_id 1, sig_id 2, track by_source, ip 10.0.0.1"),
            ("suppress", "gen_id 1, sig_id 2, track by_src, ip $NOPE"),
            ("event_filter", "gen_id 1, sig_id 2, type limit, track by_src, count x, seconds 60"),
            ("event_filter", "gen_id 1, sig_id 2, type limit, track by_src, count 1, seconds 60, count 2"),
            ("event_filter", "gen_id 1, sig_id 2, type limit, track by_src, count 1, seconds 60, extra 2"),
        ] {
            assert!(read(word, rest).is_err(), "{rest}");
        }
    }
}
