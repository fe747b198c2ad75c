//! Brokers on loopback that keep what they get, know repetitions as brokers do, and misbehave as the test says.
//!
//! They read batches without compression only, with code of their own, so that a mistake of the writer is not shared.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a Produce request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// These partitions answer with a code; the others take their batch.
    Codes(Vec<(i32, i16)>),
    /// The partition refuses records, by their place.
    Refuse(i32, Vec<i32>),
    /// Every batch is taken, and the connection closed before the answer.
    TakeAndCut,
    /// The connection is closed in the middle of the answer.
    CutAnswer,
    /// Nothing is taken and nothing said.
    Hang,
}

/// A record as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) key: Option<String>,
    pub(super) id: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) value: Vec<u8>,
    pub(super) time_ms: i64,
}

/// What is the same for all brokers.
pub(super) struct State {
    /// Who leads each partition.
    pub(super) leaders: Vec<i32>,
    /// Answered for the topic.
    pub(super) topic_error: i16,
    /// Answered to who wants a producer id.
    pub(super) id_error: i16,
    /// The highest version of Produce.
    pub(super) produce: i16,
    /// Bytes of a batch.
    pub(super) max_batch: usize,
    pub(super) script: VecDeque<Act>,
    /// By partition.
    pub(super) log: Vec<Vec<Kept>>,
    /// Producer ids of batches, in their order.
    pub(super) producers: Vec<i64>,
    pub(super) requests: usize,
    pub(super) layouts: usize,
    /// Numbers of the newest batch of a producer in a partition.
    newest: HashMap<(i64, i32), (i32, i32)>,
    next_id: i64,
}

pub(super) struct Peers {
    pub(super) ports: Vec<u16>,
    state: Arc<Mutex<State>>,
}

impl Peers {
    /// `brokers` of them, and a partition for each of `leaders`.
    pub(super) async fn start(brokers: usize, leaders: &[i32]) -> Self {
        let mut listeners = Vec::new();
        for _ in 0..brokers {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        let state = Arc::new(Mutex::new(State {
            leaders: leaders.to_vec(),
            topic_error: 0,
            id_error: 0,
            produce: 8,
            max_batch: 1 << 20,
            script: VecDeque::new(),
            log: vec![Vec::new(); leaders.len()],
            producers: Vec::new(),
            requests: 0,
            layouts: 0,
            newest: HashMap::new(),
            next_id: 100,
        }));
        for (id, listener) in listeners.into_iter().enumerate() {
            let (state, ports) = (Arc::clone(&state), ports.clone());
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, id as i32, Arc::clone(&state), ports.clone()));
                }
            });
        }
        Self { ports, state }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.state().script.extend(acts);
    }

    /// Ids of all events, by partition.
    pub(super) fn ids(&self) -> Vec<Vec<String>> {
        let ids = |log: &Vec<Kept>| log.iter().map(|kept| kept.id.clone()).collect();
        self.state().log.iter().map(ids).collect()
    }
}

async fn serve(mut stream: TcpStream, broker: i32, state: Arc<Mutex<State>>, ports: Vec<u16>) -> Option<()> {
    loop {
        let length = stream.read_u32().await.ok()?;
        let mut request = vec![0; length as usize];
        stream.read_exact(&mut request).await.ok()?;
        let mut read = Bytes(&request);
        let (api, version, correlation) = (read.i16(), read.i16(), read.i32());
        assert_eq!(read.string(), "tapir");
        let mut answer = Answer::default();
        answer.i32(correlation);
        let mut cut = None;
        match (api, version) {
            (18, 0) => versions(&mut answer, state.lock().unwrap().produce),
            (3, 4) => {
                let mut state = state.lock().unwrap();
                state.layouts += 1;
                metadata(&mut answer, &state, &ports);
            }
            (22, 1) => {
                let mut state = state.lock().unwrap();
                state.next_id += 1;
                answer.i32(0).i16(state.id_error).i64(state.next_id).i16(0);
            }
            (0, 7 | 8) => {
                let act = {
                    let mut state = state.lock().unwrap();
                    state.requests += 1;
                    state.script.pop_front()
                };
                match &act {
                    Some(Act::Hang) => {
                        // Until the other side gives up.
                        let _ = stream.read_u8().await;
                        return None;
                    }
                    Some(Act::TakeAndCut) => cut = Some(0),
                    Some(Act::CutAnswer) => cut = Some(9),
                    _ => {}
                }
                produce(&mut answer, &mut read, version, broker, &mut state.lock().unwrap(), act.as_ref());
            }
            other => panic!("a request that no broker was asked to know: {other:?}"),
        }
        let mut bytes = (answer.0.len() as u32).to_be_bytes().to_vec();
        bytes.extend(&answer.0);
        bytes.truncate(cut.unwrap_or(bytes.len()));
        stream.write_all(&bytes).await.ok()?;
        if cut.is_some() {
            return None;
        }
    }
}

fn versions(answer: &mut Answer, produce: i16) {
    let known = [(0, 3, produce), (3, 0, 12), (17, 0, 1), (18, 0, 3), (22, 0, 4), (36, 0, 2)];
    answer.i16(0).i32(known.len() as i32);
    for (key, from, to) in known {
        answer.i16(key).i16(from).i16(to);
    }
}

fn metadata(answer: &mut Answer, state: &State, ports: &[u16]) {
    answer.i32(0).i32(ports.len() as i32);
    for (id, port) in ports.iter().enumerate() {
        answer.i32(id as i32).string("127.0.0.1").i32(i32::from(*port)).i16(-1);
    }
    answer.i16(-1).i32(0).i32(1).i16(state.topic_error).string("alerts").i8(0);
    answer.i32(state.leaders.len() as i32);
    for (index, leader) in state.leaders.iter().enumerate() {
        answer.i16(0).i32(index as i32).i32(*leader).i32(0).i32(0);
    }
}

fn produce(answer: &mut Answer, read: &mut Bytes<'_>, version: i16, broker: i32, state: &mut State, act: Option<&Act>) {
    assert_eq!((read.i16(), read.i16()), (-1, -1), "no transaction, all replicas");
    let _patience = read.i32();
    assert_eq!(read.i32(), 1);
    assert_eq!(read.string(), "alerts");
    answer.i32(1).string("alerts");
    let partitions = read.i32();
    answer.i32(partitions);
    for _ in 0..partitions {
        let (partition, length) = (read.i32(), read.i32());
        let batch = read.take(length as usize);
        let code = match act {
            _ if state.leaders[partition as usize] != broker => 6,
            Some(Act::Codes(codes)) if codes.iter().any(|(at, _)| *at == partition) => {
                codes.iter().find(|(at, _)| *at == partition).unwrap().1
            }
            Some(Act::Refuse(at, _)) if *at == partition => 87,
            _ if batch.len() > state.max_batch => 10,
            _ => append(state, partition, batch),
        };
        answer.i32(partition).i16(code).i64(0).i64(-1).i64(0);
        if version == 8 {
            match act {
                Some(Act::Refuse(at, refused)) if *at == partition => {
                    answer.i32(refused.len() as i32);
                    for place in refused {
                        answer.i32(*place).string("not this one");
                    }
                    answer.string("some are refused");
                }
                _ => {
                    answer.i32(0).i16(-1);
                }
            }
        }
    }
    answer.i32(0);
}

/// Keeps a batch unless it is the newest again; its error code.
fn append(state: &mut State, partition: i32, batch: &[u8]) -> i16 {
    let mut read = Bytes(batch);
    let (_offset, length, _epoch, magic) = (read.i64(), read.i32(), read.i32(), read.i8());
    assert_eq!((length as usize, magic), (batch.len() - 12, 2));
    let _checksum = read.i32();
    assert_eq!(read.i16(), 0, "no compression in these tests");
    let (last, base) = (read.i32(), read.i64());
    let _newest = read.i64();
    let (producer, _epoch, first, count) = (read.i64(), read.i16(), read.i32(), read.i32());
    assert_eq!(last, count - 1);
    state.producers.push(producer);
    if producer >= 0 {
        match state.newest.get(&(producer, partition)) {
            Some(newest) if *newest == (first, last) => return 0,
            Some((before, size)) if before + size + 1 != first => return 45,
            _ => {}
        }
        state.newest.insert((producer, partition), (first, last));
    }
    for n in 0..count {
        let length = read.varint();
        let mut record = Bytes(read.take(length as usize));
        assert_eq!(record.i8(), 0);
        let (time, offset) = (record.varint(), record.varint());
        assert_eq!(offset, i64::from(n));
        let key = record.varbytes().map(|key| String::from_utf8(key.to_vec()).unwrap());
        let value = record.varbytes().unwrap().to_vec();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers: Vec<(String, String)> = (0..record.varint())
            .map(|_| (text(record.varbytes().unwrap()), text(record.varbytes().unwrap())))
            .collect();
        let id = headers.iter().find(|(name, _)| name == "tapir-event-id").unwrap().1.clone();
        assert!(record.0.is_empty());
        state.log[partition as usize].push(Kept { key, id, headers, value, time_ms: base + time });
    }
    assert!(read.0.is_empty());
    0
}

/// What is left of a request. It is well-formed, or the test fails.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn i8(&mut self) -> i8 {
        self.take(1)[0] as i8
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().unwrap())
    }

    fn string(&mut self) -> String {
        let length = self.i16();
        String::from_utf8(self.take(length as usize).to_vec()).unwrap()
    }

    fn varint(&mut self) -> i64 {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return (value >> 1) as i64 ^ -((value & 1) as i64);
            }
        }
    }

    fn varbytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()).ok()?;
        Some(self.take(length))
    }
}

#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    fn i8(&mut self, value: i8) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn i16(&mut self, value: i16) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn i64(&mut self, value: i64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn string(&mut self, text: &str) -> &mut Self {
        self.i16(text.len() as i16);
        self.0.extend(text.as_bytes());
        self
    }
}
