//! `tapir-cluster`: a real Kubernetes API on loopback for shell scripts, for as long as something needs it.
//!
//! Without a command it prints `KUBECONFIG=PATH` and serves until its standard input closes or a signal arrives; lines of its standard input
//! break the API server and mend it. With one it runs that with `KUBECONFIG` set and kubectl on its `PATH`, and ends with it and its status. Killed, it leaves no program behind.

#![forbid(unsafe_code)]

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitCode};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tapir_cluster::{Cluster, Options, Programs};

const USAGE: &str = "\
A real Kubernetes API on loopback: etcd and kube-apiserver, gone when this ends.

usage: tapir-cluster [--controllers] [--address ADDRESS] [COMMAND [ARGUMENT...]]

Without COMMAND: prints KUBECONFIG=PATH and serves until standard input closes or INT, TERM or HUP arrives. A line of standard input is an
order, and is printed when it was carried out:

  cut     cuts every connection to the API server; new ones are taken at once
  stop    kills the API server
  start   starts it again, on the same data and at the same address

With COMMAND: runs it with KUBECONFIG set and kubectl on its PATH; the exit status is the command's.

  --controllers   also kube-controller-manager: DaemonSets and Deployments make pods (which never run)
  --address       an address of this machine for the API server, instead of loopback: for clients in other network namespaces

TAPIR_ENVTEST names the folders of the programs: TAPIR_ENVTEST=$(tests/envtest/build.sh)
TAPIR_CLUSTER_KEEP=1 keeps the cluster's folder with its logs.";

/// Bytes of an order.
const MOST: u64 = 256;
/// How often it looks whether everything still runs.
const LOOK: Duration = Duration::from_millis(200);

/// What is to be done.
enum Order {
    /// An order of standard input.
    Line(String),
    /// Standard input has ended.
    Input,
    Signal(i32),
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut options = Options::default();
    while let Some(first) = arguments.first().filter(|first| first.starts_with('-')) {
        match first.as_str() {
            "--controllers" => options.controllers = true,
            "--address" => {
                let Some(address) = arguments.get(1).and_then(|text| text.parse().ok()) else {
                    eprintln!("tapir-cluster: --address needs an IP address\n\n{USAGE}");
                    return ExitCode::from(2);
                };
                options.address = Some(address);
                arguments.remove(0);
            }
            "-h" | "--help" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            other => {
                eprintln!("tapir-cluster: no such option: {other}\n\n{USAGE}");
                return ExitCode::from(2);
            }
        }
        arguments.remove(0);
    }
    match serve(options, &arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tapir-cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Options, command: &[String]) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let programs = Programs::of_environment()?
        .ok_or("TAPIR_ENVTEST is not set; `make envtest` builds the programs and says what to set it to")?;
    let cluster = Cluster::start(programs, options)?;
    // Not before: a signal during the boot ends us at once, and the kernel ends what was started.
    let (end, ended) = channel();
    listen(end.clone())?;
    if let Some((program, arguments)) = command.split_first() {
        let mut command = cluster.admin().command(program);
        let child = command.args(arguments).spawn().map_err(|error| format!("{program}: {error}"))?;
        return with(&cluster, child, &ended);
    }
    println!("KUBECONFIG={}", cluster.admin().kubeconfig().display());
    std::io::stdout().flush()?;
    std::thread::spawn(move || {
        let mut lines = BufReader::new(std::io::stdin());
        let mut line = String::new();
        while lines.by_ref().take(MOST).read_line(&mut line).is_ok_and(|read| read > 0) {
            let _ = end.send(Order::Line(std::mem::take(&mut line)));
        }
        let _ = end.send(Order::Input);
    });
    loop {
        match ended.recv_timeout(LOOK) {
            Ok(Order::Line(line)) => obey(&cluster, line.trim())?,
            Ok(Order::Input) => return Ok(ExitCode::SUCCESS),
            Ok(Order::Signal(signal)) => return Ok(by(signal)),
            Err(RecvTimeoutError::Timeout) => cluster.check()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::FAILURE),
        }
    }
}

/// Carries out an order and says so.
fn obey(cluster: &Cluster, order: &str) -> Result<(), Box<dyn std::error::Error>> {
    match order {
        "cut" => drop(cluster.cut_connections()),
        "stop" => cluster.stop_api_server(),
        "start" => cluster.start_api_server()?,
        other => {
            eprintln!("tapir-cluster: no such order: {other:?}");
            return Ok(());
        }
    }
    println!("{order}");
    Ok(std::io::stdout().flush()?)
}

/// Waits for the command.
fn with(cluster: &Cluster, mut child: Child, ended: &Receiver<Order>) -> Result<ExitCode, Box<dyn std::error::Error>> {
    loop {
        if let Some(status) = child.try_wait()? {
            let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
            return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
        }
        let broken = match ended.recv_timeout(LOOK) {
            Ok(Order::Signal(signal)) => Ok(by(signal)),
            Ok(Order::Line(_) | Order::Input) | Err(RecvTimeoutError::Disconnected) => Ok(ExitCode::FAILURE),
            Err(RecvTimeoutError::Timeout) => match cluster.check() {
                Ok(()) => continue,
                Err(error) => Err(error.into()),
            },
        };
        let _ = child.kill();
        child.wait()?;
        return broken;
    }
}

fn listen(end: Sender<Order>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = end.send(Order::Signal(signal));
        }
    });
    Ok(())
}

/// As shells tell an end by a signal.
fn by(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
}
