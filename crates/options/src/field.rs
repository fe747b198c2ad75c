//! Numbers that stand in a header, compared with an interval: `ttl`, `itype`, `seq`, …
//!
//! *Invariants*: units without the header (rebuilt stream data has none) fail.

use crate::def::{ParseCx, Parsed};
use crate::int_match::IntMatch;
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption, Unit};
use tapir_packet::{IcmpHeader, IpLayer, TcpHeader, Transport};

/// One field and the test on it.
pub(crate) struct FieldMatch {
    name: &'static str,
    range: IntMatch,
    read: Read,
}

/// Reads the field, if the unit has it.
pub(crate) type Read = fn(&Unit<'_>) -> Option<u64>;

impl FieldMatch {
    /// Parses the option's value as an interval over 0…=max.
    pub(crate) fn parse(cx: &mut ParseCx<'_>, name: &'static str, max: u64, read: Read) -> Result<Parsed, Problem> {
        let arg = cx.value()?;
        let range = IntMatch::parse(arg, max)?;
        if !range.can_match(max) {
            cx.warn_never(arg.span, format!("no number {}", range.words()));
        }
        Parsed::test(Self { name, range, read })
    }
}

impl std::fmt::Debug for FieldMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl RuleOption for FieldMatch {
    fn canonical(&self) -> String {
        format!("{}:{}", self.name, self.range)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        (self.read)(ev.unit).is_some_and(|value| self.range.test(value))
    }

    fn explain(&self) -> String {
        format!("{} {}", self.name, self.range.words())
    }
}

/// The IP layer under evaluation.
#[inline]
pub(crate) fn ip<'u>(unit: &'u Unit<'_>) -> Option<&'u IpLayer<'u>> {
    unit.packet?.ip.get(unit.ip_layer)?.as_ref()
}

/// The TCP header.
#[inline]
pub(crate) fn tcp<'u>(unit: &'u Unit<'_>) -> Option<&'u TcpHeader<'u>> {
    unit.packet?.tcp()
}

/// The ICMP header.
#[inline]
pub(crate) fn icmp(unit: &Unit<'_>) -> Option<IcmpHeader> {
    match unit.packet?.transport {
        Transport::Icmp(header) => Some(header),
        _ => None,
    }
}
