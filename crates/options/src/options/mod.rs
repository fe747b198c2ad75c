//! The registry of options: one file each, listed here in the order of their names.

use crate::def::OptionDef;
use crate::value::{Problem, code};
use tapir_protocol::BufferId;
use tapir_rules::OptionNode;

mod base64_data;
mod buffer;
mod bufferlen;
mod byte_extract;
mod byte_jump;
mod byte_math;
mod byte_test;
mod content;
mod dsize;
mod flow;
mod flowbits;
mod isdataat;
mod pcre;
mod regex;
mod unsupported;

pub use content::fuzz_content;
pub use flowbits::declare;

/// Every option that is understood. `buffer` stands for all names of the catalogue of buffers.
pub static OPTIONS: &[&OptionDef] = &[
    &base64_data::DEF,
    &buffer::DEF,
    &bufferlen::DEF,
    &byte_extract::DEF,
    &byte_jump::DEF,
    &byte_math::DEF,
    &byte_test::DEF,
    &content::DEF,
    &dsize::DEF,
    &flow::DEF,
    &flowbits::DEF,
    &isdataat::DEF,
    &pcre::DEF,
    &regex::DEF,
];

/// The definition of an option by its name in rules.
pub fn definition(name: &str) -> Option<&'static OptionDef> {
    if BufferId::ALL.iter().any(|id| id.name() == name && !matches!(id, BufferId::Base64Data | BufferId::HttpParam)) {
        return Some(&buffer::DEF);
    }
    OPTIONS.iter().copied().find(|def| def.name == name && def.name != buffer::DEF.name)
}

/// What is wrong with an option that has no definition.
pub(crate) fn unknown(node: &OptionNode) -> Problem {
    if let Some(reason) = unsupported::reason(&node.name) {
        let message = format!("option `{}` is not supported", node.name);
        return Problem::new(code::UNSUPPORTED, node.name_span, message).help(reason);
    }
    let problem = Problem::new(code::UNKNOWN_OPTION, node.name_span, format!("unknown option `{}`", node.name));
    match nearest(&node.name) {
        Some(name) => problem.help(format!("did you mean `{name}`?")),
        None => problem,
    }
}

/// A known name that differs by one letter.
fn nearest(name: &str) -> Option<&'static str> {
    let buffers = BufferId::ALL.iter().map(|id| id.name());
    OPTIONS.iter().map(|def| def.name).chain(buffers).find(|known| one_apart(name.as_bytes(), known.as_bytes()))
}

fn one_apart(a: &[u8], b: &[u8]) -> bool {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = |s: &[u8], skip: usize| s.get(head + skip..).map(<[u8]>::to_vec);
    a.len().abs_diff(b.len()) <= 1
        && [(1, 0), (0, 1), (1, 1)].into_iter().any(|(x, y)| rest(a, x).is_some() && rest(a, x) == rest(b, y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::problems;

    /// Modules of this folder that define no single option.
    const OTHERS: &[&str] = &["mod", "unsupported"];

    #[test]
    fn every_file_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/options");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| !OTHERS.contains(&name.as_str()))
            .collect();
        files.sort();
        let names: Vec<_> = OPTIONS.iter().map(|def| def.name).collect();
        assert_eq!(files, names, "sorted, one file each, named like the option");
    }

    #[test]
    fn every_option_is_documented() {
        for def in OPTIONS {
            assert!(def.summary.len() > 5 && def.docs.len() > 20 && !def.summary.ends_with('.'), "{}", def.name);
        }
    }

    #[test]
    fn unknown_options_are_named_with_a_hint() {
        assert_eq!(problems("contents:\"A\"")[0], "unknown option `contents`");
        assert_eq!(nearest("contents"), Some("content"));
        assert_eq!(nearest("htp_uri"), Some("http_uri"));
        assert_eq!(nearest("nonsense"), None);
        assert_eq!(problems("asn1:print")[0], "option `asn1` is not supported");
        assert_eq!(problems("buffer")[0], "unknown option `buffer`");
    }
}
