//! One RFC 5424 message.
//!
//! `<PRI>1 TIMESTAMP HOSTNAME APP-NAME - MSGID SD MSG`; names are cut and cleaned to what §6 allows, values escaped as
//! §6.3.3 says. Control characters become spaces: a line in a log must not be two because an attacker wrote a line end.
//!
//! differs: no byte order mark before the message, which §6.4 wants of UTF-8; receivers show it as three characters.

use std::fmt::Write;

/// Who logs (§6.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Facility {
    /// User-level messages.
    User = 1,
    /// System daemons.
    Daemon = 3,
    /// Security messages.
    Auth = 4,
    /// Security messages, private.
    AuthPriv = 10,
    /// Log audit.
    Audit = 13,
    /// Local use 0.
    Local0 = 16,
    /// Local use 1.
    Local1 = 17,
    /// Local use 2.
    Local2 = 18,
    /// Local use 3.
    Local3 = 19,
    /// Local use 4.
    #[default]
    Local4 = 20,
    /// Local use 5.
    Local5 = 21,
    /// Local use 6.
    Local6 = 22,
    /// Local use 7.
    Local7 = 23,
}

impl Facility {
    /// Those that an alert can be, by their names in syslog's configuration files.
    pub const ALL: [(&str, Self); 13] = [
        ("user", Self::User),
        ("daemon", Self::Daemon),
        ("auth", Self::Auth),
        ("authpriv", Self::AuthPriv),
        ("audit", Self::Audit),
        ("local0", Self::Local0),
        ("local1", Self::Local1),
        ("local2", Self::Local2),
        ("local3", Self::Local3),
        ("local4", Self::Local4),
        ("local5", Self::Local5),
        ("local6", Self::Local6),
        ("local7", Self::Local7),
    ];

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, facility)| *facility)
    }
}

/// How bad it is (§6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Severity {
    /// Critical.
    Critical = 2,
    /// Error.
    Error = 3,
    /// Warning.
    Warning = 4,
    /// Notice.
    Notice = 5,
    /// Informational.
    Informational = 6,
}

/// An element of structured data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructuredElement {
    /// Its id, `name@enterprise-number` (§6.3.2).
    pub id: String,
    /// Names and values, in order.
    pub parameters: Vec<(String, String)>,
}

/// What a formatter makes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogMessage {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of message, `alert`; 32 characters at most.
    pub msgid: String,
    /// Structured data.
    pub structured: Vec<StructuredElement>,
    /// The text.
    pub message: String,
}

/// What is the same in many messages.
pub(super) struct Origin<'a> {
    pub(super) facility: Facility,
    pub(super) hostname: &'a str,
    pub(super) app_name: &'a str,
    pub(super) time_ns: u64,
}

impl SyslogMessage {
    /// The bytes, and whether they were cut to `limit`. Structured data that does not fit is left out whole.
    pub(super) fn render(&self, origin: &Origin<'_>, limit: Option<usize>) -> (Vec<u8>, bool) {
        let head = format!(
            "<{}>1 {} {} {} - {} ",
            origin.facility as u8 * 8 + self.severity as u8,
            timestamp(origin.time_ns),
            name(origin.hostname, 255, ""),
            name(origin.app_name, 48, ""),
            name(&self.msgid, 32, ""),
        );
        let structured = self.structured_data();
        let limit = limit.unwrap_or(usize::MAX);
        let dropped = head.len() + structured.len() > limit;
        let mut out = head;
        out.push_str(if dropped { "-" } else { &structured });
        if !self.message.is_empty() {
            out.push(' ');
            out.extend(self.message.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        let mut end = out.len().min(limit);
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        let cut = dropped || end < out.len();
        out.truncate(end);
        (out.into_bytes(), cut)
    }

    fn structured_data(&self) -> String {
        let mut out = String::new();
        for element in &self.structured {
            out.push('[');
            out.push_str(&name(&element.id, 32, "=]\""));
            for (key, value) in &element.parameters {
                out.push(' ');
                out.push_str(&name(key, 32, "=]\""));
                out.push_str("=\"");
                for c in value.chars() {
                    if matches!(c, '"' | '\\' | ']') {
                        out.push('\\');
                    }
                    out.push(if c.is_control() { ' ' } else { c });
                }
                out.push('"');
            }
            out.push(']');
        }
        if out.is_empty() { "-".into() } else { out }
    }
}

/// Printable ASCII without spaces and what is `barred`, or `-`.
fn name(text: &str, max: usize, barred: &str) -> String {
    let clean = |c: char| if c.is_ascii_graphic() && !barred.contains(c) { c } else { '_' };
    let name: String = text.chars().take(max).map(clean).collect();
    if name.is_empty() { "-".into() } else { name }
}

/// RFC 3339 in UTC with microseconds, the finest that §6.2.3 allows.
fn timestamp(ns: u64) -> String {
    let (seconds, micros) = (ns / 1_000_000_000, ns % 1_000_000_000 / 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that the leap day is the last; eras of 400 years. Day 0 is 1970-01-01.
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (era * 400 + year, month + 3) } else { (era * 400 + year + 1, month - 9) };
    let mut out = String::with_capacity(27);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}.{micros:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'_> = Origin {
        facility: Facility::Local4,
        hostname: "node-a",
        app_name: "tapir",
        time_ns: 1_764_000_000_123_456_789,
    };

    fn message() -> SyslogMessage {
        SyslogMessage {
            severity: Severity::Critical,
            msgid: "alert".into(),
            structured: vec![StructuredElement {
                id: "tapir@32473".into(),
                parameters: vec![("sid".into(), "1".into()), ("m g".into(), "a\"b]c\\d\ne".into())],
            }],
            message: "x\ny ä".into(),
        }
    }

    fn text(message: &SyslogMessage, limit: Option<usize>) -> (String, bool) {
        let (bytes, cut) = message.render(&ORIGIN, limit);
        (String::from_utf8(bytes).unwrap(), cut)
    }

    #[test]
    fn a_message_is_framed_and_escaped() {
        let expected = "<162>1 2025-11-24T16:00:00.123456Z node-a tapir - alert \
            [tapir@32473 sid=\"1\" m_g=\"a\\\"b\\]c\\\\d e\"] x y ä";
        assert_eq!(text(&message(), None), (expected.into(), false));
        let bare = SyslogMessage { msgid: "\u{7}".into(), structured: vec![], message: String::new(), ..message() };
        assert_eq!(text(&bare, None).0, "<162>1 2025-11-24T16:00:00.123456Z node-a tapir - _ -");
    }

    #[test]
    fn a_long_message_is_cut_between_characters_and_structured_data_left_whole_or_out() {
        let long = SyslogMessage { message: "ä".repeat(3000), ..message() };
        let (cut, was_cut) = text(&long, Some(2048));
        assert!(was_cut && (2047..=2048).contains(&cut.len()) && cut.contains("[tapir@32473 sid=\"1\""));
        let (without, was_cut) = text(&message(), Some(70));
        assert!(was_cut && without.ends_with(" alert - x y ä"), "{without}");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_709_251_199, "2024-02-29T23:59:59"),
            (1_709_251_200, "2024-03-01T00:00:00"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (1_798_761_599, "2026-12-31T23:59:59"),
        ] {
            assert_eq!(timestamp(seconds * 1_000_000_000), format!("{expected}.000000Z"));
        }
    }
}
