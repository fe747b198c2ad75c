//! [`Problem`]: every error answer, as RFC 9457 `application/problem+json`; and the extractors of bodies, queries
//! and paths whose refusals are problems, too.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tapir_query::QueryError;
use tapir_store::StoreError;
use utoipa::ToSchema;

/// An error answer (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `/problems/NAME`: what kind of problem it is, stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here and what to do next.
    pub detail: String,
    /// Of query errors: the byte at which it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// Of query errors: how many bytes; 0 if something is missing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// Of query errors: what to write there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Of a moved count: groups that match now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Seconds for `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

pub(crate) type Answer<T> = Result<T, Problem>;

impl Problem {
    /// Of a kind, with words for people.
    pub(crate) fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            offset: None,
            length: None,
            suggestion: None,
            count: None,
            retry_after: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be understood", detail)
    }

    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", format!("no such {what}: {id}"))
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "The manager is busy", detail).after(Duration::from_secs(1))
    }

    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tapir\""));
        }
        response
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let mut problem =
            Self::new(StatusCode::BAD_REQUEST, "query", "The query cannot be understood", error.message.clone());
        problem.offset = Some(error.offset);
        problem.length = Some(error.length);
        problem.suggestion = error.suggestion;
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::Busy { retry_after, .. } => Self::busy(detail).after(retry_after.max(Duration::from_secs(1))),
            StoreError::Unavailable { retry_after, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "The store does not answer", detail)
                    .after(retry_after.max(Duration::from_secs(1)))
            }
            StoreError::Timeout { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "time-out", "It took too long", detail)
                    .after(Duration::from_secs(1))
            }
            StoreError::BadCursor(_) => Self::new(StatusCode::BAD_REQUEST, "cursor", "Bad cursor", detail),
            StoreError::Invalid(_) => Self::bad_request(detail),
            StoreError::CountMoved { found, .. } => {
                let mut problem = Self::new(StatusCode::CONFLICT, "count-moved", "The list has changed", detail);
                problem.count = Some(found);
                problem
            }
            StoreError::Conflict { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "conflict", "Somebody else was first", detail)
            }
            StoreError::TooBroad(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too-broad", "It covers too much", detail)
            }
            StoreError::NotFound { .. } => {
                Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
            }
            StoreError::NotAllowed(_) => Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail),
            StoreError::UndoGone => Self::new(StatusCode::GONE, "undo-gone", "It can't be undone any more", detail),
            StoreError::DiskFull { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", "The disk is full", detail)
                    .after(Duration::from_secs(30))
            }
            StoreError::Closed => Self::busy("the manager is stopping; try again"),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store", "The store failed", detail),
        }
    }
}

/// A JSON body. Its fields are checked: an unknown one is an error.
pub(crate) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Wrong content type",
                format!("send application/json, not '{}'", kind.chars().take(64).collect::<String>()),
            ));
        }
        let bytes = bytes(request, state).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| Problem::bad_request(format!("body: {error}")))?;
        Ok(Self(value))
    }
}

/// The body within the limit of its route.
pub(crate) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Answer<axum::body::Bytes> {
    axum::body::Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::too_large("the body is longer than this call takes; send less at once")
        }
        _ => Problem::bad_request("the body could not be read to its end"),
    })
}

/// Query parameters. An unknown one is an error: a misspelt filter must not look like no filter.
pub(crate) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        if !parts.uri.query().unwrap_or_default().split(['&', '=']).all(is_text) {
            return Err(Problem::bad_request("a parameter is not text: percent-encode UTF-8"));
        }
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

/// It is UTF-8 when its percent signs are decoded. What is not would be replaced in silence, and something else asked for.
fn is_text(part: &str) -> bool {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| *byte == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// Parts of the path.
pub(crate) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}
