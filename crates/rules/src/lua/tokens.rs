//! Words, numbers, strings and signs of Lua, with their lines. Comments are left out.

/// Bytes of a string that is put together.
pub(super) const MAX_TEXT: usize = 16 << 20;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Number(&'a str),
    Text(String),
    Sign(char),
    /// `..`
    Join,
}

/// The tokens of a text.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut tokens = Self { text, at: 0, line: 1 };
        tokens.skip_blank();
        tokens
    }

    /// Line of the next token.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// Is nothing left?
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Nothing more is to be read.
    pub(super) fn end(&mut self) {
        self.at = self.text.len();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token and its line.
    pub(super) fn next(&mut self) -> Option<(u32, Token<'a>)> {
        let (line, rest) = (self.line, self.rest());
        let first = rest.chars().next()?;
        let run = |holds: fn(char) -> bool| rest.find(|one| !holds(one)).unwrap_or(rest.len());
        let token = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = run(|one| one.is_ascii_alphanumeric() || one == '_');
                self.advance(length);
                Token::Name(rest.get(..length).unwrap_or_default())
            }
            '0'..='9' => {
                let length = run(|one| one.is_ascii_alphanumeric() || one == '.');
                self.advance(length);
                Token::Number(rest.get(..length).unwrap_or_default())
            }
            '"' | '\'' => Token::Text(self.quoted(first)),
            '[' if long_bracket(rest).is_some() => Token::Text(self.long()),
            '.' if rest.starts_with("..") => {
                self.advance(2);
                Token::Join
            }
            other => {
                self.advance(other.len_utf8());
                Token::Sign(other)
            }
        };
        self.skip_blank();
        Some((line, token))
    }

    /// Whether the next token is this sign.
    pub(super) fn is_sign(&self, sign: char) -> bool {
        let rest = self.rest();
        let is_other = (sign == '[' && long_bracket(rest).is_some()) || (sign == '.' && rest.starts_with(".."));
        rest.starts_with(sign) && !is_other
    }

    /// Takes the sign if it is next.
    pub(super) fn take_sign(&mut self, sign: char) -> bool {
        let is_next = self.is_sign(sign);
        if is_next {
            self.next();
        }
        is_next
    }

    /// Takes `..` if it is next.
    pub(super) fn take_join(&mut self) -> bool {
        let is_next = self.rest().starts_with("..");
        if is_next {
            self.next();
        }
        is_next
    }

    /// Whether an operator is next that makes a value which is not known.
    pub(super) fn is_operator(&self) -> bool {
        let rest = self.rest();
        let word = |name: &str| {
            let behind = rest.strip_prefix(name).and_then(|behind| behind.chars().next());
            behind.is_some_and(|next| !next.is_ascii_alphanumeric() && next != '_')
        };
        rest.starts_with(['+', '-', '*', '/', '%', '^', '<', '>', '~'])
            || rest.starts_with("==")
            || word("and")
            || word("or")
    }

    /// Takes `name =` if that is next.
    pub(super) fn take_key(&mut self) -> Option<&'a str> {
        let (at, line) = (self.at, self.line);
        if let Some((_, Token::Name(name))) = self.next()
            && self.is_sign('=')
            && !self.rest().starts_with("==")
        {
            self.next();
            return Some(name);
        }
        (self.at, self.line) = (at, line);
        None
    }

    /// Skips to behind the closing sign that belongs to an opening one which was taken.
    pub(super) fn balanced(&mut self, close: char) {
        let open = if close == ')' { '(' } else { '[' };
        let mut depth = 1_usize;
        while let Some((_, token)) = self.next() {
            match token {
                Token::Sign(sign) if sign == open => depth = depth.saturating_add(1),
                Token::Sign(sign) if sign == close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Skips what is left of a line.
    pub(super) fn skip_line(&mut self, line: u32) {
        while self.line == line && self.next().is_some() {}
    }

    /// Goes on by so many bytes.
    fn advance(&mut self, length: usize) {
        let passed = self.rest().get(..length).unwrap_or_default();
        let lines = passed.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at = self.at.saturating_add(passed.len().max(1));
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            if blank > 0 {
                self.advance(blank);
                continue;
            }
            let Some(comment) = rest.strip_prefix("--") else { return };
            match long_bracket(comment) {
                Some(level) => {
                    self.advance(2);
                    let length = self.long_length(level);
                    self.advance(length);
                }
                None => self.advance(rest.find('\n').unwrap_or(rest.len())),
            }
        }
    }

    /// A string in quotes; it ends at the end of the line at the latest, unless that is escaped.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        let rest = self.rest();
        let mut chars = rest.char_indices().skip(1);
        let mut end = rest.len();
        while let Some((at, one)) = chars.next() {
            match one {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, other)) => text.push(other),
                    None => {}
                },
                '\n' => {
                    end = at;
                    break;
                }
                _ if one == quote => {
                    end = at.saturating_add(1);
                    break;
                }
                _ => text.push(one),
            }
        }
        self.advance(end);
        text
    }

    /// A string in long brackets, without the end of line behind the first.
    fn long(&mut self) -> String {
        let rest = self.rest();
        let Some(level) = long_bracket(rest) else { return String::new() };
        let length = self.long_length(level);
        self.advance(length);
        let bracket = level.saturating_add(2);
        let inner = rest.get(bracket..length).unwrap_or_default();
        let closing = format!("]{}]", "=".repeat(level));
        let inner = inner.strip_suffix(closing.as_str()).unwrap_or(inner);
        inner.to_owned()
    }

    /// Length of the long bracket that begins here, with both of its ends.
    fn long_length(&self, level: usize) -> usize {
        let rest = self.rest();
        let closing = format!("]{}]", "=".repeat(level));
        let from = level.saturating_add(2);
        let found = rest.get(from..).and_then(|inner| inner.find(&closing));
        found.map_or(rest.len(), |at| from.saturating_add(at).saturating_add(closing.len()))
    }
}

/// How many `=` are between the two brackets that a text begins with.
fn long_bracket(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let level = inner.bytes().take_while(|byte| *byte == b'=').count();
    inner.get(level..)?.starts_with('[').then_some(level)
}
