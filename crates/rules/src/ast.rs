//! What a rule says, before anybody asks what it means.

use crate::Span;
use std::net::IpAddr;

/// Surface form of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Snort 2.9: content modifiers are options of their own.
    Snort2,
    /// Snort 3: modifiers are arguments, buffers are sticky.
    Snort3,
    /// Suricata: sticky buffers with dotted names, modifiers are options.
    Suricata,
}

/// What to do on a match. Tapir is passive: everything but `pass`, `log` and `file_id` alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words of the rule language")]
pub enum Action {
    Pass,
    Reject,
    Block,
    React,
    Drop,
    Sdrop,
    Rewrite,
    Alert,
    Log,
    FileId,
}

impl Action {
    /// The word in rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Reject => "reject",
            Self::Block => "block",
            Self::React => "react",
            Self::Drop => "drop",
            Self::Sdrop => "sdrop",
            Self::Rewrite => "rewrite",
            Self::Alert => "alert",
            Self::Log => "log",
            Self::FileId => "file_id",
        }
    }
}

/// `->` or `<>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrow {
    /// `->`
    To,
    /// `<>`
    Both,
}

/// One element of a resolved address list: a network in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressItem {
    /// Network address.
    pub network: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

/// A resolved address list: in some positive element (or there are none) and in no negated one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// Positive elements; empty = any.
    pub positive: Vec<AddressItem>,
    /// Negated elements.
    pub negated: Vec<AddressItem>,
}

/// Inclusive port range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortItem {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

/// A resolved port set as sorted, disjoint, non-adjacent ranges; `any` is `0:65535`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ports(pub Vec<PortItem>);

impl Ports {
    /// Every port.
    pub fn any() -> Self {
        Self(vec![PortItem { first: 0, last: u16::MAX }])
    }

    /// Whether every port is in it.
    pub fn is_any(&self) -> bool {
        matches!(self.0.as_slice(), [PortItem { first: 0, last: u16::MAX }])
    }

    /// Whether `port` is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.first <= port && port <= range.last)
    }
}

/// The header, variables resolved; the text forms are kept for printing.
#[derive(Clone, Debug)]
pub struct Header {
    /// Protocol or service word, as written.
    pub protocol: String,
    /// Where it stands.
    pub protocol_span: Span,
    /// Source addresses.
    pub source: Address,
    /// Source ports.
    pub source_ports: Ports,
    /// Direction.
    pub arrow: Arrow,
    /// Destination addresses.
    pub destination: Address,
    /// Destination ports.
    pub destination_ports: Ports,
    /// The four lists as written (`$HOME_NET`, `any`, `[80,443]`): source, source ports,
    /// destination, destination ports. `None` where the rule elided them.
    pub text: [Option<String>; 4],
}

/// `name;` or `name:value;` in the body of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionNode {
    /// Option name as written.
    pub name: String,
    /// Position of the name.
    pub name_span: Span,
    /// Raw text between `:` and `;`, trimmed, quotes and escapes untouched. `None` without `:`.
    pub value: Option<String>,
    /// Position of the value (of the name where there is none). `value` is verbatim source text
    /// (but for removed line continuations), so offset n of it is at `value_span.start + n`.
    pub value_span: Span,
}

/// `reference:scheme,id`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Scheme, e.g. `cve`.
    pub scheme: String,
    /// Identifier within the scheme.
    pub id: String,
}

/// What identifies and describes a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleInfo {
    /// Generator, 1 by default.
    pub gid: u32,
    /// Signature id.
    pub sid: u32,
    /// Revision, 0 by default.
    pub rev: u32,
    /// Message, unescaped, without quotes. `None` if the rule has none.
    pub msg: Option<String>,
    /// Class name.
    pub classtype: Option<String>,
    /// Effective priority: of `priority` or of the class, whichever the dialect lets win; 0 = none.
    pub priority: u32,
    /// References.
    pub references: Vec<Reference>,
    /// Metadata as key and value (value may be empty), in order.
    pub metadata: Vec<(String, String)>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Surface form it was written in.
    pub dialect: Dialect,
    /// False for a rule behind `#`.
    pub enabled: bool,
    /// Action.
    pub action: Action,
    /// Header.
    pub header: Header,
    /// Identity and description.
    pub info: RuleInfo,
    /// All other options in order, including `service`, `flow`, `detection_filter`, …
    pub options: Vec<OptionNode>,
    /// The whole rule.
    pub span: Span,
    /// 1-based line of its first character.
    pub line: u32,
}
