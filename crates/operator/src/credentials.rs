//! What agents and manager trust each other by: a token, and a certificate of an authority of our own.
//!
//! *How it fits*: [`ensure`] keeps three secrets in the operator's namespace; the renderers get what pods may see of them.
//! *Invariants*: 1. the authority's key never leaves its secret; 2. what is there and good stays; 3. the certificate is made anew when
//! less than [`RENEW_DAYS`] are left, or when the manager's names change; agents go on, since the authority stays.
//! *Limits*: the authority lasts ten years. Delete its secret to have all of it made anew.

use crate::names::MANAGER;
use crate::object::Object;
use crate::options::Options;
use crate::render::{AGENT_TOKEN, TLS};
use crate::write::{self, FIELD_MANAGER, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::core::DynamicObject;
use kube::{Client, ResourceExt};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Secret with the authority.
const AUTHORITY: &str = "tapir-authority";
/// Annotation: when a certificate ends, and for which names it is.
const UNTIL: &str = "tapir.dev/not-after";
const NAMES: &str = "tapir.dev/names";
const AUTHORITY_DAYS: u64 = 3650;
const CERTIFICATE_DAYS: u64 = 365;
const RENEW_DAYS: u64 = 120;
const DAY: Duration = Duration::from_secs(86_400);
const COMPONENT: &str = "tapir-manager";

/// What pods see.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Token of agents.
    pub token: String,
    /// The authority's certificate, PEM.
    pub authority: String,
    /// What was made in this call, for people.
    pub news: Vec<String>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server.
    #[error("{}", write::in_words(.0))]
    Api(#[from] kube::Error),
    /// Making a certificate.
    #[error("no certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The system's random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// A secret of that name is somebody else's.
    #[error("{0} belongs to {1}: delete or rename it")]
    NotOurs(String, String),
    /// A secret of ours cannot be read.
    #[error("{0} cannot be used: {1}; delete it to have it made anew")]
    Broken(String, String),
}

/// Makes what is missing.
pub async fn ensure(client: &Client, options: &Options, now: Timestamp) -> Result<Credentials, Error> {
    let own = &options.namespace;
    let mut news = Vec::new();
    let token = match read(client, own, AGENT_TOKEN).await? {
        Some(secret) => text(&secret, "token"),
        None => {
            let token = random()?;
            create(client, own, AGENT_TOKEN, &[("token", &token)], &[]).await?;
            news.push(format!("Secret {own}/{AGENT_TOKEN}: a token for agents"));
            token
        }
    };
    let (authority, key) = match read(client, own, AUTHORITY).await? {
        Some(secret) => (text(&secret, "tls.crt"), text(&secret, "tls.key")),
        None => {
            let (certificate, key) = new_authority(now)?;
            create(client, own, AUTHORITY, &[("tls.crt", &certificate), ("tls.key", &key)], &[]).await?;
            news.push(format!("Secret {own}/{AUTHORITY}: an authority for the manager's certificate"));
            (certificate, key)
        }
    };
    let names = names(own);
    let until = after(now, RENEW_DAYS);
    let old = read(client, own, TLS).await?;
    let is_good = old.as_ref().is_some_and(|old| {
        let annotation = |name| old.annotations().get(name).map(String::as_str).unwrap_or_default();
        annotation(UNTIL).parse::<Timestamp>().is_ok_and(|end| end > until)
            && annotation(NAMES) == names.join(",")
            && text(old, "ca.crt") == authority
    });
    if !is_good {
        let key = KeyPair::from_pem(&key)
            .map_err(|error| Error::Broken(format!("Secret {own}/{AUTHORITY}"), error.to_string()))?;
        let (certificate, key, end) = new_certificate(key, &names, now)?;
        let end = end.to_string();
        let data = [("tls.crt", certificate.as_str()), ("tls.key", &key), ("ca.crt", &authority)];
        let secret = secret(own, TLS, &data, &[(UNTIL, &end), (NAMES, &names.join(","))]);
        match write::apply(client, &secret).await? {
            Outcome::NotOurs(whose) => return Err(Error::NotOurs(secret.in_words(), whose)),
            _ => news.push(format!("Secret {own}/{TLS}: a certificate until {end}")),
        }
    }
    Ok(Credentials { token, authority, news })
}

/// Names under which the manager is reached in the cluster, and behind a forwarded port.
fn names(namespace: &str) -> Vec<String> {
    let begin = format!("{MANAGER}.{namespace}");
    vec![
        MANAGER.into(),
        begin.clone(),
        format!("{begin}.svc"),
        format!("{begin}.svc.cluster.local"),
        "localhost".into(),
        "127.0.0.1".into(),
    ]
}

async fn read(client: &Client, namespace: &str, name: &str) -> Result<Option<DynamicObject>, Error> {
    let resource = crate::object::resource("v1", "Secret", "secrets");
    let found = write::api(client, &resource, namespace).get_opt(name).await?;
    if let Some(whose) = found.as_ref().and_then(write::foreign) {
        return Err(Error::NotOurs(format!("Secret {namespace}/{name}"), whose));
    }
    Ok(found)
}

/// A secret that must not be there yet: of two operators one makes it.
async fn create(
    client: &Client,
    namespace: &str,
    name: &str,
    data: &[(&str, &str)],
    annotations: &[(&str, &str)],
) -> Result<(), Error> {
    let object = secret(namespace, name, data, annotations);
    let made = object.dynamic().map_err(kube::Error::SerdeError)?;
    let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    write::api(client, &object.resource(), namespace).create(&params, &made).await?;
    Ok(())
}

fn secret(namespace: &str, name: &str, data: &[(&str, &str)], annotations: &[(&str, &str)]) -> Object {
    let coded: Value = data.iter().map(|(key, text)| ((*key).to_owned(), json!(STANDARD.encode(text)))).collect();
    let body = json!({ "type": "Opaque", "data": coded });
    let object = Object::new("Secret", namespace, name, COMPONENT, body);
    annotations.iter().fold(object, |object, (name, value)| object.with("annotations", name, value))
}

/// A field of a secret as text.
fn text(secret: &DynamicObject, key: &str) -> String {
    let coded = secret.data.pointer(&format!("/data/{key}")).and_then(Value::as_str).unwrap_or_default();
    STANDARD.decode(coded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// 256 random bits in hexadecimal.
fn random() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        text.push_str(&format!("{byte:02x}"));
    }
    Ok(text)
}

fn after(now: Timestamp, days: u64) -> Timestamp {
    let time = Duration::from_secs(days.saturating_mul(DAY.as_secs()));
    now.saturating_add(time).unwrap_or(now)
}

/// From a day ago, since clocks of nodes differ.
fn valid(params: &mut CertificateParams, now: Timestamp, end: Timestamp) {
    let seconds = |time: Timestamp| Duration::from_secs(u64::try_from(time.as_second()).unwrap_or_default());
    let first = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = first + seconds(now).saturating_sub(DAY);
    params.not_after = first + seconds(end);
}

/// The authority, as far as certificates of its making name it.
fn authority_params() -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Tapir authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn new_authority(now: Timestamp) -> Result<(String, String), Error> {
    let mut params = authority_params()?;
    valid(&mut params, now, after(now, AUTHORITY_DAYS));
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn new_certificate(authority: KeyPair, names: &[String], now: Timestamp) -> Result<(String, String, Timestamp), Error> {
    let issuer = Issuer::new(authority_params()?, authority);
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, MANAGER);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let end = after(now, CERTIFICATE_DAYS);
    valid(&mut params, now, end);
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, &issuer)?.pem(), key.serialize_pem(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_the_service_and_by_the_authority() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let (authority, key) = new_authority(now).unwrap();
        assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
        let authority = KeyPair::from_pem(&key).unwrap();
        let (certificate, key, end) = new_certificate(authority, &names("tapir-system"), now).unwrap();
        assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----") && key.contains("PRIVATE KEY"));
        assert_eq!(end.to_string(), "2027-11-27T12:00:00Z");
        assert_ne!(random().unwrap(), random().unwrap());
    }

    #[test]
    fn a_secret_gives_back_what_was_put_in() {
        let secret = secret("n", "s", &[("token", "abc\n")], &[(UNTIL, "x")]);
        assert_eq!(text(&secret.dynamic().unwrap(), "token"), "abc\n");
        assert_eq!(secret.0["metadata"]["annotations"][UNTIL], "x");
    }
}
