//! The connections that this process has made itself, by their ends: what an agent sends must not be inspected as if it were
//! somebody else's, or an alert that leaves over a watched interface in the clear would be found in there again.
//!
//! *How it fits*: whoever opens a connection tells it here before the first byte is sent; [`HttpClient`](crate::HttpClient) does so
//! for itself. Who captures looks at [`version`] for every packet and takes the [`list`] when it has changed. The list is the
//! process's, as its sockets are.
//!
//! *Limits*: [`MOST`] connections, the one that was used least lately goes. Of HTTP connections the end is not known: they are kept
//! for [`KEPT`] after their last answer. The ends are those of the socket; behind an address translation packets have others.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::{Connection, HttpInfo};
use tower_layer::Layer;
use tower_service::Service;

/// Connections that are known at once.
pub const MOST: usize = 256;
/// How long a connection is known without being used, if nobody says that it is closed.
pub const KEPT: Duration = Duration::from_secs(3_600);

/// What carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A connection of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnConnection {
    /// What carries it.
    pub transport: Transport,
    /// Our end. IPv4 is never written as IPv6.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

impl OwnConnection {
    /// Of the ends as a socket tells them.
    pub fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        Self { transport, local: plain(local), remote: plain(remote) }
    }
}

struct Known {
    version: AtomicU64,
    /// The one that was used last at the end.
    kept: Mutex<VecDeque<(OwnConnection, Instant)>>,
}

static KNOWN: Known = Known { version: AtomicU64::new(0), kept: Mutex::new(VecDeque::new()) };

impl Known {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(OwnConnection, Instant)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self, connection: OwnConnection, now: Instant) {
        let mut kept = self.lock();
        let known = kept.iter().any(|(other, _)| *other == connection);
        let others = kept.len() - usize::from(known);
        kept.retain(|(other, used)| *other != connection && now.saturating_duration_since(*used) < KEPT);
        let mut changed = !known || kept.len() != others;
        if kept.len() >= MOST {
            kept.pop_front();
            changed = true;
        }
        kept.push_back((connection, now));
        if changed {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    fn closed(&self, connection: OwnConnection) {
        self.lock().retain(|(other, _)| *other != connection);
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// Changes with the list.
#[inline]
pub fn version() -> u64 {
    KNOWN.version.load(Ordering::Acquire)
}

/// The connections of this process that are known.
pub fn list() -> Vec<OwnConnection> {
    KNOWN.lock().iter().map(|(connection, _)| *connection).collect()
}

/// Knows a connection as long as it lives. To be made before anything is sent.
#[derive(Debug)]
pub struct Held(OwnConnection);

impl Held {
    /// Of a connection that was just opened.
    pub fn new(connection: OwnConnection) -> Self {
        KNOWN.used(connection, Instant::now());
        Self(connection)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        KNOWN.closed(self.0);
    }
}

/// A connection of an HTTP client is open, or has brought an answer.
pub(crate) fn used(ends: &HttpInfo) {
    KNOWN.used(OwnConnection::new(Transport::Tcp, ends.local_addr(), ends.remote_addr()), Instant::now());
}

/// Tells each connection of an HTTP client before the client gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling;

impl<S> Layer<S> for Telling {
    type Service = Teller<S>;

    fn layer(&self, connector: S) -> Teller<S> {
        Teller(connector)
    }
}

/// A connector that tells what it has connected.
#[derive(Clone, Debug)]
pub(crate) struct Teller<S>(S);

impl<S, R> Service<R> for Teller<S>
where
    S: Service<R>,
    S::Response: Connection,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, wanted: R) -> Self::Future {
        let connecting = self.0.call(wanted);
        Box::pin(async move {
            let connection = connecting.await?;
            let mut about = hyper::http::Extensions::new();
            connection.connected().get_extras(&mut about);
            if let Some(ends) = about.get::<HttpInfo>() {
                used(ends);
            }
            Ok(connection)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HttpClient, HttpConfig, Method};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn one(port: u16) -> OwnConnection {
        let end = |ip: &str, port| SocketAddr::new(ip.parse().unwrap(), port);
        OwnConnection::new(Transport::Tcp, end("::ffff:10.0.0.1", port), end("10.0.0.2", 514))
    }

    #[test]
    fn connections_are_known_until_they_are_closed_forgotten_or_too_many() {
        let known = Known { version: AtomicU64::new(0), kept: Mutex::default() };
        let version = || known.version.load(Ordering::Relaxed);
        let start = Instant::now();
        known.used(one(1), start);
        let locals: Vec<_> = known.lock().iter().map(|(one, _)| one.local.to_string()).collect();
        assert_eq!(locals, ["10.0.0.1:1"]);
        let before = version();
        known.used(one(1), start + KEPT / 2);
        assert_eq!(version(), before, "used again: nothing is new");
        known.used(one(2), start + KEPT);
        assert_eq!(known.lock().len(), 2, "used half an hour ago");
        known.used(one(2), start + KEPT + KEPT / 2);
        assert_eq!(known.lock().len(), 1);
        assert!(version() > before + 1, "the list has changed twice");
        for port in 0..u16::try_from(MOST).unwrap() + 10 {
            known.used(one(1_000 + port), start + 2 * KEPT);
        }
        assert_eq!(known.lock().len(), MOST);
        let before = version();
        known.closed(one(1_100));
        assert_eq!((known.lock().len(), version()), (MOST - 1, before + 1));
    }

    #[tokio::test]
    async fn an_http_connection_is_known_before_the_receiver_reads_a_byte() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serving = async {
            let (mut stream, from) = listener.accept().await.unwrap();
            let mut first = [0];
            stream.read_exact(&mut first).await.unwrap();
            let known = list().contains(&OwnConnection::new(Transport::Tcp, from, at));
            stream.write_all(b"HTTP/1.1 204 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            known
        };
        let config = HttpConfig { allow_local: true, ..HttpConfig::default() };
        let client = HttpClient::new(&format!("http://{at}"), &config).unwrap();
        let (known, answer) = tokio::join!(serving, client.send(Method::GET, "", &[], Vec::new()));
        assert!(known);
        assert_eq!(answer.unwrap().status.as_u16(), 204);
    }

    #[test]
    fn what_is_held_is_known_as_long_as_it_is() {
        let held = Held::new(one(7));
        assert!(list().contains(&one(7)));
        let before = version();
        drop(held);
        assert!(!list().contains(&one(7)) && version() > before);
    }
}
