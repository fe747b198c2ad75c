//! The canonical text of a query: canonical names, no needless quotes or parentheses, one form for each meaning.
//!
//! In Tapir's dialect terms stand side by side, `-` negates, lists are `field:(a b)`; in the incumbent's `AND`, `NOT`
//! and `IN {…}` are written out. Parentheses are never deeper than in the text that was read.

use crate::lex::is_keyword;
use crate::{Dialect, Expr, Field, Glob, Key, Net, Node, Part, Query, Value, quote};
use std::fmt::{self, Write};

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer { out: String::new(), dialect: self.dialect() };
        if let Some(root) = self.root() {
            printer.expr(root, Around::Nothing);
        }
        f.write_str(&printer.out)
    }
}

/// What a node stands in.
#[derive(Clone, Copy, PartialEq)]
enum Around {
    Nothing,
    Or,
    And,
    Not,
}

struct Printer {
    out: String,
    dialect: Dialect,
}

impl Printer {
    fn expr(&mut self, expr: &Expr, around: Around) {
        let theirs = self.dialect == Dialect::Incumbent;
        match &expr.node {
            Node::Or(members) => {
                let parentheses = matches!(around, Around::And | Around::Not);
                self.list(members, " OR ", Around::Or, parentheses);
            }
            Node::And(members) => {
                // Beside OR the word is written out: few know which of the two binds tighter.
                let between = if theirs || around == Around::Or { " AND " } else { " " };
                self.list(members, between, Around::And, around == Around::Not);
            }
            Node::Not(inner) => match &inner.node {
                Node::Has(key) if theirs => {
                    self.key(key);
                    self.out.push_str(" EMPTY");
                }
                _ => {
                    self.out.push_str(if theirs { "NOT " } else { "-" });
                    self.expr(inner, Around::Not);
                }
            },
            Node::Compare { key, op, value } => {
                self.key(key);
                let blank = if theirs { " " } else { "" };
                let symbol = op.symbol();
                self.out.extend([blank, symbol, blank]);
                self.value(value, false);
            }
            Node::In { key, negated, members } => {
                self.key(key);
                self.out.push_str(if *negated { " NOTIN {" } else { " IN {" });
                self.values(members, ", ");
                self.out.push('}');
            }
            Node::Like { key, patterns } => {
                self.key(key);
                self.out.push(':');
                match patterns.as_slice() {
                    [only] => self.value(only, true),
                    all => {
                        self.out.push('(');
                        self.values(all, " ");
                        self.out.push(')');
                    }
                }
            }
            Node::Is(state) => self.out.extend(["is:", state.word()]),
            Node::Has(key) => {
                self.out.push_str("has:");
                self.key(key);
            }
            Node::Text(glob) => match is_bare_term(glob) {
                true => self.glob(glob, false),
                false => self.glob(glob, true),
            },
        }
    }

    fn list(&mut self, members: &[Expr], between: &str, around: Around, parentheses: bool) {
        if parentheses {
            self.out.push('(');
        }
        for (at, member) in members.iter().enumerate() {
            if at > 0 {
                self.out.push_str(between);
            }
            self.expr(member, around);
        }
        if parentheses {
            self.out.push(')');
        }
    }

    fn key(&mut self, key: &Key) {
        match key.field.info().incumbent {
            Some(name) if self.dialect == Dialect::Incumbent => self.out.push_str(name),
            // A field of Tapir's alone stands in no query of the incumbent's dialect.
            _ if key.field == Field::Record && self.dialect == Dialect::Incumbent => {
                self.out.push_str(&quote::quote(&key.to_string(), false));
            }
            _ => self.out.push_str(&key.to_string()),
        }
    }

    fn values(&mut self, values: &[Value], between: &str) {
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.out.push_str(between);
            }
            self.value(value, true);
        }
    }

    /// `pattern`: wildcards are read in this place.
    fn value(&mut self, value: &Value, pattern: bool) {
        match value {
            Value::Text(text) => {
                let glob = Glob::literal(text);
                let bare = match self.dialect {
                    Dialect::Tapir => is_bare_value(&glob),
                    Dialect::Incumbent => is_identifier(text),
                };
                match bare {
                    true => self.out.push_str(text),
                    false => self.out.push_str(&quote::quote(text, pattern)),
                }
            }
            Value::Glob(glob) | Value::Search(glob) => {
                let bare = self.dialect == Dialect::Tapir && is_bare_value(glob);
                self.glob(glob, !bare);
            }
            Value::Net(net) => self.plain(net),
            Value::Number(number) => self.plain(number),
            Value::Level(level) => self.out.push_str(level.word()),
            Value::Time(time) => self.plain(time),
            Value::Bool(yes) => self.plain(yes),
        }
    }

    /// Digits and words need no quotes; addresses do where the incumbent is to read them.
    fn plain(&mut self, value: &dyn fmt::Display) {
        let text = value.to_string();
        let bare = self.dialect == Dialect::Tapir || text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // Writing to a string cannot fail.
        let _ = if bare { write!(self.out, "{text}") } else { write!(self.out, "\"{text}\"") };
    }

    fn glob(&mut self, glob: &Glob, quoted: bool) {
        let quotes = |out: &mut String| {
            if quoted {
                out.push('"');
            }
        };
        quotes(&mut self.out);
        for part in glob.parts() {
            match part {
                Part::Run => self.out.push('*'),
                Part::One => self.out.push('?'),
                Part::Literal(text) if quoted => text.chars().for_each(|c| quote::push(&mut self.out, c, true)),
                Part::Literal(text) => self.out.push_str(text),
            }
        }
        quotes(&mut self.out);
    }
}

/// What the incumbent reads without quotes.
fn is_identifier(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(plain) && !is_keyword(text)
}

/// Whether a word that is printed without quotes is read as the same literal where a term may begin.
fn is_bare_term(glob: &Glob) -> bool {
    let text: String = glob.parts().iter().map(bare).collect();
    let first = text.chars().next();
    first.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '*' | '?'))
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '*' | '?' | '-' | '@' | '+' | '%' | '#'))
        && !is_literal_wildcard(glob)
        && !is_keyword(&text)
        && !["in", "notin", "empty"].iter().any(|word| text.eq_ignore_ascii_case(word))
        && Net::parse(&text).is_none()
}

/// The same behind an operator.
fn is_bare_value(glob: &Glob) -> bool {
    let text: String = glob.parts().iter().map(bare).collect();
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '*' | '?' | '-' | '@' | '+' | '%' | '#' | ':');
    !text.is_empty() && text.chars().all(plain) && !is_literal_wildcard(glob) && !is_keyword(&text)
}

fn bare(part: &Part) -> &str {
    match part {
        Part::Literal(text) => text,
        Part::One => "?",
        Part::Run => "*",
    }
}

/// Whether it has a `*` or `?` that is no wildcard.
fn is_literal_wildcard(glob: &Glob) -> bool {
    glob.parts().iter().any(|part| matches!(part, Part::Literal(text) if text.contains(['*', '?'])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn tapir(text: &str) -> String {
        parse(text, Dialect::Tapir).unwrap().to_string()
    }

    fn incumbent(text: &str) -> String {
        parse(text, Dialect::Incumbent).unwrap().to_string()
    }

    #[test]
    fn each_meaning_has_one_form() {
        assert_eq!(tapir("NOT ns : 'shop'  and SID=007"), "-namespace:shop sid=7");
        assert_eq!(tapir("(a b) or (c)"), "a AND b OR c");
        assert_eq!(tapir("(a OR b) AND NOT (c AND d)"), "(a OR b) -(c d)");
        assert_eq!(tapir("is:(open noisy) mitre:*"), "(is:open OR is:noisy) has:mitre");
        assert_eq!(tapir("10.1.2.3/8 2001:DB8::1 '10.0.0.1'"), "ip:10.0.0.0/8 ip:2001:db8::1 \"10.0.0.1\"");
        assert_eq!(tapir("\"record.a\" IN {x, 'y*'} pod EMPTY"), "record.a IN {x, y*} -has:pod");
        assert_eq!(tapir(r#"msg="a*" msg:"a\*" msg:"a *" 'or'"#), r#"msg="a*" msg:"a\*" msg:"a *" "or""#);
        assert_eq!(
            tapir("time>=2026-11-24T04:12:07.50+01:00 cve:CVE-2021-44228"),
            "time>=2026-11-24T03:12:07.5Z cve:2021-44228"
        );
        assert_eq!(tapir(""), "");
    }

    #[test]
    fn the_incumbents_queries_stay_in_its_dialect() {
        assert_eq!(
            incumbent("type=waf and not(host=a or host IN {'b*'})"),
            "type = waf AND NOT (host = a OR host IN {\"b*\"})"
        );
        assert_eq!(
            incumbent("source_ip='10.0.0.0/8' AND !name EMPTY"),
            "source_ip = \"10.0.0.0/8\" AND NOT name EMPTY"
        );
        assert_eq!(incumbent("dest_port='080' OR dismissed=true"), "dest_port = 80 OR dismissed = true");
    }
}
