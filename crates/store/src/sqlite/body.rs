//! Bodies: the documents as they came, compressed.
//!
//! Form: one byte, then the rest. 0: as it is. 1: a zstd frame. 2 and more: a zstd frame with the dictionary of that
//! number (table `meta`, `dictionary/N`). A dictionary is trained on documents of the store, which have most of their text
//! in common: it has their common pieces and the tables of the entropy coder, so that a frame needs none of its own (RFC
//! 8878 section 5). Where there are too few documents to train on it is some of them one behind the other, used as they are.

use crate::MAX_EVENT;
use std::collections::BTreeMap;

/// Compression level: see `docs/decisions/0010-event-store.md`; higher ones cost more than they save.
const LEVEL: i32 = 1;

/// Size of a dictionary: of 32 KiB the frames are 1 % smaller, and the tables of half leave the processor's cache.
const DICTIONARY: usize = 16 << 10;

/// A dictionary of documents.
pub(super) fn dictionary(documents: &[Vec<u8>]) -> Vec<u8> {
    zstd::dict::from_samples(documents, DICTIONARY).unwrap_or_else(|_| {
        let mut raw = documents.concat();
        raw.truncate(DICTIONARY);
        raw
    })
}

/// Compresses.
pub(super) struct Packer {
    number: u8,
    compressor: Option<zstd::bulk::Compressor<'static>>,
}

impl Packer {
    /// With a dictionary, or without.
    pub(super) fn new(dictionary: Option<(u8, &[u8])>) -> Self {
        let (number, compressor) = match dictionary {
            None => (1, zstd::bulk::Compressor::new(LEVEL)),
            Some((number, bytes)) => (number, zstd::bulk::Compressor::with_dictionary(LEVEL, bytes)),
        };
        Self { number, compressor: compressor.ok() }
    }

    /// The body of a document.
    pub(super) fn pack(&mut self, document: &[u8]) -> Vec<u8> {
        let compressed = self.compressor.as_mut().and_then(|compressor| compressor.compress(document).ok());
        let (number, bytes) = match &compressed {
            Some(bytes) if bytes.len() < document.len() => (self.number, bytes.as_slice()),
            _ => (0, document),
        };
        let mut body = Vec::with_capacity(bytes.len() + 1);
        body.push(number);
        body.extend_from_slice(bytes);
        body
    }
}

/// Decompresses.
#[derive(Default)]
pub(super) struct Opener {
    plain: Option<zstd::bulk::Decompressor<'static>>,
    with: BTreeMap<u8, zstd::bulk::Decompressor<'static>>,
}

impl Opener {
    /// Learns a dictionary.
    pub(super) fn add(&mut self, number: u8, bytes: Vec<u8>) {
        if let Ok(decompressor) = zstd::bulk::Decompressor::with_dictionary(&bytes) {
            self.with.insert(number, decompressor);
        }
    }

    /// The document of a body.
    pub(super) fn open(&mut self, body: &[u8]) -> Result<Vec<u8>, String> {
        let (number, bytes) = body.split_first().ok_or("an empty body")?;
        let decompressor = match number {
            0 => return Ok(bytes.to_vec()),
            1 => {
                if self.plain.is_none() {
                    self.plain = zstd::bulk::Decompressor::new().ok();
                }
                self.plain.as_mut()
            }
            number => self.with.get_mut(number),
        };
        let decompressor = decompressor.ok_or_else(|| format!("no dictionary {number}"))?;
        let size = zstd::bulk::Decompressor::upper_bound(bytes).unwrap_or(MAX_EVENT).min(MAX_EVENT);
        decompressor.decompress(bytes, size).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_trained_where_there_is_enough_to_learn() {
        let document = |at: usize| {
            let id = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!(
                r#"{{"id":"node-{at}","rule":{{"sid":{},"msg":"attempt"}},"uri":"/item?session={id:016x}"}}"#,
                at % 7
            )
        };
        let many: Vec<Vec<u8>> = (0..2_000).map(|at| document(at).into_bytes()).collect();
        let trained = dictionary(&many);
        assert_eq!(trained.get(..4), Some(&[0x37, 0xa4, 0x30, 0xec][..]), "magic number of RFC 8878");
        let few = dictionary(&many[..2]);
        assert_eq!(few, many[..2].concat());
        let size = |dictionary: &[u8]| Packer::new(Some((2, dictionary))).pack(document(9_999).as_bytes()).len();
        assert!(size(&trained) <= size(&few));
    }

    #[test]
    fn bodies_come_back_byte_for_byte() {
        let dictionary =
            br#"{"rule":{"gid":1,"sid":1122,"msg":"SERVER-WEBAPP /etc/passwd file access attempt"}}"#.repeat(3);
        let mut opener = Opener::default();
        opener.add(2, dictionary.clone());
        for mut packer in [Packer::new(None), Packer::new(Some((2, &dictionary)))] {
            for document in [&b""[..], b"{}", &dictionary, &[0xff, 0, 1], &vec![b'x'; MAX_EVENT]] {
                let body = packer.pack(document);
                assert_eq!(opener.open(&body).as_deref(), Ok(document));
            }
        }
        assert!(opener.open(&[]).is_err() && opener.open(&[9, 1]).is_err() && opener.open(&[1, 2, 3]).is_err());
    }
}
