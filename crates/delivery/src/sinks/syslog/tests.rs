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
    assert_eq!(sink.figures(), [("messages_cut", 2), ("connections", 1), ("tls_reloads_failed", 0)]);
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
    assert_eq!(sink.figures(), [("messages_cut", 0), ("connections", 2), ("tls_reloads_failed", 0)]);
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

/// Made with `openssl req` and `openssl x509` for these tests alone: an authority, a server for `localhost` and 127.0.0.1, and
/// a client, until 2126.
fn certificate(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sinks/syslog/certificates").join(name)
}

fn trusting() -> TlsConfig {
    TlsConfig { authorities: Some(certificate("ca.pem")), ..TlsConfig::default() }
}

/// A receiver that wants a client with a certificate of our authority.
fn acceptor() -> tokio_rustls::TlsAcceptor {
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate("ca.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_file(certificate("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn an_encrypted_connection_carries_the_messages_and_stays_open_between_batches() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let identity = Some((certificate("client.pem"), certificate("client.key")));
    let transport = SyslogTransport::Tls(TlsConfig { identity, ..trusting() });
    let receiver = tokio::spawn(async move {
        let mut stream = acceptor().accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    });
    let mut sink = syslog(SyslogConfig::new(address, transport), format(20_000)).unwrap();
    for n in [1, 3] {
        assert_eq!(sink.deliver(&[record(n)]).await, Delivery::each(vec![Outcome::Done]));
    }
    sink.close().await;
    let text = tokio::time::timeout(Duration::from_secs(10), receiver).await.unwrap().unwrap();
    assert!(text.len() > 40_000 && text.contains(" - 1 xxx") && text.contains(" - 3 xxx"));
    assert_eq!(sink.figures()[1], ("connections", 1));
}

#[tokio::test]
async fn a_receiver_with_another_name_or_of_another_authority_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            assert!(acceptor().accept(stream).await.is_err());
        }
    });
    let other = TlsConfig { server_name: Some("elsewhere.example".into()), ..trusting() };
    // The server's certificate is no authority's: nothing is trusted by it.
    let stranger = TlsConfig { authorities: Some(certificate("client.pem")), ..TlsConfig::default() };
    for tls in [other, stranger] {
        let config = SyslogConfig::new(&address, SyslogTransport::Tls(tls));
        let delivery = syslog(config, format(1)).unwrap().deliver(&[record(1)]).await;
        assert!(matches!(&delivery.answer, Answer::Nothing(reason) if reason.contains("certificate")), "{delivery:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_wants_a_certificate_and_gets_none_is_a_failure_not_a_delivery() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let receiver = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        assert!(acceptor().accept(stream).await.is_err());
    });
    let mut sink = syslog(SyslogConfig::new(address, SyslogTransport::Tls(trusting())), format(1)).unwrap();
    let delivery = sink.deliver(&[record(1)]).await;
    assert!(matches!(&delivery.answer, Answer::Nothing(_)), "{delivery:?}");
    receiver.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_is_left_after_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut sink = syslog(SyslogConfig::new(address, SyslogTransport::Tls(trusting())), format(1)).unwrap();
    let _held = listener;
    tokio::time::pause();
    let delivery = sink.deliver(&[record(1)]).await;
    assert!(matches!(delivery.answer, Answer::Nothing(reason) if reason.contains("within 5 s")));
}

#[test]
fn files_that_are_no_certificates_are_told_at_the_start() {
    for (tls, word) in [
        (TlsConfig { authorities: Some("/no/such.pem".into()), ..trusting() }, "/no/such.pem"),
        (TlsConfig { authorities: Some(certificate("server.key")), ..trusting() }, "server.key"),
        (TlsConfig { identity: Some((certificate("client.pem"), certificate("ca.pem"))), ..trusting() }, "ca.pem"),
        (
            TlsConfig { identity: Some((certificate("client.pem"), certificate("server.key"))), ..trusting() },
            "server.key",
        ),
        (TlsConfig { server_name: Some("a b".into()), ..trusting() }, "`a b`"),
    ] {
        let result = syslog(SyslogConfig::new("localhost:6514", SyslogTransport::Tls(tls)), format(1));
        let text = result.err().unwrap().to_string();
        assert!(text.contains(word), "{text}");
    }
}
