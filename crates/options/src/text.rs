//! The canonical Snort 3 text of a compiled rule.

use crate::value::print_bytes;
use std::fmt::Write;
use tapir_protocol::Service;
use tapir_rules::{Arrow, Rule};

/// The whole rule on one line.
pub(crate) fn rule(rule: &Rule, options: &[String], services: &[Service], service_header: bool) -> String {
    let mut out = String::with_capacity(256);
    out.push_str(rule.action.name());
    out.push(' ');
    out.push_str(&rule.header.protocol);
    header(&mut out, rule);
    out.push_str(" ( ");
    if let Some(msg) = &rule.info.msg {
        let _ = write!(out, "msg:\"{}\"; ", quote(msg));
    }
    for option in options {
        let _ = write!(out, "{option}; ");
    }
    if !services.is_empty() && !service_header {
        let names: Vec<_> = services.iter().map(|service| service.name()).collect();
        let _ = write!(out, "service:{}; ", names.join(","));
    }
    info(&mut out, rule);
    out.push(')');
    out
}

fn header(out: &mut String, rule: &Rule) {
    let [source, source_ports, destination, destination_ports] = &rule.header.text;
    if source.is_none() && destination.is_none() {
        return;
    }
    let text = |part: &Option<String>| part.clone().unwrap_or_else(|| "any".to_owned());
    let arrow = match rule.header.arrow {
        Arrow::To => "->",
        Arrow::Both => "<>",
    };
    let _ = write!(
        out,
        " {} {} {arrow} {} {}",
        text(source),
        text(source_ports),
        text(destination),
        text(destination_ports)
    );
}

fn info(out: &mut String, rule: &Rule) {
    let info = &rule.info;
    if !info.metadata.is_empty() {
        let words: Vec<_> =
            info.metadata.iter().map(|(key, value)| format!("{key} {value}").trim_end().to_owned()).collect();
        let _ = write!(out, "metadata:{}; ", words.join(","));
    }
    for reference in &info.references {
        let _ = write!(out, "reference:{},{}; ", reference.scheme, reference.id);
    }
    if let Some(class) = &info.classtype {
        let _ = write!(out, "classtype:{class}; ");
    }
    if info.gid != 1 {
        let _ = write!(out, "gid:{}; ", info.gid);
    }
    let _ = write!(out, "sid:{}; rev:{}; ", info.sid, info.rev);
}

fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// `[!]"…"` of bytes.
pub(crate) fn byte_string(negated: bool, bytes: &[u8]) -> String {
    format!("{}\"{}\"", if negated { "!" } else { "" }, print_bytes(bytes))
}
