//! The grammar: tokens to a tree of names and literals. What they mean is found out by [`crate::resolve`].
//!
//! ```text
//! query  = [ or ]                      only Tapir's may be empty
//! or     = and { OR and }
//! and    = not { [ AND ] not }         only Tapir's leaves AND out
//! not    = { NOT | "!" | "-" } primary only Tapir's has "-"
//! primary = "(" or ")" | key op value | key ( IN | NOTIN ) "{" value { "," value } "}" | key EMPTY
//!         | key ":" ( value | "(" value { [ OR | "," ] value } ")" ) | word | quotation     only Tapir's
//! ```
//!
//! *Limits*: recursion ends at [`MAX_DEPTH`]; every token is looked at a bounded number of times.

use crate::lex::{Lexed, Token, is_keyword, lex};
use crate::{Dialect, ErrorKind, Glob, Key, MAX_BYTES, MAX_DEPTH, MAX_TERMS, Op, QueryError, Span, quote};

/// A word or a quotation, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Literal<'a> {
    raw: &'a str,
    pub(crate) quoted: bool,
    pub(crate) span: Span,
}

impl Literal<'_> {
    /// The text, escapes read.
    pub(crate) fn text(&self) -> String {
        quote::characters(self.raw, self.quoted).map(|(c, _)| c).collect()
    }

    /// The text with wildcards.
    pub(crate) fn glob(&self) -> Glob {
        Glob::parse(self.raw, self.quoted)
    }
}

/// A tree of what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tree<'a> {
    And(Vec<Tree<'a>>),
    Or(Vec<Tree<'a>>),
    Not(Box<Tree<'a>>, Span),
    Compare { key: Literal<'a>, op: Op, op_span: Span, value: Literal<'a> },
    In { key: Literal<'a>, negated: bool, members: Vec<Literal<'a>>, span: Span },
    Like { key: Literal<'a>, patterns: Vec<Literal<'a>>, span: Span },
    Empty { key: Literal<'a>, span: Span },
    Text(Literal<'a>),
}

impl Tree<'_> {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::And(members) | Self::Or(members) => match (members.first(), members.last()) {
                (Some(first), Some(last)) => first.span().to(last.span()),
                _ => Span::default(),
            },
            Self::Compare { key, value, .. } => key.span.to(value.span),
            Self::Not(_, span) | Self::In { span, .. } | Self::Like { span, .. } | Self::Empty { span, .. } => *span,
            Self::Text(literal) => literal.span,
        }
    }
}

/// `None` is the empty query of Tapir's dialect.
pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Option<Tree<'_>>, QueryError> {
    if text.len() > MAX_BYTES {
        return Err(QueryError::too_long(text));
    }
    let Lexed { tokens, error } = lex(text, dialect);
    if let Some(error) = error {
        return Err(error);
    }
    if tokens.is_empty() {
        return match dialect {
            Dialect::Tapir => Ok(None),
            Dialect::Incumbent => Err(QueryError::new(ErrorKind::Empty, Span::default(), "empty query")),
        };
    }
    let mut parser = Parser { text, tokens: &tokens, at: 0, dialect, terms: 0 };
    let tree = parser.or(0)?;
    if let Some((_, span)) = parser.peek() {
        // Leaving out what is too much mends brackets and commas only.
        let repair = matches!(parser.token(), Some(Token::Close | Token::BraceClose | Token::Comma)).then_some("");
        return Err(QueryError::new(ErrorKind::UnexpectedInput, span, "unexpected input").suggest(repair));
    }
    Ok(Some(tree))
}

struct Parser<'a, 't> {
    text: &'a str,
    tokens: &'t [(Token, Span)],
    at: usize,
    dialect: Dialect,
    terms: usize,
}

impl<'a> Parser<'a, '_> {
    fn or(&mut self, depth: usize) -> Result<Tree<'a>, QueryError> {
        let mut members = Vec::new();
        loop {
            match self.and(depth)? {
                Tree::Or(inner) => members.extend(inner),
                member => members.push(member),
            }
            if !self.take_word("or") {
                return Ok(one_or(members, Tree::Or));
            }
        }
    }

    fn and(&mut self, depth: usize) -> Result<Tree<'a>, QueryError> {
        let mut members = Vec::new();
        loop {
            match self.not(depth)? {
                Tree::And(inner) => members.extend(inner),
                member => members.push(member),
            }
            let joined = self.take_word("and") || (self.dialect == Dialect::Tapir && self.begins_term());
            if !joined {
                return Ok(one_or(members, Tree::And));
            }
        }
    }

    fn not(&mut self, depth: usize) -> Result<Tree<'a>, QueryError> {
        let Some((token, span)) = self.peek() else { return Err(self.key_expected()) };
        let negates = matches!(token, Token::Bang | Token::Minus) || self.is_word(0, "not");
        if !negates {
            return self.primary(depth);
        }
        self.at += 1;
        // `a - b` is neither a difference nor clearly a negation.
        if token == Token::Minus && self.peek().is_some_and(|(_, next)| next.start > span.end) {
            let message = "`-` stands directly before what it negates";
            return Err(QueryError::new(ErrorKind::UnexpectedCharacter, span, message).suggest(Some("NOT")));
        }
        let depth = deeper(depth, span)?;
        let inner = self.not(depth)?;
        let span = span.to(inner.span());
        Ok(Tree::Not(Box::new(inner), span))
    }

    fn primary(&mut self, depth: usize) -> Result<Tree<'a>, QueryError> {
        let Some((token, span)) = self.peek() else { return Err(self.key_expected()) };
        match token {
            Token::Open => {
                self.at += 1;
                let inner = self.or(deeper(depth, span)?)?;
                self.close()?;
                Ok(inner)
            }
            Token::Word if is_keyword(self.slice(span)) => Err(self.key_expected()),
            Token::Word | Token::Quoted => {
                self.at += 1;
                let key = self.literal(token, span);
                self.term(key, depth)
            }
            _ => Err(self.key_expected()),
        }
    }

    /// What begins with a key or a free word, which has been taken.
    fn term(&mut self, key: Literal<'a>, depth: usize) -> Result<Tree<'a>, QueryError> {
        let term = match self.peek() {
            Some((Token::Op(op), op_span)) => {
                self.at += 1;
                let value = self.value()?;
                self.count(value.span)?;
                return Ok(Tree::Compare { key, op, op_span, value });
            }
            Some((Token::Colon, colon)) => return self.like(key, colon, depth),
            Some((Token::Word, span)) => self.slice(span).to_ascii_lowercase(),
            _ => String::new(),
        };
        let braces = self.tokens.get(self.at + 1).is_some_and(|(token, _)| *token == Token::BraceOpen);
        let theirs = || self.dialect == Dialect::Incumbent || Key::parse(&key.text(), Dialect::Incumbent).is_some();
        let ours = || Key::parse(&key.text(), Dialect::Tapir).is_some();
        match term.as_str() {
            "in" | "notin" if braces || theirs() || ours() => {
                self.at += 1;
                return self.members(key, term == "notin");
            }
            // In lower case it may be a free word behind another, unless the incumbent would read it so.
            "empty" if theirs() || (ours() && self.peek_text() == Some("EMPTY")) => {
                let end = self.peek().map_or(key.span, |(_, span)| span);
                self.at += 1;
                self.count(end)?;
                // It is a negation: `-has:key`.
                deeper(depth, end)?;
                return Ok(Tree::Empty { key, span: key.span.to(end) });
            }
            _ => {}
        }
        match self.dialect {
            Dialect::Incumbent => {
                let span = self.here();
                Err(QueryError::new(ErrorKind::ComparatorExpected, span, "comparator expected"))
            }
            Dialect::Tapir => {
                self.count(key.span)?;
                Ok(Tree::Text(key))
            }
        }
    }

    /// `{a, b}`
    fn members(&mut self, key: Literal<'a>, negated: bool) -> Result<Tree<'a>, QueryError> {
        if self.token() != Some(Token::BraceOpen) {
            return Err(QueryError::new(ErrorKind::SetExpected, self.here(), "set expected"));
        }
        self.at += 1;
        let mut members = Vec::new();
        loop {
            let member = self.value()?;
            self.count(member.span)?;
            members.push(member);
            match self.peek() {
                Some((Token::Comma, _)) => self.at += 1,
                Some((Token::BraceClose, end)) => {
                    self.at += 1;
                    return Ok(Tree::In { key, negated, members, span: key.span.to(end) });
                }
                other => {
                    let missing = if other.is_some() { "," } else { "}" };
                    let span = Span { end: self.here().start, ..self.here() };
                    let error = QueryError::new(ErrorKind::UnexpectedInput, span, format!("missing {missing}"));
                    return Err(error.suggest(Some(missing)));
                }
            }
        }
    }

    /// `:value`, `:(a b)`; at the colon.
    fn like(&mut self, key: Literal<'a>, colon: Span, depth: usize) -> Result<Tree<'a>, QueryError> {
        self.at += 1;
        if let Some(Token::Op(op)) = self.token() {
            let message = format!("`{}` takes the place of `:`", op.symbol());
            return Err(QueryError::new(ErrorKind::ValueExpected, colon, message).suggest(Some("")));
        }
        if self.token() != Some(Token::Open) {
            let value = self.value()?;
            self.count(value.span)?;
            return Ok(Tree::Like { key, patterns: vec![value], span: key.span.to(value.span) });
        }
        deeper(depth, self.here())?;
        self.at += 1;
        let mut patterns = Vec::new();
        loop {
            let value = self.value()?;
            self.count(value.span)?;
            patterns.push(value);
            // Between values: `a b`, `a, b` and `a OR b` are the same.
            let separated = self.take_word("or") || self.take(Token::Comma);
            match self.peek() {
                Some((Token::Close, end)) if !separated => {
                    self.at += 1;
                    return Ok(Tree::Like { key, patterns, span: key.span.to(end) });
                }
                None if !separated => self.close()?,
                _ => {}
            }
        }
    }

    fn value(&mut self) -> Result<Literal<'a>, QueryError> {
        match self.peek() {
            Some((Token::Word, span)) if is_keyword(self.slice(span)) => {
                let error = QueryError::new(ErrorKind::ValueExpected, span, "value expected");
                Err(error.suggest(Some(quote::quote(self.slice(span), false))))
            }
            Some((token @ (Token::Word | Token::Quoted), span)) => {
                self.at += 1;
                Ok(self.literal(token, span))
            }
            _ => Err(QueryError::new(ErrorKind::ValueExpected, self.here(), "value expected")),
        }
    }

    fn close(&mut self) -> Result<(), QueryError> {
        if self.take(Token::Close) {
            return Ok(());
        }
        match self.peek() {
            Some((_, span)) => Err(QueryError::new(ErrorKind::UnexpectedInput, span, "unexpected input")),
            None => {
                let error = QueryError::new(ErrorKind::MissingParenthesis, self.here(), "missing )");
                Err(error.suggest(Some(")")))
            }
        }
    }

    fn key_expected(&self) -> QueryError {
        let message = match self.dialect {
            Dialect::Tapir => "a field or a word expected",
            Dialect::Incumbent => "key expected",
        };
        QueryError::new(ErrorKind::KeyExpected, self.here(), message)
    }

    /// Whether a term may begin here, so that it is joined to the one before.
    fn begins_term(&self) -> bool {
        match self.peek() {
            Some((Token::Word, span)) => !is_keyword(self.slice(span)) || self.is_word(0, "not"),
            Some((Token::Quoted | Token::Open | Token::Minus | Token::Bang, _)) => true,
            _ => false,
        }
    }

    fn count(&mut self, span: Span) -> Result<(), QueryError> {
        self.terms += 1;
        if self.terms > MAX_TERMS { Err(QueryError::too_many_terms(span)) } else { Ok(()) }
    }

    fn peek(&self) -> Option<(Token, Span)> {
        self.tokens.get(self.at).copied()
    }

    fn token(&self) -> Option<Token> {
        self.peek().map(|(token, _)| token)
    }

    fn peek_text(&self) -> Option<&'a str> {
        self.peek().map(|(_, span)| self.slice(span))
    }

    /// The place of the next token, or behind the last one.
    fn here(&self) -> Span {
        let end = self.text.trim_end().len();
        self.peek().map_or(Span { start: end, end }, |(_, span)| span)
    }

    fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    fn literal(&self, token: Token, span: Span) -> Literal<'a> {
        let quoted = token == Token::Quoted;
        let inner = if quoted { Span { start: span.start + 1, end: span.end - 1 } } else { span };
        Literal { raw: self.slice(inner), quoted, span }
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        let next = self.tokens.get(self.at + ahead);
        next.is_some_and(|&(token, span)| token == Token::Word && self.slice(span).eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, token: Token) -> bool {
        let found = self.token() == Some(token);
        self.at += usize::from(found);
        found
    }
}

fn one_or<'a>(mut members: Vec<Tree<'a>>, join: fn(Vec<Tree<'a>>) -> Tree<'a>) -> Tree<'a> {
    match members.len() {
        1 => members.pop().unwrap_or_else(|| join(Vec::new())),
        _ => join(members),
    }
}

fn deeper(depth: usize, span: Span) -> Result<usize, QueryError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(QueryError::too_deep(span)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (ErrorKind, usize, usize, Option<String>) {
        let error = parse(text, Dialect::Tapir).unwrap_err();
        (error.kind, error.offset, error.length, error.suggestion)
    }

    #[test]
    fn every_expectation_has_its_place_and_repair() {
        use ErrorKind::*;
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(error("a AND"), (KeyExpected, 5, 0, None));
        assert_eq!(error("a OR AND b"), (KeyExpected, 5, 3, None));
        assert_eq!(error("()"), (KeyExpected, 1, 1, None));
        assert_eq!(error("sid= "), (ValueExpected, 4, 0, None));
        assert_eq!(error("sid:>=5"), (ValueExpected, 3, 1, some("")));
        assert_eq!(error("msg:not"), (ValueExpected, 4, 3, some("\"not\"")));
        assert_eq!(error("sid:()"), (ValueExpected, 5, 1, None));
        assert_eq!(error("sid:(1 2"), (MissingParenthesis, 8, 0, some(")")));
        assert_eq!(error("sid:(1, )"), (ValueExpected, 8, 1, None));
        assert_eq!(error("(a b"), (MissingParenthesis, 4, 0, some(")")));
        assert_eq!(error("a)"), (UnexpectedInput, 1, 1, some("")));
        assert_eq!(error("sid IN 5"), (SetExpected, 7, 1, None));
        assert_eq!(error("sid IN {5 6}"), (UnexpectedInput, 10, 0, some(",")));
        assert_eq!(error("sid IN {5"), (UnexpectedInput, 9, 0, some("}")));
        assert_eq!(error("a - b"), (UnexpectedCharacter, 2, 1, some("NOT")));
        assert_eq!(error("type == waf"), (ValueExpected, 6, 1, None));
    }

    #[test]
    fn in_and_empty_are_words_where_no_field_stands_before() {
        let tree = |text| parse(text, Dialect::Tapir).unwrap().unwrap();
        assert!(matches!(tree("found in shell"), Tree::And(words) if words.len() == 3));
        assert!(matches!(tree("pod empty"), Tree::And(words) if words.len() == 2), "`pod` is ours: upper case only");
        assert!(matches!(tree("pod EMPTY"), Tree::Empty { .. }));
        assert!(matches!(tree("host empty"), Tree::Empty { .. }));
    }

    #[test]
    fn limits_hold_at_their_exact_values() {
        let kind = |text: &str| parse(text, Dialect::Tapir).err().map(|error| error.kind);
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(kind(&nested(MAX_DEPTH)), None);
        assert_eq!(kind(&nested(MAX_DEPTH + 1)), Some(ErrorKind::TooDeep));
        assert_eq!(kind(&("-".repeat(MAX_DEPTH) + "a")), None);
        assert_eq!(kind(&("-".repeat(MAX_DEPTH + 1) + "a")), Some(ErrorKind::TooDeep));
        assert_eq!(kind(&"a ".repeat(MAX_TERMS)), None);
        assert_eq!(kind(&"a ".repeat(MAX_TERMS + 1)), Some(ErrorKind::TooManyTerms));
        assert_eq!(kind(&format!("sid:({})", "1 ".repeat(MAX_TERMS))), None);
        assert_eq!(kind(&format!("sid IN {{{}1}}", "1,".repeat(MAX_TERMS))), Some(ErrorKind::TooManyTerms));
        assert_eq!(kind(&"a".repeat(MAX_BYTES)), None);
        assert_eq!(kind(&"é".repeat(MAX_BYTES / 2 + 1)), Some(ErrorKind::TooLong));
    }
}
