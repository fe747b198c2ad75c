//! `dsize`: size of the packet's payload.
//!
//! *Invariants*: fails on rebuilt data that does not start a message; ignores buffers.
//!
//! *Spec*: Snort 3 manual, `dsize`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::FieldMatch;
use crate::value::Problem;

pub(super) static DEF: OptionDef = OptionDef {
    name: "dsize",
    kind: Kind::NonPayload,
    summary: "compares the size of the payload",
    grammar: "INTERVAL",
    docs: "Compares the payload size of the packet, or of the PDU if it starts a message. Buffers don't matter.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldMatch::parse(cx, "dsize", 65_535, |unit| {
        unit.starts_message.then(|| u64::try_from(unit.raw.len()).unwrap_or(u64::MAX))
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn the_payload_is_measured() {
        assert!(matches("dsize:3;", b"abc"));
        assert!(!matches("dsize:1<>3;", b"abc"));
        assert!(matches("dsize:!4;", b"abc"));
        assert_eq!(compile_one("dsize:=3").canonical(), "dsize:3");
    }

    #[test]
    fn twice_is_odd() {
        assert!(problems("dsize:1; dsize:2")[0].contains("more than once"));
    }
}
