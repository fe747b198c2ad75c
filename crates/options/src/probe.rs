//! A bare unit around some bytes, to evaluate options on: fuzz functions and tests.

use crate::{Cursor, Eval, Net, Unit, UnitKind, Vars};
use bumpalo::Bump;
use std::net::{IpAddr, Ipv4Addr};
use tapir_packet::Timestamp;
use tapir_protocol::{NoView, Section};
use tapir_telemetry::Counters;

/// Addresses and ports of the unit.
pub(crate) const NET: Net = Net {
    source: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)),
    destination: IpAddr::V4(Ipv4Addr::new(10, 9, 8, 7)),
    source_port: Some(40_000),
    destination_port: Some(9_999),
    protocol: 17,
};

/// A wire packet without headers, flow and service.
pub(crate) fn unit<'a>(data: &'a [u8], arena: &'a Bump) -> Unit<'a> {
    Unit {
        kind: UnitKind::Raw,
        packet: None,
        ip_layer: 0,
        net: NET,
        payload: data,
        raw: data,
        view: &NoView,
        section: Section::Plain,
        starts_message: true,
        flow: None,
        service: None,
        time: Timestamp(0),
        arena,
    }
}

/// Runs `f` on `unit`.
pub(crate) fn run<'a, R>(unit: &Unit<'a>, f: impl FnOnce(&mut Eval<'a, '_>, &mut Cursor<'a>) -> R) -> R {
    let mut counters = Counters::default();
    let mut cursor = Cursor::new(unit);
    let mut ev = Eval {
        unit,
        vars: Vars::default(),
        base64: None,
        counters: &mut counters,
        hits: None,
        option: 0,
        beyond: None,
    };
    f(&mut ev, &mut cursor)
}

/// Runs `f` on a unit with this payload.
pub(crate) fn with_eval<R>(data: &[u8], f: impl for<'a> FnOnce(&mut Eval<'a, '_>, &mut Cursor<'a>) -> R) -> R {
    let arena = Bump::new();
    run(&unit(data, &arena), f)
}
