//! The canonical form of a selector.
//!
//! One blank around operators, values in double quotes (single ones if the value holds a double quote), sets sorted, every
//! group in parentheses, the outermost, too.

use super::Selector;
use super::tree::{Comparison, Node};
use std::fmt::{self, Display, Formatter};

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all()"),
            Self::Global => f.write_str("global()"),
            Self::Has(label) => write!(f, "has({label})"),
            Self::Compare { label, how, value } => write!(f, "{label} {} {}", how.word(), Quoted(value)),
            Self::Set { label, inside, values } => {
                write!(f, "{label} {} {{", if *inside { "in" } else { "not in" })?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { ", " }, Quoted(value))?;
                }
                f.write_str("}")
            }
            Self::Not(inner) => write!(f, "!{inner}"),
            Self::And(terms) => group(f, terms, " && "),
            Self::Or(terms) => group(f, terms, " || "),
        }
    }
}

fn group(f: &mut Formatter<'_>, terms: &[Node], operator: &str) -> fmt::Result {
    f.write_str("(")?;
    for (at, term) in terms.iter().enumerate() {
        write!(f, "{}{term}", if at == 0 { "" } else { operator })?;
    }
    f.write_str(")")
}

impl Comparison {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Contains => "contains",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
        }
    }
}

/// A value between quotation marks that it does not hold.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mark = if self.0.contains('"') { '\'' } else { '"' };
        write!(f, "{mark}{}{mark}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::selector::Selector;

    #[track_caller]
    fn check(text: &str, canonical: &str) {
        let selector = Selector::parse(text).unwrap();
        assert_eq!(selector.to_string(), canonical);
        assert_eq!(Selector::parse(canonical).unwrap(), selector);
    }

    #[test]
    fn groups_have_parentheses_and_keep_their_nesting() {
        check("a=='1'&&b=='2'&&c=='3'", r#"(a == "1" && b == "2" && c == "3")"#);
        check("(a=='1'&&b=='2')&&c=='3'", r#"((a == "1" && b == "2") && c == "3")"#);
        check("has(a)||has(b)&&has(c)", "(has(a) || (has(b) && has(c)))");
        check("((has(a)))", "has(a)");
    }

    #[test]
    fn negations_are_reduced_also_through_parentheses() {
        check("!!!has(a)", "!has(a)");
        check("!(!has(a))", "has(a)");
        check("!(!(has(a) || has(b)))", "(has(a) || has(b))");
    }

    #[test]
    fn values_are_quoted_with_what_they_do_not_hold() {
        check("a == 'say \"x\"'", "a == 'say \"x\"'");
        check("a == \"it's\"", "a == \"it's\"");
        check("a notin {'é', 'b', 'b',}", "a not in {\"b\", \"é\"}");
    }
}
