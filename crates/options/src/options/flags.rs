//! `flags`: TCP flags.
//!
//! *Invariants*: fails without a TCP header, so on rebuilt stream data.
//!
//! *Spec*: Snort 3 manual, `flags`: without modifier exactly these, `+` at least these, `*` any of
//! them, `!` none of them.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::tcp;
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption, TcpFlags};

pub(super) static DEF: OptionDef = OptionDef {
    name: "flags",
    kind: Kind::NonPayload,
    summary: "compares the TCP flags",
    grammar: "[!|*|+]FSRPAUCE0[,MASK]",
    docs: "Exactly these flags, with `+` at least these, with `*` any of them, with `!` none of them. `C` (or `1`) is \
           CWR, `E` (or `2`) ECE, `0` no flag. Flags of MASK are ignored: `S,CE` is a SYN with or without ECN.",
    repeat: Repeat::Warn(1),
    services: &[],
    parse,
};

/// How a set of bits is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Exactly,
    All,
    Any,
    None,
}

impl Mode {
    /// Takes the modifier off either end.
    pub(super) fn parse(arg: Arg<'_>) -> (Self, Arg<'_>) {
        let text = arg.text;
        let modes = [(Self::All, '+'), (Self::Any, '*'), (Self::None, '!')];
        for (mode, sign) in modes {
            if text.starts_with(sign) {
                return (mode, arg.slice(1, text.len()));
            }
            if text.ends_with(sign) {
                return (mode, arg.slice(0, text.len() - 1));
            }
        }
        (Self::Exactly, arg)
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Exactly => "",
            Self::All => "+",
            Self::Any => "*",
            Self::None => "!",
        }
    }

    pub(super) fn test(self, value: u8, bits: u8) -> bool {
        match self {
            Self::Exactly => value == bits,
            Self::All => value & bits == bits,
            Self::Any => value & bits != 0,
            Self::None => value & bits == 0,
        }
    }
}

/// Reads letters as bits.
pub(super) fn bits(arg: Arg<'_>, letters: &[(char, u8)]) -> Result<u8, Problem> {
    let mut bits = 0;
    for letter in arg.text.chars() {
        match letters.iter().find(|(known, _)| *known == letter) {
            Some((_, bit)) => bits |= bit,
            None => return Err(Problem::syntax(arg.span, format!("unknown flag `{letter}`"))),
        }
    }
    match arg.text {
        "" => Err(Problem::syntax(arg.span, "flags are missing")),
        _ => Ok(bits),
    }
}

/// Prints bits as letters, the first of each bit.
pub(super) fn letters(bits: u8, letters: &[(char, u8)]) -> String {
    let mut seen = 0;
    let mut out = String::new();
    for (letter, bit) in letters {
        if bits & bit != 0 && seen & bit == 0 {
            seen |= bit;
            out.push(*letter);
        }
    }
    if out.is_empty() { "0".to_owned() } else { out }
}

const LETTERS: &[(char, u8)] = &[
    ('F', 0x01),
    ('S', 0x02),
    ('R', 0x04),
    ('P', 0x08),
    ('A', 0x10),
    ('U', 0x20),
    ('E', 0x40),
    ('C', 0x80),
    ('2', 0x40),
    ('1', 0x80),
    ('0', 0),
];

#[derive(Debug)]
struct Flags {
    mode: Mode,
    bits: u8,
    ignored: u8,
}

impl RuleOption for Flags {
    fn canonical(&self) -> String {
        let mut out = format!("flags:{}{}", self.mode.sign(), letters(self.bits, LETTERS));
        if self.ignored != 0 {
            out.push(',');
            out.push_str(&letters(self.ignored, LETTERS));
        }
        out
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        tcp(ev.unit).is_some_and(|tcp| self.mode.test(tcp.flags & !self.ignored, self.bits))
    }

    fn tcp_flags(&self) -> Option<TcpFlags> {
        Some(TcpFlags::passing(|flags| self.mode.test(flags & !self.ignored, self.bits)))
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let (flags, mask) = match args.as_slice() {
        [flags] => (*flags, None),
        [flags, mask] => (*flags, Some(*mask)),
        _ => return Err(cx.missing("flags and perhaps a mask")),
    };
    let (mode, flags) = Mode::parse(flags);
    let bits_set = bits(flags, LETTERS)?;
    let ignored = mask.map_or(Ok(0), |mask| bits(mask, LETTERS))?;
    Parsed::test(Flags { mode, bits: bits_set & !ignored, ignored })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems, tcp_packet, with_packet};

    #[test]
    fn modifiers_choose_the_comparison() {
        let packet = tcp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        for text in ["flags:SA", "flags:S+", "flags:+S", "flags:*SF", "flags:!FR", "flags:S,A"] {
            assert!(test(text), "{text}");
        }
        for text in ["flags:S", "flags:SAF+", "flags:*FR", "flags:!S", "flags:0", "flags:A,12"] {
            assert!(!test(text), "{text}");
        }
        assert!(!matches("flags:0;", b""), "no header, no match");
    }

    #[test]
    fn canonical_text_reads_back_as_itself() {
        for text in ["flags:SA,EC", "flags:+A", "flags:0"] {
            assert_eq!(compile_one(text).canonical(), text);
        }
        assert_eq!(compile_one("flags:A+,12").canonical(), "flags:+A,EC");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("flags:X")[0].contains("unknown flag"));
        assert!(problems("flags")[0].contains("needs flags"));
        assert!(problems("flags:+")[0].contains("missing"));
    }
}
