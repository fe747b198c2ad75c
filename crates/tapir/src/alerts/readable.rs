//! Text that an attacker may have written, made safe to print on a terminal.
//!
//! Control characters, and characters that are not shown or change how others are shown (bidi controls, zero width, tags,
//! variation selectors, …: those that the page escapes, too), become `\x1b` or `\u{202e}`. JSON keeps its meaning: there they
//! become JSON's own escapes.

use std::fmt::Write;

/// The same text without anything that moves, colours, turns or hides other text.
pub fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match u32::from(c) {
            code if !is_hidden(c) => {
                debug_assert!(code >= 0x20);
                out.push(c);
                Ok(())
            }
            code @ 0..=0xff => write!(out, "\\x{code:02x}"),
            code => write!(out, "\\u{{{code:x}}}"),
        };
    }
    out
}

/// JSON text with the same meaning in which hidden characters are escaped. They occur in strings only.
pub fn readable_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !is_hidden(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// Not to be printed as it is. Blanks and letters with marks are; tabs and line feeds are not.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_hostile_text_reaches_the_terminal() {
        assert_eq!(
            readable("\x1b[2J\x07a\r\nb\tc\u{9b}31m\u{202e}gpj.exe\u{200b}"),
            r"\x1b[2J\x07a\x0d\x0ab\x09c\x9b31m\u{202e}gpj.exe\u{200b}"
        );
        assert_eq!(readable("café → 日本 😀"), "café → 日本 😀");
        for code in 0..=0x1f {
            assert!(readable(&char::from(code).to_string()).is_ascii());
        }
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({ "a": "x\u{202e}\u{e0041}\u{7f}\u{9b}\n\"é", "\u{200b}": [1] });
        let text = readable_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| c == '\n' || !is_hidden(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
