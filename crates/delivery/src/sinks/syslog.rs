//! Syslog: RFC 5424 messages over UDP (RFC 5426) or TCP with octet counting (RFC 6587 §3.4.1).
//!
//! The protocol has no acknowledgement. Over UDP a record is done when the kernel took the datagram. Over TCP it is done when
//! the kernel took the bytes; what the receiver had not read when a connection broke is lost, and no sender can know. A
//! connection that the receiver closed is noticed before the next batch. Where that is not enough, another sink is the answer.
//!
//! *Limits*: a UDP message is cut at 2,048 bytes, counted; a name is resolved anew for each connection.
//!
//! TLS (RFC 5425) is not there yet.

mod message;

pub use message::{Facility, Severity, StructuredElement, SyslogMessage};

use crate::error::Error;
use crate::record::Record;
use crate::sink::{BoxFuture, Delivery, Outcome, Sink};
use message::Origin;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

/// The longest UDP message.
const MAX_DATAGRAM: usize = 2048;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Makes a message of a record; `None` leaves the record out, which is counted.
pub type SyslogFormatter = Box<dyn Fn(&Record) -> Option<SyslogMessage> + Send + Sync>;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// A datagram each.
    Udp,
    /// Octet counting on a connection.
    Tcp,
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
    let port = config.address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
    if port.and_then(|port| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
        return Err(Error::Config(format!("`{}` is no address for syslog: write host:port", config.address)));
    }
    Ok(Box::new(Syslog { config, format, way: None, cut: 0, connects: 0 }))
}

struct Syslog {
    config: SyslogConfig,
    format: SyslogFormatter,
    way: Option<Way>,
    cut: u64,
    connects: u64,
}

enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Syslog {
    async fn send(&mut self, batch: &[Record]) -> Delivery {
        let limit = (self.config.transport == SyslogTransport::Udp).then_some(MAX_DATAGRAM);
        let mut messages = Vec::new();
        let outcomes: Vec<Outcome> = batch
            .iter()
            .map(|record| match (self.format)(record) {
                Some(message) => {
                    let origin = Origin {
                        facility: self.config.facility,
                        hostname: self.config.hostname.as_deref().unwrap_or(&record.id.stream.node),
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
            Ok(Way::Udp(socket)) => send_datagrams(socket, &messages).await.map(Way::Udp),
            Ok(Way::Tcp(stream)) => send_stream(stream, &messages).await.map(Way::Tcp),
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
    async fn open(&mut self) -> std::io::Result<Way> {
        match self.way.take() {
            Some(Way::Tcp(stream)) => {
                // The runtime must have had a turn, or it does not know yet that the receiver closed.
                let _ = timeout(Duration::from_millis(1), stream.readable()).await;
                if is_open(&stream) {
                    return Ok(Way::Tcp(stream));
                }
            }
            Some(Way::Udp(socket)) => return Ok(Way::Udp(socket)),
            None => {}
        }
        self.connects += 1;
        let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection within 5 s");
        timeout(CONNECT, connect(&self.config)).await.map_err(|_| late())?
    }
}

impl Sink for Syslog {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.send(batch))
    }

    fn reopen(&mut self) {
        self.way = None;
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        let way = self.way.take();
        Box::pin(async {
            if let Some(Way::Tcp(mut stream)) = way {
                // The receiver reads to the end; there is nothing to do about an error any more.
                let _ = stream.shutdown().await;
            }
        })
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![("messages_cut", self.cut), ("connections", self.connects)]
    }
}

async fn connect(config: &SyslogConfig) -> std::io::Result<Way> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(&config.address).await? {
        let tried = match config.transport {
            SyslogTransport::Udp => connect_udp(address).await.map(Way::Udp),
            SyslogTransport::Tcp => TcpStream::connect(address).await.map(Way::Tcp),
        };
        match tried {
            Ok(way) => return Ok(way),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_udp(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// Whether the receiver has not closed the connection. What it sends is read and left out: syslog is one-way.
fn is_open(stream: &TcpStream) -> bool {
    let mut buffer = [0; 512];
    loop {
        match stream.try_read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

/// On an error: how many went out before it.
async fn send_datagrams(socket: UdpSocket, messages: &[Vec<u8>]) -> Result<UdpSocket, (usize, std::io::Error)> {
    for (count, message) in messages.iter().enumerate() {
        socket.send(message).await.map_err(|error| (count, error))?;
    }
    Ok(socket)
}

/// On an error nobody knows how many arrived: all are sent again.
async fn send_stream(mut stream: TcpStream, messages: &[Vec<u8>]) -> Result<TcpStream, (usize, std::io::Error)> {
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
