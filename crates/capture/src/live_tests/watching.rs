//! What the interface watch reports.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{drain, frames_until, holds, in_namespace, ring, send_udp};
use crate::{InterfaceEvent, InterfaceWatch, Source, namespace_of};

/// Events until one is as wanted; all of them.
fn events_until(watch: &mut InterfaceWatch, wanted: impl Fn(&InterfaceEvent) -> bool) -> Vec<InterfaceEvent> {
    let mut events = Vec::new();
    let end = Instant::now() + Duration::from_secs(5);
    while !events.iter().any(&wanted) {
        assert!(Instant::now() < end, "only {events:?}");
        watch.wait(Duration::from_millis(50), &mut |event| events.push(event)).unwrap();
    }
    events
}

#[test]
fn every_change_of_an_interface_is_an_event() {
    in_namespace("watching::every_change_of_an_interface_is_an_event", |world| {
        world.pair(1);
        let mut watch = InterfaceWatch::open().unwrap();
        let index = watch.index("a1").expect("a1 exists");
        assert_eq!((watch.name(index), watch.is_up(index)), (Some("a1"), Some(true)));
        assert!(watch.interfaces().any(|(_, name, _)| name == "lo"));

        world.ip("link set a1 down");
        let down = InterfaceEvent::Down { index, name: "a1".into() };
        events_until(&mut watch, |event| *event == down);
        assert_eq!(watch.is_up(index), Some(false));
        world.ip("link set a1 name a9");
        let renamed = InterfaceEvent::Renamed { index, from: "a1".into(), to: "a9".into() };
        events_until(&mut watch, |event| *event == renamed);
        assert_eq!((watch.index("a1"), watch.index("a9")), (None, Some(index)));
        world.ip("link set a9 up");
        let up = InterfaceEvent::Up { index, name: "a9".into() };
        events_until(&mut watch, |event| *event == up);
        world.ip("link del a9");
        let deleted = InterfaceEvent::Deleted { index, name: "a9".into() };
        events_until(&mut watch, |event| *event == deleted);
        assert_eq!((watch.index("a9"), watch.name(index), watch.is_up(index)), (None, None, None));
    });
}

#[test]
fn a_bridge_port_that_leaves_its_bridge_is_not_deleted() {
    in_namespace("watching::a_bridge_port_that_leaves_its_bridge_is_not_deleted", |world| {
        let index = world.pair(1);
        world.ip("link add br0 type bridge");
        let mut watch = InterfaceWatch::open().unwrap();
        world.ip("link set a1 master br0");
        world.ip("link set a1 nomaster");
        world.ip("link set a1 down");
        let events =
            events_until(&mut watch, |event| matches!(event, InterfaceEvent::Down { index: i, .. } if *i == index));
        assert!(!events.iter().any(|event| matches!(event, InterfaceEvent::Deleted { .. })), "{events:?}");
        assert_eq!(watch.name(index), Some("a1"));
    });
}

#[test]
fn a_deleted_and_recreated_interface_is_followed_by_its_name() {
    in_namespace("watching::a_deleted_and_recreated_interface_is_followed_by_its_name", |world| {
        let old = world.pair(1);
        let mut watch = InterfaceWatch::open().unwrap();
        let mut ring = ring(Source::Interfaces(vec![old]));
        send_udp("10.77.1.2:9", 1, 300, "before");
        assert!(frames_until(&mut ring, |frame| holds(frame, "before")));

        world.ip("link del a1");
        let new = world.pair(1);
        assert_ne!(old, new, "the kernel gives a new index");
        let events = events_until(
            &mut watch,
            |event| matches!(event, InterfaceEvent::Up { name, .. } | InterfaceEvent::New { name, up: true, .. } if name == "a1"),
        );
        let deleted = InterfaceEvent::Deleted { index: old, name: "a1".into() };
        assert!(events.contains(&deleted), "{events:?}");
        assert_eq!(watch.index("a1"), Some(new));

        send_udp("10.77.1.2:9", 1, 300, "unseen");
        drain(&mut ring, |frame| assert!(!holds(frame, "unseen"), "the new index is not watched yet"));
        ring.set_interfaces(&[new]).unwrap();
        send_udp("10.77.1.2:9", 1, 300, "after");
        assert!(frames_until(&mut ring, |frame| holds(frame, "after") && frame.meta.interface == new));
    });
}

#[test]
fn lost_notifications_are_made_up_for() {
    in_namespace("watching::lost_notifications_are_made_up_for", |world| {
        let gone = world.pair(1);
        let mut watch = InterfaceWatch::open().unwrap();
        // Far more notifications than the socket holds, unread, with changes in front and behind.
        world.ip("link del a1");
        world.ip("link add keep type veth peer name keep2");
        let flips: String = "link set keep up\nlink set keep down\n".repeat(1500);
        batch(&flips);
        world.ip("link add last type veth peer name last2");
        let events =
            events_until(&mut watch, |event| matches!(event, InterfaceEvent::New { name, .. } if name == "last"));
        assert!(watch.resyncs() > 0, "nothing was lost, the test is too small: {} events", events.len());
        // The list can come before its end, which tells of the deletion, was read.
        let mut events = events;
        let end = Instant::now() + Duration::from_secs(5);
        let deleted = InterfaceEvent::Deleted { index: gone, name: "a1".into() };
        while !events.contains(&deleted) && Instant::now() < end {
            watch.wait(Duration::from_millis(50), &mut |event| events.push(event)).unwrap();
        }
        assert!(events.contains(&deleted));
        let mut names: Vec<&str> = watch.interfaces().map(|(_, name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["keep", "keep2", "last", "last2", "lo"]);
    });
}

/// Many commands in one run of `ip`.
fn batch(commands: &str) {
    use std::io::Write;
    let mut child =
        std::process::Command::new("ip").args(["-batch", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_interface_of_a_process_is_found_through_its_network_namespace() {
    in_namespace("watching::the_interface_of_a_process_is_found_through_its_network_namespace", |world| {
        let index = world.pair(1);
        // A process of the other side, and one that shares our namespace.
        let mut far = Command::new("ip").args(["netns", "exec", &world.peer, "sleep", "30"]).spawn().unwrap();
        let mut watch = InterfaceWatch::open().unwrap();
        let end = Instant::now() + Duration::from_secs(5);
        let namespace = loop {
            // `ip` becomes `sleep` only once it is there.
            let found = namespace_of(far.id()).unwrap();
            if let Some(found) = found.filter(|found| watch.peers_in(*found).next().is_some()) {
                break found;
            }
            assert!(Instant::now() < end, "{found:?}");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(watch.peers_in(namespace).collect::<Vec<_>>(), [index]);
        far.kill().unwrap();
        far.wait().unwrap();

        // The far end moves to us: the kernel does not say so until it is asked.
        world.peer_ip(&format!("link set b1 netns {}", std::process::id()));
        watch.refresh().unwrap();
        while watch.peers_in(namespace).next().is_some() {
            assert!(Instant::now() < end, "still {:?}", watch.peers_in(namespace).collect::<Vec<_>>());
            watch.wait(Duration::from_millis(50), &mut |_| ()).unwrap();
        }
        let nobody = namespace_of(u32::MAX / 2).unwrap_err();
        assert_eq!(nobody.raw_os_error(), Some(libc::ESRCH));
    });
}
