//! An authority of the cluster's own: the API server's certificate, and those that users show.
//!
//! Kubernetes reads a user of a certificate: the common name is his name, the organisation his group. *Limits*: P-256, good for a day on
//! both sides of now; one group, since a name is written with one organisation here.

use crate::Error;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: String,
}

/// A certificate and its key, PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Names of the API server: on loopback, and as pods know it.
const SERVER: [&str; 5] =
    ["127.0.0.1", "localhost", "10.0.0.1", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
const DAY: Duration = Duration::from_secs(86_400);

impl Authority {
    pub(crate) fn new() -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = params(&[], "tapir-cluster authority")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// For the API server, also under another address.
    pub(crate) fn server(&self, also: Option<IpAddr>) -> Result<Pair, Error> {
        let also = also.map(|address| address.to_string());
        let names: Vec<&str> = SERVER.into_iter().chain(also.as_deref()).collect();
        let mut params = params(&names, "kube-apiserver")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// For a user, in a group if named.
    pub(crate) fn user(&self, name: &str, group: Option<&str>) -> Result<Pair, Error> {
        let mut params = params(&[], name)?;
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<Pair, Error> {
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

fn params(names: &[&str], common: &str) -> Result<CertificateParams, Error> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, common);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = |time: Duration| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(time.as_secs());
    params.not_before = at(now.saturating_sub(DAY));
    params.not_after = at(now + DAY);
    Ok(params)
}

fn failed(error: rcgen::Error) -> Error {
    Error::Credentials(error.to_string())
}
