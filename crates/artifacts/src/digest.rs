//! What something is, whatever it is called: the SHA-256 of its bytes.
//!
//! *Invariants*: what is displayed parses to the same digest. Hexadecimal digits may be written in capitals; they are shown small.

use sha2::Digest as _;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hexadecimal digits of one.
    pub const DIGITS: usize = 64;

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Of its 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != Self::DIGITS || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
            *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
        }
        Some(Self(bytes))
    }

    /// Of `sha256:` with its digits.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_hex(text.strip_prefix("sha256:")?)
    }

    /// Its digits alone, as a name of a file.
    pub fn hex(&self) -> String {
        use std::fmt::Write;
        self.0.iter().fold(String::with_capacity(Self::DIGITS), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        // sha256sum of nothing.
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = Digest::of(b"");
        assert_eq!((digest.to_string().as_str(), Digest::parse(text)), (text, Some(digest)));
        assert_eq!(Digest::parse(&text.to_uppercase().replace("SHA256", "sha256")), Some(digest));
        assert_ne!(Digest::of(b"x"), digest);
        let wrong = |text: &str| assert_eq!(Digest::parse(text), None, "{text}");
        wrong(&text.replace("e3", "g3"));
        wrong(&text[..70]);
        wrong(&format!("{text}0"));
        wrong(&text.replace("e3", "é"));
        wrong(&text.replace("sha256", "sha512"));
    }
}
