//! Bodies of ingest, unpacked within bounds: a small body cannot become a large one.
//!
//! *Limits*: [`crate::Limits::ingest_plain`] in any case; [`crate::Limits::ingest_ratio`] times the body as sent for
//! bodies that unpack to more than 1 MiB; zstd windows of 8 MiB (RFC 8878 recommends it for decoders of the web).

use crate::config::Limits;
use crate::problem::{Answer, Problem};
use axum::http::StatusCode;
use std::io::Read;

/// What any body may unpack to.
const SMALL: usize = 1 << 20;
const WINDOW_LOG: u32 = 23;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// Of the header `content-encoding`; one coding only.
    pub(super) fn named(header: Option<&str>) -> Answer<Self> {
        match header.map(|name| name.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(Self::Identity),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip),
            Some("zstd") => Ok(Self::Zstd),
            Some(_) => Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Wrong content encoding",
                "send zstd, gzip or identity",
            )),
        }
    }

    /// The body as it was before packing.
    pub(super) fn unpack(self, body: &[u8], limits: &Limits) -> Answer<Vec<u8>> {
        let bad = |error: std::io::Error| Problem::bad_request(format!("the body cannot be unpacked: {error}"));
        let most = limits.ingest_plain.min(body.len().saturating_mul(limits.ingest_ratio).max(SMALL));
        match self {
            Self::Identity if body.len() > limits.ingest_plain => Err(too_large(limits.ingest_plain)),
            Self::Identity => Ok(body.to_vec()),
            Self::Gzip => bounded(flate2::read::MultiGzDecoder::new(body), most),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(bad)?;
                decoder.window_log_max(WINDOW_LOG).map_err(bad)?;
                bounded(decoder, most)
            }
        }
    }
}

fn bounded(packed: impl Read, most: usize) -> Answer<Vec<u8>> {
    let mut plain = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    packed
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|error| Problem::bad_request(format!("the body cannot be unpacked: {error}")))?;
    if plain.len() > most { Err(too_large(most)) } else { Ok(plain) }
}

fn too_large(most: usize) -> Problem {
    Problem::too_large(format!("the body unpacks to more than {most} bytes; send fewer events at once"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_comes_back() {
        let limits = Limits::default();
        let text = b"{\"a\":1}\n{\"b\":2}\n";
        assert_eq!(Coding::Gzip.unpack(&gzip(text), &limits).unwrap(), text);
        assert_eq!(Coding::Zstd.unpack(&zstd::encode_all(&text[..], 3).unwrap(), &limits).unwrap(), text);
        assert_eq!(Coding::Identity.unpack(text, &limits).unwrap(), text);
    }

    #[test]
    fn bombs_and_nonsense_are_refused() {
        let limits = Limits::default();
        let zeros = vec![0; 16 << 20];
        for (coding, packed) in [(Coding::Gzip, gzip(&zeros)), (Coding::Zstd, zstd::encode_all(&zeros[..], 3).unwrap())]
        {
            assert!(packed.len() * limits.ingest_ratio < zeros.len(), "a bomb: {} bytes", packed.len());
            assert_eq!(coding.unpack(&packed, &limits).unwrap_err().status, 413, "{coding:?}");
            let cut = packed.get(..packed.len() / 2).unwrap();
            assert!(coding.unpack(cut, &Limits { ingest_ratio: 1_000_000, ..limits.clone() }).is_err());
            assert_eq!(coding.unpack(b"no such thing", &limits).unwrap_err().status, 400, "{coding:?}");
        }
    }
}
