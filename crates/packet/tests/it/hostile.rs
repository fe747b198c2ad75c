//! Hostile bytes: nothing panics, every slice lies within the frame, cuts at every length are handled.

use crate::build::*;
use proptest::prelude::*;
use tapir_packet::{LinkType, MAX_IP_LAYERS, Packet, fuzz_decode};

fn within(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty()
        || whole.as_ptr_range().start <= part.as_ptr() && part.as_ptr_range().end <= whole.as_ptr_range().end
}

fn check(packet: &Packet<'_>, data: &[u8]) {
    assert!(packet.ip_layers <= MAX_IP_LAYERS);
    assert!(within(packet.payload, data));
    for layer in packet.ip.iter().flatten() {
        assert!([layer.header, layer.options, layer.payload].iter().all(|part| within(part, data)));
    }
    if packet.broken {
        assert!(packet.ports().is_none());
    }
}

/// Packets with many layers, so that random changes reach deep.
fn samples() -> Vec<Vec<u8>> {
    let inner = ipv4_with(6, &[148, 4, 0, 0], 0x4000, &tcp(0x18, &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], b"payload"));
    let chain = join(&[&[43, 0, 1, 4, 0, 0, 0, 0], &[60, 0, 0, 0, 0, 0, 0, 0], &[6, 0, 1, 4, 0, 0, 0, 0]]);
    let v6 = ipv6(0, &join(&[&chain, &tcp(0x02, &[2, 4, 5, 0xb4], b"")]));
    let vxlan = udp(9, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0800, &inner)]));
    vec![
        ethernet(0x0800, &inner),
        ethernet(0x86dd, &v6),
        ethernet(0x88a8, &join(&[&[0, 1, 0x81, 0, 0, 2, 0x88, 0x47, 0, 6, 0x41, 64], &inner])),
        ethernet(0x0800, &ipv4(17, &vxlan)),
        ethernet(0x0800, &ipv4(47, &join(&[&[0xb0, 0, 0x65, 0x58], &[0; 12], &ethernet(0x86dd, &v6)]))),
        ethernet(0x0800, &ipv4(41, &v6)),
        ethernet(0x86dd, &ipv6(58, &join(&[&[1, 0, 0, 0, 0, 0, 0, 0], &v6]))),
        ethernet(0x0800, &ipv4(1, &join(&[&[3, 1, 0, 0, 0, 0, 0, 0], &inner]))),
        ethernet(
            0x0800,
            &ipv4(17, &udp(9, 2152, &join(&[&[0x34, 255, 0, 69, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0], &inner]))),
        ),
        ethernet(0x8864, &join(&[&[0x11, 0, 0, 1, 0, 40, 0, 0x21], &inner])),
    ]
}

#[test]
fn packets_cut_at_any_length_are_decoded_as_far_as_they_go() {
    for sample in samples() {
        assert!(!ethernet_packet(&sample).broken);
        for cut in 0..sample.len() {
            let data = &sample[..cut];
            check(&ethernet_packet(data), data);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_decode(&data);
    }

    #[test]
    fn arbitrary_ip_headers_never_panic(version in prop::sample::select(vec![0x45u8, 0x46, 0x4f, 0x60]), rest in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_decode(&join(&[&[version], &rest]));
        let data = ethernet(if version == 0x60 { 0x86dd } else { 0x0800 }, &join(&[&[version], &rest]));
        fuzz_decode(&data);
        check(&ethernet_packet(&data), &data);
    }

    #[test]
    fn changed_bytes_never_panic(
        which in 0usize..10,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        link in prop::sample::select(LinkType::DECODED.to_vec()),
    ) {
        let mut data = samples().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(data.len());
            data[at] = value;
        }
        fuzz_decode(&data);
        check(&ethernet_packet(&data), &data);
        check(&decoded(&data, link), &data);
    }
}
