//! `byte_jump`: moves the cursor by a number in the buffer.
//!
//! *Invariants*: the new position lies in the buffer, its end included, or the option fails. Sums are
//! modulo 2³², so what is negative fails as too large.
//!
//! *Spec*: Snort 3 manual, `byte_jump`; `align` rounds the value (not the position) up to 4.

use crate::byte_read::{ByteRead, ReadWords, place, start};
use crate::def::{Kind, Operand, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use std::fmt::Write;

pub(super) static DEF: OptionDef = OptionDef {
    name: "byte_jump",
    kind: Kind::Payload,
    summary: "moves the cursor by a number in the data",
    grammar: "COUNT,OFFSET|VAR[,relative][,big|little|dce][,string][,dec|hex|oct][,multiplier N][,align[ 2|4]]\
              [,from_beginning|from_end][,post_offset N|VAR][,bitmask MASK]",
    docs: "Reads COUNT bytes at OFFSET, multiplies, rounds up to 4 with `align`, and moves the cursor that far \
           behind the bytes read (or from the start or the end of the buffer), then by `post_offset`. With COUNT 0 \
           nothing is read. Fails if the cursor would leave the buffer.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Here,
    Beginning,
    End,
}

#[derive(Debug)]
struct ByteJump {
    read: ByteRead,
    offset: Operand,
    relative: bool,
    multiplier: u32,
    align: bool,
    from: From,
    post: Option<Operand>,
}

impl RuleOption for ByteJump {
    fn canonical(&self) -> String {
        let mut out = format!("byte_jump:{},{}", self.read.count, self.offset);
        if self.relative {
            out.push_str(",relative");
        }
        if self.multiplier != 1 {
            let _ = write!(out, ",multiplier {}", self.multiplier);
        }
        if self.align {
            out.push_str(",align");
        }
        match self.from {
            From::Here => {}
            From::Beginning => out.push_str(",from_beginning"),
            From::End => out.push_str(",from_end"),
        }
        if let Some(post) = &self.post {
            let _ = write!(out, ",post_offset {post}");
        }
        self.read.canonical(&mut out);
        out
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let at = start(cursor, self.relative, self.offset.value(&ev.vars));
        let (value, used) = match self.read.count {
            0 => (0, 0),
            _ => match self.read.read(cursor.data, at, ev.unit.view) {
                Some(read) => read,
                None => return false,
            },
        };
        let mut jump = value.wrapping_mul(self.multiplier);
        if self.align {
            jump = jump.wrapping_add(3) & !3;
        }
        let base = match self.from {
            From::Here => wrap(at).wrapping_add(wrap(i64::try_from(used).unwrap_or(0))),
            From::Beginning => 0,
            From::End => wrap(i64::try_from(cursor.data.len()).unwrap_or(0)),
        };
        let post = self.post.as_ref().map_or(0, |post| wrap(post.value(&ev.vars)));
        match usize::try_from(base.wrapping_add(jump).wrapping_add(post)) {
            Ok(pos) if pos <= cursor.data.len() => {
                cursor.pos = pos;
                true
            }
            Ok(pos) => {
                let next = ev.option.saturating_add(1);
                ev.go_beyond(next, cursor, i64::try_from(pos).unwrap_or(i64::MAX));
                false
            }
            Err(_) => false,
        }
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn floats(&self) -> bool {
        self.relative && self.from == From::Here
    }

    fn explain(&self) -> String {
        let from = match self.from {
            From::Here => "from there",
            From::Beginning => "from the start",
            From::End => "from the end",
        };
        format!("skips {} at {}, counted {from}", self.read.words(), place(&self.offset, self.relative))
    }
}

/// The low 32 bits: the arithmetic of this option is unsigned 32-bit.
fn wrap(value: i64) -> u32 {
    u32::try_from(value & i64::from(u32::MAX)).unwrap_or(0)
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let [count, offset, rest @ ..] = args.as_slice() else { return Err(cx.missing("count and offset")) };
    let mut words = ReadWords::default();
    let (mut multiplier, mut align, mut from, mut post) = (1, false, From::Here, None);
    for &arg in rest {
        if words.take(arg)? {
            continue;
        }
        let to = match arg.pair() {
            ("multiplier", Some(value)) => {
                multiplier = value.u32(1, 65_535)?;
                continue;
            }
            ("align", None) => {
                align = true;
                continue;
            }
            // Whatever the number, Snort rounds to 4.
            ("align", Some(value)) if matches!(value.text, "2" | "4") => {
                align = true;
                continue;
            }
            ("post_offset", Some(value)) => {
                post = Some(cx.operand(value, -65_535, 65_535)?);
                continue;
            }
            ("from_beginning", None) => From::Beginning,
            ("from_end", None) => From::End,
            _ => return Err(cx.unknown(arg)),
        };
        if from != From::Here && from != to {
            return Err(Problem::conflict(arg.span, "the jump counts from the beginning or from the end"));
        }
        from = to;
    }
    let count = u8::try_from(count.int(0, 10)?).unwrap_or(0);
    let read = words.finish(if count == 0 { 4 } else { count }, false, cx)?;
    Parsed::test(ByteJump {
        read: ByteRead { count, ..read },
        offset: cx.operand(*offset, -65_535, 65_535)?,
        relative: words.relative,
        multiplier,
        align,
        from,
        post,
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn canonical_text_reads_back_as_itself() {
        for text in [
            "byte_jump:4,-4,relative,align,dce",
            "byte_jump:0,0,from_end,post_offset -4",
            "byte_jump:2,1,multiplier 2,from_beginning,string,hex",
        ] {
            assert_eq!(compile_one(text).canonical(), text);
        }
    }

    #[test]
    fn the_end_is_reached_but_not_passed() {
        assert!(matches("byte_jump:1,0; isdataat:!0,relative;", b"\x02ab"));
        assert!(!matches("byte_jump:1,0;", b"\x03ab"));
        assert!(!matches("byte_jump:2,0,post_offset -20;", b"\x00\x05hello"));
        assert!(!matches("byte_jump:1,0,from_end;", b"\x01a"));
    }

    #[test]
    fn align_rounds_the_value() {
        assert!(matches(r#"byte_jump:1,0,align 2; content:"X",within 1;"#, b"\x03abcdX"));
        assert!(matches(r#"byte_jump:1,0,align; content:"X",within 1;"#, b"\x03abcdX"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("byte_jump:1,0,from_beginning,from_end")[0].contains("counts from"));
        assert!(problems("byte_jump:1")[0].contains("needs count"));
        assert!(problems("byte_jump:1,0,sideways")[0].contains("no argument"));
    }
}
