//! What every request goes through: an id, a place among the requests at once, a time limit, a net under panics,
//! and the headers that keep browsers safe.

use crate::api;
use crate::app::{App, State};
use crate::problem::Problem;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// No script, style or frame but our own files; DOM sinks take trusted types of the page's framework only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

pub(crate) async fn guard(state: State, request: Request, next: Next) -> Response {
    let app = Arc::clone(&state);
    let id = request_id(&request);
    let started = Instant::now();
    let is_api = request.uri().path().starts_with("/api/");
    // A heartbeat may wait for news, and must not hold a place meanwhile; how many wait is bounded there.
    let waits = request.uri().path() == api::HEARTBEAT;
    let permit = if waits { Ok(None) } else { Arc::clone(&app.requests).try_acquire_owned().map(Some) };
    let mut response = match permit {
        Ok(_permit) => inside(&app, waits, request, next).await,
        Err(_) => Problem::busy("too many requests at once; try again in a moment").into_response(),
    };
    app.metrics.answered(response.status().as_u16(), started.elapsed());
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID.clone(), id);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if app.config.is_https() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if is_api && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Until when what an answer can do without may be waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until(pub Instant);

async fn inside(app: &App, waits: bool, mut request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    let limit = match (waits, reads) {
        (true, _) => app.config.limits.write + api::MAX_WAIT,
        // A provider is asked within it, which may be slow.
        (false, true) if path.starts_with("/api/v1/session/oidc") => app.config.limits.write,
        (false, true) => app.config.limits.read,
        (false, false) => app.config.limits.write,
    };
    // A sixth of the time is for writing down what was found.
    request.extensions_mut().insert(Until(Instant::now() + limit / 6 * 5));
    // A task of its own, so that a panic in it is an error here and not the end of the connection.
    let mut task = tokio::spawn(next.run(request));
    match tokio::time::timeout(limit, &mut task).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "fault",
            "A fault of Tapir",
            "the request ran into a fault of the manager; please report it with the request id",
        )
        .into_response(),
        Err(_) => {
            task.abort();
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "time-out",
                "It took too long",
                format!("the answer took longer than {} s; narrow the query or the time range", limit.as_secs_f32()),
            )
            .after(Duration::from_secs(1))
            .into_response()
        }
    }
}

/// The client's own id if it is a plain word of at most 64 characters, else a number of ours.
fn request_id(request: &Request) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = request.headers().get(&REQUEST_ID).filter(|id| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=64).contains(&id.len()) && id.as_bytes().iter().all(plain)
    });
    given.cloned().unwrap_or_else(|| HeaderValue::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}
