//! Kernels that lack a part of the sandbox: a filter of system calls answers as they would. The rest holds, what is missing is told, and
//! who requires all of it does not start.
#![allow(clippy::unwrap_used, reason = "tests fail like this")]

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io::ErrorKind::PermissionDenied;
use tapir_sandbox::{Capabilities, Files, Mode, Sandbox, SandboxError, Standing};

/// A call that such a kernel has not, and in which case (first argument), with its answer.
type Absent = (i64, Option<u64>, i32);

const NO_LANDLOCK: &[Absent] = &[(libc::SYS_landlock_create_ruleset, None, libc::ENOSYS)];
/// `landlock` is built in, and not among the modules that were booted.
const LANDLOCK_OFF: &[Absent] = &[(libc::SYS_landlock_create_ruleset, None, libc::EOPNOTSUPP)];
/// The last of them ends what filters can be set with.
const NO_SECCOMP: &[Absent] =
    &[(libc::SYS_prctl, Some(libc::PR_SET_SECCOMP as u64), libc::EINVAL), (libc::SYS_seccomp, None, libc::ENOSYS)];

/// Runs a trial on a thread for which the kernel lacks these.
fn without<T: Send + 'static>(absent: &'static [Absent], trial: impl FnOnce() -> T + Send + 'static) -> T {
    let run = move || {
        for (call, first, answer) in absent {
            let rule = first.map(|value| {
                let is = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap();
                SeccompRule::new(vec![is]).unwrap()
            });
            let calls = BTreeMap::from([(*call, rule.into_iter().collect())]);
            let machine = TargetArch::try_from(std::env::consts::ARCH).unwrap();
            let refusal = SeccompAction::Errno(answer.cast_unsigned());
            let filter = SeccompFilter::new(calls, SeccompAction::Allow, refusal, machine).unwrap();
            seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
        }
        trial()
    };
    std::thread::spawn(run).join().unwrap()
}

/// All three steps, on one thread; a file that was told, and one that was not, are tried on the way.
fn steps(mode: Mode) -> Result<(Standing, bool, bool), SandboxError> {
    let sandbox = Sandbox::start(mode, Capabilities::empty())?;
    let files = Files { read: ["/proc".into()].into(), ..Files::default() };
    sandbox.confine(&files, Capabilities::empty())?;
    assert!(std::fs::read("/proc/self/status").is_ok(), "what was told can be read on every kernel");
    let is_open = !std::fs::read("/etc/passwd").is_err_and(|error| error.kind() == PermissionDenied);
    sandbox.seal()?;
    let is_open_when_sealed = !std::fs::read("/proc/self/status").is_err_and(|error| error.kind() == PermissionDenied);
    Ok((sandbox.standing(), is_open, is_open_when_sealed))
}

/// Whether this kernel has all parts; without, nothing can be taken away.
fn is_whole_here() -> bool {
    let is_whole = std::thread::spawn(|| steps(Mode::On).unwrap().0.is_whole()).join().unwrap();
    if !is_whole {
        eprintln!("without: SKIPPED, this kernel lacks a part itself");
    }
    is_whole
}

#[test]
fn without_landlock_system_calls_keep_the_sealed_thread_from_files() {
    if !is_whole_here() {
        return;
    }
    for absent in [NO_LANDLOCK, LANDLOCK_OFF] {
        let (standing, is_open, is_open_when_sealed) = without(absent, || steps(Mode::On).unwrap());
        assert!(is_open && !is_open_when_sealed);
        assert_eq!(
            (standing.landlock, standing.seccomp, standing.sealed, standing.is_whole()),
            (0, true, false, false)
        );
        let missing: Vec<_> = standing.missing.iter().collect();
        assert!(missing.len() == 1 && missing[0].contains("no Landlock"), "{missing:?}");
        let refused = without(absent, || steps(Mode::Require).unwrap_err().to_string());
        assert!(refused.contains("no Landlock") && refused.contains("--sandbox on"), "{refused}");
    }
}

#[test]
fn without_seccomp_landlock_keeps_the_sealed_thread_from_files() {
    if !is_whole_here() {
        return;
    }
    let (standing, is_open, is_open_when_sealed) = without(NO_SECCOMP, || steps(Mode::On).unwrap());
    assert!(!is_open && !is_open_when_sealed);
    assert!(standing.landlock > 0 && !standing.seccomp && !standing.sealed && !standing.is_whole());
    let missing: Vec<_> = standing.missing.iter().collect();
    assert!(missing.len() == 1 && missing[0].contains("CONFIG_SECCOMP_FILTER"), "{missing:?}");
    let refused = without(NO_SECCOMP, || steps(Mode::Require).unwrap_err().to_string());
    assert!(refused.contains("CONFIG_SECCOMP_FILTER"), "{refused}");
}

#[test]
fn without_both_everything_works_on_and_both_are_told() {
    if !is_whole_here() {
        return;
    }
    let both: &[Absent] = &[NO_LANDLOCK[0], NO_SECCOMP[0], NO_SECCOMP[1]];
    let both = Box::leak(both.to_vec().into_boxed_slice());
    let (standing, is_open, is_open_when_sealed) = without(both, || steps(Mode::On).unwrap());
    assert!(is_open && is_open_when_sealed);
    assert_eq!((standing.landlock, standing.seccomp, standing.missing.len()), (0, false, 2));
}
