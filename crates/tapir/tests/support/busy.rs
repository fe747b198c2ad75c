//! A door in front of a manager that is too busy for a read at first: what is asked for is refused, and passed on
//! when it is asked for again.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::PATIENCE;

/// How often each read was refused so far, by its method and path; and what else was sent.
#[derive(Default)]
struct Seen {
    refused: BTreeMap<String, usize>,
    other: Vec<String>,
}

/// The door. It is shut with it.
pub struct Busy {
    pub at: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    shut: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Busy {
    /// In front of a manager; refuses each read so many times, in turn with 503 and 429, and says when to ask again.
    pub fn new(manager: SocketAddr, times: usize, retry_after: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (seen, shut) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let (notes, ends) = (Arc::clone(&seen), Arc::clone(&shut));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, notes) = (stream.unwrap(), Arc::clone(&notes));
                std::thread::spawn(move || serve(stream, manager, &notes, times, retry_after));
            }
        });
        Self { at, seen, shut, thread: Some(thread) }
    }

    /// Reads that were refused since the last question.
    pub fn refused(&self) -> usize {
        std::mem::take(&mut self.seen.lock().unwrap().refused).into_values().sum()
    }

    /// Changes that were sent since the last question.
    pub fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap().other)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.shut.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.at);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(mut client: TcpStream, manager: SocketAddr, seen: &Mutex<Seen>, times: usize, retry_after: &str) {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let Some((head, body)) = request(&mut client) else { return };
    let what: String = head.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let reads = what.starts_with("GET ") || ["/query/check", "/tuning/preview"].iter().any(|end| what.ends_with(end));
    if reads {
        let mut seen = seen.lock().unwrap();
        let before = seen.refused.entry(what).or_default();
        if *before < times {
            *before += 1;
            let status = if before.is_multiple_of(2) { 429 } else { 503 };
            let problem = r#"{"type":"/problems/busy","title":"Busy","detail":"the manager has no time now"}"#;
            write!(
                client,
                "HTTP/1.1 {status} Busy\r\ncontent-type: application/problem+json\r\nretry-after: {retry_after}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{problem}",
                problem.len()
            )
            .unwrap();
            return;
        }
    } else {
        seen.lock().unwrap().other.push(what);
    }
    // One request for each connection, so that every one comes through here.
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut server = TcpStream::connect(manager).unwrap();
    server.write_all(head.as_bytes()).and_then(|()| server.write_all(&body)).unwrap();
    // Whoever follows may leave before the manager has said all.
    let _ = std::io::copy(&mut server, &mut client);
}

/// Head and body of a request; `None`: whoever connected sent none.
fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let ended = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(at) = ended {
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
            let length = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() - at >= length.unwrap_or(0) {
                return Some((head, bytes[at..].to_vec()));
            }
        }
        match client.read(&mut chunk) {
            Ok(0) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => return None,
        }
    }
}
