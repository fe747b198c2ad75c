//! Telnet commands inside text (RFC 854, RFC 855), for the telnet and FTP inspectors.
//!
//! `IAC IAC` is one data byte 255; `IAC WILL/WONT/DO/DONT option`, `IAC SB … IAC SE` and other
//! two-byte commands are no data. Erase commands act on what the peer has typed so far, as a server
//! does; a 255 before a byte that is no command stays.

use memchr::memchr;

/// Interpret as command.
pub(crate) const IAC: u8 = 255;
const DONT: u8 = 254;
const WILL: u8 = 251;
/// Start of a subnegotiation.
pub(crate) const SB: u8 = 250;
const ERASE_LINE: u8 = 248;
const ERASE_CHARACTER: u8 = 247;
/// End of a subnegotiation.
pub(crate) const SE: u8 = 240;

/// What [`strip`] met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Commands {
    /// Commands removed.
    pub commands: u32,
    /// An erase command was among them: text differs from what is on the wire (evasion).
    pub erased: bool,
    /// A subnegotiation has no end in these bytes.
    pub open_subnegotiation: bool,
}

/// `raw` without telnet commands; `raw` itself if there are none, else built in `out`.
pub(crate) fn strip<'a>(raw: &'a [u8], out: &'a mut Vec<u8>) -> (&'a [u8], Commands) {
    let mut met = Commands::default();
    if memchr(IAC, raw).is_none() {
        return (raw, met);
    }
    out.clear();
    let mut rest = raw;
    while let Some(at) = memchr(IAC, rest) {
        let (text, command) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(text);
        rest = command.get(command_len(command, out, &mut met)..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    (out.as_slice(), met)
}

/// Carries out the command at the start of `bytes` (an IAC) and says how long it is.
fn command_len(bytes: &[u8], out: &mut Vec<u8>, met: &mut Commands) -> usize {
    let len = match bytes.get(1) {
        Some(&IAC) => {
            out.push(IAC);
            return 2;
        }
        Some(&(WILL..=DONT)) => 3,
        Some(&SB) => match subnegotiation_len(bytes) {
            Some(len) => len,
            None => {
                met.open_subnegotiation = true;
                bytes.len()
            }
        },
        Some(&ERASE_CHARACTER) => {
            met.erased = true;
            out.pop();
            2
        }
        Some(&ERASE_LINE) => {
            met.erased = true;
            let start = memchr::memrchr(b'\n', out).map_or(0, |at| at.saturating_add(1));
            out.truncate(start);
            2
        }
        Some(&(SE..)) => 2,
        _ => {
            out.push(IAC);
            return 1;
        }
    };
    met.commands = met.commands.saturating_add(1);
    len
}

/// Length of a subnegotiation from its IAC SB to its IAC SE.
fn subnegotiation_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 2usize;
    loop {
        let iac = at.checked_add(memchr(IAC, bytes.get(at..)?)?)?;
        at = iac.checked_add(2)?;
        if *bytes.get(iac.checked_add(1)?)? == SE {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(raw: &[u8]) -> Vec<u8> {
        strip(raw, &mut Vec::new()).0.to_vec()
    }

    #[test]
    fn negotiation_and_commands_vanish_and_doubled_iac_is_one() {
        assert_eq!(stripped(b"to\xff\xf1or\r\n"), b"toor\r\n");
        assert_eq!(stripped(b"\xff\xfd\x18login: "), b"login: ");
        assert_eq!(stripped(b"a\xff\xffb"), b"a\xffb");
        assert_eq!(stripped(b"a\xff\xfa\x18\x00xterm\xff\xf0b"), b"ab");
    }

    #[test]
    fn erase_commands_act_on_the_text() {
        assert_eq!(stripped(b"USEX\xff\xf7R a"), b"USER a");
        assert_eq!(stripped(b"x\nabc\xff\xf8USER"), b"x\nUSER");
        assert_eq!(stripped(b"\xff\xf7a"), b"a");
    }

    #[test]
    fn what_is_no_command_stays() {
        assert_eq!(stripped(b"a\xff\x41"), b"a\xff\x41");
        assert_eq!(stripped(b"a\xff"), b"a\xff");
    }

    #[test]
    fn an_open_subnegotiation_is_reported() {
        let mut out = Vec::new();
        let (text, met) = strip(b"a\xff\xfa\x27\x00", &mut out);
        assert_eq!((text, met.open_subnegotiation), (&b"a"[..], true));
    }
}
