//! Common parameters of lists: from texts to the store's [`Filter`], and cursors that keep a relative range where the
//! first page had it.
//!
//! A cursor of the API is `FROM.TO.NOW.CURSOR`: the range in nanoseconds (`-`: open) and the store's own, signed cursor.

use crate::app::now;
use crate::problem::{Answer, Problem};
use tapir_packet::Timestamp;
use tapir_query::{Dialect, Field, Node, Query, State, parse};
use tapir_store::{Cursor, Filter, PageRequest, Status};

/// Rows of a page if nothing is asked for, and at most.
const ROWS: usize = 100;
const MAX_ROWS: usize = 500;

/// Parameters that lists have in common, as texts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'a> {
    pub q: Option<&'a str>,
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    pub status: Option<&'a str>,
    pub suppressed: bool,
    pub cursor: Option<&'a str>,
    pub limit: Option<usize>,
}

/// Groups of which states are looked at when nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsaid {
    Open,
    All,
}

impl Asked<'_> {
    /// What to look at; without a range the last 24 hours.
    pub(super) fn filter(&self, status: Unsaid) -> Answer<Filter> {
        let now = now();
        let query = query(self.q)?;
        let status = match self.status.map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => statuses(text)?,
            None if status == Unsaid::All || asks_for_status(&query) => Vec::new(),
            None => vec![Status::Open],
        };
        let from = Some(moment(self.from.unwrap_or("now-24h"), now, "from")?);
        // `now` is the open end: nodes' clocks may be ahead of ours.
        let to = self.to.filter(|to| *to != "now").map(|to| moment(to, now, "to")).transpose()?;
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Problem::bad_request("`from` must lie before `to`"));
        }
        Ok(Filter { status, from, to, suppressed: self.suppressed, query, ..Filter::all(now) })
    }

    /// The same with the page that is asked for; later pages have the range of the first.
    pub(super) fn page(&self, status: Unsaid, total: bool) -> Answer<(Filter, PageRequest)> {
        let mut filter = self.filter(status)?;
        let limit = self.limit.unwrap_or(ROWS);
        if !(1..=MAX_ROWS).contains(&limit) {
            return Err(Problem::bad_request(format!("`limit` must be between 1 and {MAX_ROWS}")));
        }
        let cursor = given(self.cursor).map(|text| unwrap(text, &mut filter)).transpose()?;
        Ok((filter, PageRequest { limit, cursor, total }))
    }
}

/// A query, or a problem with its place.
pub(super) fn query(text: Option<&str>) -> Answer<Query> {
    Ok(parse(text.unwrap_or_default(), Dialect::Tapir)?)
}

/// A store's cursor with the range of its list.
pub(super) fn wrap(cursor: Option<Cursor>, filter: &Filter) -> Option<String> {
    let number = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.0.to_string());
    cursor.map(|cursor| format!("{}.{}.{}.{}", number(filter.from), number(filter.to), filter.now.0, cursor.0))
}

/// A cursor, if there is one: `cursor=` without a value asks for the first page.
pub(super) fn given(cursor: Option<&str>) -> Option<&str> {
    cursor.filter(|text| !text.is_empty())
}

pub(super) fn bad_cursor() -> Problem {
    let detail = "bad cursor: not one of this manager; begin again at the first page";
    Problem::new(axum::http::StatusCode::BAD_REQUEST, "cursor", "Bad cursor", detail)
}

fn unwrap(text: &str, filter: &mut Filter) -> Answer<Cursor> {
    let mut parts = text.splitn(4, '.');
    let mut next = || parts.next().ok_or_else(bad_cursor);
    let time = |text: &str| match text {
        "-" => Ok(None),
        text => text.parse().map(|nanos| Some(Timestamp(nanos))).map_err(|_| bad_cursor()),
    };
    (filter.from, filter.to) = (time(next()?)?, time(next()?)?);
    filter.now = time(next()?)?.ok_or_else(bad_cursor)?;
    Ok(Cursor(next()?.to_owned()))
}

/// `open`, `open,escalated`, `all`.
fn statuses(text: &str) -> Answer<Vec<Status>> {
    if text == "all" {
        return Ok(Vec::new());
    }
    let one = |word: &str| {
        Status::ALL.into_iter().find(|status| status.name() == word).ok_or_else(|| {
            let word: String = word.chars().take(64).collect();
            Problem::bad_request(format!("no status `{word}`: open, acknowledged, escalated, dismissed or all"))
        })
    };
    text.split(',').map(|word| one(word.trim())).collect()
}

/// The query itself says which states it wants: then nothing else narrows them.
fn asks_for_status(query: &Query) -> bool {
    let mut asks = query.fields().iter().any(|field| matches!(field, Field::Status | Field::Dismissed | Field::Reason));
    if let Some(root) = query.root() {
        root.walk(&mut |expr| {
            let states = [State::Open, State::Acknowledged, State::Escalated, State::Dismissed];
            asks |= matches!(&expr.node, Node::Is(state) if states.contains(state));
        });
    }
    asks
}

/// `now`, `now-24h`, RFC 3339, a date: its midnight, UTC.
pub(super) fn moment(text: &str, now: Timestamp, name: &str) -> Answer<Timestamp> {
    let date = || tapir_event::parse_rfc3339(&format!("{text}T00:00:00Z")).filter(|_| text.len() == 10);
    relative(text, now).or_else(|| tapir_event::parse_rfc3339(text)).or_else(date).ok_or_else(|| {
        let text: String = text.chars().take(64).collect();
        Problem::bad_request(format!(
            "`{name}` is `{text}`: write now-24h (s, m, h, d, w), 2026-11-24T03:12:07Z or 2026-11-24"
        ))
    })
}

fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let offset = text.strip_prefix("now")?;
    if offset.is_empty() {
        return Some(now);
    }
    let (sign, rest) = match offset.split_at_checked(1)? {
        ("-", rest) => (-1, rest),
        ("+", rest) => (1, rest),
        _ => return None,
    };
    let (number, unit) = rest.split_at_checked(rest.len().checked_sub(1)?)?;
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = number.parse().ok()?;
    let nanos = number.checked_mul(seconds)?.checked_mul(1_000_000_000)?.checked_mul(sign)?;
    now.0.checked_add(nanos).map(Timestamp)
}

/// Makes a struct of query parameters that begins with those of every list.
macro_rules! list_params {
    ($(#[$doc:meta])* $name:ident { $($(#[$help:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
        #[serde(default, deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(super) struct $name {
            /// Query (docs/query-language.md); empty: everything.
            q: Option<String>,
            /// Begin of the time range: `now-24h` (the default), RFC 3339 or a date, which is its midnight in UTC.
            from: Option<String>,
            /// End of the time range: `now` (the default), RFC 3339 or a date.
            to: Option<String>,
            /// `open`, `acknowledged`, `escalated`, `dismissed`, some of them with commas, or `all`.
            status: Option<String>,
            /// Events that a suppression hides, too.
            suppressed: bool,
            $($(#[$help])* $field: $kind,)*
        }

        impl $name {
            fn asked(&self) -> $crate::api::filter::Asked<'_> {
                $crate::api::filter::Asked {
                    q: self.q.as_deref(),
                    from: self.from.as_deref(),
                    to: self.to.as_deref(),
                    status: self.status.as_deref(),
                    suppressed: self.suppressed,
                    ..$crate::api::filter::Asked::default()
                }
            }
        }
    };
}
pub(super) use list_params;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    #[test]
    fn times_are_relative_or_absolute() {
        let at = |text| moment(text, NOW, "from").map(|time| time.secs()).ok();
        assert_eq!(at("now"), Some(1_700_000_000));
        assert_eq!(at("now-24h"), Some(1_700_000_000 - 86_400));
        assert_eq!(at("now+1w"), Some(1_700_000_000 + 604_800));
        assert_eq!(at("2023-11-14T22:13:20Z"), Some(1_700_000_000));
        assert_eq!(at("2023-11-14"), Some(1_700_000_000 - 80_000));
        for bad in [
            "",
            "2023-11-31",
            "2023-11-1",
            "2023-11-14T",
            "now-",
            "now-h",
            "now-1y",
            "now--1h",
            "now-+1h",
            "now-99999999999999999999h",
            "now*2h",
            "é",
            "nowé",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_about_states_is_not_narrowed_by_the_default() {
        let status = |q, status| Asked { q: Some(q), status, ..Asked::default() }.filter(Unsaid::Open).unwrap().status;
        assert_eq!(status("sid:1", None), [Status::Open]);
        assert_eq!(status("-is:dismissed", None), []);
        assert_eq!(status("status:escalated", None), []);
        assert_eq!(status("is:dismissed", Some("escalated,open")), [Status::Escalated, Status::Open]);
        assert_eq!(status("sid:1", Some("all")), []);
    }

    #[test]
    fn a_cursor_keeps_the_range_of_its_list() {
        let first = Asked::default().filter(Unsaid::Open).unwrap();
        let text = wrap(Some(Cursor("abc".into())), &first).unwrap();
        let mut later = Asked { from: Some("now-1h"), ..Asked::default() }.filter(Unsaid::Open).unwrap();
        assert_eq!(unwrap(&text, &mut later).unwrap(), Cursor("abc".into()));
        assert_eq!((later.from, later.to, later.now), (first.from, first.to, first.now));
        for bad in ["", "a", "1.2.3", "x.-.1.c", "1.2.-.c", "99999999999999999999.1.1.c"] {
            assert!(unwrap(bad, &mut later).is_err(), "{bad}");
        }
    }
}
