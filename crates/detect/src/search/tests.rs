//! Differential tests: every kernel of this machine against `aho-corasick` and against the flat automaton.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use proptest::prelude::*;

use super::*;

fn patterns(list: &[Vec<u8>]) -> Vec<Pattern> {
    list.iter().enumerate().map(|(i, bytes)| Pattern { id: PatternId(i as u32), bytes: bytes.clone() }).collect()
}

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

/// Every occurrence of a non-empty pattern as (index, end), by the oracle.
fn oracle(list: &[Vec<u8>], haystack: &[u8]) -> BTreeSet<(u32, usize)> {
    // `aho-corasick` reports one of equal patterns only for some kinds; distinct ones are numbered here.
    let nonempty: Vec<(u32, &Vec<u8>)> = (0..).zip(list).filter(|(_, bytes)| !bytes.is_empty()).collect();
    let machine = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(nonempty.iter().map(|(_, bytes)| bytes))
        .unwrap();
    machine.find_overlapping_iter(haystack).map(|m| (nonempty[m.pattern().as_usize()].0, m.end())).collect()
}

/// A set compiled once per engine, for many haystacks.
struct Engines<'a> {
    list: &'a [Vec<u8>],
    sets: Vec<SearchSet>,
    flat: FlatSet,
    seen: Seen,
}

impl<'a> Engines<'a> {
    fn new(list: &'a [Vec<u8>]) -> Self {
        let sets = kernels().map(|kernel| SearchSet::compile(patterns(list), Some(kernel))).collect();
        Self { list, sets, flat: FlatSet::compile(patterns(list)), seen: Seen::new() }
    }

    /// Compares all engines on one haystack; returns how many scans were capped.
    fn check(&mut self, haystack: &[u8]) -> usize {
        let expected = oracle(self.list, haystack);
        let empties = || (0u32..).zip(self.list).filter(|(_, b)| b.is_empty()).map(|(i, _)| i);
        let mut every: Vec<(u32, usize)> = expected.iter().copied().chain(empties().map(|i| (i, 0))).collect();
        every.sort_unstable();
        for set in self.sets.iter().map(|set| set as &dyn PatternSet).chain([&self.flat as &dyn PatternSet]) {
            let mut found = Vec::new();
            set.scan(haystack, &mut |id, end| found.push((id.0, end)));
            found.sort_unstable();
            assert_eq!(found, every, "{}: every occurrence in {} bytes", set.name(), haystack.len());
        }
        let mut capped = 0;
        for set in &self.sets {
            for border in [0, 1, 3, haystack.len() / 2, haystack.len()] {
                let behind = |&&(_, end): &&(u32, usize)| end > border;
                let once: BTreeSet<u32> = expected.iter().filter(behind).map(|&(id, _)| id).chain(empties()).collect();
                let mut found = Vec::new();
                let scan = set.scan_once_behind(haystack, border, &mut self.seen, &mut |id| found.push(id.0));
                capped += usize::from(scan.capped.is_some());
                found.sort_unstable();
                assert!(found.is_sorted_by(|a, b| a < b), "{} reported twice: {found:?}", set.name());
                assert_eq!(found, Vec::from_iter(once), "{} behind {border} of {}", set.name(), haystack.len());
            }
        }
        capped
    }
}

/// Small deterministic generator.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below.max(1)
    }

    fn bytes(&mut self, len: usize, alphabet: &[u8]) -> Vec<u8> {
        (0..len).map(|_| alphabet[self.next(alphabet.len())]).collect()
    }
}

const WORDS: &[&str] = &[
    "User-Agent: ",
    "Host: ",
    "\r\n",
    "GET /",
    "cmd.exe",
    "/etc/passwd",
    "<script",
    "</script>",
    "union select",
    "%PDF-1.",
    "MZ",
    "This program cannot be run in DOS mode",
    "\0\0\0\0",
    "AAAAAAAA",
    "|3a|",
    "..",
    "../",
    "x",
    "Content-Type: application/x-www-form-urlencoded",
    "powershell",
    "eval(",
    "base64_decode",
    "\u{1}\u{2}\u{3}",
];

#[test]
fn realistic_text_gives_what_the_oracle_finds() {
    let mut random = Random(7);
    for count in [1, 2, 5, 8, 9, 20, WORDS.len()] {
        let list: Vec<Vec<u8>> = WORDS.iter().take(count).map(|w| w.as_bytes().to_vec()).collect();
        let mut engines = Engines::new(&list);
        for len in (0..200).chain([300, 577, 1460, 4096, 16384]) {
            let mut text = Vec::new();
            while text.len() < len {
                let word = WORDS[random.next(WORDS.len())];
                match random.next(4) {
                    0 => text.extend(word.to_ascii_uppercase().bytes()),
                    1 => text.extend(word.bytes()),
                    2 => text.extend(word.bytes().take(word.len() - 1)),
                    _ => text.extend(random.bytes(9, b"abcdefg hijkl =\"/.")),
                }
            }
            text.truncate(len);
            engines.check(&text);
        }
    }
}

#[test]
fn a_pattern_is_found_at_every_place_of_every_length_of_buffer() {
    for length in [1, 2, 3, 4, 5, 7, 8, 12, 31, 33, 64, 70, 214] {
        let pattern: Vec<u8> = (0..length).map(|i| b"kLm-9_zQ"[i % 8]).collect();
        let list = [pattern.clone()];
        let mut engines = Engines::new(&list);
        for len in (length..length + 140).step_by(if length > 12 { 7 } else { 1 }) {
            for at in (0..=len - length).step_by(if len > 90 { 5 } else { 1 }).chain([len - length]) {
                let mut text = vec![b'.'; len];
                text[at..at + length].copy_from_slice(&pattern.to_ascii_uppercase());
                engines.check(&text);
            }
        }
    }
}

#[test]
fn lengths_from_1_to_214_duplicates_and_prefixes_together() {
    let mut random = Random(99);
    let long = random.bytes(214, b"abcXYZ019/%\0\xff");
    let mut list: Vec<Vec<u8>> = (1..=214).map(|n| long[..n].to_vec()).collect();
    list.extend((1..=214).step_by(9).map(|n| long[..n].to_ascii_uppercase()));
    list.extend((1..=214).step_by(5).map(|n| long[214 - n..].to_vec()));
    list.push(Vec::new());
    let mut engines = Engines::new(&list);
    for cut in [0, 1, 2, 3, 4, 50, 213, 214] {
        engines.check(&long[..cut]);
        engines.check(&long[214 - cut..]);
        let mut text = random.bytes(100, b"abc ");
        text.extend(&long[..cut]);
        text.extend(&long);
        engines.check(&text);
    }
}

#[test]
fn many_patterns_on_random_bytes() {
    let mut random = Random(3);
    for (count, alphabet) in
        [(300, &b"abcdefghijklmnopqrstuvwxyz"[..]), (1500, b"etaoin /=-\r\n"), (200, b"\0\x01\xff\xfe")]
    {
        let list: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                let n = 1 + random.next(20);
                random.bytes(n, alphabet)
            })
            .collect();
        let mut engines = Engines::new(&list);
        for len in [10, 39, 64, 100, 1460, 3000] {
            let text = random.bytes(len, alphabet);
            engines.check(&text);
        }
    }
}

#[test]
fn hostile_buffers_are_finished_by_the_flat_automaton_with_the_same_result() {
    let mut list: Vec<Vec<u8>> = (4..120).map(|n| vec![b'A'; n]).collect();
    list.extend((0..60u8).map(|i| [vec![b'a'; 40], vec![i]].concat()));
    list.push(b"\r\n".to_vec());
    let mut engines = Engines::new(&list);
    let mut capped = 0;
    for len in [100, 1000, 5000, 20_000] {
        let mut near: Vec<u8> = (0..len).map(|i| if i % 40 == 39 { b'!' } else { b'a' }).collect();
        capped += engines.check(&near);
        near.extend(vec![b'a'; 300]);
        near.extend(b"\r\n");
        capped += engines.check(&near);
    }
    assert!(capped > 0, "the cap was never reached");
}

#[test]
fn ordinary_buffers_never_reach_the_cap() {
    let list: Vec<Vec<u8>> = WORDS.iter().map(|w| w.as_bytes().to_vec()).collect();
    let text = "The quick brown fox GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: x\r\n\r\n".repeat(300);
    for kernel in kernels() {
        let scan =
            SearchSet::compile(patterns(&list), Some(kernel)).scan_once(text.as_bytes(), &mut Seen::new(), &mut |_| ());
        assert_eq!(scan.capped, None, "{}", kernel.name());
    }
}

#[test]
fn one_scratch_serves_sets_of_all_sizes() {
    let big: Vec<Vec<u8>> = (0..500).map(|i| format!("needle{i:03}").into_bytes()).collect();
    let (big, small) =
        (SearchSet::compile(patterns(&big), None), SearchSet::compile(patterns(&[b"499".to_vec()]), None));
    let mut seen = Seen::new();
    for _ in 0..3 {
        let mut found = Vec::new();
        let _ = small.scan_once(b"needle499", &mut seen, &mut |id| found.push(id.0));
        let _ = big.scan_once(b"needle499 NEEDLE007", &mut seen, &mut |id| found.push(id.0));
        assert_eq!(found, [0, 499, 7]);
    }
}

#[test]
fn an_empty_set_finds_nothing_and_says_so() {
    let set = SearchSet::compile(Vec::new(), None);
    assert!(set.is_empty());
    assert_eq!(set.scan_once(b"anything", &mut Seen::new(), &mut |id| panic!("{id:?}")), Scan::default());
}

#[test]
fn small_sets_are_small() {
    let set = SearchSet::compile(patterns(&[b"cmd.exe".to_vec(), b"powershell".to_vec(), b"\r\n".to_vec()]), None);
    assert!(set.memory() < 10 << 10, "{} bytes", set.memory());
}

fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(b'a'), Just(b'A'), Just(b'b'), Just(b'@'), Just(b'`'), Just(0), Just(0x20), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_set_on_any_bytes_gives_what_the_oracle_finds(
        list in prop::collection::vec(prop::collection::vec(byte(), 0..12), 1..40),
        haystack in prop::collection::vec(byte(), 0..400),
        planted in prop::collection::vec((0..40usize, 0..400usize), 0..12),
    ) {
        let mut haystack = haystack;
        for (which, at) in planted {
            let pattern = &list[which % list.len()];
            if let Some(place) = haystack.get_mut(at..at + pattern.len()) {
                place.copy_from_slice(pattern);
            }
        }
        Engines::new(&list).check(&haystack);
    }
}
