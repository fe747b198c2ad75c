//! What is read of a `snort.lua`, and what is not.

use super::*;
use proptest::prelude::*;

fn pieces(text: &str) -> Vec<(u32, String)> {
    translate(text).pieces.into_iter().map(|piece| (piece.line, piece.text.trim().to_owned())).collect()
}

fn unread(text: &str) -> Vec<(u32, String)> {
    translate(text).unread
}

#[test]
fn filters_and_suppressions_become_lines() {
    let text = "suppress =\n{\n    -- a comment\n    { gid = 1, sid = 408 },\n    { gid = 1, sid = 2, track = 'by_src', ip = '10.0.0.1' },\n}\n\
        event_filter = { { sid = 7, type = 'limit', track = 'by_src', count = 2, seconds = 10 } }\n\
        rate_filter = { { gid = 135, sid = 1, track = 'by_dst', count = 5, seconds = 1, new_action = 'alert', timeout = 4 } }\n";
    assert_eq!(
        pieces(text),
        [
            (4, "suppress gen_id 1, sig_id 408".to_owned()),
            (5, "suppress gen_id 1, sig_id 2, track by_src, ip 10.0.0.1".to_owned()),
            (7, "event_filter gen_id 1, sig_id 7, type limit, track by_src, count 2, seconds 10".to_owned()),
            (
                8,
                "rate_filter gen_id 135, sig_id 1, track by_dst, count 5, seconds 1, new_action alert, timeout 4"
                    .to_owned()
            ),
        ]
    );
    assert!(unread(text).is_empty());
}

#[test]
fn variables_come_first_and_names_stand_for_what_they_were_given() {
    let text = "ips = {\n  rules = [[\nalert tcp any any -> any any ( sid:1; )\n]],\n  include = RULE_PATH .. '/local.rules',\n  variables = default_variables,\n}\n";
    let text = format!(
        "HOME_NET = '10.0.0.0/8 192.168.0.0/16'\nRULE_PATH = \"/rules\"\ndefault_variables = {{\n  nets = {{ DMZ = HOME_NET }},\n  ports = {{ WEB_PORTS = ' 80 8080' }},\n}}\n{text}"
    );
    let found = pieces(&text);
    let lines: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
    // RULE_PATH was known where `ips` was read, variables of the set stand first.
    assert_eq!(
        lines,
        [
            "ipvar HOME_NET [10.0.0.0/8,192.168.0.0/16]",
            "var RULE_PATH /rules",
            "ipvar DMZ [10.0.0.0/8,192.168.0.0/16]",
            "portvar WEB_PORTS [80,8080]",
            "alert tcp any any -> any any ( sid:1; )",
            "include /rules/local.rules",
        ]
    );
    assert_eq!(found[4].0, 8);
    assert!(unread(&text).is_empty(), "{:?}", unread(&text));
}

#[test]
fn the_rest_is_told_by_its_line_and_never_guessed() {
    let text = "require('snort_config')\nstream = { }\nhttp_inspect = { unzip = true }\nif tweaks then\n  suppress = { { sid = 1 } }\nend\n\
        suppress = { { sid = 2, ip = lookup('x') }, 5 }\nips.enable_builtin_rules = true\nips.rules = 'include a.rules'\n\
        for i = 1, 2 do suppress = nil end\nfunction f() event_filter = { { sid = 9 } } end\n";
    assert_eq!(pieces(text), [(7, "suppress gen_id 1, sig_id 2".to_owned()), (9, "include a.rules".to_owned())]);
    let told: Vec<String> = unread(text).into_iter().map(|(line, what)| format!("{line} {what}")).collect();
    assert_eq!(
        told,
        [
            "1 require",
            "2 stream",
            "3 http_inspect",
            "4 if",
            "7 suppress",
            "7 suppress.ip",
            "8 ips.enable_builtin_rules",
            "10 for",
            "11 function"
        ]
    );
}

#[test]
fn tables_that_double_end_somewhere() {
    let mut text = "t = { 1 }\n".to_owned();
    (0..64).for_each(|_| text.push_str("t = { t, t }\n"));
    translate(&text);
    translate(&"suppress = {".repeat(100_000));
    assert!(pieces("a = [[ never closed").is_empty());
}

proptest! {
    #[test]
    fn any_text_is_read_to_an_end(text in "[a-c =\\{\\}\\[\\]\"'.,\\-\\n()0-9]{0,200}") {
        translate(&text);
    }

    #[test]
    fn likely_texts_are_read_to_an_end(words in prop::collection::vec(
        prop::sample::select(vec!["suppress", "ips", "=", "{", "}", "[[", "]]", "'x'", "..", "if", "end", "function", ",", "\n", "rules", "(", ")", "--[[", "é", "sid", "1"]), 0..60)
    ) {
        translate(&words.join(" "));
    }
}
