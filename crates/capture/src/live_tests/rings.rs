//! What a ring delivers.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use tapir_packet::{ChecksumStatus, LinkType};
use tapir_telemetry::{Counter, Counters};

use super::{World, drain, frames_until, holds, in_namespace, index, passes, read_all, ring, send_udp};
use crate::{CaptureError, Instruction, InterfaceWatch, NetworkNamespace, Ring, RingConfig, Source, wait_for_any};

#[test]
fn both_directions_are_seen_and_told_apart() {
    in_namespace("rings::both_directions_are_seen_and_told_apart", |world| {
        let interface = world.pair(1);
        for source in [Source::Interface(interface), Source::Interfaces(vec![interface])] {
            let mut ring = ring(source);
            send_udp("10.77.1.2:9", 1, 300, "from-here");
            world.peer_sends("udp 10.77.1.1:9 1 300 from-peer");
            let (mut here, mut peer) = (0, 0);
            let both = |frame: &tapir_packet::Frame<'_>| {
                // An ICMP error about the closed port would quote the mark.
                let is_udp = frame.data.get(23) == Some(&17);
                if is_udp && (holds(frame, "from-here") || holds(frame, "from-peer")) {
                    assert_eq!(frame.meta.interface, interface);
                    assert_eq!((frame.link, frame.data.len()), (LinkType::ETHERNET, 342));
                    assert_eq!(frame.original_len, 342);
                    assert!(frame.timestamp.secs() > 1_700_000_000);
                    here += usize::from(holds(frame, "from-here") && frame.meta.outgoing);
                    peer += usize::from(holds(frame, "from-peer") && !frame.meta.outgoing);
                }
                here == 1 && peer == 1
            };
            assert!(frames_until(&mut ring, both), "{here} from here, {peer} from the peer");
        }
    });
}

#[test]
fn a_ring_may_be_in_another_namespace() {
    in_namespace("rings::a_ring_may_be_in_another_namespace", |world| {
        world.pair(1);
        let there = NetworkNamespace::open(&world.peer).unwrap();
        let watch = there.within(InterfaceWatch::open).unwrap();
        let interface = watch.index("b1").expect("b1 is there");
        let here = InterfaceWatch::open().unwrap();
        assert_eq!((watch.index("a1"), here.index("b1")), (None, None), "each sees its own");
        let mut ring =
            there.within(|| Ring::open(&RingConfig::default(), Source::Interfaces(vec![interface]))).unwrap();
        send_udp("10.77.1.2:9", 1, 300, "from-here");
        let arrives = |frame: &tapir_packet::Frame<'_>| holds(frame, "from-here") && !frame.meta.outgoing;
        assert!(frames_until(&mut ring, arrives), "what we send arrives there");
    });
}

#[test]
fn one_wait_serves_rings_of_several_namespaces() {
    in_namespace("rings::one_wait_serves_rings_of_several_namespaces", |world| {
        let near = world.pair(1);
        let there = NetworkNamespace::open(&world.peer).unwrap();
        let watch = there.within(InterfaceWatch::open).unwrap();
        let far = watch.index("b1").expect("b1 is there");
        let link = watch.link(far).expect("and known");
        assert_eq!((link.kind.as_deref(), link.lower), (Some("veth"), Some(near)), "{link:?}");
        assert!(link.peer.is_some() && !link.is_loopback && !link.is_port, "{link:?}");
        let mut here = ring(Source::Interfaces(vec![near]));
        let mut inside = there.within(|| Ring::open(&RingConfig::default(), Source::Interfaces(vec![far]))).unwrap();
        send_udp("10.77.1.2:9", 1, 300, "from-here");
        let (mut left, mut arrived) = (false, false);
        let end = Instant::now() + Duration::from_secs(5);
        while !(left && arrived) && Instant::now() < end {
            wait_for_any(&mut [&mut here, &mut inside], Duration::from_millis(50)).unwrap();
            if let Some(block) = here.block_now() {
                left |= block.frames().any(|frame| holds(&frame, "from-here") && frame.meta.outgoing);
            }
            if let Some(block) = inside.block_now() {
                arrived |= block.frames().any(|frame| holds(&frame, "from-here") && !frame.meta.outgoing);
            }
        }
        assert!(left && arrived, "left {left}, arrived {arrived}");
        // Gone interfaces are no error.
        world.ip("link del a1");
        wait_for_any(&mut [&mut here, &mut inside], Duration::from_millis(50)).unwrap();
    });
}

#[test]
fn a_stripped_vlan_tag_is_in_the_metadata() {
    in_namespace("rings::a_stripped_vlan_tag_is_in_the_metadata", |world| {
        let interface = world.pair(1);
        let mut ring = ring(Source::Interface(interface));
        world.peer_sends("tagged b1 tagged-frame");
        let (mut tag, mut data) = (None, Vec::new());
        assert!(frames_until(&mut ring, |frame| {
            (tag, data) = (frame.meta.vlan, frame.data.to_vec());
            holds(frame, "tagged-frame")
        }));
        let tag = tag.expect("a tag");
        assert_eq!((tag.tpid, tag.tci), (0x8100, 0x2007));
        assert_eq!((data.len(), &data[12..14]), (296, &[0x88, 0xB5][..]), "the tag is not in the bytes");
    });
}

#[test]
fn super_frames_arrive_whole_and_without_checksums() {
    in_namespace("rings::super_frames_arrive_whole_and_without_checksums", |world| {
        let interface = world.pair(1);
        let listener = TcpListener::bind("10.77.1.1:7000").unwrap();
        let mut ring = ring(Source::Interface(interface));
        let mut sender = world.peer_command("tcp 10.77.1.1:7000 3000000").spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        let reader = std::thread::spawn(move || read_all(stream));
        let (mut bytes, mut largest, mut bad) = (0usize, 0usize, 0usize);
        let complete = frames_until(&mut ring, |frame| {
            if frame.data.get(23) == Some(&6) && !frame.meta.outgoing {
                bytes += frame.data.iter().filter(|&&byte| byte == b'T').count();
                largest = largest.max(frame.data.len());
                bad += usize::from(frame.meta.checksum != ChecksumStatus::NotReady);
                bad += usize::from(frame.data.len() != frame.original_len as usize);
            }
            bytes >= 3_000_000
        });
        assert!(sender.wait().unwrap().success());
        assert_eq!(reader.join().unwrap(), 3_000_000);
        assert!(complete, "{bytes} bytes captured");
        assert!(largest > 9_000, "largest frame {largest}");
        assert_eq!(bad, 0, "frames cut or with a checksum status other than not ready");
    });
}

#[test]
fn an_interface_that_goes_down_and_up_again_delivers_again() {
    in_namespace("rings::an_interface_that_goes_down_and_up_again_delivers_again", |world| {
        let interface = world.pair(1);
        let mut bound = ring(Source::Interface(interface));
        let mut any = ring(Source::Interfaces(vec![interface]));
        world.ip("link set a1 down");
        drain(&mut bound, |_| ());
        drain(&mut any, |_| ());
        world.ip("link set a1 up");
        // Setting a link down drops its address routes; they come back with it.
        send_udp("10.77.1.2:9", 1, 300, "again");
        assert!(frames_until(&mut bound, |frame| holds(frame, "again")));
        assert!(frames_until(&mut any, |frame| holds(frame, "again")));
        let (mut of_bound, mut of_any) = (Counters::default(), Counters::default());
        bound.count(&mut of_bound).unwrap();
        any.count(&mut of_any).unwrap();
        assert_eq!(of_bound.value(Counter::RingLinkDown), 1);
        assert_eq!(of_any.value(Counter::RingLinkDown), 0);
    });
}

#[test]
fn interfaces_are_added_and_removed_while_the_ring_runs() {
    in_namespace("rings::interfaces_are_added_and_removed_while_the_ring_runs", |world| {
        let (one, two) = (world.pair(1), world.pair(2));
        let mut ring = ring(Source::Interfaces(Vec::new()));
        assert_eq!(seen_after_traffic(&mut ring), [], "nothing is watched yet");
        ring.set_interfaces(&[two, one, two]).unwrap();
        assert_eq!(ring.interfaces(), Some(&[one, two][..]));
        assert_eq!(seen_after_traffic(&mut ring), [one, two]);
        // Frames of an interface that is removed while they lie in the ring are left out.
        send_udp("10.77.1.2:9", 3, 300, "late");
        std::thread::sleep(Duration::from_millis(30));
        ring.set_interfaces(&[two]).unwrap();
        assert_eq!(seen_after_traffic(&mut ring), [two]);
        let mut counters = Counters::default();
        ring.count(&mut counters).unwrap();
        assert!(counters.value(Counter::RingForeign) >= 3, "{}", counters.value(Counter::RingForeign));
        ring.set_interfaces(&[]).unwrap();
        drain(&mut ring, |_| ());
        assert_eq!(seen_after_traffic(&mut ring), []);
    });
}

/// Sends over both pairs; the interfaces whose frames came out.
fn seen_after_traffic(ring: &mut Ring) -> Vec<u32> {
    send_udp("10.77.1.2:9", 2, 300, "one");
    send_udp("10.77.2.2:9", 2, 300, "two");
    let mut seen = Vec::new();
    drain(ring, |frame| seen.push(frame.meta.interface));
    seen.sort_unstable();
    seen.dedup();
    seen
}

#[test]
fn a_hundred_watched_interfaces_and_the_users_filter_work_together() {
    in_namespace("rings::a_hundred_watched_interfaces_and_the_users_filter_work_together", |world| {
        let interface = world.pair(1);
        let mut ring = ring(Source::Interfaces((1..100).map(|i| i * 1000).chain([interface]).collect()));
        // IPv4 and UDP: `udp` of tcpdump on Ethernet.
        let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
        let udp = [
            step(0x28, 0, 0, 12),
            step(0x15, 0, 3, 0x0800),
            step(0x30, 0, 0, 23),
            step(0x15, 0, 1, 17),
            step(0x06, 0, 0, 0x40000),
            step(0x06, 0, 0, 0),
        ];
        ring.set_filter(Some(&udp)).unwrap();
        drain(&mut ring, |_| ());
        send_udp("10.77.1.2:9", 2, 300, "only-udp");
        world.peer_sends("udp 10.77.1.1:9 2 300 only-udp");
        let (mut kept, mut others) = (0, 0);
        drain(&mut ring, |frame| {
            kept += usize::from(holds(frame, "only-udp") && frame.data.get(23) == Some(&17));
            others += usize::from(frame.data.get(23) != Some(&17));
        });
        assert_eq!((kept, others), (4, 0), "ARP, ICMP and IPv6 must not pass");
        ring.set_filter(None).unwrap();
        world.peer_sends("udp 10.77.1.1:9 1 300 port-closed");
        assert!(frames_until(&mut ring, |frame| frame.data.get(23) == Some(&1)), "no ICMP without the filter");
    });
}

#[test]
fn a_tiny_ring_drops_and_counts() {
    in_namespace("rings::a_tiny_ring_drops_and_counts", |world| {
        let interface = world.pair(1);
        let config = RingConfig { block_size: 128 << 10, block_count: 2, retire_after: Duration::from_millis(5) };
        let mut ring = Ring::open(&config, Source::Interface(interface)).unwrap();
        // Once the neighbour is resolved every datagram becomes a frame.
        send_udp("10.77.1.2:9", 1, 300, "warm");
        assert!(frames_until(&mut ring, |frame| holds(frame, "warm")));
        send_udp("10.77.1.2:9", 2000, 1400, "flood");
        let mut held = 0u64;
        drain(&mut ring, |frame| held += u64::from(holds(frame, "flood")));
        let drops = ring.drops().unwrap();
        assert!(drops.dropped > 500 && drops.freezes >= 1, "{drops:?}");
        assert!(held > 0 && drops.received >= held + drops.dropped, "{held} delivered, {drops:?}");
        // Accumulated, and counted once.
        let again = ring.drops().unwrap();
        assert!(again.dropped >= drops.dropped);
        let mut counters = Counters::default();
        ring.count(&mut counters).unwrap();
        let counted = counters.value(Counter::KernelDrops);
        assert!(counted >= drops.dropped);
        ring.count(&mut counters).unwrap();
        assert_eq!(counters.value(Counter::KernelDrops), counted);
    });
}

#[test]
fn what_cannot_be_opened_is_refused_with_a_reason() {
    in_namespace("rings::what_cannot_be_opened_is_refused_with_a_reason", |world: &World| {
        let config = RingConfig { block_size: 1 << 18, block_count: 2, ..RingConfig::default() };
        let missing = Ring::open(&config, Source::Interface(4_000_000)).unwrap_err();
        assert!(matches!(missing, CaptureError::System { .. }), "{missing}");
        world.pair(1);
        let mut bound = Ring::open(&config, Source::Interface(index("a1"))).unwrap();
        assert!(matches!(bound.set_interfaces(&[1]), Err(CaptureError::Bound)));
        let nonsense = [Instruction { code: 0xFFFF, jt: 0, jf: 0, k: 0 }];
        assert!(bound.set_filter(Some(&nonsense)).is_err());
        send_udp("10.77.1.2:9", 1, 300, "unfiltered");
        assert!(frames_until(&mut bound, |frame| holds(frame, "unfiltered")), "a refused filter must change nothing");
    });
}

#[test]
fn without_cap_net_raw_the_error_names_it() {
    const NAME: &str = "live_tests::rings::without_cap_net_raw_the_error_names_it";
    const WITHOUT: &str = "TAPIR_TEST_WITHOUT_NET_RAW";
    let config = RingConfig { block_size: 1 << 18, block_count: 2, ..RingConfig::default() };
    if std::env::var_os(WITHOUT).is_some() {
        let error = Ring::open(&config, Source::Interfaces(Vec::new())).unwrap_err();
        assert_eq!(error.reason(), "missing_capability");
        assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
        return;
    }
    let setpriv = || {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]).env(WITHOUT, "1");
        command
    };
    if !setpriv().arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("{NAME}: SKIPPED, capabilities can't be dropped here (needs root and `setpriv`)");
        return;
    }
    passes(setpriv().arg(std::env::current_exe().unwrap()), NAME);
}
