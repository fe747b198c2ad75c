//! Reading fields of an event that another version wrote: what this one does not understand is as if it were missing.
//!
//! *How it fits*: every field of a [`SecurityEvent`](crate::SecurityEvent) but its id, its time and its rule is read by [`field`].
//!
//! *Invariants*: 1. whatever JSON stands in such a field, the event is read; 2. a value is read whole or not at all: an address without
//! its `ip`, five numbers where four are known, a number that is too large give nothing, never a part; 3. of lists and maps the
//! members that are understood stay. The document itself passes through spool and manager as it came.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

/// What can be read leniently: `None` from each form of JSON that it is not written in.
pub(crate) trait Lenient: Sized {
    /// `null`.
    fn null() -> Option<Self> {
        None
    }
    fn truth(_: bool) -> Option<Self> {
        None
    }
    /// A number without sign or fraction.
    fn number(_: u64) -> Option<Self> {
        None
    }
    fn text(_: &str) -> Option<Self> {
        None
    }
    /// Must read to the end of the list.
    fn list<'de, A: SeqAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
        drain(members)?;
        Ok(None)
    }
    /// Must read to the end of the map.
    fn map<'de, A: MapAccess<'de>>(mut members: A) -> Result<Option<Self>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// `#[serde(deserialize_with = "lenient::field")]`: the default for what is not understood.
pub(crate) fn field<'de, D: Deserializer<'de>, T: Lenient + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Maybe::deserialize(deserializer)?.0.unwrap_or_default())
}

/// A value, if it was understood.
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<'de, T: Lenient> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Lenient> Visitor<'de> for Reader<T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }
            fn visit_unit<E>(self) -> Result<Option<T>, E> {
                Ok(T::null())
            }
            fn visit_bool<E>(self, value: bool) -> Result<Option<T>, E> {
                Ok(T::truth(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Option<T>, E> {
                Ok(T::number(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Option<T>, E> {
                Ok(u64::try_from(value).ok().and_then(T::number))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Option<T>, E> {
                Ok(None)
            }
            fn visit_str<E>(self, value: &str) -> Result<Option<T>, E> {
                Ok(T::text(value))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, members: A) -> Result<Option<T>, A::Error> {
                T::list(members)
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Option<T>, A::Error> {
                T::map(members)
            }
        }
        deserializer.deserialize_any(Reader(PhantomData)).map(Self)
    }
}

/// Reads what is left of a list; how many members that were.
fn drain<'de, A: SeqAccess<'de>>(mut members: A) -> Result<usize, A::Error> {
    let mut count = 0;
    while members.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// A structure whose own fields are all lenient.
pub(crate) fn structure<'de, T: Deserialize<'de>, A: MapAccess<'de>>(members: A) -> Result<Option<T>, A::Error> {
    T::deserialize(MapAccessDeserializer::new(members)).map(Some)
}

/// Structures that need no field.
macro_rules! structures {
    ($($name:ty),* $(,)?) => {$(
        impl Lenient for $name {
            fn map<'de, A: MapAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
                structure(members)
            }
        }
    )*};
}

structures!(
    crate::Evidence,
    crate::EvidenceBuffer,
    crate::EvidenceHit,
    crate::EvidencePacket,
    crate::Session,
    crate::WireHeaders,
    crate::Workload,
    crate::session::Dns,
    crate::session::Http,
    crate::session::Tls,
);

macro_rules! numbers {
    ($($name:ty),*) => {$(
        impl Lenient for $name {
            fn number(value: u64) -> Option<Self> {
                value.try_into().ok()
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

macro_rules! texts {
    ($($name:ty),*) => {$(
        impl Lenient for $name {
            fn text(value: &str) -> Option<Self> {
                Some(value.to_owned().into())
            }
        }
    )*};
}

texts!(String, Cow<'static, str>, Arc<str>);

impl Lenient for bool {
    fn truth(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Lenient for IpAddr {
    fn text(value: &str) -> Option<Self> {
        value.parse().ok()
    }
}

impl<T: Lenient> Lenient for Option<T> {
    fn null() -> Option<Self> {
        Some(None)
    }
    fn truth(value: bool) -> Option<Self> {
        T::truth(value).map(Some)
    }
    fn number(value: u64) -> Option<Self> {
        T::number(value).map(Some)
    }
    fn text(value: &str) -> Option<Self> {
        T::text(value).map(Some)
    }
    fn list<'de, A: SeqAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
        Ok(T::list(members)?.map(Some))
    }
    fn map<'de, A: MapAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
        Ok(T::map(members)?.map(Some))
    }
}

impl<T: Lenient> Lenient for Vec<T> {
    fn list<'de, A: SeqAccess<'de>>(mut members: A) -> Result<Option<Self>, A::Error> {
        let mut found = Self::new();
        while let Some(Maybe(member)) = members.next_element()? {
            found.extend(member);
        }
        Ok(Some(found))
    }
}

impl<T: Lenient> Lenient for BTreeMap<String, T> {
    fn map<'de, A: MapAccess<'de>>(mut members: A) -> Result<Option<Self>, A::Error> {
        let mut found = Self::new();
        while let Some((name, Maybe(member))) = members.next_entry::<String, Maybe<T>>()? {
            found.extend(member.map(|member| (name, member)));
        }
        Ok(Some(found))
    }
}

impl<T: Lenient, const N: usize> Lenient for [T; N] {
    fn list<'de, A: SeqAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
        struct Counted<T>(Vec<T>, usize);
        let mut found = Counted(Vec::with_capacity(N), 0);
        let mut members = members;
        while let Some(Maybe(member)) = members.next_element()? {
            found.1 += 1;
            if found.1 <= N {
                found.0.extend(member);
            }
        }
        Ok(if found.1 == N { found.0.try_into().ok() } else { None })
    }
}

/// Members of one list, each of its own type; a list of another length is another thing.
macro_rules! tuples {
    ($(($($name:ident $place:ident),*)),*) => {$(
        impl<$($name: Lenient),*> Lenient for ($($name,)*) {
            fn list<'de, Members: SeqAccess<'de>>(mut members: Members) -> Result<Option<Self>, Members::Error> {
                $(let $place: Option<$name> = members.next_element::<Maybe<$name>>()?.and_then(|member| member.0);)*
                let is_longer = drain(members)? > 0;
                Ok(match ($($place,)*) {
                    ($(Some($place),)*) if !is_longer => Some(($($place,)*)),
                    _ => None,
                })
            }
        }
    )*};
}

tuples!((A a, B b, C c), (A a, B b, C c, D d), (A a, B b, C c, D d, E e));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SecurityEvent, testing};
    use serde_json::{Value, json};

    fn read<T: Lenient>(value: &Value) -> Option<T> {
        serde_json::from_str::<Maybe<T>>(&value.to_string()).expect("any JSON is read").0
    }

    #[test]
    fn values_are_read_whole_or_not_at_all() {
        assert_eq!(read::<u8>(&json!(255)), Some(255));
        for other in [json!(256), json!(-1), json!(1.5), json!("1"), json!(null), json!([1]), json!({ "a": 1 })] {
            assert_eq!(read::<u8>(&other), None, "{other}");
        }
        type Tcp = (u32, u32, u16, u8, u8);
        assert_eq!(read::<Tcp>(&json!([1, 2, 3, 4, 5])), Some((1, 2, 3, 4, 5)));
        for other in [json!([1, 2, 3, 4]), json!([1, 2, 3, 4, 5, 6]), json!([1, 2, 3, 4, 500]), json!([]), json!(1)] {
            assert_eq!(read::<Tcp>(&other), None, "{other}");
        }
        assert_eq!(read::<[u64; 2]>(&json!([1, 2])), Some([1, 2]));
        for other in [json!([1]), json!([1, 2, 3]), json!([1, "2"]), json!([1, 2, "x"])] {
            assert_eq!(read::<[u64; 2]>(&other), None, "{other}");
        }
        assert_eq!(read::<Option<u16>>(&json!(null)), Some(None));
    }

    #[test]
    fn of_lists_and_maps_the_members_that_are_understood_stay() {
        assert_eq!(read::<Vec<u8>>(&json!([1, "x", 300, [2], 4])), Some(vec![1, 4]));
        let labels: BTreeMap<String, String> = read(&json!({ "app": "a", "n": 1, "o": { "p": [] } })).expect("a map");
        assert_eq!(labels, [("app".to_owned(), "a".to_owned())].into());
    }

    /// Everything in it, also what one event alone never has.
    fn full() -> SecurityEvent {
        let mut event = testing::event();
        event.client = event.server.clone();
        event.wire = crate::WireHeaders {
            ethernet: Some(([1; 6], [2; 6], 0x0800)),
            vlan: 7,
            ttl: Some(64),
            tos: Some(1),
            ip_id: Some(2),
            ip_len: Some(3),
            tcp: Some((1, 2, 3, 4, 5)),
            icmp: Some((8, 0, Some(1), Some(2))),
            udp_len: Some(9),
        };
        if let Some(http) = &mut event.session.http {
            http.referer = Some("r".into());
            http.content_type = Some("text/html".into());
            http.status = Some(200);
        }
        let dns = crate::session::Dns { name: Some("n".into()), kind: Some(1), id: 2, rcode: Some(3) };
        event.session.dns = Some(dns);
        event.session.tls = Some(crate::session::Tls { sni: Some("s".into()), version: Some("TLS 1.2".into()) });
        if let Some(evidence) = &mut event.evidence {
            evidence.packet = vec![1, 2];
            evidence.packets = vec![crate::EvidencePacket { bytes: vec![3], ..Default::default() }];
        }
        event.suppressed_by = Some("x".into());
        event
    }

    /// JSON pointers of all members and of what they contain.
    fn places(value: &Value, at: &str, out: &mut Vec<String>) {
        let members: Vec<(String, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (name, value) in members {
            let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            out.push(place.clone());
            places(value, &place, out);
        }
    }

    #[test]
    fn whatever_a_newer_agent_writes_the_event_is_read() {
        let event = full();
        let document = serde_json::to_value(&event).expect("json");
        assert_eq!(serde_json::from_value::<SecurityEvent>(document.clone()).expect("event"), event);
        let mut all = Vec::new();
        places(&document, "", &mut all);
        // Without these it would be no event; they are the only exceptions.
        let is_strict =
            |place: &str| place == "/id" || place == "/time" || place.starts_with("/rule/") || place == "/rule";
        let (strict, lenient): (Vec<&String>, Vec<&String>) = all.iter().partition(|place| is_strict(place));
        assert!(strict.len() > 20 && lenient.len() > 90, "{} {}", strict.len(), lenient.len());
        for place in lenient {
            for other in [
                json!("from_the_future"),
                json!(""),
                json!(-1),
                json!(1.5),
                json!(u64::MAX),
                json!(true),
                json!(null),
                json!([]),
                json!([[1], {}, "x", null]),
                json!({ "kind": { "of": ["another", 1] } }),
            ] {
                let mut changed = document.clone();
                *changed.pointer_mut(place).expect("a place") = other.clone();
                let read = serde_json::from_str::<SecurityEvent>(&changed.to_string());
                let read = read.unwrap_or_else(|error| panic!("{place} = {other}: {error}"));
                assert_eq!((read.id, read.time, read.rule), (event.id.clone(), event.time, event.rule.clone()));
            }
        }
    }

    #[test]
    fn what_names_the_event_is_not_guessed() {
        let document = serde_json::to_value(full()).expect("json");
        for place in ["/id", "/time", "/rule/sid", "/rule"] {
            let mut changed = document.clone();
            *changed.pointer_mut(place).expect("a place") = json!(["x"]);
            assert!(serde_json::from_value::<SecurityEvent>(changed).is_err(), "{place}");
        }
    }
}
