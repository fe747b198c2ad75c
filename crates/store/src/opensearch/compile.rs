//! Queries to the server's query language.
//!
//! Every condition becomes one over the values that the evaluator's facts gave (`indexed.rs`), and says what the
//! evaluator says: text by terms and wildcards, prose by a regular expression over marked words, numbers and addresses
//! by ranges. What is the group's alone (its state, its figures) is asked of the groups first; a condition over events
//! then names those groups. In its place stands [`PLACE`] until they are known.
//!
//! *Limits*: an expression of more than some 10,000 states is refused by the server and so by us.

use super::indexed::{BETWEEN, CONSTANT, DECIDED, MARK, SHARED, cut, digits, plain, sortable};
use crate::{EventFacts, GroupState, Status};
use serde_json::{Value as Json, json};
use tapir_event::SecurityEvent;
use tapir_query::{Expr, Field, Glob, Key, Node, Op, Part, State, Value};

/// Name of the object that stands for groups to be asked for; its value is their number in [`Compiler::asked`].
pub(super) const PLACE: &str = "groups to be asked for";

/// Over what a condition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Events,
    Groups,
}

/// Compiles the conditions of one call.
#[derive(Debug)]
pub(super) struct Compiler<'a> {
    pub cluster: &'a str,
    pub now: i64,
    /// Events that make a group noisy; `None`: none is.
    pub noisy: Option<u64>,
    /// Conditions over groups that conditions over events have asked for.
    pub asked: Vec<Json>,
}

/// Everything.
pub(super) fn everything() -> Json {
    json!({ "match_all": {} })
}

/// Nothing.
pub(super) fn nothing() -> Json {
    json!({ "match_none": {} })
}

/// All of them.
pub(super) fn all(conditions: Vec<Json>) -> Json {
    json!({ "bool": { "filter": conditions } })
}

/// One of them.
pub(super) fn any(mut conditions: Vec<Json>) -> Json {
    match conditions.len() {
        0 => nothing(),
        1 => conditions.pop().unwrap_or_default(),
        _ => json!({ "bool": { "should": conditions, "minimum_should_match": 1 } }),
    }
}

/// Not it.
pub(super) fn not(condition: Json) -> Json {
    json!({ "bool": { "must_not": [condition] } })
}

/// A field has a value.
pub(super) fn term(field: impl Into<String>, value: impl Into<Json>) -> Json {
    json!({ "term": { field.into(): { "value": value.into() } } })
}

/// A field has one of these values.
pub(super) fn terms(field: &str, values: &[impl serde::Serialize]) -> Json {
    json!({ "terms": { field: values } })
}

/// A field has a value between two, both included.
pub(super) fn between(field: &str, first: impl Into<Json>, last: impl Into<Json>) -> Json {
    json!({ "range": { field: { "gte": first.into(), "lte": last.into() } } })
}

/// Whether groups alone can answer it.
pub(super) fn of_groups(expr: &Expr) -> bool {
    match &expr.node {
        Node::And(members) | Node::Or(members) => members.iter().all(of_groups),
        Node::Not(inner) => of_groups(inner),
        Node::Is(state) => !matches!(state, State::Suppressed | State::Encrypted),
        Node::Text(_) => false,
        Node::Compare { key, .. } | Node::In { key, .. } | Node::Like { key, .. } | Node::Has(key) => {
            DECIDED.contains(&key.field) || SHARED.contains(&key.field) || CONSTANT.contains(&key.field)
        }
    }
}

/// Whether some of it only groups can answer.
fn needs_groups(expr: &Expr) -> bool {
    match &expr.node {
        Node::And(members) | Node::Or(members) => members.iter().any(needs_groups),
        Node::Not(inner) => needs_groups(inner),
        Node::Is(state) => !matches!(state, State::Suppressed | State::Encrypted),
        Node::Text(_) => false,
        Node::Compare { key, .. } | Node::In { key, .. } | Node::Like { key, .. } | Node::Has(key) => {
            DECIDED.contains(&key.field)
        }
    }
}

impl Compiler<'_> {
    /// A condition. Over groups it must be one that they can answer.
    pub(super) fn compile(&mut self, expr: &Expr, over: Over) -> Json {
        if over == Over::Events && needs_groups(expr) && of_groups(expr) {
            let condition = self.compile(expr, Over::Groups);
            return self.groups(condition);
        }
        match &expr.node {
            Node::And(members) => all(members.iter().map(|member| self.compile(member, over)).collect()),
            Node::Or(members) => any(members.iter().map(|member| self.compile(member, over)).collect()),
            Node::Not(inner) => not(self.compile(inner, over)),
            Node::Is(state) => self.state(*state),
            Node::Text(glob) => search("texts", glob),
            Node::Compare { key, .. } | Node::In { key, .. } | Node::Like { key, .. } | Node::Has(key)
                if CONSTANT.contains(&key.field) =>
            {
                if self.holds(expr) {
                    everything()
                } else {
                    nothing()
                }
            }
            Node::Has(key) => term("has", name(key)),
            Node::Compare { key, op: Op::Ne, value } => not(self.compare(key, Op::Eq, value)),
            Node::Compare { key, op, value } => self.compare(key, *op, value),
            Node::In { key, negated, members } => {
                let found = any(members.iter().map(|member| self.compare(key, Op::Eq, member)).collect());
                if *negated { not(found) } else { found }
            }
            Node::Like { key, patterns } => any(patterns.iter().map(|pattern| self.like(key, pattern)).collect()),
        }
    }

    /// Events of the groups of a condition.
    pub(super) fn groups(&mut self, condition: Json) -> Json {
        let place = self.asked.iter().position(|asked| *asked == condition).unwrap_or_else(|| {
            self.asked.push(condition);
            self.asked.len() - 1
        });
        json!({ PLACE: place })
    }

    fn holds(&self, expr: &Expr) -> bool {
        let (event, group) = (SecurityEvent::default(), GroupState::default());
        expr.holds(&EventFacts { event: &event, group: &group, suppressed_by: None, cluster: self.cluster }, self.now)
    }

    fn state(&self, state: State) -> Json {
        let status = |status: Status| term("k.status", status.name());
        match state {
            State::Open => status(Status::Open),
            State::Acknowledged => status(Status::Acknowledged),
            State::Escalated => status(Status::Escalated),
            State::Dismissed => status(Status::Dismissed),
            State::Suppressed => json!({ "exists": { "field": "sup" } }),
            State::Encrypted => term("k.visibility", "encrypted"),
            State::Noisy => match self.noisy {
                Some(least) => json!({ "range": { "n.count": { "gte": least } } }),
                None => nothing(),
            },
        }
    }

    /// Letters by case.
    fn compare(&self, key: &Key, op: Op, value: &Value) -> Json {
        if let (Field::Record, Value::Text(text)) = (key.field, value) {
            return record(&key.path, op, text);
        }
        match value {
            Value::Text(text) => {
                let field = text_field(key);
                let text = cut(text);
                match op {
                    Op::Eq => term(field, text),
                    Op::Ne => not(term(field, text)),
                    Op::Lt => json!({ "range": { field: { "lt": text } } }),
                    Op::Le => json!({ "range": { field: { "lte": text } } }),
                    Op::Gt => json!({ "range": { field: { "gt": text } } }),
                    Op::Ge => json!({ "range": { field: { "gte": text } } }),
                }
            }
            Value::Glob(glob) => wildcard(key, glob, false),
            Value::Bool(yes) => {
                let holds = |fact: bool| match op {
                    Op::Eq => fact == *yes,
                    Op::Ne => fact != *yes,
                    Op::Lt => !fact & *yes,
                    Op::Le => fact <= *yes,
                    Op::Gt => fact & !*yes,
                    Op::Ge => fact >= *yes,
                };
                any([false, true]
                    .into_iter()
                    .filter(|fact| holds(*fact))
                    .map(|fact| term(text_field(key), fact.to_string()))
                    .collect())
            }
            other => self.measured(key, op, other),
        }
    }

    /// Case of ASCII letters ignored.
    fn like(&self, key: &Key, pattern: &Value) -> Json {
        match pattern {
            Value::Text(text) => {
                let text = match key.field {
                    Field::Record => format!("{}{BETWEEN}{}", key.path, cut(text)),
                    _ => cut(text),
                };
                json!({ "term": { text_field(key): { "value": text, "case_insensitive": true } } })
            }
            Value::Glob(glob) => wildcard(key, glob, true),
            Value::Search(glob) => search(&format!("m.{}", key.field.info().name), glob),
            other => self.compare(key, Op::Eq, other),
        }
    }

    /// Numbers, severities, times, addresses.
    fn measured(&self, key: &Key, op: Op, value: &Value) -> Json {
        let field = key.field.info().name;
        if let Value::Net(net) = value {
            return between(&format!("a.{field}"), digits(net.first()), digits(net.last()));
        }
        let Some((first, last)) = value.bounds(self.now) else { return nothing() };
        let field = if key.field == Field::Time { "t".to_owned() } else { format!("n.{field}") };
        match op {
            Op::Eq => between(&field, first, last),
            Op::Ne => not(between(&field, first, last)),
            Op::Lt => json!({ "range": { field: { "lt": first } } }),
            Op::Le => json!({ "range": { field: { "lte": last } } }),
            Op::Gt => json!({ "range": { field: { "gt": last } } }),
            Op::Ge => json!({ "range": { field: { "gte": first } } }),
        }
    }
}

fn name(key: &Key) -> String {
    match key.field {
        Field::Record => format!("record.{}", key.path),
        field => field.info().name.to_owned(),
    }
}

fn text_field(key: &Key) -> String {
    match key.field {
        Field::Record => "r".to_owned(),
        field => format!("k.{}", field.info().name),
    }
}

/// A member of the record: as numbers where both are, else by bytes.
fn record(path: &str, op: Op, text: &str) -> Json {
    let full = format!("{path}{BETWEEN}{}", cut(text));
    let (low, high) = (format!("{path}{BETWEEN}"), format!("{path}{}", '\u{1}'));
    let range = |field: &str, low: Json, high: Json| {
        let mut bounds = serde_json::Map::new();
        for part in [low, high] {
            if let Json::Object(part) = part {
                bounds.extend(part);
            }
        }
        json!({ "range": { field: bounds } })
    };
    let (number, field) = match text.parse::<i64>() {
        Ok(number) => (Some(format!("{path}{BETWEEN}{}", sortable(number))), "rt"),
        Err(_) => (None, "r"),
    };
    let ordered = |below: bool, equal: bool| {
        let one = |field: &str, value: &str| match below {
            true => range(field, json!({ "gte": low }), json!({ "lt": value })),
            false => range(field, json!({ "gt": value }), json!({ "lt": high })),
        };
        let mut parts = vec![one(field, &full)];
        parts.extend(number.as_ref().map(|number| one("ri", number)));
        if equal {
            parts.push(term("r", full.clone()));
        }
        any(parts)
    };
    match op {
        Op::Eq => term("r", full.clone()),
        Op::Ne => not(term("r", full.clone())),
        Op::Lt => ordered(true, false),
        Op::Le => ordered(true, true),
        Op::Gt => ordered(false, false),
        Op::Ge => ordered(false, true),
    }
}

/// The whole text with wildcards.
fn wildcard(key: &Key, glob: &Glob, ignore_case: bool) -> Json {
    let mut pattern = String::new();
    if key.field == Field::Record {
        escape(&format!("{}{BETWEEN}", key.path), &mut pattern);
    }
    for part in glob.parts() {
        match part {
            Part::Literal(text) => escape(text, &mut pattern),
            Part::One => pattern.push('?'),
            Part::Run => pattern.push('*'),
        }
    }
    json!({ "wildcard": { text_field(key): { "value": pattern, "case_insensitive": ignore_case } } })
}

fn escape(text: &str, to: &mut String) {
    for c in text.chars() {
        if matches!(c, '*' | '?' | '\\') {
            to.push('\\');
        }
        to.push(c);
    }
}

/// A part of marked prose.
fn search(field: &str, glob: &Glob) -> Json {
    json!({ "regexp": { field: { "value": expression(glob), "flags": "NONE", "max_determinized_states": 20_000 } } })
}

/// The expression of a search. A mark stands before each word; where it is not known whether a word begins, it may.
fn expression(glob: &Glob) -> String {
    let mut text = ".*".to_owned();
    // What comes before: nothing is known of it, or whether it was in a word.
    let mut before: Option<bool> = None;
    for (place, part) in glob.parts().iter().enumerate() {
        match part {
            Part::Run => {
                text.push_str(".*");
                before = None;
            }
            Part::One => {
                text.push_str(&format!("{MARK}?[^{MARK}]"));
                before = None;
            }
            Part::Literal(literal) => {
                for c in literal.chars() {
                    let in_word = c.is_alphanumeric();
                    match before {
                        // A search that begins with a letter or a digit begins at a word.
                        None if in_word && place == 0 => text.push(MARK),
                        None if in_word => text.push_str(&format!("{MARK}?")),
                        Some(false) if in_word => text.push(MARK),
                        _ => {}
                    }
                    before = Some(in_word);
                    let c = plain(c);
                    if c.is_ascii() && !c.is_ascii_alphanumeric() {
                        text.push('\\');
                    }
                    text.push(c);
                }
            }
        }
    }
    text.push_str(".*");
    text
}

/// Puts what was asked of the groups into its places.
pub(super) fn fill(query: &mut Json, found: &[Json]) {
    match query {
        Json::Object(members) => {
            if let Some(place) = members.get(PLACE).and_then(Json::as_u64) {
                let found = usize::try_from(place).ok().and_then(|place| found.get(place));
                *query = found.cloned().unwrap_or_else(nothing);
            } else {
                members.values_mut().for_each(|member| fill(member, found));
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| fill(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_query::{Dialect, parse};

    fn compiled(text: &str, over: Over) -> (String, usize) {
        let mut compiler = Compiler { cluster: "blue", now: 0, noisy: None, asked: Vec::new() };
        let query = parse(text, Dialect::Tapir).unwrap();
        let json = compiler.compile(query.root().unwrap(), over);
        (json.to_string(), compiler.asked.len())
    }

    #[test]
    fn what_groups_know_is_asked_of_them_once() {
        let (mixed, asked) = compiled("(is:dismissed uri:x) OR (is:dismissed sid:1)", Over::Events);
        assert_eq!((mixed.matches(PLACE).count(), asked), (2, 2));
        let (same, asked) = compiled("(is:dismissed uri:x) OR (is:dismissed uri:y)", Over::Events);
        assert_eq!((same.matches(PLACE).count(), asked), (2, 1));
        assert_eq!(compiled("sid:1 ns:shop uri:x", Over::Events).1, 0);
    }

    #[test]
    fn searches_begin_at_words() {
        let expression = |text: &str| {
            let query = parse(text, Dialect::Tapir).unwrap();
            match &query.root().unwrap().node {
                Node::Text(glob) => expression(glob).replace(MARK, "^"),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(expression("Win.x"), ".*^win\\.^x.*");
        assert_eq!(expression("*asswd"), ".*.*^?asswd.*");
        assert_eq!(expression("\"/etc a\""), ".*\\/^etc\\ ^a.*");
        assert_eq!(expression("a?b"), ".*^a^?[^^]^?b.*");
    }

    #[test]
    fn places_are_filled() {
        let mut query = json!({ "bool": { "filter": [{ PLACE: 1 }, { "x": { PLACE: 0 } }] } });
        fill(&mut query, &[json!("a"), json!("b")]);
        assert_eq!(query, json!({ "bool": { "filter": ["b", { "x": "a" }] } }));
    }
}
