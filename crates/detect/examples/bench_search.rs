//! Prints the speed of every kernel of this machine in GB/s (10⁹ bytes per second of wall time, best of five).
//!
//! ```sh
//! cargo run --release -p tapir-detect --example bench_search -- [PATTERNS CORPUS]
//! ```
//!
//! PATTERNS is a file of lines `GROUP HEX`: each group is a set. CORPUS is a file of traffic, cut into windows with
//! gaps so that they are cold in the cache. Without arguments both are made up.

#![allow(clippy::expect_used, reason = "a developer's tool: a wrong argument ends it with a message")]

use std::collections::BTreeMap;
use std::time::Instant;

use tapir_detect::search::{FlatSet, Kernel, Pattern, PatternId, PatternSet, SearchSet, Seen};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (groups, corpus) = match &arguments[..] {
        [patterns, corpus] => (read_groups(patterns), std::fs::read(corpus).expect("corpus")),
        _ => (made_up_groups(), made_up_text(32 << 20)),
    };
    let whole = Instant::now();
    let mut compiled = 0;
    for (name, patterns) in &groups {
        compiled += patterns.len();
        let set = SearchSet::compile(patterns.clone(), None);
        println!("{name}: {} distinct patterns, {:.1} KB", set.len(), set.memory() as f64 / 1e3);
    }
    println!("compiled {} sets of {compiled} patterns in {:?}\n", groups.len(), whole.elapsed());
    for (name, patterns) in &groups {
        let warm: Vec<&[u8]> = corpus[..corpus.len().min(256 << 10)].chunks(39).cycle().take(200_000).collect();
        measure(name, 39, patterns, &warm);
        for (window, gap) in [(577, 200), (1460, 700), (16_384, 4000)] {
            let windows: Vec<&[u8]> = corpus.chunks(window + gap).map(|c| &c[..window.min(c.len())]).collect();
            measure(name, window, patterns, &windows);
        }
        let text: Vec<u8> = patterns.iter().cycle().flat_map(|p| p.bytes.iter().copied()).take(1 << 20).collect();
        measure(name, 0, patterns, &text.chunks(1460).collect::<Vec<_>>());
        let inverted = |p: &Pattern| p.bytes.split_last().map(|(l, b)| [b, &[!l]].concat()).unwrap_or_default();
        let text: Vec<u8> = patterns.iter().cycle().flat_map(inverted).take(1 << 20).collect();
        measure(name, 1, patterns, &text.chunks(1460).collect::<Vec<_>>());
    }
}

fn measure(name: &str, window: usize, patterns: &[Pattern], windows: &[&[u8]]) {
    let bytes: usize = windows.iter().map(|w| w.len()).sum();
    let label = match window {
        0 => "whole".to_owned(),
        1 => "near".to_owned(),
        _ => window.to_string(),
    };
    print!("{name:>14} ({:>4}) {label:>6}:", patterns.len());
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
        let set = SearchSet::compile(patterns.to_vec(), Some(kernel));
        let mut seen = Seen::new();
        let (mut hits, mut capped) = (0usize, 0usize);
        let seconds = best_of_five(|| {
            (hits, capped) = (0, 0);
            for window in windows {
                capped += usize::from(set.scan_once(window, &mut seen, &mut |_| hits += 1).capped.is_some());
            }
        });
        let each = seconds * 1e9 / windows.len() as f64;
        print!("  {} {:.2} ({each:.0} ns)", kernel.name(), bytes as f64 / seconds / 1e9);
        if kernel == Kernel::Scalar {
            print!("  hits/KB {:.2}, capped {capped} of {}", hits as f64 / bytes as f64 * 1e3, windows.len());
        }
    }
    let flat = FlatSet::compile(patterns.to_vec());
    let some = &windows[..windows.len().min(2000)];
    let seconds = best_of_five(|| some.iter().for_each(|window| flat.scan(window, &mut |_, _| ())));
    println!("  flat {:.2}", some.iter().map(|w| w.len()).sum::<usize>() as f64 / seconds / 1e9);
}

fn best_of_five(mut run: impl FnMut()) -> f64 {
    let mut once = || {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
}

fn read_groups(path: &str) -> BTreeMap<String, Vec<Pattern>> {
    let mut groups: BTreeMap<String, Vec<Pattern>> = BTreeMap::new();
    for line in std::fs::read_to_string(path).expect("patterns").lines() {
        let (group, hex) = line.split_once(' ').expect("GROUP HEX");
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or(""), 16).expect("hex");
        let group = groups.entry(group.to_owned()).or_default();
        group.push(Pattern { id: PatternId(group.len() as u32), bytes: hex.as_bytes().chunks(2).map(byte).collect() });
    }
    groups
}

fn made_up_groups() -> BTreeMap<String, Vec<Pattern>> {
    let parts = [
        "cmd", "exec", "/admin", ".php?", "select", "%2e", "passwd", "<script", "shell", "\0\0", "User", "=\"",
        "upload",
    ];
    let pattern = |i: usize| {
        let n = i.wrapping_mul(0x9E37_79B1) % 100_000;
        format!("{}{n:x}{}", parts[i % parts.len()], parts[n % parts.len()]).into_bytes()
    };
    let group = |count: usize| (0..count).map(|i| Pattern { id: PatternId(i as u32), bytes: pattern(i) }).collect();
    [1, 8, 80, 280, 1400].into_iter().map(|count| (format!("made-up-{count}"), group(count))).collect()
}

fn made_up_text(len: usize) -> Vec<u8> {
    let words = [
        "<div class=\"item\">",
        " the ",
        "function(e){return ",
        "user",
        "\r\n",
        "name=\"value\" ",
        "and of ",
        "0x7f",
        "};",
        "\"id\": 1234, ",
    ];
    let mut state = 88_172_645_463_325_252u64;
    let mut text = Vec::with_capacity(len + 32);
    while text.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.extend(words[(state >> 20) as usize % words.len()].bytes());
        text.extend((state as u32).to_le_bytes().iter().map(|b| b % 96 + 32).take((state >> 40) as usize % 4));
    }
    text
}
