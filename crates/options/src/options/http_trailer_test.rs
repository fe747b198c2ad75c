//! `http_trailer_test`: whether a trailer field is absent, numeric or within an interval.
//!
//! *Spec*: Snort 3 manual, `http_trailer_test`.

use super::http_header_test::FieldTest;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::{BufferId, Service};

pub(super) static DEF: OptionDef = OptionDef {
    name: "http_trailer_test",
    kind: Kind::NonPayload,
    summary: "tests the value of a trailer field",
    grammar: "field NAME,check INTERVAL|numeric true|numeric false|absent[,request]",
    docs: "As `http_header_test`, on the trailers behind a chunked body.",
    repeat: Repeat::Any,
    services: &[Service::Http],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    FieldTest::parse(cx, "http_trailer_test", BufferId::HttpTrailer)
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, http_field, problems, with_view};

    #[test]
    fn fields_are_tested() {
        let option = compile_one("http_trailer_test:field age,numeric true");
        assert!(with_view(&http_field(b"1"), |ev, cursor| option.eval(ev, cursor)));
        assert!(!with_view(&http_field(b"x"), |ev, cursor| option.eval(ev, cursor)));
        assert_eq!(option.canonical(), "http_trailer_test:field age,numeric true");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("http_trailer_test:field age,maybe")[0].contains("no argument"));
    }
}
