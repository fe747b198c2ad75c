//! Values of fields as the server finds them: exactly those that the evaluator is handed ([`EventFacts`]), so that a
//! query means the same to both.
//!
//! *Prose* (`m`, and the texts of free words) is kept in lower case with a mark before each word, because a search
//! begins at the start of a word, and the server's expressions know no Unicode classes.
//! *Limits*: the first [`MAX_TEXT`] bytes of a text, [`MAX_VALUES`] values of a field.

use crate::EventFacts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tapir_event::{Format, SecurityEvent, Style};
use tapir_query::{Fact, Facts, Field, Kind};

/// Bytes of a text that are searched; the server's own limit of a term is 32,766, marks included.
pub(super) const MAX_TEXT: usize = 8_000;
/// Values of one field.
const MAX_VALUES: usize = 200;
/// Stands before a word in prose.
pub(super) const MARK: char = '\u{1}';
/// Between path and value of a member of the record.
pub(super) const BETWEEN: char = '\u{0}';

/// Fields that are the group's and change while its events do not.
pub(super) const DECIDED: [Field; 7] =
    [Field::Status, Field::Dismissed, Field::Reason, Field::Assignee, Field::Count, Field::FirstSeen, Field::LastSeen];
/// Fields that are the same in all events of a group.
pub(super) const SHARED: [Field; 11] = [
    Field::Group,
    Field::Sid,
    Field::Gid,
    Field::Namespace,
    Field::ClientNamespace,
    Field::ServerNamespace,
    Field::Workload,
    Field::Client,
    Field::Server,
    Field::Inspection,
    Field::Origin,
];
/// Fields that are the same in all events.
pub(super) const CONSTANT: [Field; 4] = [Field::Type, Field::Description, Field::AttackVector, Field::Cluster];

/// Values by field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Indexed {
    k: BTreeMap<String, BTreeSet<String>>,
    m: BTreeMap<String, BTreeSet<String>>,
    n: BTreeMap<String, BTreeSet<i64>>,
    a: BTreeMap<String, BTreeSet<String>>,
    /// Fields that have a value worth the name.
    has: BTreeSet<String>,
}

impl Indexed {
    /// Values of these fields.
    pub(super) fn of(facts: &EventFacts<'_>, fields: impl IntoIterator<Item = Field>) -> Self {
        let mut indexed = Self::default();
        for field in fields {
            facts.values(&field.into(), &mut |fact| indexed.add(field, fact));
        }
        indexed
    }

    /// All that an event has and its group does not.
    pub(super) fn of_event(facts: &EventFacts<'_>) -> Self {
        let own = |field: &Field| !DECIDED.contains(field) && !CONSTANT.contains(field) && *field != Field::Record;
        Self::of(facts, Field::all().iter().copied().filter(own))
    }

    /// Adds the values of other fields.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.k.extend(other.k);
        self.m.extend(other.m);
        self.n.extend(other.n);
        self.a.extend(other.a);
        self.has.extend(other.has);
        self
    }

    pub(super) fn has(&mut self, name: String) {
        self.has.insert(name);
    }

    fn add(&mut self, field: Field, fact: Fact<'_>) {
        let info = field.info();
        let name = || info.name.to_owned();
        if !matches!(fact, Fact::Text("" | "n/a")) {
            self.has.insert(name());
        }
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match fact {
            Fact::Text(text) => {
                push(&mut self.k, name(), cut(text));
                if info.kind == Kind::Text {
                    push(&mut self.m, name(), marked(text));
                }
            }
            Fact::Number(value) => {
                push(&mut self.k, name(), value.to_string());
                push(&mut self.n, name(), number(value));
            }
            Fact::Address(address) => {
                push(&mut self.k, name(), address.to_string());
                push(&mut self.a, name(), digits(address));
            }
            Fact::Time(time) => push(&mut self.n, name(), time),
            Fact::Bool(yes) => push(&mut self.k, name(), yes.to_string()),
        }
    }
}

fn push<T: Ord>(to: &mut BTreeMap<String, BTreeSet<T>>, name: String, value: T) {
    let values = to.entry(name).or_default();
    if values.len() < MAX_VALUES {
        values.insert(value);
    }
}

/// The beginning of a text that is kept.
pub(super) fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default().to_owned()
}

/// Prose with marked words, in lower case as far as ASCII goes.
pub(super) fn marked(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
    let mut marked = String::with_capacity(text.len() + text.len() / 4);
    let mut in_word = false;
    for c in text.chars() {
        if c.is_alphanumeric() && !in_word {
            marked.push(MARK);
        }
        in_word = c.is_alphanumeric();
        marked.push(plain(c));
    }
    marked
}

/// A character of prose; the mark itself is none.
pub(super) fn plain(c: char) -> char {
    if c == MARK { '\u{2}' } else { c.to_ascii_lowercase() }
}

/// An address as digits that sort within its family.
pub(super) fn digits(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("4{:08x}", u32::from(address)),
        IpAddr::V6(address) => format!("6{:032x}", u128::from(address)),
    }
}

/// Texts that free words look into.
pub(super) fn texts(facts: &EventFacts<'_>) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    facts.texts(&mut |text| {
        if texts.len() < MAX_VALUES {
            texts.insert(marked(text));
        }
    });
    texts
}

/// Members of the incumbent's record: path and value, numbers so that they sort, and what is no number.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Record {
    r: BTreeSet<String>,
    ri: BTreeSet<String>,
    rt: BTreeSet<String>,
}

impl Record {
    /// Of an event; names of members that have a value go to `has`.
    pub(super) fn of(event: &SecurityEvent, has: &mut Indexed) -> Self {
        let mut record = Self::default();
        let document = Format::Calico.document(event, &Style::default());
        if let Some(value) = document.as_ref().and_then(|document| document.get("record")) {
            record.members("", value, has);
        }
        record
    }

    fn members(&mut self, path: &str, value: &serde_json::Value, has: &mut Indexed) {
        use serde_json::Value;
        match value {
            Value::Null => {}
            Value::Object(members) => {
                for (name, value) in members {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.members(&path, value, has);
                }
            }
            Value::Array(items) => {
                // A member of an object in a list has no path of its own.
                items.iter().filter(|item| !item.is_object()).for_each(|item| self.members(path, item, has));
            }
            Value::String(text) => self.add(path, text, has),
            other => self.add(path, &other.to_string(), has),
        }
    }

    fn add(&mut self, path: &str, text: &str, has: &mut Indexed) {
        if self.r.len() >= MAX_VALUES {
            return;
        }
        if !matches!(text, "" | "n/a") {
            has.has(format!("record.{path}"));
        }
        let text = cut(text);
        match text.parse::<i64>() {
            Ok(number) => self.ri.insert(format!("{path}{BETWEEN}{}", sortable(number))),
            Err(_) => self.rt.insert(format!("{path}{BETWEEN}{text}")),
        };
        self.r.insert(format!("{path}{BETWEEN}{text}"));
    }
}

/// A number as digits that sort.
pub(super) fn sortable(number: i64) -> String {
    format!("{:020}", number.cast_unsigned() ^ (1 << 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_where_they_begin() {
        assert_eq!(marked("Win.Trojan a\u{1}É1"), "\u{1}win.\u{1}trojan \u{1}a\u{2}\u{1}É1");
        assert_eq!(marked(&"é".repeat(9_000)).len(), MAX_TEXT + 1);
    }

    #[test]
    fn numbers_and_addresses_sort_as_digits() {
        let numbers = [i64::MIN, -5, 0, 7, 10, i64::MAX].map(sortable);
        assert!(numbers.is_sorted() && numbers.iter().all(|digits| digits.len() == 20));
        let addresses = ["9.0.0.1", "10.0.0.1", "::ffff:10.0.0.2", "::1"].map(|text| digits(text.parse().unwrap()));
        assert!(addresses.is_sorted(), "{addresses:?}");
    }
}
