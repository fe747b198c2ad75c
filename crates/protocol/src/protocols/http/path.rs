//! Path simplification: repeated slashes, `.` and `..` segments.
//!
//! *Spec*: RFC 3986 §5.2.4 with Snort 3's `simplify_path` (repeated slashes collapse, `..` above the
//! root is dropped).

use super::events::{self, Events};
use memchr::{memchr_iter, memrchr};

/// Path segments longer than this are an anomaly (Snort `oversize_dir_length`).
const LONG_SEGMENT: usize = 300;

/// Whether [`simplify`] could change the path.
#[inline]
pub(super) fn needs_simplifying(path: &[u8]) -> bool {
    memchr_iter(b'/', path).any(|at| {
        matches!(
            path.get(at + 1..).unwrap_or_default(),
            [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..]
        )
    })
}

/// Raises the event of over-long segments.
pub(super) fn check_segments(path: &[u8], events: &mut Events) {
    if path.len() > LONG_SEGMENT && path.split(|&byte| byte == b'/').any(|segment| segment.len() > LONG_SEGMENT) {
        events.raise(events::LONG_SEGMENT);
    }
}

/// Appends the simplified `path` (which starts with a slash) to `out`.
pub(super) fn simplify(path: &[u8], out: &mut Vec<u8>, events: &mut Events) {
    let root = out.len();
    let mut segments = path.strip_prefix(b"/").unwrap_or(path).split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" if last => {
                out.push(b'/');
                return;
            }
            b"" => events.raise(events::REPEATED_SLASH),
            b"." => events.raise(events::SELF_SEGMENT),
            b".." => {
                events.raise(events::PARENT_SEGMENT);
                match memrchr(b'/', out.get(root..).unwrap_or_default()) {
                    Some(at) => out.truncate(root + at),
                    None => events.raise(events::ABOVE_ROOT),
                }
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
                continue;
            }
        }
        if last {
            out.push(b'/');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let mut out = Vec::new();
        simplify(path.as_bytes(), &mut out, &mut Events::default());
        assert_eq!(String::from_utf8_lossy(&out), expected, "{path}");
        assert_eq!(needs_simplifying(path.as_bytes()), path != expected, "{path}");
    }

    #[test]
    fn dots_and_slashes_are_resolved() {
        check("/", "/");
        check("//", "/");
        check("/a/..//b/./c", "/b/c");
        check("/noslash/..//../../up", "/up");
        check("/a/..", "/");
        check("/a/.", "/a/");
        check("/a/b/../", "/a/");
        check("/..", "/");
        check("/a/...", "/a/...");
        check("/.a/b.", "/.a/b.");
        check("/x/../etc", "/etc");
    }

    proptest! {
        #[test]
        fn is_idempotent_and_rooted(path in "/[a./]{0,40}") {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            simplify(path.as_bytes(), &mut once, &mut Events::default());
            prop_assert!(once.starts_with(b"/") && once.len() <= path.len());
            prop_assert!(!needs_simplifying(&once));
            simplify(&once, &mut twice, &mut Events::default());
            prop_assert_eq!(once, twice);
        }
    }
}
