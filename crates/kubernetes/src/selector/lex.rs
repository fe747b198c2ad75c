//! The words of a selector, one at a time.
//!
//! What a word means depends on what stands before it: only directly behind a label are `in`, `contains` and their like
//! operators; elsewhere they are names of labels. Blanks are spaces and tabs, nothing else.

use super::MAX_NAME;
use super::error::{ErrorKind, SelectorError, floor, short};
use super::tree::Comparison;
use std::ops::Range;

/// What follows a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// One value follows.
    Compare(Comparison),
    /// A set follows.
    Set {
        /// `in`, else `not in`.
        inside: bool,
    },
}

impl Operator {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Compare(how) => how.word(),
            Self::Set { inside: true } => "in",
            Self::Set { inside: false } => "not in",
        }
    }
}

/// A word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Open,
    Close,
    LeftBrace,
    RightBrace,
    Comma,
    Not,
    And,
    Or,
    All,
    Global,
    Has(&'t str),
    Label(&'t str),
    Text(&'t str),
    Operator(Operator),
    End,
}

/// A word and where it stands.
pub(super) struct Placed<'t> {
    pub(super) token: Token<'t>,
    pub(super) place: Range<usize>,
}

/// Reads words off a text.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// The label that was the last word, and where it began.
    label: Option<(&'t str, usize)>,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, label: None }
    }

    /// The next word; at the end, [`Token::End`] for ever.
    pub(super) fn next(&mut self) -> Result<Placed<'t>, SelectorError> {
        let label = self.label.take();
        self.skip_blanks();
        let start = self.at;
        let rest = self.rest();
        let token = match (rest.chars().next(), label) {
            (None, None) => Token::End,
            (None, Some((label, _))) => return Err(self.ends_after(label)),
            (Some('('), _) => self.take(1, Token::Open),
            (Some(')'), _) => self.take(1, Token::Close),
            (Some('{'), _) => self.take(1, Token::LeftBrace),
            (Some('}'), _) => self.take(1, Token::RightBrace),
            (Some(','), _) => self.take(1, Token::Comma),
            (Some(mark @ ('"' | '\'')), _) => self.quoted(mark)?,
            (Some('='), _) => self.twice("==", Token::Operator(Operator::Compare(Comparison::Equal)))?,
            (Some('&'), _) => self.twice("&&", Token::And)?,
            (Some('|'), _) => self.twice("||", Token::Or)?,
            (Some('!'), _) if rest.starts_with("!=") => {
                self.take(2, Token::Operator(Operator::Compare(Comparison::NotEqual)))
            }
            (Some('!'), _) => self.take(1, Token::Not),
            (Some(_), Some((label, from))) => self.operator(label, from)?,
            (Some(other), None) => self.term(other)?,
        };
        Ok(Placed { token, place: start..self.at })
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches(BLANKS).len();
    }

    fn take(&mut self, bytes: usize, token: Token<'t>) -> Token<'t> {
        self.at += bytes;
        token
    }

    /// From the first byte of `rest` on, to its end.
    fn take_to(&mut self, rest: &str) {
        self.at = self.text.len() - rest.len();
    }

    fn quoted(&mut self, mark: char) -> Result<Token<'t>, SelectorError> {
        let inside = self.rest().get(1..).unwrap_or_default();
        let Some(value) = inside.find(mark).and_then(|end| inside.get(..end)) else {
            let message = format!("the quotation mark {mark} has no second one");
            let help = format!("add {mark} behind the value; there are no escapes");
            return Err(SelectorError::new(ErrorKind::UnterminatedString, self.at..self.text.len(), message, help));
        };
        Ok(self.take(value.len() + 2, Token::Text(value)))
    }

    /// `==`, `&&`, `||`: the first character is there.
    fn twice(&mut self, word: &'static str, token: Token<'t>) -> Result<Token<'t>, SelectorError> {
        if self.rest().starts_with(word) {
            return Ok(self.take(2, token));
        }
        let (kind, what) = match token {
            Token::And => (ErrorKind::ExpectedDoubleAmpersand, "a single `&`"),
            Token::Or => (ErrorKind::ExpectedDoublePipe, "a single `|`"),
            _ => (ErrorKind::ExpectedDoubleEquals, "a single `=`"),
        };
        Err(SelectorError::new(kind, self.at..self.at + 1, what, format!("write `{word}`")))
    }

    /// A word behind a label: an operator or nothing.
    fn operator(&mut self, label: &str, from: usize) -> Result<Token<'t>, SelectorError> {
        let rest = self.rest();
        let two = |first: &str, second: &str| {
            rest.strip_prefix(first).and_then(|rest| rest.trim_start_matches(BLANKS).strip_prefix(second))
        };
        let found = [
            (rest.strip_prefix("contains"), Operator::Compare(Comparison::Contains)),
            (two("starts", "with"), Operator::Compare(Comparison::StartsWith)),
            (two("ends", "with"), Operator::Compare(Comparison::EndsWith)),
            (two("not", "in"), Operator::Set { inside: false }),
            (rest.strip_prefix("in"), Operator::Set { inside: true }),
        ];
        let whole = |(after, operator): (Option<&'t str>, Operator)| {
            after.filter(|after| !after.starts_with(is_name)).map(|after| (after, operator))
        };
        let Some((after, operator)) = found.into_iter().find_map(whole) else {
            return Err(self.no_operator(label, from));
        };
        self.take_to(after);
        // A name behind these two is, as Calico has it, no value that is missing but an operator that is none.
        if matches!(operator, Operator::Compare(Comparison::StartsWith | Comparison::EndsWith)) {
            let value = name(after.trim_start_matches(BLANKS));
            if !value.is_empty() {
                self.skip_blanks();
                let place = self.at..self.at + value.len();
                let message = format!("expected a value in quotation marks after `{}`", operator.word());
                let help = format!("write \"{}\"", short(value));
                return Err(SelectorError::new(ErrorKind::ExpectedOperator, place, message, help));
            }
        }
        Ok(Token::Operator(operator))
    }

    fn no_operator(&self, label: &str, from: usize) -> SelectorError {
        let instead = match label.to_ascii_lowercase().as_str() {
            "and" => Some("&&"),
            "or" => Some("||"),
            "not" => Some("!"),
            _ => None,
        };
        if let Some(instead) = instead {
            let place = from..from + label.len();
            let message = format!("`{label}` is no operator");
            return SelectorError::new(ErrorKind::ExpectedOperator, place, message, format!("write `{instead}`"));
        }
        let rest = self.rest();
        let word = rest.split([' ', '\t', '"', '\'', '(', '{', '=', '!', '&', '|']).next().unwrap_or_default();
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let length = floor(rest, word.len().clamp(first, MAX_NAME));
        let message = format!("expected an operator after label `{}`", short(label));
        let help = match rest.chars().next() {
            Some('\n' | '\r') => LINE_ENDS,
            Some(other) if !is_name(other) => "names of labels are made of letters, digits and `_./-`",
            _ => OPERATORS,
        };
        SelectorError::new(ErrorKind::ExpectedOperator, self.at..self.at + length, message, help)
    }

    fn ends_after(&self, label: &str) -> SelectorError {
        let label = short(label);
        let message = format!("the selector ends after label `{label}`");
        let help = format!("write `has({label})`, or compare it: `{label} == \"value\"`");
        SelectorError::new(ErrorKind::UnexpectedEnd, self.at..self.at, message, help)
    }

    /// The first word of a term: a call or the name of a label.
    fn term(&mut self, first: char) -> Result<Token<'t>, SelectorError> {
        let start = self.at;
        for (call, token) in [("all(", Token::All), ("global(", Token::Global)] {
            if self.rest().starts_with(call) {
                self.at += call.len();
                return self.call_ends(call, start).map(|()| token);
            }
        }
        if self.rest().starts_with("has(") {
            self.at += "has(".len();
            self.skip_blanks();
            let label = self.label_name()?;
            if label.is_empty() {
                let length = self.rest().chars().next().map_or(0, char::len_utf8);
                let help = "write the name without quotation marks: `has(app)`";
                let place = self.at..self.at + length;
                return Err(SelectorError::new(
                    ErrorKind::ExpectedLabelName,
                    place,
                    "expected the name of a label in `has(`",
                    help,
                ));
            }
            return self.call_ends("has(", start).map(|()| Token::Has(label));
        }
        let label = self.label_name()?;
        if label.is_empty() {
            return Err(unexpected(first, start));
        }
        self.label = Some((label, start));
        Ok(Token::Label(label))
    }

    /// Takes the name that begins here; it may be empty.
    fn label_name(&mut self) -> Result<&'t str, SelectorError> {
        let label = name(self.rest());
        if label.len() > MAX_NAME {
            let place = self.at..self.at + label.len();
            let message = format!("the name of a label has {} bytes", label.len());
            let help = format!("at most {MAX_NAME} are allowed");
            return Err(SelectorError::new(ErrorKind::LabelTooLong, place, message, help));
        }
        self.at += label.len();
        Ok(label)
    }

    fn call_ends(&mut self, call: &str, start: usize) -> Result<(), SelectorError> {
        let before = self.at;
        self.skip_blanks();
        if self.rest().starts_with(')') {
            self.at += 1;
            return Ok(());
        }
        let message = format!("`{call}` has no `)`");
        let help = if call == "has(" { "close it; `has` takes one label" } else { "close it; nothing stands in it" };
        Err(SelectorError::new(ErrorKind::ExpectedCallClose, start..before, message, help))
    }
}

const BLANKS: [char; 2] = [' ', '\t'];
const LINE_ENDS: &str = "a selector has one line; in YAML, fold longer ones with `>-`";
const OPERATORS: &str =
    "operators are ==, !=, in {\"…\"}, not in {\"…\"}, contains, starts with and ends with; or write has(label)";

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}

/// The name that a text begins with; it may be empty.
fn name(text: &str) -> &str {
    text.split(|c| !is_name(c)).next().unwrap_or_default()
}

/// A character that begins nothing.
fn unexpected(first: char, at: usize) -> SelectorError {
    let help = match first {
        '\n' | '\r' => LINE_ENDS,
        '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '`' => "use straight quotation marks: \" or '",
        _ => "a term begins with a label, has(label), all(), ! or (",
    };
    let message = match first {
        '\n' | '\r' => "a line end".to_owned(),
        c if c.is_control() => format!("unexpected control character U+{:04X}", u32::from(c)),
        c => format!("unexpected character {c}"),
    };
    SelectorError::new(ErrorKind::ExpectedLabelName, at..at + first.len_utf8(), message, help)
}
