//! Folding against the published Snort 3 form of the same rules, if `../shared` (or
//! `$TAPIR_SHARED`) is there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tapir_options::fold;
use tapir_rules::value::split_args;
use tapir_rules::{Config, Dialect, Loaded, OptionNode, Rule, format_rule, load_files, load_str};

fn load(name: &str) -> Option<Loaded> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("TAPIR_SHARED").map(PathBuf::from);
    let shared = shared.or_else(|| here.ancestors().map(|folder| folder.join("shared")).find(|path| path.is_dir()));
    let path = shared.map(|shared| shared.join("rules").join(name)).filter(|path| path.exists());
    let Some(path) = path else {
        eprintln!("skipped: no rules/{name} in ../shared");
        return None;
    };
    let mut config = Config::default();
    config.set("HOME_NET=[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16]").unwrap();
    Some(load_files(&[path], &config))
}

/// A node with everything sorted that has no order, and in one notation.
fn normal(node: &OptionNode) -> String {
    let value = node.value.as_deref().unwrap_or("");
    let sorted = |text: &str| {
        let mut letters: Vec<_> = text.chars().collect();
        letters.sort_unstable();
        String::from_iter(letters)
    };
    let args = |fixed: usize| {
        let mut args: Vec<String> = split_args(value).iter().map(|arg| arg.text.to_owned()).collect();
        let fixed = fixed.min(args.len());
        args[fixed..].sort();
        args
    };
    let text = match node.name.as_str() {
        "pcre" => {
            let (pattern, flags) = value.trim_end_matches('"').rsplit_once('/').unwrap();
            format!("{pattern}/{}", sorted(flags))
        }
        "content" => args(1).join(",").replace("||", " "),
        "byte_test" => args(4).join(","),
        "byte_jump" => args(2).join(","),
        "byte_extract" => args(3).join(","),
        "flags" | "fragbits" => value.split(',').map(sorted).collect::<Vec<_>>().join(","),
        "flowbits" => {
            let mut names: Vec<&str> = value.split([',', '&', '|']).collect();
            names.sort_unstable();
            names.join(",")
        }
        "dce_iface" => value.to_ascii_lowercase(),
        "dce_opnum" => value.replace("\"1,2\"", "\"1-2\""),
        _ => args(0).join(","),
    };
    format!("{}:{text}", node.name)
}

fn normal_options(rule: &Rule) -> Vec<String> {
    let mut options: Vec<_> = rule.options.iter().map(normal).collect();
    // Where the service stands means nothing.
    options.sort_by_key(|option| option.starts_with("service:"));
    options
}

#[test]
fn folded_snort_2_rules_are_their_snort_3_twins() {
    let (Some(two), Some(three)) =
        (load("snort2.9-community/community.rules"), load("snort3-community/snort3-community.rules"))
    else {
        return;
    };
    let twins: BTreeMap<u32, &Rule> = three.rules.iter().map(|rule| (rule.info.sid, rule)).collect();
    let (mut same, mut common, mut other_rev, mut differ) = (0, 0, 0, Vec::new());
    for rule in &two.rules {
        let mut rule = rule.clone();
        let mut problems = Vec::new();
        assert!(fold(&mut rule, &mut problems), "{problems:?}");
        let Some(twin) = twins.get(&rule.info.sid) else { continue };
        common += 1;
        let (mine, theirs) = (normal_options(&rule), normal_options(twin));
        if rule.info.rev != twin.info.rev {
            other_rev += 1;
        } else if mine == theirs {
            same += 1;
        } else {
            differ.push((rule.info.sid, mine, theirs));
        }
    }
    println!(
        "{common} common rules, {same} with the same options, {other_rev} of another rev, {} differ",
        differ.len()
    );
    for (sid, mine, theirs) in &differ {
        println!("{sid}");
        for option in mine.iter().filter(|option| !theirs.contains(option)) {
            println!("  2.9 {option}");
        }
        for option in theirs.iter().filter(|option| !mine.contains(option)) {
            println!("  3   {option}");
        }
        let names = |options: &[String]| {
            options.iter().map(|option| option.split(':').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        println!("  order {}\n        {}", names(mine), names(theirs));
    }
    assert_eq!(common, 4007);
    // What still differs are edits of the publisher: other contents, other services.
    assert!(same >= 3980, "{same}");
}

#[test]
fn folded_rules_read_again_as_snort_3() {
    for name in ["snort2.9-community/community.rules", "et-open-suricata5", "suricata-7.0.10"] {
        let Some(loaded) = load(name) else { return };
        let mut config = Config { dialect: Some(Dialect::Snort3), ..Config::default() };
        config.set("HOME_NET=10.0.0.0/8").unwrap();
        let (mut folded, mut refused) = (0, 0);
        for rule in &loaded.rules {
            let mut rule = rule.clone();
            let mut problems = Vec::new();
            if !fold(&mut rule, &mut problems) {
                refused += 1;
                println!("{}: {}", rule.info.sid, problems[0].message);
                continue;
            }
            rule.enabled = true;
            let before = rule.options.clone();
            folded += 1;
            rule.dialect = Dialect::Snort3;
            let text = format_rule(&rule, &loaded.classifications);
            let again = load_str("folded", &text, &config);
            assert_eq!(again.rules.len(), 1, "{text}\n{:?}", again.diagnostics);
            let names = |nodes: &[OptionNode]| nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&again.rules[0].options), names(&before), "{text}");
        }
        println!("{name}: {folded} folded, {refused} refused");
    }
}
