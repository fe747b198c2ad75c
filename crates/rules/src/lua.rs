//! What a `snort.lua` says of rules, as lines of rule files: variables, `ips`, `suppress`, `event_filter`, `rate_filter`.
//!
//! Not an interpreter. It reads assignments of literals at the outermost level: strings, numbers, tables, names that were assigned before,
//! and `..` between strings. Calls, arithmetic, functions and conditional blocks have no value here; what would take one is told.
//!
//! *Invariants*: total over any text; every piece names the line that it is from; nothing is taken from a block that may not run.
//!
//! *Limits*: [`MAX_DEPTH`] tables in each other, [`MAX_NODES`] values (a name that stands for a table counts as the table), [`MAX_TOLD`] settings
//! that are told.
//!
//! *Spec*: Snort 3 user manual, configuration and `event_filter`, `rate_filter`, `suppress`; Lua 5.1 manual 2.1 and 8.

mod tokens;

use std::collections::BTreeMap;
use tokens::{Token, Tokens};

/// Tables in each other.
const MAX_DEPTH: usize = 32;
/// Values of a file.
const MAX_NODES: usize = 200_000;
/// Settings that are told one by one.
const MAX_TOLD: usize = 200;
/// Assignments that are read.
const READ: [&str; 4] = ["suppress", "event_filter", "rate_filter", "ips"];

/// Lines as rule files have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Line of the Lua file at which it begins, from 1.
    pub(crate) line: u32,
    /// The lines.
    pub(crate) text: String,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Translation {
    /// In the order in which they count: variables before all.
    pub(crate) pieces: Vec<Piece>,
    /// What was not read, and its line.
    pub(crate) unread: Vec<(u32, String)>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(String),
    /// `true`, `false`, `nil`.
    Word(&'static str),
    Table(Vec<Field>),
    /// What only an interpreter could tell.
    Unknown,
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: Option<String>,
    value: Value,
    line: u32,
}

impl Value {
    fn nodes(&self) -> usize {
        match self {
            Self::Table(fields) => fields.iter().fold(1, |sum: usize, field| sum.saturating_add(field.value.nodes())),
            _ => 1,
        }
    }

    fn field(&self, name: &str) -> Option<&Field> {
        let Self::Table(fields) = self else { return None };
        fields.iter().rev().find(|field| field.name.as_deref() == Some(name))
    }

    /// A string or a number, as it is written in rule files.
    fn plain(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads a file.
pub(crate) fn translate(text: &str) -> Translation {
    let mut reader =
        Reader { tokens: Tokens::new(text), known: BTreeMap::new(), nodes: 0, out: Translation::default() };
    reader.file();
    let Reader { known, mut out, .. } = reader;
    let mut pieces = Vec::new();
    variables(&known, &mut pieces, &mut out);
    for (name, keys) in [
        ("suppress", &[("gid", "gen_id"), ("sid", "sig_id"), ("track", "track"), ("ip", "ip")][..]),
        (
            "event_filter",
            &[
                ("gid", "gen_id"),
                ("sid", "sig_id"),
                ("type", "type"),
                ("track", "track"),
                ("count", "count"),
                ("seconds", "seconds"),
            ],
        ),
        (
            "rate_filter",
            &[
                ("gid", "gen_id"),
                ("sid", "sig_id"),
                ("track", "track"),
                ("count", "count"),
                ("seconds", "seconds"),
                ("new_action", "new_action"),
                ("timeout", "timeout"),
                ("apply_to", "apply_to"),
            ],
        ),
    ] {
        if let Some((line, value)) = known.get(name) {
            filters(name, keys, *line, value, &mut pieces, &mut out);
        }
    }
    if let Some((line, ips)) = known.get("ips") {
        rules(*line, ips, &mut pieces, &mut out);
    }
    out.pieces = pieces;
    out.unread.sort();
    out
}

/// Variables: those at the outermost level that look like one, and `ips.variables`.
fn variables(known: &BTreeMap<String, (u32, Value)>, pieces: &mut Vec<Piece>, out: &mut Translation) {
    let mut put = |kind: &str, name: &str, line: u32, value: &Value| match value.plain() {
        Some(text) if !text.contains(['\n', '\r']) => {
            pieces.push(Piece { line, text: format!("{kind} {name} {}\n", listed(text)) });
        }
        _ => out.told(line, name),
    };
    for (name, (line, value)) in known {
        if name.ends_with("_NET") || name.ends_with("_SERVERS") {
            put("ipvar", name, *line, value);
        } else if name.ends_with("_PORTS") {
            put("portvar", name, *line, value);
        } else if name.ends_with("_PATH") && value.plain().is_some() {
            put("var", name, *line, value);
        }
    }
    let Some(given) = known.get("ips").and_then(|(_, ips)| ips.field("variables")) else { return };
    for (group, kind) in [("nets", "ipvar"), ("ports", "portvar"), ("paths", "var")] {
        let Some(Field { value: Value::Table(fields), .. }) = given.value.field(group) else { continue };
        for field in fields {
            if let Some(name) = &field.name {
                put(kind, name, field.line, &field.value);
            }
        }
    }
}

/// Lists are written with blanks in Lua, with commas and brackets in rule files.
fn listed(text: &str) -> String {
    let text = text.trim();
    let is_list = text.contains([' ', '\t']) && !text.contains(['[', ',']);
    if is_list { format!("[{}]", text.split_ascii_whitespace().collect::<Vec<_>>().join(",")) } else { text.to_owned() }
}

/// One line for each table in a list.
fn filters(
    name: &str,
    keys: &[(&str, &str)],
    line: u32,
    value: &Value,
    pieces: &mut Vec<Piece>,
    out: &mut Translation,
) {
    let Value::Table(entries) = value else { return out.told(line, name) };
    for entry in entries {
        let Value::Table(fields) = &entry.value else {
            out.told(entry.line, name);
            continue;
        };
        let mut words = Vec::new();
        for (from, to) in keys {
            match entry.value.field(from).map(|field| field.value.plain()) {
                Some(Some(text)) if !text.contains(['\n', '\r', ',']) => words.push(format!("{to} {}", listed(text))),
                Some(_) => out.told(entry.line, &format!("{name}.{from}")),
                None if *to == "gen_id" => words.push("gen_id 1".to_owned()),
                // 0 stands for all of a generator.
                None if *to == "sig_id" => words.push("sig_id 0".to_owned()),
                None => {}
            }
        }
        for field in fields {
            let given = field.name.as_deref().unwrap_or_default();
            if !keys.iter().any(|(from, _)| *from == given) {
                out.told(field.line, &format!("{name}.{given}"));
            }
        }
        pieces.push(Piece { line: entry.line, text: format!("{name} {}\n", words.join(", ")) });
    }
}

/// `ips.include` and `ips.rules`.
fn rules(line: u32, ips: &Value, pieces: &mut Vec<Piece>, out: &mut Translation) {
    let Value::Table(fields) = ips else { return out.told(line, "ips") };
    for field in fields {
        match (field.name.as_deref(), field.value.plain()) {
            (Some("include"), Some(file)) if !file.contains(['\n', '\r']) => {
                pieces.push(Piece { line: field.line, text: format!("include {file}\n") });
            }
            (Some("rules"), Some(text)) => pieces.push(Piece { line: field.line, text: format!("{text}\n") }),
            (Some("variables"), None) => {}
            (name, _) => out.told(field.line, &format!("ips.{}", name.unwrap_or("[]"))),
        }
    }
}

impl Translation {
    fn told(&mut self, line: u32, what: &str) {
        if self.unread.len() < MAX_TOLD {
            self.unread.push((line, what.chars().take(80).collect()));
        }
    }
}

/// Reads assignments.
struct Reader<'a> {
    tokens: Tokens<'a>,
    known: BTreeMap<String, (u32, Value)>,
    nodes: usize,
    out: Translation,
}

impl Reader<'_> {
    fn file(&mut self) {
        while let Some((line, token)) = self.tokens.next() {
            match token {
                Token::Name("local") | Token::Sign(';') => {}
                Token::Name(word @ ("if" | "for" | "while" | "repeat" | "do" | "function")) => {
                    self.out.told(line, word);
                    self.block(word);
                }
                Token::Name(name) => self.assignment(line, name),
                _ => {}
            }
        }
    }

    /// `name = value`, `name.field = value`; anything else up to the end of its line is told.
    fn assignment(&mut self, line: u32, name: &str) {
        let mut field = None;
        if self.tokens.take_sign('.') {
            let Some((_, Token::Name(inner))) = self.tokens.next() else { return self.out.told(line, name) };
            field = Some(inner.to_owned());
        }
        if !self.tokens.take_sign('=') || self.tokens.is_sign('=') {
            self.out.told(line, name);
            return self.tokens.skip_line(line);
        }
        let at = self.tokens.line();
        let value = self.expression(0);
        let is_read = READ.contains(&name)
            || name.chars().all(|one| one.is_ascii_uppercase() || one == '_' || one.is_ascii_digit());
        match field {
            None => {
                let is_value = matches!(value, Value::Text(_) | Value::Number(_) | Value::Word(_));
                if !is_read && !is_value && !matches!(&value, Value::Table(_) if name.contains("variables")) {
                    self.out.told(line, name);
                }
                self.known.insert(name.to_owned(), (line, value));
            }
            Some(field) => {
                if !is_read {
                    self.out.told(line, &format!("{name}.{field}"));
                }
                let (_, whole) = self.known.entry(name.to_owned()).or_insert((line, Value::Table(Vec::new())));
                match whole {
                    Value::Table(fields) => fields.push(Field { name: Some(field), value, line: at }),
                    _ => self.out.told(line, name),
                }
            }
        }
    }

    /// A value, and what `..` joins to it.
    fn expression(&mut self, depth: usize) -> Value {
        let mut value = self.operand(depth);
        loop {
            if self.tokens.take_join() {
                let next = self.operand(depth);
                value = match (value.plain(), next.plain()) {
                    (Some(one), Some(other)) if one.len().saturating_add(other.len()) <= tokens::MAX_TEXT => {
                        Value::Text(format!("{one}{other}"))
                    }
                    _ => Value::Unknown,
                };
            } else if self.tokens.is_operator() {
                value = Value::Unknown;
                self.tokens.next();
                self.operand(depth);
            } else {
                return value;
            }
        }
    }

    fn operand(&mut self, depth: usize) -> Value {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            self.tokens.end();
            return Value::Unknown;
        }
        let Some((_, token)) = self.tokens.next() else { return Value::Unknown };
        match token {
            Token::Text(text) => Value::Text(text),
            Token::Number(text) => Value::Number(text.to_owned()),
            Token::Sign('{') => self.table(depth),
            Token::Sign('-') => match self.operand(depth.saturating_add(1)) {
                Value::Number(text) => Value::Number(format!("-{text}")),
                _ => Value::Unknown,
            },
            Token::Sign('(') => {
                self.tokens.balanced(')');
                Value::Unknown
            }
            Token::Name("true") => Value::Word("true"),
            Token::Name("false") => Value::Word("false"),
            Token::Name("nil") => Value::Word("nil"),
            Token::Name("function") => {
                self.block("function");
                Value::Unknown
            }
            Token::Name("not") => {
                self.operand(depth.saturating_add(1));
                Value::Unknown
            }
            Token::Name(name) => {
                let name = name.to_owned();
                self.named(&name)
            }
            _ => Value::Unknown,
        }
    }

    /// What a name stands for; calls and fields of it stand for nothing known.
    fn named(&mut self, name: &str) -> Value {
        let mut value = self.known.get(name).map_or(Value::Unknown, |(_, value)| value.clone());
        loop {
            if self.tokens.take_sign('.') {
                let Some((_, Token::Name(field))) = self.tokens.next() else { return Value::Unknown };
                value = value.field(field).map_or(Value::Unknown, |field| field.value.clone());
            } else if self.tokens.take_sign('(') {
                self.tokens.balanced(')');
                value = Value::Unknown;
            } else if self.tokens.take_sign('[') {
                self.tokens.balanced(']');
                value = Value::Unknown;
            } else {
                self.nodes = self.nodes.saturating_add(value.nodes());
                return if self.nodes > MAX_NODES { Value::Unknown } else { value };
            }
        }
    }

    /// Behind `{`.
    fn table(&mut self, depth: usize) -> Value {
        let mut fields = Vec::new();
        loop {
            let line = self.tokens.line();
            if self.tokens.is_done() || self.tokens.take_sign('}') {
                return Value::Table(fields);
            }
            if self.tokens.take_sign(',') || self.tokens.take_sign(';') {
                continue;
            }
            let mut name = None;
            if let Some(word) = self.tokens.take_key() {
                name = Some(word.to_owned());
            } else if self.tokens.take_sign('[') {
                let key = self.expression(depth.saturating_add(1));
                name = Some(key.plain().unwrap_or_default().to_owned());
                self.tokens.take_sign(']');
                self.tokens.take_sign('=');
            }
            let value = self.expression(depth.saturating_add(1));
            fields.push(Field { name, value, line });
        }
    }

    /// Skips a block to its end: what is in it may not run.
    fn block(&mut self, word: &str) {
        // `for` and `while` open with their `do`.
        let mut depth = usize::from(!matches!(word, "for" | "while"));
        while let Some((_, token)) = self.tokens.next() {
            match token {
                Token::Name("if" | "do" | "function" | "repeat") => depth = depth.saturating_add(1),
                Token::Name("end" | "until") => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
