//! `options.md`: every rule option, from its definition.

use super::head;
use std::fmt::Write;
use tapir_options::{Kind, OPTIONS, OptionDef, Repeat};

pub(super) fn page() -> String {
    let mut text = head(
        "Rule options",
        "Every option that Tapir evaluates, in Snort 3's form. Rules of Snort 2.9 and Suricata are turned into this \
         form when they are loaded ([rules](../rules.md)); `tapir rules convert` prints it. Buffers have a \
         [page of their own](buffers.md).",
    );
    for (kind, title) in [
        (Kind::General, "What a rule is called"),
        (Kind::Buffer, "Where to look"),
        (Kind::Payload, "What the bytes are"),
        (Kind::NonPayload, "What headers and flows are"),
        (Kind::Effect, "What follows"),
    ] {
        let defs: Vec<_> = OPTIONS.iter().filter(|def| def.kind == kind).collect();
        if defs.is_empty() {
            continue;
        }
        let _ = write!(text, "\n## {title}\n");
        defs.into_iter().for_each(|def| option(def, &mut text));
    }
    text
}

fn option(def: &OptionDef, text: &mut String) {
    let _ = write!(text, "\n### {}\n\n{}.\n", def.name, capital(def.summary));
    if !def.grammar.is_empty() {
        let name = if def.kind == Kind::Buffer && def.name == "buffer" { "" } else { def.name };
        let colon = if name.is_empty() { "" } else { ":" };
        let _ = write!(text, "\n    {name}{colon}{}\n", def.grammar);
    }
    let _ = write!(text, "\n{}\n", def.docs.trim());
    let mut notes = Vec::new();
    match def.repeat {
        Repeat::Any => {}
        Repeat::Once => notes.push("Once in a rule.".to_owned()),
        Repeat::Warn(most) => notes.push(format!("More than {most} in a rule are a warning.")),
    }
    if !def.services.is_empty() {
        let names: Vec<_> = def.services.iter().map(|service| format!("`{}`", service.name())).collect();
        notes.push(format!("A rule that names no service gets {}.", names.join(", ")));
    }
    if !notes.is_empty() {
        let _ = write!(text, "\n{}\n", notes.join(" "));
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
