//! What a webhook is configured with: values and where they stand, and the sink that they make.
//!
//! *Invariants*: a value of a Secret is in no text for people ([`Settings::hide`]); what a receiver answers is in the log and not in the
//! status, which others may read than those who may reach the receiver.
//!
//! *Limits*: [`MAX_SETTINGS`] settings, [`MAX_VALUE`] bytes of a value.
//! *Spec*: the names of the settings are the incumbent's: `url`; of Jira `project`, `issueType`, `username`, `apiToken`; of Alertmanager
//! `basicAuth` (`user:password`), `ca.crt`, `tls.crt`, `tls.key`, `generatorURL`. Ours: `windowMinutes` of Slack and Jira.

use crate::write::{code, refused};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::time::Duration;
use tapir_delivery::Pem;
use tapir_delivery::TlsConfig;
use tapir_delivery::sinks::http::{Auth, HttpConfig};
use tapir_delivery::sinks::webhook::{Consumer as Form, WebhookConfig, WebhookSink};
use tapir_event::{Format, Style};
use tapir_kubernetes::resources::{ConfigKey, ConfigValue, Consumer};

const MAX_SETTINGS: usize = 64;
const MAX_VALUE: usize = 64 << 10;
/// The incumbent's.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter values of Secrets are not looked for in texts: they would be found in any.
const HIDDEN: usize = 4;

/// Why there are no settings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// They are wrong, or missing.
    Wrong(String),
    /// The API server does not answer: those of before go on.
    Away(String),
}

/// The settings of a webhook.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
    /// Values that came out of Secrets.
    secrets: Vec<String>,
}

impl Settings {
    /// Reads values where they stand, in `namespace`.
    pub(crate) async fn resolve(client: &Client, namespace: &str, config: &[ConfigValue]) -> Result<Self, Unresolved> {
        if config.len() > MAX_SETTINGS {
            return Err(Unresolved::Wrong(format!(
                "spec.config has {} settings, more than {MAX_SETTINGS}",
                config.len()
            )));
        }
        let mut found = Self::default();
        for setting in config {
            let name = &setting.name;
            let source = setting.value_from.as_ref();
            let map = source.and_then(|source| source.config_map_key_ref.as_ref());
            let secret = source.and_then(|source| source.secret_key_ref.as_ref());
            let value = match (&setting.value, map, secret) {
                (Some(value), None, None) => Some(value.clone()),
                (None, Some(key), None) => {
                    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
                    let held = object(api.get(&key.name).await, "ConfigMap", "configmaps", namespace, key)?;
                    let text = held.and_then(|map| map.data.unwrap_or_default().remove(&key.key));
                    present(text, "ConfigMap", namespace, key)?
                }
                (None, None, Some(key)) => {
                    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
                    let held = object(api.get(&key.name).await, "Secret", "secrets", namespace, key)?;
                    let bytes = held.and_then(|secret| secret.data.unwrap_or_default().remove(&key.key));
                    let text = bytes.map(|bytes| String::from_utf8(bytes.0)).transpose().map_err(|_| {
                        let (name, key) = (&key.name, &key.key);
                        Unresolved::Wrong(format!("key {key} of Secret {namespace}/{name} is no text"))
                    })?;
                    let text = present(text, "Secret", namespace, key)?;
                    found.secrets.extend(text.iter().map(|text| text.trim().to_owned()));
                    text
                }
                _ => {
                    let why = "exactly one of value, valueFrom.configMapKeyRef and valueFrom.secretKeyRef is wanted";
                    return Err(Unresolved::Wrong(format!("spec.config, {name}: {why}")));
                }
            };
            let Some(value) = value else { continue };
            if value.len() > MAX_VALUE {
                return Err(Unresolved::Wrong(format!("spec.config, {name}: longer than {MAX_VALUE} bytes")));
            }
            found.values.insert(name.clone(), value);
        }
        Ok(found)
    }

    /// A value without the blanks and line ends around it that files bring.
    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn must(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("spec.config: {name} is missing"))
    }

    /// A text for people, without what stands in Secrets.
    pub(crate) fn hide(&self, text: &str) -> String {
        let long = self.secrets.iter().filter(|secret| secret.len() >= HIDDEN);
        long.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }

    /// The sink of a consumer. The error names the setting.
    pub(crate) fn sink(
        &self,
        consumer: Consumer,
        labels: Vec<(String, String)>,
        style: &Style,
        allow_local: bool,
    ) -> Result<WebhookSink, String> {
        self.made(consumer, labels, style, allow_local).map_err(|why| self.hide(&why))
    }

    fn made(
        &self,
        consumer: Consumer,
        labels: Vec<(String, String)>,
        style: &Style,
        allow_local: bool,
    ) -> Result<WebhookSink, String> {
        let url = self.must("url")?.to_owned();
        let mut http = HttpConfig { timeout: Some(TIMEOUT), allow_local, ..HttpConfig::default() };
        let form = match consumer {
            Consumer::Slack => Form::Slack,
            Consumer::Generic => Form::Generic(Format::Calico),
            Consumer::Jira => {
                http.auth = Auth::Basic {
                    user: self.must("username")?.to_owned(),
                    password: self.must("apiToken")?.to_owned(),
                };
                Form::Jira { project: self.must("project")?.to_owned(), issue_type: self.must("issueType")?.to_owned() }
            }
            Consumer::AlertManager => {
                if let Some(basic) = self.get("basicAuth") {
                    let (user, password) = basic.split_once(':').ok_or("basicAuth is not user:password")?;
                    http.auth = Auth::Basic { user: user.to_owned(), password: password.to_owned() };
                }
                let identity = match (self.get("tls.crt"), self.get("tls.key")) {
                    (Some(certificate), Some(key)) => Some((certificate.to_owned(), key.to_owned())),
                    (None, None) => None,
                    _ => return Err("tls.crt and tls.key go together".to_owned()),
                };
                let pem = Pem { authorities: self.get("ca.crt").map(str::to_owned), identity };
                http.tls = TlsConfig { pem, ..TlsConfig::default() };
                Form::AlertManager { generator_url: self.get("generatorURL").unwrap_or_default().to_owned() }
            }
        };
        if http.auth != Auth::None && url.starts_with("http://") && !allow_local {
            return Err("credentials would travel in the clear: url must begin with https://".to_owned());
        }
        let window = match self.get("windowMinutes").map(str::parse::<u16>) {
            None => WebhookConfig::WINDOW,
            Some(Ok(minutes)) if minutes <= 1_440 => Duration::from_secs(u64::from(minutes) * 60),
            Some(_) => return Err("windowMinutes is a number from 0 to 1440; 0 sends each event".to_owned()),
        };
        let (secret, style) = (String::new(), style.clone());
        let config = WebhookConfig { url, http, consumer: form, labels, secret, window, style };
        // The store has answered the query already.
        WebhookSink::new(config, Box::new(|_| true)).map_err(|error| error.to_string())
    }
}

/// What the API server said of an object that a setting refers to; `None`: it is missing and may be.
fn object<K>(
    answer: Result<K, kube::Error>,
    kind: &str,
    plural: &str,
    namespace: &str,
    key: &ConfigKey,
) -> Result<Option<K>, Unresolved> {
    let name = &key.name;
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(error) => match code(&error) {
            Some(404) if key.optional == Some(true) => Ok(None),
            Some(404) => Err(Unresolved::Wrong(format!("{kind} {namespace}/{name} is not there"))),
            Some(403) => {
                let what = format!("{plural} in namespace {namespace}");
                Err(Unresolved::Wrong(format!("{kind} {namespace}/{name}: {}", refused("get", &what, &error))))
            }
            _ => Err(Unresolved::Away(format!("{kind} {namespace}/{name}: {}", refused("get", plural, &error)))),
        },
    }
}

fn present(text: Option<String>, kind: &str, namespace: &str, key: &ConfigKey) -> Result<Option<String>, Unresolved> {
    if text.is_none() && key.optional != Some(true) {
        let (name, key) = (&key.name, &key.key);
        return Err(Unresolved::Wrong(format!("{kind} {namespace}/{name} has no key {key}")));
    }
    Ok(text)
}

/// What went wrong, without what the receiver said: its status, not its words.
pub(crate) fn without_answer(why: &str) -> &str {
    match why.strip_prefix("the receiver answered ") {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            why.get(..why.len() - rest.len() + digits).unwrap_or(why)
        }
        None => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, &str)]) -> Settings {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings { values, secrets: Vec::new() }
    }

    fn sink(consumer: Consumer, values: &[(&str, &str)]) -> Result<(), String> {
        settings(values).sink(consumer, Vec::new(), &Style::default(), false).map(|_| ())
    }

    #[test]
    fn each_consumer_has_its_settings() {
        assert_eq!(sink(Consumer::Slack, &[("url", "https://hooks.example/x\n")]), Ok(()));
        assert_eq!(sink(Consumer::Generic, &[]), Err("spec.config: url is missing".into()));
        let jira = [("url", "https://j.example/rest/api/2/issue/"), ("project", "SEC"), ("issueType", "Bug")];
        assert_eq!(sink(Consumer::Jira, &jira), Err("spec.config: username is missing".into()));
        let whole = [&jira[..], &[("username", "u"), ("apiToken", "t")]].concat();
        assert_eq!(sink(Consumer::Jira, &whole), Ok(()));
        let alerts = ("url", "https://a.example/api/v2/alerts");
        assert_eq!(sink(Consumer::AlertManager, &[alerts, ("basicAuth", "u:p:q")]), Ok(()));
        assert!(sink(Consumer::AlertManager, &[("url", "https://a.example/")]).unwrap_err().contains("/api/v2/alerts"));
        assert!(sink(Consumer::AlertManager, &[alerts, ("basicAuth", "x")]).unwrap_err().contains("user:password"));
        let slack = ("url", "https://hooks.example/x");
        assert_eq!(sink(Consumer::Slack, &[slack, ("windowMinutes", "0")]), Ok(()));
        for wrong in ["-1", "1441", "soon"] {
            assert!(sink(Consumer::Slack, &[slack, ("windowMinutes", wrong)]).unwrap_err().contains("0 to 1440"));
        }
        assert!(sink(Consumer::AlertManager, &[alerts, ("tls.key", "x")]).unwrap_err().contains("go together"));
        assert!(sink(Consumer::AlertManager, &[alerts, ("ca.crt", "x")]).unwrap_err().contains("PEM"));
    }

    #[test]
    fn addresses_that_lead_inside_and_credentials_in_the_clear_are_refused() {
        assert!(sink(Consumer::Generic, &[("url", "http://169.254.169.254/x")]).unwrap_err().contains("link-local"));
        let clear = [("url", "http://a.example/api/v2/alerts"), ("basicAuth", "u:p")];
        assert!(sink(Consumer::AlertManager, &clear).unwrap_err().contains("in the clear"));
    }

    #[test]
    fn what_stands_in_secrets_and_what_receivers_say_is_told_to_nobody() {
        let mut settings = settings(&[("url", "ftp://hooks.example/secret-token")]);
        settings.secrets.push("ftp://hooks.example/secret-token".into());
        let why = settings.sink(Consumer::Slack, Vec::new(), &Style::default(), false).map(|_| ()).unwrap_err();
        assert!(!why.contains("secret-token") && why.contains("http://"), "{why}");
        assert_eq!(without_answer("the receiver answered 500: inner words"), "the receiver answered 500");
        assert_eq!(without_answer("Connection refused"), "Connection refused");
    }
}
