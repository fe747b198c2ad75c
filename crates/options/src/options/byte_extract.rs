//! `byte_extract`: keeps a number of the buffer in a variable.
//!
//! *Invariants*: the cursor moves behind the bytes read.
//!
//! *Limits*: [`crate::Vars::MAX`] variables per rule; more than Snort's two warn.
//!
//! *Spec*: Snort 3 manual, `byte_extract`.

use crate::byte_read::{ByteRead, ReadWords, place, start};
use crate::def::{Kind, Operand, OptionDef, ParseCx, Parsed, Repeat, Variable};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use std::fmt::Write;

pub(super) static DEF: OptionDef = OptionDef {
    name: "byte_extract",
    kind: Kind::Payload,
    summary: "reads a number into a variable",
    grammar: "COUNT,OFFSET,NAME[,relative][,big|little|dce][,string[,dec|hex|oct]][,multiplier N][,align 2|4]\
              [,bitmask MASK]",
    docs: "Reads COUNT bytes at OFFSET into the variable NAME, times `multiplier`, rounded up to a multiple of \
           `align`. Later options of the rule take NAME in place of a number. The cursor moves behind the bytes.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
struct ByteExtract {
    read: ByteRead,
    offset: i64,
    name: Variable,
    relative: bool,
    multiplier: u32,
    align: u32,
}

impl RuleOption for ByteExtract {
    fn canonical(&self) -> String {
        let mut out = format!("byte_extract:{},{},{}", self.read.count, self.offset, self.name.name);
        if self.relative {
            out.push_str(",relative");
        }
        if self.multiplier != 1 {
            let _ = write!(out, ",multiplier {}", self.multiplier);
        }
        if self.align != 1 {
            let _ = write!(out, ",align {}", self.align);
        }
        self.read.canonical(&mut out);
        out
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let at = start(cursor, self.relative, self.offset);
        let Some((value, used)) = self.read.read(cursor.data, at, ev.unit.view) else { return false };
        let low = self.align.wrapping_sub(1);
        let value = value.wrapping_mul(self.multiplier).wrapping_add(low) & !low;
        ev.vars.assign(self.name.index, value);
        // The read succeeded: start and end lie in the buffer.
        cursor.pos = usize::try_from(at).unwrap_or(0).saturating_add(used);
        true
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn floats(&self) -> bool {
        self.relative
    }

    fn explain(&self) -> String {
        let place = place(&Operand::Literal(self.offset), self.relative);
        format!("keeps {} at {place} as {}", self.read.words(), self.name.name)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let [count, offset, name, rest @ ..] = args.as_slice() else {
        return Err(cx.missing("count, offset and a name"));
    };
    let mut words = ReadWords::default();
    let (mut multiplier, mut align) = (1, 1);
    for &arg in rest {
        if words.take(arg)? {
            continue;
        }
        match arg.pair() {
            ("multiplier", Some(value)) => multiplier = value.u32(1, 65_535)?,
            ("align", Some(value)) if matches!(value.text, "2" | "4") => align = value.u32(2, 4)?,
            _ => return Err(cx.unknown(arg)),
        }
    }
    let count = u8::try_from(count.int(1, 10)?).unwrap_or(1);
    let read = words.finish(count, true, cx)?;
    let least = if words.relative { -65_535 } else { 0 };
    let offset = offset
        .int(least, 65_535)
        .map_err(|problem| if words.relative { problem } else { problem.help("a negative offset needs `relative`") })?;
    let name = cx.define(*name)?;
    Parsed::test(ByteExtract { read, offset, name, relative: words.relative, multiplier, align })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn canonical_text_reads_back_as_itself() {
        for text in ["byte_extract:2,-4,n,relative,little", "byte_extract:4,0,len,multiplier 2,align 4,string,oct"] {
            assert_eq!(compile_one(text).canonical(), text);
        }
    }

    #[test]
    fn variables_stand_for_numbers() {
        assert!(matches(r#"byte_extract:1,0,n; content:"X",offset n,depth 1;"#, b"\x03abX"));
        assert!(matches(r#"byte_extract:1,0,n; content:"X",distance n,within 1;"#, b"\x02abX"));
        assert!(!matches(r#"byte_extract:1,0,n; content:"a",depth n;"#, b"\x00a"));
        assert!(matches(r#"byte_extract:1,0,n; byte_extract:1,1,n; byte_test:1,=,n,1;"#, b"\x03\x04"));
    }

    #[test]
    fn align_rounds_the_value_up() {
        assert!(matches(r#"byte_extract:1,0,n,align 4; content:"X",offset n,depth 1;"#, b"\x03abcX"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("byte_extract:1,-1,n")[0].contains("outside 0"));
        assert!(problems("byte_extract:1,0,1n")[0].contains("not a name"));
        assert!(problems("byte_extract:1,0,n,hex")[0].contains("needs `string`"));
        assert!(problems("byte_extract:1,0,a; byte_extract:1,0,b; byte_extract:1,0,c")[0].contains("more than two"));
    }
}
