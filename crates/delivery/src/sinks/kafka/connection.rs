//! A connection to one broker: TLS, who we are, and one answer for each request.
//!
//! *Invariants*: 1. a connection is used by one request at a time and given up when anything about it is odd, so an answer is never
//! taken for that to another request; 2. a password is sent in the clear only where that was asked for.
//!
//! *Limits*: an answer has [`MAX_ANSWER`] bytes at most, read as they come; a connection is made within [`CONNECT`].

use super::code;
use super::message::{self, Api, Versions};
use super::scram::{Client, Hash};
use super::wire::{Read, Writer};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Bytes of an answer at most. Metadata of a topic has some 40 bytes for each partition.
const MAX_ANSWER: usize = 4 << 20;
/// How long a connection may take, with the authentication on it.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// After so long a rest it is looked at whether the broker closed the connection.
const RESTED: Duration = Duration::from_secs(1);
/// What the broker logs as the client's name.
const CLIENT: &str = "tapir";

/// How the sink says who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Sasl {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// PLAIN may send the password over a connection that is not encrypted.
    pub allow_cleartext: bool,
}

impl std::fmt::Debug for Sasl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sasl({}, …)", self.mechanism.name())
    }
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The password itself (RFC 4616).
    Plain,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// By its name, in letters of any size.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Plain, Self::ScramSha256, Self::ScramSha512]
            .into_iter()
            .find(|one| name.eq_ignore_ascii_case(one.name()))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// How brokers are reached.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The name in every broker's certificate; the host of its address without it.
    pub(super) server_name: Option<String>,
    pub(super) sasl: Option<Sasl>,
    /// How long an answer may take.
    pub(super) patience: Duration,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// See the module.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// `host:port`, for people.
    pub(super) address: String,
    versions: Versions,
    correlation: i32,
    patience: Duration,
    used: Instant,
    /// When the broker wants the authentication anew.
    until: Option<Instant>,
}

impl Connection {
    /// Connects, asks what the broker understands, and says who we are. The error is a text for people.
    pub(super) async fn open(host: &str, port: u16, access: &Access) -> Result<Self, String> {
        let address = address(host, port);
        let opened = timeout(CONNECT, Self::connect(host, port, &address, access)).await;
        let why = match opened {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(why)) => why,
            Err(_) => format!("no connection within {CONNECT:?}"),
        };
        Err(format!("{address}: {why}"))
    }

    async fn connect(host: &str, port: u16, address: &str, access: &Access) -> Result<Self, String> {
        let stream = reach(host, port).await.map_err(|error| error.to_string())?;
        let stream: Box<dyn Stream> = match &access.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = access.server_name.as_deref().unwrap_or(host).to_owned();
                let name = ServerName::try_from(name).map_err(|_| "its host cannot be the name in a certificate")?;
                let tls = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
                Box::new(tls.map_err(|error| format!("no TLS: {error}; check the listener's port and `tls`"))?)
            }
        };
        let mut connection = Self {
            stream,
            address: address.to_owned(),
            versions: Versions::default(),
            correlation: 0,
            patience: access.patience,
            used: Instant::now(),
            until: None,
        };
        let answer = connection.ask(Api::Versions, 0, |_| ()).await.map_err(|why| {
            format!("{why}; what answers there may be no Kafka broker, or the listener wants TLS, or a certificate")
        })?;
        let (error, versions) = message::api_versions(&answer).map_err(|error| error.to_string())?;
        if error != code::NONE {
            return Err(code::explain(error, None));
        }
        connection.versions = versions;
        if let Some(sasl) = &access.sasl {
            connection.authenticate(sasl, access.tls.is_some()).await?;
        }
        Ok(connection)
    }

    /// Whether it leads there.
    pub(super) fn is_to(&self, host: &str, port: u16) -> bool {
        self.address == address(host, port)
    }

    /// The version of a request that both sides speak.
    pub(super) fn version(&self, api: Api) -> Result<i16, String> {
        self.versions.common(api).ok_or_else(|| {
            let name = api.name();
            format!("{} has no version of {name} that is spoken here; Kafka 2.1 or newer is wanted", self.address)
        })
    }

    /// Whether it can still be used.
    pub(super) async fn is_usable(&mut self) -> bool {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return false;
        }
        if self.used.elapsed() < RESTED {
            return true;
        }
        // Nothing is due. The runtime needs a turn to know of an end, hence the wait.
        timeout(Duration::from_millis(1), self.stream.read(&mut [0; 1])).await.is_err()
    }

    /// A request and its answer, without the header.
    pub(super) async fn ask(
        &mut self,
        api: Api,
        version: i16,
        body: impl FnOnce(&mut Writer),
    ) -> Result<Vec<u8>, String> {
        self.send(api, version, body).await?;
        self.receive().await
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask_for<T>(
        &mut self,
        api: Api,
        body: impl FnOnce(&mut Writer),
        read: impl FnOnce(&[u8], i16) -> Read<T>,
    ) -> Result<T, String> {
        let version = self.version(api)?;
        let answer = self.ask(api, version, body).await?;
        read(&answer, version).map_err(|error| format!("{}: {error}", self.address))
    }

    /// Sends a request; [`receive`](Self::receive) its answer before the next one.
    pub(super) async fn send(&mut self, api: Api, version: i16, body: impl FnOnce(&mut Writer)) -> Result<(), String> {
        self.correlation = self.correlation.wrapping_add(1);
        let request = message::request(api, version, self.correlation, CLIENT, body);
        let write = async {
            self.stream.write_all(&request).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, write).await {
            Ok(written) => written.map_err(|error| self.told(&error)),
            Err(_) => Err(format!("{} took nothing for {:?}", self.address, self.patience)),
        }
    }

    /// The answer to the request that was sent.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, String> {
        let read = timeout(self.patience, self.read_answer()).await;
        self.used = Instant::now();
        match read {
            Ok(answer) => answer.map_err(|error| self.told(&error)),
            Err(_) => Err(format!("{} did not answer within {:?}", self.address, self.patience)),
        }
    }

    async fn read_answer(&mut self) -> io::Result<Vec<u8>> {
        let strange = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
        let length = self.stream.read_i32().await?;
        let length = usize::try_from(length).ok().filter(|length| (4..=MAX_ANSWER).contains(length));
        let Some(length) = length else { return Err(strange("what answers does not speak Kafka's protocol")) };
        let correlation = self.stream.read_i32().await?;
        if correlation != self.correlation {
            return Err(strange("the answer is to another request"));
        }
        // As it comes: a length alone reserves nothing.
        let mut answer = Vec::new();
        let rest = length.saturating_sub(4);
        (&mut self.stream).take(rest as u64).read_to_end(&mut answer).await?;
        if answer.len() < rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer)
    }

    fn told(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("{} closed the connection", self.address),
            _ => format!("{}: {error}", self.address),
        }
    }

    async fn authenticate(&mut self, sasl: &Sasl, encrypted: bool) -> Result<(), String> {
        let name = sasl.mechanism.name();
        let handshake = |writer: &mut Writer| {
            writer.string(name);
        };
        let (error, offered) =
            self.ask_for(Api::SaslHandshake, handshake, |answer, _| message::sasl_handshake(answer)).await?;
        if error != code::NONE {
            let offered: Vec<&str> = offered.iter().take(8).map(String::as_str).collect();
            return Err(format!("no {name} here, but {}; {}", offered.join(", "), code::explain(error, None)));
        }
        match sasl.mechanism {
            Mechanism::Plain if !encrypted && !sasl.allow_cleartext => {
                Err("PLAIN would send the password in the clear".to_owned())
            }
            Mechanism::Plain => {
                let message = format!("\0{}\0{}", sasl.user, sasl.password);
                self.step(message.as_bytes()).await.map(|_| ())
            }
            Mechanism::ScramSha256 => self.scram(Hash::Sha256, sasl).await,
            Mechanism::ScramSha512 => self.scram(Hash::Sha512, sasl).await,
        }
    }

    async fn scram(&mut self, hash: Hash, sasl: &Sasl) -> Result<(), String> {
        let mut bytes = [0; 18];
        getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
        let nonce = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        let client = Client::new(hash, &sasl.user, &sasl.password, nonce);
        let challenge = self.step(client.first().as_bytes()).await?;
        // Thousands of iterations, up to a second: not on the thread that all sinks share.
        let (last, proof) = tokio::task::spawn_blocking(move || client.last(&challenge))
            .await
            .map_err(|_| "the authentication failed by a fault of the program")??;
        let signature = self.step(last.as_bytes()).await?;
        proof.check(&signature)
    }

    async fn step(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let body = |writer: &mut Writer| {
            writer.bytes(bytes);
        };
        let step = self.ask_for(Api::SaslAuthenticate, body, message::sasl_step).await?;
        if step.error != code::NONE {
            return Err(code::explain(step.error, step.message.as_deref()));
        }
        if let Ok(lifetime @ 1..) = u64::try_from(step.lifetime_ms) {
            // The broker would close the connection; well before that a new one is made.
            self.until = Instant::now().checked_add(Duration::from_millis(lifetime / 10 * 8));
        }
        Ok(step.bytes)
    }
}

/// `host:port`, with brackets around an address of IPv6.
fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request is one write; waiting for more would only cost time.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
