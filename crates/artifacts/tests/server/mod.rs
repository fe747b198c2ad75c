//! A web server on loopback: one answer for each request, as the test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// With the query.
    pub path: String,
    /// By name in small letters.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// What was sent of credentials.
    pub fn authorization(&self) -> &str {
        self.headers.get("authorization").map_or("", String::as_str)
    }
}

/// What is answered: status, headers, body.
pub type Reply = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// The server; ends with the test's process.
pub struct Server {
    /// Where it listens.
    pub at: SocketAddr,
    /// What was asked so far.
    pub seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers as it is told.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &answer, &told);
            }
        });
        Self { at, seen }
    }

    /// Address of something on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &impl Fn(&Request) -> Reply,
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream.try_clone()?.take(64 << 10)).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut words = first.split(' ').map(str::to_owned);
    let path = words.nth(1).unwrap_or_default();
    let mut request = Request { path, headers: BTreeMap::new() };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    seen.lock().unwrap().push(request.clone());
    let (status, headers, body) = answer(&request);
    write!(stream, "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len())?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(&body)
}
