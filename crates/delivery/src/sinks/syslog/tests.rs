//! Syslog against receivers on loopback.

use super::*;
use crate::sink::Answer;
use crate::testing::record;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

fn format(len: usize) -> SyslogFormatter {
    Box::new(move |record| {
        (record.seq() != 2).then(|| SyslogMessage {
            severity: Severity::Warning,
            msgid: "alert".into(),
            structured: Vec::new(),
            message: format!("{} {}", record.seq(), "x".repeat(len)),
        })
    })
}

#[tokio::test]
async fn datagrams_arrive_one_each_and_long_ones_are_cut_and_counted() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = receiver.local_addr().unwrap().to_string();
    let mut sink = syslog(SyslogConfig::new(address, SyslogTransport::Udp), format(3000)).unwrap();
    let delivery = sink.deliver(&[record(1), record(2), record(3)]).await;
    assert_eq!(delivery, Delivery::each(vec![Outcome::Done, Outcome::Skipped, Outcome::Done]));
    let mut buffer = [0; 4096];
    for n in [1, 3] {
        let len = receiver.recv(&mut buffer).await.unwrap();
        let text = std::str::from_utf8(&buffer[..len]).unwrap();
        assert_eq!(len, 2048);
        assert!(text.starts_with("<164>1 1970-01-01T00:00:00.000000Z node-a tapir - alert - "), "{text}");
        assert!(text.contains(&format!(" - {n} xxx")));
    }
    assert_eq!(sink.figures(), [("messages_cut", 2), ("connections", 1)]);
}

/// Reads octet-counted messages to the end of the connection.
async fn messages(stream: &mut TcpStream) -> Vec<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let mut text = std::str::from_utf8(&bytes).unwrap();
    let mut out = Vec::new();
    while let Some((len, rest)) = text.split_once(' ') {
        let (message, rest) = rest.split_at(len.parse().unwrap());
        out.push(message.to_owned());
        text = rest;
    }
    out
}

#[tokio::test]
async fn a_connection_counts_octets_and_is_made_anew_when_the_receiver_closed_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut sink = syslog(SyslogConfig::new(address, SyslogTransport::Tcp), format(5000)).unwrap();
    let batch = [record(1), record(3)];
    let (delivery, accepted) = tokio::join!(sink.deliver(&batch), listener.accept());
    assert_eq!(delivery, Delivery::each(vec![Outcome::Done; 2]));
    let (mut first, _) = accepted.unwrap();
    // Closed for writing: the sender sees the end of the stream, what it sent stays readable.
    first.shutdown().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), async {
        let batch = [record(4)];
        let (delivery, accepted) = tokio::join!(sink.deliver(&batch), listener.accept());
        assert_eq!(delivery, Delivery::each(vec![Outcome::Done]));
        sink.close().await;
        let second = messages(&mut accepted.unwrap().0).await;
        assert!(second.len() == 1 && second[0].contains(" - 4 xxx"));
    })
    .await
    .unwrap();
    let got = messages(&mut first).await;
    assert!(got.len() == 2 && got[1].contains(" - 3 xxx") && got[1].len() > 5000);
    assert_eq!(sink.figures(), [("messages_cut", 0), ("connections", 2)]);
}

#[tokio::test]
async fn nobody_there_is_a_failure_of_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut sink = syslog(SyslogConfig::new(&address, SyslogTransport::Tcp), format(1)).unwrap();
    let delivery = sink.deliver(&[record(1)]).await;
    assert!(matches!(delivery.answer, Answer::Nothing(reason) if reason.contains(&address)));
}

#[test]
fn addresses_are_checked() {
    for address in ["host", "host:", ":514", "host:x", "host:0"] {
        let result = syslog(SyslogConfig::new(address, SyslogTransport::Udp), format(1));
        assert!(result.err().unwrap().to_string().contains("host:port"), "{address}");
    }
    assert!(syslog(SyslogConfig::new("[::1]:514", SyslogTransport::Udp), format(1)).is_ok());
}
