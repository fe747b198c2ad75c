//! The protocol's primitive types: big-endian numbers, strings and byte strings with a length in front, arrays with a count.
//!
//! Source: "Kafka protocol guide", section Protocol Primitive Types; variable-length numbers as Protocol Buffers have them (zig-zag).
//! Only the older, fixed forms: the versions of messages that this sink speaks have no compact types and no tagged fields.
//!
//! *Limits*: a count is believed only as far as there are bytes for it, so nothing is allocated on a peer's word alone.

/// An answer that ends early, or has a length that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its answer cannot be read")]
pub(super) struct Malformed;

pub(super) type Read<T> = Result<T, Malformed>;

/// An answer, read from the front.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn i8(&mut self) -> Read<i8> {
        self.array().map(i8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Read<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Read<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Read<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// Text, or nothing. What is no UTF-8 is replaced: it is for people.
    pub(super) fn nullable_string(&mut self) -> Read<Option<String>> {
        match self.i16()? {
            -1 => Ok(None),
            length => {
                let bytes = self.take(usize::try_from(length).map_err(|_| Malformed)?)?;
                Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
    }

    /// Text that must be there.
    pub(super) fn string(&mut self) -> Read<String> {
        self.nullable_string()?.ok_or(Malformed)
    }

    /// Bytes; none is as good as empty.
    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        match self.i32()? {
            -1 => Ok(&[]),
            length => self.take(usize::try_from(length).map_err(|_| Malformed)?),
        }
    }

    /// Items of an array, each of one byte at least; none is as good as empty.
    pub(super) fn items<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = match self.i32()? {
            -1 => 0,
            count => usize::try_from(count).map_err(|_| Malformed)?,
        };
        if count > self.rest.len() {
            return Err(Malformed);
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }
}

/// A request that is being written.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn i8(&mut self, value: i8) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i16(&mut self, value: i16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Text. The names that are sent are checked to be far below the 32 KiB that there is room for.
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
        let kept = text.as_bytes().get(..usize::from(length.unsigned_abs())).unwrap_or_default();
        self.i16(length).raw(kept)
    }

    pub(super) fn null_string(&mut self) -> &mut Self {
        self.i16(-1)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    /// The number of what follows. A request is far below 2 GiB.
    pub(super) fn count(&mut self, count: usize) -> &mut Self {
        self.i32(i32::try_from(count).unwrap_or(i32::MAX))
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A signed number in as many bytes as it needs, 10 at most.
    pub(super) fn varint(&mut self, value: i64) -> &mut Self {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest > 0x7F {
            self.bytes.push((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
        self
    }

    /// A length as a variable number, then the bytes.
    pub(super) fn varbytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.varint(i64::try_from(bytes.len()).unwrap_or(i64::MAX)).raw(bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = Writer::default();
        writer.i8(-3).i16(300).i32(-70_000).i64(1 << 40).string("topic").null_string().bytes(b"xyz");
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(
            (reader.i8(), reader.i16(), reader.i32(), reader.i64()),
            (Ok(-3), Ok(300), Ok(-70_000), Ok(1 << 40))
        );
        assert_eq!((reader.string(), reader.nullable_string()), (Ok("topic".into()), Ok(None)));
        assert_eq!((reader.bytes(), reader.i8()), (Ok(b"xyz".as_slice()), Err(Malformed)));
    }

    #[test]
    fn a_count_without_bytes_is_not_believed() {
        for bytes in [[0x7F, 0xFF, 0xFF, 0xFF, 1], [0xFF, 0xFF, 0xFF, 0xFE, 1]] {
            assert_eq!(Reader::new(&bytes).items(Reader::i8), Err(Malformed));
            assert_eq!(Reader::new(&bytes).bytes(), Err(Malformed));
        }
        assert_eq!(Reader::new(&[0xFF; 4]).items(Reader::i8), Ok(Vec::new()));
        assert_eq!(Reader::new(&[0, 0, 0, 2, 5, 6]).items(Reader::i8), Ok(vec![5, 6]));
    }

    /// From the description of Protocol Buffers' signed numbers.
    #[test]
    fn variable_numbers_are_zig_zag() {
        for (value, bytes) in [
            (0, [0x00].as_slice()),
            (-1, &[0x01]),
            (1, &[0x02]),
            (-64, &[0x7F]),
            (64, &[0x80, 0x01]),
            (i64::MIN, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        ] {
            let mut writer = Writer::default();
            writer.varint(value);
            assert_eq!(writer.finish(), bytes, "{value}");
        }
    }
}
