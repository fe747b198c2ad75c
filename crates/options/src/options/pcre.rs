//! `pcre`: a Perl-compatible regular expression on the buffer.
//!
//! *How it fits*: runs PCRE2 with JIT through [`crate::pcre2`]; `regex` shares [`Pcre`].
//!
//! *Invariants*: 1. Relative expressions match on the bytes behind the cursor, so `^` is the cursor.
//! 2. A retry goes on from the end of the last match and never takes the same empty match again.
//! 3. A negated expression never moves the cursor.
//!
//! *Limits*: [`crate::PcreLimits`]; a hit is no match (for `!`: a match), counter `pcre_limit`.
//!
//! *Spec*: Snort 3 manual, `pcre`; `R` is Snort's, the other flags are PCRE's.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::pcre2::{Flags, Found, Regex};
use crate::value::{Arg, Problem, code};
use crate::{Cursor, Eval, Hit, HitKind, RuleOption};
use tapir_rules::Span;
use tapir_telemetry::Counter;

pub(super) static DEF: OptionDef = OptionDef {
    name: "pcre",
    kind: Kind::Payload,
    summary: "matches a regular expression",
    grammar: "[!]\"/REGEX/[ismxAEGRO]\" | [!]\"mDREGEXD[flags]\"",
    docs: "Matches a PCRE2 expression on bytes (no UTF-8). Flags: `i` caseless, `s` dot matches line ends, `m` `^` \
           and `$` at lines, `x` extended, `A` anchored, `E` `$` only at the very end, `G` ungreedy, `R` starts at \
           the cursor, `O` accepted without effect. After a match the cursor stands behind it. A `;` must be \
           written `\\;`.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

/// A regular expression as option, of `pcre` or `regex`.
#[derive(Debug)]
pub(super) struct Pcre {
    pub text: String,
    pub regex: Regex,
    pub negated: bool,
    pub relative: bool,
    pub retries: bool,
}

impl Pcre {
    #[inline]
    fn find(&self, ev: &mut Eval<'_, '_>, cursor: &Cursor<'_>) -> Option<(usize, usize)> {
        let base = if self.relative { cursor.pos } else { 0 };
        let subject = cursor.data.get(base..)?;
        let start = cursor.delta.saturating_sub(1);
        match self.regex.find(subject, start, cursor.delta > 0) {
            Found::Match(range) => Some((base + range.start, base + range.end)),
            Found::No => None,
            Found::Limit => {
                ev.counters.bump(Counter::PcreLimit);
                None
            }
            Found::Failed => {
                ev.counters.bump(Counter::PcreErrors);
                None
            }
        }
    }
}

impl RuleOption for Pcre {
    fn canonical(&self) -> String {
        self.text.clone()
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let found = self.find(ev, cursor);
        if self.negated {
            return found.is_none();
        }
        let Some((start, end)) = found else { return false };
        let base = if self.relative { cursor.pos } else { 0 };
        // One more than the end within the subject, so that it is never 0.
        cursor.delta = end - base + 1;
        if end > 0 {
            cursor.pos = end;
        }
        if let Some(hits) = ev.hits.as_deref_mut() {
            hits.push(Hit {
                option: ev.option,
                buffer: cursor.id,
                offset: u32::try_from(start).unwrap_or(u32::MAX),
                len: u32::try_from(end - start).unwrap_or(u32::MAX),
                kind: HitKind::Pcre,
            });
        }
        true
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn can_retry(&self) -> bool {
        self.retries
    }

    fn floats(&self) -> bool {
        // `/A` anchors; assertions and `^` or `$` outside a class look at what stands around.
        let (body, flags) = self.text.rsplit_once('/').unwrap_or((&self.text, ""));
        let anchors = ["^", "$", "\\A", "\\G", "\\Z", "\\z", "(?!", "(?<!"];
        let body = body.replace("[^", "[");
        !self.negated && !flags.contains('A') && !anchors.iter().any(|anchor| body.contains(anchor))
    }

    fn cost(&self) -> u32 {
        50
    }

    fn explain(&self) -> String {
        let verb = if self.negated { "does not match" } else { "matches" };
        let at = if self.relative { " behind the previous match" } else { "" };
        format!("{verb} the expression {}{at}", self.text.split_once(':').map_or("", |(_, value)| value))
    }
}

/// An expression without quotes and delimiters, and its flag letters.
struct Expression<'v> {
    pattern: Arg<'v>,
    flags: Arg<'v>,
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let value = cx.value()?;
    let (negated, inner) = unquote(value);
    let Expression { pattern, flags } =
        split(inner).ok_or_else(|| Problem::syntax(value.span, "an expression is written `/…/` or `m#…#`"))?;
    let mut options = Flags::default();
    let mut relative = false;
    for letter in flags.text.chars() {
        match letter {
            'i' => options.caseless = true,
            's' => options.dotall = true,
            'm' => options.multiline = true,
            'x' => options.extended = true,
            'A' => options.anchored = true,
            'E' => options.dollar_end_only = true,
            'G' => options.ungreedy = true,
            'R' => relative = true,
            'O' => {}
            _ => return Err(unknown_flag(letter, flags.span)),
        }
    }
    let regex = compile(cx, pattern, options)?;
    let text = format!("pcre:{}{}", if negated { "!" } else { "" }, quoted(inner.text));
    Parsed::test(Pcre { text, regex, negated, relative, retries: !negated && !options.anchored })
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn unknown_flag(letter: char, span: Span) -> Problem {
    let problem = Problem::syntax(span, format!("unknown flag `{letter}` of pcre"));
    match letter {
        'U' | 'I' | 'P' | 'H' | 'D' | 'M' | 'C' | 'K' | 'S' | 'Y' | 'B' => {
            problem.help("Snort 3 has no flags for buffers: name the buffer before, e.g. `http_uri; pcre:…`")
        }
        _ => problem.help("a `;` within the expression must be written `\\;`"),
    }
}

/// Compiles, reporting mistakes at their place.
pub(super) fn compile(cx: &ParseCx<'_>, pattern: Arg<'_>, flags: Flags) -> Result<Regex, Problem> {
    Regex::new(pattern.text.as_bytes(), flags, cx.pcre_limits).map_err(|error| {
        let at = pattern.span.start.saturating_add(u32::try_from(error.offset).unwrap_or(0));
        let span = Span { start: at.min(pattern.span.end), ..pattern.span };
        Problem::new(code::REGEX, span, format!("bad regular expression: {}", error.message))
    })
}

/// Takes off `!` and one quote on each side.
pub(super) fn unquote(value: Arg<'_>) -> (bool, Arg<'_>) {
    let (negated, value) = match value.text.strip_prefix('!') {
        Some(_) => (true, value.slice(1, value.text.len())),
        None => (false, value),
    };
    let from = usize::from(value.text.starts_with('"'));
    let to = value.text.len() - usize::from(value.text.len() > 1 && value.text.ends_with('"'));
    (negated, raw_slice(value, from, to))
}

/// A part of an argument that keeps its blanks.
fn raw_slice(arg: Arg<'_>, from: usize, to: usize) -> Arg<'_> {
    let offset = |n: usize| arg.span.start.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
    let span = Span { source: arg.span.source, start: offset(from), end: offset(to) };
    Arg { text: arg.text.get(from..to).unwrap_or(""), span }
}

fn split(inner: Arg<'_>) -> Option<Expression<'_>> {
    let from = usize::from(inner.text.starts_with('m'));
    let delimiter = inner.text.get(from..)?.chars().next()?;
    if delimiter.is_ascii_alphanumeric() || delimiter.is_ascii_whitespace() || delimiter == '\\' {
        return None;
    }
    let from = from + delimiter.len_utf8();
    let end = inner.text.rfind(delimiter).filter(|&end| end >= from)?;
    let flags = raw_slice(inner, end + delimiter.len_utf8(), inner.text.len());
    let trimmed = flags.text.trim_ascii();
    Some(Expression { pattern: raw_slice(inner, from, end), flags: Arg { text: trimmed, span: flags.span } })
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, matches, problems};

    #[test]
    fn relative_expressions_start_at_the_cursor() {
        assert!(matches(r#"content:"A"; pcre:"/^B/R";"#, b"xAB"));
        assert!(matches(r#"content:"A"; pcre:"/^B/R";"#, b"AxAB"));
        assert!(!matches(r#"content:"A"; pcre:"/^B/";"#, b"xAB"));
    }

    #[test]
    fn retries_go_on_from_the_end_of_the_match() {
        assert!(matches(r#"pcre:"/A/"; content:"B",within 1;"#, b"AxAB"));
        assert!(!matches(r#"pcre:"/a|ab/"; content:"c",within 1;"#, b"abc"));
        assert!(!matches(r#"pcre:"/^A/"; content:"B",within 1;"#, b"AxAB"));
        assert!(!matches(r#"pcre:"/A/A"; content:"B",within 1;"#, b"AxAB"));
    }

    #[test]
    fn empty_matches_do_not_loop() {
        assert!(matches(r#"pcre:"/x*/"; content:"B",within 1;"#, b"aaB"));
        assert!(!matches(r#"pcre:"/x*/"; content:"C",within 1;"#, b"aaB"));
        assert!(matches(r#"content:"A"; pcre:"/x*/R"; content:"B",within 1;"#, b"AaB"));
        assert!(matches(r#"content:"A"; pcre:"/z*/"; content:"B",within 1;"#, b"AB"), "an empty match at 0 leaves pos");
    }

    #[test]
    fn flags_are_those_of_pcre() {
        assert!(!matches(r#"pcre:"/A.B/";"#, b"A\nB"));
        assert!(matches(r#"pcre:"/a.B/si";"#, b"A\nB"));
        assert!(matches(r#"pcre:"/^B/m";"#, b"A\nB"));
        assert!(!matches(r#"pcre:"/B$/E";"#, b"AB\n"));
        assert!(matches(r#"pcre:"/A B/x";"#, b"AB"));
    }

    #[test]
    fn delimiters_and_escapes_are_kept_apart() {
        assert!(matches(r#"pcre:"m#a/b#";"#, b"a/b"));
        assert!(matches(r#"pcre:"/a\;b/";"#, b"a;b"));
        assert!(matches(r#"pcre:!"/b/";"#, b"a"));
        let text = r#"pcre:!"/a\/b /Rsi""#;
        assert_eq!(compile_one(text).canonical(), text);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems(r#"pcre:"/a/U""#)[0].contains("unknown flag"));
        assert!(problems(r#"pcre:"/(a/""#)[0].contains("bad regular expression"));
        assert!(problems(r#"pcre:"abc""#)[0].contains("written"));
        assert!(problems("pcre")[0].contains("needs a value"));
    }
}
