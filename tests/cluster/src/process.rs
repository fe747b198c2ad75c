//! Programs that run beside the process that started them and end with it, however it ends.
//!
//! The kernel kills them: `setpriv --pdeathsig KILL` of util-linux asks it to, before it becomes the program. The kernel watches the
//! *thread* that started a program, not its process, and a test's thread ends before its process does. So one thread that
//! never ends starts all of them.

use crate::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Of the end of a log: bytes that are read, lines that are shown, characters of a line.
const TAIL: (u64, usize, usize) = (32 << 10, 30, 400);
/// Whoever started it may be gone before the kernel was asked to watch him: then it is not started.
const GUARD: &str = "[ \"$PPID\" = \"$0\" ] && exec \"$@\"";

/// A command that runs a program tied to this process. It sees no variables but `PATH` and `HOME`: etcd and kubectl have
/// settings that come from there.
pub(crate) fn tied(setpriv: &Path, program: &Path, home: &Path) -> Command {
    let mut command = Command::new(setpriv);
    command
        .args(["--pdeathsig", "KILL", "--", "/bin/sh", "-c", GUARD])
        .arg(std::process::id().to_string())
        .arg(program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()))
        .env("HOME", home)
        .current_dir(home);
    // A signal of the terminal is for us: we end them in order.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

type Order = (Command, SyncSender<std::io::Result<Child>>);

/// Starts it from the thread that never ends.
pub(crate) fn spawn(command: Command) -> std::io::Result<Child> {
    static STARTER: Mutex<Option<Sender<Order>>> = Mutex::new(None);
    let gone = || std::io::Error::other("the thread that starts programs is gone");
    let orders = {
        let mut starter = STARTER.lock().unwrap_or_else(PoisonError::into_inner);
        match &*starter {
            Some(orders) => orders.clone(),
            None => {
                let (send, orders) = channel::<Order>();
                std::thread::Builder::new().name("starter".into()).spawn(move || {
                    for (mut command, answer) in orders {
                        // Nobody waits any more: then nobody would end it.
                        if let Err(unwanted) = answer.send(command.spawn())
                            && let Ok(mut child) = unwanted.0
                        {
                            let _ = child.kill().and_then(|()| child.wait());
                        }
                    }
                })?;
                starter.insert(send).clone()
            }
        }
    };
    let (answer, child) = sync_channel(1);
    orders.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// A program that runs until it is dropped, its output in a file.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Appends to its log `NAME.log` in the folder.
    pub(crate) fn start(setpriv: &Path, program: &Path, arguments: &[String], folder: &Path) -> Result<Self, Error> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).map_err(Error::file(&log))?;
        let both = file.try_clone().map_err(Error::file(&log))?;
        let mut command = tied(setpriv, program, folder);
        command.args(arguments).stdin(Stdio::null()).stdout(file).stderr(both);
        match spawn(command) {
            Ok(child) => Ok(Self { name, child, log }),
            Err(source) => Err(Error::Start { program: name, source }),
        }
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                Err(Error::Ended { program: self.name.clone(), status: status.to_string(), log: self.tail() })
            }
            Err(source) => Err(Error::Start { program: self.name.clone(), source }),
        }
    }

    /// The last lines that it logged.
    pub(crate) fn tail(&self) -> String {
        tail(&self.log).unwrap_or_else(|error| format!("{}: {error}", self.log.display()))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // At once: what it had written is in files that the next one reads, and nobody else's.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(path: &Path) -> std::io::Result<String> {
    let (bytes, lines, characters) = TAIL;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut text = Vec::new();
    file.take(bytes).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    let shown = all.iter().skip(all.len().saturating_sub(lines));
    Ok(shown.map(|line| line.chars().take(characters).collect::<String>() + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setpriv() -> PathBuf {
        "/usr/bin/setpriv".into()
    }

    #[test]
    fn a_program_outlives_the_thread_that_wanted_it_and_not_its_owner() {
        let folder = std::env::temp_dir().join(format!("tapir-process-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = folder.clone();
        let wanted = std::thread::spawn(move || {
            let arguments = ["-c", "echo begun; exec sleep 100"].map(str::to_owned);
            Process::start(&setpriv(), Path::new("/bin/sh"), &arguments, &place).unwrap()
        });
        let mut process = wanted.join().unwrap();
        for _ in 0..1_000 {
            if process.tail() == "begun\n" {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        process.check().unwrap();
        assert_eq!(process.tail(), "begun\n");
        let proc = format!("/proc/{}", process.child.id());
        assert!(Path::new(&proc).exists());
        drop(process);
        assert!(!Path::new(&proc).exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_that_ends_is_told_with_what_it_said_last() {
        let folder = std::env::temp_dir().join(format!("tapir-process-end-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let arguments = ["-c", "seq 1 100; exit 3"].map(str::to_owned);
        let mut process = Process::start(&setpriv(), Path::new("/bin/sh"), &arguments, &folder).unwrap();
        process.child.wait().unwrap();
        let text = process.check().unwrap_err().to_string();
        assert!(text.contains("sh ended by itself (exit status: 3)") && text.contains("\n71\n"), "{text}");
        assert!(text.ends_with("\n100\n") && !text.contains("\n70\n"), "{text}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
