//! `deploy/chart/`: the Helm chart, written from the objects that `tapir install` prints.
//!
//! *How it fits*: the installation is rendered once with words in the places of values; these become the templates' values. Arguments and
//! secrets, of which there may be none, are templates of their own, below. `make chart-test` compares what a real helm makes of it
//! with what `tapir install` prints. Definitions of resources are those of `deploy/crds`; helm
//! installs those that are absent, and no others.
//! *Invariants*: as those of the reference: the same tree gives the same bytes, nothing is written by hand.

use serde_json::{Value, json};
use tapir_kubernetes::crds;
use tapir_kubernetes::interface::MAX_PREFIXES;
use tapir_operator::install::{self, Made};
use tapir_operator::names::{Compat, NAMESPACE, WEBHOOKS};
use tapir_operator::options::{AGENT_HEALTH, HONOUR, ManagerOptions, Options, Sandbox};

/// Where it is.
const FOLDER: &str = "deploy/chart";
const HEAD: &str = "# Written by `cargo run -p xtask -- chart`; do not edit.\n";

/// A word in the place of a value, and the value.
const PLACES: [(&str, &str); 3] = [
    ("value-namespace", "{{ .Release.Namespace }}"),
    ("value-image", "{{ .Values.image | quote }}"),
    ("value-policy", "{{ .Values.pullPolicy }}"),
];

/// All files: path from the root, text.
pub(crate) fn files() -> Vec<(String, String)> {
    let mut files = vec![
        (format!("{FOLDER}/Chart.yaml"), chart()),
        (format!("{FOLDER}/values.yaml"), values()),
        (format!("{FOLDER}/values.schema.json"), schema()),
        (format!("{FOLDER}/.helmignore"), "*.orig\n.git\n".to_owned()),
        (format!("{FOLDER}/templates/_options.tpl"), arguments()),
        (format!("{FOLDER}/templates/NOTES.txt"), NOTES.to_owned()),
    ];
    for definition in crds::all() {
        files.push((format!("{FOLDER}/crds/{}.yaml", definition.name()), definition.yaml()));
    }
    for compat in [Compat::Calico, Compat::None] {
        files.push((format!("{FOLDER}/templates/names-{}.yaml", compat.word()), objects(compat)));
    }
    files
}

fn chart() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "{HEAD}apiVersion: v2\nname: tapir\ntype: application\nversion: {version}\nappVersion: {version}\n\
         description: Deep packet inspection for Kubernetes workloads\n\
         keywords: [security, ids, snort, network]\n"
    )
}

fn values() -> String {
    let Options { image, pull_policy, cluster, interface_prefix, compat, sandbox, .. } = Options::default();
    let storage = ManagerOptions::default().storage;
    format!(
        "{HEAD}
# The image of operator, agents and manager.
image: {image}
# When nodes pull it: Always, IfNotPresent, Never.
pullPolicy: {pull_policy}
# Names of secrets with credentials of the registry.
pullSecrets: []
# Whose names the agents have. calico: DaemonSet tigera-dpi in namespace tigera-dpi, as the incumbent has it. none: DaemonSet
# tapir-agent in namespace tapir-agents.
compat: {compat}
# Name of the cluster, in documents and on the page.
cluster: {cluster}
# The release's namespace is made by the chart, too. Leave it to `helm install --create-namespace`.
createNamespace: false
agent:
  # The agents' namespace is made by the chart. Not where somebody else has it, as Calico's operator has tigera-dpi.
  createNamespace: true
  # How names of Calico's interfaces begin; several with commas.
  interfacePrefix: {interface_prefix}
  # Where agents serve health and metrics on their node. The incumbent's agents have the default: beside them take another port.
  health: {health}
  # Agents see the node's processes. Needed where the network plugin has no route for each pod: bridge, Flannel, Cilium, Antrea,
  # OVN-Kubernetes, Kube-OVN. Not needed with Calico, AWS, Azure in transparent mode, ptp, kindnet.
  hostPID: false
  # Agents may enter network namespaces of pods, for those that the node's side does not show: eBPF host routing, SR-IOV, macvlan,
  # ipvlan. Takes SYS_ADMIN, SYS_PTRACE, the node's processes, and root.
  insidePods: false
  # Agents give up what they do not need once they have begun: capabilities, system calls, files. \"on\": as far as a node's kernel has
  # it; what is missing is told. require: an agent does not start without all of it. \"off\": not. Quoted: YAML takes on and off for yes
  # and no, which are understood, too.
  sandbox: \"{sandbox}\"
  # Root by number, without its powers: for runtimes that lose the capability of the program's file.
  runAsRoot: false
manager:
  enabled: true
  # Its volume: size, and class if not the cluster's default.
  storage: {storage}
  storageClass: \"\"
  # Namespace tigera-intrusion-detection, to which webhooks refer, is made by the chart. Not where Calico's operator has it.
  createWebhookNamespace: true
  # Where people reach the page, for links: https://tapir.example.com
  publicURL: \"\"
  # Kinds of resources that it honours. Beside the incumbent leave webhooks out: both would send them. [none]: none at all.
  honour: [{honour}]
",
        health = AGENT_HEALTH,
        honour = HONOUR.join(", "),
        compat = compat.word(),
        sandbox = sandbox.word(),
    )
}

/// What values may be: a wrong one is refused before anything is rendered.
fn schema() -> String {
    let (text, flag) = (json!({ "type": "string" }), json!({ "type": "boolean" }));
    // YAML of old reads `on` and `off` as truth.
    let [on, off, require] = [Sandbox::On, Sandbox::Off, Sandbox::Require].map(Sandbox::word);
    let sandbox = json!({ "enum": [on, off, require, true, false] });
    // As the agent reads it: a list with commas, as FELIX_INTERFACEPREFIX.
    let one = "[-_.A-Za-z0-9]{1,4}";
    let prefix = json!({ "type": "string", "pattern": format!("^{one}( *, *{one}){{0,{}}}$", MAX_PREFIXES - 1) });
    let health = json!({ "type": "string", "pattern": "^([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[1-9][0-9]{0,4}$" });
    let kinds: Vec<&str> = HONOUR.into_iter().chain(["none"]).collect();
    let honour = json!({ "type": "array", "minItems": 1, "items": { "enum": kinds } });
    let object =
        |properties: Value| json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let mut all = object(json!({
        "image": { "type": "string", "minLength": 1 },
        "pullPolicy": { "enum": ["Always", "IfNotPresent", "Never"] },
        "pullSecrets": { "type": "array", "items": text },
        "compat": { "enum": [Compat::Calico.word(), Compat::None.word()] },
        "cluster": text,
        "createNamespace": flag,
        "agent": object(json!({ "createNamespace": flag, "interfacePrefix": prefix, "health": health, "hostPID": flag, "insidePods": flag, "sandbox": sandbox, "runAsRoot": flag })),
        "manager": object(json!({ "enabled": flag, "storage": text, "storageClass": text, "createWebhookNamespace": flag, "publicURL": text, "honour": honour })),
        "global": { "type": "object" },
    }));
    if let Value::Object(all) = &mut all {
        all.insert("$schema".to_owned(), json!("https://json-schema.org/draft-07/schema#"));
    }
    format!("{all:#}\n")
}

fn arguments() -> String {
    let (storage, health) = (ManagerOptions::default().storage, install::HEALTH_PORT.to_string());
    let [calicos, own] = [Compat::Calico, Compat::None].map(|compat| compat.agent().namespace);
    OPTIONS
        .replace("CALICOS", calicos)
        .replace("AGENTS", own)
        .replace("NAMESPACE", NAMESPACE)
        .replace("STORAGE", &storage)
        .replace("AGENT-HEALTH", &AGENT_HEALTH.to_string())
        .replace("HONOUR", &HONOUR.join(","))
        .replace("HEALTH", &health)
}

/// The objects of one way to call things, in a condition.
fn objects(compat: Compat) -> String {
    let [(namespace, _), (image, _), (policy, _)] = PLACES;
    let options = Options {
        namespace: namespace.to_owned(),
        image: image.to_owned(),
        pull_policy: policy.to_owned(),
        pull_secrets: vec!["value-secret".to_owned()],
        compat,
        ..Options::default()
    };
    let mut text = format!("{HEAD}{{{{- if eq .Values.compat \"{}\" }}}}\n", compat.word());
    for object in install::operator(&options, Made::ALL) {
        let is_own = object.kind() == "Namespace" && object.name() == namespace;
        let is_agents = object.kind() == "Namespace" && object.name() == options.agent().namespace;
        let condition = match (is_own, object.namespace(), object.name()) {
            (true, ..) => Some(".Values.createNamespace"),
            _ if is_agents => Some(".Values.agent.createNamespace"),
            (_, "", WEBHOOKS) => Some(
                "and .Values.manager.enabled .Values.manager.createWebhookNamespace (has \"webhooks\" .Values.manager.honour)",
            ),
            (_, WEBHOOKS, _) => Some("and .Values.manager.enabled (has \"webhooks\" .Values.manager.honour)"),
            _ => None,
        };
        if let Some(condition) = condition {
            text.push_str(&format!("{{{{- if {condition} }}}}\n"));
        }
        text.push_str(&template(&install::yaml([&object.0])));
        if condition.is_some() {
            text.push_str("{{- end }}\n");
        }
    }
    text.push_str("{{- end }}\n");
    text
}

/// Words replaced by values, lists by templates.
fn template(yaml: &str) -> String {
    let mut out = String::new();
    let mut lines = yaml.lines().peekable();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let list = match line.trim_start().trim_start_matches("- ") {
            "args:" => Some("args"),
            "imagePullSecrets:" => Some("imagePullSecrets"),
            _ => None,
        };
        if let Some(name) = list {
            // Its items stand at the same column, or deeper.
            let column = if line.trim_start().starts_with("- ") { indent + 2 } else { indent };
            while lines.next_if(|item| is_item(item, column)).is_some() {}
            let begin = line.get(..line.len() - name.len() - 1).unwrap_or_default();
            out.push_str(&match name {
                "args" => format!(
                    "{begin}args:\n{{{{- include \"tapir.arguments\" . | trim | nindent {column} }}}}\n"
                ),
                _ => format!(
                    "{{{{- with .Values.pullSecrets }}}}\n{begin}imagePullSecrets:\n{{{{- range . }}}}\n{}- name: {{{{ . }}}}\n\
                     {{{{- end }}}}\n{{{{- end }}}}\n",
                    " ".repeat(column)
                ),
            });
            continue;
        }
        let mut line = line.to_owned();
        for (word, value) in PLACES {
            line = line.replace(word, value);
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Whether a line belongs to a list whose key stands at a column.
fn is_item(line: &str, column: usize) -> bool {
    let indent = line.len() - line.trim_start().len();
    indent > column || indent == column && line.trim_start().starts_with("- ")
}

/// Arguments of the operator, as [`Options::arguments`] has them.
const OPTIONS: &str = r#"{{/* Written by `cargo run -p xtask -- chart`; do not edit. */}}
{{- define "tapir.arguments" -}}
{{- if has .Release.Namespace (list "AGENTS" "CALICOS") }}
{{- fail (printf "namespace %s is the agents': operator and manager need one of their own" .Release.Namespace) }}
{{- end }}
- operator
- {{ printf "--image=%s" .Values.image | quote }}
{{- if ne .Release.Namespace "NAMESPACE" }}
- {{ printf "--namespace=%s" .Release.Namespace | quote }}
{{- end }}
{{- if ne .Values.compat "calico" }}
- {{ printf "--compat=%s" .Values.compat | quote }}
{{- end }}
{{- if ne .Values.pullPolicy "IfNotPresent" }}
- {{ printf "--pull-policy=%s" .Values.pullPolicy | quote }}
{{- end }}
{{- with .Values.pullSecrets }}
- {{ printf "--pull-secret=%s" (join "," .) | quote }}
{{- end }}
{{- if ne .Values.cluster "cluster" }}
- {{ printf "--cluster=%s" .Values.cluster | quote }}
{{- end }}
{{- if ne .Values.agent.interfacePrefix "cali" }}
- {{ printf "--interface-prefix=%s" .Values.agent.interfacePrefix | quote }}
{{- end }}
{{- if ne .Values.agent.health "AGENT-HEALTH" }}
- {{ printf "--agent-health=%s" .Values.agent.health | quote }}
{{- end }}
{{- $sandbox := toString .Values.agent.sandbox }}
{{- if or (eq $sandbox "off") (eq $sandbox "false") }}
- --sandbox=off
{{- else if eq $sandbox "require" }}
- --sandbox=require
{{- end }}
{{- if not .Values.manager.enabled }}
- --manager=no
{{- else }}
{{- if ne .Values.manager.storage "STORAGE" }}
- {{ printf "--storage=%s" .Values.manager.storage | quote }}
{{- end }}
{{- with .Values.manager.storageClass }}
- {{ printf "--storage-class=%s" . | quote }}
{{- end }}
{{- with .Values.manager.publicURL }}
- {{ printf "--public-url=%s" . | quote }}
{{- end }}
{{- $honour := join "," .Values.manager.honour }}
{{- if ne $honour "HONOUR" }}
- {{ printf "--honour=%s" $honour | quote }}
{{- end }}
{{- end }}
{{- if .Values.agent.hostPID }}
- --host-pid
{{- end }}
{{- if .Values.agent.insidePods }}
- --inside-pods
{{- end }}
{{- if .Values.agent.runAsRoot }}
- --run-as-root
{{- end }}
- --health=0.0.0.0:HEALTH
{{- end }}
"#;

const NOTES: &str = "\
Tapir's operator is installed. Inspect something:

  kubectl apply -f - <<'EOF'
  apiVersion: projectcalico.org/v3
  kind: DeepPacketInspection
  metadata: {name: everything, namespace: default}
  spec: {selector: all()}
  EOF

  kubectl get tapirstatus
  kubectl get deeppacketinspections -A
{{- if .Values.manager.enabled }}

The Alerts page:

  kubectl -n {{ .Release.Namespace }} port-forward service/tapir-manager 9443
  kubectl -n {{ .Release.Namespace }} logs statefulset/tapir-manager | grep token
{{- end }}
";
