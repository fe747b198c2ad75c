//! A code of one or two bytes in a service's header, compared with a number or a name: `modbus_func`, `dnp3_func`, …
//!
//! *Invariants*: fails on units that don't have the code.

use crate::def::{ParseCx, Parsed};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use std::fmt;
use tapir_protocol::PduView;

/// Names of codes.
pub(crate) type Names<C = u8> = &'static [(&'static str, C)];

/// A code's type.
pub(crate) trait Code: Copy + Eq + Into<u32> + TryFrom<u32> + Send + Sync + 'static {
    /// The largest.
    const MAX: Self;
}

impl Code for u8 {
    const MAX: Self = Self::MAX;
}

impl Code for u16 {
    const MAX: Self = Self::MAX;
}

/// What sort of argument an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// A number from 0 to what the type holds, or a name in lower case.
    NumberOrName,
    /// A name in any case.
    Name,
}

/// One code and the test on it.
pub(crate) struct CodeMatch<C: Code = u8> {
    option: &'static str,
    names: Names<C>,
    code: C,
    read: Read<C>,
}

/// Reads the code, if the unit has it.
pub(crate) type Read<C> = fn(&dyn PduView) -> Option<C>;

impl<C: Code> CodeMatch<C> {
    pub(crate) fn parse(
        cx: &ParseCx<'_>,
        option: &'static str,
        accept: Accept,
        names: Names<C>,
        read: Read<C>,
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
                let number = crate::value::Arg { text, span: arg.span }.u32(0, C::MAX.into())?;
                C::try_from(number).unwrap_or(C::MAX)
            }
            None => return Err(cx.unknown(arg)),
        };
        Parsed::test(Self { option, names, code, read })
    }

    fn number(&self) -> u32 {
        self.code.into()
    }

    fn name(&self) -> Option<&'static str> {
        self.names.iter().find(|(_, code)| *code == self.code).map(|(name, _)| *name)
    }
}

impl<C: Code> fmt::Debug for CodeMatch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl<C: Code> RuleOption for CodeMatch<C> {
    fn canonical(&self) -> String {
        match self.name() {
            Some(name) => format!("{}:{name}", self.option),
            None => format!("{}:{}", self.option, self.number()),
        }
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        (self.read)(ev.unit.view) == Some(self.code)
    }

    fn explain(&self) -> String {
        match self.name() {
            Some(name) => format!("{} is {name} ({})", self.option, self.number()),
            None => format!("{} is {}", self.option, self.number()),
        }
    }
}
