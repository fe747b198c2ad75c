//! Contents with their modifiers, and the buffers that they look into.
//!
//! In 2.9 and Suricata a modifier follows its content (`content:"x"; nocase; http_uri;`), while in
//! Snort 3 it is an argument and the buffer stands before (`http_uri; content:"x",nocase;`). An
//! option without a buffer of its own looks into the sticky one (`file_data`, or a dotted one),
//! and without that into `pkt_data`; that one is named again where another was in between.

use super::error;
use tapir_rules::value::{content_bytes, unquote};
use tapir_rules::{Diagnostic, Dialect, OptionNode};

/// A buffer as an option names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    name: &'static str,
    value: Option<&'static str>,
    /// Its bytes are lower case in the rule's own engine: contents are compared without case.
    lower: bool,
}

impl Buffer {
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: None, lower: false }
    }

    /// One header field.
    pub const fn field(field: &'static str) -> Self {
        Self { name: "http_header", value: Some(field), lower: false }
    }

    /// The same with bytes in lower case.
    pub const fn lowered(self) -> Self {
        Self { lower: true, ..self }
    }

    fn node(&self, at: &OptionNode) -> OptionNode {
        super::renamed(at, self.name, self.value.map(str::to_owned))
    }
}

/// A node with what decides where it looks.
#[derive(Debug)]
enum Item {
    /// Goes as it is, wherever the cursor is.
    Plain(OptionNode),
    /// Looks into this buffer, or into the sticky one.
    In(Option<Buffer>, OptionNode),
    /// A content with its modifiers.
    Content(Content),
    /// From here on this buffer is the sticky one.
    Sticky(Option<Buffer>, OptionNode),
}

#[derive(Debug)]
struct Content {
    node: OptionNode,
    buffer: Option<(Buffer, OptionNode)>,
    modifiers: Vec<String>,
    starts: bool,
    ends: bool,
}

/// Collects nodes and writes them in Snort 3's form.
#[derive(Debug)]
pub(super) struct Contents {
    dialect: Dialect,
    items: Vec<Item>,
    /// Index of the last content in `items`.
    last: Option<usize>,
}

impl Contents {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, items: Vec::new(), last: None }
    }

    pub fn plain(&mut self, node: OptionNode) {
        self.items.push(Item::Plain(node));
    }

    /// A node that looks into a buffer; `None` is the sticky one.
    pub fn inside(&mut self, buffer: Option<Buffer>, node: OptionNode) {
        self.items.push(Item::In(buffer, node));
    }

    /// A sticky buffer in Snort 3's words.
    pub fn sticky(&mut self, buffer: Buffer, node: &OptionNode) {
        let node = buffer.node(node);
        self.items.push(Item::Sticky(Some(buffer), node));
    }

    /// A sticky buffer that we know nothing about (or that has transforms): left as it is.
    pub fn unknown_sticky(&mut self, node: OptionNode) {
        self.items.push(Item::Sticky(None, node));
    }

    pub fn content(&mut self, node: OptionNode, buffer: Option<Buffer>) {
        self.last = Some(self.items.len());
        let buffer = buffer.map(|buffer| (buffer, node.clone()));
        let content = Content { node, buffer, modifiers: Vec::new(), starts: false, ends: false };
        self.items.push(Item::Content(content));
    }

    /// The content that a modifier belongs to; without one an error.
    fn target(&mut self, modifier: &OptionNode, problems: &mut Vec<Diagnostic>) -> Option<&mut Content> {
        let item = self.last.and_then(|index| self.items.get_mut(index));
        let Some(Item::Content(content)) = item else {
            let message = format!("`{}` modifies a content, but none stands before it", modifier.name);
            let help = "put it behind the content that it is for; the rule is read as Snort 2.9, where it comes after: \
                        in Snort 3 form words like `nocase` are arguments of the content";
            problems.push(error("R0601", modifier.name_span, message).help(help));
            return None;
        };
        Some(content)
    }

    /// An argument of the last content.
    pub fn modifier(&mut self, node: &OptionNode, text: String, problems: &mut Vec<Diagnostic>) {
        let content = self.target(node, problems);
        if let Some(content) = content.filter(|content| !content.modifiers.contains(&text)) {
            content.modifiers.push(text);
        }
    }

    /// The buffer of the last content.
    pub fn buffer(&mut self, node: &OptionNode, buffer: Buffer, problems: &mut Vec<Diagnostic>) {
        let Some(content) = self.target(node, problems) else { return };
        match &content.buffer {
            Some((other, _)) if *other != buffer => {
                let message = format!("a content can't be in both `{}` and `{}`", other.name, node.name);
                problems.push(error("R0602", node.name_span, message).help("write the content twice"));
            }
            _ => content.buffer = Some((buffer, node.clone())),
        }
    }

    /// `startswith`, `endswith`.
    pub fn anchor(&mut self, node: &OptionNode, problems: &mut Vec<Diagnostic>) {
        if let Some(content) = self.target(node, problems) {
            match node.name.as_str() {
                "startswith" => content.starts = true,
                _ => content.ends = true,
            }
        }
    }

    /// The `replace`-like change of the last content's node.
    pub fn last_node(&mut self, node: &OptionNode, problems: &mut Vec<Diagnostic>) -> Option<&mut OptionNode> {
        self.target(node, problems).map(|content| &mut content.node)
    }

    /// The nodes in Snort 3's form.
    pub fn finish(self, problems: &mut Vec<Diagnostic>) -> Vec<OptionNode> {
        let mut writer = Writer {
            dialect: self.dialect,
            sticky: Some(PKT_DATA),
            sticky_node: None,
            current: Some(PKT_DATA),
            nodes: Vec::with_capacity(self.items.len()),
        };
        for item in self.items {
            match item {
                Item::Plain(node) => writer.nodes.push(node),
                Item::In(buffer, node) => {
                    writer.enter(buffer, &node);
                    writer.nodes.push(node);
                }
                Item::Sticky(buffer, node) => {
                    writer.sticky.clone_from(&buffer);
                    writer.current = buffer;
                    writer.sticky_node = Some(node.clone());
                    writer.nodes.push(node);
                }
                Item::Content(content) => writer.content(content, problems),
            }
        }
        writer.nodes
    }
}

struct Writer {
    dialect: Dialect,
    /// The sticky buffer; `None` is one that we don't know.
    sticky: Option<Buffer>,
    sticky_node: Option<OptionNode>,
    current: Option<Buffer>,
    nodes: Vec<OptionNode>,
}

impl Writer {
    /// Switches to a buffer (`None`: the sticky one) unless it is the current one.
    fn enter(&mut self, buffer: Option<Buffer>, at: &OptionNode) {
        let wanted = buffer.or_else(|| self.sticky.clone());
        if wanted == self.current {
            return;
        }
        match (&wanted, &self.sticky_node) {
            (Some(buffer), _) => self.nodes.push(buffer.node(at)),
            (None, Some(node)) => self.nodes.push(node.clone()),
            (None, None) => {}
        }
        self.current = wanted;
    }

    fn content(&mut self, mut content: Content, problems: &mut Vec<Diagnostic>) {
        let (buffer, at) = content.buffer.take().unzip();
        self.enter(buffer, at.as_ref().unwrap_or(&content.node));
        let lower = self.current.as_ref().is_some_and(|buffer| buffer.lower);
        if lower && !content.modifiers.iter().any(|modifier| modifier == "nocase") {
            content.modifiers.push("nocase".to_owned());
        }
        let value = super::value(&content.node).to_owned();
        let negated = value.starts_with('!');
        if content.ends && negated {
            return self.negated_end(&content, &value, problems);
        }
        if content.starts {
            // differs: Suricata refuses `startswith` next to these; one `depth` says the same.
            match pattern(&value, self.dialect) {
                Some(bytes) => content.modifiers.push(format!("depth {}", bytes.len())),
                None => content.modifiers.push("startswith".to_owned()),
            }
        }
        let value = std::iter::once(value).chain(content.modifiers).collect::<Vec<_>>().join(",");
        let end = content.ends.then(|| super::renamed(&content.node, "isdataat", Some("!0,relative".to_owned())));
        content.node.value = Some(value);
        self.nodes.push(content.node);
        self.nodes.extend(end);
    }

    /// "Doesn't end with": a negated content leaves no position to test, so this is a pcre.
    fn negated_end(&mut self, content: &Content, value: &str, problems: &mut Vec<Diagnostic>) {
        let bytes = pattern(value, self.dialect);
        let Some((start, bytes)) = bytes.and_then(|bytes| Some((start_regex(content, bytes.len())?, bytes))) else {
            let message = "this negated `endswith` can't be combined with these positions";
            problems.push(error("R0603", content.node.name_span, message));
            return;
        };
        let text = bytes.iter().fold(start, |mut regex, byte| {
            regex.push_str(&format!("\\x{byte:02X}"));
            regex
        });
        let nocase = if content.modifiers.iter().any(|modifier| modifier == "nocase") { "i" } else { "" };
        self.nodes.push(super::renamed(&content.node, "pcre", Some(format!("!\"/{text}\\z/s{nocase}\""))));
    }
}

/// A regex for what stands before a content of `len` bytes, from `offset`, `depth`, `startswith`;
/// `None` if it has other positions.
fn start_regex(content: &Content, len: usize) -> Option<String> {
    let (mut offset, mut depth) = (0_usize, content.starts.then_some(len));
    for modifier in &content.modifiers {
        match modifier.split_once(' ') {
            None if modifier == "nocase" || modifier == "fast_pattern" => {}
            Some(("offset", number)) => offset = number.parse().ok()?,
            Some(("depth", number)) => depth = Some(number.parse().ok()?),
            _ => return None,
        }
    }
    let last = match depth {
        Some(depth) => Some(offset.checked_add(depth)?.checked_sub(len)?),
        None => None,
    };
    match (offset, last) {
        (0, None) => Some(String::new()),
        (0, Some(0)) => Some("\\A".to_owned()),
        (offset, last) if offset.max(last.unwrap_or(0)) <= MAX_REPEAT => {
            let last = last.map_or_else(String::new, |last| last.to_string());
            Some(format!("\\A.{{{offset},{last}}}"))
        }
        _ => None,
    }
}

/// Largest repeat count of PCRE.
const MAX_REPEAT: usize = 65_535;

/// The bytes of a content's value, if it is well-formed.
fn pattern(value: &str, dialect: Dialect) -> Option<Vec<u8>> {
    content_bytes(unquote(value)?.inner, dialect).ok()
}

const PKT_DATA: Buffer = Buffer::new("pkt_data");
