//! A store that keeps each id once, on loopback, and the sink that speaks to it.
//!
//! A request is the number of records, then a line `id payload` for each; the answer is one letter for each, `n` for new and
//! `d` for a duplicate, and a line end. The store is in the parent process: it outlives every kill.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tapir_delivery::{BoxFuture, Delivery, Outcome, Record, Sink};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

#[derive(Default)]
pub(crate) struct Kept {
    /// By id.
    pub(crate) events: HashMap<String, String>,
    /// Deliveries of an id that was there.
    pub(crate) again: u64,
    /// Ids that came a second time with another payload.
    pub(crate) conflicts: Vec<String>,
}

/// Serves connections until the process ends.
pub(crate) fn serve() -> (u16, Arc<Mutex<Kept>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let kept = Arc::new(Mutex::new(Kept::default()));
    let shared = Arc::clone(&kept);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let kept = Arc::clone(&shared);
            // A connection ends in the middle of a request when its client is killed: that request counts for what came.
            std::thread::spawn(move || connection(&stream, &kept));
        }
    });
    (port, kept)
}

fn connection(stream: &TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Ok(count) = line.trim_end().parse::<usize>() else { return Ok(()) };
        let mut answer = String::new();
        for _ in 0..count {
            line.clear();
            reader.read_line(&mut line)?;
            let Some(whole) = line.strip_suffix('\n') else { return Ok(()) };
            let (id, payload) = whole.split_once(' ').unwrap();
            let mut kept = kept.lock().unwrap();
            match kept.events.get(id).map(|known| known == payload) {
                None => {
                    kept.events.insert(id.to_owned(), payload.to_owned());
                    answer.push('n');
                }
                Some(same) => {
                    kept.again += 1;
                    if !same {
                        kept.conflicts.push(id.to_owned());
                    }
                    answer.push('d');
                }
            }
        }
        answer.push('\n');
        (&mut &*stream).write_all(answer.as_bytes())?;
    }
}

/// The sink of [`serve`].
pub(crate) struct ReceiverSink {
    pub(crate) port: u16,
    pub(crate) stream: Option<tokio::io::BufReader<tokio::net::TcpStream>>,
}

impl ReceiverSink {
    async fn exchange(&mut self, batch: &[Record]) -> std::io::Result<Vec<Outcome>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => tokio::io::BufReader::new(tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?),
        };
        let mut request = format!("{}\n", batch.len());
        for record in batch {
            request.push_str(&format!("{} {}\n", record.id, std::str::from_utf8(&record.payload).unwrap()));
        }
        stream.get_mut().write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        self.stream = Some(stream);
        let outcome = |letter| if letter == 'n' { Outcome::Done } else { Outcome::Duplicate };
        Ok(answer.trim_end().chars().map(outcome).collect())
    }
}

impl Sink for ReceiverSink {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(async {
            match self.exchange(batch).await {
                Ok(outcomes) => Delivery::each(outcomes),
                Err(error) => Delivery::failed(error.to_string()),
            }
        })
    }
}
