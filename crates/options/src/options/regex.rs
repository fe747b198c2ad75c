//! `regex`: a regular expression without look-around, in Snort run by Hyperscan.
//!
//! *How it fits*: same engine and limits as `pcre`.
//!
//! *Spec*: Snort 3 manual, `regex`. differs: Snort's engine reports the match that ends first, PCRE2
//! the leftmost one; it is never a fast pattern here.

use super::pcre::{Pcre, compile, unquote};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::pcre2::Flags;
use crate::value::{Arg, Problem};

pub(super) static DEF: OptionDef = OptionDef {
    name: "regex",
    kind: Kind::Payload,
    summary: "matches a regular expression (Hyperscan syntax)",
    grammar: "[!]\"/REGEX/[ism]\"[,nocase][,dotall][,multiline][,relative][,fast_pattern]",
    docs: "Matches an expression without look-around and back-references. The slashes may be left out. With \
           `relative` it starts at the cursor. After a match the cursor stands behind it. `fast_pattern` is \
           accepted without effect.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let Some((&first, rest)) = args.split_first() else { return Err(cx.missing("an expression in quotes")) };
    first.quoted()?;
    let (negated, inner) = unquote(first);
    let mut flags = Flags::default();
    let mut relative = false;
    let pattern = strip_slashes(inner, &mut flags);
    for &arg in rest {
        match arg.pair() {
            ("nocase", None) => flags.caseless = true,
            ("dotall", None) => flags.dotall = true,
            ("multiline", None) => flags.multiline = true,
            ("relative", None) => relative = true,
            ("fast_pattern", None) => {}
            _ => return Err(cx.unknown(arg)),
        }
    }
    let regex = compile(cx, pattern, flags)?;
    let words = [
        (flags.caseless, ",nocase"),
        (flags.dotall, ",dotall"),
        (flags.multiline, ",multiline"),
        (relative, ",relative"),
    ];
    let words: String = words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
    let text = format!("regex:{}\"/{}/\"{words}", if negated { "!" } else { "" }, pattern.text);
    Parsed::test(Pcre { text, regex, negated, relative, retries: !negated && !relative })
}

/// `/…/ism` → `…`; anything else stays.
fn strip_slashes<'v>(inner: Arg<'v>, flags: &mut Flags) -> Arg<'v> {
    let Some((body, letters)) = inner.text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
        return inner;
    };
    if !letters.bytes().all(|letter| b"ism".contains(&letter)) {
        return inner;
    }
    flags.caseless |= letters.contains('i');
    flags.dotall |= letters.contains('s');
    flags.multiline |= letters.contains('m');
    let start = inner.span.start.saturating_add(1);
    let end = start.saturating_add(u32::try_from(body.len()).unwrap_or(0));
    Arg { text: body, span: tapir_rules::Span { start, end, ..inner.span } }
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn slashes_are_optional() {
        assert!(matches(r#"regex:"/Hello/"; content:" World",within 6;"#, b"Hello World"));
        assert!(matches(r#"regex:"hello",nocase;"#, b"Hello World"));
        assert!(matches(r#"regex:"/hello/i";"#, b"Hello World"));
        assert!(!matches(r#"regex:!"/Hello/";"#, b"Hello World"));
    }

    #[test]
    fn relative_starts_at_the_cursor() {
        assert!(!matches(r#"content:"b"; regex:"/a/",relative;"#, b"ab"));
        assert!(matches(r#"content:"b"; regex:"/a/",relative;"#, b"aba"));
    }

    #[test]
    fn canonical_text_reads_back_as_itself() {
        let text = r#"regex:"/a(b|c)/",nocase,relative"#;
        assert_eq!(compile_one(text).canonical(), text);
        assert_eq!(compile_one(r#"regex:"/a(b|c)/i",relative"#).canonical(), text);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems(r#"regex:"(a""#)[0].contains("bad regular expression"));
        assert!(problems(r#"regex:"a",sideways"#)[0].contains("no argument"));
    }
}
