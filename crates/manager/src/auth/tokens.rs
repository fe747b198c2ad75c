//! The manager's own tokens: one for its administrator, one for agents, and more for agents from a secret.
//!
//! 256 random bits in hexadecimal. The data directory keeps SHA-256 hashes only (`admin-token.sha256`,
//! `agent-token.sha256`, mode 0600): a random token of this length needs no slow hash. Without the file a new token is
//! made at the start and told once; so a token is rotated by deleting its file and starting again.

use super::{Authenticator, How, Identity, Realm, Verdict};
use crate::error::ManagerError;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(crate) type Hash = [u8; 32];
/// Tokens that were made just now, by name and in clear.
pub(crate) type NewTokens = Vec<(&'static str, String)>;

/// Shortest token from a secret.
const SHORTEST: usize = 32;

/// Tokens by their hashes.
pub(crate) struct LocalTokens {
    known: Vec<(Hash, Identity)>,
}

impl LocalTokens {
    /// Reads the hashes and makes tokens that are missing; the new ones, by name and in clear.
    pub(crate) fn open(dir: &Path, agents: &[String]) -> Result<(Self, NewTokens), ManagerError> {
        let data = |what, path: PathBuf| move |source| ManagerError::Data { what, path, source };
        fs::create_dir_all(dir).map_err(data("make", dir.to_owned()))?;
        let (mut known, mut new) = (Vec::new(), Vec::new());
        for (name, identity) in [("admin", admin()), ("agent", agent())] {
            let path = dir.join(format!("{name}-token.sha256"));
            let hash = match fs::read_to_string(&path) {
                Ok(text) => parse(text.trim()).ok_or(ManagerError::BadHash { path })?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let token = random_hex()?;
                    let hash = hash(&token);
                    write(&path, &hash).map_err(data("write", path.clone()))?;
                    new.push((name, token));
                    hash
                }
                Err(source) => return Err(data("read", path)(source)),
            };
            known.push((hash, identity));
        }
        for token in agents {
            if token.len() < SHORTEST {
                return Err(ManagerError::WeakToken(token.len()));
            }
            known.push((hash(token), agent()));
        }
        Ok((Self { known }, new))
    }
}

impl LocalTokens {
    fn find(&self, bearer: &str) -> Option<&Identity> {
        let given = hash(bearer);
        self.known.iter().find(|(hash, _)| equal(hash, &given)).map(|(_, identity)| identity)
    }

    /// Eight digits that tell this manager from others, the same after every start until its administrator's token is
    /// replaced. They say nothing of the token.
    pub(crate) fn instance(&self) -> String {
        let all: String = self.known.iter().take(1).map(|(own, _)| hex(own)).collect();
        hex(&hash(&format!("tapir instance {all}"))).chars().take(8).collect()
    }
}

impl Authenticator for LocalTokens {
    fn identify<'a>(&'a self, bearer: &'a str) -> Verdict<'a> {
        Box::pin(std::future::ready(Ok(self.find(bearer).cloned())))
    }

    fn knows(&self, bearer: &str) -> bool {
        self.find(bearer).is_some()
    }
}

/// Whoever has the data directory.
pub(super) fn admin() -> Identity {
    Identity::new("admin", How::Token, Realm::everything())
}

fn agent() -> Identity {
    Identity::agent("agent", How::Token, None)
}

/// 256 random bits, 64 hexadecimal digits.
pub(crate) fn random_hex() -> Result<String, ManagerError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| ManagerError::Random(error.to_string()))?;
    Ok(hex(&bytes))
}

/// In a time that does not depend on where they differ.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

pub(super) fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

fn write(path: &Path, hash: &Hash) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(hex(hash).as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
