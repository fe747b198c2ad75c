//! What a rule does beside testing: flow words, flowbit changes, filters, tags.

use tapir_flow::Direction;

/// `no_stream` / `only_stream` and the like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StreamWord {
    /// Neither given.
    #[default]
    Any,
    /// `no_stream` / `no_frag`
    No,
    /// `only_stream` / `only_frag`
    Only,
}

/// The `flow` option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowSpec {
    /// `to_server` or `to_client`.
    pub direction: Option<Direction>,
    /// `established` (true), `not_established` (false).
    pub established: Option<bool>,
    /// `stateless`
    pub stateless: bool,
    /// `no_stream`, `only_stream`.
    pub stream: StreamWord,
    /// `no_frag`, `only_frag`.
    pub frag: StreamWord,
}

/// A change of flowbits after the whole rule matched. Ids are interned by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of the option")]
pub enum BitOp {
    Set(Vec<u32>),
    Unset(Vec<u32>),
    Toggle(Vec<u32>),
    /// Snort 2.9: unset all bits of the group (empty: all bits), then set the first list.
    SetExclusive {
        set: Vec<u32>,
        group: Vec<u32>,
    },
    /// Snort 2.9: unset all of these; empty = all bits of the flow.
    Reset(Vec<u32>),
}

/// Whose events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of the option")]
pub enum Track {
    BySource,
    ByDestination,
    ByBoth,
    ByRule,
    ByFlow,
}

/// `detection_filter`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DetectionFilter {
    /// Whose matches.
    pub track: Track,
    /// More than this many matches …
    pub count: u32,
    /// … in this many seconds.
    pub seconds: u32,
}

/// Type of an event filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of the option")]
pub enum FilterKind {
    Limit,
    Threshold,
    Both,
}

/// `threshold` in a rule, or an `event_filter` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Threshold {
    /// Type.
    pub kind: FilterKind,
    /// Whose events.
    pub track: Track,
    /// Count; `None` (−1) disables the filter.
    pub count: Option<u32>,
    /// Seconds.
    pub seconds: u32,
}

/// Scope of `tag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of the option")]
pub enum TagKind {
    Session,
    HostSource,
    HostDestination,
}

/// `tag`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Scope.
    pub kind: TagKind,
    /// Packets at most.
    pub packets: Option<u32>,
    /// Seconds at most.
    pub seconds: Option<u32>,
    /// Bytes at most.
    pub bytes: Option<u32>,
}

/// Something a rule does when it matched, or to its event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// `flowbits` that change bits.
    Bits(BitOp),
    /// `noalert`
    NoAlert,
    /// `detection_filter`
    DetectionFilter(DetectionFilter),
    /// `threshold`
    Threshold(Threshold),
    /// `tag`
    Tag(Tag),
    /// `target` (true: source is the victim).
    Target {
        /// The victim is the source.
        source: bool,
    },
}
