//! One byte of a service's header, compared with a number or a name: `modbus_func`, `dnp3_func`, …
//!
//! *Invariants*: fails on units that don't have the byte.

use crate::def::{ParseCx, Parsed};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use std::fmt;
use tapir_protocol::PduView;

/// Names of codes.
pub(crate) type Names = &'static [(&'static str, u8)];

/// What sort of argument an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// A number from 0 to 255, or a name in lower case.
    NumberOrName,
    /// A name in any case.
    Name,
}

/// One code and the test on it.
pub(crate) struct CodeMatch {
    option: &'static str,
    names: Names,
    code: u8,
    read: Read,
}

/// Reads the code, if the unit has it.
pub(crate) type Read = fn(&dyn PduView) -> Option<u8>;

impl CodeMatch {
    pub(crate) fn parse(
        cx: &ParseCx<'_>,
        option: &'static str,
        accept: Accept,
        names: Names,
        read: Read,
    ) -> Result<Parsed, Problem> {
        let arg = cx.value()?;
        let text = arg.text.trim_matches('"').trim();
        let named = names.iter().find(|(name, _)| match accept {
            Accept::NumberOrName => *name == text,
            Accept::Name => name.eq_ignore_ascii_case(text),
        });
        let code = match named {
            Some((_, code)) => *code,
            None if accept == Accept::NumberOrName && text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                let number = crate::value::Arg { text, span: arg.span }.u32(0, 255)?;
                u8::try_from(number).unwrap_or(u8::MAX)
            }
            None => return Err(cx.unknown(arg)),
        };
        Parsed::test(Self { option, names, code, read })
    }

    fn name(&self) -> Option<&'static str> {
        self.names.iter().find(|(_, code)| *code == self.code).map(|(name, _)| *name)
    }
}

impl fmt::Debug for CodeMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl RuleOption for CodeMatch {
    fn canonical(&self) -> String {
        match self.name() {
            Some(name) => format!("{}:{name}", self.option),
            None => format!("{}:{}", self.option, self.code),
        }
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        (self.read)(ev.unit.view) == Some(self.code)
    }

    fn explain(&self) -> String {
        match self.name() {
            Some(name) => format!("{} is {name} ({})", self.option, self.code),
            None => format!("{} is {}", self.option, self.code),
        }
    }
}
