//! What a sealed and a confined thread cannot do, each tried by a process of its own: the same trial must succeed without the sandbox, so
//! that a failure in it means something.
//!
//! The test starts itself again for each trial (`TRIAL`), without a sandbox, and within it.
#![allow(unsafe_code, reason = "system calls that the standard library does not offer, to see them refused")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail like this")]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tapir_sandbox::{Capabilities, Files, Mode, Sandbox};

const TRIAL: &str = "TAPIR_SANDBOX_TRIAL";
const TOKEN: &str = "TAPIR_SANDBOX_TOKEN";

/// What a trial is handed: opened before the thread is sealed.
struct Handed {
    token: String,
    server: TcpListener,
    unix: UnixListener,
    unix_path: String,
    pipe: (io::PipeReader, io::PipeWriter),
    other: Child,
}

fn call(number: i64, arguments: [i64; 6]) -> io::Result<i64> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: callers give arguments that are valid for the call: numbers, or pointers to what lives until it returns.
    let returned = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// Another process, which outlives a trial that is killed, but not for long; it holds none of its outputs.
fn sleeper() -> Child {
    let (out, error) = (Stdio::null(), Stdio::null());
    Command::new("/bin/sleep").arg("10").stdin(Stdio::null()).stdout(out).stderr(error).spawn().unwrap()
}

/// What can be tried; the error is the kernel's answer.
fn trial(name: &str, handed: &mut Handed) -> io::Result<()> {
    let other = i64::from(handed.other.id());
    match name {
        "open" => std::fs::File::open("/etc/passwd").map(drop),
        "environment" => std::fs::read("/proc/self/environ").map(drop),
        "memory" => std::fs::File::open("/proc/self/mem").map(drop),
        "token" => std::fs::read(&handed.token).map(drop),
        "create" => std::fs::write(format!("{}.new", handed.token), "x"),
        "remove" => std::fs::remove_file(format!("{}.spare", handed.token)),
        "list" => std::fs::read_dir("/").map(drop),
        "connect" => TcpStream::connect(handed.server.local_addr()?).map(drop),
        "accept" => {
            handed.server.set_nonblocking(true)?;
            handed.server.accept().map(drop).or_else(|error| match error.kind() {
                io::ErrorKind::WouldBlock => Ok(()),
                _ => Err(error),
            })
        }
        "listen" => TcpListener::bind("127.0.0.1:0").map(drop),
        "udp" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "unix" => UnixStream::connect(&handed.unix_path).map(drop),
        "datagram" => UnixDatagram::unbound().map(drop),
        "netlink" => call(libc::SYS_socket, [16, 3, 0, 0, 0, 0]).map(drop),
        "packet" => call(libc::SYS_socket, [17, 3, 0, 0, 0, 0]).map(drop),
        "write-pipe" => handed.pipe.1.write_all(b"x"),
        "read-pipe" => handed.pipe.0.read_exact(&mut [0]),
        "duplicate" => handed.pipe.0.try_clone().map(drop),
        "process" => Command::new("/bin/true").spawn().and_then(|mut child| child.wait()).map(drop),
        // Without flags but the signal of its end it is `fork`. The new process ends at once.
        "fork" => match call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0])? {
            0 => call(libc::SYS_exit_group, [0; 6]).map(drop),
            _ => Ok(()),
        },
        "thread" => std::thread::Builder::new().spawn(|| ()).map(drop),
        "signal" => call(libc::SYS_kill, [other, 0, 0, 0, 0, 0]).map(drop),
        "code" => call(libc::SYS_mmap, [0, 4096, 7, 0x22, -1, 0]).map(drop),
        "protect" => {
            let mut page = vec![0_u8; 3 * 4096];
            let at = page.as_mut_ptr() as i64;
            let start = (at + 4095) / 4096 * 4096;
            call(libc::SYS_mprotect, [start, 4096, 7, 0, 0, 0])?;
            call(libc::SYS_mprotect, [start, 4096, 3, 0, 0, 0]).map(drop)
        }
        "seize" => call(libc::SYS_ptrace, [0x4206, other, 0, 0, 0, 0]).map(drop),
        "peek" => {
            let (mut to, from) = ([0_u8; 8], [7_u8; 8]);
            let local = [to.as_mut_ptr() as usize, to.len()];
            let remote = [from.as_ptr() as usize, from.len()];
            let arguments = [std::process::id().into(), local.as_ptr() as i64, 1, remote.as_ptr() as i64, 1, 0];
            call(libc::SYS_process_vm_readv, arguments).map(drop)
        }
        // In the place of this process: it returns only if it fails.
        "execute" => {
            let program = c"/bin/echo";
            let arguments = [program.as_ptr(), c"RESULT ok".as_ptr(), std::ptr::null()];
            let none: [*const libc::c_char; 1] = [std::ptr::null()];
            let pointers = [program.as_ptr() as i64, arguments.as_ptr() as i64, none.as_ptr() as i64];
            call(libc::SYS_execve, [pointers[0], pointers[1], pointers[2], 0, 0, 0]).map(drop)
        }
        "work" => work(),
        "panic" => {
            let caught = std::panic::catch_unwind(|| panic!("a panic that is meant"));
            caught.err().map(drop).ok_or_else(|| io::Error::other("no panic"))
        }
        "setns" => {
            call(libc::SYS_setns, [handed.pipe.0.as_raw_fd().into(), 0, 0, 0, 0, 0]).map(drop).or_else(|error| {
                // A pipe is no namespace; who is told so was let through.
                if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) }
            })
        }
        other => panic!("no trial {other}"),
    }
}

/// What inspection does must go on: memory of any size, hashing, time, waiting, waking others, output.
fn work() -> io::Result<()> {
    let mut bytes: Vec<u8> = Vec::new();
    for step in 0..64 {
        bytes.extend(std::iter::repeat_n(step, 1 << 20));
    }
    bytes.shrink_to_fit();
    let table: HashMap<usize, usize> = (0..10_000).map(|n| (n, n)).collect();
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(2));
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    sender.send(table.len()).map_err(io::Error::other)?;
    let got = receiver.recv_timeout(Duration::from_secs(1)).map_err(io::Error::other)?;
    let lock = (std::sync::Mutex::new(()), std::sync::Condvar::new());
    let guard = lock.0.lock().map_err(|_| io::Error::other("poisoned"))?;
    let waited = lock.1.wait_timeout(guard, Duration::from_millis(2)).map_err(|_| io::Error::other("poisoned"))?;
    println!("worked");
    let is_right = waited.1.timed_out() && got == 10_000 && start.elapsed() >= Duration::from_millis(4);
    if is_right && bytes.len() == 64 << 20 { Ok(()) } else { Err(io::Error::other("the work came out wrong")) }
}

/// The other side of the test: runs a trial if it was told to, on a thread of its own.
#[test]
fn one_trial() {
    let Ok(told) = std::env::var(TRIAL) else { return };
    let (how, name) = told.split_once(' ').unwrap();
    let token = std::env::var(TOKEN).unwrap();
    let unix_path = format!("{token}.{}.{name}.{how}", std::process::id());
    let mut handed = Handed {
        server: TcpListener::bind("127.0.0.1:0").unwrap(),
        unix: UnixListener::bind(&unix_path).unwrap(),
        unix_path,
        pipe: io::pipe().unwrap(),
        other: sleeper(),
        token,
    };
    if name == "read-pipe" {
        handed.pipe.1.write_all(b"x").unwrap();
    }
    let pid = handed.other.id();
    let (how, name) = (how.to_owned(), name.to_owned());
    // The sandbox is for the thread that asks for it, and the test's own goes on to clean up.
    let thread = std::thread::spawn(move || {
        let mode = if how == "free" { Mode::Off } else { Mode::On };
        let sandbox = Sandbox::start(mode, Capabilities::all()).unwrap();
        let bare = Capabilities::empty();
        match how.as_str() {
            "sealed" => sandbox.seal().unwrap(),
            "confined" => {
                let read = ["/usr", "/lib", "/lib64", "/bin"].map(Into::into).into();
                sandbox.confine(&Files { read, ports: [0].into(), ..Files::default() }, bare).unwrap();
            }
            _ => {}
        }
        let standing = sandbox.standing();
        assert!(how == "free" || standing.seccomp, "{standing:?}");
        let result = trial(&name, &mut handed);
        let text = match &result {
            Ok(()) => "RESULT ok".to_owned(),
            Err(error) => format!("RESULT {}", error.raw_os_error().unwrap_or(-1)),
        };
        println!("{text}");
        drop(handed.unix);
        // What is closed and freed at the end is part of the trial.
        (handed.other, handed.unix_path)
    });
    let ended = thread.join();
    let (_, path) = ended.unwrap();
    call(libc::SYS_kill, [pid.into(), libc::SIGKILL.into(), 0, 0, 0, 0]).unwrap();
    let _ = std::fs::remove_file(path);
}

/// What a process of its own says of a trial.
fn tried(how: &str, name: &str, token: &str) -> (Option<i32>, ExitStatus, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_trial", "--nocapture", "--test-threads=1"])
        .env(TRIAL, format!("{how} {name}"))
        .env(TOKEN, token)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let result = said.lines().find_map(|line| Some(line.split_once("RESULT ")?.1.to_owned()));
    let code = result.map(|word| if word == "ok" { 0 } else { word.trim().parse().unwrap_or(-1) });
    (code, output.status, said)
}

/// A file that stands for the token of the agent.
fn token() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "secret").unwrap();
    std::fs::write(dir.path().join("token.spare"), "x").unwrap();
    (dir, token.to_str().unwrap().to_owned())
}

/// Whether this machine lets us do it at all.
fn is_possible(name: &str, code: Option<i32>) -> bool {
    let needs_root = ["packet", "seize", "setns"].contains(&name);
    if needs_root && code == Some(libc::EPERM) {
        eprintln!("{name}: SKIPPED, it is not permitted without a sandbox either (needs root)");
        return false;
    }
    true
}

/// What becomes of it in a sealed thread, after it was shown to go well without the sandbox; `None` where it may not be tried.
fn tried_sealed(name: &str) -> Option<(Option<i32>, ExitStatus, String)> {
    let (_dir, path) = token();
    let (free, _, said) = tried("free", name, &path);
    if !is_possible(name, free) {
        return None;
    }
    assert_eq!(free, Some(0), "{name} without the sandbox: {said}");
    let (_dir, path) = token();
    Some(tried("sealed", name, &path))
}

#[test]
fn a_sealed_thread_can_open_connect_and_start_nothing() {
    let names = [
        "open",
        "environment",
        "memory",
        "token",
        "create",
        "remove",
        "list",
        "connect",
        "accept",
        "listen",
        "udp",
        "unix",
        "datagram",
        "netlink",
        "packet",
        "write-pipe",
        "read-pipe",
        "duplicate",
        "process",
        "fork",
        "thread",
        "signal",
        "code",
        "protect",
        "setns",
    ];
    for name in names {
        let Some((sealed, status, said)) = tried_sealed(name) else { continue };
        assert_eq!(sealed, Some(libc::EPERM), "{name}, sealed: {status} {said}");
    }
}

#[test]
fn what_only_a_thread_that_was_taken_over_does_kills_the_process() {
    for name in ["execute", "seize", "peek"] {
        let Some((sealed, status, said)) = tried_sealed(name) else { continue };
        assert_eq!((sealed, status.signal()), (None, Some(libc::SIGSYS)), "{name}, sealed: {said}");
    }
}

#[test]
fn a_sealed_thread_works_on_and_survives_a_panic() {
    for name in ["work", "panic"] {
        let (_dir, path) = token();
        let (sealed, status, said) = tried("sealed", name, &path);
        assert_eq!(sealed, Some(0), "{name}, sealed: {said}");
        assert!(status.success(), "{name}: {status} {said}");
    }
}

#[test]
fn a_confined_thread_connects_and_starts_threads_but_no_process_and_reads_no_file_that_it_was_not_told_of() {
    for (name, expected) in [
        ("connect", 0),
        ("listen", 0),
        ("udp", 0),
        ("thread", 0),
        ("write-pipe", 0),
        ("work", 0),
        ("token", libc::EACCES),
        ("create", libc::EACCES),
        ("environment", libc::EACCES),
        ("process", libc::EPERM),
        ("fork", libc::EPERM),
        ("signal", libc::EPERM),
        ("execute", libc::EPERM),
        ("seize", libc::EPERM),
        ("peek", libc::EPERM),
        ("packet", libc::EPERM),
        ("setns", libc::EPERM),
    ] {
        let (_dir, path) = token();
        let (confined, status, said) = tried("confined", name, &path);
        assert_eq!(confined, Some(expected), "{name}, confined: {status} {said}");
    }
}
