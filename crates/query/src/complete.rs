//! Completion in the search box: what may stand at the cursor.
//!
//! The text before the cursor is cut into tokens, finished or not; the last word is what is being typed, the tokens
//! before it say whether a field, an operator or a value comes next.
//! *Limits*: [`MAX_CANDIDATES`]; none for texts above [`MAX_BYTES`].

use crate::error::floor;
use crate::lex::{Lexed, Token, is_keyword, is_word_end, lex};
use crate::{Dialect, ErrorKind, Field, Key, Kind, MAX_BYTES, Span, State, quote};
use std::ops::Range;

/// The most that is offered.
pub const MAX_CANDIDATES: usize = 50;

/// What kind of thing is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// A field, to be followed by an operator.
    Field,
    /// An operator, perhaps with the field before it.
    Operator,
    /// `AND`, `OR`, `NOT`, `is:`, `has:`.
    Keyword,
    /// A value.
    Value,
}

/// One thing that may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The text to put there.
    pub text: String,
    /// What it is.
    pub kind: CandidateKind,
    /// One line for people; may be empty.
    pub detail: &'static str,
}

/// What may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The bytes of the text that a candidate takes the place of.
    pub replace: Range<usize>,
    /// Best first.
    pub candidates: Vec<Candidate>,
}

/// Completes a query in Tapir's dialect. `cursor`: a byte; one within a character counts as before it.
pub fn complete(text: &str, cursor: usize) -> Completion {
    let cursor = floor(text, cursor);
    let nothing = Completion { replace: cursor..cursor, candidates: Vec::new() };
    if text.len() > MAX_BYTES {
        return nothing;
    }
    let before = text.get(..cursor).unwrap_or_default();
    let Lexed { mut tokens, error } = lex(before, Dialect::Tapir);
    let typed = match error {
        Some(error) if error.kind == ErrorKind::OpenQuote => Some(Span { start: error.offset, end: cursor }),
        Some(_) => return nothing,
        None => tokens.pop_if(|(token, span)| *token == Token::Word && span.end == cursor).map(|(_, span)| span),
    };
    let typed = typed.unwrap_or(Span { start: cursor, end: cursor });
    let place = Place::behind(text, &tokens);
    let word = before.get(typed.start..).unwrap_or_default();
    let mut offer = Offer { candidates: Vec::new(), typed: word.trim_start_matches(['"', '\'']) };
    match place {
        Place::Value(key) => offer.values(key),
        Place::Term { joins, key } => offer.terms(joins, key, word),
    }
    offer.candidates.truncate(MAX_CANDIDATES);
    Completion { replace: typed.start..end_of(text, typed, place), candidates: offer.candidates }
}

/// The end of what is being typed, behind the cursor.
fn end_of(text: &str, typed: Span, place: Place<'_>) -> usize {
    let rest = text.get(typed.end..).unwrap_or_default();
    let first = text.get(typed.start..typed.end).and_then(|word| word.chars().next());
    let length = match first {
        None => 0,
        Some(quote @ ('"' | '\'')) => rest.find(quote).map_or(0, |at| at + 1),
        Some(_) if matches!(place, Place::Value(_)) => rest.find(|c| is_word_end(c) || c == ',').unwrap_or(rest.len()),
        Some(_) => rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(rest.len()),
    };
    typed.end + length
}

/// What comes next.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// A value of this field.
    Value(&'a str),
    /// A term; `joins`: behind another, so that `AND` may come, too; `key`: a word that could be a field.
    Term { joins: bool, key: Option<&'a str> },
}

impl<'a> Place<'a> {
    fn behind(text: &'a str, tokens: &[(Token, Span)]) -> Self {
        let start = Place::Term { joins: false, key: None };
        let end = Place::Term { joins: true, key: None };
        let (mut place, mut list, mut before) = (start, false, None);
        for &(token, span) in tokens {
            let slice = text.get(span.start..span.end).unwrap_or_default();
            let key = match place {
                Place::Term { key, .. } => key,
                Place::Value(_) => None,
            };
            place = match (token, place) {
                (Token::Close | Token::BraceClose, _) => {
                    list = false;
                    end
                }
                (Token::Open, Place::Value(_)) => {
                    list = true;
                    place
                }
                (_, Place::Value(_)) if list => place,
                (Token::Word | Token::Quoted, Place::Value(_)) => end,
                (Token::Colon | Token::Op(_), _) => key.map_or(start, Place::Value),
                (Token::BraceOpen, _) => {
                    list = true;
                    // `key IN {`: the word before the last.
                    before.map_or(start, Place::Value)
                }
                (Token::Word, _) if is_keyword(slice) => start,
                (Token::Word | Token::Quoted, _) => {
                    before = key;
                    Place::Term { joins: true, key: Some(slice.trim_matches(['"', '\''])) }
                }
                _ => start,
            };
        }
        place
    }
}

struct Offer<'a> {
    candidates: Vec<Candidate>,
    /// What the candidates have to begin with, in any case.
    typed: &'a str,
}

impl Offer<'_> {
    fn push(&mut self, text: String, kind: CandidateKind, detail: &'static str) {
        self.candidates.push(Candidate { text, kind, detail });
    }

    fn fits(&self, word: &str) -> bool {
        word.split_at_checked(self.typed.len()).is_some_and(|(head, _)| head.eq_ignore_ascii_case(self.typed))
    }

    fn values(&mut self, name: &str) {
        if name.eq_ignore_ascii_case("has") {
            return self.fields();
        }
        let words: Vec<&'static str> = match Key::parse(name, Dialect::Tapir).map(|key| key.field.info()) {
            _ if name.eq_ignore_ascii_case("is") => State::ALL.iter().map(|state| state.word()).collect(),
            Some(info) if info.kind == Kind::Time => TIMES.to_vec(),
            Some(info) => info.values.words().to_vec(),
            None => Vec::new(),
        };
        for word in words {
            if self.fits(word) {
                let plain = word.chars().all(|c| !is_word_end(c)) && !is_keyword(word);
                let text = if plain { word.to_owned() } else { quote::quote(word, true) };
                self.push(text, CandidateKind::Value, "");
            }
        }
    }

    /// Names before aliases; of an alias the canonical name is offered.
    fn fields(&mut self) {
        let (mut named, mut aliased) = (Vec::new(), Vec::new());
        for field in Field::all() {
            let info = field.info();
            match info.name {
                // What stands there already is no help.
                name if name == self.typed => {}
                name if self.fits(name) => named.push(info),
                _ if info.aliases.iter().any(|alias| self.fits(alias)) => aliased.push(info),
                _ => {}
            }
        }
        for info in named.into_iter().chain(aliased) {
            let text = if info.name == "record" { "record." } else { info.name };
            self.push(text.to_owned(), CandidateKind::Field, info.help);
        }
    }

    fn terms(&mut self, joins: bool, key: Option<&str>, word: &str) {
        // A whole name: operators, with the name before them or, behind a blank, alone.
        let (named, before) = if word.is_empty() { (key, "") } else { (Some(word), word) };
        if let Some(key) = named.and_then(|name| Key::parse(name, Dialect::Tapir)) {
            let ordered = key.field.info().kind.is_ordered();
            for (symbol, detail) in OPERATORS.iter().take(if ordered { OPERATORS.len() } else { UNORDERED }) {
                self.push(format!("{before}{symbol}"), CandidateKind::Operator, detail);
            }
        }
        for (word, detail) in KEYWORDS.iter().skip(if joins { 0 } else { JOINING }) {
            if self.fits(word) {
                self.push((*word).to_owned(), CandidateKind::Keyword, detail);
            }
        }
        self.fields();
    }
}

const TIMES: &[&str] = &["now-15m", "now-1h", "now-6h", "now-24h", "now-7d", "now-30d", "now"];
const OPERATORS: &[(&str, &str)] = &[
    (":", "is like; lists and wildcards"),
    ("=", "is exactly"),
    ("!=", "is not"),
    (">=", "is at least"),
    (">", "is above"),
    ("<=", "is at most"),
    ("<", "is below"),
];
/// How many of them ask for no order.
const UNORDERED: usize = 3;
const KEYWORDS: &[(&str, &str)] = &[
    ("AND", "both"),
    ("OR", "one of both"),
    ("NOT", "not what follows"),
    ("is:", "state of the alert"),
    ("has:", "the field has a value"),
];
/// How many of them join two terms.
const JOINING: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Completes at the `|`; the replaced text and the candidates.
    fn at(text: &str) -> (String, Vec<String>) {
        let cursor = text.find('|').unwrap();
        let text = text.replacen('|', "", 1);
        let completion = complete(&text, cursor);
        let candidates = completion.candidates.into_iter().map(|candidate| candidate.text).collect();
        (text[completion.replace].to_owned(), candidates)
    }

    fn first(text: &str, count: usize) -> (String, Vec<String>) {
        let (replaced, mut candidates) = at(text);
        candidates.truncate(count);
        (replaced, candidates)
    }

    #[test]
    fn fields_are_completed_where_a_term_begins() {
        assert_eq!(first("sev|", 1), ("sev".to_owned(), vec!["sev:".to_owned()]), "an alias is a whole name");
        assert_eq!(at("seve|"), ("seve".to_owned(), vec!["severity".to_owned()]));
        assert_eq!(at("a -(grou|pp ns:x"), ("groupp".to_owned(), vec!["group".to_owned()]));
        assert_eq!(at("cli|").1, ["client_ip", "client_port", "client_namespace", "client", "client_pod"]);
        assert_eq!(at("dst_po|").1, ["dest_port"], "by an alias");
        assert!(at("|").1.contains(&"NOT".to_owned()) && !at("|").1.contains(&"AND".to_owned()));
        assert_eq!(first("ns:a |", 2).1, ["AND", "OR"]);
    }

    #[test]
    fn operators_follow_a_whole_name() {
        assert_eq!(
            first("severity|", 7).1,
            ["severity:", "severity=", "severity!=", "severity>=", "severity>", "severity<=", "severity<"]
        );
        assert_eq!(first("client_ip|", 4).1, ["client_ip:", "client_ip=", "client_ip!="]);
        assert_eq!(first("severity |", 4).1, [":", "=", "!=", ">="]);
    }

    #[test]
    fn values_are_completed_behind_an_operator() {
        assert_eq!(at("severity>=h|"), ("h".to_owned(), vec!["high".to_owned()]));
        assert_eq!(at("is:|").1.len(), State::ALL.len());
        assert_eq!(at("-is:(open di|sm x)"), ("dism".to_owned(), vec!["dismissed".to_owned()]));
        assert_eq!(at("type IN {waf, 'run|'}"), ("'run'".to_owned(), vec!["runtime_security".to_owned()]));
        assert_eq!(at("type IN {waf, sus|").1, ["suspicious_dns_query", "suspicious_flow"]);
        assert_eq!(at("has:mit|").1, ["mitre", "tactic"], "its alias is mitre_tactic");
        assert_eq!(at("last_seen>now-2|").1, ["now-24h"]);
        assert_eq!(at("nothing:x|").1, Vec::<String>::new());
        assert_eq!(at("type:\"wa|"), ("\"wa".to_owned(), vec!["waf".to_owned()]));
    }

    #[test]
    fn every_candidate_leads_on() {
        // Put in its place each one is a query, or one that lacks what follows.
        for text in ["|", "s|", "severity>=|", "is:|", "ns:a |", "ns:a O|", "has:|", "time>|", "method:|"] {
            let cursor = text.find('|').unwrap();
            let text = text.replacen('|', "", 1);
            let completion = complete(&text, cursor);
            assert!(!completion.candidates.is_empty(), "{text}");
            for candidate in completion.candidates {
                let mut filled = text.clone();
                filled.replace_range(completion.replace.clone(), &candidate.text);
                if let Err(error) = crate::parse(&filled, Dialect::Tapir) {
                    let expected = matches!(error.kind, ErrorKind::KeyExpected | ErrorKind::ValueExpected);
                    assert!(expected && error.offset == filled.trim_end().len(), "{filled}: {error}");
                }
            }
        }
    }
}
