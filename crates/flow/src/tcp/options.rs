//! The two TCP options that reassembly needs: window scale and timestamps (RFC 7323).

/// Window scale (at most 14) and timestamp value, as far as present and well formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) scale: Option<u8>,
    pub(super) timestamp: Option<u32>,
}

/// Reads all options; stops at the first malformed one.
pub(super) fn parse(mut options: &[u8]) -> Options {
    let mut found = Options::default();
    while let [kind, rest @ ..] = options {
        match (kind, rest) {
            (0, _) => break,
            (1, _) => options = rest,
            (_, [len, ..]) if *len >= 2 => {
                let Some((option, after)) = options.split_at_checked(usize::from(*len)) else { break };
                match option {
                    [3, 3, shift] => found.scale = Some((*shift).min(14)),
                    [8, 10, a, b, c, d, ..] => found.timestamp = Some(u32::from_be_bytes([*a, *b, *c, *d])),
                    _ => {}
                }
                options = after;
            }
            _ => break,
        }
    }
    found
}

/// The timestamp value of a segment; the layout that everyone sends is read at once.
#[inline]
pub(super) fn timestamp(options: &[u8]) -> Option<u32> {
    match options {
        [1, 1, 8, 10, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => parse(options).timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_and_timestamp_are_found_among_others() {
        let options = [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
        assert_eq!(parse(&options), Options { scale: Some(7), timestamp: Some(0x0102_0304) });
        assert_eq!(timestamp(&[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0]), Some(9));
    }

    #[test]
    fn malformed_options_end_the_list() {
        assert_eq!(parse(&[3]), Options::default());
        assert_eq!(parse(&[3, 0, 7]), Options::default());
        assert_eq!(parse(&[8, 10, 1, 2]), Options::default());
        assert_eq!(parse(&[0, 3, 3, 7]), Options::default());
        assert_eq!(parse(&[3, 3, 200]).scale, Some(14));
    }
}
