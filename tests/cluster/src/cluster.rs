//! The cluster: what is started in which order, when it is ready, how it stops.
//!
//! *Limits*: a minute for each program to become ready. The API server has RBAC, the default admission plug-ins and features, no
//! aggregation and no endpoints of itself (loopback is not allowed there). The data survive a kill of a program, not one of the machine:
//! they are in memory.

use crate::access::{Access, Credential};
use crate::certificates::Authority;
use crate::folder::Folder;
use crate::process::Process;
use crate::relay::Relay;
use crate::tokens::{ISSUER, Key};
use crate::{Error, Programs};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at whether somebody listens, and between two calls of kubectl: each takes a tenth of a second of processor time
/// from what is waited for.
const LOOK: Duration = Duration::from_millis(20);
const ASK: Duration = Duration::from_millis(200);
/// A connection on loopback, which is there or is not.
const CONNECTING: Duration = Duration::from_millis(500);
/// A port that was free may be taken a moment later: then others are tried.
const TRIES: usize = 5;
/// What makes pods of a DaemonSet or a Deployment, and cleans up behind what is deleted. No node's health: nothing reports it.
const CONTROLLERS: &str = "daemonset-controller,deployment-controller,replicaset-controller,statefulset-controller,\
                           garbage-collector-controller,namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller";

/// What is started beside etcd and the API server, and with which settings.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Also kube-controller-manager, with the controllers that make pods of DaemonSets and Deployments, default service accounts, and
    /// that remove what belonged to something deleted.
    pub controllers: bool,
    /// More flags of kube-apiserver; a flag here wins over ours.
    pub api_server_flags: Vec<String>,
    /// An address of this machine at which clients of other network namespaces reach the API server. Default: loopback.
    pub address: Option<IpAddr>,
}

/// A Kubernetes API of the test's own.
///
/// Dropped, it kills its programs and removes its folder; when the thread panics it prints the ends of their logs before. If the
/// process is killed the kernel kills the programs, and the next cluster removes the folder. `TAPIR_CLUSTER_KEEP=1` keeps folders,
/// for a look at the logs.
pub struct Cluster {
    running: Mutex<Running>,
    relay: Relay,
    admin: Access,
    authority: Authority,
    key: Key,
    etcd_port: u16,
    programs: Programs,
    options: Options,
    next: AtomicU32,
    url: String,
    // The last to be dropped: programs write into it.
    folder: Folder,
}

/// Dropped in this order.
struct Running {
    controllers: Option<Process>,
    api_server: Option<Process>,
    etcd: Process,
}

impl Cluster {
    /// Boots one, if `TAPIR_ENVTEST` names the programs. Without that, `None`, and one plain line on standard error: the test is
    /// skipped.
    pub fn start_if_asked(options: Options) -> Result<Option<Self>, Error> {
        match Programs::of_environment()? {
            Some(programs) => Self::start(programs, options).map(Some),
            None => {
                eprintln!("skipped: no TAPIR_ENVTEST; `make cluster-test` builds a Kubernetes API and sets it");
                Ok(None)
            }
        }
    }

    /// Boots one. Blocks for some seconds, until it is ready.
    pub fn start(programs: Programs, options: Options) -> Result<Self, Error> {
        let folder = Folder::new()?;
        let authority = Authority::new()?;
        let key = Key::new()?;
        let server = authority.server(options.address)?;
        folder.write("ca.crt", &authority.pem)?;
        folder.write("server.crt", &server.certificate)?;
        folder.write("server.key", &server.key)?;
        folder.write("accounts.key", &key.private)?;
        folder.write("accounts.pub", &key.public)?;
        let (etcd, etcd_port) = until_bound(|| etcd(&programs, &folder))?;
        let at = options.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let relay = Relay::new(at).map_err(Error::Address)?;
        let url = format!("https://{}", relay.address());
        let credential = Credential::Certificate(authority.user("tapir-admin", Some("system:masters"))?);
        let kubeconfig = folder.path().join("kubeconfig");
        let admin = Access::new(kubeconfig, programs.clone(), folder.path(), &url, &authority.pem, credential)?;
        let running = Mutex::new(Running { controllers: None, api_server: None, etcd });
        let next = AtomicU32::new(0);
        let cluster = Self { running, relay, admin, authority, key, etcd_port, programs, options, next, url, folder };
        cluster.start_api_server()?;
        if cluster.options.controllers {
            cluster.start_controllers()?;
        }
        Ok(cluster)
    }

    /// The API server's address, `https://127.0.0.1:PORT` unless [`Options::address`] says otherwise. It stays the same when the server is restarted.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The authority that vouches for it, a PEM file.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Everything that the cluster writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Somebody of `system:masters`, whom nothing is forbidden.
    pub fn admin(&self) -> &Access {
        &self.admin
    }

    /// A user with a certificate, who may nothing that no role gives him.
    pub fn user(&self, name: &str, group: Option<&str>) -> Result<Access, Error> {
        self.access(Credential::Certificate(self.authority.user(name, group)?))
    }

    /// A service account that is there, with a token of an hour.
    pub fn service_account(&self, namespace: &str, name: &str) -> Result<Access, Error> {
        let token = self.token(namespace, name, &[])?;
        self.access(Credential::Token { token, namespace: namespace.to_owned() })
    }

    /// The way in with any token.
    pub fn with_token(&self, namespace: &str, token: &str) -> Result<Access, Error> {
        self.access(Credential::Token { token: token.to_owned(), namespace: namespace.to_owned() })
    }

    /// A token of a service account that is there. More arguments are those of `kubectl create token`: `--audience`, `--duration` (ten
    /// minutes or more), `--bound-object-kind` and the like.
    pub fn token(&self, namespace: &str, name: &str, more: &[&str]) -> Result<String, Error> {
        let all = [&["create", "token", "--namespace", namespace, name], more].concat();
        Ok(self.admin.kubectl(&all)?.trim().to_owned())
    }

    /// A token of a service account that is there, signed as the API server signs its own, good from one second of Unix time to another:
    /// one that has ended, for instance.
    pub fn token_of_time(&self, namespace: &str, name: &str, from: i64, until: i64) -> Result<String, Error> {
        let found = self.admin.kubectl_json(&["get", "serviceaccount", "--namespace", namespace, name])?;
        let uid = found.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        self.key.token(namespace, name, uid, from, until)
    }

    /// kubectl as the administrator: what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.admin.kubectl(arguments)
    }

    /// Kills the API server, as the kernel or a failing node would. What was stored is in etcd.
    pub fn stop_api_server(&self) {
        let mut running = self.running();
        self.relay.lead_to(None);
        self.relay.cut();
        running.api_server = None;
    }

    /// Starts it again, on the same data, the same keys and the same address. Nothing if it runs.
    pub fn start_api_server(&self) -> Result<(), Error> {
        let mut running = self.running();
        if running.api_server.is_none() {
            running.api_server = Some(until_bound(|| self.api_server())?);
        }
        Ok(())
    }

    /// Both.
    pub fn restart_api_server(&self) -> Result<(), Error> {
        self.stop_api_server();
        self.start_api_server()
    }

    /// Cuts every connection to the API server, watches too; how many there were. New ones are taken at once.
    pub fn cut_connections(&self) -> usize {
        self.relay.cut()
    }

    /// An error if one of its programs has ended by itself.
    pub fn check(&self) -> Result<(), Error> {
        let mut running = self.running();
        let Running { controllers, api_server, etcd } = &mut *running;
        [Some(etcd), api_server.as_mut(), controllers.as_mut()].into_iter().flatten().try_for_each(Process::check)
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self, credential: Credential) -> Result<Access, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let kubeconfig = self.folder.path().join(format!("kubeconfig-{number}"));
        let programs = self.programs.clone();
        Access::new(kubeconfig, programs, self.folder.path(), &self.url, &self.authority.pem, credential)
    }

    fn api_server(&self) -> Result<Process, Error> {
        let [port] = free_ports().map_err(Error::Address)?;
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let mut flags = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            // Endpoints on loopback are refused, and nothing looks for them.
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            format!("--client-ca-file={}", at("ca.crt")),
            format!("--tls-cert-file={}", at("server.crt")),
            format!("--tls-private-key-file={}", at("server.key")),
            format!("--cert-dir={}", at("certificates")),
            format!("--service-account-issuer={ISSUER}"),
            format!("--service-account-key-file={}", at("accounts.pub")),
            format!("--service-account-signing-key-file={}", at("accounts.key")),
        ];
        flags.extend_from_slice(&self.options.api_server_flags);
        let Programs { setpriv, kube_apiserver, .. } = &self.programs;
        let mut process = Process::start(setpriv, kube_apiserver, &flags, self.folder.path())?;
        let direct = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        until(&mut process, "the API server does not listen", LOOK, || {
            TcpStream::connect_timeout(&direct, CONNECTING).map(drop).map_err(|error| error.to_string())
        })?;
        self.relay.lead_to(Some(port));
        for (what, arguments) in [
            ("the API server does not become ready", ["get", "--raw", "/readyz"]),
            ("there is no namespace `default`", ["get", "namespace", "default"]),
        ] {
            until(&mut process, what, ASK, || {
                self.admin.call(&arguments, None, PATIENCE / 4).map(drop).map_err(|error| error.to_string())
            })?;
        }
        Ok(process)
    }

    fn start_controllers(&self) -> Result<(), Error> {
        let program = self.programs.other("kube-controller-manager")?;
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let flags = [
            format!("--kubeconfig={}", at("kubeconfig")),
            format!("--controllers={CONTROLLERS}"),
            format!("--root-ca-file={}", at("ca.crt")),
            "--leader-elect=false".to_owned(),
            // No server of its own.
            "--secure-port=0".to_owned(),
        ];
        let mut process = Process::start(&self.programs.setpriv, &program, &flags, self.folder.path())?;
        let arguments = ["get", "serviceaccount", "--namespace", "default", "default"];
        until(&mut process, "the controllers do nothing", ASK, || {
            self.admin.call(&arguments, None, PATIENCE / 4).map(drop).map_err(|error| error.to_string())
        })?;
        self.running().controllers = Some(process);
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let running = self.running();
        if std::thread::panicking() {
            let processes = [Some(&running.etcd), running.api_server.as_ref(), running.controllers.as_ref()];
            for process in processes.into_iter().flatten() {
                eprintln!("--- the end of the log of {} ---\n{}", process.name(), process.tail());
            }
        }
    }
}

/// Starts etcd; its port for clients.
fn etcd(programs: &Programs, folder: &Folder) -> Result<(Process, u16), Error> {
    let [clients, peers] = free_ports().map_err(Error::Address)?;
    let (clients_url, peers_url) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    let flags = [
        format!("--data-dir={}", folder.path().join("etcd").display()),
        format!("--listen-client-urls={clients_url}"),
        format!("--advertise-client-urls={clients_url}"),
        format!("--listen-peer-urls={peers_url}"),
        format!("--initial-advertise-peer-urls={peers_url}"),
        format!("--initial-cluster=default={peers_url}"),
    ];
    let mut process = Process::start(&programs.setpriv, &programs.etcd, &flags, folder.path())?;
    until(&mut process, "etcd does not become healthy", LOOK, || healthy(clients))?;
    Ok((process, clients))
}

/// What etcd says of itself.
fn healthy(port: u16) -> Result<(), String> {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), CONNECTING)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.take(4_096).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    match ask() {
        Ok(text) if text.contains("\"health\":\"true\"") => Ok(()),
        Ok(text) => Err(text.trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Asks until the answer is yes, as long as the program runs.
fn until(
    process: &mut Process,
    what: &'static str,
    pause: Duration,
    mut ask: impl FnMut() -> Result<(), String>,
) -> Result<(), Error> {
    let begin = Instant::now();
    loop {
        process.check()?;
        let Err(said) = ask() else { return Ok(()) };
        if begin.elapsed() > PATIENCE {
            return Err(Error::Late { what, patience: PATIENCE, said, log: process.tail() });
        }
        std::thread::sleep(pause);
    }
}

/// Again with other ports when one was taken meanwhile.
fn until_bound<T>(mut start: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..TRIES {
        match start() {
            Err(Error::Ended { log, .. }) if log.contains("address already in use") => {}
            other => return other,
        }
    }
    start()
}

/// Ports of loopback that nobody listens on.
fn free_ports<const N: usize>() -> std::io::Result<[u16; N]> {
    let mut ports = [0; N];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
