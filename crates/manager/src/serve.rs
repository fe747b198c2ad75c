//! Accepting connections: HTTP/1 with limits on the number of connections, the head of a request and the time it may
//! take, and an end that lets open requests finish.
//!
//! With TLS a connection has a place among the handshakes and a time to end it in, in a task of its own: one that stalls
//! keeps nobody out.
//!
//! *Why not `axum::serve`*: it sets neither a time for the head nor its size, so that a few hundred sockets that
//! send a byte now and then would hold it up.

use crate::app::App;
use crate::tls::{Certificate, Tls};
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;

/// Most header fields of a request.
const MAX_HEADERS: usize = 64;
/// Most bytes of a request's head.
const MAX_HEAD: usize = 64 << 10;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);

/// Serves until `app.ending` is true, then for at most `limits.drain`.
pub(crate) async fn serve(listener: TcpListener, router: Router, app: Arc<App>, tls: Option<Arc<Tls>>) {
    let limits = &app.config.limits;
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let mut ending = app.ending.clone();
    loop {
        let slot = tokio::select! {
            _ = ending.wait_for(|end| *end) => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let Ok(slot) = slot else { break };
        let accepted = tokio::select! {
            _ = ending.wait_for(|end| *end) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // Out of descriptors, most likely: the next connections to end free some.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers should not wait for more to send; without it they are slower, not wrong.
        let _ = stream.set_nodelay(true);
        let service = WithPeer { router: router.clone(), peer, agent: None };
        let (http, watcher) = (http.clone(), graceful.watcher());
        let Some(tls) = tls.clone() else {
            let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            tokio::spawn(async move {
                // An error is a client that went away or spoke no HTTP; hyper has answered it if it could.
                let _ = watcher.watch(connection).await;
                drop(slot);
            });
            continue;
        };
        let (app, mut ending) = (Arc::clone(&app), app.ending.clone());
        tokio::spawn(async move {
            let stream = tokio::select! {
                _ = ending.wait_for(|end| *end) => return,
                stream = handshake(&app, &tls, stream, peer) => stream,
            };
            let Some(stream) = stream else { return };
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let agent = shown.and_then(|first| Certificate::read(first));
            let service = TowerToHyperService::new(WithPeer { agent, ..service });
            let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
            drop(slot);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(limits.drain, graceful.shutdown()).await;
}

/// `None`: there is nobody to talk to.
async fn handshake(app: &App, tls: &Tls, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
    let Some(_door) = tls.doors.enter(peer.ip()) else {
        app.metrics.handshake("refused");
        return None;
    };
    let shaking = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first[0].is_ascii_uppercase() {
            return not_tls(stream).await.map(|()| None);
        }
        tls.acceptor().accept(stream).await.map(Some)
    };
    let (outcome, stream) = match tokio::time::timeout(app.config.limits.handshake, shaking).await {
        Ok(Ok(Some(stream))) => ("ok", Some(stream)),
        Ok(Ok(None)) => ("plain", None),
        Ok(Err(_)) => ("failed", None),
        Err(_) => ("time_out", None),
    };
    app.metrics.handshake(outcome);
    stream
}

/// Tells somebody who speaks HTTP in the clear what is wanted here.
async fn not_tls(mut stream: TcpStream) -> std::io::Result<()> {
    // What was sent is taken first: unread bytes would make the system break the connection before the answer arrives.
    let mut request = [0; 8 << 10];
    let _ = stream.read(&mut request).await?;
    stream.write_all(NOT_TLS.as_bytes()).await?;
    stream.shutdown().await
}

const NOT_TLS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 38\r\n\
    connection: close\r\n\r\nThis port speaks TLS: take https://.\r\n";

/// Puts [`Peer`] into requests, and the certificate that was shown in the handshake.
#[derive(Clone)]
struct WithPeer {
    router: Router,
    peer: SocketAddr,
    agent: Option<Certificate>,
}

impl tower_service::Service<Request<Incoming>> for WithPeer {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = axum::routing::future::RouteFuture<std::convert::Infallible>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Peer(self.peer));
        if let Some(agent) = &self.agent {
            request.extensions_mut().insert(agent.clone());
        }
        self.router.call(request)
    }
}
