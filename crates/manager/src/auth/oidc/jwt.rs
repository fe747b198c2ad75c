//! Identity tokens: JWS in compact form (RFC 7515), keys as JWK (RFC 7517, 7518), claims by OpenID Connect Core 3.1.3.7.
//!
//! *Limits*: 32 KiB a token, 32 keys; RS256, RS384, RS512, PS256, ES256 and ES384 with ring. `none` and algorithms with a
//! shared secret do not exist here, so that no header can choose them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::Value;

const MAX_TOKEN: usize = 32 << 10;
const MAX_KEYS: usize = 32;

/// Keys of a provider.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Keys {
    keys: Vec<Key>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: String,
    n: String,
    e: String,
    x: String,
    y: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood: there is none that is.
    crit: Option<Value>,
}

enum Kind {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm, &'static str),
}

fn kind(alg: &str) -> Option<Kind> {
    Some(match alg {
        "RS256" => Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => Kind::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        "ES256" => Kind::Curve(&signature::ECDSA_P256_SHA256_FIXED, "P-256"),
        "ES384" => Kind::Curve(&signature::ECDSA_P384_SHA384_FIXED, "P-384"),
        _ => return None,
    })
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// No key of the provider made it; its keys may be newer than those that are known.
    UnknownKey,
    /// In words.
    Because(&'static str),
}

impl Keys {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let keys: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("its keys are not understood ({error})"))?;
        if keys.keys.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        Ok(keys)
    }

    /// The claims of a token that one of the keys has signed.
    pub(super) fn claims(&self, token: &str) -> Result<Value, Refused> {
        let bent = || Refused::Because("the identity token is no signed token");
        if token.len() > MAX_TOKEN {
            return Err(Refused::Because("the identity token is longer than 32 KiB"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(bent)?;
        let (head, body) = signed.split_once('.').filter(|(_, body)| !body.contains('.')).ok_or_else(bent)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| bent());
        let header: Header = serde_json::from_slice(&decode(head)?).map_err(|_| bent())?;
        if header.crit.is_some() {
            return Err(Refused::Because("the identity token has extensions that are not known here"));
        }
        let Some(kind) = kind(&header.alg) else {
            return Err(Refused::Because("the identity token is unsigned, or signed in a way that is not taken"));
        };
        let signature = decode(signature)?;
        let fits = |key: &&Key| {
            key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
                && key.alg.as_deref().is_none_or(|alg| alg == header.alg)
                && header.kid.as_ref().is_none_or(|kid| key.kid.as_ref() == Some(kid))
        };
        let mut tried =
            self.keys.iter().filter(fits).filter_map(|key| key.verify(&kind, signed, &signature)).peekable();
        if tried.peek().is_none() {
            return Err(Refused::UnknownKey);
        }
        if !tried.any(|good| good) {
            return Err(Refused::Because("the signature of the identity token is wrong"));
        }
        serde_json::from_slice(&decode(body)?).map_err(|_| bent())
    }
}

impl Key {
    /// `None`: not a key for this algorithm.
    fn verify(&self, kind: &Kind, signed: &str, signature: &[u8]) -> Option<bool> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        Some(match kind {
            Kind::Rsa(parameters) => {
                if self.kty != "RSA" {
                    return None;
                }
                let key = RsaPublicKeyComponents { n: decode(&self.n)?, e: decode(&self.e)? };
                key.verify(parameters, signed.as_bytes(), signature).is_ok()
            }
            Kind::Curve(algorithm, curve) => {
                if self.kty != "EC" || self.crv != *curve {
                    return None;
                }
                // An uncompressed point.
                let point = [vec![4], decode(&self.x)?, decode(&self.y)?].concat();
                UnparsedPublicKey::new(*algorithm, point).verify(signed.as_bytes(), signature).is_ok()
            }
        })
    }
}

/// What the claims must say.
pub(super) struct Expected<'e> {
    pub issuer: &'e str,
    pub client: &'e str,
    pub nonce: &'e str,
    /// Seconds of Unix time.
    pub now: i64,
    /// Seconds by which clocks may differ.
    pub skew: i64,
}

impl Expected<'_> {
    pub(super) fn check(&self, claims: &Value) -> Result<(), Refused> {
        let because = |what| Err(Refused::Because(what));
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        // Some providers write times with fractions.
        #[allow(clippy::cast_possible_truncation, reason = "whole seconds are meant; `as` saturates")]
        let time =
            |name: &str| claims.get(name).and_then(|time| time.as_i64().or_else(|| time.as_f64().map(|t| t as i64)));
        if text("iss") != Some(self.issuer) {
            return because("the identity token is of another issuer");
        }
        let audiences: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !audiences.contains(&self.client) {
            return because("the identity token is for another client");
        }
        let party = text("azp");
        if party.is_some_and(|party| party != self.client) || (audiences.len() > 1 && party.is_none()) {
            return because("the identity token was made for another party");
        }
        if time("exp").is_none_or(|end| end.saturating_add(self.skew) <= self.now) {
            return because("the identity token has expired; check the clocks of provider and manager");
        }
        if time("iat").is_none_or(|made| made > self.now.saturating_add(self.skew)) {
            return because("the identity token is of the future; check the clocks of provider and manager");
        }
        if time("nbf").is_some_and(|from| from > self.now.saturating_add(self.skew)) {
            return because("the identity token does not hold yet; check the clocks of provider and manager");
        }
        let nonce = text("nonce").unwrap_or_default();
        if !crate::auth::tokens::equal(nonce.as_bytes(), self.nonce.as_bytes()) {
            return because("the identity token belongs to another sign-in");
        }
        if text("sub").is_none_or(str::is_empty) {
            return because("the identity token names nobody");
        }
        Ok(())
    }
}
