//! Requests and their answers: six of them, each in one or two versions, so that any broker from Kafka 2.1 on is understood and none
//! of the compact forms of later versions is needed.
//!
//! Source: "Kafka protocol guide", section The Messages. Kafka 4 dropped older versions (KIP-896) and kept these.

use super::wire::{Malformed, Read, Reader, Writer};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Produce,
    Metadata,
    SaslHandshake,
    Versions,
    InitProducerId,
    SaslAuthenticate,
}

impl Api {
    fn key(self) -> i16 {
        match self {
            Self::Produce => 0,
            Self::Metadata => 3,
            Self::SaslHandshake => 17,
            Self::Versions => 18,
            Self::InitProducerId => 22,
            Self::SaslAuthenticate => 36,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Produce => "Produce",
            Self::Metadata => "Metadata",
            Self::SaslHandshake => "SaslHandshake",
            Self::Versions => "ApiVersions",
            Self::InitProducerId => "InitProducerId",
            Self::SaslAuthenticate => "SaslAuthenticate",
        }
    }

    /// The versions that are spoken here. Produce 7 allows zstd, 8 says which records of a batch were refused.
    fn versions(self) -> (i16, i16) {
        match self {
            Self::Produce => (7, 8),
            Self::Metadata => (4, 4),
            Self::SaslHandshake => (1, 1),
            Self::Versions => (0, 0),
            Self::InitProducerId | Self::SaslAuthenticate => (0, 1),
        }
    }
}

/// A request with its length in front; `body` writes what follows the header (version 1).
pub(super) fn request(
    api: Api,
    version: i16,
    correlation: i32,
    client: &str,
    body: impl FnOnce(&mut Writer),
) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.i32(0).i16(api.key()).i16(version).i32(correlation).string(client);
    body(&mut writer);
    let length = u32::try_from(writer.len().saturating_sub(4)).unwrap_or(u32::MAX);
    let mut bytes = writer.finish();
    if let Some(head) = bytes.first_chunk_mut() {
        *head = length.to_be_bytes();
    }
    bytes
}

/// What a broker understands: lowest and highest version of each request by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Versions(Vec<(i16, i16, i16)>);

impl Versions {
    /// The highest version that both sides speak.
    pub(super) fn common(&self, api: Api) -> Option<i16> {
        let (lowest, highest) = api.versions();
        let (_, from, to) = self.0.iter().find(|(key, _, _)| *key == api.key())?;
        let version = highest.min(*to);
        (version >= lowest && version >= *from).then_some(version)
    }
}

/// The answer to ApiVersions 0: an error code and the versions.
pub(super) fn api_versions(answer: &[u8]) -> Read<(i16, Versions)> {
    let mut reader = Reader::new(answer);
    let error = reader.i16()?;
    Ok((error, Versions(reader.items(|item| Ok((item.i16()?, item.i16()?, item.i16()?)))?)))
}

/// Metadata 4 of one topic, which is not to be made.
pub(super) fn metadata_of(topic: &str) -> impl FnOnce(&mut Writer) {
    move |writer| {
        writer.count(1).string(topic).i8(0);
    }
}

/// A broker as it wants to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broker {
    pub(super) id: i32,
    pub(super) host: String,
    pub(super) port: u16,
}

/// A partition and the broker that takes its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) index: i32,
    /// `None` while there is none.
    pub(super) leader: Option<i32>,
}

/// What a broker knows of its cluster and a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) brokers: Vec<Broker>,
    /// Error code of the topic.
    pub(super) error: i16,
    /// In the order of their numbers.
    pub(super) partitions: Vec<Partition>,
}

/// The answer to Metadata 4, of which only `topic` is kept.
pub(super) fn metadata(answer: &[u8], topic: &str) -> Read<Metadata> {
    let mut reader = Reader::new(answer);
    let _throttled = reader.i32()?;
    let brokers = reader.items(|item| {
        let (id, host, port) = (item.i32()?, item.string()?, item.i32()?);
        let _rack = item.nullable_string()?;
        Ok(Broker { id, host, port: u16::try_from(port).map_err(|_| Malformed)? })
    })?;
    let _cluster = reader.nullable_string()?;
    let _controller = reader.i32()?;
    let topics = reader.items(|item| {
        let (error, name, _internal) = (item.i16()?, item.string()?, item.i8()?);
        let partitions = item.items(|item| {
            let (_error, index, leader) = (item.i16()?, item.i32()?, item.i32()?);
            let _replicas = item.items(Reader::i32)?;
            let _in_sync = item.items(Reader::i32)?;
            Ok(Partition { index, leader: (leader >= 0).then_some(leader) })
        })?;
        Ok((error, name, partitions))
    })?;
    let (error, _, mut partitions) = topics.into_iter().find(|(_, name, _)| name == topic).ok_or(Malformed)?;
    partitions.sort_by_key(|partition| partition.index);
    Ok(Metadata { brokers, error, partitions })
}

/// The answer to InitProducerId 0 and 1: an error code, an id and its epoch.
pub(super) fn producer_id(answer: &[u8]) -> Read<(i16, i64, i16)> {
    let mut reader = Reader::new(answer);
    let _throttled = reader.i32()?;
    Ok((reader.i16()?, reader.i64()?, reader.i16()?))
}

/// InitProducerId for records outside of transactions.
pub(super) fn init_producer_id(writer: &mut Writer) {
    writer.null_string().i32(60_000);
}

/// Produce 7 and 8: one batch for each partition, acknowledged by all replicas that are in sync.
pub(super) fn produce(topic: &str, patience_ms: i32, batches: &[(i32, Vec<u8>)]) -> impl FnOnce(&mut Writer) {
    move |writer| {
        writer.null_string().i16(-1).i32(patience_ms);
        writer.count(1).string(topic).count(batches.len());
        for (partition, batch) in batches {
            writer.i32(*partition).bytes(batch);
        }
    }
}

/// What became of the batch of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Produced {
    pub(super) partition: i32,
    pub(super) error: i16,
    /// Refused records by their place in the batch, if the broker says.
    pub(super) refused: Vec<(i32, Option<String>)>,
    pub(super) message: Option<String>,
}

/// The answer to Produce 7 and 8, of which only `topic` is kept, and for how many milliseconds the broker wants to be left alone.
pub(super) fn produced(answer: &[u8], version: i16, topic: &str) -> Read<(Vec<Produced>, i32)> {
    let mut reader = Reader::new(answer);
    let topics = reader.items(|item| {
        let name = item.string()?;
        let partitions = item.items(|item| {
            let (partition, error) = (item.i32()?, item.i16()?);
            let _offset = item.i64()?;
            let _append_time = item.i64()?;
            let _log_start = item.i64()?;
            let (mut refused, mut message) = (Vec::new(), None);
            if version >= 8 {
                refused = item.items(|item| Ok((item.i32()?, item.nullable_string()?)))?;
                message = item.nullable_string()?;
            }
            Ok(Produced { partition, error, refused, message })
        })?;
        Ok((name, partitions))
    })?;
    let throttled = reader.i32()?;
    let ours = topics.into_iter().filter(|(name, _)| name == topic).flat_map(|(_, partitions)| partitions);
    Ok((ours.collect(), throttled))
}

/// The answer to SaslHandshake 1: an error code and the mechanisms that there are.
pub(super) fn sasl_handshake(answer: &[u8]) -> Read<(i16, Vec<String>)> {
    let mut reader = Reader::new(answer);
    Ok((reader.i16()?, reader.items(Reader::string)?))
}

/// A step of the authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SaslStep {
    pub(super) error: i16,
    pub(super) message: Option<String>,
    pub(super) bytes: Vec<u8>,
    /// How long the connection may be used, milliseconds; 0 is for ever.
    pub(super) lifetime_ms: i64,
}

/// The answer to SaslAuthenticate 0 and 1.
pub(super) fn sasl_step(answer: &[u8], version: i16) -> Read<SaslStep> {
    let mut reader = Reader::new(answer);
    let (error, message, bytes) = (reader.i16()?, reader.nullable_string()?, reader.bytes()?.to_vec());
    let lifetime_ms = if version >= 1 { reader.i64()? } else { 0 };
    Ok(SaslStep { error, message, bytes, lifetime_ms })
}

/// Any bytes as any answer: each reader ends, and holds no more than there was. First byte: which answer.
#[doc(hidden)]
pub fn fuzz_kafka(data: &[u8]) {
    let Some((kind, answer)) = data.split_first() else { return };
    match kind % 8 {
        0 => drop(api_versions(answer).map(|(_, versions)| assert!(versions.0.len() * 6 <= answer.len()))),
        1 => {
            if let Ok(metadata) = metadata(answer, "t") {
                assert!(metadata.partitions.len() * 18 <= answer.len());
                assert!(metadata.brokers.len() * 12 <= answer.len());
                assert!(metadata.partitions.is_sorted_by_key(|partition| partition.index));
            }
        }
        2 | 3 => {
            let version = if kind % 8 == 2 { 7 } else { 8 };
            if let Ok((partitions, _)) = produced(answer, version, "t") {
                assert!(partitions.len() * 30 <= answer.len());
            }
        }
        4 => drop(producer_id(answer)),
        5 => drop(sasl_handshake(answer)),
        6 => drop(sasl_step(answer, 1).map(|step| assert!(step.bytes.len() <= answer.len()))),
        _ => super::scram::fuzz_challenge(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_highest_version_that_both_speak_is_chosen() {
        let of = |from, to| Versions(vec![(3, 0, 13), (0, from, to)]).common(Api::Produce);
        assert_eq!((of(3, 12), of(0, 7), of(0, 6), of(9, 12)), (Some(8), Some(7), None, None));
        assert_eq!(Versions::default().common(Api::Produce), None);
    }

    /// Written by hand after the guide: length, key 3, version 4, correlation 7, client, one topic, no creation.
    #[test]
    fn a_request_has_its_length_and_header_in_front() {
        let bytes = request(Api::Metadata, 4, 7, "me", metadata_of("ab"));
        assert_eq!(bytes, b"\0\0\0\x15\0\x03\0\x04\0\0\0\x07\0\x02me\0\0\0\x01\0\x02ab\0");
    }

    #[test]
    fn metadata_tells_leaders_in_the_order_of_partitions() {
        let mut writer = Writer::default();
        writer.i32(0).count(1).i32(5).string("b.example").i32(9092).null_string().null_string().i32(5).count(1);
        writer.i16(0).string("t").i8(0).count(2);
        writer.i16(5).i32(1).i32(-1).count(1).i32(5).count(0);
        writer.i16(0).i32(0).i32(5).count(1).i32(5).count(1).i32(5);
        let bytes = writer.finish();
        let read = metadata(&bytes, "t").unwrap();
        assert_eq!(read.brokers, [Broker { id: 5, host: "b.example".into(), port: 9092 }]);
        let wanted = [Partition { index: 0, leader: Some(5) }, Partition { index: 1, leader: None }];
        assert_eq!((read.error, read.partitions.as_slice()), (0, wanted.as_slice()));
        assert_eq!(metadata(&bytes, "other"), Err(Malformed));
    }

    #[test]
    fn a_refusal_names_its_records_from_version_8_on() {
        for version in [7, 8] {
            let mut writer = Writer::default();
            writer.count(1).string("t").count(1).i32(2).i16(87).i64(-1).i64(-1).i64(-1);
            if version == 8 {
                writer.count(1).i32(4).string("no key").string("invalid");
            }
            writer.i32(250);
            let (read, throttled) = produced(&writer.finish(), version, "t").unwrap();
            let refused = if version == 8 { vec![(4, Some("no key".into()))] } else { Vec::new() };
            let message = (version == 8).then(|| "invalid".to_owned());
            assert_eq!(read, [Produced { partition: 2, error: 87, refused, message }]);
            assert_eq!(throttled, 250);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz_kafka(&data);
        }
    }
}
