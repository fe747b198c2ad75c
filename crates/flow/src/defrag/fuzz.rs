//! Fuzz entry: any sequence of fragments, with the results checked.

use super::{DefragConfig, Defragmenter, FragmentPolicy};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tapir_packet::{
    DecodeEvents, Fragment, Frame, FrameMeta, IpLayer, LinkType, MAX_IP_LAYERS, Packet, Timestamp, Transport,
};
use tapir_telemetry::Counters;

/// Reads `data` as a script of fragments: offset, flags, header length and payload length of each.
#[doc(hidden)]
pub fn fuzz_defrag(data: &[u8]) {
    let Some((&[policy, limits], mut script)) = data.split_first_chunk() else { return };
    let all = FragmentPolicy::ALL;
    let policy = all.get(usize::from(policy) % all.len()).map(|(_, policy)| *policy).unwrap_or_default();
    let mut config = DefragConfig { policy, max_overlaps: u32::from(limits >> 4), ..DefragConfig::default() };
    if limits & 1 != 0 {
        (config.max_datagrams, config.max_bytes, config.max_pieces) = (2, 2000, 5);
    }
    let (max_datagrams, max_bytes) = (config.max_datagrams, config.max_bytes);
    let mut defragmenter = Defragmenter::new(config);
    let mut counters = Counters::default();
    let mut now = 0;
    while let Some((&[high, low, flags, header, len], rest)) = script.split_first_chunk() {
        let (header, rest) = rest.split_at_checked(usize::from(header & 0x7f)).unwrap_or((rest, &[]));
        let (payload, rest) = rest.split_at_checked(usize::from(len)).unwrap_or((rest, &[]));
        script = rest;
        now += i64::from(flags >> 4) << 30;
        let units = if flags & 8 != 0 { (u32::from(high & 0x1f) << 8) | u32::from(low) } else { u32::from(low & 7) };
        let fragment = Fragment { offset: units * 8, more: flags & 1 != 0, ..Fragment::default() };
        let packet = packet(flags & 2 == 0, u32::from(flags & 4), fragment, header, payload, Timestamp(now));
        if let Some(datagram) = defragmenter.push(&packet, 0, &mut counters, &mut |_| {}) {
            assert!(!datagram.is_empty() && datagram.len() <= 65_535 + 40);
        }
        assert!(defragmenter.len() <= max_datagrams);
        assert!(defragmenter.footprint() <= max_bytes);
    }
}

fn packet<'a>(
    v4: bool,
    id: u32,
    fragment: Fragment,
    header: &'a [u8],
    payload: &'a [u8],
    timestamp: Timestamp,
) -> Packet<'a> {
    let address: IpAddr = if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let mut ip = [None; MAX_IP_LAYERS];
    ip[0] = Some(IpLayer {
        source: address,
        destination: address,
        protocol: 17,
        ttl: 64,
        tos: 0,
        id,
        fragment,
        header,
        options: header.get(20..).unwrap_or_default(),
        payload,
    });
    let meta = FrameMeta::default();
    Packet {
        frame: Frame { data: &[], timestamp, link: LinkType::RAW, original_len: 0, meta },
        ethernet: None,
        vlan: [None; 2],
        ip,
        ip_layers: 1,
        transport: Transport::None,
        payload: &[],
        defragmented: false,
        events: DecodeEvents::default(),
        broken: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn no_script_breaks_the_limits(data in prop::collection::vec(any::<u8>(), 0..1500)) {
            fuzz_defrag(&data);
        }
    }
}
