//! Numbers about an HTTP message, compared with an interval: `http_num_headers` and the like.
//!
//! *Invariants*: fails on units that belong to no HTTP message.

use crate::def::{ParseCx, Parsed};
use crate::int_match::IntMatch;
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use std::fmt;
use tapir_protocol::HttpFacts;

/// One number and the test on it.
pub(crate) struct HttpFact {
    name: &'static str,
    range: IntMatch,
    request: bool,
    read: fn(&HttpFacts<'_>) -> u32,
}

impl HttpFact {
    pub(crate) fn parse(
        cx: &mut ParseCx<'_>,
        name: &'static str,
        read: fn(&HttpFacts<'_>) -> u32,
    ) -> Result<Parsed, Problem> {
        let args = cx.args()?;
        let (range, request) = match args.as_slice() {
            [range] => (*range, false),
            [range, word] if word.text == "request" => (*range, true),
            [_, word, ..] => return Err(cx.unknown(*word)),
            [] => return Err(cx.missing("an interval")),
        };
        Parsed::test(Self { name, range: IntMatch::parse(range, 65_535)?, request, read })
    }
}

impl fmt::Debug for HttpFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl RuleOption for HttpFact {
    fn canonical(&self) -> String {
        format!("{}:{}{}", self.name, self.range, if self.request { ",request" } else { "" })
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.http(self.request).is_some_and(|facts| self.range.test(u64::from((self.read)(&facts))))
    }
}
