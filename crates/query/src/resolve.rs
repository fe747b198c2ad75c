//! What names and literals mean: fields are looked up in the catalogue, values read by the kind of the field.
//!
//! `=` takes a value as it is; `IN` has wildcards; `:` has wildcards, ignores case and looks for parts in prose.
//! Numbers, addresses, times and severities mean the same behind all of them.

use crate::syntax::{Literal, Tree};
use crate::time::Time;
use crate::{Dialect, ErrorKind, Expr, Field, Key, Kind, Net, Node, Op, QueryError, Span, State};
use crate::{Value, Values, quote, suggest};
use tapir_event::Level;

/// Which names stand for fields.
#[derive(Clone, Copy)]
pub(crate) enum Names {
    /// Those of a dialect.
    Of(Dialect),
    /// The incumbent's, and where it knows none, Tapir's.
    Extended,
}

impl Names {
    /// The field, and the dialect whose values it takes.
    fn find(self, name: &str) -> Option<(Key, Dialect)> {
        let of = |dialect| Key::parse(name, dialect).map(|key| (key, dialect));
        match self {
            Self::Of(dialect) => of(dialect),
            Self::Extended => of(Dialect::Incumbent).or_else(|| of(Dialect::Tapir)),
        }
    }

    /// The dialect in which it is said that there is no such name.
    fn voice(self) -> Dialect {
        match self {
            Self::Of(dialect) => dialect,
            Self::Extended => Dialect::Incumbent,
        }
    }
}

pub(crate) fn resolve(tree: &Tree<'_>, names: Names) -> Result<Expr, QueryError> {
    let all = |members: &[Tree<'_>]| members.iter().map(|member| resolve(member, names)).collect::<Result<Vec<_>, _>>();
    let node = match tree {
        Tree::And(members) => Node::And(all(members)?),
        Tree::Or(members) => Node::Or(flat(all(members)?)),
        Tree::Not(inner, _) => Node::Not(Box::new(resolve(inner, names)?)),
        Tree::Compare { key, op, op_span, value } => {
            let named = Named::find(key, names)?;
            named.comparable(*op, *op_span)?;
            let value = named.value(value, Form::Whole)?;
            Node::Compare { key: named.key, op: *op, value }
        }
        Tree::In { key, negated, members, .. } => {
            let named = Named::find(key, names)?;
            let members = members.iter().map(|member| named.value(member, Form::In)).collect::<Result<_, _>>()?;
            Node::In { key: named.key, negated: *negated, members }
        }
        Tree::Empty { key, span } => {
            let has = Node::Has(Named::find(key, names)?.key);
            Node::Not(Box::new(Expr { node: has, span: *span }))
        }
        Tree::Like { key, patterns, .. } => like(key, patterns, names)?,
        Tree::Text(literal) => text(literal)?,
    };
    Ok(Expr { node, span: tree.span() })
}

/// `is:(a b)` beside OR is itself an OR.
fn flat(members: Vec<Expr>) -> Vec<Expr> {
    let mut flat = Vec::with_capacity(members.len());
    for member in members {
        match member.node {
            Node::Or(inner) => flat.extend(inner),
            _ => flat.push(member),
        }
    }
    flat
}

/// A free word or phrase. A bare address asks for the address and not for its digits.
fn text(literal: &Literal<'_>) -> Result<Node, QueryError> {
    if let Some(net) = Net::parse(&literal.text()).filter(|_| !literal.quoted) {
        return Ok(Node::Like { key: Field::Ip.into(), patterns: vec![Value::Net(net)] });
    }
    let glob = literal.glob();
    if glob.parts().is_empty() {
        let error = QueryError::new(ErrorKind::KeyExpected, literal.span, "nothing to search for");
        return Err(error.suggest(Some("")));
    }
    Ok(Node::Text(glob))
}

fn like(key: &Literal<'_>, patterns: &[Literal<'_>], names: Names) -> Result<Node, QueryError> {
    let name = key.text();
    let (is, has) = (name.eq_ignore_ascii_case("is"), name.eq_ignore_ascii_case("has"));
    if is || has {
        let mut members = patterns
            .iter()
            .map(|pattern| Ok(Expr { node: if is { state(pattern)? } else { presence(pattern)? }, span: pattern.span }))
            .collect::<Result<Vec<_>, QueryError>>()?;
        return Ok(match members.pop() {
            Some(only) if members.is_empty() => only.node,
            last => Node::Or(members.into_iter().chain(last).collect()),
        });
    }
    let only = patterns.first().filter(|_| patterns.len() == 1);
    let named = Named::find(key, names).map_err(|error| match only {
        // `http://…` was meant as text.
        Some(value) if !value.quoted && value.text().starts_with("//") => {
            let error = QueryError::unknown_field(&name, key.span.to(value.span), names.voice());
            error.suggest(Some(quote::quote(&format!("{name}:{}", value.text()), true)))
        }
        _ => error,
    })?;
    if only.is_some_and(|only| only.glob().is_run()) {
        return Ok(Node::Has(named.key));
    }
    let patterns = patterns.iter().map(|pattern| named.value(pattern, Form::Like)).collect::<Result<_, _>>()?;
    Ok(Node::Like { key: named.key, patterns })
}

fn state(pattern: &Literal<'_>) -> Result<Node, QueryError> {
    let word = pattern.text();
    State::parse(&word).map(Node::Is).ok_or_else(|| {
        let words = State::ALL.map(State::word);
        let error = QueryError::invalid_value("is", &word, &words.join(", "), pattern.span, Dialect::Tapir);
        error.suggest(suggest::nearest(&word, words))
    })
}

fn presence(pattern: &Literal<'_>) -> Result<Node, QueryError> {
    let name = pattern.text();
    Key::parse(&name, Dialect::Tapir)
        .map(Node::Has)
        .ok_or_else(|| unknown(&name, pattern.span, Names::Of(Dialect::Tapir)))
}

fn unknown(name: &str, span: Span, names: Names) -> QueryError {
    let dialects = match names {
        Names::Of(dialect) => vec![dialect],
        Names::Extended => vec![Dialect::Incumbent, Dialect::Tapir],
    };
    let known = dialects.iter().flat_map(|&dialect| Field::all().iter().flat_map(move |field| field.names(dialect)));
    QueryError::unknown_field(name, span, names.voice()).suggest(suggest::nearest(name, known))
}

/// Behind which operator a value stands.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Whole,
    In,
    Like,
}

/// A field as the user called it.
struct Named {
    key: Key,
    name: String,
    dialect: Dialect,
}

impl Named {
    fn find(literal: &Literal<'_>, names: Names) -> Result<Self, QueryError> {
        let name = literal.text();
        match names.find(&name) {
            Some((key, dialect)) => Ok(Self { key, name, dialect }),
            None => Err(unknown(&name, literal.span, names)),
        }
    }

    fn kind(&self) -> Kind {
        self.key.field.info().kind
    }

    /// The incumbent orders whatever it has but addresses; Tapir refuses where it makes no sense.
    fn comparable(&self, op: Op, span: Span) -> Result<(), QueryError> {
        let info = self.key.field.info();
        let theirs = info.incumbent.is_some() || self.key.field == Field::Record;
        if !op.orders() || info.kind.is_ordered() || (theirs && info.kind != Kind::Address) {
            return Ok(());
        }
        let message = format!("invalid comparator for {}: {}", self.name, op.symbol());
        Err(QueryError::new(ErrorKind::InvalidComparator, span, message).suggest(Some("=")))
    }

    fn value(&self, literal: &Literal<'_>, form: Form) -> Result<Value, QueryError> {
        let text = literal.text();
        let tapir = self.dialect == Dialect::Tapir;
        let number = |most: u64| number(&text).filter(|number| *number <= most).map(Value::Number);
        let value = match self.kind() {
            Kind::Text | Kind::Keyword | Kind::Name | Kind::State => return self.words(literal, text, form),
            Kind::Address => Net::parse(&text).map(Value::Net),
            Kind::Port => number(u16::MAX.into()),
            Kind::Number => number(i64::MAX.unsigned_abs()),
            Kind::Severity => number(100).or_else(|| Level::from_name(&text).filter(|_| tapir).map(Value::Level)),
            Kind::Time if tapir => Time::parse(&text).map(Value::Time),
            Kind::Time => Time::epoch(&text).map(Value::Time),
            Kind::Bool if tapir => text.to_ascii_lowercase().parse().ok().map(Value::Bool),
            Kind::Bool => text.parse().ok().map(Value::Bool),
        };
        value.ok_or_else(|| self.invalid(&text, literal.span))
    }

    fn words(&self, literal: &Literal<'_>, text: String, form: Form) -> Result<Value, QueryError> {
        let glob = literal.glob();
        if form == Form::Like && self.kind() == Kind::Text {
            return match glob.parts() {
                [] => Err(QueryError::new(ErrorKind::ValueExpected, literal.span, "nothing to search for")),
                _ => Ok(Value::Search(glob)),
            };
        }
        if form != Form::Whole && glob.as_literal().is_none() {
            return Ok(Value::Glob(glob));
        }
        let text = match self.key.field {
            Field::Cve => cve(&text).to_owned(),
            _ if self.kind() == Kind::Name && form == Form::Whole => domain(&text),
            _ => text,
        };
        let Values::Only(words) = self.key.field.info().values else { return Ok(Value::Text(text)) };
        let same = |word: &&&str| match self.dialect {
            Dialect::Tapir => word.eq_ignore_ascii_case(&text),
            Dialect::Incumbent => **word == text,
        };
        let word = words.iter().find(same);
        word.map(|word| Value::Text((*word).to_owned())).ok_or_else(|| self.invalid(&text, literal.span))
    }

    fn invalid(&self, text: &str, span: Span) -> QueryError {
        let info = self.key.field.info();
        let words = match info.values {
            Values::Known(words) if info.kind == Kind::Severity && self.dialect == Dialect::Tapir => words,
            Values::Only(words) => words,
            _ => &[],
        };
        let expected = match (info.kind, info.values) {
            (Kind::Address, _) => "an address or a prefix such as 10.0.0.0/8".to_owned(),
            (Kind::Port, _) => "0 to 65535".to_owned(),
            (Kind::Severity, _) => format!("0 to 100 or {}", words.join(", ")),
            (Kind::Time, _) => "seconds since 1970, 2026-11-24T03:12:07Z, 2026-11-24 or now-2h".to_owned(),
            (_, Values::Only(words)) => words.join(", "),
            _ => "a whole number".to_owned(),
        };
        let near = match info.kind {
            Kind::Address => Net::of_wildcard(text).map(|net| net.to_string()),
            _ => suggest::nearest(text, words.iter().copied()).map(str::to_owned),
        };
        QueryError::invalid_value(&self.name, text, &expected, span, self.dialect).suggest(near)
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The number without `CVE-`.
fn cve(mut text: &str) -> &str {
    while let Some((_, rest)) = text.split_at_checked(4).filter(|(head, _)| head.eq_ignore_ascii_case("cve-")) {
        text = rest;
    }
    text
}

/// As the incumbent takes names: lower case, no dots at the ends, none twice.
fn domain(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').filter(|part| !part.is_empty()).collect();
    parts.join(".").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn error(text: &str) -> (usize, usize, String, Option<String>) {
        let error = parse(text, Dialect::Tapir).unwrap_err();
        (error.offset, error.length, error.message, error.suggestion)
    }

    #[test]
    fn unknown_fields_name_the_nearest_one() {
        let unknown = |text| {
            let (offset, length, _, suggestion) = error(text);
            (offset, length, suggestion.unwrap_or_default())
        };
        assert_eq!(unknown("a severty>=high"), (2, 7, "severity".to_owned()));
        assert_eq!(unknown("has:miter"), (4, 5, "mitre".to_owned()));
        assert_eq!(unknown("tapir.sidd=1"), (0, 10, String::new()));
        assert_eq!(unknown("'source ip'=1.2.3.4"), (0, 11, "source_ip".to_owned()));
        assert_eq!(unknown("zzzzzz:1"), (0, 6, String::new()));
        assert_eq!(unknown("http://x/*"), (0, 10, "\"http://x/\\*\"".to_owned()));
    }

    #[test]
    fn values_are_held_to_the_kind_of_their_field() {
        assert_eq!(error("port:70000").2, "invalid value for port: 70000 (0 to 65535 expected)");
        assert_eq!(error("sev>=hihg").3.as_deref(), Some("high"));
        assert_eq!(
            error("sev>=hihg").2,
            "invalid value for sev: hihg (0 to 100 or info, low, medium, high, critical expected)"
        );
        assert_eq!(error("type:wfa").3.as_deref(), Some("waf"));
        assert_eq!(error("ip:10.0.*").3.as_deref(), Some("10.0.0.0/16"));
        assert_eq!(error("is:opne").3.as_deref(), Some("open"));
        assert_eq!(error("client>=a"), (6, 2, "invalid comparator for client: >=".to_owned(), Some("=".to_owned())));
        assert_eq!(error("source_ip<10.0.0.1").2, "invalid comparator for source_ip: <");
        for good in [
            "severity=HIGH",
            "type=WAF",
            "dismissed:True",
            "sid IN {1, '2'}",
            "host>a",
            "last_seen:2026-11-24",
            "record.x>5",
        ] {
            assert!(parse(good, Dialect::Tapir).is_ok(), "{good}");
        }
        for bad in [
            "count:1.5",
            "count:-1",
            "sid=9223372036854775808",
            "time:soon",
            "dismissed:yes",
            "port:80*",
            "\"\"",
            "msg:\"\"",
        ] {
            assert!(parse(bad, Dialect::Tapir).is_err(), "{bad}");
        }
    }

    #[test]
    fn suggestions_mend_the_query() {
        for text in [
            "a && b",
            "severty>=high",
            "ip:10.0.*",
            "is:opne",
            "sid:>=5",
            "(a b",
            "a)",
            "a - b",
            "msg:\"x y",
            "msg:not",
            "sid IN {1 2}",
            "sid IN {1",
            "client>=a",
            "https://x",
            "type=wfa",
            "has:mitr",
        ] {
            let error = parse(text, Dialect::Tapir).unwrap_err();
            let mut mended = text.to_owned();
            let suggestion = error.suggestion.clone().unwrap_or_else(|| panic!("{text}: {error}"));
            mended.replace_range(error.offset..error.offset + error.length, &suggestion);
            assert!(parse(&mended, Dialect::Tapir).is_ok(), "{text} became {mended}");
        }
    }
}
