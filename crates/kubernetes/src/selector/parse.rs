//! From words to the tree.
//!
//! *Invariants*: one stack on the heap instead of recursion, at most [`MAX_NESTING`] groups on it; the canonical form of what
//! is accepted nests no deeper. Precedence: comparison, `!`, `&&`, `||`.

use super::error::{ErrorKind, SelectorError, floor, short};
use super::lex::{Lexer, Operator, Placed, Token};
use super::tree::Node;
use super::{MAX_BYTES, MAX_NESTING};
use std::mem;
use std::ops::Range;

pub(super) fn parse(text: &str) -> Result<Node, SelectorError> {
    if text.len() > MAX_BYTES {
        let message = format!("the selector has {} bytes", text.len());
        let place = floor(text, MAX_BYTES)..text.len();
        return Err(SelectorError::new(ErrorKind::TooLong, place, message, format!("at most {MAX_BYTES} are allowed")));
    }
    let mut lexer = Lexer::new(text);
    let mut word = lexer.next()?;
    if word.token == Token::End {
        return Ok(Node::All);
    }
    let mut outer: Vec<Group> = Vec::new();
    let mut group = Group::new(0..text.len(), false);
    loop {
        let mut negated = false;
        while word.token == Token::Not {
            negated = !negated;
            word = lexer.next()?;
        }
        if word.token == Token::Open {
            if outer.len() >= MAX_NESTING {
                return Err(too_deep(word.place));
            }
            outer.push(mem::replace(&mut group, Group::new(word.place, negated)));
            word = lexer.next()?;
            continue;
        }
        let term = term(&mut lexer, word)?;
        group.push(if negated { term.negated() } else { term }, 0);
        loop {
            word = lexer.next()?;
            match word.token {
                Token::And => break,
                Token::Or => {
                    group.alternative();
                    break;
                }
                Token::Close if !outer.is_empty() => {
                    let Some(parent) = outer.pop() else { break };
                    let (term, nesting) = mem::replace(&mut group, parent).finish()?;
                    group.push(term, nesting);
                }
                Token::End if outer.is_empty() => return Ok(group.finish()?.0),
                _ if outer.is_empty() => return Err(trailing(&mut lexer, &word)),
                _ => return Err(not_closed(&group.place, &word)),
            }
        }
        word = lexer.next()?;
    }
}

/// Terms between parentheses, or of the whole selector.
struct Group {
    /// Its `(`.
    place: Range<usize>,
    negated: bool,
    /// Terms joined by `&&` so far, and how deep the deepest nests.
    terms: Vec<Node>,
    terms_nesting: usize,
    /// Alternatives joined by `||` so far.
    alternatives: Vec<Node>,
    nesting: usize,
}

impl Group {
    fn new(place: Range<usize>, negated: bool) -> Self {
        Self { place, negated, terms: Vec::new(), terms_nesting: 0, alternatives: Vec::new(), nesting: 0 }
    }

    fn push(&mut self, term: Node, nesting: usize) {
        self.terms.push(term);
        self.terms_nesting = self.terms_nesting.max(nesting);
    }

    /// Ends the terms so far.
    fn alternative(&mut self) {
        let (term, nesting) = joined(mem::take(&mut self.terms), mem::take(&mut self.terms_nesting), Node::And);
        self.alternatives.push(term);
        self.nesting = self.nesting.max(nesting);
    }

    /// The group as one term, and how deep it nests in canonical form.
    fn finish(mut self) -> Result<(Node, usize), SelectorError> {
        self.alternative();
        let (node, nesting) = joined(self.alternatives, self.nesting, Node::Or);
        if nesting > MAX_NESTING {
            return Err(too_deep(self.place));
        }
        Ok((if self.negated { node.negated() } else { node }, nesting))
    }
}

/// One term stays itself; two and more are a group, one level deeper.
fn joined(mut terms: Vec<Node>, nesting: usize, group: fn(Vec<Node>) -> Node) -> (Node, usize) {
    match (terms.pop(), terms.is_empty()) {
        (Some(only), true) => (only, nesting),
        (last, _) => {
            terms.extend(last);
            (group(terms), nesting + 1)
        }
    }
}

fn term(lexer: &mut Lexer<'_>, word: Placed<'_>) -> Result<Node, SelectorError> {
    match word.token {
        Token::All => Ok(Node::All),
        Token::Global => Ok(Node::Global),
        Token::Has(label) => Ok(Node::Has(label.into())),
        Token::Label(label) => comparison(lexer, label),
        Token::End => Err(SelectorError::new(
            ErrorKind::UnexpectedEnd,
            word.place,
            "the selector ends where a term is expected",
            "add one, like app == \"name\", or leave the operator before it out",
        )),
        other => {
            let help = match other {
                Token::Close => "parentheses may not be empty; all() stands for every endpoint",
                Token::Text(_) => "a comparison begins with the name of a label: app == \"name\"",
                _ => "a term begins with a label, has(label), all(), ! or (",
            };
            Err(SelectorError::new(ErrorKind::UnexpectedToken, word.place, "a term is expected here", help))
        }
    }
}

fn comparison(lexer: &mut Lexer<'_>, label: &str) -> Result<Node, SelectorError> {
    let word = lexer.next()?;
    let Token::Operator(operator) = word.token else {
        let message = format!("expected an operator after label `{}`", short(label));
        let help = match (label, word.token) {
            ("has" | "all" | "global", Token::Open) => format!("write `{label}(` without a blank"),
            (_, Token::Text(_)) => "write == between label and value".to_owned(),
            _ => format!("write `has({0})`, or compare it: `{0} == \"value\"`", short(label)),
        };
        return Err(SelectorError::new(ErrorKind::ExpectedOperator, word.place, message, help));
    };
    match operator {
        Operator::Compare(how) => {
            let word = lexer.next()?;
            match word.token {
                Token::Text(value) => Ok(Node::Compare { label: label.into(), how, value: value.into() }),
                other => {
                    let message = format!("expected a value in quotation marks after `{}`", operator.word());
                    Err(SelectorError::new(ErrorKind::ExpectedString, word.place, message, value_help(other)))
                }
            }
        }
        Operator::Set { inside } => Ok(Node::set(label, inside, set(lexer, operator)?)),
    }
}

fn value_help(found: Token<'_>) -> String {
    match found {
        Token::Label(value) => format!("write \"{}\"", short(value)),
        Token::LeftBrace => "a set in braces follows `in` and `not in` only".to_owned(),
        _ => "write the value: \"name\"".to_owned(),
    }
}

/// `{ "a", "b" }`, with or without a comma at the end.
fn set(lexer: &mut Lexer<'_>, operator: Operator) -> Result<Vec<Box<str>>, SelectorError> {
    let word = lexer.next()?;
    if word.token != Token::LeftBrace {
        let message = format!("expected a set in braces after `{}`", operator.word());
        let help = "write {\"a\", \"b\"}, also for one value";
        return Err(SelectorError::new(ErrorKind::ExpectedSet, word.place, message, help));
    }
    let mut values = Vec::new();
    loop {
        let word = lexer.next()?;
        match word.token {
            Token::RightBrace => return Ok(values),
            Token::Text(value) => values.push(value.into()),
            other => {
                let help = match other {
                    Token::Label(value) => format!("write \"{}\": values stand in quotation marks", short(value)),
                    _ => "add `}` behind the last value".to_owned(),
                };
                return Err(brace(word.place, help));
            }
        }
        let word = lexer.next()?;
        match word.token {
            Token::RightBrace => return Ok(values),
            Token::Comma => {}
            Token::Text(_) => return Err(brace(word.place, "put a comma between the values".to_owned())),
            _ => return Err(brace(word.place, "add `}` behind the last value".to_owned())),
        }
    }
}

fn brace(place: Range<usize>, help: String) -> SelectorError {
    SelectorError::new(ErrorKind::ExpectedRbrace, place, "the set does not end", help)
}

fn too_deep(place: Range<usize>) -> SelectorError {
    let message = format!("nested deeper than {MAX_NESTING}");
    SelectorError::new(ErrorKind::TooDeep, place, message, "leave out parentheses that change nothing")
}

/// Something follows a complete selector. What cannot be read at all behind it is told first, as Calico does.
fn trailing(lexer: &mut Lexer<'_>, word: &Placed<'_>) -> SelectorError {
    loop {
        match lexer.next() {
            Err(error) => return error,
            Ok(next) if next.token == Token::End => break,
            Ok(_) => {}
        }
    }
    let help = match word.token {
        Token::Close => "leave it out, or add the `(` that it closes",
        _ => "join terms with && or ||",
    };
    let message = "the selector is complete before this";
    SelectorError::new(ErrorKind::TrailingContent, word.place.clone(), message, help)
}

fn not_closed(open: &Range<usize>, word: &Placed<'_>) -> SelectorError {
    let message = format!("the parenthesis of byte {} is not closed", open.start);
    SelectorError::new(ErrorKind::ExpectedRparen, word.place.clone(), message, "add `)`, or join terms with && or ||")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, kind: ErrorKind, marked: &str) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind, kind, "{}", error.render(text));
        assert_eq!(&text[error.position..error.position + error.length], marked, "{}", error.render(text));
    }

    #[test]
    fn errors_stand_where_the_repair_is() {
        check("a == \"b\" and c == \"d\"", ErrorKind::ExpectedOperator, "and");
        check("a squiggles \"v\"", ErrorKind::ExpectedOperator, "squiggles");
        check("a:b == \"c\"", ErrorKind::ExpectedOperator, ":b");
        check("a starts with b", ErrorKind::ExpectedOperator, "b");
        check("a in {b}", ErrorKind::ExpectedRbrace, "b");
        check("a in {\"b\" \"c\"}", ErrorKind::ExpectedRbrace, "\"c\"");
        check("(a == \"b\"", ErrorKind::ExpectedRparen, "");
        check("a == \"b\"))", ErrorKind::TrailingContent, ")");
        check("a == “b”", ErrorKind::ExpectedLabelName, "“");
        check("all(x", ErrorKind::ExpectedCallClose, "all(");
        check("has(\"a\")", ErrorKind::ExpectedLabelName, "\"");
        check("a = \"b\"", ErrorKind::ExpectedDoubleEquals, "=");
        check("a == \"b", ErrorKind::UnterminatedString, "\"b");
    }

    #[test]
    fn line_ends_are_explained() {
        for text in ["a == 'b' &&\n c == 'd'", "a\n== 'b'", "a == 'b'\r\n"] {
            let error = parse(text).unwrap_err();
            assert!(error.help.contains(">-"), "{}", error.render(text));
        }
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        let nested = |depth: usize, inner: &str| format!("{}{inner}{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(parse(&nested(MAX_NESTING, "all()")), Ok(Node::All));
        check(&nested(MAX_NESTING + 1, "all()"), ErrorKind::TooDeep, "(");
        // Each level has one pair in the text and two in canonical form.
        let mixed = |depth: usize| format!("{}all(){}", "has(a) || has(b) && (".repeat(depth), ")".repeat(depth));
        let deepest = parse(&mixed(MAX_NESTING / 2)).unwrap();
        assert_eq!(parse(&deepest.to_string()), Ok(deepest));
        assert_eq!(parse(&mixed(MAX_NESTING / 2 + 1)).unwrap_err().kind, ErrorKind::TooDeep);
        let long = format!("has(a){}", " ".repeat(MAX_BYTES));
        assert_eq!(parse(&long).unwrap_err().kind, ErrorKind::TooLong);
        assert!(parse(long.get(..MAX_BYTES).unwrap()).is_ok());
    }

    #[test]
    fn hostile_texts_end_soon() {
        for piece in ["(", "!", "a", "\"", "has(", "a in {", "a in {'',", "all()&&", "!(", "a==''||", "é", "\n", ")"] {
            let text = piece.repeat(MAX_BYTES / piece.len());
            if let Err(error) = parse(&text) {
                assert_eq!(error.render(&text).lines().count(), 2);
            }
        }
    }
}
