//! Health and metrics of the operator over HTTP: `/readiness`, `/liveness`, `/metrics`.
//!
//! *Invariants*: ready means that the cluster was heard; alive, that the loop came by within [`STALE`]. Waiting for another operator is
//! both.
//! *Limits*: [`MAX_CONNECTIONS`]; no authentication, since nothing here is secret.

use crate::told::Seen;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tapir_kubernetes::resources::{INSPECTION_STATUS, MANAGER_STATUS};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const MAX_CONNECTIONS: usize = 32;
const HEAD: Duration = Duration::from_secs(5);
/// How long ago the loop may have come by.
pub const STALE: Duration = Duration::from_secs(180);

/// What is served.
pub struct Health {
    /// The cluster was heard.
    pub heard: AtomicBool,
    /// This operator leads.
    pub leads: AtomicBool,
    /// When the loop came by.
    pub alive: Mutex<Instant>,
    /// What the teller counts.
    pub seen: Arc<Mutex<Seen>>,
}

impl Health {
    /// Nothing heard yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            heard: AtomicBool::new(false),
            leads: AtomicBool::new(false),
            alive: Mutex::new(Instant::now()),
            seen: Arc::default(),
        })
    }

    /// The loop came by.
    pub fn beat(&self) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Serves until it is dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let health = Arc::clone(&self);
            tokio::spawn(async move {
                let answer = service_fn(|request| {
                    let response = health.answer(&request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let mut connection = hyper::server::conn::http1::Builder::new();
                connection.timer(TokioTimer::new()).header_read_timeout(HEAD);
                drop(connection.serve_connection(TokioIo::new(stream), answer).await);
                drop(slot);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return response(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into());
        }
        match request.uri().path() {
            "/readiness" if self.heard.load(Ordering::Relaxed) => response(StatusCode::OK, "ready\n".into()),
            "/readiness" => response(StatusCode::SERVICE_UNAVAILABLE, "the cluster was not heard yet\n".into()),
            "/liveness" => {
                let age = self.alive.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
                match age > STALE {
                    true => {
                        response(StatusCode::SERVICE_UNAVAILABLE, format!("nothing moved for {} s\n", age.as_secs()))
                    }
                    false => response(StatusCode::OK, "alive\n".into()),
                }
            }
            "/metrics" => response(StatusCode::OK, self.metrics()),
            _ => response(StatusCode::NOT_FOUND, "there are /readiness, /liveness and /metrics\n".into()),
        }
    }

    fn metrics(&self) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, String)>| {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            for (labels, value) in samples {
                text.push_str(&format!("{name}{labels} {value}\n"));
            }
        };
        let one = |value: String| vec![(String::new(), value)];
        let leads = u8::from(self.leads.load(Ordering::Relaxed)).to_string();
        family("tapir_operator_leads", "gauge", "1 if this operator is the one that writes", one(leads));
        let passes = seen.passes.to_string();
        family("tapir_operator_passes_total", "counter", "Times that everything was looked at", one(passes));
        let written = seen.written.iter();
        let written =
            written.map(|(what, count)| (format!("{{action=\"{}\"}}", what.to_lowercase()), count.to_string()));
        family("tapir_operator_objects_total", "counter", "Objects written, by what was done", written.collect());
        let parts = [INSPECTION_STATUS, MANAGER_STATUS].map(|part| {
            let count = seen.failing.get(part).copied().unwrap_or_default();
            (format!("{{part=\"{part}\"}}"), count.to_string())
        });
        family("tapir_operator_failures", "gauge", "Things that do not go well now", parts.to_vec());
        text
    }
}

fn response(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, plain);
    response
}
