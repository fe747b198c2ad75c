//! Evaluation: whether an event answers a query.
//!
//! | | a field with several values | a field without value |
//! | --- | --- | --- |
//! | `=`, `<`, …, `IN`, `:` | true if it is of one of them | false; but `dismissed = false` is true |
//! | `!=`, `NOTIN` | true if `=`, `IN` is of none of them | true; but `dismissed != false` is false |
//! | `has:` | true if one is neither empty nor `n/a` | false |
//!
//! `=`, `!=`, `IN`, `NOTIN` and the orders tell letters apart by case, as the incumbent's store does; `:` and free
//! words do not. A number compares by bounds ([`Value::bounds`]), text by bytes.
//! *Invariants*: no allocation but for a number that is compared as text; time is at most the length of the
//! query times the length of the texts.

use crate::{Case, Expr, Field, Key, Kind, Node, Op, Query, State, Value};
use std::cmp::Ordering;
use std::net::IpAddr;

/// One value of a field of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact<'a> {
    /// Text; a number, an address or a yes and no in text is understood where the field has that kind.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// An address.
    Address(IpAddr),
    /// Nanoseconds since 1970.
    Time(i64),
    /// Yes or no.
    Bool(bool),
}

/// An event, a group or a document as queries see it.
pub trait Facts {
    /// Hands out each value of the field; none if the event lacks it.
    ///
    /// Fields of either side ([`Field::sides`]) have the values of both. Workloads are given twice, as `name` and
    /// as `namespace/name`, references as their id, `scheme,id` and URL, CVE numbers without `CVE-`. What has an
    /// enumeration is given in its words. Of [`Field::Record`] the path says which member.
    fn values(&self, key: &Key, each: &mut dyn FnMut(Fact<'_>));

    /// Hands out each text that free words look into: the message, names, addresses, excerpts.
    fn texts(&self, each: &mut dyn FnMut(&str));

    /// Whether it is in the state.
    fn is(&self, state: State) -> bool;
}

impl Query {
    /// Whether the event answers it. `now`: nanoseconds since 1970, for `now-2h`.
    pub fn matches(&self, facts: &dyn Facts, now: i64) -> bool {
        self.root().is_none_or(|root| holds(root, facts, now))
    }
}

impl Expr {
    /// Whether the event answers this part of a query: for stores that answer the rest in another way.
    pub fn holds(&self, facts: &dyn Facts, now: i64) -> bool {
        holds(self, facts, now)
    }
}

fn holds(expr: &Expr, facts: &dyn Facts, now: i64) -> bool {
    match &expr.node {
        Node::And(members) => members.iter().all(|member| holds(member, facts, now)),
        Node::Or(members) => members.iter().any(|member| holds(member, facts, now)),
        Node::Not(inner) => !holds(inner, facts, now),
        Node::Compare { key, op: Op::Ne, value } => !any(facts, key, |fact| compare(key, fact, Op::Eq, value, now)),
        Node::Compare { key, op, value } => any(facts, key, |fact| compare(key, fact, *op, value, now)),
        Node::In { key, negated, members } => {
            let one = |fact: Fact<'_>| members.iter().any(|member| compare(key, fact, Op::Eq, member, now));
            any(facts, key, one) != *negated
        }
        Node::Like { key, patterns } => any(facts, key, |fact| {
            patterns.iter().any(|pattern| place(key, fact, pattern, Case::Ignore, now) == Some(Ordering::Equal))
        }),
        Node::Is(state) => facts.is(*state),
        Node::Has(key) => {
            let mut found = false;
            facts.values(key, &mut |fact| found |= !matches!(fact, Fact::Text("" | "n/a")));
            found
        }
        Node::Text(glob) => {
            let mut found = false;
            facts.texts(&mut |text| found = found || glob.occurs_in(text, Case::Ignore));
            found
        }
    }
}

fn any(facts: &dyn Facts, key: &Key, test: impl Fn(Fact<'_>) -> bool) -> bool {
    let (mut found, mut absent) = (false, true);
    facts.values(key, &mut |fact| {
        absent = false;
        found = found || test(fact);
    });
    found || (absent && key.field.info().kind == Kind::Bool && test(Fact::Bool(false)))
}

fn compare(key: &Key, fact: Fact<'_>, op: Op, value: &Value, now: i64) -> bool {
    let Some(order) = place(key, fact, value, Case::Exact, now) else { return false };
    match op {
        Op::Eq => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
    }
}

/// Whether a fact lies before, in or behind a value; `None` if it is of another kind or the value has no order.
fn place(key: &Key, fact: Fact<'_>, value: &Value, case: Case, now: i64) -> Option<Ordering> {
    let within = |inside: bool| inside.then_some(Ordering::Equal);
    match value {
        Value::Text(text) => with_text(fact, |fact| match case {
            Case::Ignore => within(fact.eq_ignore_ascii_case(text)),
            Case::Exact => Some(order(key, fact, text)),
        }),
        Value::Glob(glob) => with_text(fact, |fact| within(glob.matches(fact, case))),
        Value::Search(glob) => with_text(fact, |fact| within(glob.occurs_in(fact, case))),
        Value::Net(net) => within(net.contains(address(fact)?)),
        Value::Bool(yes) => Some(boolean(fact)?.cmp(yes)),
        Value::Number(_) | Value::Level(_) | Value::Time(_) => {
            let (first, last) = value.bounds(now)?;
            let fact = number(fact)?;
            Some(if fact < first {
                Ordering::Less
            } else if fact > last {
                Ordering::Greater
            } else {
                Ordering::Equal
            })
        }
    }
}

/// Members of the record are numbers or text, and only their values tell which.
fn order(key: &Key, fact: &str, text: &str) -> Ordering {
    if key.field == Field::Record
        && let (Ok(fact), Ok(text)) = (fact.parse::<i64>(), text.parse::<i64>())
        // `007` is not below 7, but it is not the same text either.
        && fact != text
    {
        return fact.cmp(&text);
    }
    fact.cmp(text)
}

fn with_text<T>(fact: Fact<'_>, test: impl Fn(&str) -> T) -> T {
    match fact {
        Fact::Text(text) => test(text),
        Fact::Number(number) => test(&number.to_string()),
        Fact::Address(address) => test(&address.to_string()),
        Fact::Time(nanos) => test(&nanos.to_string()),
        Fact::Bool(yes) => test(if yes { "true" } else { "false" }),
    }
}

fn number(fact: Fact<'_>) -> Option<i64> {
    match fact {
        Fact::Number(number) => Some(i64::try_from(number).unwrap_or(i64::MAX)),
        Fact::Time(nanos) => Some(nanos),
        Fact::Text(text) => text.parse().ok(),
        Fact::Address(_) | Fact::Bool(_) => None,
    }
}

fn address(fact: Fact<'_>) -> Option<IpAddr> {
    match fact {
        Fact::Address(address) => Some(address),
        Fact::Text(text) => text.parse().ok(),
        Fact::Number(_) | Fact::Time(_) | Fact::Bool(_) => None,
    }
}

fn boolean(fact: Fact<'_>) -> Option<bool> {
    match fact {
        Fact::Bool(yes) => Some(yes),
        Fact::Text(text) => text.parse().ok(),
        Fact::Number(_) | Fact::Time(_) | Fact::Address(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, parse};

    /// Names with values, each read as text; `state` for `is:`.
    struct Pairs(Vec<(&'static str, &'static str)>);

    impl Facts for Pairs {
        fn values(&self, key: &Key, each: &mut dyn FnMut(Fact<'_>)) {
            let name = key.to_string();
            self.0.iter().filter(|(known, _)| *known == name).for_each(|(_, value)| each(Fact::Text(value)));
        }

        fn texts(&self, each: &mut dyn FnMut(&str)) {
            self.0.iter().for_each(|(_, value)| each(value));
        }

        fn is(&self, state: State) -> bool {
            self.0.contains(&("state", state.word()))
        }
    }

    fn sample() -> Pairs {
        Pairs(vec![
            ("msg", "MALWARE-CNC Win.Trojan.Bredolab variant outbound connection"),
            ("sid", "21562"),
            ("severity", "85"),
            ("ip", "10.88.0.1"),
            ("ip", "2001:db8::7"),
            ("namespace", "shop"),
            ("namespace", "kube-system"),
            ("client", "zap"),
            ("client", "scan/zap"),
            ("tactic", "n/a"),
            ("mitre", "T1071.001"),
            ("time", "1000500000000"),
            ("protocol", "tcp"),
            ("uri", "/cgi/../etc/passwd"),
            ("record.size", "90"),
            ("state", "open"),
        ])
    }

    fn matches(text: &str) -> bool {
        parse(text, Dialect::Tapir).unwrap().matches(&sample(), 2_000_000_000_000)
    }

    fn all(queries: &[&str], expected: bool) {
        for query in queries {
            assert_eq!(matches(query), expected, "{query}");
        }
    }

    #[test]
    fn words_are_searched_from_their_start_in_any_case() {
        all(&["", "bredolab", "MALWARE", "\"variant outbound\"", "win*variant", "etc/pass", "zap", "*kube*"], true);
        all(&["redolab", "\"outbound variant\"", "nothing", "-bredolab", "bredolab nothing"], false);
    }

    #[test]
    fn equality_is_exact_and_likeness_is_not() {
        all(
            &["protocol:TCP", "protocol=tcp", "msg:trojan", "uri:/etc/passwd", "client:scan/*", "client IN {'*zap'}"],
            true,
        );
        all(
            &["protocol=TCP", "msg=trojan", "client='scan/*'", "client IN {'*ZAP'}", "protocol:t", "uri:passwe?"],
            false,
        );
    }

    #[test]
    fn several_values_and_none() {
        all(
            &["ns:shop", "ns=kube-system", "ns:(x shop)", "ns NOTIN {x}", "ns!=x", "pod!=x", "pod NOTIN {x}", "-pod:x"],
            true,
        );
        all(&["ns!=shop", "ns NOTIN {shop}", "pod=x", "pod:*", "has:pod", "count<5"], false);
        all(&["dismissed=false", "dismissed!=true", "dismissed IN {false}", "-dismissed:true"], true);
        all(&["dismissed=true", "dismissed!=false", "has:dismissed"], false);
        all(&["has:mitre", "mitre:t1071*", "pod EMPTY", "tactic EMPTY", "tactic:n/a"], true);
        all(&["has:tactic", "mitre:t1072"], false);
    }

    #[test]
    fn severity_words_are_bands() {
        all(
            &[
                "severity:high",
                "severity>=high",
                "severity<=high",
                "severity>medium",
                "severity<critical",
                "severity>=85",
                "severity!=low",
                "severity:(low high)",
            ],
            true,
        );
        all(&["severity>high", "severity<high", "severity=70", "severity:critical", "severity!=high"], false);
    }

    #[test]
    fn addresses_times_and_numbers() {
        all(&["10.88.0.0/16", "ip:2001:db8::/32", "ip=10.88.0.1", "ip!=10.88.0.2", "sid:(1 21562)", "sid>21561"], true);
        all(&["10.89.0.0/16", "ip!=10.88.0.1", "sid<21562", "ip:::/0 -ip:2001:db8::/32"], false);
        // 1000.5 s; now is 2000 s.
        all(&["time=1000", "time<=1000", "time>=1000", "time>now-1000s", "time<now-999s", "time:1970-01-01"], true);
        all(&["time>1000", "time<1000", "time>now-999s", "time>1970-01-01"], false);
        all(&["record.size>9", "record.size=90", "record.size<100"], true);
        all(&["record.size=090", "record.size>91"], false);
    }

    #[test]
    fn states_and_logic() {
        all(
            &["is:open", "is:(open noisy)", "-is:dismissed", "sid:1 OR is:open", "NOT (sid:1 OR sid:2)", "--is:open"],
            true,
        );
        all(&["is:noisy", "sid:1 OR sid:2 is:open", "-(sid:1 OR is:open)"], false);
    }
}
