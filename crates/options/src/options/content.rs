//! `content`: bytes that occur, or don't, in a window of the buffer.
//!
//! *How it fits*: the option that fast patterns come from; the commonest confirmation.
//!
//! *Invariants*: 1. A match lies fully inside the window. 2. A negated content never moves the
//! cursor and succeeds on windows outside the buffer. 3. A retry searches from where the pattern
//! could next occur; the window's end stays.
//!
//! *Limits*: `offset`, `distance` within ±65,535, `depth`, `within` up to 65,535 (Suricata rules: 1 MiB).
//!
//! *Spec*: Snort 3 manual, `content`. In a later piece of a file an absolute window counts from the
//! start of the file.

use crate::def::{Kind, Operand, OptionDef, ParseCx, Parsed, Repeat};
use crate::search::Literal;
use crate::value::{Arg, Problem, code};
use crate::{Cursor, Eval, FastPattern, Hit, HitKind, RuleOption, text};
use std::fmt::Write;
use std::ops::Range;
use tapir_protocol::{BufferId, BufferKind};
use tapir_rules::{Dialect, Severity};

pub(super) static DEF: OptionDef = OptionDef {
    name: "content",
    kind: Kind::Payload,
    summary: "looks for bytes",
    grammar: "[!]\"BYTES\"[,nocase][,offset N][,depth N][,distance N][,within N][,fast_pattern]\
              [,fast_pattern_offset N][,fast_pattern_length N][,width 8|16|32][,endian big|little]",
    docs: "Finds the bytes in the current buffer. `offset` and `depth` bound the search from the start of the \
           buffer, `distance` and `within` from the end of the previous match; each takes a number or a variable. \
           After a match the cursor stands behind it; if a later relative option fails, the search goes on from \
           there. With `!` the option succeeds where the bytes do not occur in the window. `|41 42|` are bytes \
           in hexadecimal.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

/// Where the search may look.
#[derive(Debug, Default)]
struct Window {
    /// Counts from the cursor.
    relative: bool,
    /// `offset` or `distance`.
    start: Option<Operand>,
    /// `depth` or `within`.
    len: Option<Operand>,
}

#[derive(Debug)]
struct Content {
    /// As searched: widened, case kept.
    bytes: Vec<u8>,
    /// As written.
    written: Vec<u8>,
    literal: Literal,
    negated: bool,
    nocase: bool,
    window: Window,
    explicit: bool,
    slice: Option<Range<usize>>,
    width: u8,
    little: bool,
}

impl Content {
    /// First byte and end of the window, `None` if it is outside the buffer.
    #[inline]
    fn range(&self, ev: &Eval<'_, '_>, cursor: &Cursor<'_>) -> Option<(usize, usize)> {
        let size = i64::try_from(cursor.data.len()).ok()?;
        let mut start = self.window.start.as_ref().map_or(0, |start| start.value(&ev.vars));
        if self.window.relative {
            start += position(cursor);
        } else if cursor.id == BufferId::FileData && (self.window.start.is_some() || self.window.len.is_some()) {
            let before = i64::try_from(ev.unit.view.file_position()).unwrap_or(i64::MAX);
            if before > 0 {
                let named = self.window.start.is_some();
                start = start.saturating_sub(before);
                if named && start < 0 {
                    return None;
                }
            }
        }
        let mut end = size;
        if let Some(len) = &self.window.len {
            // A start before the buffer uses up the window.
            let len = len.value(&ev.vars).saturating_add(start.min(0));
            if len <= 0 {
                return None;
            }
            end = end.min(start.max(0).saturating_add(len));
        }
        let start = start.max(0);
        (start <= end).then_some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
    }

    /// Whether the window starts behind the data, or is limited and ends there.
    fn reaches_beyond(&self, ev: &Eval<'_, '_>, cursor: &Cursor<'_>) -> bool {
        if !self.window.relative {
            return false;
        }
        let size = i64::try_from(cursor.data.len()).unwrap_or(i64::MAX);
        let distance = self.window.start.as_ref().map_or(0, |start| start.value(&ev.vars));
        let start = position(cursor).saturating_add(distance);
        let end = self.window.len.as_ref().map(|len| start.saturating_add(len.value(&ev.vars)));
        start >= size || end.is_some_and(|end| end > size)
    }

    #[inline]
    fn find(&self, ev: &Eval<'_, '_>, cursor: &Cursor<'_>) -> Option<usize> {
        let (start, end) = self.range(ev, cursor)?;
        let start = start.max(cursor.delta);
        let found = self.literal.find(cursor.data.get(start..end)?)?;
        Some(start + found)
    }
}

/// The cursor's position; negative if it stands in a piece before this one.
#[inline]
fn position(cursor: &Cursor<'_>) -> i64 {
    let here = i64::try_from(cursor.pos).unwrap_or(i64::MAX);
    here.saturating_sub(i64::try_from(cursor.behind).unwrap_or(i64::MAX))
}

impl RuleOption for Content {
    fn canonical(&self) -> String {
        let mut out = format!("content:{}", text::byte_string(self.negated, &self.written));
        if self.nocase {
            out.push_str(",nocase");
        }
        let [start, len] = if self.window.relative { ["distance", "within"] } else { ["offset", "depth"] };
        for (word, value) in [(start, &self.window.start), (len, &self.window.len)] {
            if let Some(value) = value {
                let _ = write!(out, ",{word} {value}");
            }
        }
        if self.explicit {
            out.push_str(",fast_pattern");
            if let Some(slice) = &self.slice {
                let width = usize::from(self.width / 8);
                let (offset, length) = (slice.start / width, slice.len() / width);
                let _ = write!(out, ",fast_pattern_offset {offset},fast_pattern_length {length}");
            }
        }
        if self.width != 8 {
            let _ = write!(out, ",width {},endian {}", self.width, if self.little { "little" } else { "big" });
        }
        out
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let found = self.find(ev, cursor);
        if self.negated {
            return found.is_none();
        }
        let Some(at) = found else {
            if self.reaches_beyond(ev, cursor) {
                ev.go_beyond(ev.option, cursor, position(cursor));
            }
            return false;
        };
        cursor.behind = 0;
        cursor.pos = at + self.literal.len();
        cursor.delta = at + self.literal.shift();
        if let Some(hits) = ev.hits.as_deref_mut() {
            hits.push(Hit {
                option: ev.option,
                buffer: cursor.id,
                offset: u32::try_from(at).unwrap_or(u32::MAX),
                len: u32::try_from(self.literal.len()).unwrap_or(u32::MAX),
                kind: HitKind::Content,
            });
        }
        true
    }

    fn is_relative(&self) -> bool {
        self.window.relative
    }

    fn can_retry(&self) -> bool {
        !self.negated
    }

    fn floats(&self) -> bool {
        !self.negated && (self.window.relative || self.window.start.is_none() && self.window.len.is_none())
    }

    fn fast_pattern(&self) -> Option<FastPattern> {
        let Window { relative, start, len } = &self.window;
        let start_number = start.as_ref().map_or(Some(0), Operand::literal).and_then(|n| i32::try_from(n).ok());
        let len_number = match len {
            Some(len) => len.literal().and_then(|n| u32::try_from(n).ok()).map(Some),
            None => Some(None),
        };
        Some(FastPattern {
            bytes: self.bytes.clone(),
            slice: self.slice.clone().unwrap_or(0..self.bytes.len()),
            nocase: self.nocase || !self.bytes.iter().any(u8::is_ascii_alphabetic),
            negated: self.negated,
            positioned: *relative || start.is_some() || len.is_some(),
            relative: *relative,
            explicit: self.explicit,
            window: if *relative { None } else { start_number.zip(len_number) },
        })
    }

    fn cost(&self) -> u32 {
        2
    }

    fn explain(&self) -> String {
        let verb = if self.negated { "does not contain" } else { "contains" };
        let mut out = format!("{verb} {}", text::byte_string(false, &self.written));
        if self.nocase {
            out.push_str(" (any case)");
        }
        let behind = if self.window.relative { "the previous match" } else { "the start" };
        match (&self.window.start, &self.window.len) {
            (None, None) if self.window.relative => out.push_str(" behind the previous match"),
            (None, None) => {}
            (start, Some(len)) => {
                let _ = write!(out, " within {len} bytes");
                match start {
                    Some(start) => {
                        let _ = write!(out, " from {start} bytes behind {behind}");
                    }
                    None => {
                        let _ = write!(out, " behind {behind}");
                    }
                }
            }
            (Some(start), None) => {
                let _ = write!(out, " from {start} bytes behind {behind}");
            }
        }
        out
    }
}

/// Words as they are read.
#[derive(Default)]
struct Words<'v> {
    nocase: bool,
    absolute: [Option<Arg<'v>>; 2],
    relative: [Option<Arg<'v>>; 2],
    fast_pattern: Option<Arg<'v>>,
    slice_offset: Option<Arg<'v>>,
    slice_length: Option<Arg<'v>>,
    width: Option<u8>,
    little: bool,
}

impl<'v> Words<'v> {
    fn take(&mut self, arg: Arg<'v>, cx: &ParseCx<'_>) -> Result<(), Problem> {
        let [offset, depth] = &mut self.absolute;
        let [distance, within] = &mut self.relative;
        match arg.pair() {
            ("nocase", None) => self.nocase = true,
            ("fast_pattern", None) => self.fast_pattern = Some(arg),
            ("offset", Some(value)) => once(offset, value)?,
            ("depth", Some(value)) => once(depth, value)?,
            ("distance", Some(value)) => once(distance, value)?,
            ("within", Some(value)) => once(within, value)?,
            ("fast_pattern_offset", Some(value)) => once(&mut self.slice_offset, value)?,
            ("fast_pattern_length", Some(value)) => once(&mut self.slice_length, value)?,
            ("width", Some(value)) => match value.text {
                "8" => self.width = Some(8),
                "16" => self.width = Some(16),
                "32" => self.width = Some(32),
                _ => return Err(Problem::range(value.span, "the width is 8, 16 or 32")),
            },
            ("endian", Some(value)) => match value.text {
                "big" => self.little = false,
                "little" => self.little = true,
                _ => return Err(Problem::syntax(value.span, "the byte order is `big` or `little`")),
            },
            _ => return Err(cx.unknown(arg)),
        }
        Ok(())
    }
}

fn once<'v>(slot: &mut Option<Arg<'v>>, value: Arg<'v>) -> Result<(), Problem> {
    match slot.replace(value) {
        Some(_) => Err(Problem::conflict(value.span, "given twice")),
        None => Ok(()),
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let Some((first, rest)) = args.split_first() else { return Err(cx.missing("a pattern in quotes")) };
    let (negated, written) = first.byte_string()?;
    let mut words = Words::default();
    for &arg in rest {
        words.take(arg, cx)?;
    }
    let width = words.width.unwrap_or(8);
    let bytes = widen(&written, usize::from(width / 8), words.little);
    let window = window(cx, &words, bytes.len())?;
    let slice = slice(&words, written.len(), usize::from(width / 8))?;
    let explicit = explicit(cx, &words, negated, &window);
    let literal = Literal::new(&bytes, words.nocase);
    let slice = if explicit { slice } else { None };
    Parsed::test(Content {
        bytes,
        written,
        literal,
        negated,
        nocase: words.nocase,
        window,
        explicit,
        slice,
        width,
        little: words.little,
    })
}

fn widen(bytes: &[u8], width: usize, little: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(width));
    for &byte in bytes {
        let zeros = std::iter::repeat_n(0, width.saturating_sub(1));
        if little {
            out.push(byte);
            out.extend(zeros);
        } else {
            out.extend(zeros);
            out.push(byte);
        }
    }
    out
}

fn window(cx: &ParseCx<'_>, words: &Words<'_>, pattern: usize) -> Result<Window, Problem> {
    let relative = words.relative.iter().flatten().next();
    if let (Some(_), Some(absolute)) = (relative, words.absolute.iter().flatten().next()) {
        let message = "offset and depth can't be combined with distance and within";
        return Err(Problem::conflict(absolute.span, message));
    }
    let max = if cx.rule.dialect == Dialect::Suricata { 1 << 20 } else { 65_535 };
    let [start, len] = if relative.is_some() { words.relative } else { words.absolute };
    let least = i64::try_from(pattern).unwrap_or(i64::MAX);
    let start = start.map(|arg| cx.operand(arg, -max, max)).transpose()?;
    let len = len
        .map(|arg| {
            cx.operand(arg, least, max)
                .map_err(|problem| problem.help(format!("the pattern has {pattern} bytes and must fit")))
        })
        .transpose()?;
    Ok(Window { relative: relative.is_some(), start, len })
}

fn slice(words: &Words<'_>, len: usize, width: usize) -> Result<Option<Range<usize>>, Problem> {
    let Some(any) = words.slice_offset.or(words.slice_length) else { return Ok(None) };
    let number = |arg: Option<Arg<'_>>, least: i64| {
        arg.map(|arg| arg.int(least, 65_535)).transpose().map(|n| n.and_then(|n| usize::try_from(n).ok()))
    };
    let start = number(words.slice_offset, 0)?.unwrap_or(0);
    let length = number(words.slice_length, 1)?.unwrap_or_else(|| len.saturating_sub(start));
    let end = start.saturating_add(length);
    if length == 0 || end > len {
        return Err(Problem::range(any.span, "the fast pattern reaches beyond the content"));
    }
    Ok(Some(start * width..end * width))
}

/// Whether `fast_pattern` is given and counts.
fn explicit(cx: &mut ParseCx<'_>, words: &Words<'_>, negated: bool, window: &Window) -> bool {
    let Some(arg) = words.fast_pattern else { return false };
    let positioned = window.relative || window.start.is_some() || window.len.is_some();
    let reason = if cx.state.fast_pattern {
        "another content has it already"
    } else if !cx.state.searchable() || cx.state.buffer.id.kind() == BufferKind::Other {
        "this buffer is not searched for fast patterns"
    } else if negated && (positioned || !words.nocase) {
        "a negated content must be nocase and without position"
    } else {
        cx.state.fast_pattern = true;
        return true;
    };
    let problem = Problem::new(code::FAST_PATTERN, arg.span, format!("`fast_pattern` is ignored: {reason}"));
    cx.report(Severity::Warning, problem);
    false
}

/// For fuzzing: a content with a window over any data agrees with the definition of its window.
#[doc(hidden)]
pub fn fuzz_content(data: &[u8]) {
    let Some((&[offset, depth, len, flags], data)) = data.split_first_chunk::<4>() else { return };
    let len = usize::from(len % 8) + 1;
    let Some((needle, hay)) = data.split_at_checked(len) else { return };
    let fold = flags & 1 != 0;
    let start = i64::from(offset) - 128;
    let depth = (flags & 2 != 0).then_some(i64::from(depth));
    let content = Content {
        bytes: needle.to_vec(),
        written: needle.to_vec(),
        literal: Literal::new(needle, fold),
        negated: flags & 4 != 0,
        nocase: fold,
        window: Window {
            relative: flags & 8 != 0,
            start: Some(Operand::Literal(start)),
            len: depth.map(Operand::Literal),
        },
        explicit: false,
        slice: None,
        width: 8,
        little: false,
    };
    let pos = usize::from(flags >> 4).min(hay.len());
    let base = if content.window.relative { i64::try_from(pos).unwrap_or(0) } else { 0 } + start;
    let expected = hay.windows(len).enumerate().position(|(at, window)| {
        let at = i64::try_from(at).unwrap_or(0);
        let same = if fold { window.eq_ignore_ascii_case(needle) } else { window == needle };
        let end = at + i64::try_from(len).unwrap_or(0);
        same && at >= base && depth.is_none_or(|depth| end <= base + depth)
    });
    crate::probe::with_eval(hay, |ev, cursor| {
        cursor.pos = pos;
        let answer = content.eval(ev, cursor);
        assert_eq!(answer, expected.is_none() == content.negated);
        match expected {
            Some(at) if !content.negated => assert_eq!(cursor.pos, at + len),
            _ => assert!(content.negated || !answer),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile_one, matches, problems};
    use proptest::prelude::*;

    #[test]
    fn canonical_text_reads_back_as_itself() {
        for text in [
            r#"content:"abc|0D 0A|",nocase,offset 3,depth 10"#,
            r#"content:!"A|3A|B",distance -4,within 65535"#,
            r#"content:"abcdef",fast_pattern,fast_pattern_offset 1,fast_pattern_length 3"#,
            r#"content:"ab",fast_pattern,fast_pattern_offset 1,fast_pattern_length 1,width 16,endian little"#,
        ] {
            assert_eq!(compile_one(text).canonical(), text);
        }
    }

    #[test]
    fn windows_are_fixed_by_offset_and_depth() {
        assert!(matches(r#"content:"AB",offset 4,depth 8;"#, b"0123456789AB"));
        assert!(!matches(r#"content:"AB",offset 4,depth 7;"#, b"0123456789AB"));
        assert!(!matches(r#"content:"B",offset -2,depth 3;"#, b"AB"));
        assert!(matches(r#"content:"A",offset -2,depth 3;"#, b"AB"));
    }

    #[test]
    fn negation_succeeds_outside_the_buffer() {
        assert!(matches(r#"content:!"A",offset 5;"#, b"A"));
        assert!(matches(r#"content:!"ABC";"#, b"AB"));
        assert!(!matches(r#"content:!"A";"#, b"A"));
    }

    #[test]
    fn wide_patterns_match_wide_text() {
        assert!(matches(r#"content:"ab",width 16,endian little;"#, b"a\0b\0"));
        assert!(matches(r#"content:"ab",width 16;"#, b"\0a\0b"));
        assert!(matches(r#"content:"A",width 32,nocase;"#, b"\0\0\0a"));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            (r#"content:"A",offset 1 2"#, "not a number"),
            (r#"content:"A",offset:1"#, "no argument"),
            (r#"content:"ABC",depth 2"#, "outside 3"),
            (r#"content:"A",offset 1,within 5"#, "can't be combined"),
            (r#"content:"A",offset 1,offset 2"#, "given twice"),
            (r#"content:"""#, "empty"),
            (r#"content:"|4G|""#, "hex block"),
            (r#"content:"ABC",fast_pattern,fast_pattern_offset 2,fast_pattern_length 2"#, "beyond the content"),
            (r#"content:A"#, "not a string"),
            (r#"content:"A",depth n"#, "no variable"),
            (r#"content"#, "needs a pattern"),
        ] {
            let found = problems(text);
            assert!(found.iter().any(|message| message.contains(part)), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_second_fast_pattern_is_ignored() {
        let rule = crate::testing::compile(r#"content:"A",fast_pattern; content:"BB",fast_pattern;"#).unwrap();
        let explicit: Vec<_> = rule.options.iter().map(|o| o.fast_pattern().unwrap().explicit).collect();
        assert_eq!(explicit, [true, false]);
    }

    #[test]
    fn a_fast_pattern_knows_its_window() {
        let pattern = compile_one(r#"content:"1|00|2",offset 3,depth 9"#).fast_pattern().unwrap();
        assert_eq!(pattern.window, Some((3, Some(9))));
        assert!(pattern.nocase && pattern.positioned && !pattern.relative);
        assert_eq!(compile_one(r#"content:"a",distance 1"#).fast_pattern().unwrap().window, None);
        assert_eq!(compile_one(r#"content:"a""#).fast_pattern().unwrap().window, Some((0, None)));
    }

    proptest! {
        #[test]
        fn windows_agree_with_their_definition(data in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'A'), any::<u8>()], 0..80)) {
            fuzz_content(&data);
        }
    }
}
