//! Somebody's way in: a kubeconfig file, and kubectl with it.
//!
//! *Limits*: a call of kubectl may take a minute and say 16 MiB.

use crate::certificates::Pair;
use crate::process;
use crate::{Error, Programs};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const MOST: u64 = 16 << 20;

/// Who shows what at the door.
pub(crate) enum Credential {
    Certificate(Pair),
    Token { token: String, namespace: String },
}

/// A kubeconfig file and a kubectl that uses it.
#[derive(Clone, Debug)]
pub struct Access {
    kubeconfig: PathBuf,
    token: Option<String>,
    programs: Programs,
    home: PathBuf,
}

/// What a program said and whether it was content.
struct Answer {
    good: bool,
    stdout: String,
    stderr: String,
}

impl Access {
    /// Writes the file. `home` is where kubectl keeps what it remembers.
    pub(crate) fn new(
        kubeconfig: PathBuf,
        programs: Programs,
        home: &Path,
        server: &str,
        authority: &str,
        credential: Credential,
    ) -> Result<Self, Error> {
        let (user, namespace, token) = match credential {
            Credential::Certificate(pair) => {
                let user = json!({
                    "client-certificate-data": STANDARD.encode(pair.certificate),
                    "client-key-data": STANDARD.encode(pair.key),
                });
                (user, "default".to_owned(), None)
            }
            Credential::Token { token, namespace } => (json!({ "token": token }), namespace, Some(token)),
        };
        let cluster = json!({ "server": server, "certificate-authority-data": STANDARD.encode(authority) });
        let context = json!({ "cluster": "tapir", "user": "user", "namespace": namespace });
        // JSON is YAML.
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "tapir", "cluster": cluster }],
            "users": [{ "name": "user", "user": user }],
            "contexts": [{ "name": "tapir", "context": context }],
            "current-context": "tapir",
        });
        std::fs::write(&kubeconfig, format!("{text:#}\n")).map_err(Error::file(&kubeconfig))?;
        Ok(Self { kubeconfig, token, programs, home: home.to_owned() })
    }

    /// The file; it is gone with the cluster.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The token in it, of a service account.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// What kubectl prints; [`Error::Refused`] with its words if it fails.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.call(arguments, None, PATIENCE)
    }

    /// The same with an object or several, JSON or YAML, on its standard input, for `-f -`.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String, Error> {
        self.call(arguments, Some(input), PATIENCE)
    }

    /// What kubectl prints with `-o json`.
    pub fn kubectl_json(&self, arguments: &[&str]) -> Result<Value, Error> {
        let text = self.kubectl(&[arguments, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).map_err(|error| Error::Kubectl {
            arguments: arguments.join(" "),
            what: format!("says what is no JSON ({error})"),
        })
    }

    /// Makes objects as they are in the text, or changes them to that.
    pub fn apply(&self, objects: &str) -> Result<String, Error> {
        self.kubectl_with(&["apply", "-f", "-"], objects)
    }

    /// A command that sees the cluster: `KUBECONFIG` is set, and kubectl (and helm, if built) are on its `PATH`. It does not end with
    /// this process unless whoever starts it cares for that.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = self.programs.folders().iter().cloned().chain(std::env::split_paths(&path));
        // Folders of TAPIR_ENVTEST came out of such a list: they fit in again.
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    pub(crate) fn call(&self, arguments: &[&str], input: Option<&str>, patience: Duration) -> Result<String, Error> {
        let failed = |what: String| Error::Kubectl { arguments: arguments.join(" "), what };
        let mut command = process::tied(&self.programs.setpriv, &self.programs.kubectl, &self.home);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        let answer = run(command, input, patience).map_err(failed)?;
        match answer.good {
            true => Ok(answer.stdout),
            false => Err(Error::Refused { arguments: arguments.join(" "), said: answer.stderr.trim().to_owned() }),
        }
    }
}

/// Runs it to its end.
fn run(mut command: Command, input: Option<&str>, patience: Duration) -> Result<Answer, String> {
    let text = |error: std::io::Error| error.to_string();
    let deadline = Instant::now() + patience;
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = process::spawn(command).map_err(text)?;
    let (said, hear) = channel();
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        let input = input.to_owned();
        // It may not want all of it.
        std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    }
    let pipes: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|pipe| Box::new(pipe) as _), child.stderr.take().map(|pipe| Box::new(pipe) as _)];
    for (at, pipe) in pipes.into_iter().enumerate() {
        let said = said.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = pipe.map_or(Ok(0), |pipe| pipe.take(MOST + 1).read_to_end(&mut bytes));
            // Nobody hears what comes too late.
            let _ = said.send((at, read.map(|_| bytes)));
        });
    }
    let mut texts = [String::new(), String::new()];
    let mut wrong = None;
    for _ in 0..texts.len() {
        match hear.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((_, Ok(bytes))) if bytes.len() as u64 > MOST => wrong = Some("says more than 16 MiB".to_owned()),
            Ok((at, Ok(bytes))) => {
                if let Some(text) = texts.get_mut(at) {
                    *text = String::from_utf8_lossy(&bytes).into_owned();
                }
            }
            Ok((_, Err(error))) => wrong = Some(error.to_string()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                wrong = Some(format!("no answer within {} s", patience.as_secs()));
            }
        }
        if wrong.is_some() {
            let _ = child.kill();
            break;
        }
    }
    let status = child.wait().map_err(text)?;
    let [stdout, stderr] = texts;
    wrong.map_or(Ok(Answer { good: status.success(), stdout, stderr }), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: Option<&str>, patience: Duration) -> Result<(bool, String, String), String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(command, input, patience).map(|answer| (answer.good, answer.stdout, answer.stderr))
    }

    #[test]
    fn what_is_said_on_both_sides_and_the_end_are_told() {
        let answer = shell("cat; echo no >&2; exit 1", Some("yes"), PATIENCE).unwrap();
        assert_eq!(answer, (false, "yes".to_owned(), "no\n".to_owned()));
        assert_eq!(shell("cat", None, PATIENCE).unwrap(), (true, String::new(), String::new()));
    }

    #[test]
    fn neither_silence_nor_noise_goes_on_for_ever() {
        let begin = Instant::now();
        let error = shell("exec sleep 100", None, Duration::from_millis(200)).unwrap_err();
        assert_eq!(error, "no answer within 0 s");
        let error = shell("exec yes", None, PATIENCE).unwrap_err();
        assert_eq!(error, "says more than 16 MiB");
        assert!(begin.elapsed() < PATIENCE);
    }
}
