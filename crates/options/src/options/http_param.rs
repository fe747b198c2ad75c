//! `http_param`: the value of a request parameter, as a buffer.
//!
//! *How it fits*: repeated parameters are tried one after another: on a retry the next value is taken.
//!
//! *Spec*: Snort 3 manual, `http_param`.

use super::buffer::SetBuffer;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_protocol::{BufferId, BufferKey, Selector};

pub(super) static DEF: OptionDef = OptionDef {
    name: "http_param",
    kind: Kind::Buffer,
    summary: "switches to the value of a request parameter",
    grammar: "\"NAME\"[,nocase]",
    docs: "The options behind it look into the value of the parameter, from the query or a form body. If the \
           parameter is repeated, its values are tried in order. Never searched for fast patterns.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

#[derive(Debug)]
struct HttpParam(SetBuffer);

impl RuleOption for HttpParam {
    fn canonical(&self) -> String {
        self.0.canonical()
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let tried = cursor.delta;
        let unit = ev.unit;
        let data = match (tried, &self.0.key.selector) {
            (0, _) => unit.view.buffer(&self.0.key, unit.arena),
            (_, Selector::Param { name, nocase, .. }) => {
                let occurrence = u32::try_from(tried).unwrap_or(u32::MAX);
                let selector = Selector::Param { name: name.clone(), nocase: *nocase, occurrence };
                unit.view.buffer(&BufferKey { selector, ..self.0.key }, unit.arena)
            }
            _ => None,
        };
        match data.filter(|data| !data.is_empty()) {
            Some(data) => {
                cursor.set(BufferId::HttpParam, data);
                cursor.delta = tried + 1;
                true
            }
            None => false,
        }
    }

    fn can_retry(&self) -> bool {
        true
    }

    fn sets_buffer(&self) -> Option<&BufferKey> {
        self.0.sets_buffer()
    }

    fn explain(&self) -> String {
        self.0.explain()
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let (name, nocase) = match args.as_slice() {
        [name] => (*name, false),
        [name, word] if word.text == "nocase" => (*name, true),
        [_, word, ..] => return Err(cx.unknown(*word)),
        [] => return Err(cx.missing("a name in quotes")),
    };
    let (negated, bytes) = name.byte_string()?;
    if negated {
        return Err(Problem::syntax(name.span, "the name of a parameter can't be negated"));
    }
    let selector = Selector::Param { name: bytes.into(), nocase, occurrence: 0 };
    let key = BufferKey { id: BufferId::HttpParam, request: false, selector };
    Parsed::test(HttpParam(SetBuffer { key }))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile, compile_one, http_params, problems, with_view};
    use crate::{Cursor, Eval};

    fn retried<'a>(body: &str, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let rule = compile(body).unwrap();
        let mut delta = 0;
        loop {
            let mut here = Cursor { delta, ..*cursor };
            if !rule.options[0].eval(ev, &mut here) {
                return false;
            }
            delta = here.delta;
            let mut next = Cursor { delta: 0, ..here };
            if rule.options[1].eval(ev, &mut next) {
                return true;
            }
        }
    }

    #[test]
    fn repeated_parameters_are_tried_in_order() {
        let view = http_params(&[b"1", b"2", b"3"]);
        assert!(with_view(&view, |ev, cursor| retried(r#"http_param:"a"; content:"3";"#, ev, cursor)));
        assert!(!with_view(&view, |ev, cursor| retried(r#"http_param:"a"; content:"4";"#, ev, cursor)));
    }

    #[test]
    fn canonical_text_reads_back_as_itself() {
        let text = r#"http_param:"id",nocase"#;
        assert_eq!(compile_one(text).canonical(), text);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("http_param:id")[0].contains("not a string"));
        assert!(problems(r#"http_param:!"id""#)[0].contains("negated"));
    }
}
