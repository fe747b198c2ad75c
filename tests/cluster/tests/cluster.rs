//! The real thing answers as Kubernetes does, comes back as it was, and leaves nothing behind.
//!
//! Needs `TAPIR_ENVTEST`; `make cluster-test` builds what it names and sets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tapir_cluster::{Cluster, Error, Options};

const PATIENCE: Duration = Duration::from_secs(30);

fn own() -> Option<Cluster> {
    let begin = Instant::now();
    let cluster = Cluster::start_if_asked(Options::default()).unwrap_or_else(|error| panic!("{error}"))?;
    println!("a cluster in {:.1} s", begin.elapsed().as_secs_f64());
    Some(cluster)
}

/// Processes that name the folder.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&format!("{folder}/")))
        .collect()
}

#[track_caller]
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `tapir-cluster` and what it prints, up to its `KUBECONFIG`.
fn program(options: &[&str]) -> (Child, BufReader<ChildStdout>, PathBuf) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapir-cluster"));
    let mut child = command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let kubeconfig = PathBuf::from(line.trim().strip_prefix("KUBECONFIG=").unwrap_or_else(|| panic!("{line:?}")));
    assert!(kubeconfig.is_file(), "{line}");
    (child, output, kubeconfig.parent().unwrap().to_owned())
}

fn ends(child: &mut Child) -> std::process::ExitStatus {
    let mut status = None;
    eventually("it ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

#[test]
fn it_answers_as_kubernetes_does() {
    let Some(cluster) = own() else { return };
    client_and_server_are_of_one_release_and_serve_the_usual_resources(&cluster);
    an_object_comes_back_as_it_was_sent_and_is_gone_when_deleted(&cluster);
    nobody_may_what_no_role_gives_him(&cluster);
    a_token_is_good_in_its_time_only_and_for_its_audience_only(&cluster);
}

fn client_and_server_are_of_one_release_and_serve_the_usual_resources(cluster: &Cluster) {
    let version = cluster.admin().kubectl_json(&["version"]).unwrap();
    let (client, server) = (&version["clientVersion"]["gitVersion"], &version["serverVersion"]["gitVersion"]);
    assert_eq!(client, server);
    assert!(client.as_str().unwrap().starts_with("v1."), "{version}");
    let resources = cluster.kubectl(&["api-resources", "--output", "name"]).unwrap();
    for wanted in [
        "configmaps",
        "daemonsets.apps",
        "customresourcedefinitions.apiextensions.k8s.io",
        "tokenreviews.authentication.k8s.io",
        "subjectaccessreviews.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "leases.coordination.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
    ] {
        assert!(resources.lines().any(|line| line == wanted), "{wanted} is not in\n{resources}");
    }
}

fn an_object_comes_back_as_it_was_sent_and_is_gone_when_deleted(cluster: &Cluster) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "kept", "namespace": "default" },
        "data": { "rule": "alert tcp any any -> any any ( msg:\"ü\"; sid:1; )" },
    });
    cluster.admin().apply(&map.to_string()).unwrap();
    let found = cluster.admin().kubectl_json(&["get", "configmap", "kept"]).unwrap();
    assert_eq!(found["data"], map["data"]);
    cluster.kubectl(&["delete", "configmap", "kept"]).unwrap();
    let error = cluster.kubectl(&["get", "configmap", "kept"]).unwrap_err();
    assert!(error.is_refused() && error.to_string().contains("NotFound"), "{error}");
}

fn nobody_may_what_no_role_gives_him(cluster: &Cluster) {
    cluster.kubectl(&["create", "namespace", "roles"]).unwrap();
    cluster.kubectl(&["create", "serviceaccount", "--namespace", "roles", "reader"]).unwrap();
    let reader = cluster.service_account("roles", "reader").unwrap();
    assert_eq!(reader.token().unwrap().split('.').count(), 3);
    let get = ["get", "configmaps"];
    let forbidden = |error: Error, user: &str| {
        let text = error.to_string();
        assert!(error.is_refused() && text.contains("forbidden") && text.contains(user), "{text}");
    };
    forbidden(reader.kubectl(&get).unwrap_err(), "system:serviceaccount:roles:reader");
    let ann = cluster.user("ann", Some("readers")).unwrap();
    forbidden(ann.kubectl(&["get", "configmaps", "--namespace", "roles"]).unwrap_err(), "\"ann\"");
    let role = ["create", "role", "--namespace", "roles", "read", "--verb=get,list", "--resource=configmaps"];
    cluster.kubectl(&role).unwrap();
    let binding = ["create", "rolebinding", "--namespace", "roles", "read", "--role=read"];
    let subjects = ["--serviceaccount=roles:reader", "--group=readers"];
    cluster.kubectl(&[&binding[..], &subjects[..]].concat()).unwrap();
    // Roles come to the authorizer through a watch.
    eventually("the role is known", || reader.kubectl(&get).is_ok());
    ann.kubectl(&["get", "configmaps", "--namespace", "roles"]).unwrap();
    forbidden(reader.kubectl(&["get", "configmaps", "--namespace", "default"]).unwrap_err(), "namespace \"default\"");
    forbidden(reader.kubectl(&["create", "configmap", "mine"]).unwrap_err(), "create");
    forbidden(ann.kubectl(&get).unwrap_err(), "namespace \"default\"");
}

fn a_token_is_good_in_its_time_only_and_for_its_audience_only(cluster: &Cluster) {
    cluster.kubectl(&["create", "serviceaccount", "timed"]).unwrap();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let asks = |from: i64, until: i64| {
        let token = cluster.token_of_time("default", "timed", from, until).unwrap();
        cluster.with_token("default", &token).unwrap().kubectl(&["auth", "whoami"])
    };
    assert!(asks(now - 60, now + 600).unwrap().contains("system:serviceaccount:default:timed"));
    for (from, until) in [(now - 7_200, now - 3_600), (now + 3_600, now + 7_200)] {
        let error = asks(from, until).unwrap_err();
        assert!(error.is_refused() && error.to_string().contains("Unauthorized"), "{error}");
    }
    let token = cluster.token("default", "timed", &["--audience", "tapir", "--duration", "10m"]).unwrap();
    let error = cluster.with_token("default", &token).unwrap().kubectl(&["auth", "whoami"]).unwrap_err();
    assert!(error.to_string().contains("Unauthorized"), "{error}");
}

#[test]
fn a_restart_keeps_objects_and_address_and_cut_watches_end() {
    let Some(cluster) = own() else { return };
    cluster.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]).unwrap();
    // Not `--watch`: that one would come back by itself.
    let mut watch = cluster.admin().command("kubectl");
    watch.args(["get", "--raw", "/api/v1/namespaces/default/configmaps?watch=1"]).stdout(Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with(r#"{"type":"ADDED","#));
    assert!(watch.try_wait().unwrap().is_none());
    assert!(cluster.cut_connections() > 0);
    ends(&mut watch);
    let kept = || cluster.admin().kubectl_json(&["get", "configmap", "kept"]);
    let before = kept().unwrap();
    let url = cluster.url().to_owned();
    cluster.stop_api_server();
    assert!(kept().unwrap_err().is_refused());
    let begin = Instant::now();
    cluster.start_api_server().unwrap();
    println!("the API server again in {:.1} s", begin.elapsed().as_secs_f64());
    assert_eq!((kept().unwrap(), cluster.url()), (before, url.as_str()));
    cluster.check().unwrap();
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert_eq!((processes(&folder), folder.exists()), (Vec::new(), false));
}

#[test]
fn a_test_that_panics_leaves_neither_processes_nor_files() {
    let Some(cluster) = own() else { return };
    let folder = cluster.folder().to_owned();
    assert_eq!(processes(&folder).len(), 2, "etcd and the API server");
    let panics = std::thread::spawn(move || {
        let _cluster = cluster;
        panic!("on purpose");
    });
    panics.join().unwrap_err();
    assert_eq!((processes(&folder), folder.exists()), (Vec::new(), false));
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let api_server_flags = vec!["--no-such-flag".to_owned()];
    let Some(error) = Cluster::start_if_asked(Options { api_server_flags, ..Options::default() }).err() else { return };
    let text = error.to_string();
    assert!(matches!(error, Error::Ended { .. }), "{text}");
    assert!(text.contains("kube-apiserver ended by itself") && text.contains("no-such-flag"), "{text}");
}

#[test]
fn the_program_breaks_the_api_server_and_mends_it_at_the_address_that_was_asked_for() {
    if std::env::var_os(tapir_cluster::PROGRAMS).is_none() {
        return println!("skipped: no TAPIR_ENVTEST");
    }
    let (mut child, mut output, folder) = program(&["--address", "127.0.0.2"]);
    let kubeconfig = std::fs::read_to_string(folder.join("kubeconfig")).unwrap();
    assert!(kubeconfig.contains("https://127.0.0.2:"), "{kubeconfig}");
    let mut input = child.stdin.take().unwrap();
    let mut obeys = |order: &str, left: usize| {
        writeln!(input, "{order}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!((line.trim(), processes(&folder).len()), (order, left));
    };
    obeys("cut", 2);
    obeys("stop", 1);
    // It came up once more, and was asked for a namespace at that address.
    obeys("start", 2);
    drop(input);
    assert!(ends(&mut child).success());
}

#[test]
fn the_program_ends_with_its_input_and_killed_it_leaves_no_process() {
    if std::env::var_os(tapir_cluster::PROGRAMS).is_none() {
        return println!("skipped: no TAPIR_ENVTEST");
    }
    let (mut child, _output, folder) = program(&[]);
    assert_eq!(processes(&folder).len(), 2);
    drop(child.stdin.take());
    assert!(ends(&mut child).success());
    assert_eq!((processes(&folder), folder.exists()), (Vec::new(), false));

    let (mut child, _output, killed) = program(&[]);
    assert_eq!(processes(&killed).len(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("nothing is left of it", || processes(&killed).is_empty());
    assert!(killed.exists(), "nobody was there to remove it");

    // The next one cleans up, runs what it is told to, and ends with it.
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapir-cluster"));
    let script = "kubectl get namespace default --output name && echo \"$KUBECONFIG\" && exit 7";
    let output = command.args(["sh", "-c", script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(7), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("namespace/default"));
    let folder = Path::new(lines.next().unwrap()).parent().unwrap();
    assert_eq!((processes(folder), folder.exists(), killed.exists()), (Vec::new(), false, false));
}

#[test]
fn the_program_ends_in_order_when_asked_to_by_a_signal() {
    if std::env::var_os(tapir_cluster::PROGRAMS).is_none() {
        return println!("skipped: no TAPIR_ENVTEST");
    }
    let (mut child, _output, folder) = program(&[]);
    let sent = Command::new("/bin/sh").args(["-c", "kill -TERM \"$0\"", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(ends(&mut child).code(), Some(143));
    assert_eq!((processes(&folder), folder.exists()), (Vec::new(), false));
}
