//! Record batches, the form in which events lie in a partition (magic 2, KIP-98): a head with a CRC-32C, then the records, compressed
//! together.
//!
//! Source: Kafka's documentation, section Message Format. Compression: gzip (2^0) and zstd (KIP-110); the broker keeps batches as
//! they come, and consumers take them apart.

use super::wire::Writer;
use flate2::write::GzEncoder;
use std::io::Write;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, which every consumer reads.
    #[default]
    Gzip,
    /// Zstandard: smaller and faster; consumers need Kafka 2.1 or newer, too.
    Zstd,
}

impl Compression {
    /// By its name in a configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// zstd's own default: quicker than gzip's quickest, and smaller.
const ZSTD_LEVEL: i32 = 3;
/// No time: the broker does not hold it against its own.
pub(super) const NO_TIME: i64 = -1;

/// One event as it will lie in the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Messages of one key stay in order.
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) headers: Vec<(&'static str, Vec<u8>)>,
}

impl Message {
    /// Bytes in a batch before compression, at most: six numbers of at most ten bytes, and two lengths for each header.
    pub(super) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.len() + headers + 40
    }
}

/// Who numbers the records; without it a repetition is not noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    pub(super) producer: i64,
    pub(super) epoch: i16,
    /// Number of the batch's first record within its partition.
    pub(super) first: i32,
}

impl Numbering {
    /// Nobody does.
    pub(super) const NOBODY: Self = Self { producer: -1, epoch: -1, first: -1 };
}

/// A batch of one message at least; all have the same time, milliseconds since 1970.
pub(super) fn encode<'m>(
    messages: impl Iterator<Item = &'m Message>,
    numbering: Numbering,
    compression: Compression,
    time_ms: i64,
) -> Vec<u8> {
    let mut records = Writer::default();
    let mut count = 0_i32;
    for message in messages {
        let mut record = Writer::default();
        // Attributes, and how much later than the batch: not at all.
        record.i8(0).varint(0).varint(i64::from(count));
        match &message.key {
            Some(key) => record.varbytes(key),
            None => record.varint(-1),
        };
        record.varbytes(&message.value);
        record.varint(i64::try_from(message.headers.len()).unwrap_or(0));
        for (name, value) in &message.headers {
            record.varbytes(name.as_bytes()).varbytes(value);
        }
        records.varbytes(&record.finish());
        count = count.saturating_add(1);
    }
    let (kind, records) = compress(records.finish(), compression);
    // What the checksum covers.
    let mut body = Writer::default();
    body.i16(kind).i32(count.saturating_sub(1)).i64(time_ms).i64(time_ms);
    body.i64(numbering.producer).i16(numbering.epoch).i32(numbering.first);
    body.i32(count).raw(&records);
    let body = body.finish();
    // Leader's epoch, magic and checksum stand before it.
    let mut batch = Writer::default();
    batch.i64(0).count(body.len() + 9).i32(-1).i8(2).u32(crc32c(&body)).raw(&body);
    batch.finish()
}

/// The kind's number and the bytes; as they are where compression fails, which it does not in memory.
fn compress(records: Vec<u8>, compression: Compression) -> (i16, Vec<u8>) {
    let gzip = || {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&records).and_then(|()| encoder.finish())
    };
    let compressed = match compression {
        Compression::None => None,
        Compression::Gzip => gzip().ok().map(|bytes| (1, bytes)),
        Compression::Zstd => zstd::bulk::compress(&records, ZSTD_LEVEL).ok().map(|bytes| (4, bytes)),
    };
    compressed.unwrap_or((0, records))
}

/// CRC-32C (RFC 3720 appendix B.4): polynomial 0x1EDC6F41, reflected.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        let index = usize::from((sum as u8) ^ byte);
        // The index is a byte, and there are 256 entries.
        sum = TABLE.get(index).copied().unwrap_or(0) ^ (sum >> 8);
    }
    !sum
}

const TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = at as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0x82F6_3B78 } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// Bytes of a batch's head.
    const HEAD: usize = 61;

    /// RFC 3720 appendix B.4, and the check value of the catalogue of CRCs.
    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(b""), 0);
    }

    fn message(value: &str) -> Message {
        let headers = vec![("id", b"n-1-2".to_vec())];
        Message { key: Some(b"shop/web".to_vec()), value: value.as_bytes().to_vec(), headers }
    }

    /// Head and record, byte for byte after the documentation.
    #[test]
    fn a_batch_is_as_documented() {
        let message = Message { key: None, value: b"v".to_vec(), headers: vec![("h", b"x".to_vec())] };
        let numbering = Numbering { producer: 9, epoch: 1, first: 3 };
        let batch = encode([message].iter(), numbering, Compression::None, 5);
        // Length, attributes, time, offset, no key, value, one header; zig-zag doubles.
        let record = b"\x16\x00\x00\x00\x01\x02v\x02\x02h\x02x";
        assert_eq!(batch[..8], [0; 8]);
        assert_eq!(batch[8..12], u32::to_be_bytes(49 + record.len() as u32));
        assert_eq!(batch[12..17], [0xFF, 0xFF, 0xFF, 0xFF, 2]);
        assert_eq!(batch[17..21], crc32c(&batch[21..]).to_be_bytes());
        assert_eq!(batch[21..27], [0; 6]);
        assert_eq!(batch[27..43], [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(batch[43..57], [0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 3]);
        assert_eq!(batch[57..HEAD], [0, 0, 0, 1]);
        assert_eq!(batch[HEAD..], *record);
    }

    #[test]
    fn compressed_records_are_the_plain_ones() {
        let messages: Vec<Message> = (0..50).map(|n| message(&"alert ".repeat(n))).collect();
        let plain = encode(messages.iter(), Numbering::NOBODY, Compression::None, 7);
        let bound: usize = messages.iter().map(Message::size).sum();
        assert!(plain.len() <= bound + HEAD, "{} {bound}", plain.len());
        let gzip = encode(messages.iter(), Numbering::NOBODY, Compression::Gzip, 7);
        let zstd = encode(messages.iter(), Numbering::NOBODY, Compression::Zstd, 7);
        assert_eq!((gzip[22], zstd[22]), (1, 4));
        assert!(gzip.len() < plain.len() / 4 && zstd.len() < plain.len() / 4, "{} {}", gzip.len(), zstd.len());
        let mut unzipped = Vec::new();
        flate2::read::GzDecoder::new(&gzip[HEAD..]).read_to_end(&mut unzipped).unwrap();
        assert_eq!(unzipped, plain[HEAD..]);
        assert_eq!(zstd::bulk::decompress(&zstd[HEAD..], 1 << 20).unwrap(), plain[HEAD..]);
    }

    #[test]
    fn a_batch_without_times_has_none() {
        let batch = encode([message("a"), message("b")].iter(), Numbering::NOBODY, Compression::None, NO_TIME);
        assert_eq!(batch[27..43], [0xFF; 16]);
    }
}
