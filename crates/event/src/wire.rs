//! Values that JSON has no type for: bytes as base64 (RFC 4648 section 4), 64 bits as hexadecimal.

/// `serialize_with` and `deserialize_with` for `Vec<u8>`.
pub(crate) mod base64 {
    use crate::lenient::{Lenient, Maybe};
    use ::base64::Engine;
    use ::base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// No bytes, where there is other text or something else.
    pub(crate) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes(Vec<u8>);
        impl Lenient for Bytes {
            fn text(value: &str) -> Option<Self> {
                STANDARD.decode(value.as_bytes()).ok().map(Self)
            }
        }
        Ok(Maybe::<Bytes>::deserialize(deserializer)?.0.map_or_else(Vec::new, |bytes| bytes.0))
    }
}

/// `serialize_with` and `deserialize_with` for `u64`: JSON numbers lose digits beyond 2^53 in many readers.
pub(crate) mod hex64 {
    use crate::lenient::{Lenient, Maybe};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:016x}"))
    }

    /// 0, where there is other text or something else.
    pub(crate) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        struct Hex(u64);
        impl Lenient for Hex {
            fn text(value: &str) -> Option<Self> {
                u64::from_str_radix(value, 16).ok().map(Self)
            }
        }
        Ok(Maybe::<Hex>::deserialize(deserializer)?.0.map_or(0, |hex| hex.0))
    }
}
