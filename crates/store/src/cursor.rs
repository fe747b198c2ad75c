//! Cursors: where a page of a list ends, opaque to clients and signed, so that a made-up or mixed-up one is an error
//! and not a wrong page.
//!
//! Text: base64url of version, list, fingerprint of what the list is about, sort value, id, and the first 12 bytes of
//! an HMAC-SHA256 over them (RFC 2104) with a key of the store.

use crate::StoreError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Groups = 1,
    Events = 2,
    Audit = 3,
    Bundles = 4,
}

/// Keyset position: the row behind which the next page begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// First sort value.
    pub value: i64,
    /// Second sort value, 0 if there is none.
    pub second: i64,
    /// Row.
    pub id: i64,
}

const VERSION: u8 = 1;
const PAYLOAD: usize = 2 + 8 + 24;
const MAC: usize = 12;

/// Signs and reads cursors.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    key: [u8; 32],
}

impl Signer {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// `about`: everything that two pages of one list have in common.
    pub(crate) fn sign(&self, list: List, about: &str, at: Position) -> Cursor {
        let mut bytes = Vec::with_capacity(PAYLOAD + MAC);
        bytes.extend([VERSION, list as u8]);
        bytes.extend(fingerprint(about));
        for number in [at.value, at.second, at.id] {
            bytes.extend(number.to_be_bytes());
        }
        let mac = hmac(&self.key, &bytes);
        bytes.extend(mac.iter().take(MAC));
        Cursor(URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(crate) fn read(&self, list: List, about: &str, cursor: &Cursor) -> Result<Position, StoreError> {
        let bad = StoreError::BadCursor;
        if cursor.0.len() > 2 * (PAYLOAD + MAC) {
            return Err(bad("too long"));
        }
        let bytes = URL_SAFE_NO_PAD.decode(&cursor.0).map_err(|_| bad("not one of this store"))?;
        let Some((payload, mac)) = bytes.split_at_checked(PAYLOAD).filter(|(_, mac)| mac.len() == MAC) else {
            return Err(bad("cut or not one of this store"));
        };
        let differ = hmac(&self.key, payload).iter().zip(mac).fold(0, |differ, (a, b)| differ | (a ^ b));
        if differ != 0 {
            return Err(bad("not signed by this store"));
        }
        let (head, rest) = payload.split_at_checked(2).unwrap_or_default();
        if head != [VERSION, list as u8] {
            return Err(bad("it belongs to another list"));
        }
        let (print, numbers) = rest.split_at_checked(8).unwrap_or_default();
        if print != fingerprint(about) {
            return Err(bad("it belongs to another query, order or state"));
        }
        let mut numbers = numbers.as_chunks::<8>().0.iter().map(|bytes| i64::from_be_bytes(*bytes));
        let mut next = || numbers.next().unwrap_or_default();
        Ok(Position { value: next(), second: next(), id: next() })
    }
}

fn fingerprint(about: &str) -> [u8; 8] {
    let mut out = [0; 8];
    out.iter_mut().zip(Sha256::digest(about)).for_each(|(to, from)| *to = from);
    out
}

/// RFC 2104 with SHA-256 and a key of half a block.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(to, key)| *to ^= key);
        block
    };
    let inner = Sha256::new_with_prefix(pad(0x36)).chain_update(message).finalize();
    Sha256::new_with_prefix(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position { value: -5, second: 7, id: i64::MAX };

    #[test]
    fn a_cursor_is_read_back_for_its_own_list_only() {
        let signer = Signer::new([7; 32]);
        let cursor = signer.sign(List::Groups, "severity>=high", AT);
        assert_eq!(signer.read(List::Groups, "severity>=high", &cursor), Ok(AT));
        assert!(signer.read(List::Events, "severity>=high", &cursor).is_err());
        assert!(signer.read(List::Groups, "severity>=low", &cursor).is_err());
        assert!(Signer::new([8; 32]).read(List::Groups, "severity>=high", &cursor).is_err());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let signer = Signer::new([7; 32]);
        let Cursor(text) = signer.sign(List::Groups, "", AT);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = Cursor(String::from_utf8(changed).unwrap());
            assert!(signer.read(List::Groups, "", &changed).is_err(), "{at}");
        }
        for bad in ["", "x", "AAAA", &"A".repeat(10_000)] {
            assert!(signer.read(List::Groups, "", &Cursor(bad.to_owned())).is_err(), "{bad}");
        }
    }

    /// RFC 4231 section 4.2, its key filled with zeros to 32 bytes, which HMAC does itself.
    #[test]
    fn the_mac_is_hmac_sha256() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let hex: String = hmac(&key, b"Hi There").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }
}
