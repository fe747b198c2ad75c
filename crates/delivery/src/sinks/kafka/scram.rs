//! SCRAM with SHA-256 and SHA-512 (RFC 5802, RFC 7677; KIP-84): the password is never sent, and the broker proves that it knows
//! what belongs to it.
//!
//! *Limits*: 4,096 to 500,000 iterations; no channel binding, which Kafka has not. As Kafka's own client does, the password is taken as it is,
//! without SASLprep.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

/// Iterations that are accepted: fewer are no protection, more would keep a core busy on a stranger's word.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=500_000;
/// "n,,": no channel binding, no other user.
const BARE: &str = "n,,";

/// Which hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// A client before the broker has answered.
#[derive(Clone)]
pub(super) struct Client {
    hash: Hash,
    password: String,
    nonce: String,
    first_bare: String,
}

/// What the broker has to prove.
pub(super) struct Proof {
    hash: Hash,
    server_key: Vec<u8>,
    transcript: String,
}

impl Client {
    /// `nonce` is printable and has no comma.
    pub(super) fn new(hash: Hash, user: &str, password: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        Self { hash, password: password.to_owned(), nonce, first_bare }
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("{BARE}{}", self.first_bare)
    }

    /// The answer to the broker's first message, and what its last must prove. Takes milliseconds of computing.
    pub(super) fn last(&self, challenge: &[u8]) -> Result<(String, Proof), String> {
        let Challenge { nonce, salt, iterations, text } = read(challenge, &self.nonce)?;
        let salted = self.hash.salted(self.password.as_bytes(), &salt, iterations);
        let client_key = self.hash.mac(&salted, b"Client Key");
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(BARE));
        let transcript = format!("{},{text},{without_proof}", self.first_bare);
        let signature = self.hash.mac(&self.hash.digest(&client_key), transcript.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        let server_key = self.hash.mac(&salted, b"Server Key");
        let last = format!("{without_proof},p={}", STANDARD.encode(proof));
        Ok((last, Proof { hash: self.hash, server_key, transcript }))
    }
}

impl Proof {
    /// Whether the broker's last message proves that it knows what belongs to the password.
    pub(super) fn check(&self, last: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(last).map_err(|_| unreadable())?;
        if let Some(error) = text.strip_prefix("e=") {
            let short: String = error.chars().filter(|one| !one.is_control()).take(100).collect();
            return Err(format!("the broker refuses the authentication ({short})"));
        }
        let value = text.strip_prefix("v=").and_then(|rest| rest.split(',').next()).ok_or_else(unreadable)?;
        let given = STANDARD.decode(value).map_err(|_| unreadable())?;
        if self.hash.is_mac(&self.server_key, self.transcript.as_bytes(), &given) {
            return Ok(());
        }
        Err("the broker does not know the password: it may be another than the one that is meant".to_owned())
    }
}

struct Challenge {
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
    text: String,
}

fn unreadable() -> String {
    "the broker's part of the authentication cannot be read".to_owned()
}

/// `r=NONCE,s=SALT,i=ITERATIONS`, and nothing that must be understood.
fn read(challenge: &[u8], ours: &str) -> Result<Challenge, String> {
    let text = std::str::from_utf8(challenge).map_err(|_| unreadable())?;
    let mut parts = text.split(',');
    let mut part = |key: &str| parts.next().and_then(|part| part.strip_prefix(key)).ok_or_else(unreadable);
    let (nonce, salt, iterations) = (part("r=")?, part("s=")?, part("i=")?);
    if nonce.strip_prefix(ours).is_none_or(str::is_empty) {
        return Err("the broker's answer belongs to another authentication".to_owned());
    }
    let salt = STANDARD.decode(salt).map_err(|_| unreadable())?;
    let iterations: u32 = iterations.parse().map_err(|_| unreadable())?;
    if !ITERATIONS.contains(&iterations) {
        let (least, most) = (ITERATIONS.start(), ITERATIONS.end());
        return Err(format!("the broker wants {iterations} iterations; {least} to {most} are accepted"));
    }
    Ok(Challenge { nonce: nonce.to_owned(), salt, iterations, text: text.to_owned() })
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn mac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, data),
        }
    }

    /// In a time that tells nothing of where they differ.
    fn is_mac(self, key: &[u8], data: &[u8], given: &[u8]) -> bool {
        match self {
            Self::Sha256 => is_mac::<Hmac<Sha256>>(key, data, given),
            Self::Sha512 => is_mac::<Hmac<Sha512>>(key, data, given),
        }
    }

    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha256 => salted::<Hmac<Sha256>>(password, salt, iterations),
            Self::Sha512 => salted::<Hmac<Sha512>>(password, salt, iterations),
        }
    }
}

/// HMAC takes keys of any length (RFC 2104 section 2), so there is always one.
fn keyed<M: Mac + KeyInit>(key: &[u8]) -> Option<M> {
    <M as KeyInit>::new_from_slice(key).ok()
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    keyed::<M>(key).map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec()).unwrap_or_default()
}

fn is_mac<M: Mac + KeyInit>(key: &[u8], data: &[u8], given: &[u8]) -> bool {
    keyed::<M>(key).is_some_and(|mac| mac.chain_update(data).verify_slice(given).is_ok())
}

/// `Hi` of RFC 5802 section 2.2: PBKDF2 of one block.
fn salted<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    let Some(keyed) = keyed::<M>(password) else { return Vec::new() };
    let mut last = keyed.clone().chain_update(salt).chain_update([0, 0, 0, 1]).finalize().into_bytes();
    let mut out = last.to_vec();
    for _ in 1..iterations {
        last = keyed.clone().chain_update(&last).finalize().into_bytes();
        for (sum, byte) in out.iter_mut().zip(&last) {
            *sum ^= byte;
        }
    }
    out
}

/// A broker's messages are read or refused.
pub(super) fn fuzz_challenge(data: &[u8]) {
    if let Ok(challenge) = read(data, "n") {
        assert!(challenge.salt.len() <= data.len() && ITERATIONS.contains(&challenge.iterations));
    }
    let proof = Proof { hash: Hash::Sha256, server_key: b"k".to_vec(), transcript: "t".into() };
    let _ = proof.check(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn client() -> Client {
        Client::new(Hash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO".into())
    }

    /// The conversation of RFC 7677 section 3.
    #[test]
    fn the_example_of_the_rfc_is_spoken() {
        let client = client();
        assert_eq!(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, proof) = client.last(SERVER_FIRST.as_bytes()).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(proof.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert!(proof.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=").is_err());
        assert!(proof.check(b"v=").unwrap_err().contains("does not know the password"));
        assert!(proof.check(b"e=invalid-proof").unwrap_err().contains("invalid-proof"));
    }

    #[test]
    fn a_challenge_of_somebody_else_or_without_effort_is_refused() {
        for (challenge, part) in [
            (SERVER_FIRST.replace("r=rO", "r=xx"), "another authentication"),
            (SERVER_FIRST.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""), "another authentication"),
            (SERVER_FIRST.replace("4096", "1"), "1 iterations"),
            (SERVER_FIRST.replace("4096", "500001"), "500001 iterations"),
            (format!("m=x,{SERVER_FIRST}"), "cannot be read"),
            (String::new(), "cannot be read"),
        ] {
            let error = client().last(challenge.as_bytes()).map(|_| ()).unwrap_err();
            assert!(error.contains(part), "{challenge}: {error}");
        }
    }

    #[test]
    fn a_name_cannot_end_its_field() {
        let client = Client::new(Hash::Sha512, "a=b,c", "", "x".into());
        assert_eq!(client.first(), "n,,n=a=3Db=2Cc,r=x");
    }
}
