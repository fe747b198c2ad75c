//! `ipopts`: options of the IPv4 header.
//!
//! *Spec*: RFC 791 §3.1; Snort 3 manual, `ipopts`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::ip;
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "ipopts",
    kind: Kind::NonPayload,
    summary: "checks for an IPv4 option",
    grammar: "rr|eol|nop|ts|sec|esec|lsrr|lsrre|ssrr|satid|any",
    docs: "True if the IPv4 header carries the option; `any` is any option.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

const NAMES: &[(&str, Option<u8>)] = &[
    ("rr", Some(7)),
    ("eol", Some(0)),
    ("nop", Some(1)),
    ("ts", Some(68)),
    ("sec", Some(130)),
    ("esec", Some(133)),
    ("lsrr", Some(131)),
    ("lsrre", Some(132)),
    ("ssrr", Some(137)),
    ("satid", Some(136)),
    ("any", None),
];

#[derive(Debug)]
struct IpOpts {
    name: &'static str,
    code: Option<u8>,
}

impl RuleOption for IpOpts {
    fn canonical(&self) -> String {
        format!("ipopts:{}", self.name)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ip(ev.unit).is_some_and(|ip| match self.code {
            Some(code) => has(ip.options, code),
            None => !ip.options.is_empty(),
        })
    }
}

/// Whether the option list holds `code`.
fn has(mut options: &[u8], code: u8) -> bool {
    while let Some(&kind) = options.first() {
        if kind == code {
            return true;
        }
        let len = match kind {
            0 => return false,
            1 => 1,
            _ => match options.get(1) {
                Some(&len) if len >= 2 => usize::from(len),
                _ => return false,
            },
        };
        options = options.get(len..).unwrap_or(&[]);
    }
    false
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let arg = cx.value()?;
    match NAMES.iter().find(|(name, _)| *name == arg.text) {
        Some(&(name, code)) => Parsed::test(IpOpts { name, code }),
        None => Err(cx.unknown(arg)),
    }
}

#[cfg(test)]
mod tests {
    use super::has;
    use crate::testing::{compile_one, problems, tcp_packet, with_packet};

    #[test]
    fn the_list_is_walked() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("ipopts:rr") && test("ipopts:nop") && test("ipopts:any") && test("ipopts:eol"));
        assert!(!test("ipopts:ts"));
    }

    #[test]
    fn impossible_lengths_end_the_walk() {
        assert!(!has(&[7, 0, 68], 68) && !has(&[7, 1, 68], 68) && !has(&[7, 200, 68], 68) && !has(&[7], 68));
        assert!(has(&[7, 2, 68], 68));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("ipopts:xx")[0].contains("no argument"));
    }
}
