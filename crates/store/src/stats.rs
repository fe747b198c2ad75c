//! Numbers over many events: histogram, facets, top lists.

use crate::{Filter, Partial, moment};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tapir_event::Level;
use tapir_packet::Timestamp;
use tapir_query::{Fact, Facts, Field};

/// Events over time by level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// In order, without gaps.
    pub buckets: Vec<Bucket>,
    /// Counted in part only.
    pub partial: Option<Partial>,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Events after this moment…
    #[serde(with = "moment")]
    pub from: Timestamp,
    /// …up to and including this.
    #[serde(with = "moment")]
    pub to: Timestamp,
    /// Events by level, in the order of [`Bucket::LEVELS`].
    pub counts: [u64; 5],
}

impl Bucket {
    /// Order of the counts.
    pub const LEVELS: [Level; 5] = [Level::Info, Level::Low, Level::Medium, Level::High, Level::Critical];
}

/// The most frequent values of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facet {
    /// Field.
    pub field: &'static str,
    /// Most events first, at most 20.
    pub values: Vec<FacetValue>,
    /// Values beyond those.
    pub more: u64,
}

/// A value with its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FacetValue {
    /// As a query takes it.
    pub value: String,
    /// Events. An event with two values counts for both.
    pub count: u64,
}

/// A top list, or the values of a field for completion.
///
/// Some values have several forms, all of which a query takes: a class has a name and a text, a tactic an id and a name.
/// Lists have one form of each; completion, which asks with a prefix, offers all that begin so.
#[derive(Clone, Debug)]
pub struct TopRequest {
    /// Over which events.
    pub filter: Filter,
    /// Which field.
    pub field: Field,
    /// Values that begin so, letters' case ignored; empty: all.
    pub prefix: String,
    /// Most values; at most 1,000.
    pub limit: usize,
}

/// A top list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Top {
    /// Most events first.
    pub values: Vec<FacetValue>,
    /// Values beyond those.
    pub more: u64,
    /// Counted in part only.
    pub partial: Option<Partial>,
}

/// Widths of buckets in seconds: what people read easily.
pub(crate) const WIDTHS: [i64; 17] = [
    1,
    5,
    10,
    30,
    60,
    300,
    600,
    1_800,
    3_600,
    10_800,
    21_600,
    43_200,
    86_400,
    604_800,
    2_592_000,
    31_536_000,
    315_360_000,
];
/// Most buckets of a histogram.
pub(crate) const MAX_BUCKETS: usize = 500;
/// Most values of a facet, of a top list.
pub(crate) const FACET: usize = 20;
pub(crate) const MAX_TOP: usize = 1_000;

/// Place of a severity in [`Bucket::counts`].
pub(crate) fn level_place(sev: i64) -> usize {
    let level = Level::of(u8::try_from(sev).unwrap_or(100));
    Bucket::LEVELS.iter().position(|known| *known == level).unwrap_or(0)
}

/// Which of the forms of a value are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forms {
    /// One of each value.
    One,
    /// All that queries take.
    All,
}

impl Forms {
    /// Those that a list with this prefix has.
    pub(crate) fn with_prefix(prefix: &str) -> Self {
        if prefix.is_empty() { Self::One } else { Self::All }
    }
}

/// The values of a field that are counted for an event, each once, as a query takes them.
///
/// In one form these are: the name of a class, the name of a tactic, `tls` and not `ssl`, which way the border of the
/// cluster was crossed, where that is known, else the side that the data went to; of workloads the form with the
/// namespace, in either case.
pub(crate) fn counted(facts: &dyn Facts, field: Field, forms: Forms) -> BTreeSet<String> {
    let mut values: Vec<String> = Vec::new();
    facts.values(&field.into(), &mut |fact| values.extend(word(field, fact)));
    if forms == Forms::One {
        match field {
            // The name comes before the text, which is never there alone.
            Field::Classtype => values.truncate(1),
            Field::Tactic => values = names_of_tactics(values),
            Field::Service if values.iter().any(|value| value == "tls") => values.retain(|value| value != "ssl"),
            // How it lay to the cluster comes last.
            Field::Direction => values = values.pop().into_iter().collect(),
            _ => {}
        }
    }
    values.into_iter().collect()
}

/// Ids with the names behind them: the names, and the ids that have none.
fn names_of_tactics(values: Vec<String>) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    let mut id = None;
    for value in values {
        if is_tactic_id(&value) {
            named.extend(id.replace(value));
        } else {
            id = None;
            named.push(value);
        }
    }
    named.extend(id);
    named
}

fn is_tactic_id(text: &str) -> bool {
    text.strip_prefix("TA")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// A value as a query takes it. Of workloads the form with the namespace.
fn word(field: Field, fact: Fact<'_>) -> Option<String> {
    let text = match (field, fact) {
        (Field::Severity, Fact::Number(severity)) => Level::of(u8::try_from(severity).unwrap_or(100)).name().to_owned(),
        (Field::Workload | Field::Client | Field::Server, Fact::Text(text)) if !text.contains('/') => return None,
        (_, Fact::Text(text)) => text.to_owned(),
        (_, Fact::Number(number)) => number.to_string(),
        (_, Fact::Address(address)) => address.to_string(),
        (_, Fact::Time(_) | Fact::Bool(_)) => return None,
    };
    Some(text)
}

/// The most frequent values that begin so, and how many there are beyond `limit`.
pub(crate) fn top_of(counts: BTreeMap<String, u64>, limit: usize, prefix: &str) -> (Vec<FacetValue>, u64) {
    let begins =
        |value: &str| value.split_at_checked(prefix.len()).is_some_and(|(head, _)| head.eq_ignore_ascii_case(prefix));
    let mut values: Vec<FacetValue> = counts
        .into_iter()
        .filter(|(value, _)| begins(value))
        .map(|(value, count)| FacetValue { value, count })
        .collect();
    values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    let more = u64::try_from(values.len().saturating_sub(limit)).unwrap_or(0);
    values.truncate(limit);
    (values, more)
}
