//! `fragbits`: the bits of the IP fragment field.
//!
//! *Spec*: Snort 3 manual, `fragbits`; modifiers as of `flags`.

use super::flags::{Mode, bits, letters};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::ip;
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "fragbits",
    kind: Kind::NonPayload,
    summary: "compares the fragment bits",
    grammar: "[!|*|+]MDR",
    docs: "`M` more fragments, `D` don't fragment, `R` reserved: exactly these bits, with `+` at least these, with \
           `*` any of them, with `!` none of them.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

const LETTERS: &[(char, u8)] = &[('M', 1), ('D', 2), ('R', 4)];

#[derive(Debug)]
struct FragBits {
    mode: Mode,
    bits: u8,
}

impl RuleOption for FragBits {
    fn canonical(&self) -> String {
        format!("fragbits:{}{}", self.mode.sign(), letters(self.bits, LETTERS))
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ip(ev.unit).is_some_and(|ip| {
            let fragment = ip.fragment;
            let value = u8::from(fragment.more) | u8::from(fragment.dont) << 1 | u8::from(fragment.reserved) << 2;
            self.mode.test(value, self.bits)
        })
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let (mode, arg) = Mode::parse(cx.value()?);
    Parsed::test(FragBits { mode, bits: bits(arg, LETTERS)? })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, icmp_packet, problems, tcp_packet, with_packet};

    #[test]
    fn bits_are_compared() {
        let test = |text, packet| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("fragbits:M", tcp_packet()) && test("fragbits:M+", tcp_packet()));
        assert!(test("fragbits:!D", tcp_packet()) && !test("fragbits:!MD", tcp_packet()));
        assert!(test("fragbits:D", icmp_packet()) && !test("fragbits:*MR", icmp_packet()));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("fragbits:X")[0].contains("unknown flag"));
        assert_eq!(compile_one("fragbits:M+").canonical(), "fragbits:+M");
    }
}
