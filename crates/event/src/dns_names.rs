//! Names of DNS record types and response codes, as readers of ECS, OCSF and EVE expect them instead of numbers.
//!
//! Source: IANA's registry of DNS parameters. A type without a name here is written as RFC 3597 says, `TYPE65280`; a
//! code without one as `RCODE12`.

use std::borrow::Cow;

/// Name of a record type: `A`, `AAAA`, `TXT`.
pub(crate) fn record_type(number: u16) -> Cow<'static, str> {
    let name = match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        24 => "SIG",
        25 => "KEY",
        28 => "AAAA",
        29 => "LOC",
        33 => "SRV",
        35 => "NAPTR",
        37 => "CERT",
        39 => "DNAME",
        41 => "OPT",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        53 => "SMIMEA",
        59 => "CDS",
        60 => "CDNSKEY",
        61 => "OPENPGPKEY",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        _ => return format!("TYPE{number}").into(),
    };
    name.into()
}

/// Name of a response code: `NOERROR`, `NXDOMAIN`.
pub(crate) fn response_code(number: u8) -> Cow<'static, str> {
    let name = match number {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        _ => return format!("RCODE{number}").into(),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_name_keeps_its_number() {
        assert_eq!([1, 28, 65, 65_280].map(record_type), ["A", "AAAA", "HTTPS", "TYPE65280"]);
        assert_eq!([0, 3, 12].map(response_code), ["NOERROR", "NXDOMAIN", "RCODE12"]);
    }
}
