//! What tests of the manager and of the command line have in common: a directory of their own, times, an event.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tapir_event::{
    Endpoint, EventId, Evidence, EvidenceBuffer, EvidenceHit, FlowDirection, RuleSummary, SecurityEvent, Workload,
};
use tapir_packet::Timestamp;

/// A directory that is removed with it.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tapir-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Seconds before now.
pub fn ago(seconds: i64) -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_secs_nanos(i64::try_from(now.as_secs()).unwrap() - seconds, 0)
}

/// An event of a rule from an address to shop/frontend, a number of seconds ago.
pub fn event(seq: u64, sid: u32, client: &str, seconds: i64) -> SecurityEvent {
    let client = Endpoint { address: client.parse().unwrap(), port: Some(40_000) };
    let server = Endpoint { address: "10.9.8.7".parse().unwrap(), port: Some(80) };
    let text = format!(
        "alert tcp $EXTERNAL_NET any -> $HOME_NET any ( msg:\"rule {sid}\"; http_uri; content:\"passwd\"; sid:{sid}; )"
    );
    SecurityEvent {
        id: EventId { node: "worker-3".into(), boot: 1, seq },
        time: ago(seconds),
        observed: ago(seconds),
        rule: Arc::new(RuleSummary {
            gid: 1,
            sid,
            rev: 3,
            msg: Some(format!("rule {sid}")),
            classtype: Some("web-application-attack".into()),
            priority: 1,
            metadata: vec![("mitre_technique_id".into(), "T1190".into())],
            action: "alert".into(),
            text,
            ..RuleSummary::default()
        }),
        protocol: "TCP".into(),
        direction: Some(FlowDirection::ToServer),
        source: Some(client),
        destination: Some(server),
        server: Some(Workload {
            namespace: "shop".into(),
            pod: "frontend-77b88cc7cb-nwx6t".into(),
            owner_kind: "Deployment".into(),
            owner_name: "frontend".into(),
            ..Workload::default()
        }),
        service: Some("http".into()),
        evidence: Some(Evidence {
            buffers: vec![EvidenceBuffer {
                name: "http_uri".into(),
                offset: 0,
                bytes: b"/etc/passwd".to_vec(),
                original_len: 11,
            }],
            hits: vec![EvidenceHit {
                option: 1,
                text: "content:\"passwd\"".into(),
                buffer: "http_uri".into(),
                offset: 5,
                len: 6,
            }],
            packet: vec![0; 60],
            link_type: 1,
            ..Evidence::default()
        }),
        ..SecurityEvent::default()
    }
}
