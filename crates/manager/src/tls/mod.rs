//! TLS of the manager's own: its certificate, taken anew when the files change, and the certificates of agents.
//!
//! Files are looked at every [`TlsFiles::look`] by their content, so that it does not matter how they were changed: by a
//! copy, or by Kubernetes, which swaps a link under all files of a mount. New files come into force together, for new
//! connections; live ones go on as they are. Files that do not fit together, or whose certificate is over, leave those
//! before in force, with a warning and a count.
//!
//! With an authority for agents the handshake asks for a certificate and takes none, too: pages need none. A certificate
//! that is shown and does not hold ends the handshake.
//! *Limits*: TLS 1.2 and 1.3 with ring's algorithms; 1 MiB a file; no revocation lists: an agent is shut out by a new
//! authority, or by short lives of certificates, which are looked at with every request.

mod certificate;
mod doors;

use crate::app::{App, now};
use crate::error::ManagerError;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

pub(crate) use certificate::Certificate;
pub(crate) use doors::Doors;

/// Longest file.
const MAX_FILE: u64 = 1 << 20;

/// Where the certificate of the manager is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its certificate, then those up to the authority; PEM.
    pub certificate: PathBuf,
    /// Its key; PEM.
    pub key: PathBuf,
    /// Authorities of agents; PEM. Without them agents need tokens.
    pub agents: Option<PathBuf>,
    /// How often the files are looked at.
    pub look: Duration,
}

impl TlsFiles {
    /// Looked at every five seconds.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let look = Duration::from_secs(5);
        Self { certificate: certificate.into(), key: key.into(), agents: None, look }
    }

    fn read(&self) -> Result<Contents, ManagerError> {
        let agents = self.agents.as_deref().map(read).transpose()?;
        Ok(Contents { certificate: read(&self.certificate)?, key: read(&self.key)?, agents })
    }
}

/// The files as they are now.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    agents: Option<Vec<u8>>,
}

impl Contents {
    fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for part in [Some(&self.certificate), Some(&self.key), self.agents.as_ref()].into_iter().flatten() {
            hasher.update(Sha256::digest(part));
        }
        hasher.finalize().into()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ManagerError> {
    let failed = |why: String| ManagerError::Tls { path: path.to_owned(), why };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(failed("it is longer than 1 MiB".to_owned()));
    }
    Ok(bytes)
}

/// TLS in force.
pub(crate) struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
    /// Digest of the files that were looked at last, good or not.
    seen: Mutex<[u8; 32]>,
    /// Handshakes under way.
    pub doors: Doors,
}

impl Tls {
    /// Reads the files; until when the certificate holds.
    pub(crate) fn open(files: &TlsFiles, doors: Doors) -> Result<(Self, Certificate), ManagerError> {
        let contents = files.read()?;
        let (config, certificate) = configured(files, &contents)?;
        let seen = Mutex::new(contents.digest());
        Ok((Self { files: files.clone(), current: RwLock::new(config), seen, doors }, certificate))
    }

    /// For the next handshake.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Looks at the files for ever.
    pub(crate) async fn watch(self: Arc<Self>, app: Arc<App>) {
        loop {
            tokio::time::sleep(self.files.look).await;
            let tls = Arc::clone(&self);
            let Ok(looked) = tokio::task::spawn_blocking(move || tls.look()).await else { continue };
            match looked {
                Ok(None) => {}
                Ok(Some(certificate)) => {
                    app.metrics.certificate(certificate.not_after);
                    app.metrics.reloaded("ok");
                }
                Err(error) => {
                    app.metrics.reloaded("failed");
                    app.config.notices.warn(&format!("{error}; the certificate before stays in force"));
                }
            }
        }
    }

    /// Takes new files; `None`: they are as they were when last looked at.
    fn look(&self) -> Result<Option<Certificate>, ManagerError> {
        // A file that is missing just now is being replaced, or gone: told once, too.
        let (digest, contents) = match self.files.read() {
            Ok(contents) => (contents.digest(), Ok(contents)),
            Err(error) => (Sha256::digest(error.to_string()).into(), Err(error)),
        };
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == digest {
                return Ok(None);
            }
            *seen = digest;
        }
        let (config, certificate) = configured(&self.files, &contents?)?;
        if certificate.is_over(now()) {
            let why = "the new certificate is over already".to_owned();
            return Err(ManagerError::Tls { path: self.files.certificate.clone(), why });
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(Some(certificate))
    }
}

/// A configuration of its own for every set of files: sessions that were resumed end with the authority that let them in.
fn configured(files: &TlsFiles, contents: &Contents) -> Result<(Arc<ServerConfig>, Certificate), ManagerError> {
    let failed = |path: &Path, why: String| ManagerError::Tls { path: path.to_owned(), why };
    let chain = certificates(&files.certificate, &contents.certificate)?;
    let own = chain.first().and_then(|first| Certificate::read(first));
    let own = own.ok_or_else(|| failed(&files.certificate, "its first certificate cannot be read".to_owned()))?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key)
        .map_err(|error| failed(&files.key, format!("no private key in PEM: {error}")))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&files.certificate, error.to_string()))?;
    let builder = match (&files.agents, &contents.agents) {
        (Some(path), Some(pem)) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path, pem)? {
                roots.add(authority).map_err(|error| failed(path, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| failed(path, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| failed(&files.key, format!("it does not go with {}: {error}", files.certificate.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), own))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ManagerError> {
    let failed = |why: String| ManagerError::Tls { path: path.to_owned(), why };
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| failed(format!("no certificates in PEM: {error}")))?;
    if all.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    Ok(all)
}
