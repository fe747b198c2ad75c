//! Names of GTP: what a number means depends on the version of the protocol.
//!
//! *How it fits*: `gtp_type` and `gtp_info` take a name if any version knows it, and a number for all.

mod elements;
mod messages;

use crate::value::{Arg, Problem};

/// A name and its numbers.
type Codes = (&'static str, [u8; 3]);

/// The number in versions 0, 1 and 2.
pub(crate) type ByVersion = [Option<u8>; 3];

/// The message type that a rule writes, and how it is printed.
pub(crate) fn message(arg: Arg<'_>) -> Result<(ByVersion, String), Problem> {
    read(arg, messages::NAMES, "message")
}

/// The same for an information element.
pub(crate) fn element(arg: Arg<'_>) -> Result<(ByVersion, String), Problem> {
    read(arg, elements::NAMES, "information element")
}

fn read(arg: Arg<'_>, names: &[Codes], what: &str) -> Result<(ByVersion, String), Problem> {
    if let Some((name, codes)) = names.iter().find(|(name, _)| *name == arg.text) {
        return Ok((codes.map(|code| (code != 0).then_some(code)), (*name).to_owned()));
    }
    if arg.text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        let number = arg.u32(0, 255)?;
        return Ok(([Some(u8::try_from(number).unwrap_or(u8::MAX)); 3], number.to_string()));
    }
    let problem = Problem::syntax(arg.span, format!("GTP has no {what} `{}`", arg.text));
    let lower = arg.text.to_ascii_lowercase();
    let close = names.iter().find(|(name, _)| *name == lower || (lower.len() > 3 && name.starts_with(&lower)));
    Err(match close {
        Some((name, _)) => problem.help(format!("did you mean `{name}`?")),
        None => problem.help("it is a number from 0 to 255 or a name such as Snort's configuration has"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_number_of_a_version() {
        for names in [messages::NAMES, elements::NAMES] {
            for version in 0..3 {
                let mut codes: Vec<_> =
                    names.iter().map(|(_, codes)| codes[version]).filter(|code| *code != 0).collect();
                let all = codes.len();
                codes.sort_unstable();
                codes.dedup();
                assert_eq!(codes.len(), all);
            }
            let mut words: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), names.len());
        }
    }
}
