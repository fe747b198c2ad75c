//! `dnp3_obj`: the object of a DNP3 message.
//!
//! *Spec*: IEEE 1815 §4.2.2.7 (object headers); Snort 3 manual, `dnp3_obj`: group and variation, 0
//! where one is not given. Snort, too, looks at the first object header only.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "dnp3_obj",
    kind: Kind::NonPayload,
    summary: "checks the first object header of a DNP3 message",
    grammar: "group N,var N",
    docs: "True if the first object header of the fragment has this group and this variation (0 to 255 each, 0 where \
           not given).",
    repeat: Repeat::Any,
    services: &[Service::Dnp3],
    parse,
};

#[derive(Debug)]
struct Dnp3Obj {
    group: u8,
    variation: u8,
}

impl RuleOption for Dnp3Obj {
    fn canonical(&self) -> String {
        format!("dnp3_obj:group {},var {}", self.group, self.variation)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        ev.unit.view.dnp3().and_then(|facts| facts.object) == Some((self.group, self.variation))
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    if args.is_empty() {
        return Err(cx.missing("a group and a variation"));
    }
    let (mut group, mut variation) = (None, None);
    for arg in args {
        let (slot, number) = match arg.pair() {
            ("group", Some(number)) => (&mut group, number),
            ("var", Some(number)) => (&mut variation, number),
            _ => return Err(cx.unknown(arg)),
        };
        let number = u8::try_from(number.u32(0, 255)?).unwrap_or(u8::MAX);
        if slot.replace(number).is_some() {
            return Err(Problem::conflict(arg.span, format!("`{}` stands twice", arg.text)));
        }
    }
    Parsed::test(Dnp3Obj { group: group.unwrap_or(0), variation: variation.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, problems, with_view};
    use tapir_protocol::Dnp3Facts;

    #[test]
    fn group_and_variation_must_both_fit() {
        let facts = Dnp3Facts { function: 2, indications: None, object: Some((50, 1)) };
        let view = Facts { dnp3: Some(facts), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("dnp3_obj:group 50 , var 1") && test("dnp3_obj:var 1,group 50"));
        assert!(!test("dnp3_obj:group 50,var 2") && !test("dnp3_obj:group 51,var 1") && !test("dnp3_obj:group 50"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("dnp3_obj:50,1")[0].contains("no argument `50`"));
        assert!(problems("dnp3_obj:group 256,var 1")[0].contains("outside 0 to 255"));
        assert!(problems("dnp3_obj:group 1,group 2")[0].contains("twice"));
        assert!(problems("dnp3_obj")[0].contains("needs a group"));
        assert_eq!(compile_one("dnp3_obj:var 1").canonical(), "dnp3_obj:group 0,var 1");
    }
}
