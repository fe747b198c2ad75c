//! `base64_data`: the output of `base64_decode`, as a buffer.
//!
//! *Spec*: Snort 3 manual, `base64_data`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use std::sync::LazyLock;
use tapir_protocol::{BufferId, BufferKey};

pub(super) static DEF: OptionDef = OptionDef {
    name: "base64_data",
    kind: Kind::Buffer,
    summary: "switches to what base64_decode decoded",
    grammar: "",
    docs: "The options behind it look into the bytes that `base64_decode` decoded in this rule. Fails if there are \
           none.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

static KEY: LazyLock<BufferKey> = LazyLock::new(|| BufferKey::whole(BufferId::Base64Data));

#[derive(Debug)]
struct Base64Data;

impl RuleOption for Base64Data {
    fn canonical(&self) -> String {
        "base64_data".to_owned()
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        match ev.base64 {
            Some(data) if !data.is_empty() => {
                cursor.set(BufferId::Base64Data, data);
                true
            }
            _ => false,
        }
    }

    fn sets_buffer(&self) -> Option<&BufferKey> {
        Some(&KEY)
    }

    fn explain(&self) -> String {
        "in the decoded Base64 text".to_owned()
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    cx.no_value()?;
    Parsed::test(Base64Data)
}

#[cfg(test)]
mod tests {
    use crate::testing::{matches, problems};

    #[test]
    fn nothing_decoded_fails() {
        assert!(!matches("base64_data;", b"YWJj"));
        assert!(matches(r#"base64_decode:bytes 4; base64_data; content:"abc";"#, b"YWJj"));
    }

    #[test]
    fn it_takes_no_value() {
        assert!(problems("base64_data:1")[0].contains("takes no value"));
    }
}
