//! MAC addresses as people write them.

use std::fmt;

/// A MAC address; displays as `00:1b:21:3c:4d:5e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl From<[u8; 6]> for MacAddress {
    fn from(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_lower_case_with_colons() {
        assert_eq!(MacAddress([0, 0x1b, 0x21, 0x3c, 0x4d, 0xfe]).to_string(), "00:1b:21:3c:4d:fe");
    }
}
