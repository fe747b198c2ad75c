//! `sd_pattern`: sensitive data: card numbers, social security numbers and the like.
//!
//! *Invariants*: matches do not overlap; card numbers must pass the Luhn check, social security
//! numbers must be possible ones.
//!
//! *Limits*: [`crate::PcreLimits`] for each search.
//!
//! *Spec*: Snort 3 manual, `sd_pattern`; ISO/IEC 7812-1 (Luhn); 20 CFR 422.103 (numbers never issued).

use super::pcre::compile;
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::pcre2::{Flags, Found, Regex};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use tapir_telemetry::Counter;

pub(super) static DEF: OptionDef = OptionDef {
    name: "sd_pattern",
    kind: Kind::Payload,
    summary: "counts sensitive data",
    grammar: "\"credit_card|us_social|us_social_nodashes|email|us_phone|REGEX\"[,threshold N]",
    docs: "True if the buffer holds at least `threshold` (1) matches behind the cursor. Card numbers are checked by \
           their check digit, social security numbers by what was ever issued.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

/// A kind of data: name, expression, check of a match.
type Builtin = (&'static str, &'static str, fn(&[u8]) -> bool);

const BUILTINS: [Builtin; 5] = [
    ("credit_card", r"\b\d{4}[ -]?\d{4}[ -]?\d{2}[ -]?\d{2}[ -]?\d{1,4}\b", card),
    ("us_social", r"\b\d{3}-\d{2}-\d{4}\b", social),
    ("us_social_nodashes", r"\b\d{9}\b", social),
    ("email", r"\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b", any),
    ("us_phone", r"(?<!\d)(?:\+?1[ .-]?)?\(?[2-9]\d{2}\)?[ .-]?[2-9]\d{2}[ .-]?\d{4}\b", any),
];

#[derive(Debug)]
struct SdPattern {
    text: String,
    regex: Regex,
    check: fn(&[u8]) -> bool,
    threshold: u32,
}

impl RuleOption for SdPattern {
    fn canonical(&self) -> String {
        match self.threshold {
            1 => format!("sd_pattern:\"{}\"", self.text),
            n => format!("sd_pattern:\"{}\",threshold {n}", self.text),
        }
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let (mut at, mut count) = (cursor.pos, 0);
        loop {
            let range = match self.regex.find(cursor.data, at, true) {
                Found::Match(range) => range,
                Found::No => return false,
                Found::Limit => {
                    ev.counters.bump(Counter::PcreLimit);
                    return false;
                }
                Found::Failed => {
                    ev.counters.bump(Counter::PcreErrors);
                    return false;
                }
            };
            count += u32::from(cursor.data.get(range.clone()).is_some_and(self.check));
            if count >= self.threshold {
                return true;
            }
            at = range.end.max(at + usize::from(range.is_empty()));
        }
    }

    fn cost(&self) -> u32 {
        100
    }
}

fn any(_: &[u8]) -> bool {
    true
}

/// The check digit of card numbers, of issuers that exist.
fn card(text: &[u8]) -> bool {
    let digits = || text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let issuer = digits().next().is_some_and(|digit| (3..=6).contains(&digit));
    let sum: u32 = digits()
        .collect::<Vec<_>>()
        .iter()
        .rev()
        .enumerate()
        .map(|(at, &digit)| if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    issuer && sum.is_multiple_of(10)
}

/// Area, group and serial number were possible ones.
fn social(text: &[u8]) -> bool {
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    match digits.as_slice() {
        [b'0', b'0', b'0', ..] | [b'6', b'6', b'6', ..] | [b'9', ..] => false,
        [_, _, _, b'0', b'0', ..] | [.., b'0', b'0', b'0', b'0'] => false,
        digits => digits.len() == 9,
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let (pattern, threshold) = match args.as_slice() {
        [pattern] => (*pattern, 1),
        [pattern, word] => match word.pair() {
            ("threshold", Some(value)) => (*pattern, value.u32(1, u32::MAX)?),
            _ => return Err(cx.unknown(*word)),
        },
        _ => return Err(cx.missing("a pattern in quotes and perhaps `threshold`")),
    };
    let (negated, inner) = pattern.quoted()?;
    if negated || inner.text.is_empty() {
        return Err(Problem::syntax(pattern.span, "a pattern is neither empty nor negated"));
    }
    let text = inner.text.to_owned();
    let (regex, check) = match BUILTINS.iter().find(|(name, ..)| *name == inner.text) {
        Some(&(_, expression, check)) => {
            let expression = crate::value::Arg { text: expression, span: inner.span };
            (compile(cx, expression, Flags::default())?, check)
        }
        None => (compile(cx, inner, Flags::default())?, any as fn(&[u8]) -> bool),
    };
    Parsed::test(SdPattern { text, regex, check, threshold })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn cards_need_a_valid_check_digit() {
        for card in ["4111111111111111", "4111 1111 1111 1111", "3782 822463 10005", "6011-0009-9013-9424"] {
            assert!(matches("sd_pattern:\"credit_card\";", card.as_bytes()), "{card}");
        }
        for text in ["4111111111111112", "9111111111111111", "41111111111111110000", "1234"] {
            assert!(!matches("sd_pattern:\"credit_card\";", text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn social_security_numbers_must_be_possible() {
        assert!(matches("sd_pattern:\"us_social\";", b"ssn 123-45-6789."));
        assert!(matches("sd_pattern:\"us_social_nodashes\";", b"ssn 123456789."));
        for text in ["000-45-6789", "666-45-6789", "900-45-6789", "123-00-6789", "123-45-0000"] {
            assert!(!matches("sd_pattern:\"us_social\";", text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn matches_are_counted() {
        let two = b"a@example.com, b@example.org";
        assert!(matches("sd_pattern:\"email\",threshold 2;", two));
        assert!(!matches("sd_pattern:\"email\",threshold 3;", two));
        assert!(matches("sd_pattern:\"us_phone\";", b"call (212) 555-2368 now"));
        assert!(matches(r#"sd_pattern:"\d\d[a-f]",threshold 2;"#, b"12a 34b"));
        assert!(!matches(r#"sd_pattern:"x*",threshold 4;"#, b"ab"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("sd_pattern:\"(\"")[0].contains("bad regular expression"));
        assert!(problems("sd_pattern:\"a\",threshold 0")[0].contains("outside 1"));
        let text = r#"sd_pattern:"us_social",threshold 2"#;
        assert_eq!(compile_one(text).canonical(), text);
    }
}
