//! A server on loopback that answers as a test says: what stands in for an API server or an OpenID provider.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

/// What to answer.
pub struct Say {
    pub status: u16,
    pub body: String,
    pub wait: Duration,
}

impl Say {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), wait: Duration::ZERO }
    }
}

/// Serves until it is dropped.
pub struct Mock {
    pub at: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Mock {
    pub async fn new(answer: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, answer)
    }

    pub fn on(listener: TcpListener, answer: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        let at = listener.local_addr().unwrap();
        let (answer, asked) = (Arc::new(answer), Arc::<Mutex<Vec<Asked>>>::default());
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(async move {
                    let _ = one(stream, &*answer, &log).await;
                });
            }
        });
        Self { at, asked, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// What came in since the last look.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn one(
    mut stream: TcpStream,
    answer: &(dyn Fn(&Asked) -> Say + Send + Sync),
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    let asked = loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(asked) = whole(&bytes) {
            break asked;
        }
    };
    let say = answer(&asked);
    log.lock().unwrap().push(asked);
    tokio::time::sleep(say.wait).await;
    let head = format!(
        "HTTP/1.1 {} x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        say.status,
        say.body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(say.body.as_bytes()).await?;
    stream.shutdown().await
}

fn whole(bytes: &[u8]) -> Option<Asked> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let headers: Vec<_> =
        lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
    let body = &bytes[end + 4..];
    (body.len() >= length).then(|| Asked { method, path, headers, body: String::from_utf8_lossy(body).into_owned() })
}
