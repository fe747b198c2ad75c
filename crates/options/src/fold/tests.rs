//! Tests of folding: one line per form.

use super::*;
use proptest::prelude::*;
use tapir_rules::{format_option, load_str};

/// The folded options of a rule, or the messages.
fn folded(dialect: Dialect, header: &str, body: &str) -> String {
    let config = Config { dialect: Some(dialect), ..Config::default() };
    let loaded = load_str("test", &format!("alert {header} any any -> any any ({body} sid:1;)"), &config);
    let Some(rule) = loaded.rules.first() else { panic!("{:?}", loaded.diagnostics) };
    let (mut rule, mut problems) = (rule.clone(), Vec::new());
    if !fold(&mut rule, &mut problems) {
        return problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join(" / ");
    }
    assert_eq!(rule.dialect, dialect);
    rule.options.iter().map(|node| format!("{}; ", format_option(node, dialect))).collect::<String>().trim().to_owned()
}

#[track_caller]
fn snort2(body: &str, expected: &str) {
    assert_eq!(folded(Dialect::Snort2, "tcp", body), expected, "{body}");
}

#[track_caller]
fn suricata(body: &str, expected: &str) {
    assert_eq!(folded(Dialect::Suricata, "tcp", body), expected, "{body}");
}

#[test]
fn modifiers_become_arguments_of_their_content() {
    snort2(r#"content:"x"; nocase; offset:1; depth:9;"#, r#"content:"x",nocase,offset 1,depth 9;"#);
    snort2(r#"content:!"x"; distance:0; within:n;"#, r#"content:!"x",distance 0,within n;"#);
    snort2(r#"content:"x",nocase,depth 3;"#, r#"content:"x",nocase,depth 3;"#);
    snort2(r#"content:"x"; isdataat:1; nocase;"#, r#"content:"x",nocase; isdataat:1;"#);
    snort2("nocase;", "`nocase` modifies a content, but none stands before it");
}

#[test]
fn buffers_move_before_their_contents() {
    snort2(r#"content:"x"; http_uri; nocase;"#, r#"http_uri; content:"x",nocase;"#);
    snort2(
        r#"content:"a"; http_uri; content:"b"; http_uri; content:"c"; content:"d"; http_header;"#,
        r#"http_uri; content:"a"; content:"b"; pkt_data; content:"c"; http_header; content:"d";"#,
    );
    snort2(r#"uricontent:"x";"#, r#"http_uri; content:"x";"#);
    snort2(r#"content:"x"; rawbytes;"#, r#"raw_data; content:"x";"#);
    snort2(r#"content:"x"; http_uri; http_header;"#, "a content can't be in both `http_uri` and `http_header`");
}

#[test]
fn contents_without_a_buffer_return_to_the_sticky_one() {
    snort2(
        r#"file_data; content:"a"; content:"b"; http_header; content:"c";"#,
        r#"file_data; content:"a"; http_header; content:"b"; file_data; content:"c";"#,
    );
    snort2(
        r#"content:"a"; http_method; pkt_data; content:"b";"#,
        r#"http_method; content:"a"; pkt_data; content:"b";"#,
    );
}

#[test]
fn fast_pattern_only_ignores_case() {
    snort2(r#"content:"x"; fast_pattern:only;"#, r#"content:"x",fast_pattern,nocase;"#);
    snort2(r#"content:"x"; nocase; fast_pattern:only;"#, r#"content:"x",nocase,fast_pattern;"#);
    snort2(
        r#"content:"xyz"; fast_pattern:1,2;"#,
        r#"content:"xyz",fast_pattern,fast_pattern_offset 1,fast_pattern_length 2;"#,
    );
    suricata(r#"content:"x"; fast_pattern:only;"#, r#"content:"x",fast_pattern;"#);
}

#[test]
fn flags_of_a_pcre_name_its_buffer() {
    snort2(r#"pcre:"/a\/U/Ui";"#, r#"http_uri; pcre:"/a\/U/i";"#);
    snort2(r#"pcre:!"/a/HR"; pcre:"/b/";"#, r#"http_header; pcre:!"/a/R"; pkt_data; pcre:"/b/";"#);
    snort2(r#"pcre:"/a/UH";"#, "a pcre can't be in two buffers");
    suricata(r#"pcre:"/a/V";"#, r#"http_header:field user-agent; pcre:"/a/";"#);
}

#[test]
fn ranges_of_2_9_include_their_ends() {
    snort2("urilen:5<>9;", "http_raw_uri; bufferlen:5<=>9;");
    snort2("urilen:>9,norm;", "http_uri; bufferlen:>9;");
    snort2("dsize:5<>9; ttl:3-5;", "dsize:5<=>9; ttl:3<=>5;");
    snort2("ttl:-5; ttl:5-; itype:1<>3;", "ttl:<=5; ttl:>=5; itype:1<>3;");
    suricata("urilen:5<>9; itype:3-5;", "http_uri; bufferlen:5<>9; itype:3<=>5;");
}

#[test]
fn arguments_are_put_into_snort_3_words() {
    snort2("tag:session,10,packets;", "tag:session,packets 10;");
    snort2("tag:host,60,seconds,src;", "tag:host_src,seconds 60;");
    snort2("stream_size:client,>,100;", "stream_size:>100,to_server;");
    snort2("stream_size:server,=,1;", "stream_size:1,to_client;");
    snort2("dce_iface:4b32,>2,any_frag;", "dce_iface:uuid 4b32,version >2,any_frag;");
    snort2("sd_pattern:4,credit_card;", r#"sd_pattern:"credit_card",threshold 4;"#);
    snort2("isdataat:10,relative,rawbytes;", "raw_data; isdataat:10,relative;");
    snort2(
        "flowbits:setx,a,g; sameip; threshold:type limit, track by_src, count 1, seconds 60;",
        "flowbits:setx,a,g; sameip; threshold:type limit, track by_src, count 1, seconds 60;",
    );
    snort2(r#"protected_content:"AABB"; hash:md5; length:2;"#, r#"md5:"|AABB|",length 2;"#);
}

#[test]
fn services_of_the_metadata_become_an_option() {
    snort2("dsize:1; metadata:policy x, service http, service imap;", "dsize:1; service:http,imap;");
    snort2("dsize:1; metadata:engine shared, soid 3|1;", "the detection of a shared-object rule is not in its text");
}

#[test]
fn old_http_events_get_their_new_numbers() {
    let config = Config { dialect: Some(Dialect::Snort2), ..Config::default() };
    let loaded = load_str("test", r#"alert ( msg:"x"; sid:3; gid:120; rev:1; )"#, &config);
    let mut rule = loaded.rules[0].clone();
    assert!(fold(&mut rule, &mut Vec::new()));
    assert_eq!((rule.info.gid, rule.info.sid), (119, 103));
}

#[test]
fn dotted_buffers_get_their_snort_names() {
    suricata(
        r#"http.uri; content:"a"; http.user_agent; content:"b"; nocase; http.request_body; content:"c";"#,
        r#"http_uri; content:"a"; http_header:field user-agent; content:"b",nocase; http_client_body; content:"c";"#,
    );
    suricata(r#"http.host; content:"a.b"; bsize:3;"#, r#"http_header:field host; content:"a.b",nocase; bufferlen:3;"#);
    suricata(r#"content:"a"; http_user_agent;"#, r#"http_header:field user-agent; content:"a";"#);
    suricata(r#"tls.certs; content:"a";"#, r#"tls.certs; content:"a";"#);
}

#[test]
fn anchors_become_depth_and_isdataat() {
    suricata(r#"content:"ab|00|"; startswith;"#, r#"content:"ab|00|",depth 3;"#);
    suricata(r#"content:"ab"; endswith;"#, r#"content:"ab"; isdataat:!0,relative;"#);
    suricata(r#"content:!"ab"; nocase; endswith;"#, r#"pcre:!"/\x61\x62\z/si";"#);
    suricata(r#"content:!"ab"; startswith; endswith;"#, r#"pcre:!"/\A\x61\x62\z/s";"#);
    suricata(r#"content:!"ab"; depth:5; offset:1; endswith;"#, r#"pcre:!"/\A.{1,4}\x61\x62\z/s";"#);
    suricata(r#"content:!"ab"; within:5; endswith;"#, "this negated `endswith` can't be combined with these positions");
}

#[test]
fn relative_isdataat_is_one_byte_stricter_in_snort() {
    suricata("isdataat:!1,relative;", "isdataat:!0,relative;");
    suricata("isdataat:5,relative;", "isdataat:4,relative;");
    suricata("isdataat:5;", "isdataat:5;");
    suricata("isdataat:0,relative;", "");
}

#[test]
fn protocols_of_suricata_get_their_snort_names() {
    let protocol = |word: &str| {
        let config = Config { dialect: Some(Dialect::Suricata), ..Config::default() };
        let text = format!("alert {word} any any -> any any (flow:established; sid:1;)");
        let mut rule = load_str("test", &text, &config).rules[0].clone();
        assert!(fold(&mut rule, &mut Vec::new()));
        let flow = rule.options[0].value.clone().unwrap();
        (rule.header.protocol, rule.header.source.positive.len(), flow)
    };
    assert_eq!(protocol("tls"), ("ssl".to_owned(), 0, "established".to_owned()));
    assert_eq!(protocol("tcp-pkt"), ("tcp".to_owned(), 0, "established,no_stream".to_owned()));
    assert_eq!(protocol("ipv6"), ("ip".to_owned(), 1, "established".to_owned()));
}

#[test]
fn new_nodes_keep_the_place_of_their_origin() {
    let config = Config { dialect: Some(Dialect::Snort2), ..Config::default() };
    let text = r#"alert tcp any any -> any any (content:"x"; http_uri; sid:1;)"#;
    let loaded = load_str("test", text, &config);
    let mut rule = loaded.rules[0].clone();
    assert!(fold(&mut rule, &mut Vec::new()));
    let places: Vec<_> = rule.options.iter().map(|node| loaded.sources.slice(node.name_span)).collect();
    assert_eq!(places, ["http_uri", "content"]);
}

proptest! {
    #[test]
    fn any_options_are_survived(
        options in proptest::collection::vec(
            prop::sample::select(vec![
                "content:\"a|00|\"", "content:!\"b\"", "uricontent:\"c\"", "nocase", "depth:5", "within:x", "rawbytes",
                "http_uri", "http_header", "fast_pattern:only", "fast_pattern:1,", "pcre:\"/a/UI\"", "pcre:x",
                "urilen:1<>2,norm", "urilen:", "file_data", "isdataat:!0,relative,rawbytes", "hash:md5", "tag:,,",
                "protected_content:\"AA\"", "stream_size:a,b", "http.host", "endswith", "startswith", "bsize:-", "tls.x",
                "http_host", "target:src_ip", "dce_iface:", "ttl:-", "sd_pattern:,",
            ]),
            0..12,
        ),
    ) {
        let body: String = options.iter().map(|option| format!("{option}; ")).collect();
        fuzz_fold(format!("alert tcp any any -> any any ({body}sid:1;)").as_bytes());
    }
}
