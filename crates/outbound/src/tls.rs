//! TLS to a receiver: whom to trust, and who we are.
//!
//! *Limits*: TLS 1.2 and 1.3 with ring's algorithms; the name in the certificate is always checked. Files are PEM. Errors of files
//! show when the sink is made, not when it first connects.

use crate::ConfigError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Where systems keep the authorities that they trust.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Authorities that are trusted; the system's without it.
    pub authorities: Option<PathBuf>,
    /// Our certificate (with its chain) and its key, for receivers that want one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name in the receiver's certificate; the host of the address without it.
    pub server_name: Option<String>,
    /// The same as texts, for who has no files. What is given here goes before files.
    pub pem: Pem,
}

/// Certificates and keys as texts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pem {
    /// Authorities that are trusted.
    pub authorities: Option<String>,
    /// Our certificate (with its chain) and its key.
    pub identity: Option<(String, String)>,
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pem(…)")
    }
}

impl TlsConfig {
    /// Reads the files; the configuration of a client.
    pub fn load(&self) -> Result<Arc<ClientConfig>, ConfigError> {
        let (found, whose) = match (&self.pem.authorities, &self.authorities) {
            (Some(text), _) => (of_text("the authorities", text)?, "the authorities".to_owned()),
            (None, given) => {
                let path = match given {
                    Some(path) => path.as_path(),
                    None => BUNDLES.iter().map(Path::new).find(|path| path.exists()).ok_or_else(no_bundle)?,
                };
                (certificates(path)?, path.display().to_string())
            }
        };
        let mut roots = RootCertStore::empty();
        // A system's bundle may hold what this library does not read; none at all is an error.
        let (good, _) = roots.add_parsable_certificates(found);
        if good == 0 {
            return Err(unusable(&whose, "there is no certificate of an authority in it"));
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError(error.to_string()))?
            .with_root_certificates(roots);
        let config = match (&self.pem.identity, &self.identity) {
            (Some((certificate, key)), _) => {
                let chain = of_text("the certificate", certificate)?;
                let parsed = PrivateKeyDer::from_pem_slice(key.as_bytes());
                let parsed = parsed.map_err(|error| unusable("the key", &error.to_string()))?;
                builder.with_client_auth_cert(chain, parsed).map_err(|error| unusable("the key", &error.to_string()))?
            }
            (None, Some((certificate, key))) => {
                let chain = certificates(certificate)?;
                let name = key.display().to_string();
                let parsed = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(&name, &error.to_string()))?;
                builder.with_client_auth_cert(chain, parsed).map_err(|error| unusable(&name, &error.to_string()))?
            }
            (None, None) => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

/// For clients that never speak TLS: every certificate is refused.
pub(crate) fn trust_nobody() -> Result<Arc<ClientConfig>, ConfigError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    found.map_err(|error| unusable(&path.display().to_string(), &error.to_string()))
}

fn of_text(name: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    found.map_err(|error| unusable(name, &error.to_string()))
}

fn unusable(name: &str, why: &str) -> ConfigError {
    ConfigError(format!("cannot use {name}: {why}; PEM is wanted"))
}

fn no_bundle() -> ConfigError {
    let places = BUNDLES.join(", ");
    ConfigError(format!("the system has no list of authorities (looked for {places}); name a file of your own"))
}
