//! SMTP commands that change what follows, and the verbs that count as known.

use crate::content::line::{decimal, first_word, is_one_of};

/// What a command line means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// DATA
    Data,
    /// BDAT with its length.
    Chunk {
        /// Bytes that follow.
        len: u64,
        /// The message ends with them.
        last: bool,
    },
    /// STARTTLS
    StartTls,
    /// AUTH
    Auth,
    /// EHLO, HELO, MAIL, RSET: a message in chunks is given up.
    NewTransaction,
    /// Another known verb, or an empty line.
    Known,
    /// None of them.
    Unknown,
}

/// Verbs that Snort knows, beside those with a meaning of their own above.
const KNOWN: &[&str] = &[
    "ATRN",
    "BDAT",
    "CHUNKING",
    "DATA",
    "DEBUG",
    "EMAL",
    "ESAM",
    "ESND",
    "ESOM",
    "ETRN",
    "EVFY",
    "EXPN",
    "HELP",
    "IDENT",
    "NOOP",
    "ONEX",
    "QUEU",
    "QUIT",
    "RCPT",
    "SAML",
    "SEND",
    "SIZE",
    "SOML",
    "TICK",
    "TIME",
    "TURN",
    "TURNME",
    "VERB",
    "VRFY",
    "X-EXPS",
    "X-LINK2STATE",
    "XADR",
    "XAUTH",
    "XCIR",
    "XEXCH50",
    "XGEN",
    "XLICENSE",
    "XQUE",
    "XSTA",
    "XTRN",
    "XUSR",
];

/// Reads a command line.
pub(super) fn parse(line: &[u8]) -> Command {
    let (word, rest) = first_word(line);
    let verb = word.split(|&byte| byte == b':').next().unwrap_or(word);
    let is = |known: &str| verb.eq_ignore_ascii_case(known.as_bytes());
    if is("DATA") && rest.is_empty() {
        return Command::Data;
    }
    if is("BDAT")
        && let Some(chunk) = chunk(rest)
    {
        return chunk;
    }
    if is("STARTTLS") {
        Command::StartTls
    } else if is("AUTH") {
        Command::Auth
    } else if ["EHLO", "HELO", "MAIL", "RSET"].iter().any(|known| is(known)) {
        Command::NewTransaction
    } else if verb.is_empty() || is_one_of(verb, KNOWN) {
        Command::Known
    } else {
        Command::Unknown
    }
}

/// `length [LAST]` (RFC 3030 §2).
fn chunk(arguments: &[u8]) -> Option<Command> {
    let (len, rest) = first_word(arguments);
    let last = rest.eq_ignore_ascii_case(b"LAST");
    (last || rest.is_empty()).then_some(())?;
    Some(Command::Chunk { len: decimal(len)?, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_apart() {
        assert_eq!(parse(b"data\r\n"), Command::Data);
        assert_eq!(parse(b"DATA x\r\n"), Command::Known);
        assert_eq!(parse(b"BDAT 12 LAST\r\n"), Command::Chunk { len: 12, last: true });
        assert_eq!(parse(b"bdat 0\n"), Command::Chunk { len: 0, last: false });
        assert_eq!(parse(b"BDAT -1\r\n"), Command::Known);
        assert_eq!(parse(b"BDAT 99999999999999999999\r\n"), Command::Known);
        assert_eq!(parse(b"MAIL FROM:<a>\r\n"), Command::NewTransaction);
        assert_eq!(parse(b"Hello, Alice\r\n"), Command::Unknown);
        assert_eq!(parse(b"\r\n"), Command::Known);
    }
}
