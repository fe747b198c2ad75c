//! `byte_test`: compares a number in the buffer.
//!
//! *Invariants*: a read that fails fails the option, negated or not; the cursor stays.
//!
//! *Spec*: Snort 3 manual, `byte_test`.

use crate::byte_read::{ByteRead, ReadWords, place, start};
use crate::def::{Kind, Operand, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "byte_test",
    kind: Kind::Payload,
    summary: "compares a number in the data",
    grammar: "COUNT,[!]OP,VALUE|VAR,OFFSET|VAR[,relative][,big|little|dce][,string][,dec|hex|oct][,bitmask MASK]",
    docs: "Reads COUNT bytes (1–4, with `string` up to 10 digits) at OFFSET and compares: `<` `<=` `=` `>=` `>`, \
           `&` (a common bit), `^` (a differing bit); `!` inverts. Fails if the bytes are not there.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Less,
    LessOrEqual,
    Equal,
    Greater,
    GreaterOrEqual,
    And,
    Xor,
}

impl Op {
    const ALL: [(Op, &'static str, &'static str); 7] = [
        (Op::LessOrEqual, "<=", "is at most"),
        (Op::GreaterOrEqual, ">=", "is at least"),
        (Op::Less, "<", "is less than"),
        (Op::Equal, "=", "is"),
        (Op::Greater, ">", "is more than"),
        (Op::And, "&", "has a bit in common with"),
        (Op::Xor, "^", "differs in a bit from"),
    ];

    fn text(self) -> (&'static str, &'static str) {
        Self::ALL.iter().find(|(op, ..)| *op == self).map_or(("", ""), |(_, sign, words)| (*sign, *words))
    }

    #[inline]
    fn test(self, value: u32, operand: u32) -> bool {
        match self {
            Self::Less => value < operand,
            Self::LessOrEqual => value <= operand,
            Self::Equal => value == operand,
            Self::Greater => value > operand,
            Self::GreaterOrEqual => value >= operand,
            Self::And => value & operand != 0,
            Self::Xor => value ^ operand != 0,
        }
    }
}

#[derive(Debug)]
struct ByteTest {
    read: ByteRead,
    negated: bool,
    op: Op,
    value: Operand,
    offset: Operand,
    relative: bool,
}

impl RuleOption for ByteTest {
    fn canonical(&self) -> String {
        let negated = if self.negated { "!" } else { "" };
        let op = self.op.text().0;
        let mut out = format!("byte_test:{},{negated}{op},{},{}", self.read.count, self.value, self.offset);
        if self.relative {
            out.push_str(",relative");
        }
        self.read.canonical(&mut out);
        out
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let start = start(cursor, self.relative, self.offset.value(&ev.vars));
        let Some((value, _)) = self.read.read(cursor.data, start, ev.unit.view) else { return false };
        let operand = u32::try_from(self.value.value(&ev.vars)).unwrap_or(u32::MAX);
        self.op.test(value, operand) != self.negated
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn floats(&self) -> bool {
        self.relative
    }

    fn explain(&self) -> String {
        let place = place(&self.offset, self.relative);
        let (read, words) = (self.read.words(), self.op.text().1);
        let negated = if self.negated { "it is not so that " } else { "" };
        format!("{negated}{read} at {place} {words} {}", self.value)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let [count, op, value, offset, rest @ ..] = args.as_slice() else {
        return Err(cx.missing("count, operator, value and offset"));
    };
    let (negated, sign) = match op.text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_ascii()),
        None => (false, op.text),
    };
    let op = match Op::ALL.iter().find(|(_, text, _)| *text == sign) {
        Some((op, ..)) => *op,
        None if negated && sign.is_empty() => Op::Equal,
        None => return Err(Problem::syntax(op.span, format!("unknown operator `{}`", op.text))),
    };
    let mut words = ReadWords::default();
    for &arg in rest {
        if !words.take(arg)? {
            return Err(cx.unknown(arg));
        }
    }
    let count = u8::try_from(count.int(1, 10)?).unwrap_or(1);
    Parsed::test(ByteTest {
        read: words.finish(count, false, cx)?,
        negated,
        op,
        value: cx.operand(*value, 0, i64::from(u32::MAX))?,
        offset: cx.operand(*offset, -65_535, 65_535)?,
        relative: words.relative,
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn canonical_text_reads_back_as_itself() {
        for text in ["byte_test:2,!>,258,-4,relative,little,bitmask 0xFF0", "byte_test:10,&,129,0,string,hex"] {
            assert_eq!(compile_one(text).canonical(), text);
        }
        assert_eq!(compile_one("byte_test:1,!,0x10,0,string").canonical(), "byte_test:1,!=,16,0,string,dec");
    }

    #[test]
    fn a_failed_read_fails_even_when_negated() {
        assert!(!matches("byte_test:4,>,0,1;", &[1, 2, 3, 4]));
        assert!(!matches("byte_test:4,!>,0,1;", &[1, 2, 3, 4]));
        assert!(!matches("byte_test:1,!=,9,4;", &[1, 2, 3, 4]));
    }

    #[test]
    fn bit_operators_look_at_any_bit() {
        assert!(matches("byte_test:1,&,0x81,0;", &[0x80]));
        assert!(!matches("byte_test:1,!&,0x81,0;", &[0x80]));
        assert!(matches("byte_test:1,^,0x80,0;", &[0x81]));
        assert!(!matches("byte_test:1,^,0x80,0;", &[0x80]));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("byte_test:1,=<,1,0")[0].contains("unknown operator"));
        assert!(problems("byte_test:1,=,1,0,bitmask 0xFFFF")[0].contains("wider"));
        assert!(problems("byte_test:11,=,1,0")[0].contains("outside 1"));
        assert!(problems("byte_test:1,=,1")[0].contains("needs count"));
        assert!(problems("byte_test:1,=,x,0")[0].contains("no variable"));
        assert!(problems("byte_test:5,=,1,0")[0].contains("never read"));
    }
}
