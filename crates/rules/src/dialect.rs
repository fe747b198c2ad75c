//! Which dialect a rule, and a file, is written in.
//!
//! Every rule gives hints by the words it uses. A file whose rules hint at one Snort dialect is in
//! that one; Suricata files may use 2.9's words too. Files that mix Snort 3 with others are decided
//! rule by rule.

use crate::Dialect;
use crate::lex::looks_like_rule;

/// What the words of a rule hint at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hints {
    snort2: bool,
    snort3: bool,
    suricata: bool,
}

/// What a file's rules hint at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileDialect {
    /// All rules are in this one.
    One(Dialect),
    /// Decide by rule; this one where a rule doesn't tell.
    Mixed(Dialect),
}

/// The dialect of one rule (action included), `None` if nothing hints at one.
pub(crate) fn of_rule(rule: &str) -> Option<Dialect> {
    Hints::of(rule).verdict()
}

/// The dialect of a file.
pub(crate) fn of_file(text: &str) -> FileDialect {
    let mut votes = [0_usize; 3];
    for rule in rules(text) {
        let slot = match of_rule(rule) {
            None => continue,
            Some(Dialect::Snort2) => 0,
            Some(Dialect::Snort3) => 1,
            Some(Dialect::Suricata) => 2,
        };
        if let Some(count) = votes.get_mut(slot) {
            *count = count.saturating_add(1);
        }
    }
    match votes {
        [0, _, 0] => FileDialect::One(Dialect::Snort3),
        [_, 0, 0] => FileDialect::One(Dialect::Snort2),
        [_, 0, _] => FileDialect::One(Dialect::Suricata),
        [two, three, suricata] if three >= two.max(suricata) => FileDialect::Mixed(Dialect::Snort3),
        [two, _, suricata] if two > suricata => FileDialect::Mixed(Dialect::Snort2),
        _ => FileDialect::Mixed(Dialect::Suricata),
    }
}

/// The parts of a text that begin with a line that looks like a rule, commented or not.
fn rules(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut start = None;
        let mut at = 0_usize;
        for line in rest.split_inclusive('\n') {
            let code = line.trim_start_matches(['#', ' ', '\t']);
            if looks_like_rule(code.as_bytes()) {
                let code_at = at.saturating_add(line.len().saturating_sub(code.len()));
                match start {
                    None => start = Some(code_at),
                    Some(first) => {
                        let rule = rest.get(first..at);
                        rest = rest.get(at..).unwrap_or("");
                        return rule;
                    }
                }
            }
            at = at.saturating_add(line.len());
        }
        let rule = rest.get(start?..);
        rest = "";
        rule
    })
}

impl Hints {
    fn of(rule: &str) -> Self {
        let mut hints = Self::default();
        let Some((head, body)) = rule.split_once('(') else { return hints };
        let mut words = head.split_ascii_whitespace().skip(1);
        let protocol = words.next().unwrap_or("");
        let snort2_protocol = matches!(protocol, "tcp" | "udp" | "icmp" | "ip" | "");
        let rest: Vec<&str> = words.take(6).collect();
        hints.suricata |= SURICATA_PROTOCOLS.contains(&protocol) || protocol.contains(':') || rest.contains(&"=>");
        hints.snort3 |= !protocol.is_empty() && rest.is_empty();
        let mut seen_content = false;
        let legal = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        for (name, value) in options(body).filter(|(name, _)| legal(name)) {
            hints.option(name, value, seen_content);
            seen_content |= matches!(name, "content" | "pcre" | "uricontent");
        }
        // 2.9 has no services in the header.
        hints.suricata |= hints.snort2 && !snort2_protocol;
        hints
    }

    fn option(&mut self, name: &str, value: &str, seen_content: bool) {
        match name {
            "content" => self.snort3 |= value.rsplit_once('"').is_some_and(|(_, tail)| tail.contains(',')),
            "pcre" => self.snort2 |= value.rsplit_once('/').is_some_and(|(_, flags)| flags.contains(BUFFER_FLAGS)),
            "metadata" => {
                self.snort2 |= value.split(',').any(|entry| entry.trim_start().starts_with("service "));
                self.suricata |= value.contains("created_at ");
            }
            // Words that Snort 3 writes in another way.
            "tag" | "sd_pattern" => {
                self.snort2 |= value.split(',').any(|arg| arg.trim().parse::<u32>().is_ok());
            }
            "stream_size" => self.snort2 |= value.contains(",>,") || value.contains(",<,") || value.contains(",=,"),
            "dce_iface" => self.snort2 |= !value.starts_with("uuid"),
            "http_header" => self.snort3 |= !value.is_empty() || !seen_content,
            "http_uri" | "http_raw_uri" | "http_client_body" | "http_cookie" | "http_method" => {
                self.snort3 |= !seen_content;
            }
            "service" | "bufferlen" | "http_param" | "ber_data" | "ber_skip" | "rem" | "enable" | "appids"
            | "file_meta" => self.snort3 = true,
            _ if SNORT2_OPTIONS.contains(&name) => self.snort2 = true,
            _ if SURICATA_OPTIONS.contains(&name) => self.suricata = true,
            _ => {
                self.suricata |= name.contains('.') || name.starts_with("app-layer-") || name.ends_with("-event");
            }
        }
    }

    fn verdict(self) -> Option<Dialect> {
        match self {
            Self { suricata: true, .. } => Some(Dialect::Suricata),
            Self { snort2: true, .. } => Some(Dialect::Snort2),
            Self { snort3: true, .. } => Some(Dialect::Snort3),
            _ => None,
        }
    }
}

/// A quick split of a body, good enough for hints.
fn options(body: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let ends = byte == b';' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let end = end.unwrap_or(rest.len());
        let option = rest.get(..end).unwrap_or("");
        rest = rest.get(end.saturating_add(1)..).unwrap_or("");
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        Some((name.trim_matches(|c: char| c.is_whitespace() || c == '\\'), value.trim()))
    })
}

const BUFFER_FLAGS: &[char] = &['U', 'I', 'P', 'H', 'D', 'M', 'C', 'K', 'S', 'Y', 'B', 'Q', 'W', 'V', 'Z'];

/// Options of 2.9 (and mostly of Suricata) that Snort 3 doesn't have.
const SNORT2_OPTIONS: &[&str] = &[
    "nocase",
    "depth",
    "offset",
    "distance",
    "within",
    "rawbytes",
    "fast_pattern",
    "uricontent",
    "urilen",
    "threshold",
    "sameip",
    "ftpbounce",
    "protected_content",
    "http_encode",
    "logto",
    "session",
    "fragroute",
];

const SURICATA_OPTIONS: &[&str] = &[
    "bsize",
    "startswith",
    "endswith",
    "dataset",
    "datarep",
    "flowint",
    "xbits",
    "hostbits",
    "noalert",
    "prefilter",
    "filestore",
    "fileext",
    "filemagic",
    "filename",
    "filemd5",
    "filesha1",
    "filesha256",
    "filesize",
    "lua",
    "luajit",
    "iprep",
    "geoip",
    "bypass",
    "requires",
    "dotprefix",
    "ja3_hash",
    "ja3_string",
    "ja3s_hash",
    "http_user_agent",
    "http_host",
    "http_raw_host",
    "http_server_body",
    "http_protocol",
    "http_request_line",
    "http_header_names",
    "http_accept",
    "http_content_type",
    "http_content_len",
    "http_start",
    "http_referer",
    "tls_cert_subject",
    "tls_cert_issuer",
    "tls_cert_serial",
    "tls_cert_expired",
    "tls_cert_notbefore",
    "tls_cert_notafter",
    "strip_whitespace",
    "compress_whitespace",
    "to_lowercase",
    "to_uppercase",
    "to_md5",
    "to_sha1",
    "to_sha256",
    "pcrexform",
    "url_decode",
    "xor",
    "ssh_proto",
    "config",
];

const SURICATA_PROTOCOLS: &[&str] =
    &["tls", "tcp-pkt", "tcp-stream", "smb", "pkthdr", "icmpv4", "icmpv6", "ip4", "ipv4", "ip6", "ipv6", "krb5"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn rule(text: &str, expected: Option<Dialect>) {
        assert_eq!(of_rule(text), expected, "{text}");
    }

    #[test]
    fn words_tell_the_dialect() {
        rule(r#"alert tcp any any -> any any (content:"a"; nocase; sid:1;)"#, Some(Dialect::Snort2));
        rule(r#"alert tcp any any -> any any (pcre:"/a/Ui"; sid:1;)"#, Some(Dialect::Snort2));
        rule(r#"alert tcp any any -> any any (metadata:policy x, service http; sid:1;)"#, Some(Dialect::Snort2));
        rule(r#"alert tcp any any -> any any (content:"a",nocase; sid:1;)"#, Some(Dialect::Snort3));
        rule(r#"alert tcp any any -> any any (http_uri; content:"a"; sid:1;)"#, Some(Dialect::Snort3));
        rule(r#"alert http (content:"a"; sid:1;)"#, Some(Dialect::Snort3));
        rule(r#"alert http any any -> any any (http.uri; content:"a"; nocase; sid:1;)"#, Some(Dialect::Suricata));
        rule(r#"alert http any any -> any any (content:"a"; nocase; sid:1;)"#, Some(Dialect::Suricata));
        rule(r#"alert tls any any -> any any (msg:"x"; sid:1;)"#, Some(Dialect::Suricata));
        rule(r#"alert tcp any any -> any any (content:"a, b"; sid:1;)"#, None);
        rule(r#"alert ( gid:119; sid:1; )"#, None);
    }

    #[test]
    fn files_are_of_one_dialect_unless_they_mix_snort_3_with_others() {
        let two = "# alert tcp any any -> any any (content:\"a\"; nocase; sid:1;)\n";
        let three = "alert tcp any any -> any any (content:\"a\",\n  nocase; sid:1;)\n";
        let suricata = "alert tcp any any -> any any (dns.query; content:\"a\"; sid:1;)\n";
        assert_eq!(of_file(""), FileDialect::One(Dialect::Snort3));
        assert_eq!(of_file(two), FileDialect::One(Dialect::Snort2));
        assert_eq!(of_file(&format!("{two}{suricata}")), FileDialect::One(Dialect::Suricata));
        assert_eq!(of_file(&format!("# text\n{three}")), FileDialect::One(Dialect::Snort3));
        assert_eq!(of_file(&format!("{two}{three}{two}")), FileDialect::Mixed(Dialect::Snort2));
    }
}
