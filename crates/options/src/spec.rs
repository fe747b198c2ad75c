//! What compiling a rule yields.

use crate::{Cursor, Effect, Eval, FlowSpec};
use std::fmt::Debug;
use tapir_protocol::{BufferKey, Service};
use tapir_rules::{Action, Header, RuleInfo};

/// A compiled option that is evaluated. Pure: the answer depends on unit, cursor and variables only.
pub trait RuleOption: Debug + Send + Sync {
    /// Canonical Snort 3 text, e.g. `content:"abc",nocase`. Options are equal iff this is.
    fn canonical(&self) -> String;

    /// Tests and perhaps moves the cursor. On `false` the cursor's state is meaningless.
    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool;

    /// Uses the cursor's position (makes an option directly before it retry).
    fn is_relative(&self) -> bool {
        false
    }

    /// May be tried again further on ([`Cursor::delta`]): positive content, pcre, http_param. Content
    /// and pcre if the next option is relative; http_param, which takes the parameter's next value,
    /// whatever follows.
    fn can_retry(&self) -> bool {
        false
    }

    /// The buffer that it switches to.
    fn sets_buffer(&self) -> Option<&BufferKey> {
        None
    }

    /// Flowbits that it tests.
    fn tested_flowbits(&self) -> &[u32] {
        &[]
    }

    /// Whether it can match where the IP protocol is this one. Rules that cannot are left out of the
    /// groups of that protocol.
    fn admits_protocol(&self, _protocol: u8) -> bool {
        true
    }

    /// Whether its answer is about the bytes it found alone, not about where the buffer begins or ends or
    /// what is missing in it. Only then is a match in a part of the data a match.
    fn floats(&self) -> bool {
        false
    }

    /// The TCP flags that it can match, if it asks for a TCP header at all: tested before the rule is
    /// looked at, as every packet has flags.
    fn tcp_flags(&self) -> Option<TcpFlags> {
        None
    }

    /// What it offers as fast pattern.
    fn fast_pattern(&self) -> Option<FastPattern> {
        None
    }

    /// Relative cost, for ordering rules with equal patterns and for `explain`.
    fn cost(&self) -> u32 {
        1
    }

    /// Plain words for `tapir rules explain`, without the buffer: `contains "abc" (any case)`.
    fn explain(&self) -> String {
        self.canonical()
    }
}

/// A set of values of the TCP flags byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags([u64; 4]);

impl TcpFlags {
    /// The values that pass the test.
    pub fn passing(test: impl Fn(u8) -> bool) -> Self {
        let mut set = Self([0; 4]);
        for value in (0..=u8::MAX).filter(|&value| test(value)) {
            if let Some(word) = set.0.get_mut(usize::from(value >> 6)) {
                *word |= 1 << (value & 63);
            }
        }
        set
    }

    /// Values in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let [a, b, c, d] = self.0;
        let [e, f, g, h] = other.0;
        Self([a & e, b & f, c & g, d & h])
    }

    /// Whether the value is in the set.
    #[inline]
    pub fn contains(self, value: u8) -> bool {
        self.0.get(usize::from(value >> 6)).is_some_and(|word| word >> (value & 63) & 1 != 0)
    }
}

/// A content as fast-pattern candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FastPattern {
    /// The whole content bytes as written.
    pub bytes: Vec<u8>,
    /// The part that is searched if it is chosen by an explicit `fast_pattern` with a slice; else all.
    pub slice: std::ops::Range<usize>,
    /// `nocase`, or no ASCII letter in it.
    pub nocase: bool,
    /// Negated content.
    pub negated: bool,
    /// Relative, or with offset or depth.
    pub positioned: bool,
    /// Only `distance`/`within`.
    pub relative: bool,
    /// Carries the word `fast_pattern`.
    pub explicit: bool,
    /// `offset` and `depth` if they are literal numbers and the content is not relative.
    pub window: Option<(i32, Option<u32>)>,
}

/// A rule ready for detection.
#[derive(Debug)]
pub struct CompiledRule {
    /// Identity.
    pub info: RuleInfo,
    /// Action.
    pub action: Action,
    /// Header.
    pub header: Header,
    /// Services the rule names (option, header word or implied by buffers); empty = none.
    pub services: Vec<Service>,
    /// The header's word is a service: the rule is in no port group.
    pub service_header: bool,
    /// `flow`.
    pub flow: FlowSpec,
    /// Evaluated options, in order. `flowbits` tests are among them; setters are effects.
    pub options: Vec<Box<dyn RuleOption>>,
    /// What else the rule does.
    pub effects: Vec<Effect>,
    /// Tests flowbits (such rules run after the others of a unit).
    pub checks_flowbits: bool,
    /// Canonical Snort 3 text of the whole rule.
    pub text: String,
    /// Source position, as `file:line`.
    pub place: String,
}
