//! Snort 2.9's options that Snort 3 writes in another way.
//!
//! *Spec*: Snort 2.9 manual chapters 3.4 to 3.8; Snort 3 manual, `snort2lua`.

use super::contents::{Buffer, Contents};
use super::{error, renamed, value};
use tapir_rules::value::{split_args, unquote};
use tapir_rules::{Diagnostic, Dialect, OptionNode, Rule, Severity};

/// Folds a 2.9 rule.
pub(super) fn fold(rule: &mut Rule, problems: &mut Vec<Diagnostic>) {
    let mut contents = Contents::new(Dialect::Snort2);
    for node in std::mem::take(&mut rule.options) {
        option(node, &mut contents, problems);
    }
    rule.options = contents.finish(problems);
    metadata(rule, problems);
    if rule.info.gid == 120 {
        // Events of the HTTP server inspector were renumbered.
        rule.info.gid = 119;
        rule.info.sid = rule.info.sid.saturating_add(100);
    }
}

fn option(node: OptionNode, contents: &mut Contents, problems: &mut Vec<Diagnostic>) {
    if let Some(buffer) = http_modifier(&node.name) {
        return contents.buffer(&node, buffer, problems);
    }
    match node.name.as_str() {
        "content" => contents.content(node, None),
        "uricontent" => contents.content(renamed(&node, "content", node.value.clone()), Some(Buffer::new("http_uri"))),
        "protected_content" => contents.content(node, None),
        "hash" => digest(&node, contents, problems),
        "rawbytes" => contents.buffer(&node, Buffer::new("raw_data"), problems),
        "nocase" => contents.modifier(&node, "nocase".to_owned(), problems),
        "depth" | "offset" | "distance" | "within" | "length" => {
            contents.modifier(&node, format!("{} {}", node.name, value(&node)), problems);
        }
        "fast_pattern" => fast_pattern(&node, true, contents, problems),
        "pcre" => pcre(node, buffer_flag, contents, problems),
        "urilen" => urilen(node, "http_raw_uri", true, contents),
        "isdataat" => isdataat(node, contents),
        _ => match sticky(&node.name) {
            Some(buffer) => contents.sticky(buffer, &node),
            None => contents.plain(rewrite(node)),
        },
    }
}

/// A buffer that modifies the content before it.
pub(super) fn http_modifier(name: &str) -> Option<Buffer> {
    MODIFIERS.iter().find(|known| **known == name).map(|name| Buffer::new(name))
}

fn sticky(name: &str) -> Option<Buffer> {
    STICKY.iter().find(|known| **known == name).map(|name| Buffer::new(name))
}

/// `fast_pattern`, `fast_pattern:only`, `fast_pattern:offset,length`.
pub(super) fn fast_pattern(
    node: &OptionNode,
    only_is_nocase: bool,
    contents: &mut Contents,
    problems: &mut Vec<Diagnostic>,
) {
    contents.modifier(node, "fast_pattern".to_owned(), problems);
    let text = value(node);
    if text == "only" {
        if only_is_nocase {
            contents.modifier(node, "nocase".to_owned(), problems);
        }
    } else if let Some((offset, length)) = text.split_once(',') {
        contents.modifier(node, format!("fast_pattern_offset {}", offset.trim()), problems);
        contents.modifier(node, format!("fast_pattern_length {}", length.trim()), problems);
    } else if !text.is_empty() {
        let message = format!("`fast_pattern` takes `only` or `offset,length`, not `{text}`");
        problems.push(error("R0604", node.value_span, message));
    }
}

/// Takes the flag that chooses a buffer out of a pcre.
pub(super) fn pcre(
    mut node: OptionNode,
    flag: impl Fn(char) -> Option<Buffer>,
    contents: &mut Contents,
    problems: &mut Vec<Diagnostic>,
) {
    let text = value(&node).to_owned();
    let (body, quote) = match text.strip_suffix('"') {
        Some(body) => (body, "\""),
        None => (text.as_str(), ""),
    };
    // The delimiter may be any character behind `m`, but flags are letters only.
    let flags_start = body.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (pattern, flags) = body.split_at(flags_start);
    let mut buffer = None;
    for named in flags.chars().filter_map(&flag) {
        if buffer.replace(named.clone()).is_some_and(|other| other != named) {
            let message = "a pcre can't be in two buffers";
            problems.push(error("R0602", node.value_span, message).help("write the pcre twice"));
        }
    }
    let kept: String = flags.chars().filter(|&letter| flag(letter).is_none()).collect();
    node.value = Some(format!("{pattern}{kept}{quote}"));
    contents.inside(buffer, node);
}

fn buffer_flag(letter: char) -> Option<Buffer> {
    Some(Buffer::new(match letter {
        'B' => "raw_data",
        'U' => "http_uri",
        'I' => "http_raw_uri",
        'P' => "http_client_body",
        'H' => "http_header",
        'D' => "http_raw_header",
        'M' => "http_method",
        'C' => "http_cookie",
        'K' => "http_raw_cookie",
        'S' => "http_stat_code",
        'Y' => "http_stat_msg",
        _ => return None,
    }))
}

/// `urilen:RANGE[,raw|norm]` becomes the length of a buffer.
pub(super) fn urilen(node: OptionNode, default: &'static str, inclusive: bool, contents: &mut Contents) {
    let text = value(&node);
    let (range, kind) = text.split_once(',').unwrap_or((text, ""));
    let buffer = match kind.trim() {
        "raw" => "http_raw_uri",
        "norm" => "http_uri",
        "" => default,
        // Not a form of `urilen`: the compiler says so.
        _ => return contents.plain(node),
    };
    let range = if inclusive { inclusive_range(range) } else { range.to_owned() };
    let node = renamed(&node, "bufferlen", Some(range.trim().to_owned()));
    contents.inside(Some(Buffer::new(buffer)), node);
}

fn inclusive_range(range: &str) -> String {
    if range.contains("<=>") { range.to_owned() } else { range.replace("<>", "<=>") }
}

fn isdataat(mut node: OptionNode, contents: &mut Contents) {
    let args = split_args(value(&node));
    if !args.iter().any(|arg| arg.text == "rawbytes") {
        return contents.plain(node);
    }
    let kept: Vec<&str> = args.iter().map(|arg| arg.text).filter(|arg| *arg != "rawbytes").collect();
    let kept = kept.join(",");
    node.value = Some(kept);
    contents.inside(Some(Buffer::new("raw_data")), node);
}

/// `hash:md5` makes a digest of the `protected_content` before it.
fn digest(node: &OptionNode, contents: &mut Contents, problems: &mut Vec<Diagnostic>) {
    let name = value(node).to_owned();
    let Some(content) = contents.last_node(node, problems) else { return };
    let hash = content.value.as_deref().and_then(unquote).map(|quoted| (quoted.negated, quoted.inner.to_owned()));
    let known = matches!(name.as_str(), "md5" | "sha256" | "sha512");
    let Some((negated, hash)) = hash.filter(|_| known && content.name == "protected_content") else {
        let message = "`hash:md5|sha256|sha512` belongs to a `protected_content`";
        problems.push(error("R0605", node.name_span, message));
        return;
    };
    content.name = name;
    content.value = Some(format!("{}\"|{hash}|\"", if negated { "!" } else { "" }));
}

/// Options whose arguments are written in another way.
pub(super) fn rewrite(node: OptionNode) -> OptionNode {
    let text = value(&node);
    let new = match node.name.as_str() {
        "dsize" => Some(inclusive_range(text)),
        "ttl" => Some(dash_range(text)),
        "tag" => tag(text),
        "dce_iface" => Some(dce_iface(text)),
        "dce_opnum" if !text.starts_with('"') => Some(format!("\"{text}\"")),
        "dnp3_obj" => text.split_once(',').map(|(group, var)| format!("group {},var {}", group.trim(), var.trim())),
        "stream_size" => stream_size(text),
        "sd_pattern" => text
            .split_once(',')
            .filter(|(count, _)| count.trim().parse::<u32>().is_ok())
            .map(|(count, pattern)| format!("\"{}\",threshold {}", pattern.trim().trim_matches('"'), count.trim())),
        "appid" => return renamed(&node, "appids", Some(format!("\"{text}\""))),
        "file_type" if !text.starts_with('"') => Some(format!("\"{}\"", text.replace('|', " "))),
        _ => None,
    };
    match new {
        Some(new) => renamed(&node, &node.name, Some(new)),
        None => node,
    }
}

/// `3-5`, `-5`, `5-` → `3<=>5`, `<=5`, `>=5`.
pub(super) fn dash_range(text: &str) -> String {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('-') {
        Some((first, last)) if digits(first.trim()) && digits(last.trim()) => match (first.trim(), last.trim()) {
            ("", "") => text.to_owned(),
            ("", last) => format!("<={last}"),
            (first, "") => format!(">={first}"),
            (first, last) => format!("{first}<=>{last}"),
        },
        _ => text.to_owned(),
    }
}

/// `session,10,packets` → `session,packets 10`; `host,60,seconds,src` → `host_src,seconds 60`.
fn tag(text: &str) -> Option<String> {
    let args = split_args(text);
    let (scope, rest) = args.split_first()?;
    let mut words = Vec::new();
    let mut side = "";
    let mut rest = rest.iter();
    while let Some(arg) = rest.next() {
        match arg.text {
            "src" | "dst" => side = arg.text,
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                words.push(format!("{} {number}", rest.next()?.text));
            }
            // Snort 3's form already, or none at all.
            _ => return None,
        }
    }
    let scope = if scope.text == "host" { format!("host_{side}") } else { scope.text.to_owned() };
    words.insert(0, scope);
    Some(words.join(","))
}

/// `uuid,>2,any_frag` → `uuid UUID,version >2,any_frag`.
fn dce_iface(text: &str) -> String {
    let words = split_args(text).into_iter().enumerate().map(|(at, arg)| match arg.text {
        uuid if at == 0 && !uuid.starts_with("uuid") => format!("uuid {uuid}"),
        version if version.starts_with(['<', '>', '=', '!']) => format!("version {version}"),
        other => other.to_owned(),
    });
    words.collect::<Vec<_>>().join(",")
}

/// `client,>,100` → `>100,to_server`.
fn stream_size(text: &str) -> Option<String> {
    let args = split_args(text);
    let [side, operator, number] = args.as_slice() else { return None };
    let side = match side.text {
        "client" => "to_server",
        "server" => "to_client",
        other @ ("both" | "either") => other,
        _ => return None,
    };
    let operator = if operator.text == "=" { "" } else { operator.text };
    Some(format!("{operator}{},{side}", number.text))
}

/// `metadata:service http` is an option in Snort 3; shared-object rules can't run here.
fn metadata(rule: &mut Rule, problems: &mut Vec<Diagnostic>) {
    let mut services: Vec<String> = Vec::new();
    let mut shared = false;
    rule.info.metadata.retain(|(key, value)| match key.as_str() {
        "service" => {
            let named = value.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_owned);
            for name in named {
                if !services.contains(&name) {
                    services.push(name);
                }
            }
            false
        }
        "engine" => {
            shared = true;
            false
        }
        "soid" | "rule-flushing" => false,
        _ => true,
    });
    if shared {
        let message = "the detection of a shared-object rule is not in its text";
        problems.push(Diagnostic::new(Severity::Error, "R0606", rule.span, message));
    }
    if !services.is_empty() {
        let (name_span, value_span) = (rule.header.protocol_span, rule.header.protocol_span);
        let value = Some(services.join(","));
        rule.options.push(OptionNode { name: "service".to_owned(), name_span, value, value_span });
    }
}

const MODIFIERS: &[&str] = &[
    "http_client_body",
    "http_cookie",
    "http_raw_cookie",
    "http_header",
    "http_raw_header",
    "http_method",
    "http_uri",
    "http_raw_uri",
    "http_stat_code",
    "http_stat_msg",
];

const STICKY: &[&str] =
    &["pkt_data", "file_data", "base64_data", "dce_stub_data", "sip_header", "sip_body", "modbus_data", "dnp3_data"];
