//! `dce_iface`: the interface that a DCE/RPC request is for.
//!
//! *Spec*: DCE 1.1 RPC, chapter 12; Snort 3 manual, `dce_iface`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::int_match::IntMatch;
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "dce_iface",
    kind: Kind::NonPayload,
    summary: "checks the interface of a DCE/RPC request",
    grammar: "uuid UUID[,version INTERVAL][,any_frag]",
    docs: "True for requests on a context that was bound to this interface on the flow. Without `any_frag` only \
           first fragments count.",
    repeat: Repeat::Any,
    services: &[Service::NetbiosSsn],
    parse,
};

#[derive(Debug)]
struct DceIface {
    uuid: [u8; 16],
    version: Option<IntMatch>,
    any_frag: bool,
}

impl RuleOption for DceIface {
    fn canonical(&self) -> String {
        let mut out = "dce_iface:uuid ".to_owned();
        for (at, byte) in self.uuid.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            out.push_str(&format!("{byte:02x}"));
        }
        if let Some(version) = self.version {
            out.push_str(&format!(",version {version}"));
        }
        if self.any_frag {
            out.push_str(",any_frag");
        }
        out
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let Some(facts) = ev.unit.view.dce() else { return false };
        facts.iface == Some(self.uuid)
            && self.version.is_none_or(|version| version.test(u64::from(facts.iface_version)))
            && (self.any_frag || facts.first_fragment)
    }
}

/// `8-4-4-4-12` hexadecimal digits.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let mut uuid = [0; 16];
    for (byte, pair) in uuid.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |value, digit| value << 4 | digit);
    }
    (groups == [8, 4, 4, 4, 12]).then_some(uuid)
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let (mut id, mut version, mut any_frag) = (None, None, false);
    for arg in cx.args()? {
        match arg.pair() {
            ("uuid", Some(value)) => {
                let parsed = uuid(value.text.trim_matches('"'));
                id = Some(parsed.ok_or_else(|| Problem::syntax(value.span, "not a UUID"))?);
            }
            ("version", Some(range)) => version = Some(IntMatch::parse(range, u64::from(u32::MAX))?),
            ("any_frag", None) => any_frag = true,
            _ => return Err(cx.unknown(arg)),
        }
    }
    match id {
        Some(uuid) => Parsed::test(DceIface { uuid, version, any_frag }),
        None => Err(cx.missing("`uuid`")),
    }
}

#[cfg(test)]
mod tests {
    use super::uuid;
    use crate::testing::{Facts, compile_one, problems, with_view};
    use tapir_protocol::DceFacts;

    const SRVSVC: &str = "4b324fc8-1670-01d3-1278-5a47bf6ee188";

    #[test]
    fn interface_version_and_fragment_are_checked() {
        let dce = DceFacts { iface: uuid(SRVSVC), iface_version: 3, first_fragment: false, ..DceFacts::default() };
        let view = Facts { dce: Some(dce), ..Facts::default() };
        let test = |text: &str| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test(&format!("dce_iface:uuid {SRVSVC},version >2,any_frag")));
        assert!(!test(&format!("dce_iface:uuid {SRVSVC}")));
        assert!(!test(&format!("dce_iface:uuid {SRVSVC},version 2,any_frag")));
        assert!(!test("dce_iface:uuid 00000000-1670-01d3-1278-5a47bf6ee188,any_frag"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("dce_iface:uuid 4b324fc8")[0].contains("not a UUID"));
        assert!(problems("dce_iface:any_frag")[0].contains("needs `uuid`"));
        let text = format!("dce_iface:uuid {SRVSVC},version <=2,any_frag");
        assert_eq!(compile_one(&text).canonical(), text);
    }
}
