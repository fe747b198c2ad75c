//! `byte_math`: calculates with a number of the buffer.
//!
//! *Invariants*: the cursor stays; overflow, underflow and division by zero fail.
//!
//! *Spec*: Snort 3 manual, `byte_math`; bits that a shift pushes out are lost silently.

use crate::byte_read::{ByteRead, Endian, ReadWords, place, start};
use crate::def::{Kind, Operand, OptionDef, ParseCx, Parsed, Repeat, Variable};
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "byte_math",
    kind: Kind::Payload,
    summary: "calculates with a number in the data",
    grammar: "bytes N,offset N|VAR,oper +|-|*|/|<<|>>,rvalue N|VAR,result NAME[,relative][,endian big|little][,dce]\
              [,string hex|dec|oct][,bitmask MASK]",
    docs: "Reads bytes, applies the operator with `rvalue` and keeps the result in the variable NAME. The cursor \
           stays. Fails if the result is no unsigned 32-bit number.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oper {
    Add,
    Subtract,
    Multiply,
    Divide,
    Left,
    Right,
}

impl Oper {
    const ALL: [(Oper, &'static str); 6] = [
        (Oper::Add, "+"),
        (Oper::Subtract, "-"),
        (Oper::Multiply, "*"),
        (Oper::Divide, "/"),
        (Oper::Left, "<<"),
        (Oper::Right, ">>"),
    ];

    #[inline]
    fn apply(self, value: u32, operand: u32) -> Option<u32> {
        match self {
            Self::Add => value.checked_add(operand),
            Self::Subtract => value.checked_sub(operand),
            Self::Multiply => value.checked_mul(operand),
            Self::Divide => value.checked_div(operand),
            Self::Left => Some(value.checked_shl(operand).unwrap_or(0)),
            Self::Right => Some(value.checked_shr(operand).unwrap_or(0)),
        }
    }
}

#[derive(Debug)]
struct ByteMath {
    read: ByteRead,
    offset: Operand,
    oper: Oper,
    rvalue: Operand,
    result: Variable,
    relative: bool,
}

impl ByteMath {
    fn sign(&self) -> &'static str {
        Oper::ALL.iter().find(|(oper, _)| *oper == self.oper).map_or("", |(_, sign)| *sign)
    }
}

impl RuleOption for ByteMath {
    fn canonical(&self) -> String {
        let mut out = format!(
            "byte_math:bytes {},offset {},oper {},rvalue {},result {}",
            self.read.count,
            self.offset,
            self.sign(),
            self.rvalue,
            self.result.name
        );
        if self.relative {
            out.push_str(",relative");
        }
        let mut words = String::new();
        self.read.canonical(&mut words);
        out.push_str(&words.replace(",little", ",endian little").replace(",string,", ",string "));
        out
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let at = start(cursor, self.relative, self.offset.value(&ev.vars));
        let Some((value, _)) = self.read.read(cursor.data, at, ev.unit.view) else { return false };
        let operand = u32::try_from(self.rvalue.value(&ev.vars)).unwrap_or(u32::MAX);
        match self.oper.apply(value, operand) {
            Some(result) => {
                ev.vars.assign(self.result.index, result);
                true
            }
            None => false,
        }
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn floats(&self) -> bool {
        self.relative
    }

    fn explain(&self) -> String {
        let place = place(&self.offset, self.relative);
        format!("keeps {} at {place} {} {} as {}", self.read.words(), self.sign(), self.rvalue, self.result.name)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let mut words = ReadWords::default();
    let (mut bytes, mut offset, mut oper, mut rvalue, mut result) = (None, None, None, None, None);
    for arg in cx.args()? {
        match arg.pair() {
            ("bytes", Some(value)) => bytes = Some(u8::try_from(value.int(1, 10)?).unwrap_or(1)),
            ("offset", Some(value)) => offset = Some(cx.operand(value, -65_535, 65_535)?),
            ("oper", Some(value)) => oper = Some(operator(value)?),
            ("rvalue", Some(value)) => rvalue = Some((cx.operand(value, 1, i64::from(u32::MAX))?, value)),
            ("result", Some(value)) => result = Some(value),
            ("endian", Some(value)) => match value.text {
                "big" => words.endian(value, Endian::Big)?,
                "little" => words.endian(value, Endian::Little)?,
                _ => return Err(Problem::syntax(value.span, "the byte order is `big` or `little`")),
            },
            ("string", Some(value)) => {
                words.string();
                match value.text {
                    "dec" => words.base(value, 10)?,
                    "hex" => words.base(value, 16)?,
                    "oct" => words.base(value, 8)?,
                    _ => return Err(Problem::syntax(value.span, "the base is `dec`, `hex` or `oct`")),
                }
            }
            _ if words.take(arg)? => {}
            _ => return Err(cx.unknown(arg)),
        }
    }
    let (Some(bytes), Some(offset), Some(oper), Some((rvalue, rvalue_arg)), Some(result)) =
        (bytes, offset, oper, rvalue, result)
    else {
        return Err(cx.missing("bytes, offset, oper, rvalue and result"));
    };
    if matches!(oper, Oper::Left | Oper::Right) {
        if bytes > 4 {
            return Err(Problem::range(cx.node.value_span, "a shift takes 4 bytes at most"));
        }
        if rvalue.literal().is_some_and(|bits| bits > 32) {
            return Err(Problem::range(rvalue_arg.span, "a shift is by 32 bits at most"));
        }
    }
    let read = words.finish(bytes, false, cx)?;
    let result = cx.define(result)?;
    Parsed::test(ByteMath { read, offset, oper, rvalue, result, relative: words.relative })
}

fn operator(value: Arg<'_>) -> Result<Oper, Problem> {
    Oper::ALL
        .iter()
        .find(|(_, sign)| *sign == value.text)
        .map(|(oper, _)| *oper)
        .ok_or_else(|| Problem::syntax(value.span, format!("unknown operator `{}`", value.text)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn canonical_text_reads_back_as_itself() {
        for text in [
            "byte_math:bytes 2,offset -4,oper *,rvalue 3,result r,relative,endian little,bitmask 0xFF",
            "byte_math:bytes 10,offset 0,oper >>,rvalue 3,result r,string hex",
        ] {
            if text.contains(">>") {
                assert!(problems(text)[0].contains("4 bytes at most"));
            } else {
                assert_eq!(compile_one(text).canonical(), text);
            }
        }
        let text = "byte_math:bytes 4,offset 0,oper >>,rvalue 3,result r,string hex";
        assert_eq!(compile_one(text).canonical(), text);
    }

    #[test]
    fn results_outside_32_bits_fail() {
        assert!(!matches("byte_math:bytes 1,offset 0,oper -,rvalue 5,result r;", &[1]));
        assert!(!matches("byte_math:bytes 4,offset 0,oper +,rvalue 1,result r;", &[255; 4]));
        assert!(!matches("byte_extract:1,0,z; byte_math:bytes 1,offset 0,oper /,rvalue z,result r;", &[0]));
        assert!(matches(
            "byte_math:bytes 4,offset 0,oper <<,rvalue 32,result r; byte_test:1,=,r,4;",
            &[255, 1, 1, 1, 0]
        ));
    }

    #[test]
    fn the_cursor_stays() {
        assert!(matches(
            r#"byte_math:bytes 1,offset 0,oper +,rvalue 2,result r; content:"X",offset r,depth 1;
               content:"|01|",distance -4,within 1;"#,
            b"\x01abX"
        ));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("byte_math:bytes 1,offset 0,oper +,rvalue 0,result r")[0].contains("outside 1"));
        assert!(problems("byte_math:bytes 1,offset 0,oper %,rvalue 1,result r")[0].contains("unknown operator"));
        assert!(problems("byte_math:bytes 1,offset 0,oper +,rvalue 1")[0].contains("needs bytes"));
    }
}
