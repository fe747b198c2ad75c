//! What the manager reads in a certificate: until when it holds, and whose it is.
//!
//! A small reader of DER (X.690) for the members of RFC 5280 that are wanted. *Limits*: it says nothing of trust; chains
//! are checked by rustls before anything here is believed. Names of 1 to 253 bytes without control characters.
//!
//! *Why not a library*: the one there is brings eighteen crates along, two of them in a second version.

use tapir_packet::Timestamp;

/// Whose a certificate is, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The first DNS name of the alternative names; without one the common name, without `system:node:` before it.
    pub name: Option<String>,
    /// It holds up to and including this second of Unix time.
    pub not_after: i64,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, explicit: the version.
const VERSION: u8 = 0xa0;
/// `[3]`, explicit: the extensions.
const EXTENSIONS: u8 = 0xa3;
/// `[2]`, implicit: a DNS name among alternative names.
const DNS_NAME: u8 = 0x82;
/// 2.5.4.3
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// 2.5.29.17
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
/// Before the names of nodes in the certificates of kubelets.
const NODE: &str = "system:node:";

impl Certificate {
    /// Reads DER; `None` if it is no certificate.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let mut signed = Der(Der(der).of(SEQUENCE)?);
        let mut fields = Der(signed.of(SEQUENCE)?);
        if fields.peek() == Some(VERSION) {
            fields.next()?;
        }
        // Serial number, algorithm, issuer.
        for _ in 0..3 {
            fields.next()?;
        }
        let mut validity = Der(fields.of(SEQUENCE)?);
        validity.next()?;
        let (kind, text) = validity.next()?;
        let not_after = moment(kind, text)?;
        let subject = fields.of(SEQUENCE)?;
        let mut alternative = None;
        while let Some((tag, content)) = fields.next() {
            if tag == EXTENSIONS {
                alternative = dns_name(content);
            }
        }
        let name = alternative.or_else(|| common_name(subject)).filter(|name| is_name(name));
        Some(Self { name, not_after })
    }

    /// It does not hold any more.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now.secs() > self.not_after
    }
}

fn is_name(name: &str) -> bool {
    (1..=253).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn dns_name(extensions: &[u8]) -> Option<String> {
    let mut all = Der(Der(extensions).of(SEQUENCE)?);
    while let Some((SEQUENCE, extension)) = all.next() {
        let mut parts = Der(extension);
        if parts.of(OID)? != ALTERNATIVE_NAMES {
            continue;
        }
        // A boolean may stand before the value: critical or not.
        while let Some((tag, value)) = parts.next() {
            if tag == OCTETS {
                let mut names = Der(Der(value).of(SEQUENCE)?);
                while let Some((tag, name)) = names.next() {
                    if tag == DNS_NAME {
                        return std::str::from_utf8(name).ok().map(str::to_owned);
                    }
                }
            }
        }
    }
    None
}

fn common_name(subject: &[u8]) -> Option<String> {
    let mut sets = Der(subject);
    while let Some((SET, set)) = sets.next() {
        let mut pair = Der(Der(set).of(SEQUENCE)?);
        if pair.of(OID)? == COMMON_NAME {
            let (_, text) = pair.next()?;
            let text = std::str::from_utf8(text).ok()?;
            return Some(text.strip_prefix(NODE).unwrap_or(text).to_owned());
        }
    }
    None
}

/// `YYMMDDHHMMSSZ` with years from 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn moment(kind: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let full = match kind {
        UTC_TIME => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| full.get(from..to);
    let (date, time) = ((part(0, 4)?, part(4, 6)?, part(6, 8)?), (part(8, 10)?, part(10, 12)?, part(12, 14)?));
    if full.get(14..) != Some("Z") {
        return None;
    }
    // "99991231235959Z" means for ever; seconds of that year do not fit into nanoseconds.
    if date.0 > "2250" {
        return Some(i64::MAX);
    }
    let text = format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, time.0, time.1, time.2);
    tapir_event::parse_rfc3339(&text).map(Timestamp::secs)
}

/// Members of a constructed value, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next member, which must be of this kind.
    fn of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Tag and content of the next member; `None` at the end, and where it is no DER.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], mut rest) = self.0.split_first_chunk::<2>()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x84 => {
                let (bytes, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = behind;
                bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
            _ => return None,
        };
        let (content, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_alternative_name_goes_before_the_common_name() {
        let common = |params: &mut CertificateParams| {
            params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
            params.distinguished_name.push(DnType::CommonName, "system:node:worker-1");
        };
        let name = |der: &[u8]| Certificate::read(der).unwrap().name;
        assert_eq!(name(&made(common)).as_deref(), Some("worker-1"));
        let both = made(|params| {
            common(params);
            params.subject_alt_names = vec![
                rcgen::SanType::IpAddress([10, 0, 0, 1].into()),
                rcgen::SanType::DnsName("worker-2.example".try_into().unwrap()),
            ];
        });
        assert_eq!(name(&both).as_deref(), Some("worker-2.example"));
        assert_eq!(name(&made(|_| {})), None);
        assert_eq!(name(&made(|params| params.distinguished_name.push(DnType::CommonName, "a\nb"))), None);
    }

    #[test]
    fn the_end_is_read_in_both_forms_of_time() {
        let end = |year| {
            let der = made(|params| params.not_after = date_time_ymd(year, 3, 1));
            Certificate::read(&der).unwrap()
        };
        assert_eq!(end(2026).not_after, 1_772_323_200);
        assert_eq!(end(2051).not_after, 2_561_241_600);
        assert_eq!(end(4000).not_after, i64::MAX);
        let at = |secs| Timestamp::from_secs_nanos(secs, 0);
        assert!(!end(2026).is_over(at(1_772_323_200)) && end(2026).is_over(at(1_772_323_201)));
    }

    #[test]
    fn cut_or_bent_bytes_are_no_certificate_and_no_fault() {
        let der = made(|params| params.distinguished_name.push(DnType::CommonName, "n"));
        for length in 0..der.len() {
            let mut cut = der[..length].to_vec();
            assert_eq!(Certificate::read(&cut), None, "{length}");
            cut.extend([0xff; 8]);
            let _ = Certificate::read(&cut);
            let mut bent = der.clone();
            bent[length] ^= 0x55;
            let _ = Certificate::read(&bent);
        }
    }
}
