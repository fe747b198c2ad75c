//! Builtin events: what the anomalies of decoder, flows and inspectors mean. Snort's numbers, our words.
//!
//! *How it fits*: the decoder and the inspectors say what their own events mean; those of flows, which
//! are mere numbers there, get their words here.

use tapir_packet::DecodeEvent;
use tapir_protocol::{EventDef, PROTOCOLS};

/// Generator of decode events.
const DECODER: u32 = 116;

/// Everything that can be raised with a gid other than 1, by gid and sid.
pub fn builtin_events() -> Vec<EventDef> {
    let decoder = DecodeEvent::ALL.iter().filter_map(|event| {
        let sid = u32::from(event.0);
        event.description().map(|meaning| EventDef { gid: DECODER, sid, meaning })
    });
    let inspectors = PROTOCOLS.iter().flat_map(|def| def.events).copied();
    let mut all: Vec<EventDef> = decoder.chain(FLOWS.iter().copied()).chain(inspectors).collect();
    all.sort_by_key(|event| (event.gid, event.sid));
    all
}

/// The message of an event.
pub(crate) fn message(gid: u32, sid: u32) -> String {
    match meaning(gid, sid) {
        Some(meaning) => format!("({}) {}", generator(gid), meaning.trim_end_matches('.')),
        None => format!("({}) anomaly {gid}:{sid}", generator(gid)),
    }
}

/// What a generator is called.
pub fn generator(gid: u32) -> &'static str {
    match gid {
        106 => "rpc",
        DECODER => "decoder",
        119 => "http",
        123 => "ip defragmentation",
        124 => "smtp",
        125 => "ftp",
        126 => "telnet",
        129 => "tcp stream",
        131 => "dns",
        133 => "smb and dce/rpc",
        141 => "imap",
        142 => "pop3",
        143 => "gtp",
        144 => "modbus",
        145 => "dnp3",
        148 => "cip",
        149 => "s7commplus",
        151 => "iec104",
        _ => "inspector",
    }
}

pub(crate) fn meaning(gid: u32, sid: u32) -> Option<&'static str> {
    if gid == DECODER {
        return u16::try_from(sid).ok().and_then(|sid| DecodeEvent(sid).description());
    }
    let inspectors = PROTOCOLS.iter().flat_map(|def| def.events);
    FLOWS.iter().chain(inspectors).find(|event| event.gid == gid && event.sid == sid).map(|event| event.meaning)
}

macro_rules! flows {
    ($($gid:literal { $($sid:literal = $meaning:literal;)* })*) => {
        const FLOWS: &[EventDef] = &[$($(EventDef { gid: $gid, sid: $sid, meaning: $meaning },)*)*];
    };
}

flows! {
    123 {
        1 = "fragments of a datagram with different IP options";
        2 = "fragments overlap inconsistently (teardrop)";
        3 = "fragment shorter than a fragment may be";
        4 = "fragment beyond the end of its datagram";
        5 = "fragment without data";
        7 = "fragments make a datagram larger than 65,535 bytes";
        8 = "fragment covered by earlier ones";
        11 = "fragment with a TTL below the minimum";
        12 = "datagram with too many overlapping fragments";
        13 = "tiny fragment";
    }
    129 {
        1 = "SYN on an open connection";
        2 = "data on a SYN";
        3 = "data on a connection that takes none";
        4 = "timestamp outside the window (PAWS)";
        6 = "window larger than allowed";
        7 = "too many overlapping segments";
        8 = "data from the side that sent a reset";
        11 = "data without flags";
        12 = "many small segments in a row";
        13 = "four-way handshake";
        14 = "timestamp is missing";
        15 = "reset outside the window";
        16 = "FIN at an impossible place";
        17 = "acknowledgement at an impossible place";
        18 = "data from the side that received a reset";
        19 = "window was closed";
        20 = "connection without a handshake";
        21 = "too many bytes wait for data in front of them";
        22 = "too many segments wait for data in front of them";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_listed_once_and_its_generator_has_a_name() {
        let all = builtin_events();
        assert!(all.windows(2).all(|pair| (pair[0].gid, pair[0].sid) < (pair[1].gid, pair[1].sid)));
        for event in &all {
            assert_ne!(generator(event.gid), "inspector", "{event:?}");
            assert_eq!(meaning(event.gid, event.sid), Some(event.meaning));
        }
    }

    #[test]
    fn messages_name_the_generator() {
        assert_eq!(message(116, 420), "(decoder) TCP SYN with FIN");
        assert_eq!(message(116, 9999), "(decoder) anomaly 116:9999");
    }
}
