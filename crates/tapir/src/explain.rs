//! `tapir rules explain`: a rule in plain words, with what the engine derived from it.

use std::fmt::Write;
use tapir_detect::DetectRule;
use tapir_engine::Rules;
use tapir_flow::Direction;
use tapir_options::{Effect, StreamWord};
use tapir_protocol::BufferKey;

/// The explanation, several lines.
pub fn rule(rules: &Rules, index: u32) -> String {
    let (Some(rule), Some(summary)) = (rules.set.rule(index), rules.summary(index)) else { return String::new() };
    let mut text = String::new();
    let info = &rule.rule.info;
    let _ = writeln!(text, "Rule {}:{}:{}  {}", info.gid, info.sid, info.rev, info.msg.as_deref().unwrap_or(""));
    if let Some(class) = &summary.class {
        let _ = writeln!(text, "  class      {class} (priority {})", summary.priority);
    }
    for (scheme, id, url) in &summary.references {
        let _ = writeln!(text, "  reference  {}", url.clone().unwrap_or_else(|| format!("{scheme} {id}")));
    }
    let _ = writeln!(text, "  from       {}", rule.rule.place);
    let _ = writeln!(text, "\nWhere it looks");
    let _ = writeln!(text, "  {}", traffic(rule));
    let _ = writeln!(text, "\nWhat must hold, in this order");
    let mut buffer = "the payload".to_owned();
    let mut step = 0;
    for (at, option) in rule.rule.options.iter().enumerate() {
        if let Some(key) = option.sets_buffer() {
            buffer = buffer_words(key);
            continue;
        }
        step += 1;
        let marked = rule.fast_pattern_option() == Some(at);
        let mark = if marked { "   <- searched first (fast pattern)" } else { "" };
        let _ = writeln!(text, "  {step}. {buffer}: {}{mark}", option.explain());
    }
    if step == 0 {
        let _ = writeln!(text, "  nothing more: the header alone decides");
    }
    effects(rule, &mut text);
    let _ = writeln!(text, "\nHow it is found");
    match rule.fast_pattern() {
        Some((bytes, buffer)) => {
            let how = if rule.is_anchored() { "compared at its fixed place in" } else { "searched for in" };
            let _ = writeln!(text, "  {} bytes {how} {}: {}", bytes.len(), buffer.name(), show(bytes));
        }
        None => {
            let _ = writeln!(text, "  it has no fast pattern: it is evaluated for every unit of its group (costly)");
        }
    }
    let services: Vec<&str> = rule.rule.services.iter().map(|service| service.name()).collect();
    if services.is_empty() {
        let _ = writeln!(text, "  group: by port");
    } else {
        let _ = writeln!(text, "  group: service {}", services.join(", "));
    }
    text
}

fn traffic(rule: &DetectRule) -> String {
    let header = &rule.rule.header;
    let word = |at: usize| header.text.get(at).and_then(|text| text.as_deref()).unwrap_or("any").to_owned();
    let mut text = format!("{} traffic from {} port {}", header.protocol, word(0), word(1));
    let arrow = if header.arrow == tapir_rules::Arrow::Both { "to and from" } else { "to" };
    let _ = write!(text, " {arrow} {} port {}", word(2), word(3));
    if !rule.rule.services.is_empty() && !rule.rule.service_header {
        text.push_str("; once the service is recognised, on any port");
    }
    let flow = &rule.rule.flow;
    match flow.direction {
        Some(Direction::ToServer) => text.push_str("; what the client sends"),
        Some(Direction::ToClient) => text.push_str("; what the server sends"),
        None => {}
    }
    match flow.established {
        Some(true) => text.push_str("; established connections"),
        Some(false) => text.push_str("; connections not established"),
        None => {}
    }
    match flow.stream {
        StreamWord::Only => text.push_str("; reassembled data only"),
        StreamWord::No => text.push_str("; single packets only"),
        StreamWord::Any => {}
    }
    text
}

fn effects(rule: &DetectRule, text: &mut String) {
    for effect in &rule.rule.effects {
        let _ = match effect {
            Effect::NoAlert => writeln!(text, "  then: no alert, only its flowbits"),
            Effect::Bits(_) => writeln!(text, "  then: flowbits of the flow change"),
            Effect::DetectionFilter(filter) => {
                writeln!(text, "  only if it matched more than {} times in {} seconds", filter.count, filter.seconds)
            }
            Effect::Threshold(threshold) => writeln!(
                text,
                "  events are limited: {:?} of {} in {} seconds",
                threshold.kind,
                threshold.count.map_or_else(|| "any number".to_owned(), |count| count.to_string()),
                threshold.seconds
            ),
            Effect::Tag(_) => writeln!(text, "  then: later packets are tagged"),
            Effect::Target { source } => {
                writeln!(text, "  the victim is the {}", if *source { "source" } else { "destination" })
            }
        };
    }
}

fn buffer_words(key: &BufferKey) -> String {
    use tapir_protocol::Selector;
    let whose = if key.request { " of the request" } else { "" };
    match &key.selector {
        Selector::Whole => format!("{}{whose}", key.id.name()),
        Selector::Field(name) => format!("{} field {name}{whose}", key.id.name()),
        Selector::Uri(part) => format!("{} {part:?}{whose}", key.id.name()).to_lowercase(),
        Selector::Param { name, .. } => format!("parameter \"{}\"", String::from_utf8_lossy(name)),
        Selector::Element(_) => key.id.name().to_owned(),
    }
}

/// Bytes as rules write them.
fn show(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        if (0x20..0x7f).contains(&byte) && !b"\"|;\\".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "|{byte:02X}|");
        }
    }
    text.push('"');
    text.replace("||", " ")
}
