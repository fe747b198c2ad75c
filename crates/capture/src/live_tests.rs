//! Rings and the interface watch on real veth pairs.
//!
//! Each test makes two network namespaces, HERE and PEER, and starts itself again inside HERE, where the test proper
//! runs. The peer's side of the traffic is [`peer_sends`], started inside PEER. Needs root and `ip`; where they are
//! missing the tests say so and pass. Everything is bounded in time, and the namespaces are deleted at the end.

mod rings;
mod watching;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tapir_packet::Frame;

use crate::afpacket::socket;
use crate::{Ring, RingConfig, Source};

/// Set inside HERE: the name of PEER.
const PEER: &str = "TAPIR_TEST_PEER";
/// Set for [`peer_sends`]: what to send.
const SEND: &str = "TAPIR_TEST_SEND";

/// Runs `body` inside HERE.
fn in_namespace(test: &str, body: fn(&World)) {
    let test = &format!("live_tests::{test}");
    if let Ok(peer) = std::env::var(PEER) {
        return body(&World { peer });
    }
    let id = std::process::id();
    let short = test.rsplit(':').next().unwrap_or(test).chars().take(12).collect::<String>();
    let (Some(here), Some(peer)) =
        (Namespace::new(format!("th-{id}-{short}")), Namespace::new(format!("tp-{id}-{short}")))
    else {
        eprintln!("{test}: SKIPPED, network namespaces can't be made here (needs root and `ip`)");
        return;
    };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &here.0]).arg(std::env::current_exe().unwrap()).env(PEER, &peer.0);
    passes(&mut command, test);
}

/// Runs this one test again by `command`. A mistaken name would run none and be no failure, so the summary is read.
fn passes(command: &mut Command, test: &str) {
    let output = command.args([test, "--exact", "--nocapture", "--test-threads=1"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && text.contains("1 passed");
    assert!(passed, "{test}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A network namespace, deleted on drop.
struct Namespace(String);

impl Namespace {
    fn new(name: String) -> Option<Self> {
        let made = Command::new("ip").args(["netns", "add", &name]).stderr(Stdio::null()).status();
        made.ok().filter(|status| status.success()).map(|_| Self(name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// What a test sees inside HERE.
struct World {
    peer: String,
}

impl World {
    /// `ip` with these words in HERE.
    fn ip(&self, words: &str) {
        check(Command::new("ip").args(words.split(' ')).output().unwrap(), words);
    }

    /// `ip` with these words in PEER.
    fn peer_ip(&self, words: &str) {
        let output = Command::new("ip").args(["-n", &self.peer]).args(words.split(' ')).output().unwrap();
        check(output, words);
    }

    /// A veth pair: `a{n}` here with 10.77.n.1, `b{n}` in PEER with 10.77.n.2, both up. Returns the index of `a{n}`.
    fn pair(&self, n: u8) -> u32 {
        self.ip(&format!("link add a{n} type veth peer name b{n} netns {}", self.peer));
        self.ip(&format!("addr add 10.77.{n}.1/24 dev a{n}"));
        self.peer_ip(&format!("addr add 10.77.{n}.2/24 dev b{n}"));
        self.ip(&format!("link set a{n} up"));
        self.peer_ip(&format!("link set b{n} up"));
        index(&format!("a{n}"))
    }

    /// Starts [`peer_sends`] in PEER and waits for its end.
    fn peer_sends(&self, what: &str) {
        check(self.peer_command(what).output().unwrap(), what);
    }

    fn peer_command(&self, what: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.peer]).arg(std::env::current_exe().unwrap());
        command.args(["live_tests::peer_sends", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(SEND, what).stdout(Stdio::null());
        command
    }
}

/// The traffic of the peer: `udp ADDRESS COUNT LENGTH MARK` `tcp ADDRESS BYTES`, or
/// `tagged INTERFACE MARK`.
#[test]
#[ignore = "the far end of other tests, started by them"]
fn peer_sends() {
    let Ok(what) = std::env::var(SEND) else { panic!("only other tests start this one") };
    match what.split(' ').collect::<Vec<_>>()[..] {
        ["udp", to, count, length, mark] => send_udp(to, count.parse().unwrap(), length.parse().unwrap(), mark),
        ["tcp", to, bytes] => {
            let mut stream = TcpStream::connect(to).unwrap();
            stream.write_all(&vec![b'T'; bytes.parse().unwrap()]).unwrap();
        }
        ["tagged", name, mark] => send_tagged(index(name), mark),
        _ => panic!("{what}"),
    }
}

/// Sends `count` datagrams of `length` bytes that start with `mark`.
fn send_udp(to: &str, count: usize, length: usize, mark: &str) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let mut payload = mark.as_bytes().to_vec();
    payload.resize(length, b'.');
    for _ in 0..count {
        socket.send_to(&payload, to).unwrap();
    }
}

/// Sends a broadcast frame with an 802.1Q tag: priority 1, VLAN 7.
fn send_tagged(interface: u32, mark: &str) {
    let fd = socket::packet().unwrap();
    socket::bind_packet(&fd, interface).unwrap();
    let mut frame = [[0xFF; 6], [2; 6]].concat();
    frame.extend([0x81, 0, 0x20, 7, 0x88, 0xB5]);
    frame.extend(mark.bytes());
    frame.resize(300, b'.');
    socket::send(&fd, &frame).unwrap();
}

fn check(output: Output, what: &str) {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

fn index(name: &str) -> u32 {
    let output = Command::new("ip").args(["-o", "link", "show", "dev", name]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(':').next().and_then(|index| index.trim().parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
}

/// A ring that delivers fast.
fn ring(source: Source) -> Ring {
    let config = RingConfig { block_size: 1 << 18, block_count: 16, retire_after: Duration::from_millis(5) };
    Ring::open(&config, source).unwrap()
}

/// Hands frames to `take` until it says true or five seconds have passed; returns whether it did.
fn frames_until(ring: &mut Ring, mut take: impl FnMut(&Frame<'_>) -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if let Some(block) = ring.next_block(Duration::from_millis(50)).unwrap()
            && block.frames().any(|frame| take(&frame))
        {
            return true;
        }
    }
    false
}

/// Everything that comes until nothing has come for a while.
fn drain(ring: &mut Ring, mut take: impl FnMut(&Frame<'_>)) {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        let Some(block) = ring.next_block(Duration::from_millis(200)).unwrap() else { return };
        block.frames().for_each(|frame| take(&frame));
    }
}

fn holds(frame: &Frame<'_>, mark: &str) -> bool {
    frame.data.windows(mark.len()).any(|window| window == mark.as_bytes())
}

/// Reads a stream to its end; returns how many bytes came.
fn read_all(mut stream: TcpStream) -> usize {
    let mut buffer = vec![0; 1 << 16];
    let mut sum = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        sum += count;
    }
    sum
}
