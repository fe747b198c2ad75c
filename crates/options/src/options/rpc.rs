//! `rpc`: program, version and procedure of an ONC RPC call.
//!
//! *Spec*: RFC 5531 §9 (call body), §11 (record mark on TCP); Snort 3 manual, `rpc`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "rpc",
    kind: Kind::Payload,
    summary: "checks program, version and procedure of an RPC call",
    grammar: "PROGRAM,VERSION|*,PROCEDURE|*",
    docs: "True if the payload starts with an ONC RPC call for this program, version and procedure. Buffers don't \
           matter.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
struct Rpc {
    program: u32,
    version: Option<u32>,
    procedure: Option<u32>,
}

impl RuleOption for Rpc {
    fn canonical(&self) -> String {
        let text = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
        format!("rpc:{},{},{}", self.program, text(self.version), text(self.procedure))
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let unit = ev.unit;
        // On TCP a record mark stands before the call.
        let skip = if unit.net.protocol == 6 { 4 } else { 0 };
        let word = |n: usize| {
            let bytes = unit.raw.get(skip + 4 * n..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*bytes))
        };
        let is = |n: usize, wanted: u32| word(n) == Some(wanted);
        is(1, 0)
            && is(2, 2)
            && is(3, self.program)
            && word(4).is_some_and(|version| self.version.is_none_or(|wanted| wanted == version))
            && word(5).is_some_and(|procedure| self.procedure.is_none_or(|wanted| wanted == procedure))
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let [program, rest @ ..] = args.as_slice() else { return Err(cx.missing("a program")) };
    let (version, procedure) = match rest {
        [] => (None, None),
        [version] => (wildcard(*version)?, None),
        [version, procedure] => (wildcard(*version)?, wildcard(*procedure)?),
        [_, _, more, ..] => return Err(cx.unknown(*more)),
    };
    Parsed::test(Rpc { program: program.u32(0, u32::MAX)?, version, procedure })
}

fn wildcard(arg: Arg<'_>) -> Result<Option<u32>, Problem> {
    if arg.text == "*" { Ok(None) } else { arg.u32(0, u32::MAX).map(Some) }
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn calls_are_recognised() {
        let call = [[0, 0, 0, 9], [0; 4], [0, 0, 0, 2], [0, 1, 0x86, 0xa0], [0, 0, 0, 2], [0, 0, 0, 3]].concat();
        assert!(matches("rpc:100000,2,3;", &call) && matches("rpc:100000,*,*;", &call));
        assert!(!matches("rpc:100000,2,4;", &call) && !matches("rpc:100000,*,*;", &call[..20]));
        let mut reply = call;
        reply[7] = 1;
        assert!(!matches("rpc:100000,2,3;", &reply));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("rpc:x,1,1")[0].contains("not a number"));
        assert!(problems("rpc:1,1,1,1")[0].contains("no argument"));
        assert_eq!(compile_one("rpc:100000,*,3").canonical(), "rpc:100000,*,3");
    }
}
