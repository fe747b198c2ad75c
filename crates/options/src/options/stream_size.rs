//! `stream_size`: bytes that the sides of a flow have sent.
//!
//! *Invariants*: fails without a flow. Sizes are differences of sequence numbers.
//!
//! *Spec*: Snort 3 manual, `stream_size`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::int_match::IntMatch;
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "stream_size",
    kind: Kind::NonPayload,
    summary: "compares the bytes sent on the flow so far",
    grammar: "INTERVAL[,either|to_server|to_client|both]",
    docs: "Compares how many bytes the client (`to_server`), the server (`to_client`), `either` (the default) or \
           `both` have sent.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Either,
    Client,
    Server,
    Both,
}

const SIDES: &[(&str, Side)] =
    &[("either", Side::Either), ("to_server", Side::Client), ("to_client", Side::Server), ("both", Side::Both)];

#[derive(Debug)]
struct StreamSize {
    range: IntMatch,
    side: Side,
}

impl RuleOption for StreamSize {
    fn canonical(&self) -> String {
        let side = SIDES.iter().find(|(_, side)| *side == self.side).map_or("", |(name, _)| *name);
        format!("stream_size:{},{side}", self.range)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let Some(flow) = &ev.unit.flow else { return false };
        let [client, server] = flow.stream_bytes.map(|bytes| self.range.test(bytes));
        match self.side {
            Side::Either => client || server,
            Side::Client => client,
            Side::Server => server,
            Side::Both => client && server,
        }
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let (range, side) = match args.as_slice() {
        [range] => (*range, Side::Either),
        [range, side] => match SIDES.iter().find(|(name, _)| *name == side.text) {
            Some((_, side)) => (*range, *side),
            None => return Err(cx.unknown(*side)),
        },
        _ => return Err(cx.missing("an interval and perhaps a side")),
    };
    Parsed::test(StreamSize { range: IntMatch::parse(range, u64::from(u32::MAX))?, side })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, problems, with_flow};

    #[test]
    fn sides_are_told_apart() {
        // 100 bytes from the client, 2,000 from the server.
        let test = |text, flow| with_flow(flow, |ev, cursor| compile_one(text).eval(ev, cursor));
        let flow = Some(&[] as &[u32]);
        assert!(test("stream_size:100,to_server", flow) && test("stream_size:>100,to_client", flow));
        assert!(test("stream_size:2000", flow) && !test("stream_size:2000,both", flow));
        assert!(test("stream_size:>99,both", flow) && !test("stream_size:>0", None));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("stream_size:1,sideways")[0].contains("no argument"));
        assert_eq!(compile_one("stream_size:1").canonical(), "stream_size:1,either");
    }
}
