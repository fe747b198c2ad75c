//! The key of service accounts, and tokens signed with it as the API server signs its own.
//!
//! Tokens are had by asking the API server, which gives none for less than ten minutes. One that has ended, or has not begun, is made
//! here. *Source*: Kubernetes, `pkg/serviceaccount/claims.go`; RFC 7518 §3.4 (a signature is R and S of 32 bytes each).

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::KeyPair as Made;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

/// Who says so in every token, and for whom it is if nothing else is asked for.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";

/// A P-256 key.
pub(crate) struct Key {
    pkcs8: Vec<u8>,
    /// PEM, PKCS #8.
    pub(crate) private: String,
    /// PEM.
    pub(crate) public: String,
}

impl Key {
    pub(crate) fn new() -> Result<Self, Error> {
        let made = Made::generate().map_err(|error| Error::Credentials(error.to_string()))?;
        Ok(Self { pkcs8: made.serialize_der(), private: made.serialize_pem(), public: made.public_key_pem() })
    }

    /// A token of a service account, good from one second of Unix time to another.
    pub(crate) fn token(
        &self,
        namespace: &str,
        account: &str,
        uid: &str,
        from: i64,
        until: i64,
    ) -> Result<String, Error> {
        let claims = json!({
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": format!("system:serviceaccount:{namespace}:{account}"),
            "iat": from,
            "nbf": from,
            "exp": until,
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": account, "uid": uid } },
        });
        self.sign(&claims)
    }

    fn sign(&self, claims: &Value) -> Result<String, Error> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "typ": "JWT" })), part(claims));
        let random = SystemRandom::new();
        let signature = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8, &random)
            .map_err(|error| Error::Credentials(error.to_string()))?
            .sign(&random, signed.as_bytes())
            .map_err(|error| Error::Credentials(error.to_string()))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
