//! The page's files: from a directory, or from the binary (feature `ui`), or one line that says how to get them.
//!
//! Names with a hash in them (`assets/…`) are kept by browsers for ever, `index.html` is asked for each time. Where a
//! file has a `.br` or `.gz` beside it, the smaller one goes to browsers that take it. Paths without an extension that
//! are no file are routes of the page: they get `index.html`.
//! *Limits*: a directory is read once, at the start; 4,096 files of 16 MiB.

use crate::app::App;
use crate::error::ManagerError;
use crate::problem::Problem;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

static BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

const NO_PAGE: &str = "<!doctype html><html lang=\"en\"><title>Tapir</title><p>This manager was built without its page: \
    run <code>make ui</code>, or build with <code>--features ui</code>. The API is at <code>/api/v1</code>.</p></html>\n";
const MAX_FILES: usize = 4_096;
const MAX_FILE: u64 = 16 << 20;

/// The files by their names, `assets/app-1a2b.js`.
pub(crate) struct Pages {
    files: BTreeMap<String, File>,
}

struct File {
    bytes: Bytes,
    etag: HeaderValue,
}

impl Pages {
    /// Of a directory, or of the binary.
    pub(crate) fn open(dir: Option<&Path>) -> Result<Self, ManagerError> {
        let mut files = BTreeMap::new();
        let mut add = |name: String, bytes: Bytes| {
            let hash = Sha256::digest(&bytes);
            let tag: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            if let Ok(etag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
                files.insert(name, File { bytes, etag });
            }
        };
        match dir {
            Some(dir) => {
                let mut left = MAX_FILES;
                read(dir, dir, &mut left, &mut add).map_err(|source| ManagerError::Data {
                    what: "read",
                    path: dir.to_owned(),
                    source,
                })?;
                if !files.contains_key("index.html") {
                    return Err(ManagerError::NoPage { path: dir.to_owned() });
                }
            }
            None => BUILT_IN.iter().for_each(|(name, bytes)| add((*name).to_owned(), Bytes::from_static(bytes))),
        }
        Ok(Self { files })
    }

    fn answer(&self, request: &Request) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let detail = "files can be read only";
            return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Wrong method", detail).into_response();
        }
        let path = request.uri().path().trim_start_matches('/');
        if path == "api" || path.starts_with("api/") {
            return Problem::not_found("call", path).into_response();
        }
        // Names of nodes and rules in routes have dots, too.
        let first = path.split('/').next().unwrap_or_default();
        let is_file = first == "assets" || first.contains('.') || first.to_ascii_lowercase().contains("%2e");
        let is_route = !is_file;
        let name = if self.files.contains_key(path) || !is_route { path } else { "index.html" };
        let Some(file) = self.files.get(name) else {
            return match is_route {
                true => html(NO_PAGE),
                false => Problem::not_found("file", path).into_response(),
            };
        };
        self.file(name, file, request.headers())
    }

    fn file(&self, name: &str, file: &File, asked: &HeaderMap) -> Response {
        let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let takes = |coding: &str| {
            accepted.split(',').any(|item| {
                let (word, rest) = item.split_once(';').unwrap_or((item, ""));
                word.trim().eq_ignore_ascii_case(coding) && !matches!(rest.trim(), "q=0" | "q=0.0")
            })
        };
        let packed = [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(coding, end)| {
            let file = takes(coding).then(|| self.files.get(&format!("{name}{end}"))).flatten()?;
            Some((coding, file))
        });
        let (coding, file) = packed.map_or((None, file), |(coding, file)| (Some(coding), file));
        let known = asked.get(header::IF_NONE_MATCH).is_some_and(|etag| *etag == file.etag);
        let mut response = match known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => Response::new(Body::from(file.bytes.clone())),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
        headers.insert(header::ETAG, file.etag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        let keep = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        response
    }
}

fn read(root: &Path, dir: &Path, left: &mut usize, add: &mut impl FnMut(String, Bytes)) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let about = path.symlink_metadata()?;
        if about.is_dir() {
            read(root, &path, left, add)?;
        } else if about.is_file() && about.len() <= MAX_FILE && *left > 0 {
            *left -= 1;
            let bytes = std::fs::read(&path)?;
            if let Ok(name) = path.strip_prefix(root) {
                add(name.display().to_string(), bytes.into());
            }
        }
    }
    Ok(())
}

fn html(text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

pub(crate) fn router(pages: Pages) -> Router<Arc<App>> {
    let pages = Arc::new(pages);
    Router::new().fallback(move |request: Request| {
        let pages = Arc::clone(&pages);
        async move { pages.answer(&request) }
    })
}
