//! The address of the API server that its clients know: a relay, on loopback unless told otherwise, that stays when the server comes back on another port, and
//! that can cut every connection through it.
//!
//! *Limits*: 512 connections at once, more are closed at once; two threads each. While there is no server behind it, a connection is
//! taken and closed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const MOST: usize = 512;
const CONNECTING: Duration = Duration::from_secs(2);

/// Relays until it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    ending: AtomicBool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Port of the server.
    behind: Option<u16>,
    next: u64,
    open: BTreeMap<u64, [TcpStream; 2]>,
}

impl Relay {
    pub(crate) fn new(at: IpAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((at, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        std::thread::Builder::new().name("relay".into()).spawn(move || accept(&listener, &own))?;
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where new connections go from now on.
    pub(crate) fn lead_to(&self, port: Option<u16>) {
        self.shared.table().behind = port;
    }

    /// Cuts all connections, as a network that fails would; how many there were.
    pub(crate) fn cut(&self) -> usize {
        let open = std::mem::take(&mut self.shared.table().open);
        for stream in open.values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        open.len()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        self.lead_to(None);
        self.cut();
        // It waits for a connection: here is one.
        let _ = TcpStream::connect_timeout(&self.address, CONNECTING);
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ending.load(Ordering::Acquire) {
            return;
        }
        match client {
            Ok(client) => {
                let own = Arc::clone(shared);
                let _ = std::thread::Builder::new().name("relayed".into()).spawn(move || relay(client, &own));
            }
            // Out of files, for instance: it may be better in a moment.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// One connection, until both sides have said all.
fn relay(client: TcpStream, shared: &Shared) {
    let port = shared.table().behind;
    let Some(port) = port else { return };
    let Ok(server) = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), CONNECTING) else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(kept_client), Ok(kept_server)) = (client.try_clone(), server.try_clone()) else { return };
    let number = {
        let mut table = shared.table();
        if table.open.len() >= MOST || table.behind != Some(port) {
            return;
        }
        let number = table.next;
        table.next += 1;
        table.open.insert(number, [kept_client, kept_server]);
        number
    };
    std::thread::scope(|scope| {
        // Without a second thread there is no way back: it ends at once.
        let back = std::thread::Builder::new().name("back".into()).spawn_scoped(scope, || pass(&server, &client));
        match back {
            Ok(_) => pass(&client, &server),
            Err(_) => drop((client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both))),
        }
    });
    shared.table().open.remove(&number);
}

/// All bytes of one direction and its end.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let passed = std::io::copy(&mut from, &mut to).and_then(|_| to.shutdown(Shutdown::Write));
    if passed.is_err() {
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// A server that sends everything back.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        port
    }

    fn client(relay: &Relay) -> TcpStream {
        let stream = TcpStream::connect(relay.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn says(stream: &mut TcpStream, text: &str) -> String {
        let mut back = vec![0; text.len()];
        match stream.write_all(text.as_bytes()).and_then(|()| stream.read_exact(&mut back)) {
            Ok(()) => String::from_utf8(back).unwrap(),
            Err(error) => format!("{:?}", error.kind()),
        }
    }

    #[test]
    fn connections_pass_until_they_are_cut_and_new_ones_pass_again() {
        let relay = Relay::new(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(client(&relay).read(&mut [0]).unwrap_or(0), 0, "nobody is behind it");
        relay.lead_to(Some(echo()));
        let (mut first, mut second) = (client(&relay), client(&relay));
        assert_eq!((says(&mut first, "one"), says(&mut second, "two")), ("one".into(), "two".into()));
        assert_eq!(relay.cut(), 2);
        assert_ne!(says(&mut first, "more"), "more");
        assert_ne!(says(&mut second, "more"), "more");
        let mut third = client(&relay);
        assert_eq!(says(&mut third, "three"), "three");
        // Another server, the same address.
        relay.lead_to(Some(echo()));
        assert_eq!(says(&mut client(&relay), "four"), "four");
        // What one side has ended the other reads to its end.
        third.shutdown(Shutdown::Write).unwrap();
        assert_eq!(third.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn nothing_listens_after_it_is_dropped() {
        let relay = Relay::new(Ipv4Addr::LOCALHOST.into()).unwrap();
        let address = relay.address();
        relay.lead_to(Some(echo()));
        let mut open = client(&relay);
        assert_eq!(says(&mut open, "x"), "x");
        drop(relay);
        assert_ne!(says(&mut open, "y"), "y");
        let gone = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            TcpStream::connect(address).is_err()
        });
        assert!(gone);
    }
}
