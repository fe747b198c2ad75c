//! Facts of EtherNet/IP messages: numbers compared with an interval (`cip_class`), and whether a message is
//! of a kind (`cip_req`).
//!
//! *Invariants*: fails on units that don't have the number.

use crate::def::{ParseCx, Parsed};
use crate::int_match::IntMatch;
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};
use std::fmt;
use tapir_protocol::{CipFacts, CipMessage, CipRequest};

/// One number and the test on it.
pub(crate) struct CipNumber {
    name: &'static str,
    range: IntMatch,
    read: fn(&CipFacts) -> Option<u32>,
}

impl CipNumber {
    pub(crate) fn parse(
        cx: &mut ParseCx<'_>,
        name: &'static str,
        max: u32,
        read: fn(&CipFacts) -> Option<u32>,
    ) -> Result<Parsed, Problem> {
        let arg = cx.value()?;
        let text = arg.text.trim_matches('"').trim();
        let range = IntMatch::parse(Arg { text, span: arg.span }, u64::from(max))?;
        Parsed::test(Self { name, range, read })
    }
}

impl fmt::Debug for CipNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl RuleOption for CipNumber {
    fn canonical(&self) -> String {
        format!("{}:{}", self.name, self.range)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let number = ev.unit.view.cip().and_then(|facts| (self.read)(&facts));
        number.is_some_and(|number| self.range.test(u64::from(number)))
    }

    fn explain(&self) -> String {
        format!("{} {}", self.name, self.range.words())
    }
}

/// Whether a message is of a kind.
pub(crate) struct CipKind {
    name: &'static str,
    test: fn(&CipFacts) -> bool,
}

impl CipKind {
    pub(crate) fn parsed(name: &'static str, test: fn(&CipFacts) -> bool) -> Result<Parsed, Problem> {
        Parsed::test(Self { name, test })
    }
}

impl fmt::Debug for CipKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl RuleOption for CipKind {
    fn canonical(&self) -> String {
        self.name.to_owned()
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.cip().is_some_and(|facts| (self.test)(&facts))
    }
}

/// The request of a message that is one.
pub(crate) fn request(facts: &CipFacts) -> Option<CipRequest> {
    match facts.message {
        Some(CipMessage::Request(request)) => Some(request),
        _ => None,
    }
}
