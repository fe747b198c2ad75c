//! Tests of loading: what Snort 3 accepts and refuses, lexing, dialects, duplicates, directives.

use super::*;
use crate::{Action, format_rule, render};
use proptest::prelude::*;

fn load(dialect: Dialect, text: &str) -> Loaded {
    load_str("test.rules", text, &Config { dialect: Some(dialect), ..Config::default() })
}

/// Codes of the errors, and of warnings in brackets.
fn codes(loaded: &Loaded) -> String {
    let code = |found: &Diagnostic| match found.severity {
        Severity::Error => Some(found.code.to_owned()),
        Severity::Warning => Some(format!("[{}]", found.code)),
        Severity::Note => None,
    };
    loaded.diagnostics.iter().filter_map(code).collect::<Vec<_>>().join(" ")
}

/// Loads a rule as Snort 3; a text that begins with `(` gets a UDP header.
#[track_caller]
fn snort3(rule: &str, expected: &str) {
    let rule = if rule.starts_with('(') { format!("alert udp any any -> any any {rule}") } else { rule.to_owned() };
    assert_eq!(codes(&load(Dialect::Snort3, &rule)), expected, "{rule}");
}

#[track_caller]
fn accepts(rule: &str) {
    snort3(rule, "");
}

/// The options of the only rule.
fn options(loaded: &Loaded) -> String {
    let [rule] = loaded.rules.as_slice() else { panic!("{:?}", loaded.diagnostics) };
    let show = |node: &crate::OptionNode| match &node.value {
        Some(value) => format!("{}={value}", node.name),
        None => node.name.clone(),
    };
    rule.options.iter().map(show).collect::<Vec<_>>().join(" ; ")
}

#[test]
fn headers_are_refused_where_snort_3_refuses_them() {
    let body = r#"any -> any any (content:"A"; sid:1;)"#;
    snort3(&format!("alert udp ![10.0.0.1, 10.0.0.2] {body}"), "R0212");
    accepts(&format!("alert udp ![10.0.0.1,10.0.0.2] {body}"));
    accepts(&format!("alert udp [10.0.0.1, 10.0.0.2] {body}"));
    snort3(&format!("alert udp !any {body}"), "R0203");
    snort3(&format!("alert udp [10.1.0.0/16,!10.0.0.0/8] {body}"), "R0204");
    snort3(&format!("alert udp $NOPE {body}"), "R0206");
    snort3(r#"alert udp any $NOPE -> any any (content:"A"; sid:1;)"#, "R0206");
    snort3(r#"alert udp any 90:80 -> any any (content:"A"; sid:1;)"#, "R0208");
    accepts(r#"alert udp any ![80,90:95] -> any any (content:"A"; sid:1;)"#);
    snort3(r#"alert udp any any <- any any (content:"A"; sid:1;)"#, "R0201");
    snort3(r#"alert UDP any any -> any any (content:"A"; sid:1;)"#, "[R0211]");
    snort3(r#"alert ht\tp (content:"A"; sid:1;)"#, "R0210");
    snort3(r#"warn udp any any -> any any (content:"A"; sid:1;)"#, "R0115");
    snort3(r#"alert tcp 80 -> 90 (content:"A"; sid:1;)"#, "R0202 R0202");
    accepts(r#"alert tcp any -> any (content:"A"; sid:1;)"#);
    accepts(r#"alert tcp (content:"A"; sid:1;)"#);
    snort3(r#"alert (content:"A"; sid:1;)"#, "R0201");
    accepts(r#"file_id (content:"A"; sid:1; gid:4;)"#);
    accepts(r#"alert ( gid:119; sid:2; rev:1; msg:"x"; )"#);
}

#[test]
fn bodies_are_refused_where_snort_3_refuses_them() {
    // differs: Snort takes a missing sid as 0 unless told otherwise.
    snort3(r#"(content:"A";)"#, "R0301");
    snort3(r#"(content:"A"; sid:0;)"#, "R0302");
    snort3(r#"(content:"A",offset 1 2; sid:1;)"#, "R0109");
    snort3(r#"(content:"A",offset:1; sid:1;)"#, "R0108");
    snort3(r#"(msg:"a"; msg:"b"; content:"A"; sid:1;)"#, "R0306");
    snort3(r#"(flow:to_server; flow:established; content:"A"; sid:1;)"#, "[R0307]");
    snort3(r#"(content:"A"; classtype:nope; sid:1;)"#, "[R0311]");
    snort3(r#"(content:"A"; reference:nope,1; sid:1;)"#, "[R0312]");
    snort3(r#"(content:"A"; enable:no; sid:1;)"#, "R0310");
    snort3(r#"(content:"A"; gid:9000; sid:1;)"#, "R0302");
    snort3(r#"(content:"A"; gid:119; sid:9999;)"#, "R0308");
    snort3(r#"(msg:"x"; sid:1;)"#, "[R0309]");
    snort3(r#"(content:"A"; sid:1;"#, "R0103");
    accepts(r#"(content:"A"; metadata:a b, c d e f; sid:1;)"#);
    accepts(r#"(content:"A"; sid:1)"#);
    snort3(r#"(content:"A"; sid:1; http_uri)"#, "R0104");
    snort3(r#"(content:"A; sid:1;)"#, "R0110");
}

#[test]
fn a_rule_without_sid_gets_zero_if_that_is_allowed() {
    let config = Config { require_sid: false, ..Config::default() };
    let loaded = load_str("x", "alert http (content:\"A\",nocase;)", &config);
    assert_eq!((codes(&loaded).as_str(), loaded.rules[0].info.sid), ("[R0301]", 0));
    assert_eq!(format_rule(&loaded.rules[0], &loaded.classifications), "alert http ( content:\"A\",nocase; )");
}

#[test]
fn a_semicolon_in_a_pcre_must_be_escaped_also_in_quotes() {
    assert_eq!(options(&load(Dialect::Snort3, r#"alert http (pcre:"/a\;b/"; sid:1;)"#)), r#"pcre="/a\;b/""#);
    assert!(load(Dialect::Snort3, r#"alert http (pcre:"/a;b/"; sid:1;)"#).rules.is_empty());
    assert_eq!(options(&load(Dialect::Snort3, r#"alert http (content:"a;b"; sid:1;)"#)), r#"content="a;b""#);
}

#[test]
fn comments_and_line_ends_stand_between_tokens() {
    let text = "# text\n#begin\nalert http (dsize:1; sid:9;)\n#END\n/* alert http (dsize:1; \"*/\" sid:8;) */\n\
        alert # now\n  http ( content:\"#1 /* \", # why\n   depth 5; /* c */ dsize:1\n;\\\n sid:1; )END alert http (sid:2;)";
    let loaded = load(Dialect::Snort3, text);
    assert_eq!(options(&loaded), "content=\"#1 /* \",          depth 5 ; dsize=1");
    assert_eq!(codes(&loaded), "");
    assert_eq!(loaded.rules[0].line, 6);
    let printed = format_rule(&loaded.rules[0], &loaded.classifications);
    assert_eq!(printed, r##"alert http ( content:"#1 /* ",depth 5; dsize:1; sid:1; )"##);
}

#[test]
fn a_broken_rule_does_not_hide_the_next() {
    let broken = [
        r#"alert udp any any -> any any (content:"A; sid:0;)"#,
        r#"alert udp any any -> any any (content:"A"; sid:1;"#,
        "alert udp any any -> any any",
        "warn udp any any -> any any (sid:1;)",
        "nonsense",
        "alert udp [any any -> any any (sid:1;)",
        "alert udp any any -> any any (/* sid:1;)",
    ];
    for dialect in [Dialect::Snort2, Dialect::Snort3, Dialect::Suricata] {
        for bad in broken {
            let loaded = load(dialect, &format!("{bad}\nalert tcp any any -> any any (content:\"x\"; sid:2;)\n"));
            let sids: Vec<_> = loaded.rules.iter().map(|rule| rule.info.sid).collect();
            assert_eq!(sids, [2], "{dialect:?} {bad} {:?}", loaded.diagnostics);
            assert_eq!(loaded.counts.skipped, 1, "{dialect:?} {bad}");
        }
    }
}

#[test]
fn lines_of_2_9_go_on_behind_a_backslash() {
    let loaded = load(
        Dialect::Snort2,
        "alert tcp any any -> \\\n  [10.0.0.1, \\\n10.0.0.2] 80 (msg:\"a \\\nb\"; content:\"x\"; \\ \n nocase; sid:1;)\n",
    );
    assert_eq!(options(&loaded), "content=\"x\" ; nocase");
    assert_eq!(loaded.rules[0].info.msg.as_deref(), Some("a b"));
    assert_eq!(loaded.rules[0].header.text[2].as_deref(), Some("[10.0.0.1,10.0.0.2]"));
}

#[test]
fn suricata_ends_options_at_every_unescaped_semicolon() {
    let loaded = load(Dialect::Suricata, r#"alert tcp any any -> any any (pcre:"/a"b/"; content:"\;"; sid:1;)"#);
    assert_eq!(options(&loaded), r#"pcre="/a"b/" ; content="\;""#);
    let loaded = load(Dialect::Suricata, "alert tcp any any -> any any (content:\"a\"; sid:1)");
    assert_eq!(codes(&loaded), "R0104");
    assert_eq!(codes(&load(Dialect::Suricata, "alert tcp any any => any any (content:\"a\"; sid:1;)")), "R0201");
}

#[test]
fn commented_rules_are_disabled_rules_if_they_read_as_rules() {
    let text = "# alert tcp any any -> any any (content:\"a\"; sid:1;)\n##alert tcp any any -> any any (dsize:1; sid:2;)\n\
        # alert tcp any any -> any any (oops; sid:0;)\n# alert tcp any any -> any any (dsize:1; sid:4;) and more\n\
        # alert the operator (or else)\n";
    for dialect in [Dialect::Snort2, Dialect::Snort3, Dialect::Suricata] {
        let loaded = load(dialect, text);
        let sids: Vec<_> = loaded.rules.iter().map(|rule| (rule.info.sid, rule.enabled, rule.line)).collect();
        assert_eq!(sids, [(1, false, 1), (2, false, 2)]);
        assert_eq!(loaded.diagnostics, []);
        assert_eq!(loaded.counts.disabled, 2);
    }
}

#[test]
fn bytes_that_are_not_utf8_refuse_their_rule_only() {
    let text = b"alert http (dsize:1; sid:1;)\n# \xFF\nalert http (content:\"ab\xC3\"; sid:2;)\n";
    let loaded = load_bytes("test", text, &Config::default());
    assert_eq!(codes(&loaded), "R0402");
    assert_eq!(loaded.sources.position(loaded.diagnostics[0].span.source, loaded.diagnostics[0].span.start), (3, 24));
    assert_eq!(loaded.rules.len(), 1);
}

#[test]
fn the_last_of_priority_and_classtype_counts_but_in_suricata() {
    let priority = |dialect, body: &str| {
        let loaded = load(dialect, &format!("alert tcp any any -> any any (dsize:1; {body} sid:1;)"));
        loaded.rules[0].info.priority
    };
    for dialect in [Dialect::Snort2, Dialect::Snort3] {
        assert_eq!(priority(dialect, "priority:9; classtype:attempted-dos;"), 2);
        assert_eq!(priority(dialect, "classtype:attempted-dos; priority:9;"), 9);
        assert_eq!(priority(dialect, "priority:9; classtype:nope;"), 9);
        assert_eq!(priority(dialect, ""), 0);
    }
    assert_eq!(priority(Dialect::Suricata, "priority:9; classtype:attempted-dos;"), 9);
    assert_eq!(priority(Dialect::Suricata, ""), 3);
}

#[test]
fn a_class_defined_behind_its_rules_counts() {
    let text = "alert http (dsize:1; classtype:attempted-dos; sid:1;)\nconfig classification: attempted-dos, My Text, 4\n\
        config classification: attempted-dos,Other,1\nconfig reference: mine https://x/\n";
    let loaded = load(Dialect::Snort3, text);
    assert_eq!(loaded.rules[0].info.priority, 4);
    assert_eq!(loaded.classifications.class("attempted-dos").map(|class| class.text.as_str()), Some("My Text"));
    assert_eq!(loaded.references.prefix("MINE"), Some("https://x/"));
    assert_eq!(codes(&load(Dialect::Snort3, "config classification: a,b")), "R0414");
}

#[test]
fn of_two_rules_with_one_sid_the_newer_stays_in_the_place_of_the_first() {
    let rule = |tag: u32, rev: u32| format!("alert tcp any any -> any any (dsize:{tag}; sid:1; rev:{rev};)\n");
    let kept = |dialect, revs: [u32; 2]| {
        let other = "alert tcp any any -> any any (dsize:0; sid:7;)\n";
        let loaded = load(dialect, &format!("{}{other}{}", rule(1, revs[0]), rule(2, revs[1])));
        assert_eq!((loaded.rules.len(), loaded.counts.duplicates, loaded.counts.parsed), (2, 1, 3));
        assert_eq!(loaded.rules[0].info.sid, 1);
        let related = loaded.diagnostics[0].related.as_ref().map(|(span, _)| span.start);
        assert_eq!(related, Some(0));
        (loaded.rules[0].options[0].value.clone().unwrap(), codes(&loaded))
    };
    assert_eq!(kept(Dialect::Snort3, [1, 2]), ("2".to_owned(), "[R0320]".to_owned()));
    assert_eq!(kept(Dialect::Snort3, [2, 1]), ("1".to_owned(), "[R0320]".to_owned()));
    assert_eq!(kept(Dialect::Snort3, [1, 1]), ("2".to_owned(), "[R0320]".to_owned()));
    assert_eq!(kept(Dialect::Suricata, [1, 2]), ("2".to_owned(), "[R0320]".to_owned()));
    assert_eq!(kept(Dialect::Suricata, [1, 1]), ("1".to_owned(), "R0320".to_owned()));
}

#[test]
fn duplicates_of_another_kind_are_errors_in_snort() {
    let first = "alert udp any any -> any any (content:\"A\"; sid:1;)\n";
    for second in ["drop udp any any -> any any", "alert tcp any any -> any any"] {
        let text = format!("{first}{second} (content:\"B\"; sid:1; rev:9;)");
        let loaded = load(Dialect::Snort3, &text);
        assert_eq!((codes(&loaded).as_str(), loaded.rules.len()), ("R0320", 1));
        assert_eq!(loaded.rules[0].info.rev, 0);
    }
}

#[test]
fn an_enabled_rule_beats_a_disabled_one() {
    let on = "alert http (dsize:1; sid:1; rev:1;)\n";
    let off = "# alert http (dsize:2; sid:1; rev:5;)\n";
    for text in [format!("{on}{off}"), format!("{off}{on}")] {
        let loaded = load(Dialect::Snort3, &text);
        assert_eq!((loaded.rules[0].enabled, loaded.rules[0].info.rev, loaded.rules.len()), (true, 1, 1));
    }
}

#[test]
fn state_stubs_change_rules_before_them() {
    let text = "alert http (dsize:1; sid:1;)\nalert http (dsize:1; sid:2;)\ndrop ( gid:1; sid:1; enable:no; )\n\
        alert ( sid:9; enable; )\nalert ( gid:119; sid:4; enable:yes; )\nalert ( sid:2; enable:inherit; )";
    let loaded = load(Dialect::Snort3, text);
    assert_eq!(codes(&loaded), "[R0313]");
    assert_eq!((loaded.rules[0].enabled, loaded.rules[0].action), (false, Action::Drop));
    assert!(loaded.rules[1].enabled);
    assert_eq!(loaded.stubs.len(), 4);
    assert_eq!((loaded.counts.parsed, loaded.counts.enabled, loaded.counts.disabled), (2, 1, 1));
}

#[test]
fn variables_of_files_count_from_their_line_on() {
    let text = "ipvar NET [10.0.0.0/8]\nportvar PORTS_X 80 # web\nvar OLD !$NET\n\
        alert tcp $NET $PORTS_X -> $OLD any (content:\"a\"; nocase; sid:1;)\n\
        alert tcp $LATER any -> any any (content:\"a\"; sid:2;)\nipvar LATER any\nipvar HOME_NET 10.0.0.0/8\n";
    let mut config = Config { dialect: Some(Dialect::Snort2), ..Config::default() };
    let loaded = load_str("test", text, &config);
    assert_eq!(codes(&loaded), "R0206");
    let header = &loaded.rules[0].header;
    assert_eq!((header.source.positive.len(), header.destination.negated.len()), (1, 1));
    assert_eq!(header.source_ports.0.len(), 1);
    config.set("NET=192.168.0.0/16").unwrap();
    let loaded = load_str("test", text, &config);
    let network = loaded.rules[0].header.source.positive[0].network;
    assert_eq!(network, std::net::IpAddr::from([192, 168, 0, 0]));
}

#[test]
fn filters_are_collected() {
    let text = "suppress gen_id 1, sig_id 2\nevent_filter gen_id 1, sig_id 2, \\\n type limit, track by_src, count 1, \
        seconds 60\nthreshold: gen_id 1\npreprocessor x: y\noutput z\nconfig daq: pcap\n";
    let loaded = load(Dialect::Snort2, text);
    assert_eq!(loaded.filters.len(), 2);
    assert_eq!(codes(&loaded), "R0412");
    let notes = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Note).count();
    assert_eq!(notes, 3);
}

#[test]
fn includes_are_relative_and_end() {
    let folder = std::env::temp_dir().join(format!("tapir-rules-include-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("a.rules", "include sub/b.rules\ninclude nowhere.rules\nalert http (dsize:1; sid:1;)\n");
    write("sub/b.rules", "alert http (dsize:1; sid:2;)\ninclude ../c.rules\n");
    write("c.rules", "include c.rules\nalert http (dsize:1; sid:3;)\n");
    let loaded = load_files(&[folder.join("a.rules")], &Config::default());
    std::fs::remove_dir_all(&folder).unwrap();
    let mut sids: Vec<_> = loaded.rules.iter().map(|rule| rule.info.sid).collect();
    sids.dedup();
    assert_eq!(sids, [2, 3, 1], "{:?}", loaded.diagnostics);
    let errors: Vec<_> =
        loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).map(|found| found.code).collect();
    assert_eq!(errors, ["R0401", "R0404"]);
}

#[test]
fn missing_files_and_long_files_are_errors() {
    let loaded = load_files(&[PathBuf::from("/nowhere/at/all.rules")], &Config::default());
    assert_eq!(codes(&loaded), "R0401");
    assert!(render(&loaded.diagnostics[0], &loaded.sources, false).contains("/nowhere/at/all.rules"));
    let config = Config { max_file_bytes: 10, ..Config::default() };
    assert_eq!(codes(&load_str("x", "alert http (dsize:1; sid:1;)", &config)), "R0401");
    let config = Config { max_rule_bytes: 20, ..Config::default() };
    let loaded = load_str("x", "alert http (dsize:1; sid:1;)\nalert http (sid:2;)\n", &config);
    assert_eq!((codes(&loaded).as_str(), loaded.rules.len()), ("R0111 [R0309]", 1));
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let config = Config { max_diagnostics: 3, ..Config::default() };
    let loaded = load_str("x", &"nonsense\n".repeat(10), &config);
    assert_eq!(loaded.diagnostics.len(), 4);
    assert_eq!(loaded.diagnostics[3].message, "7 more findings are not shown");
    assert_eq!(loaded.counts.skipped, 10);
}

#[test]
fn mixed_files_are_decided_rule_by_rule() {
    let text = "alert tcp any any -> any any (content:\"a\"; nocase; sid:1;)\n\
        alert tcp any any -> any any (content:\"a\",\n nocase; service:http; sid:2;)\n\
        alert http any any -> any any (http.uri; content:\"a\"; sid:3;)\nalert tcp any any -> any any (dsize:1; sid:4;)\n";
    let loaded = load_str("x", text, &Config::default());
    let dialects: Vec<_> = loaded.rules.iter().map(|rule| rule.dialect).collect();
    assert_eq!(codes(&loaded), "");
    assert_eq!(dialects, [Dialect::Snort2, Dialect::Snort3, Dialect::Suricata, Dialect::Snort3]);
}

/// Hostile texts of 2 MB; anything beyond linear time would take minutes.
#[test]
fn hostile_files_take_linear_time() {
    let start = std::time::Instant::now();
    for unit in [
        "alert tcp any any -> any any (content:\"",
        "alert tcp any any -> any any (a:\"x;\n",
        "alert tcp any any -> any any (/*\n",
        "alert http (sid:1;) ",
        " alert http (x:[\n",
        "alert http (metadata:\n",
        "# alert tcp any any -> any any (a:\"\n",
        "x (",
        "x (\n",
        "ruletype a {\n",
        "/* \"",
        "#begin\n",
        "\\\n",
        "alert tcp any any -> any any (a;b;c;\\\n",
        "alert tcp [[[[ any\n",
        "ipvar A [$A,$A]\n",
        "a:\"!\",(;)",
    ] {
        let text = unit.repeat(2_000_000 / unit.len());
        for dialect in [None, Some(Dialect::Snort2), Some(Dialect::Snort3), Some(Dialect::Suricata)] {
            let loaded = load_str("x", &text, &Config { dialect, ..Config::default() });
            assert!(loaded.diagnostics.len() <= Config::default().max_diagnostics + 1);
        }
        assert!(start.elapsed().as_secs() < 100, "{unit:?} is slow");
    }
}

#[test]
fn diagnostics_show_the_place_and_the_way_out() {
    let text = "alret tcp any any -> any any (content:\"a\"; sid:1;)\n\
        alert tcp $HOME_NETS any -> any 90:80 (content:\"a\"; sid:2;)\n\
        alert tcp any any -> any any (content:\"ü\",offset:3; sid:3;)\n\
        alert tcp any any -> any any (content:\"a\"; classtype:atempted-dos; sid:4; rev:2;)\n\
        alert tcp any any -> any any (content:\"b\"; sid:4;)\n\
        alert tcp any any -> any any (content:\"b\"; sid:5;\n";
    let loaded = load(Dialect::Snort3, text);
    let shown: Vec<_> = loaded.diagnostics.iter().map(|found| render(found, &loaded.sources, false)).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn diagnostics_of_lines_show_the_place_and_the_way_out() {
    let text = "alert tcp any any -> any any (content:\"a\"; nocase; sid:1;\n\
        alert http any any -> any any (content:\"a\"; nocase; sid:2;)\n\
        alert tcp any any <- any any (content:\"a\"; nocase; sid:3;)\n\
        alert tcp HOME_NET any -> any any (msg:\"a; b\"; con tent:\"x\"; sid:4;)\n\
        suppress gen_id 1, sig_id 1, track by_scr, ip 10.0.0.1\n\
        include nowhere.rules\n";
    let loaded = load(Dialect::Snort2, text);
    let shown: Vec<_> = loaded.diagnostics.iter().map(|found| render(found, &loaded.sources, false)).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

const PIECES: &[&str] = &[
    "alert ",
    "drop ",
    "# ",
    "#",
    "tcp ",
    "udp ",
    "any ",
    "-> ",
    "$HOME_NET ",
    "!",
    "[",
    "]",
    "10.0.0.0/8",
    "80:90 ",
    "(",
    ")",
    ";",
    ":",
    ",",
    "\"",
    "\\",
    "\n",
    " ",
    "content:\"a\"; ",
    "sid:1; ",
    "sid:2; ",
    "msg:\"x\\\"y\"; ",
    "rev:2; ",
    "pcre:\"/a;/\"; ",
    "metadata:a b, c; ",
    "reference:cve,1; ",
    "classtype:unknown; ",
    "priority:2; ",
    "enable:no; ",
    "/*",
    "*/",
    "\\\n",
    "alert tcp any any -> any any (",
    "nocase; ",
    "http.uri; ",
    "service:http; ",
    "include x\n",
    "var A $B\n",
    "config classification: a,b,1\n",
    "suppress gen_id 1, sig_id 1\n",
    "ü",
    "END",
    "#begin\n",
    "#end\n",
];

proptest! {
    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_rules(&data);
    }

    #[test]
    fn any_pieces_of_rules_are_survived(
        pieces in proptest::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40)
    ) {
        fuzz_rules(pieces.concat().as_bytes());
    }

    #[test]
    fn rules_with_a_slip_are_survived(
        pieces in proptest::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12),
        at in 0_usize..200,
        slip in prop::sample::select(PIECES.to_vec()),
    ) {
        let mut text = format!("# alert tcp any [80, 81] -> $HOME_NET any ({}sid:7; msg:\"a b\";)", pieces.concat());
        let at = text.floor_char_boundary(at.min(text.len()));
        fuzz_rules(text.as_bytes());
        text.insert_str(at, slip);
        fuzz_rules(text.get(2..).unwrap_or("").as_bytes());
        fuzz_rules(text.as_bytes());
    }

    #[test]
    fn values_stand_where_their_spans_say(
        values in proptest::collection::vec("[a-z0-9 ,\"]{1,12}", 1..6)
    ) {
        let body: String = values.iter().map(|value| format!("x: {value} ; ")).collect();
        let loaded = load(Dialect::Suricata, &format!("alert tcp any any -> any any ({body}sid:1;)"));
        for rule in &loaded.rules {
            for node in &rule.options {
                prop_assert_eq!(loaded.sources.slice(node.name_span), node.name.as_str());
                prop_assert_eq!(Some(loaded.sources.slice(node.value_span)), node.value.as_deref());
            }
        }
    }
}
