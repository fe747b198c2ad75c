//! A compiled set of patterns: filter, index, short patterns and flat automaton put together.

use std::fmt;

use tapir_telemetry::{Counter, Counters};

use super::choice::{choose, choose_short};
use super::confirm::{Budget, Confirm, Index, Record};
use super::flat::Automaton;
use super::kernel::{Candidates, Filter, Flow, Kernel};
use super::needles::Needles;
use super::seen::Seen;
use super::short::{ConfirmShort, ShortIndex};
use super::{Pattern, PatternId, PatternSet};

/// The default engine: two-stage filter, and a flat automaton for hostile bytes.
pub struct SearchSet {
    kernel: Kernel,
    needles: Needles,
    /// For needles of four bytes or more; None if there are none.
    long: Option<Long>,
    /// For needles of one to three bytes.
    short: Option<Short>,
    /// Over all needles.
    flat: Option<Automaton>,
}

struct Long {
    filter: Filter,
    index: Index,
    /// Largest distance from the start of a needle to its window, and from there to the needle's end.
    before: usize,
    behind: usize,
    /// Window offset of each long needle; they come after the short ones.
    offsets: Box<[u16]>,
}

struct Short {
    filter: Filter,
    index: ShortIndex,
    /// Needles below this are short.
    count: u32,
}

/// How a scan went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Scan {
    /// Where the flat automaton had to take over, if it had to.
    pub capped: Option<usize>,
}

impl Scan {
    /// Counts a scan that ran into the cap.
    #[inline]
    pub fn count(self, counters: &mut Counters) {
        if self.capped.is_some() {
            counters.bump(Counter::SearchCapped);
        }
    }
}

/// From where the flat automaton has to look for which needles; `usize::MAX` is nowhere.
#[derive(Clone, Copy)]
struct Resume {
    /// First window position not asked about.
    long: usize,
    /// First start not asked about.
    short: usize,
}

impl SearchSet {
    /// Compiles a set for `kernel`, or for the fastest of this machine ([`Kernel::detect`]).
    pub fn compile(patterns: Vec<Pattern>, kernel: Option<Kernel>) -> Self {
        let kernel = kernel.filter(|kernel| kernel.is_available()).unwrap_or_else(Kernel::detect);
        let needles = Needles::new(patterns);
        let flat = Automaton::new(&needles);
        Self { kernel, long: Long::new(&needles, kernel), short: Short::new(&needles, kernel), needles, flat }
    }

    /// The kernel it was compiled for.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// How many distinct non-empty patterns it has.
    pub fn len(&self) -> usize {
        self.needles.len()
    }

    /// True if it can't find anything.
    pub fn is_empty(&self) -> bool {
        self.needles.len() == 0 && self.needles.empty_ids().is_empty()
    }

    /// Reports every pattern that occurs in `haystack`, once.
    #[inline]
    pub fn scan_once(&self, haystack: &[u8], seen: &mut Seen, found: &mut impl FnMut(PatternId)) -> Scan {
        self.scan_once_behind(haystack, 0, seen, found)
    }

    /// Reports every pattern that has an occurrence ending behind `border`, once.
    ///
    /// For streams: `haystack` is the kept tail of what was scanned before, `border` bytes, with the new bytes after
    /// it. Only as much of the tail is read as the set needs.
    pub fn scan_once_behind(
        &self,
        haystack: &[u8],
        border: usize,
        seen: &mut Seen,
        found: &mut impl FnMut(PatternId),
    ) -> Scan {
        seen.begin(self.needles.len());
        let scan = self.run(haystack, border, &mut Once { seen, border });
        self.needles.empty_ids().iter().for_each(|&id| found(id));
        for &needle in seen.found() {
            self.needles.ids(needle).iter().for_each(|&id| found(id));
        }
        scan
    }

    /// Runs filter and index, and the automaton over what they leave.
    fn run<R: Record>(&self, haystack: &[u8], border: usize, record: &mut R) -> Scan {
        let mut budget = if self.flat.is_some() { Budget::for_bytes(haystack.len()) } else { Budget::UNLIMITED };
        let mut resume = Resume { long: usize::MAX, short: usize::MAX };
        if let Some(long) = &self.long {
            let from = border.saturating_add(1).saturating_sub(long.behind);
            let mut confirm = Confirm::new(&long.index, &self.needles, haystack, &mut *record, budget);
            let stopped = long.filter.scan(haystack, from, &mut confirm);
            budget = confirm.budget();
            resume.long = stopped.filter(|_| confirm.alive() != 0).unwrap_or(usize::MAX);
        }
        if let Some(short) = &self.short {
            let mut confirm = ConfirmShort::new(&short.index, haystack, &mut *record, budget);
            resume.short = short.scan(haystack, border.saturating_sub(2), &mut confirm).unwrap_or(usize::MAX);
        }
        self.finish(haystack, resume, record)
    }

    /// Gives the rest of the buffer to the automaton.
    fn finish<R: Record>(&self, haystack: &[u8], resume: Resume, record: &mut R) -> Scan {
        let first = resume.long.min(resume.short);
        let Some(flat) = self.flat.as_ref().filter(|_| first < haystack.len()) else { return Scan::default() };
        let shorts = self.short.as_ref().map_or(0, |short| short.count);
        let before = self.long.as_ref().map_or(0, |long| long.before);
        let from = resume.long.saturating_sub(before).min(resume.short);
        flat.scan(haystack, from, |needle, end| {
            let start = end - self.needles.length(needle);
            let is_left = match needle.checked_sub(shorts) {
                None => start >= resume.short,
                Some(long) => start.saturating_add(self.offset(long)) >= resume.long,
            };
            if is_left && record.wants(needle) {
                record.record(needle, end);
            }
        });
        Scan { capped: Some(first) }
    }

    fn offset(&self, long: u32) -> usize {
        self.long.as_ref().and_then(|set| set.offsets.get(long as usize)).map_or(0, |&offset| usize::from(offset))
    }
}

impl Long {
    fn new(needles: &Needles, kernel: Kernel) -> Option<Self> {
        let choice = choose(needles, kernel);
        let offsets: Box<[u16]> = choice.places.iter().map(|place| place.offset).collect();
        let behind =
            choice.places.iter().map(|p| needles.length(p.needle).saturating_sub(usize::from(p.offset))).max()?;
        Some(Self {
            filter: Filter::new(kernel, &choice.masks),
            index: Index::new(needles, &choice.places),
            before: usize::from(offsets.iter().copied().max().unwrap_or(0)),
            behind,
            offsets,
        })
    }
}

impl Short {
    fn new(needles: &Needles, kernel: Kernel) -> Option<Self> {
        let (masks, places) = choose_short(needles, kernel);
        let count = u32::try_from(places.len()).ok().filter(|&count| count != 0)?;
        Some(Self { filter: Filter::new(kernel, &masks), index: ShortIndex::new(needles, &places), count })
    }

    /// The kernels ask about positions with four bytes; the last three are asked about here.
    fn scan<C: Candidates>(&self, haystack: &[u8], from: usize, candidates: &mut C) -> Option<usize> {
        let stopped = |at: Option<usize>, candidates: &C| at.filter(|_| candidates.alive() != 0);
        if let Some(at) = self.filter.scan(haystack, from, candidates) {
            return stopped(Some(at), candidates);
        }
        for position in haystack.len().saturating_sub(3).max(from)..haystack.len() {
            if candidates.at(position) == Flow::Stop {
                return stopped(Some(position + 1), candidates);
            }
        }
        None
    }
}

/// Wants each needle once, and only occurrences that end behind a border.
struct Once<'a> {
    seen: &'a mut Seen,
    border: usize,
}

impl Record for Once<'_> {
    #[inline]
    fn wants(&self, needle: u32) -> bool {
        !self.seen.has(needle)
    }

    #[inline]
    fn record(&mut self, needle: u32, end: usize) -> bool {
        end > self.border && self.seen.mark(needle)
    }
}

/// Wants every occurrence.
struct Every<F>(F);

impl<F: FnMut(u32, usize)> Record for Every<F> {
    #[inline]
    fn wants(&self, _needle: u32) -> bool {
        true
    }

    #[inline]
    fn record(&mut self, needle: u32, end: usize) -> bool {
        (self.0)(needle, end);
        false
    }
}

impl PatternSet for SearchSet {
    fn scan(&self, haystack: &[u8], found: &mut dyn FnMut(PatternId, usize)) {
        self.needles.empty_ids().iter().for_each(|&id| found(id, 0));
        let mut every = Every(|needle, end| self.needles.ids(needle).iter().for_each(|&id| found(id, end)));
        let _ = self.run(haystack, 0, &mut every);
    }

    fn memory(&self) -> usize {
        let long = self.long.as_ref().map_or(0, |l| l.filter.memory() + l.index.memory() + size_of_val(&*l.offsets));
        let short = self.short.as_ref().map_or(0, |s| s.filter.memory() + s.index.memory());
        size_of::<Self>() + self.needles.memory() + long + short + self.flat.as_ref().map_or(0, Automaton::memory)
    }

    fn name(&self) -> &'static str {
        self.kernel.name()
    }
}

impl fmt::Debug for SearchSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchSet")
            .field("kernel", &self.kernel)
            .field("needles", &self.needles.len())
            .finish_non_exhaustive()
    }
}
