//! Syslog: RFC 5424 messages over UDP (RFC 5426), TCP with octet counting (RFC 6587 §3.4.1) or TLS (RFC 5425).
//!
//! The protocol has no acknowledgement. Over UDP a record is done when the kernel took the datagram. Over TCP and TLS it is done when
//! the kernel took the bytes; what the receiver had not read when a connection broke is lost, and no sender can know. A
//! connection that the receiver closed is noticed before the next batch. Where that is not enough, another sink is the answer.
//!
//! *Limits*: a UDP message is cut at 2,048 bytes, counted; a name is resolved anew for each connection.

mod message;

pub use message::{Facility, Severity, StructuredElement, SyslogMessage};

use crate::error::Error;
use crate::record::Record;
use crate::sink::{BoxFuture, Delivery, Outcome, Sink};
use message::Origin;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tapir_outbound::TlsConfig;
use tapir_outbound::own::{Held, OwnConnection, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// The longest UDP message.
const MAX_DATAGRAM: usize = 2048;
/// How long a receiver has to object to our certificate.
const OBJECTION: Duration = Duration::from_millis(500);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Makes a message of a record; `None` leaves the record out, which is counted.
pub type SyslogFormatter = Box<dyn Fn(&Record) -> Option<SyslogMessage> + Send + Sync>;

/// How messages travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// A datagram each.
    Udp,
    /// Octet counting on a connection.
    Tcp,
    /// The same, encrypted. The usual port is 6514.
    Tls(TlsConfig),
}

/// Where messages go, and what is the same in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogConfig {
    /// `host:port`; an IPv6 address in brackets.
    pub address: String,
    /// How messages travel.
    pub transport: SyslogTransport,
    /// The facility; local4 by default.
    pub facility: Facility,
    /// The sender's host name; by default the node of the record.
    pub hostname: Option<String>,
    /// The program; `tapir` by default.
    pub app_name: String,
}

impl SyslogConfig {
    /// local4, `tapir`, the record's node.
    pub fn new(address: impl Into<String>, transport: SyslogTransport) -> Self {
        Self {
            address: address.into(),
            transport,
            facility: Facility::Local4,
            hostname: None,
            app_name: "tapir".into(),
        }
    }
}

/// A sink that sends syslog messages.
pub fn syslog(config: SyslogConfig, format: SyslogFormatter) -> Result<Box<dyn Sink>, Error> {
    let wrong = || Error::Config(format!("`{}` is no address for syslog: write host:port", config.address));
    let (host, port) = config.address.rsplit_once(':').ok_or_else(wrong)?;
    if host.is_empty() || port.parse::<u16>().map_or(true, |port| port == 0) {
        return Err(wrong());
    }
    let tls = match &config.transport {
        SyslogTransport::Tls(tls) => Some(Tls::of(tls, host)?),
        SyslogTransport::Udp | SyslogTransport::Tcp => None,
    };
    Ok(Box::new(Syslog { config, format, tls, way: None, cut: 0, connects: 0, reload_failed: 0 }))
}

struct Syslog {
    config: SyslogConfig,
    format: SyslogFormatter,
    tls: Option<Tls>,
    way: Option<Way>,
    cut: u64,
    connects: u64,
    reload_failed: u64,
}

/// The second member tells who captures that this is ours.
enum Way {
    Udp(UdpSocket, Held),
    Stream(Box<dyn Stream>, Held),
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What was read of the files of a [`TlsConfig`].
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    fn of(tls: &TlsConfig, host: &str) -> Result<Self, Error> {
        let name = tls.server_name.as_deref().unwrap_or(host).trim_matches(['[', ']']).to_owned();
        let error = || Error::Config(format!("`{name}` cannot be the name in a certificate"));
        let name = ServerName::try_from(name.clone()).map_err(|_| error())?;
        Ok(Self { config: tls.load()?, name })
    }
}

impl Syslog {
    async fn send(&mut self, batch: &[Record]) -> Delivery {
        let limit = matches!(self.config.transport, SyslogTransport::Udp).then_some(MAX_DATAGRAM);
        let mut messages = Vec::new();
        let outcomes: Vec<Outcome> = batch
            .iter()
            .map(|record| match (self.format)(record) {
                Some(message) => {
                    let origin = Origin {
                        facility: self.config.facility,
                        hostname: self.config.hostname.as_deref().unwrap_or(&record.id.node),
                        app_name: &self.config.app_name,
                        time_ns: record.time_ns,
                    };
                    let (bytes, cut) = message.render(&origin, limit);
                    self.cut += u64::from(cut);
                    messages.push(bytes);
                    Outcome::Done
                }
                None => Outcome::Skipped,
            })
            .collect();
        if messages.is_empty() {
            return Delivery::each(outcomes);
        }
        // Out of `self` while it is used: if this is given up half-way, the connection goes, not the framing on it.
        let sent = match self.open().await {
            Ok(Way::Udp(socket, held)) => send_datagrams(socket, &messages).await.map(|socket| Way::Udp(socket, held)),
            Ok(Way::Stream(stream, held)) => {
                send_stream(stream, &messages).await.map(|stream| Way::Stream(stream, held))
            }
            Err(error) => Err((0, error)),
        };
        match sent {
            Ok(way) => {
                self.way = Some(way);
                Delivery::each(outcomes)
            }
            Err((count, error)) => {
                let reason = format!("syslog to {}: {error}", self.config.address);
                if count == 0 {
                    return Delivery::failed(reason);
                }
                let mut left = count;
                let sorted = outcomes.into_iter().map(|outcome| match outcome {
                    Outcome::Done if left == 0 => Outcome::Retry(reason.clone()),
                    Outcome::Done => {
                        left -= 1;
                        Outcome::Done
                    }
                    other => other,
                });
                Delivery::each(sorted.collect())
            }
        }
    }

    /// The connection, a new one if there is none or the receiver closed it.
    async fn open(&mut self) -> io::Result<Way> {
        if let Some(mut way) = self.way.take() {
            let open = match &mut way {
                Way::Udp(..) => true,
                Way::Stream(stream, _) => is_open(stream).await,
            };
            if open {
                return Ok(way);
            }
        }
        self.connects += 1;
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no connection within 5 s");
        timeout(CONNECT, connect(&self.config.address, self.tls.as_ref(), &self.config.transport))
            .await
            .map_err(|_| late())?
    }
}

impl Sink for Syslog {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.send(batch))
    }

    fn reopen(&mut self) {
        self.way = None;
        // Certificates are renewed. New files that cannot be used leave the old ones in force.
        if let (SyslogTransport::Tls(tls), Some(loaded)) = (&self.config.transport, &mut self.tls) {
            match tls.load() {
                Ok(config) => loaded.config = config,
                Err(_) => self.reload_failed += 1,
            }
        }
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        let way = self.way.take();
        Box::pin(async {
            if let Some(Way::Stream(mut stream, _held)) = way {
                // The receiver reads to the end; there is nothing to do about an error any more.
                let _ = stream.shutdown().await;
            }
        })
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![("messages_cut", self.cut), ("connections", self.connects), ("tls_reloads_failed", self.reload_failed)]
    }
}

async fn connect(address: &str, tls: Option<&Tls>, transport: &SyslogTransport) -> io::Result<Way> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(address).await? {
        let tried = match transport {
            SyslogTransport::Udp => connect_udp(address).await,
            SyslogTransport::Tcp | SyslogTransport::Tls(_) => connect_stream(address, tls).await,
        };
        match tried {
            Ok(way) => return Ok(way),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_stream(address: SocketAddr, tls: Option<&Tls>) -> io::Result<Way> {
    let stream = TcpStream::connect(address).await?;
    let held = Held::new(OwnConnection::new(Transport::Tcp, stream.local_addr()?, stream.peer_addr()?));
    match tls {
        None => Ok(Way::Stream(Box::new(stream), held)),
        Some(tls) => {
            let connector = TlsConnector::from(Arc::clone(&tls.config));
            let mut stream = connector.connect(tls.name.clone(), stream).await?;
            // In TLS 1.3 our side is ready before the receiver has looked at our certificate. Should it not like it, the first
            // batch would be lost: it gets a moment to say so.
            match timeout(OBJECTION, stream.read(&mut [0; 1])).await {
                Ok(Ok(0)) => Err(io::Error::new(io::ErrorKind::ConnectionReset, "the receiver closed the connection")),
                Ok(Err(error)) => Err(error),
                Ok(Ok(_)) | Err(_) => Ok(Way::Stream(Box::new(stream), held)),
            }
        }
    }
}

async fn connect_udp(address: SocketAddr) -> io::Result<Way> {
    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    let held = Held::new(OwnConnection::new(Transport::Udp, socket.local_addr()?, socket.peer_addr()?));
    Ok(Way::Udp(socket, held))
}

/// Whether the receiver has not closed the connection. What it sends is read and left out: syslog is one-way. The runtime needs
/// a turn to know, hence the wait.
async fn is_open(stream: &mut Box<dyn Stream>) -> bool {
    let mut buffer = [0; 512];
    for _ in 0..64 {
        match timeout(Duration::from_millis(1), stream.read(&mut buffer)).await {
            Err(_) => return true,
            Ok(Ok(0) | Err(_)) => return false,
            Ok(Ok(_)) => {}
        }
    }
    true
}

/// On an error: how many went out before it.
async fn send_datagrams(socket: UdpSocket, messages: &[Vec<u8>]) -> Result<UdpSocket, (usize, io::Error)> {
    for (count, message) in messages.iter().enumerate() {
        socket.send(message).await.map_err(|error| (count, error))?;
    }
    Ok(socket)
}

/// On an error nobody knows how many arrived: all are sent again.
async fn send_stream(mut stream: Box<dyn Stream>, messages: &[Vec<u8>]) -> Result<Box<dyn Stream>, (usize, io::Error)> {
    let mut buffer = Vec::new();
    for message in messages {
        buffer.extend_from_slice(format!("{} ", message.len()).as_bytes());
        buffer.extend_from_slice(message);
    }
    stream.write_all(&buffer).await.map_err(|error| (0, error))?;
    stream.flush().await.map_err(|error| (0, error))?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
