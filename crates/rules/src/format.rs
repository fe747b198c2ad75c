//! Rules as text, one per line, in the order of Snort 3's published rules.
//!
//! `format_rule` prints the options as they are, in the escapes of [`Rule::dialect`]; after
//! folding, that is Snort 3's form. Reading the text gives the same rule again.

use crate::rule::PrioritySource;
use crate::value::escape_text;
use crate::{Arrow, ClassTable, Dialect, Header, OptionNode, Rule};
use std::fmt::Write;

/// The canonical text of a rule, behind `# ` if it is disabled.
pub fn format_rule(rule: &Rule, classes: &ClassTable) -> String {
    let mut text = String::with_capacity(512);
    if !rule.enabled {
        text.push_str("# ");
    }
    text.push_str(rule.action.name());
    text.push_str(&format_header(&rule.header));
    text.push_str(" (");
    if let Some(msg) = &rule.info.msg {
        push(&mut text, format_args!("msg:\"{}\";", escape_text(msg, rule.dialect)));
    }
    for option in &rule.options {
        push(&mut text, format_args!("{};", format_option(option, rule.dialect)));
    }
    push_info(&mut text, rule, classes);
    text.push_str(" )");
    text
}

fn push(text: &mut String, option: std::fmt::Arguments<'_>) {
    text.push(' ');
    // Writing to a string can't fail.
    let _ = text.write_fmt(option);
}

/// ` tcp $HOME_NET any -> any 80`, with a blank in front; empty without a protocol.
fn format_header(header: &Header) -> String {
    let mut words = Vec::with_capacity(6);
    if !header.protocol.is_empty() {
        words.push(header.protocol.as_str());
    }
    let [source, source_ports, destination, destination_ports] = &header.text;
    if let (Some(source), Some(destination)) = (source, destination) {
        words.push(source);
        words.extend(source_ports.as_deref());
        words.push(match header.arrow {
            Arrow::To => "->",
            Arrow::Both => "<>",
        });
        words.push(destination);
        words.extend(destination_ports.as_deref());
    }
    words.iter().fold(String::new(), |mut text, word| {
        text.push(' ');
        text.push_str(word);
        text
    })
}

fn push_info(text: &mut String, rule: &Rule, classes: &ClassTable) {
    let info = &rule.info;
    let escape = |part: &str| part.replace(';', "\\;");
    if !info.metadata.is_empty() {
        let entries = info.metadata.iter().map(|(key, value)| match value.as_str() {
            "" => escape(key),
            value => format!("{} {}", escape(key), escape(value)),
        });
        push(text, format_args!("metadata:{};", entries.collect::<Vec<_>>().join(",")));
    }
    for reference in &info.references {
        push(text, format_args!("reference:{},{};", escape(&reference.scheme), escape(&reference.id)));
    }
    if let Some(classtype) = &info.classtype {
        push(text, format_args!("classtype:{classtype};"));
    }
    let class = info.classtype.as_deref().and_then(|name| classes.class(name)).map(|class| class.priority);
    if PrioritySource::default().effective(rule.dialect, class) != info.priority {
        push(text, format_args!("priority:{};", info.priority));
    }
    if info.gid != 1 {
        push(text, format_args!("gid:{};", info.gid));
    }
    if info.sid != 0 {
        push(text, format_args!("sid:{};", info.sid));
    }
    if info.rev != 0 {
        push(text, format_args!("rev:{};", info.rev));
    }
}

/// An option as `name` or `name:value`, in one line; Snort 3's without blanks around commas.
pub fn format_option(option: &OptionNode, dialect: Dialect) -> String {
    let Some(value) = &option.value else { return option.name.clone() };
    let tight = dialect == Dialect::Snort3 && option.name != "pcre";
    let value = if tight { tighten(value) } else { value.clone() };
    format!("{}:{value}", option.name)
}

/// Removes blanks around commas, and all but one of others, outside of quotes. Blanks are what the lexer takes
/// for them: no others divide words.
fn tighten(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let (mut quoted, mut escaped, mut blank) = (false, false, false);
    for character in value.chars() {
        if !quoted && !escaped && character.is_ascii_whitespace() {
            blank = true;
            continue;
        }
        if blank && character != ',' && !text.ends_with(',') && !text.is_empty() {
            text.push(' ');
        }
        blank = false;
        text.push(character);
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, load_str};

    #[track_caller]
    fn prints(text: &str, expected: &str) {
        let loaded = load_str("test", text, &Config::default());
        let printed: Vec<_> = loaded.rules.iter().map(|rule| format_rule(rule, &loaded.classifications)).collect();
        assert_eq!(printed, [expected], "{:?}", loaded.diagnostics);
    }

    #[test]
    fn prints_in_the_order_of_published_rules() {
        prints(
            r#"alert tcp any any -> [10.0.0.1, 10.0.0.2] 80 (sid:7; rev:2; msg:"a\;b"; content:"x, y" , offset 3;
               reference:cve,1; metadata:policy a drop, k; classtype:trojan-activity; gid:5;)"#,
            concat!(
                r#"alert tcp any any -> [10.0.0.1,10.0.0.2] 80 ( msg:"a\;b"; content:"x, y",offset 3; "#,
                "metadata:policy a drop,k; reference:cve,1; classtype:trojan-activity; gid:5; sid:7; rev:2; )"
            ),
        );
    }

    #[test]
    fn prints_priority_only_where_the_class_says_otherwise() {
        let head = "alert http ( dsize:1; classtype:unknown;";
        prints(&format!("{head} priority:3; sid:1; )"), &format!("{head} sid:1; )"));
        prints(&format!("{head} priority:9; sid:1; )"), &format!("{head} priority:9; sid:1; )"));
        prints("alert http ( dsize:1; priority:9; classtype:unknown; sid:1; )", &format!("{head} sid:1; )"));
    }

    #[test]
    fn keeps_characters_that_divide_no_words() {
        prints("alert http ( x:a\u{b}b c; sid:1; )", "alert http ( x:a\u{b}b c; sid:1; )");
    }

    #[test]
    fn keeps_disabled_rules_disabled() {
        prints("#alert http ( dsize:1; sid:1; )", "# alert http ( dsize:1; sid:1; )");
    }
}
