//! Variables of rule files and the lists that use them.
//!
//! Addresses, ports and (2.9) plain `var`s are name spaces of their own. A variable is resolved
//! when it is used and the result kept until a definition changes. Lists and variables nest 32
//! deep at most, so neither a loop of variables nor a wall of brackets costs more than that.

mod address;
mod ports;

use crate::{Address, Config, Dialect, Ports, suggest};
use address::AddressSet;
use std::collections::{BTreeMap, HashMap};

/// How deep lists and variables may nest.
const MAX_NESTING: usize = 32;
/// Elements of one resolved list.
const MAX_ITEMS: usize = 100_000;

/// What is wrong with a list, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Offset in the list's text.
    pub offset: usize,
    /// Length of the wrong part.
    pub len: usize,
    /// Diagnostic code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Fault {
    fn new(piece: Piece<'_>, code: &'static str, message: impl Into<String>) -> Self {
        Self { offset: piece.offset, len: piece.text.len(), code, message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A part of a list's text.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Piece<'a> {
    fn trim(self) -> Self {
        let text = self.text.trim_start();
        let offset = self.offset.saturating_add(self.text.len().saturating_sub(text.len()));
        Self { text: text.trim_end(), offset }
    }

    /// Strips negations; whether their number is odd.
    fn negation(self) -> (bool, Self) {
        let mut piece = self.trim();
        let mut negated = false;
        while let Some(rest) = piece.text.strip_prefix('!') {
            negated = !negated;
            piece = Self { text: rest, offset: piece.offset.saturating_add(1) }.trim();
        }
        (negated, piece)
    }

    /// The inside of `[…]` if the piece is a list.
    fn list(self) -> Option<Self> {
        let inner = self.text.strip_prefix('[')?.strip_suffix(']')?;
        Some(Self { text: inner, offset: self.offset.saturating_add(1) })
    }

    /// Splits at commas outside of brackets.
    fn elements(self) -> Vec<Piece<'a>> {
        self.split(|byte| byte == b',')
    }

    /// Splits at blanks outside of brackets; a `!` alone belongs to what follows.
    fn words(self) -> Vec<Piece<'a>> {
        if self.text.starts_with('!') {
            return vec![self];
        }
        let mut words = self.split(|byte| byte.is_ascii_whitespace());
        words.retain(|word| !word.text.is_empty());
        words
    }

    fn split(self, is_separator: impl Fn(u8) -> bool) -> Vec<Piece<'a>> {
        let mut parts = Vec::new();
        let (mut start, mut depth) = (0_usize, 0_usize);
        let part = |start: usize, end: usize| {
            let text = self.text.get(start..end).unwrap_or("");
            Self { text, offset: self.offset.saturating_add(start) }.trim()
        };
        for (at, byte) in self.text.bytes().enumerate() {
            match byte {
                b'[' => depth = depth.saturating_add(1),
                b']' => depth = depth.saturating_sub(1),
                _ if depth == 0 && is_separator(byte) => {
                    parts.push(part(start, at));
                    start = at.saturating_add(1);
                }
                _ => {}
            }
        }
        parts.push(part(start, self.text.len()));
        parts
    }
}

/// The variables of one load.
#[derive(Debug)]
pub(crate) struct Variables {
    address_texts: BTreeMap<String, String>,
    port_texts: BTreeMap<String, String>,
    plain_texts: BTreeMap<String, String>,
    addresses: HashMap<String, Result<AddressSet, Fault>>,
    ports: HashMap<String, Result<Ports, Fault>>,
}

impl Variables {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            address_texts: config.address_vars.clone(),
            port_texts: config.port_vars.clone(),
            plain_texts: BTreeMap::new(),
            addresses: HashMap::new(),
            ports: HashMap::new(),
        }
    }

    pub(crate) fn define_address(&mut self, name: &str, text: &str) {
        self.address_texts.insert(name.to_owned(), text.to_owned());
        self.addresses.clear();
    }

    pub(crate) fn define_ports(&mut self, name: &str, text: &str) {
        self.port_texts.insert(name.to_owned(), text.to_owned());
        self.ports.clear();
    }

    /// 2.9 `var`: addresses, ports or a path, whatever it is used as.
    pub(crate) fn define_plain(&mut self, name: &str, text: &str) {
        self.plain_texts.insert(name.to_owned(), text.to_owned());
        // The newest definition counts, also where a default has the same name.
        self.address_texts.remove(name);
        self.addresses.clear();
        if self.port_texts.remove(name).is_some() || !self.ports.is_empty() {
            self.ports.clear();
        }
    }

    /// Replaces `$NAME` and `$(NAME)` in a path; the error is the unknown name.
    pub(crate) fn expand_path(&self, path: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(path.len());
        let mut rest = path;
        while let Some(at) = rest.find('$') {
            let (before, after) = rest.split_at(at);
            expanded.push_str(before);
            let after = after.get(1..).unwrap_or("");
            let (name, next) = match after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
                Some(pair) => pair,
                None => {
                    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            let text = self.plain_texts.get(name).or_else(|| self.address_texts.get(name));
            expanded.push_str(text.ok_or_else(|| name.to_owned())?);
            rest = next;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// Resolves an address list.
    pub(crate) fn address(&mut self, text: &str, dialect: Dialect) -> Result<Address, Fault> {
        let piece = Piece { text, offset: 0 };
        let set = self.address_set(piece, dialect, 0)?;
        set.finish(piece)
    }

    /// Resolves a port list.
    pub(crate) fn ports(&mut self, text: &str, dialect: Dialect) -> Result<Ports, Fault> {
        self.port_set(Piece { text, offset: 0 }, dialect, 0)
    }

    fn undefined(&self, piece: Piece<'_>, name: &str, ports: bool) -> Fault {
        let (mine, other) = match ports {
            true => (&self.port_texts, &self.address_texts),
            false => (&self.address_texts, &self.port_texts),
        };
        let kind = if ports { "port" } else { "address" };
        let fault = Fault::new(piece, "R0206", format!("undefined {kind} variable `${name}`"));
        if other.contains_key(name) {
            let (is, wanted) = if ports { ("addresses", "ports") } else { ("ports", "addresses") };
            return fault.help(format!("`${name}` holds {is}, {wanted} are expected here"));
        }
        match suggest::nearest(name, mine.keys().map(String::as_str)) {
            Some(near) => fault.help(format!("did you mean `${near}`?")),
            None => fault.help(format!("define it, e.g. with --set {name}=…")),
        }
    }
}

/// A fault inside of a variable's text, reported where the variable is used.
fn inside(piece: Piece<'_>, name: &str, fault: &Fault) -> Fault {
    let message = match fault.message.strip_prefix("in `$") {
        Some(_) => fault.message.clone(),
        None => format!("in `${name}`: {}", fault.message),
    };
    Fault { offset: piece.offset, len: piece.text.len(), code: fault.code, message, help: fault.help.clone() }
}

fn too_deep(piece: Piece<'_>) -> Fault {
    Fault::new(piece, "R0209", format!("lists and variables nest more than {MAX_NESTING} deep"))
        .help("look for a variable that uses itself")
}

#[cfg(test)]
mod tests;
