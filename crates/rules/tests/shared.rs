//! Published rule sets, if `../shared` (or `$TAPIR_SHARED`) is there: counts, no errors, and the
//! fixed point of printing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use tapir_rules::{Config, Dialect, Loaded, Rule, Severity, format_rule, load_files, load_str, render};

fn shared() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("TAPIR_SHARED") {
        return Some(PathBuf::from(path)).filter(|path| path.is_dir());
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("shared")).find(|path| path.join("rules").is_dir())
}

/// Loads a rule set, or says that it isn't there.
fn load(name: &str, config: &Config) -> Option<Loaded> {
    let Some(path) = shared().map(|shared| shared.join("rules").join(name)).filter(|path| path.exists()) else {
        eprintln!("skipped: no rules/{name} in ../shared");
        return None;
    };
    Some(load_files(&[path], config))
}

fn summary(name: &str, loaded: &Loaded) -> usize {
    let errors: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    for error in errors.iter().take(5) {
        println!("{}", render(error, &loaded.sources, false));
    }
    let warnings = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Warning).count();
    println!("{name}: {:?}, {} errors, {warnings} warnings", loaded.counts, errors.len());
    errors.len()
}

fn normal(rule: &Rule) -> impl PartialEq + std::fmt::Debug {
    let options: Vec<_> = rule.options.iter().map(|node| (node.name.clone(), node.value.clone())).collect();
    (rule.dialect, rule.enabled, rule.action, rule.header.text.clone(), rule.info.clone(), options)
}

fn printing_is_a_fixed_point(loaded: &Loaded, config: &Config) {
    for rule in &loaded.rules {
        let text = format_rule(rule, &loaded.classifications);
        let config = Config { dialect: Some(rule.dialect), ..config.clone() };
        let again = load_str("printed", &text, &config);
        let [same] = again.rules.as_slice() else { panic!("{text}\n{:?}", again.diagnostics) };
        assert_eq!(format_rule(same, &loaded.classifications), text);
        assert_eq!((&same.header.source, &same.header.source_ports), (&rule.header.source, &rule.header.source_ports));
        if rule.dialect != Dialect::Snort3 {
            assert_eq!(format!("{:?}", normal(same)), format!("{:?}", normal(rule)));
        }
    }
}

#[test]
fn the_snort_3_community_set_loads_without_an_error() {
    let Some(loaded) = load("snort3-community/snort3-community.rules", &Config::default()) else { return };
    assert_eq!(summary("Snort 3 community", &loaded), 0);
    assert_eq!((loaded.counts.parsed, loaded.counts.enabled, loaded.counts.skipped), (4017, 4017, 0));
    assert!(loaded.rules.iter().all(|rule| rule.dialect == Dialect::Snort3));
    printing_is_a_fixed_point(&loaded, &Config::default());
}

#[test]
fn the_snort_2_community_set_loads_without_an_error() {
    let Some(loaded) = load("snort2.9-community/community.rules", &Config::default()) else { return };
    assert_eq!(summary("Snort 2.9 community", &loaded), 0);
    assert_eq!((loaded.counts.parsed, loaded.counts.enabled, loaded.counts.disabled), (4013, 561, 3452));
    assert!(loaded.rules.iter().all(|rule| rule.dialect == Dialect::Snort2));
    printing_is_a_fixed_point(&loaded, &Config::default());
}

#[test]
fn the_other_sets_load_without_an_error() {
    // ET Open has rules for `!$HOME_NET`, which is an error if HOME_NET is `any`.
    let mut config = Config::default();
    config.set("HOME_NET=[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16]").unwrap();
    for (name, parsed) in [("snort3-extra", 244), ("et-open-suricata5", 20486), ("suricata-7.0.10", 427)] {
        let Some(loaded) = load(name, &config) else { return };
        assert_eq!(summary(name, &loaded), 0);
        assert_eq!(loaded.counts.parsed, parsed, "{name}");
        printing_is_a_fixed_point(&loaded, &config);
    }
}

#[test]
fn the_snort_2_configuration_defines_variables_and_classes() {
    let Some(loaded) = load("snort2.9-community/snort.conf", &Config::default()) else { return };
    println!("snort.conf: {:?}", loaded.counts);
    // Its includes are not there, its preprocessor lines are noticed.
    let others = loaded.diagnostics.iter().filter(|found| !matches!(found.code, "R0401" | "R0411"));
    let others: Vec<_> = others.map(|found| render(found, &loaded.sources, false)).collect();
    assert_eq!(others, [] as [String; 0]);
    assert!(loaded.rules.is_empty());
}
