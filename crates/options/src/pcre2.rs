//! PCRE2, wrapped: byte patterns, JIT, limits on every match.
//!
//! *How it fits*: `pcre`, `regex` and `sd_pattern` compile a [`Regex`] when a rule is compiled and
//! run it while units are evaluated.
//!
//! *Invariants*: 1. A compiled pattern is immutable, so workers share it. 2. Scratch memory (match
//! data, match context, JIT stack) belongs to one thread and is reused: no allocation per match.
//! 3. No pattern can turn on UTF mode, so every byte string is a legal subject.
//!
//! *Limits*: [`PcreLimits`] (counter `pcre_limit`), pattern length 64 KiB.
//!
//! *Spec*: the PCRE2 API manual (pcre2api), pcre2jit.

#![allow(unsafe_code, reason = "the C library is called here and nowhere else")]

use pcre2_sys as sys;
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::ptr::{self, NonNull};

/// Bounds of one match. A match that hits one is "no match", counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcreLimits {
    /// Internal match calls (Snort's `pcre_match_limit`).
    pub match_limit: u32,
    /// Nested backtracking (Snort's `pcre_match_limit_recursion`); only the interpreter counts it.
    pub depth_limit: u32,
    /// Heap of the interpreter in KiB.
    pub heap_kib: u32,
}

impl Default for PcreLimits {
    fn default() -> Self {
        Self { match_limit: 3_500, depth_limit: 1_500, heap_kib: 1_024 }
    }
}

/// Compile options, as in PCRE2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub caseless: bool,
    pub dotall: bool,
    pub multiline: bool,
    pub extended: bool,
    pub anchored: bool,
    pub dollar_end_only: bool,
    pub ungreedy: bool,
}

impl Flags {
    fn bits(self) -> u32 {
        [
            (self.caseless, sys::PCRE2_CASELESS),
            (self.dotall, sys::PCRE2_DOTALL),
            (self.multiline, sys::PCRE2_MULTILINE),
            (self.extended, sys::PCRE2_EXTENDED),
            (self.anchored, sys::PCRE2_ANCHORED),
            (self.dollar_end_only, sys::PCRE2_DOLLAR_ENDONLY),
            (self.ungreedy, sys::PCRE2_UNGREEDY),
        ]
        .into_iter()
        .filter(|(on, _)| *on)
        .fold(sys::PCRE2_NEVER_UTF | sys::PCRE2_NEVER_UCP, |bits, (_, bit)| bits | bit)
    }
}

/// Why a pattern does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompileError {
    /// Byte offset in the pattern.
    pub offset: usize,
    /// In the library's words.
    pub message: String,
}

/// Answer of [`Regex::find`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Match(Range<usize>),
    No,
    /// A limit was hit.
    Limit,
    /// The library could not run it (out of memory).
    Failed,
}

/// A compiled pattern.
pub(crate) struct Regex {
    code: NonNull<sys::pcre2_code_8>,
    limits: PcreLimits,
}

// SAFETY: a compiled pattern, JIT code included, is not written after `Regex::new`; the PCRE2 manual
// (pcre2api, "Multithreading") allows several threads to match with it at the same time.
unsafe impl Send for Regex {}
// SAFETY: as above.
unsafe impl Sync for Regex {}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Regex").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: `code` came from pcre2_compile and is freed only here.
        unsafe { sys::pcre2_code_free_8(self.code.as_ptr()) }
    }
}

impl Regex {
    /// Longest pattern that is accepted.
    pub(crate) const MAX_PATTERN: usize = 64 << 10;

    /// Compiles a pattern, with JIT where the platform has it.
    pub(crate) fn new(pattern: &[u8], flags: Flags, limits: PcreLimits) -> Result<Self, CompileError> {
        if pattern.len() > Self::MAX_PATTERN {
            return Err(CompileError { offset: Self::MAX_PATTERN, message: "pattern is too long".to_owned() });
        }
        let (mut code, mut offset) = (0, 0_usize);
        // SAFETY: pointer and length describe `pattern`; the two out-pointers are valid; a null
        // context means defaults.
        let compiled = unsafe {
            sys::pcre2_compile_8(pattern.as_ptr(), pattern.len(), flags.bits(), &mut code, &mut offset, ptr::null_mut())
        };
        let Some(compiled) = NonNull::new(compiled) else {
            return Err(CompileError { offset: offset.min(pattern.len()), message: error_message(code) });
        };
        // Without JIT (unsupported platform, no executable memory) the interpreter runs the pattern.
        // SAFETY: `compiled` is a valid pattern that nobody else knows yet.
        let _ = unsafe { sys::pcre2_jit_compile_8(compiled.as_ptr(), sys::PCRE2_JIT_COMPLETE) };
        Ok(Self { code: compiled, limits })
    }

    /// The first match at or after `start`. `^` and look-behind see all of `subject`.
    /// `progress`: an empty match at `start` itself does not count.
    pub(crate) fn find(&self, subject: &[u8], start: usize, progress: bool) -> Found {
        if start > subject.len() {
            return Found::No;
        }
        SCRATCH
            .try_with(|scratch| match scratch.try_borrow_mut() {
                Ok(mut scratch) => scratch.run(self, subject, start, progress),
                Err(_) => Found::Failed,
            })
            .unwrap_or(Found::Failed)
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// What one thread needs to match. Pointers are null if memory ran out.
struct Scratch {
    data: *mut sys::pcre2_match_data_8,
    context: *mut sys::pcre2_match_context_8,
    stack: *mut sys::pcre2_jit_stack_8,
    limits: Option<PcreLimits>,
}

impl Scratch {
    const JIT_STACK: Range<usize> = 32 << 10..512 << 10;

    fn new() -> Self {
        // SAFETY: null general contexts mean malloc and free; each result may be null and is
        // checked before use.
        unsafe {
            let context = sys::pcre2_match_context_create_8(ptr::null_mut());
            let stack = sys::pcre2_jit_stack_create_8(Self::JIT_STACK.start, Self::JIT_STACK.end, ptr::null_mut());
            if !context.is_null() && !stack.is_null() {
                sys::pcre2_jit_stack_assign_8(context, None, stack.cast());
            }
            Self { data: sys::pcre2_match_data_create_8(1, ptr::null_mut()), context, stack, limits: None }
        }
    }

    fn run(&mut self, regex: &Regex, subject: &[u8], start: usize, progress: bool) -> Found {
        if self.data.is_null() || self.context.is_null() {
            return Found::Failed;
        }
        self.set_limits(regex.limits);
        let options = if progress { sys::PCRE2_NOTEMPTY_ATSTART } else { 0 };
        // SAFETY: the code is alive as long as `regex`; pointer and length describe `subject` and
        // `start` is within; match data and context are this thread's own and not null.
        let answer = unsafe {
            sys::pcre2_match_8(
                regex.code.as_ptr(),
                subject.as_ptr(),
                subject.len(),
                start,
                options,
                self.data,
                self.context,
            )
        };
        match answer {
            0.. => self.range(subject.len()),
            sys::PCRE2_ERROR_NOMATCH => Found::No,
            sys::PCRE2_ERROR_MATCHLIMIT
            | sys::PCRE2_ERROR_DEPTHLIMIT
            | sys::PCRE2_ERROR_HEAPLIMIT
            | sys::PCRE2_ERROR_JIT_STACKLIMIT => Found::Limit,
            _ => Found::Failed,
        }
    }

    fn set_limits(&mut self, limits: PcreLimits) {
        if self.limits == Some(limits) {
            return;
        }
        // SAFETY: `context` is not null (checked by the caller) and this thread's own.
        unsafe {
            sys::pcre2_set_match_limit_8(self.context, limits.match_limit);
            sys::pcre2_set_depth_limit_8(self.context, limits.depth_limit);
            sys::pcre2_set_heap_limit_8(self.context, limits.heap_kib);
        }
        self.limits = Some(limits);
    }

    /// The whole match. `\K` in a look-ahead can put its start behind its end.
    fn range(&self, len: usize) -> Found {
        // SAFETY: the match data holds one pair of offsets, filled in by the successful match.
        let (start, end) = unsafe {
            let pair = sys::pcre2_get_ovector_pointer_8(self.data);
            (*pair, *pair.add(1))
        };
        let end = end.min(len);
        Found::Match(start.min(end)..end)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: each pointer is null (which these functions ignore) or came from its create
        // function, and is freed only here; the context goes before the stack it refers to.
        unsafe {
            sys::pcre2_match_data_free_8(self.data);
            sys::pcre2_match_context_free_8(self.context);
            sys::pcre2_jit_stack_free_8(self.stack);
        }
    }
}

fn error_message(code: i32) -> String {
    let mut text = [0_u8; 256];
    // SAFETY: pointer and length describe `text`; the library terminates what it writes.
    let len = unsafe { sys::pcre2_get_error_message_8(code, text.as_mut_ptr(), text.len()) };
    let len = usize::try_from(len).unwrap_or(0);
    String::from_utf8_lossy(text.get(..len).unwrap_or(&[])).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Regex {
        Regex::new(pattern.as_bytes(), Flags::default(), PcreLimits::default()).unwrap()
    }

    #[test]
    fn the_bundled_library_with_jit_is_the_one_that_runs() {
        let mut text = [0_u8; 64];
        let mut jit = 0_u32;
        // SAFETY: both targets are large enough for what PCRE2_CONFIG_VERSION and _JIT write.
        unsafe {
            sys::pcre2_config_8(sys::PCRE2_CONFIG_VERSION, text.as_mut_ptr().cast());
            sys::pcre2_config_8(sys::PCRE2_CONFIG_JIT, (&raw mut jit).cast());
        }
        assert!(text.starts_with(b"10.46"), "answers near a limit differ between versions");
        assert_eq!(jit, 1);
    }

    #[test]
    fn a_match_at_an_offset_is_not_a_match_on_the_rest() {
        let caret = regex("^b");
        assert_eq!(caret.find(b"ab", 1, false), Found::No);
        assert_eq!(caret.find(b"b", 0, false), Found::Match(0..1));
    }

    #[test]
    fn bytes_are_not_utf_8() {
        assert_eq!(regex("\\xff.").find(b"a\xff\x80", 0, false), Found::Match(1..3));
        assert!(Regex::new(b"(*UTF)a", Flags::default(), PcreLimits::default()).is_err());
    }

    #[test]
    fn progress_skips_the_empty_match_at_the_start() {
        let stars = regex("x*");
        assert_eq!(stars.find(b"abxx", 0, false), Found::Match(0..0));
        assert_eq!(stars.find(b"abxx", 0, true), Found::Match(1..1));
    }

    #[test]
    fn a_hostile_pattern_stops_at_the_limit() {
        assert_eq!(regex("(x+x+)+[yz]").find(&[b'x'; 40], 0, false), Found::Limit);
    }

    #[test]
    fn a_start_behind_the_end_is_no_match() {
        assert_eq!(regex("").find(b"a", 2, false), Found::No);
        assert_eq!(regex("").find(b"", 0, false), Found::Match(0..0));
    }

    #[test]
    fn errors_name_place_and_cause() {
        let error = Regex::new(b"ab(", Flags::default(), PcreLimits::default()).unwrap_err();
        assert_eq!(error.offset, 3);
        assert!(error.message.contains("parenthesis"), "{}", error.message);
    }

    #[test]
    fn threads_share_a_pattern() {
        let shared = regex("a+");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(shared.find(b"xaay", 0, false), Found::Match(1..3)));
            }
        });
    }
}
