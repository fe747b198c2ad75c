//! `http_header_test`: whether a header field is absent, numeric or within an interval.
//!
//! *How it fits*: `http_trailer_test` shares [`FieldTest`].
//!
//! *Limits*: numbers of up to 18 digits, without sign; longer ones are not numeric.
//!
//! *Spec*: Snort 3 manual, `http_header_test`.

use super::buffer::field;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::int_match::IntMatch;
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::{BufferId, BufferKey, Selector, Service};

pub(super) static DEF: OptionDef = OptionDef {
    name: "http_header_test",
    kind: Kind::NonPayload,
    summary: "tests the value of a header field",
    grammar: "field NAME,check INTERVAL|numeric true|numeric false|absent[,request]",
    docs: "`absent` is true if the message has no such header; `numeric` tells whether its value is a number; \
           `check` compares the number.",
    repeat: Repeat::Any,
    services: &[Service::Http],
    parse,
};

#[derive(Debug)]
enum Test {
    Absent,
    Numeric(bool),
    Check(IntMatch),
}

/// A test of one field.
#[derive(Debug)]
pub(super) struct FieldTest {
    name: &'static str,
    key: BufferKey,
    test: Test,
}

impl FieldTest {
    pub(super) fn parse(cx: &mut ParseCx<'_>, name: &'static str, id: BufferId) -> Result<Parsed, Problem> {
        let mut key = BufferKey::whole(id);
        let mut test = None;
        for arg in cx.args()? {
            let this = match arg.pair() {
                ("request", None) => {
                    key.request = true;
                    continue;
                }
                ("field", Some(name)) if key.selector == Selector::Whole => {
                    key.selector = field(cx, name)?;
                    continue;
                }
                ("absent", None) => Test::Absent,
                ("numeric", Some(value)) if value.text == "true" => Test::Numeric(true),
                ("numeric", Some(value)) if value.text == "false" => Test::Numeric(false),
                ("check", Some(range)) => Test::Check(IntMatch::parse(range, 999_999_999_999_999_999)?),
                _ => return Err(cx.unknown(arg)),
            };
            if test.replace(this).is_some() {
                return Err(Problem::conflict(arg.span, "only one test at a time"));
            }
        }
        match (key.selector != Selector::Whole, test) {
            (true, Some(test)) => Parsed::test(Self { name, key, test }),
            _ => Err(cx.missing("a field and a test")),
        }
    }
}

impl RuleOption for FieldTest {
    fn canonical(&self) -> String {
        let Selector::Field(field) = &self.key.selector else { return self.name.to_owned() };
        let test = match &self.test {
            Test::Absent => "absent".to_owned(),
            Test::Numeric(yes) => format!("numeric {yes}"),
            Test::Check(range) => format!("check {range}"),
        };
        format!("{}:field {field},{test}{}", self.name, if self.key.request { ",request" } else { "" })
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let unit = ev.unit;
        if unit.view.http(self.key.request).is_none() {
            return false;
        }
        let value = unit.view.buffer(&self.key, unit.arena).filter(|value| !value.is_empty());
        match (&self.test, value) {
            (Test::Absent, value) => value.is_none(),
            (_, None) => false,
            (Test::Numeric(yes), Some(value)) => number(value).is_some() == *yes,
            (Test::Check(range), Some(value)) => number(value).is_some_and(|number| range.test(number)),
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    if value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldTest::parse(cx, "http_header_test", BufferId::HttpHeader)
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, http_field, matches, problems, with_view};

    #[test]
    fn fields_are_tested() {
        let test =
            |text, value: &'static [u8]| with_view(&http_field(value), |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("http_header_test:field host,absent", b""));
        assert!(!test("http_header_test:field host,absent", b"x"));
        assert!(test("http_header_test:field age,numeric true", b"12"));
        assert!(test("http_header_test:field age,numeric false", b"-12"));
        assert!(test("http_header_test:field age,numeric false", b"1234567890123456789"));
        assert!(test("http_header_test:field age,check >10", b"12"));
        assert!(!test("http_header_test:field age,check >10", b"1"));
        assert!(!matches("http_header_test:field age,absent;", b""), "outside HTTP");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("http_header_test:field age")[0].contains("needs a field"));
        assert!(problems("http_header_test:absent")[0].contains("needs a field"));
        assert!(problems("http_header_test:field age,absent,numeric true")[0].contains("only one"));
        let text = "http_header_test:field age,check 1<=>9,request";
        assert_eq!(compile_one(text).canonical(), text);
    }
}
