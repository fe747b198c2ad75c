//! The `[delivery]` table of `tapir.toml`: where events go, in the words of the file, made into sinks.

mod kafka;
mod webhook;

use kafka::KafkaTable;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tapir_delivery::beacon;
use tapir_delivery::sinks::elastic::{ElasticConfig, ElasticSink, Layout, Retention};
use tapir_delivery::sinks::http::{Auth, HttpClient, HttpConfig};
use tapir_delivery::sinks::manager::ManagerSink;
use tapir_delivery::sinks::otlp::OtlpSink;
use tapir_delivery::sinks::{
    self, Facility, FileConfig, Severity, StructuredElement, SyslogConfig, SyslogMessage, SyslogTransport, Visible,
};
use tapir_delivery::{Record, Sink, SpoolConfig, SyncPolicy, TlsConfig};
use tapir_event::{CalicoWords, Format, Level, SecurityEvent, Style};
use webhook::WebhookTable;

/// `[delivery]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryTable {
    /// Folder of the spool.
    pub spool: PathBuf,
    /// Name of this node; the host's name if not given.
    pub node: Option<String>,
    cluster: Option<String>,
    tenant: Option<String>,
    page: Option<String>,
    words: Option<String>,
    #[serde(default)]
    as_incumbent: bool,
    max_mib: Option<u64>,
    max_age_hours: Option<u64>,
    sync: Option<String>,
    /// `[[delivery.sink]]`.
    #[serde(default)]
    pub sink: Vec<SinkTable>,
}

/// One sink: a name, and one table of the kind that it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkTable {
    /// Its name: of its place in the spool and its dead letters.
    pub name: String,
    file: Option<FileTable>,
    syslog: Option<SyslogTable>,
    elasticsearch: Option<ElasticTable>,
    kafka: Option<KafkaTable>,
    webhook: Option<WebhookTable>,
    otlp: Option<OtlpTable>,
    manager: Option<ManagerTable>,
    /// It gets events that a suppression hides, too. The manager always does.
    #[serde(default)]
    suppressed: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTable {
    path: PathBuf,
    format: Option<String>,
    max_mib: Option<u64>,
    keep: Option<u32>,
    #[serde(default)]
    gzip: bool,
    #[serde(default)]
    durable: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SyslogTable {
    address: String,
    transport: Option<String>,
    format: Option<String>,
    facility: Option<String>,
    app_name: Option<String>,
    enterprise_number: Option<u32>,
    #[serde(default)]
    tls: TlsTable,
}

/// The number that RFC 5612 sets aside for examples; Tapir has none of its own yet.
const ENTERPRISE: u32 = 32_473;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ElasticTable {
    url: String,
    layout: Option<String>,
    namespace: Option<String>,
    retention_days: Option<u32>,
    #[serde(default)]
    no_setup: bool,
    #[serde(default)]
    http: HttpTable,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OtlpTable {
    url: String,
    #[serde(default)]
    http: HttpTable,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManagerTable {
    url: String,
    token_file: PathBuf,
    #[serde(default)]
    http: HttpTable,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTable {
    user: Option<String>,
    password_file: Option<PathBuf>,
    api_key_file: Option<PathBuf>,
    bearer_file: Option<PathBuf>,
    timeout_seconds: Option<u64>,
    #[serde(default)]
    allow_local: bool,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    tls: TlsTable,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
}

/// A sink as configured.
pub struct ConfiguredSink {
    /// Its name.
    pub name: String,
    /// What it is: the name of its table.
    pub kind: &'static str,
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// How long a batch that is not full waits for more.
    pub linger: Duration,
}

/// Nobody waits at a SIEM; on the page somebody does.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_PAGE: Duration = Duration::from_millis(50);

impl DeliveryTable {
    /// Sizes and ages of the spool.
    pub fn spool_config(&self) -> Result<SpoolConfig, String> {
        let mut config = SpoolConfig::default();
        if let Some(mib) = self.max_mib {
            config.max_bytes = mib.saturating_mul(1 << 20);
            config.segment_bytes = config.segment_bytes.min((config.max_bytes / 4).max(4096));
        }
        if let Some(hours) = self.max_age_hours {
            config.max_age = Duration::from_secs(hours.saturating_mul(3600));
        }
        config.sync = match self.sync.as_deref() {
            None => config.sync,
            Some("always") => SyncPolicy::Always,
            Some("never") => SyncPolicy::Never,
            Some(text) => match text.strip_suffix("ms").map(|number| number.trim().parse()) {
                Some(Ok(millis)) => SyncPolicy::Interval(Duration::from_millis(millis)),
                _ => return Err(format!("delivery.sync = \"{text}\": write always, never, or a time such as 200ms")),
            },
        };
        Ok(config)
    }

    fn style(&self) -> Result<Style, String> {
        let defaults = Style::default();
        let words = match &self.words {
            None => CalicoWords::default(),
            Some(name) => CalicoWords::from_name(name)
                .ok_or_else(|| format!("delivery.words = \"{name}\": write g1, g2, g3 or signature-triggered"))?,
        };
        Ok(Style {
            cluster: self.cluster.clone().unwrap_or(defaults.cluster),
            tenant: self.tenant.clone().unwrap_or_default(),
            page: self.page.as_ref().map(|page| page.trim_end_matches('/').to_owned()),
            words,
            as_incumbent: self.as_incumbent,
        })
    }

    /// Makes the sinks, in the order of the file.
    pub fn sinks(&self) -> Result<Vec<ConfiguredSink>, String> {
        let style = self.style()?;
        self.sink
            .iter()
            .map(|table| table.make(&style).map_err(|why| format!("sink \"{}\": {why}", table.name)))
            .collect()
    }

    /// Files that the sinks read: tokens, passwords, certificates.
    pub fn reads(&self) -> Vec<&Path> {
        self.sink.iter().flat_map(SinkTable::reads).collect()
    }

    /// Files that the sinks write.
    pub fn writes(&self) -> Vec<&Path> {
        self.sink.iter().filter_map(|table| Some(table.file.as_ref()?.path.as_path())).collect()
    }

    /// A client of the first manager among the sinks: it hears of this node, and says what is suppressed.
    pub fn manager(&self) -> Result<Option<HttpClient>, String> {
        let first = self.sink.iter().find_map(|table| table.manager.as_ref().map(|manager| (&table.name, manager)));
        let Some((name, manager)) = first else { return Ok(None) };
        manager.client().map(Some).map_err(|why| format!("sink \"{name}\": {why}"))
    }
}

impl SinkTable {
    fn reads(&self) -> Vec<&Path> {
        let mut files: Vec<Option<&PathBuf>> = Vec::new();
        files.extend(self.syslog.iter().flat_map(|table| table.tls.reads()));
        files.extend(self.kafka.iter().flat_map(KafkaTable::reads));
        files.push(self.webhook.as_ref().and_then(WebhookTable::secret_file));
        files.push(self.manager.as_ref().map(|table| &table.token_file));
        let of_elastic = self.elasticsearch.as_ref().map(|table| &table.http);
        let of_webhook = self.webhook.as_ref().map(|table| &table.http);
        let of_otlp = self.otlp.as_ref().map(|table| &table.http);
        let of_manager = self.manager.as_ref().map(|table| &table.http);
        let all = [of_elastic, of_webhook, of_otlp, of_manager];
        files.extend(all.into_iter().flatten().flat_map(HttpTable::reads));
        files.into_iter().flatten().map(PathBuf::as_path).collect()
    }

    fn make(&self, style: &Style) -> Result<ConfiguredSink, String> {
        let mut made = Vec::new();
        made.extend(self.file.as_ref().map(|table| ("file", table.make(style))));
        made.extend(self.syslog.as_ref().map(|table| ("syslog", table.make(style))));
        made.extend(self.elasticsearch.as_ref().map(|table| ("elasticsearch", table.make(style))));
        made.extend(self.kafka.as_ref().map(|table| ("kafka", table.make(style))));
        made.extend(self.webhook.as_ref().map(|table| ("webhook", table.make(style))));
        made.extend(self.otlp.as_ref().map(|table| ("otlp", table.make(style))));
        made.extend(self.manager.as_ref().map(|table| ("manager", table.make())));
        let (Some((kind, sink)), true) = (made.pop(), made.is_empty()) else {
            return Err(
                "give it one of the tables file, syslog, elasticsearch, kafka, webhook, otlp, manager".to_owned()
            );
        };
        let is_page = kind == "manager";
        let sink = if is_page || self.suppressed { sink? } else { Box::new(Visible::new(sink?)) };
        let linger = if is_page { LINGER_PAGE } else { LINGER };
        Ok(ConfiguredSink { name: self.name.clone(), kind, sink, linger })
    }
}

/// A format by its name; `fallback` if none is given.
fn format(name: Option<&str>, fallback: Format) -> Result<Format, String> {
    let Some(name) = name else { return Ok(fallback) };
    Format::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
        format!("unknown format \"{name}\"; there are {}", names.join(", "))
    })
}

impl FileTable {
    fn make(&self, style: &Style) -> Result<Box<dyn Sink>, String> {
        let (format, style) = (format(self.format.as_deref(), Format::Tapir)?, style.clone());
        let defaults = FileConfig::new(&self.path);
        let config = FileConfig {
            max_bytes: self.max_mib.map_or(defaults.max_bytes, |mib| (mib > 0).then(|| mib.saturating_mul(1 << 20))),
            keep: self.keep.unwrap_or(defaults.keep),
            gzip: self.gzip,
            durable: self.durable,
            ..defaults
        };
        let line = move |record: &Record| Some(format.line(&record.event().ok()?, &style).into_bytes());
        sinks::file(config, Box::new(line)).map_err(|error| error.to_string())
    }
}

impl SyslogTable {
    fn make(&self, style: &Style) -> Result<Box<dyn Sink>, String> {
        let transport = match self.transport.as_deref() {
            None | Some("udp") => SyslogTransport::Udp,
            Some("tcp") => SyslogTransport::Tcp,
            Some("tls") => SyslogTransport::Tls(self.tls.config()?),
            Some(other) => return Err(format!("transport \"{other}\": write udp, tcp or tls")),
        };
        let (format, style) = (format(self.format.as_deref(), Format::Cef)?, style.clone());
        let mut config = SyslogConfig::new(&self.address, transport);
        if let Some(word) = &self.facility {
            config.facility = Facility::from_name(word).ok_or_else(|| {
                let names: Vec<&str> = Facility::ALL.iter().map(|(name, _)| *name).collect();
                format!("facility \"{word}\": write one of {}", names.join(", "))
            })?;
        }
        if let Some(name) = &self.app_name {
            // RFC 5424 section 6.2.5.
            if !matches!(name.len(), 1..=48) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!("app_name \"{name}\": write 1 to 48 characters of ASCII without blanks"));
            }
            config.app_name.clone_from(name);
        }
        let id = format!("tapir@{}", self.enterprise_number.unwrap_or(ENTERPRISE));
        let message = move |record: &Record| Some(syslog_message(&record.event().ok()?, format, &style, &id));
        sinks::syslog(config, Box::new(message)).map_err(|error| error.to_string())
    }
}

fn syslog_message(event: &SecurityEvent, format: Format, style: &Style, id: &str) -> SyslogMessage {
    let severity = match event.rule.level() {
        Level::Critical => Severity::Critical,
        Level::High => Severity::Error,
        Level::Medium => Severity::Warning,
        Level::Low => Severity::Notice,
        Level::Info => Severity::Informational,
    };
    let mut parameters = vec![
        ("id".to_owned(), event.id.to_string()),
        ("sid".to_owned(), format!("{}:{}", event.rule.gid, event.rule.sid)),
    ];
    if let Some(workload) = event.server.as_ref().or(event.client.as_ref()) {
        parameters.push(("ns".to_owned(), workload.namespace.clone()));
    }
    let structured = vec![StructuredElement { id: id.to_owned(), parameters }];
    SyslogMessage { severity, msgid: "alert".to_owned(), structured, message: format.line(event, style) }
}

impl ElasticTable {
    fn make(&self, style: &Style) -> Result<Box<dyn Sink>, String> {
        let layout = match self.layout.as_deref() {
            None | Some("calico") => Layout::Calico,
            Some("ecs") => Layout::Ecs,
            Some(other) => return Err(format!("layout \"{other}\": write calico or ecs")),
        };
        let config = ElasticConfig {
            url: self.url.clone(),
            http: self.http.config()?,
            layout,
            style: style.clone(),
            namespace: self.namespace.clone().unwrap_or_default(),
            retention: match self.retention_days {
                None => Retention::Default,
                Some(0) => Retention::Forever,
                Some(days) => Retention::Days(days),
            },
            no_setup: self.no_setup,
        };
        Ok(Box::new(ElasticSink::new(config).map_err(|error| error.to_string())?))
    }
}

impl OtlpTable {
    fn make(&self, style: &Style) -> Result<Box<dyn Sink>, String> {
        let sink = OtlpSink::new(&self.url, &self.http.config()?, style.clone());
        Ok(Box::new(sink.map_err(|error| error.to_string())?))
    }
}

impl ManagerTable {
    fn make(&self) -> Result<Box<dyn Sink>, String> {
        let sink = ManagerSink::new(&self.url, secret(&self.token_file)?, self.http.config()?);
        Ok(Box::new(sink.map_err(|error| error.to_string())?))
    }

    /// For the beacon, which waits longer than a sink.
    fn client(&self) -> Result<HttpClient, String> {
        let config = self.http.config()?;
        let timeout = config.timeout.unwrap_or_default().max(beacon::PATIENCE);
        let auth = Auth::Bearer(secret(&self.token_file)?);
        let config = HttpConfig { auth, timeout: Some(timeout), ..config };
        HttpClient::new(&self.url, &config).map_err(|error| error.to_string())
    }
}

impl HttpTable {
    fn reads(&self) -> Vec<Option<&PathBuf>> {
        let mut files = self.tls.reads().to_vec();
        files.extend([self.password_file.as_ref(), self.api_key_file.as_ref(), self.bearer_file.as_ref()]);
        files
    }

    fn config(&self) -> Result<HttpConfig, String> {
        let read = |path: &Option<PathBuf>| path.as_deref().map(secret).transpose();
        let auth = match (&self.user, read(&self.password_file)?, read(&self.api_key_file)?, read(&self.bearer_file)?) {
            (None, None, None, None) => Auth::None,
            (Some(user), Some(password), None, None) => Auth::Basic { user: user.clone(), password },
            (None, None, Some(key), None) => Auth::ApiKey(key),
            (None, None, None, Some(token)) => Auth::Bearer(token),
            _ => return Err("http: give user with password_file, or api_key_file, or bearer_file".to_owned()),
        };
        Ok(HttpConfig {
            auth,
            tls: self.tls.config()?,
            timeout: self.timeout_seconds.map(Duration::from_secs),
            allow_local: self.allow_local,
            headers: self.headers.clone().into_iter().collect(),
            ..HttpConfig::default()
        })
    }
}

impl TlsTable {
    fn reads(&self) -> [Option<&PathBuf>; 3] {
        [self.ca.as_ref(), self.cert.as_ref(), self.key.as_ref()]
    }

    fn config(&self) -> Result<TlsConfig, String> {
        let identity = match (&self.cert, &self.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            _ => return Err("tls: cert and key belong together".to_owned()),
        };
        Ok(TlsConfig {
            authorities: self.ca.clone(),
            identity,
            server_name: self.server_name.clone(),
            ..TlsConfig::default()
        })
    }
}

/// Secrets stand in files, never in the configuration, where they would be read, copied and logged.
fn secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
#[cfg(feature = "kafka")]
mod examples;

#[cfg(test)]
mod tests {
    use super::*;

    fn sinks(text: &str) -> Result<Vec<String>, String> {
        let table: DeliveryTable = toml::from_str(text).map_err(|error| error.to_string())?;
        table.spool_config()?;
        table.sinks().map(|sinks| sinks.into_iter().map(|one| one.name).collect())
    }

    #[test]
    fn every_file_of_every_sink_is_told() {
        let text = r#"
            spool = "/s"
            [[sink]]
            name = "log"
            file = { path = "/w/alerts.log" }
            [[sink]]
            name = "siem"
            syslog = { address = "x:1", transport = "tls", tls = { ca = "/r/1", cert = "/r/2", key = "/r/3" } }
            [[sink]]
            name = "es"
            elasticsearch = { url = "https://x", http = { password_file = "/r/4", tls = { ca = "/r/5" } } }
            [[sink]]
            name = "bus"
            kafka = { brokers = ["b:1"], topic = "t", tls = { ca = "/r/6" }, sasl = { mechanism = "PLAIN", user = "u", password_file = "/r/7" } }
            [[sink]]
            name = "hook"
            webhook = { url = "https://x", consumer = "Slack", secret_file = "/r/8", http = { bearer_file = "/r/9" } }
            [[sink]]
            name = "otel"
            otlp = { url = "https://x", http = { api_key_file = "/r/a" } }
            [[sink]]
            name = "page"
            manager = { url = "https://x", token_file = "/r/b", http = { tls = { ca = "/r/c" } } }
        "#;
        let table: DeliveryTable = toml::from_str(text).expect("the table");
        let mut reads = table.reads();
        reads.sort();
        let expected: Vec<String> = "123456789abc".chars().map(|one| format!("/r/{one}")).collect();
        assert_eq!(reads, expected.iter().map(Path::new).collect::<Vec<_>>());
        assert_eq!(table.writes(), [Path::new("/w/alerts.log")]);
    }

    // Without Kafka there is no sink of that kind.
    #[cfg(feature = "kafka")]
    #[test]
    fn every_kind_of_sink_is_made() {
        let folder = std::env::temp_dir().join(format!("tapir-sinks-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("folder");
        std::fs::write(folder.join("key"), "secret\n").expect("key");
        let text = format!(
            r#"
            spool = "/nowhere"
            sync = "50ms"
            [[sink]]
            name = "es"
            elasticsearch = {{ url = "http://es.example:9200", layout = "ecs", http = {{ api_key_file = "{0}/key" }} }}
            [[sink]]
            name = "log"
            file = {{ path = "{0}/alerts.log", format = "eve", gzip = true }}
            [[sink]]
            name = "siem"
            syslog = {{ address = "siem.example:514", transport = "tcp" }}
            [[sink]]
            name = "chat"
            webhook = {{ url = "http://hooks.example/x", consumer = "Slack", min_level = "high" }}
            [[sink]]
            name = "otel"
            otlp = {{ url = "http://collector.example:4318" }}
            [[sink]]
            name = "bus"
            kafka = {{ brokers = ["kafka.example:9092"], topic = "alerts" }}
            [[sink]]
            name = "page"
            manager = {{ url = "https://tapir.example", token_file = "{0}/key" }}
            "#,
            folder.display()
        );
        // The file and syslog sinks start threads, the others want no runtime until they deliver.
        assert_eq!(sinks(&text), Ok(["es", "log", "siem", "chat", "otel", "bus", "page"].map(str::to_owned).into()));
        std::fs::remove_dir_all(&folder).expect("folder");
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn mistakes_are_named_with_the_sink() {
        for (text, part) in [
            ("[[sink]]\nname = \"a\"", "one of the tables"),
            ("[[sink]]\nname = \"a\"\notlp = { url = \"ftp://x\" }", "http://"),
            ("[[sink]]\nname = \"a\"\notlp = { url = \"http://127.0.0.1\" }", "allow them for this sink"),
            ("[[sink]]\nname = \"a\"\notlp = { url = \"http://x\", colour = 1 }", "colour"),
            ("[[sink]]\nname = \"a\"\nsyslog = { address = \"x:1\", facility = \"mail\" }", "local7"),
            ("[[sink]]\nname = \"a\"\nsyslog = { address = \"x:1\", app_name = \"a b\" }", "without blanks"),
            ("[[sink]]\nname = \"a\"\nwebhook = { url = \"http://x\", consumer = \"Teams\" }", "Slack, Jira"),
            ("[[sink]]\nname = \"a\"\nwebhook = { url = \"http://x\", consumer = \"AlertManager\" }", "/api/v2/alerts"),
            (
                "[[sink]]\nname = \"a\"\nwebhook = { url = \"http://x\", consumer = \"Slack\", query = \"is:open\" }",
                "query, byte 0",
            ),
            ("[[sink]]\nname = \"a\"\nfile = { path = \"/nowhere/x\" }", "/nowhere/x"),
            ("[[sink]]\nname = \"a\"\nsyslog = { address = \"x\" }", "host:port"),
            (
                "[[sink]]\nname = \"a\"\nelasticsearch = { url = \"http://x\", http = { user = \"u\" } }",
                "password_file",
            ),
            ("[[sink]]\nname = \"a\"\nkafka = { brokers = [], topic = \"t\" }", "at least one broker"),
            ("[[sink]]\nname = \"a\"\nkafka = { brokers = [\"b:1\"], topic = \"t\", key = \"pod\" }", "workload, node"),
            (
                "[[sink]]\nname = \"a\"\nkafka = { brokers = [\"b:1\"], topic = \"t\", compression = \"lz4\" }",
                "none, gzip or zstd",
            ),
            ("sync = \"soon\"", "200ms"),
            ("words = \"g9\"", "g1, g2, g3"),
        ] {
            let error = sinks(&format!("spool = \"/nowhere\"\n{text}")).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
