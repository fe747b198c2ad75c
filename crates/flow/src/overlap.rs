//! Who wins where new data overlaps data that is already queued.
//!
//! *How it fits*: TCP reassembly and defragmentation describe what is queued as [`Old`] pieces and
//! bring a policy ([`OverlapRules`]); [`contest`] walks over the overlaps from left to right and
//! tells which ranges of the new data are to be written. Everything else of the new data is
//! dropped, and what is queued under a written range is cut away, split or removed.
//!
//! Three situations, as Snort names them: *left* (the old piece begins before the new one),
//! *right partial* (the old piece reaches beyond the end of the new one) and *right full* (what is
//! left of the new piece covers the old one). Source: Snort 3 `tcp_overlap_resolver`, `ip_defrag`
//! behaviour, measured.

/// A half-open range of stream offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Span {
    #[inline]
    pub(crate) fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// The span of `len` bytes from `start`.
    #[inline]
    pub(crate) fn at(start: u64, len: usize) -> Self {
        Self { start, end: start.saturating_add(len as u64) }
    }

    #[inline]
    pub(crate) fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// The common part; may be empty.
    #[inline]
    pub(crate) fn intersect(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }
}

/// The bytes of `wanted` within `data`, which is the bytes of `span`; empty if they aren't all there.
pub(crate) fn part(data: &[u8], span: Span, wanted: Span) -> &[u8] {
    let at = |offset: u64| usize::try_from(offset.checked_sub(span.start)?).ok();
    match (at(wanted.start), at(wanted.end)) {
        (Some(start), Some(end)) => data.get(start..end).unwrap_or_default(),
        _ => &[],
    }
}

/// Whose bytes stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Winner {
    Old,
    New,
}

/// A queued piece that the new data overlaps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Old {
    pub(crate) span: Span,
    /// Decided regardless of the policy.
    pub(crate) settled: Option<Winner>,
}

/// The decisions of one policy. `rest` is what is left of the new data at that moment.
pub(crate) trait OverlapRules {
    /// `old` begins before `new` and reaches into it.
    fn left(&self, old: Span, new: Span) -> Winner;
    /// `old` begins in `rest` and reaches beyond its end.
    fn right_partial(&self, old: Span, rest: Span) -> Winner;
    /// `old` lies within `rest`; `alone`: there is a piece before `old`, and it isn't adjacent.
    fn right_full(&self, old: Span, rest: Span, alone: bool) -> Winner;
}

/// Collects in `won` the ranges of `new` that are to be written, in order.
///
/// `olds` are the pieces that `new` overlaps, in order and disjoint; `before` is the end of the
/// last piece before them.
pub(crate) fn contest(
    rules: &impl OverlapRules,
    new: Span,
    mut before: Option<u64>,
    olds: impl Iterator<Item = Old>,
    won: &mut Vec<Span>,
) {
    let mut rest = new;
    for old in olds {
        let span = old.span;
        if span.start < new.start {
            if old.settled.unwrap_or_else(|| rules.left(span, rest)) == Winner::Old {
                rest.start = span.end.min(rest.end);
            }
        } else if span.end <= rest.end {
            let alone = before.is_some_and(|end| end != span.start);
            if old.settled.unwrap_or_else(|| rules.right_full(span, rest, alone)) == Winner::Old {
                push(won, Span::new(rest.start, span.start));
                rest.start = span.end;
            }
        } else if old.settled.unwrap_or_else(|| rules.right_partial(span, rest)) == Winner::Old {
            rest.end = span.start.max(rest.start);
            break;
        }
        before = Some(span.end);
    }
    push(won, rest);
}

fn push(won: &mut Vec<Span>, span: Span) {
    if !span.is_empty() {
        won.push(span);
    }
}

#[cfg(test)]
pub(crate) mod cases {
    //! The ten measured situations, shared by the tables of TCP and of fragments.

    use super::*;

    /// What is queued (`A`, then `C`), then what arrives (`B`); positions inclusive.
    pub(crate) struct Case {
        pub(crate) name: char,
        pub(crate) old: &'static [(u64, u64)],
        pub(crate) new: (u64, u64),
    }

    pub(crate) const CASES: [Case; 10] = [
        Case { name: 'A', old: &[(5, 9)], new: (8, 12) },
        Case { name: 'B', old: &[(8, 12)], new: (5, 9) },
        Case { name: 'C', old: &[(5, 7)], new: (5, 9) },
        Case { name: 'D', old: &[(5, 9)], new: (5, 9) },
        Case { name: 'E', old: &[(5, 9)], new: (5, 7) },
        Case { name: 'F', old: &[(7, 8)], new: (5, 10) },
        Case { name: 'G', old: &[(7, 10)], new: (5, 10) },
        Case { name: 'H', old: &[(5, 10)], new: (7, 8) },
        Case { name: 'I', old: &[(5, 10)], new: (8, 10) },
        Case { name: 'J', old: &[(6, 7), (10, 11)], new: (5, 12) },
    ];

    /// Positions 5 to 12 as `rules` decide them; `z` where nothing was sent.
    pub(crate) fn outcome(rules: &impl OverlapRules, case: &Case) -> String {
        let mut letters = ['z'; 13];
        let mut olds = Vec::new();
        for (&(first, last), letter) in case.old.iter().zip(['A', 'C']) {
            letters[first as usize..=last as usize].fill(letter);
            olds.push(Old { span: Span::new(first, last + 1), settled: None });
        }
        let new = Span::new(case.new.0, case.new.1 + 1);
        olds.retain(|old| !old.span.intersect(new).is_empty());
        let mut won = Vec::new();
        contest(rules, new, None, olds.into_iter(), &mut won);
        for span in won {
            letters[span.start as usize..span.end as usize].fill('B');
        }
        letters[5..].iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(Winner);

    impl OverlapRules for Always {
        fn left(&self, _: Span, _: Span) -> Winner {
            self.0
        }
        fn right_partial(&self, _: Span, _: Span) -> Winner {
            self.0
        }
        fn right_full(&self, _: Span, _: Span, _: bool) -> Winner {
            self.0
        }
    }

    fn won(winner: Winner, new: (u64, u64), olds: &[(u64, u64, Option<Winner>)]) -> Vec<(u64, u64)> {
        let mut won = Vec::new();
        let olds = olds.iter().map(|&(a, b, settled)| Old { span: Span::new(a, b), settled });
        contest(&Always(winner), Span::new(new.0, new.1), None, olds, &mut won);
        won.iter().map(|s| (s.start, s.end)).collect()
    }

    #[test]
    fn old_data_that_wins_leaves_only_the_holes() {
        let olds = [(0, 3, None), (5, 7, None), (9, 20, None)];
        assert_eq!(won(Winner::Old, (2, 12), &olds), [(3, 5), (7, 9)]);
    }

    #[test]
    fn new_data_that_wins_is_written_in_one_run() {
        let olds = [(0, 3, None), (5, 7, None), (9, 20, None)];
        assert_eq!(won(Winner::New, (2, 12), &olds), [(2, 12)]);
    }

    #[test]
    fn a_settled_piece_is_not_asked_about() {
        let olds = [(0, 3, Some(Winner::Old)), (5, 7, Some(Winner::New)), (9, 20, Some(Winner::Old))];
        assert_eq!(won(Winner::New, (2, 12), &olds), [(3, 9)]);
        assert_eq!(won(Winner::Old, (2, 12), &olds), [(3, 9)]);
    }

    #[test]
    fn new_data_inside_an_old_winner_vanishes() {
        assert_eq!(won(Winner::Old, (2, 5), &[(0, 9, None)]), []);
    }
}
