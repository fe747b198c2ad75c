//! `http_num_headers`: number of header lines of an HTTP message.
//!
//! *Spec*: Snort 3 manual, `http_num_headers`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::http_fact::HttpFact;
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "http_num_headers",
    kind: Kind::NonPayload,
    summary: "compares the number of header lines",
    grammar: "INTERVAL[,request]",
    docs: "Compares the number of header lines of the message; `request` asks for the request while the response is inspected.",
    repeat: Repeat::Any,
    services: &[Service::Http],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    HttpFact::parse(cx, "http_num_headers", |facts| facts.num_headers)
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, http_facts, matches, problems, with_view};
    use tapir_protocol::HttpFacts;

    #[test]
    fn the_number_is_compared() {
        let view = http_facts(HttpFacts { num_headers: 7, ..HttpFacts::default() });
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("http_num_headers:7") && test("http_num_headers:>6") && !test("http_num_headers:7,request"));
        assert!(!matches("http_num_headers:>=0;", b""), "outside HTTP");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("http_num_headers:1,sideways")[0].contains("no argument"));
        assert_eq!(compile_one("http_num_headers:>7,request").canonical(), "http_num_headers:>7,request");
    }
}
