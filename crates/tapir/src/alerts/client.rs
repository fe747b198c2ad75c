//! The manager's API over HTTP, one call at a time.
//!
//! *Invariants*: 1. no redirect is followed and no proxy asked, so that the token goes to the manager and nobody else; 2. the
//! token stands in no message; 3. an answer is read up to [`MAX_ANSWER`]. Reads are tried again when the manager is too
//! busy; what changes something is sent once.

use super::failure::{Failure, Problem};
use super::trust;
use crate::args::alerts::CommonArgs;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A page of 500 groups has some 1 MiB, an event 1 MiB at most.
const MAX_ANSWER: usize = 64 << 20;
/// Of a whole call.
const CALL: Duration = Duration::from_secs(60);
/// Between two bytes of the live stream, which has a heartbeat every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// How often a read is sent, and how long to wait for the next time at most.
const TRIES: u32 = 4;
const WAIT: Duration = Duration::from_secs(5);

/// A query parameter. Paths are lists of their segments, which are escaped.
pub type Param = (&'static str, String);

/// The manager.
pub struct Client {
    http: reqwest::Client,
    runtime: Runtime,
    base: Url,
    token: String,
    /// As it was typed, for messages.
    pub server: String,
}

impl Client {
    /// Reads the token and the certificates; nothing is sent yet.
    pub fn new(args: &CommonArgs) -> Result<Self, Failure> {
        let base = address(&args.server)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
        let tls = trust::whom(args, base.scheme() == "https").map_err(Failure::Usage)?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("tapir/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(SILENCE)
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|error| Failure::Other(format!("no HTTP client: {error}")))?;
        Ok(Self { http, runtime, base, token: token(args)?, server: args.server.clone() })
    }

    /// The token is sent where others can read it.
    pub fn is_in_the_clear(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        self.base.scheme() == "http" && !local
    }

    /// Waits for something of the live stream.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Reads.
    pub fn get(&self, path: &[&str], params: &[Param]) -> Result<Value, Failure> {
        self.patiently(|| self.call(self.request(Method::GET, path, params), params))
    }

    /// Asks something in a body that changes nothing.
    pub fn ask(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.patiently(|| self.post(path, body))
    }

    /// Changes something: sent once.
    pub fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path, &[]);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let query = body.get("query").or_else(|| body.get("q")).and_then(Value::as_str);
        let params: Vec<Param> = query.map(|query| ("q", query.to_owned())).into_iter().collect();
        self.call(request, &params)
    }

    /// Sends again what the manager was too busy for.
    fn patiently<T>(&self, send: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut tried = 1;
        loop {
            let problem = match send() {
                Err(Failure::Refused(problem)) if problem.is_passing() && tried < TRIES => problem,
                done => return done,
            };
            let wait = Duration::from_secs(problem.retry_after.unwrap_or(1)).min(WAIT);
            // A timer is made inside of the runtime, or it panics.
            self.runtime.block_on(async { tokio::time::sleep(wait).await });
            tried += 1;
        }
    }

    /// Removes something.
    pub fn delete(&self, path: &[&str], params: &[Param]) -> Result<Value, Failure> {
        self.call(self.request(Method::DELETE, path, params), params)
    }

    /// Opens the live stream, behind `last_id` if there is one. Tried once: whoever follows has pauses of his own.
    pub fn stream(&self, params: &[Param], last_id: Option<&str>) -> Result<Response, Failure> {
        let mut request =
            self.request(Method::GET, &["alerts", "stream"], params).header("accept", "text/event-stream");
        if let Some(id) = last_id.filter(|id| !id.is_empty()) {
            request = request.header("last-event-id", id);
        }
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            if response.status().is_success() { Ok(response) } else { Err(self.refused(response, params).await) }
        })
    }

    fn request(&self, method: Method, path: &[&str], params: &[Param]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !params.is_empty() {
            url.query_pairs_mut().extend_pairs(params.iter().map(|(name, value)| (*name, value.as_str())));
        }
        self.http.request(method, url).bearer_auth(&self.token)
    }

    fn call(&self, request: RequestBuilder, params: &[Param]) -> Result<Value, Failure> {
        self.runtime.block_on(async {
            let response = request.timeout(CALL).send().await.map_err(|error| self.unreachable(&error))?;
            if !response.status().is_success() {
                return Err(self.refused(response, params).await);
            }
            let body = self.body(response).await?;
            if body.is_empty() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&body).map_err(|_| self.stranger("what it sent is not JSON"))
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(self.stranger(&format!("its answer is longer than {} MiB", MAX_ANSWER >> 20)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn refused(&self, response: Response, params: &[Param]) -> Failure {
        let status = response.status();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = match self.body(response).await {
            Ok(body) => body,
            Err(failure) => return failure,
        };
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if problem.kind.starts_with("/problems/") => {
                let query = params.iter().find(|(name, _)| *name == "q").map(|(_, query)| query.clone());
                Failure::Refused(Box::new(Problem { status: status.as_u16(), retry_after, query, ..problem }))
            }
            _ => self.stranger(&format!("it answered {status}")),
        }
    }

    fn stranger(&self, why: &str) -> Failure {
        Failure::Unreachable(format!(
            "{} does not answer as Tapir's manager does: {why}; is --server right?",
            self.server
        ))
    }

    /// The whole chain of causes: reqwest's own text stops before the interesting part.
    pub fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut why = if error.is_timeout() { "timed out".to_owned() } else { String::new() };
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            let next = error.to_string();
            if !why.contains(&next) {
                why = if why.is_empty() { next } else { format!("{why}: {next}") };
            }
            cause = error.source();
        }
        let help = if why.contains("certificate") {
            "name its authority with --ca-file"
        } else {
            "is `tapir manager` running there? --server or TAPIR_SERVER says where it is"
        };
        Failure::Unreachable(format!("cannot reach the manager at {}: {why}; {help}", self.server))
    }
}

fn address(text: &str) -> Result<Url, Failure> {
    let refuse = |why: &str| Failure::Usage(format!("--server: {why}; write it as http://127.0.0.1:9443"));
    let url = Url::parse(text).map_err(|error| refuse(&format!("`{text}` is no address: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown again.
        return Err(refuse("an address carries no password; the token stands in a file"));
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refuse(&format!("`{text}` does not begin with http:// or https:// and a host")));
    }
    Ok(url)
}

/// Longest token, and file of one.
const MAX_TOKEN: u64 = 64 << 10;

/// From the file that was named, else from the environment.
fn token(args: &CommonArgs) -> Result<String, Failure> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let (token, from) = match &args.token_file {
        Some(path) => (file(path)?, path.display().to_string()),
        None => match (set("TAPIR_TOKEN"), set("TAPIR_TOKEN_FILE")) {
            (Some(token), _) => (token.to_string_lossy().into_owned(), "TAPIR_TOKEN".to_owned()),
            (None, Some(path)) => (file(path.as_ref())?, path.to_string_lossy().into_owned()),
            (None, None) => {
                return Err(Failure::Usage(
                    "no token: write the administrator's token, which the manager printed at its first start, to a file \
                     and name it with --token-file or TAPIR_TOKEN_FILE"
                        .to_owned(),
                ));
            }
        },
    };
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Usage(format!("{from} holds no token: one word is expected")));
    }
    Ok(token.to_owned())
}

fn file(path: &std::path::Path) -> Result<String, Failure> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_TOKEN).read_to_string(&mut text));
    read.map_err(|error| Failure::Usage(format!("cannot read the token from {}: {error}", path.display())))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_passwords_not_shown() {
        let why = |text| address(text).unwrap_err().text();
        assert!(why("localhost:9443").contains("http://"));
        assert!(why("tapir").contains("`tapir` is no address"));
        let text = why("https://me:secret@tapir.example/");
        assert!(text.contains("no password") && !text.contains("secret"), "{text}");
        assert!(address("https://tapir.example/below").is_ok());
    }
}
