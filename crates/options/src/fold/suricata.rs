//! Suricata's keywords that have a near relative in Snort 3.
//!
//! What differs beyond the name: `startswith`, `endswith` and `bsize` become depth, `isdataat` and
//! `bufferlen`; `isdataat:N,relative` counts one byte less strictly; `urilen` means the normalised
//! URI and excludes both ends of a range; `http.host` is in lower case. Buffers without a relative,
//! and transforms, are left: the compiler refuses them.
//!
//! *Spec*: Suricata user guide, rules: payload, HTTP, transformation keywords.

use super::contents::{Buffer, Contents};
use super::snort2::{dash_range, fast_pattern, http_modifier, pcre, rewrite, urilen};
use super::{error, renamed, value};
use tapir_rules::value::{integer, split_args};
use tapir_rules::{AddressItem, Diagnostic, Dialect, OptionNode, Rule};

/// Folds a Suricata rule.
pub(super) fn fold(rule: &mut Rule, problems: &mut Vec<Diagnostic>) {
    let mut contents = Contents::new(Dialect::Suricata);
    for node in std::mem::take(&mut rule.options) {
        option(node, &mut contents, problems);
    }
    rule.options = contents.finish(problems);
    // Suricata lets a rule repeat itself here.
    let mut seen: Option<OptionNode> = None;
    rule.options.retain(|node| {
        let repeats = node.name == "target" && seen.as_ref().is_some_and(|first| first.value == node.value);
        if node.name == "target" {
            seen.get_or_insert_with(|| node.clone());
        }
        !repeats
    });
    protocol(rule);
}

fn option(node: OptionNode, contents: &mut Contents, problems: &mut Vec<Diagnostic>) {
    if let Some(buffer) = sticky(&node.name) {
        return contents.sticky(buffer, &node);
    }
    if let Some(buffer) = modifier(&node.name) {
        return contents.buffer(&node, buffer, problems);
    }
    match node.name.as_str() {
        "content" => contents.content(node, None),
        "uricontent" => contents.content(renamed(&node, "content", node.value.clone()), Some(Buffer::new("http_uri"))),
        "nocase" => contents.modifier(&node, "nocase".to_owned(), problems),
        // It has no effect in Suricata.
        "rawbytes" => {}
        "depth" | "offset" | "distance" | "within" => {
            contents.modifier(&node, format!("{} {}", node.name, value(&node)), problems);
        }
        "startswith" | "endswith" => contents.anchor(&node, problems),
        "fast_pattern" => fast_pattern(&node, false, contents, problems),
        "pcre" => pcre(node, buffer_flag, contents, problems),
        "urilen" => urilen(node, "http_uri", false, contents),
        "bsize" => {
            let range = dash_range(value(&node));
            contents.inside(None, renamed(&node, "bufferlen", Some(range)));
        }
        "isdataat" => isdataat(node, contents, problems),
        "itype" | "icode" | "ttl" | "id" | "dsize" => {
            let range = dash_range(value(&node));
            contents.plain(renamed(&node, &node.name, Some(range)));
        }
        "tcp.flags" => contents.plain(renamed(&node, "flags", node.value.clone())),
        "dcerpc.iface" => contents.plain(rewrite(renamed(&node, "dce_iface", node.value.clone()))),
        "dcerpc.opnum" => contents.plain(rewrite(renamed(&node, "dce_opnum", node.value.clone()))),
        "dce_iface" | "dce_opnum" | "stream_size" | "tag" => contents.plain(rewrite(node)),
        name if name.contains('.') && node.value.is_none() => contents.unknown_sticky(node),
        _ => contents.plain(node),
    }
}

/// Sticky buffers, by old and new name.
fn sticky(name: &str) -> Option<Buffer> {
    STICKY.iter().find(|(known, _)| *known == name).map(|(_, buffer)| buffer.clone())
}

/// Old names that follow their content.
fn modifier(name: &str) -> Option<Buffer> {
    http_modifier(name).or_else(|| MODIFIERS.iter().find(|(known, _)| *known == name).map(|(_, buffer)| buffer.clone()))
}

fn buffer_flag(letter: char) -> Option<Buffer> {
    Some(match letter {
        'U' => Buffer::new("http_uri"),
        'I' => Buffer::new("http_raw_uri"),
        'P' => Buffer::new("http_client_body"),
        'Q' => Buffer::new("file_data"),
        'H' => Buffer::new("http_header"),
        'D' => Buffer::new("http_raw_header"),
        'M' => Buffer::new("http_method"),
        'C' => Buffer::new("http_cookie"),
        'S' => Buffer::new("http_stat_code"),
        'Y' => Buffer::new("http_stat_msg"),
        'V' => Buffer::field("field user-agent"),
        'W' => HOST,
        'Z' => RAW_HOST,
        _ => return None,
    })
}

/// Suricata: position + N ≤ size; Snort: position + N < size. Without `relative` both are strict.
fn isdataat(mut node: OptionNode, contents: &mut Contents, problems: &mut Vec<Diagnostic>) {
    let text = value(&node).to_owned();
    let args = split_args(&text);
    let kept: Vec<&str> = args.iter().map(|arg| arg.text).filter(|arg| *arg != "rawbytes").collect();
    let relative = kept.contains(&"relative");
    let Some((first, rest)) = kept.split_first() else { return contents.plain(node) };
    let (negation, number) = match first.strip_prefix('!') {
        Some(number) => ("!", number.trim()),
        None => ("", *first),
    };
    let number = match integer(number) {
        Ok(0) if relative && negation.is_empty() => return,
        Ok(0) if relative => {
            let problem = error("R0607", node.value_span, "`isdataat:!0,relative` is never true in Suricata");
            return problems.push(problem.help("the end of the data is `isdataat:!1,relative`"));
        }
        Ok(count) if relative => count.saturating_sub(1).to_string(),
        // A variable can't be lessened; the difference of one byte stays.
        _ => number.to_owned(),
    };
    let words: Vec<String> =
        std::iter::once(format!("{negation}{number}")).chain(rest.iter().map(|word| (*word).to_owned())).collect();
    node.value = Some(words.join(","));
    contents.plain(node);
}

/// Protocol words with another name in Snort 3, or with a meaning that is an option there.
fn protocol(rule: &mut Rule) {
    let (protocol, family) = match rule.header.protocol.as_str() {
        "tls" => ("ssl", None),
        "smb" => ("netbios-ssn", None),
        "krb5" => ("kerberos", None),
        "rfb" => ("vnc", None),
        "tcp-pkt" => {
            add_flow(rule, "no_stream");
            ("tcp", None)
        }
        "tcp-stream" => {
            add_flow(rule, "only_stream");
            ("tcp", None)
        }
        "icmpv4" => ("icmp", Some("0.0.0.0/0")),
        "icmpv6" => ("icmp", Some("::/0")),
        "ip4" | "ipv4" => ("ip", Some("0.0.0.0/0")),
        "ip6" | "ipv6" => ("ip", Some("::/0")),
        _ => return,
    };
    rule.header.protocol = protocol.to_owned();
    if let Some(family) = family {
        restrict(rule, family);
    }
}

/// Adds a word to the rule's `flow`, or the option.
fn add_flow(rule: &mut Rule, word: &str) {
    match rule.options.iter_mut().find(|node| node.name == "flow") {
        Some(node) => {
            let text = value(node);
            node.value = Some(if text.is_empty() { word.to_owned() } else { format!("{text},{word}") });
        }
        None => {
            let (name_span, value_span) = (rule.header.protocol_span, rule.header.protocol_span);
            let node = OptionNode { name: "flow".to_owned(), name_span, value: Some(word.to_owned()), value_span };
            rule.options.insert(0, node);
        }
    }
}

/// Limits a rule to a family through its addresses: a packet has both sides in one family, so the
/// first side that is open suffices. Where both name addresses, these decide.
fn restrict(rule: &mut Rule, family: &str) {
    let Some((network, prefix)) =
        family.split_once('/').and_then(|(net, len)| Some((net.parse().ok()?, len.parse().ok()?)))
    else {
        return;
    };
    let header = &mut rule.header;
    let [source_text, _, destination_text, _] = &mut header.text;
    let sides = [(&mut header.source, source_text), (&mut header.destination, destination_text)];
    for (address, text) in sides {
        if address.positive.is_empty() && address.negated.is_empty() {
            address.positive.push(AddressItem { network, prefix });
            *text = Some(family.to_owned());
            return;
        }
    }
}

const HOST: Buffer = Buffer::field("field host").lowered();
const RAW_HOST: Buffer = Buffer::field("field host");

const STICKY: &[(&str, Buffer)] = &[
    ("pkt_data", Buffer::new("pkt_data")),
    ("file_data", Buffer::new("file_data")),
    ("file.data", Buffer::new("file_data")),
    ("base64_data", Buffer::new("base64_data")),
    ("dce_stub_data", Buffer::new("dce_stub_data")),
    ("dcerpc.stub_data", Buffer::new("dce_stub_data")),
    ("dns_query", Buffer::new("dns_query")),
    ("dns.query", Buffer::new("dns_query")),
    ("tls_sni", Buffer::new("tls_sni")),
    ("tls.sni", Buffer::new("tls_sni")),
    ("http.uri", Buffer::new("http_uri")),
    ("http.uri.raw", Buffer::new("http_raw_uri")),
    ("http.method", Buffer::new("http_method")),
    ("http.stat_code", Buffer::new("http_stat_code")),
    ("http.stat_msg", Buffer::new("http_stat_msg")),
    ("http.request_body", Buffer::new("http_client_body")),
    ("http.response_body", Buffer::new("file_data")),
    ("http.cookie", Buffer::new("http_cookie")),
    ("http.header", Buffer::new("http_header")),
    ("http.header.raw", Buffer::new("http_raw_header")),
    ("http.request_line", Buffer::new("http_raw_request")),
    ("http.response_line", Buffer::new("http_raw_status")),
    ("http.protocol", Buffer::new("http_version")),
    ("http.user_agent", Buffer::field("field user-agent")),
    ("http.referer", Buffer::field("field referer")),
    ("http.host", HOST),
    ("http.host.raw", RAW_HOST),
    ("http.accept", Buffer::field("field accept")),
    ("http.accept_enc", Buffer::field("field accept-encoding")),
    ("http.accept_lang", Buffer::field("field accept-language")),
    ("http.connection", Buffer::field("field connection")),
    ("http.content_type", Buffer::field("field content-type")),
    ("http.content_len", Buffer::field("field content-length")),
    ("http.location", Buffer::field("field location")),
    ("http.server", Buffer::field("field server")),
];

const MODIFIERS: &[(&str, Buffer)] = &[
    ("http_user_agent", Buffer::field("field user-agent")),
    ("http_host", HOST),
    ("http_raw_host", RAW_HOST),
    ("http_server_body", Buffer::new("file_data")),
];
