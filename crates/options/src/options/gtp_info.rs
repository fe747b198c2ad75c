//! `gtp_info`: an information element of a GTP message, as a buffer.
//!
//! *Spec*: Snort 3 manual, `gtp_info`; the buffer begins with the element's type and length (its code).

use super::buffer::SetBuffer;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::gtp;
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::{BufferId, BufferKey, Selector};

pub(super) static DEF: OptionDef = OptionDef {
    name: "gtp_info",
    kind: Kind::Buffer,
    summary: "switches to an information element of a GTP message",
    grammar: "CODE|NAME",
    docs: "The options behind it look into the element of this type, by number (0 to 255) or by name such as `apn`, \
           which means the number that it has in the message's version. The buffer begins with the element's type \
           byte and its length field, if it has one. If the message has no such element the rule fails. Never \
           searched for fast patterns.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
struct GtpInfo {
    set: SetBuffer,
    word: String,
}

impl RuleOption for GtpInfo {
    fn canonical(&self) -> String {
        format!("gtp_info:{}", self.word)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        self.set.eval(ev, cursor)
    }

    fn sets_buffer(&self) -> Option<&BufferKey> {
        self.set.sets_buffer()
    }

    fn explain(&self) -> String {
        format!("in the information element {}", self.word)
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let arg = cx.value()?;
    let text = arg.text.trim_matches('"').trim();
    let (kinds, word) = gtp::element(Arg { text, span: arg.span })?;
    let key = BufferKey { id: BufferId::GtpInfo, request: false, selector: Selector::Element(kinds) };
    Parsed::test(GtpInfo { set: SetBuffer { key }, word })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile, compile_one, matches, problems, with_view};
    use bumpalo::Bump;
    use tapir_protocol::{BufferId, BufferKey, PduView, Selector, Service};

    /// A version 2 message with an access point name.
    struct View;

    impl PduView for View {
        fn buffer<'a>(&'a self, key: &BufferKey, _arena: &'a Bump) -> Option<&'a [u8]> {
            match key.selector {
                Selector::Element([_, _, Some(71)]) => Some(b"\x47\0\x03\0\x02ab"),
                _ => None,
            }
        }
        fn searchable<'a>(&'a self, _id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
            None
        }
    }

    #[test]
    fn contents_look_into_the_element() {
        let test = |body: &str| {
            let rule = compile(body).unwrap();
            with_view(&View, |ev, cursor| crate::testing::chain(&rule.options, ev, *cursor))
        };
        assert!(test("gtp_info:apn; content:\"ab\",offset 5;") && test("gtp_info:71; content:\"|47|\",depth 1;"));
        assert!(!test("gtp_info:apn; content:\"x\";") && !test("gtp_info:imsi; content:\"ab\";"));
        assert!(!matches("gtp_info:apn; content:\"a\";", b"a"), "outside GTP");
    }

    #[test]
    fn it_implies_the_service_and_no_fast_pattern() {
        let rule = compile("gtp_info:apn; content:\"ab\";").unwrap();
        assert_eq!(rule.services, [Service::Gtp]);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("gtp_info:256")[0].contains("outside 0 to 255"));
        assert!(problems("gtp_info:nonsense")[0].contains("no information element"));
        assert!(problems("gtp_info")[0].contains("needs a value"));
        assert_eq!(compile_one("gtp_info:\"apn\"").canonical(), "gtp_info:apn");
        assert_eq!(compile_one("gtp_info:0x47").canonical(), "gtp_info:71");
    }
}
