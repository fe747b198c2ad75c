//! System calls: which a process of ours never makes, and the few that a sealed thread makes.
//!
//! *Invariants*: 1. a process refuses what it never does, by a list of those; a sealed thread refuses everything, but for a list; 2. what is
//! refused fails with EPERM, as if it were not permitted, but for calls that a sealed thread makes only when somebody else has taken
//! it over: they kill the process, which the kernel logs; 3. numbers of the x32 form of x86-64 are refused alike; those of 32 bits kill.
//!
//! *Limits*: arguments in memory cannot be looked at, so `clone3` does not exist (ENOSYS): C libraries fall back to `clone`, whose flags can.
//!
//! *Spec*: seccomp(2), of several filters the strictest answer counts; syscalls(2).

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Calls and under which arguments; without any, always.
type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// What x32 adds to the numbers of calls, and those that it has alone.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;
#[cfg(target_arch = "x86_64")]
const ONLY_X32: std::ops::RangeInclusive<i64> = 512..=547;

/// Programs are not started, other processes not looked into or signalled, the machine not changed.
const NEVER: &[c_long] = &[
    // Other programs, and processes (see also `clone`).
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Who we are.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_unshare,
    libc::SYS_personality,
    // File systems, and files by other ways than paths.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_quotactl,
    libc::SYS_mknodat,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // The kernel's large surfaces.
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];

/// The same, of this machine alone.
#[cfg(target_arch = "x86_64")]
const NEVER_HERE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_mknod,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];
#[cfg(not(target_arch = "x86_64"))]
const NEVER_HERE: &[c_long] = &[];

/// What kills the process when a sealed thread makes it.
const FATAL: &[c_long] =
    &[libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev];

/// What a sealed thread may do: memory (without making it executable, below), waiting, time, random numbers, closing what it was
/// handed, and its own end.
const SEALED: &[c_long] = &[
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_ppoll,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_close,
    // Signals that the process gets may come in on any of its threads.
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
#[cfg(target_arch = "x86_64")]
const SEALED_HERE: &[c_long] = &[libc::SYS_poll, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const SEALED_HERE: &[c_long] = &[];

/// Refuses what no thread of the process does.
pub(crate) fn process() -> Result<(), String> {
    let mut refused = always(NEVER.iter().chain(NEVER_HERE));
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_PACKET];
    let others = families.map(|family| argument(0, SeccompCmpOp::Ne, family));
    refused.insert(libc::SYS_socket, vec![rule(others)?]);
    // Threads are `clone` with this flag; without it it is a process.
    let thread = SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64);
    refused.insert(libc::SYS_clone, vec![rule([argument(0, thread, 0)])?]);
    let ours = c_int::try_from(std::process::id()).unwrap_or(0);
    refused.insert(libc::SYS_tgkill, vec![rule([argument(0, SeccompCmpOp::Ne, ours)])?]);
    // Input put into a terminal is run by the shell behind it.
    let faked = [0x5412, 0x541c].map(|request| rule([argument(1, SeccompCmpOp::Eq, request)]));
    refused.insert(libc::SYS_ioctl, faked.into_iter().collect::<Result<_, _>>()?);
    refuse(refused, libc::EPERM)?;
    refuse(always([libc::SYS_clone3].iter()), libc::ENOSYS)
}

/// Refuses what threads with files and connections do not do: packet sockets and other network namespaces are one thread's business.
pub(crate) fn confined() -> Result<(), String> {
    let mut refused = always([libc::SYS_setns].iter());
    refused.insert(libc::SYS_socket, vec![rule([argument(0, SeccompCmpOp::Eq, libc::AF_PACKET)])?]);
    refuse(refused, libc::EPERM)
}

/// Refuses all but what inspection takes.
pub(crate) fn sealed() -> Result<(), String> {
    apply(with_x32(always(FATAL.iter())), SeccompAction::Allow, SeccompAction::KillProcess)?;
    apply(allowed()?, refusal(libc::EPERM), SeccompAction::Allow)
}

/// All that a sealed thread may call, under the arguments that it may give.
fn allowed() -> Result<Calls, String> {
    let mut calls = always(SEALED.iter().chain(SEALED_HERE));
    let code = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    // New memory, of no file.
    calls.insert(libc::SYS_mmap, vec![rule([argument(2, code.clone(), 0), argument(4, SeccompCmpOp::Eq, -1)])?]);
    calls.insert(libc::SYS_mprotect, vec![rule([argument(2, code, 0)])?]);
    // Standard output and error: alerts that were asked for there, and what a panic says. No other file, no connection.
    let to = |file: c_int| rule([argument(0, SeccompCmpOp::Eq, file)]);
    for call in [libc::SYS_write, libc::SYS_writev] {
        calls.insert(call, vec![to(1)?, to(2)?]);
    }
    let option =
        |level: c_int, name: c_int| rule([argument(1, SeccompCmpOp::Eq, level), argument(2, SeccompCmpOp::Eq, name)]);
    // A ring's filter, its error, and what it dropped.
    let filters = [libc::SO_ATTACH_FILTER, libc::SO_DETACH_FILTER].map(|name| option(libc::SOL_SOCKET, name));
    calls.insert(libc::SYS_setsockopt, filters.into_iter().collect::<Result<_, _>>()?);
    let asked = vec![option(libc::SOL_SOCKET, libc::SO_ERROR)?, option(libc::SOL_PACKET, libc::PACKET_STATISTICS)?];
    calls.insert(libc::SYS_getsockopt, asked);
    // `abort`.
    let ours = c_int::try_from(std::process::id()).unwrap_or(0);
    let abort = [argument(0, SeccompCmpOp::Eq, ours), argument(2, SeccompCmpOp::Eq, libc::SIGABRT)];
    calls.insert(libc::SYS_tgkill, vec![rule(abort)?]);
    Ok(calls)
}

fn always<'c>(calls: impl Iterator<Item = &'c c_long>) -> Calls {
    calls.map(|call| (*call, Vec::new())).collect()
}

/// A condition on an argument of 32 bits.
fn argument(place: u8, is: SeccompCmpOp, value: c_int) -> Result<SeccompCondition, String> {
    SeccompCondition::new(place, SeccompCmpArgLen::Dword, is, u64::from(value.cast_unsigned())).map_err(unmade)
}

/// Holds if all of its conditions do.
fn rule(conditions: impl IntoIterator<Item = Result<SeccompCondition, String>>) -> Result<SeccompRule, String> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?).map_err(unmade)
}

fn refusal(error: c_int) -> SeccompAction {
    SeccompAction::Errno(error.cast_unsigned())
}

/// These fail, all others go on.
fn refuse(calls: Calls, error: c_int) -> Result<(), String> {
    apply(with_x32(calls), SeccompAction::Allow, refusal(error))
}

/// What a list names by number has a second number where x32 is there.
#[cfg(target_arch = "x86_64")]
fn with_x32(calls: Calls) -> Calls {
    let own = ONLY_X32.map(|call| (call | X32, Vec::new()));
    let doubled = calls.clone().into_iter().map(|(call, rules)| (call | X32, rules));
    let doubled: Vec<_> = doubled.chain(own).collect();
    calls.into_iter().chain(doubled).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn with_x32(calls: Calls) -> Calls {
    calls
}

/// For the calling thread and all that it starts.
fn apply(calls: Calls, otherwise: SeccompAction, then: SeccompAction) -> Result<(), String> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(unmade)?;
    let filter = SeccompFilter::new(calls, otherwise, then, machine).map_err(unmade)?;
    let program = BpfProgram::try_from(filter).map_err(unmade)?;
    seccompiler::apply_filter(&program)
        .map_err(|error| format!("system calls cannot be filtered (CONFIG_SECCOMP_FILTER of the kernel): {error}"))
}

fn unmade(error: impl std::fmt::Display) -> String {
    format!("system calls cannot be filtered on this machine: {error}")
}
