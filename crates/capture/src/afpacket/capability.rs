//! CAP_NET_RAW, taken up by a thread that may: what a program's file gives is allowed, and not yet in force.
//!
//! *How it fits*: the image's program has the capability on its file as permitted only. One that is in force at once (`+ep`) would
//! keep the program from starting at all wherever its container may not have it, which is right for manager and operator: the kernel
//! refuses such a program with EPERM. So the thread that opens a packet socket takes it up here.
//! *Invariants*: no other capability is changed, none is gained that the thread was not allowed; where it is not, nothing happens, and
//! opening the socket says what is missing.
//! *Spec*: capabilities(7), capset(2): version 3 has two words of 32 bits a set.
#![allow(unsafe_code, reason = "system calls; each block says why its arguments are valid")]

/// `_LINUX_CAPABILITY_VERSION_3`
const VERSION: u32 = 0x2008_0522;
/// `CAP_NET_RAW`, in the first word.
const NET_RAW: u32 = 1 << 13;

#[repr(C)]
struct Header {
    version: u32,
    /// 0: the calling thread.
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Puts CAP_NET_RAW in force for the calling thread, if it is allowed to and has not yet.
pub(crate) fn take_net_raw() {
    let Some([mut first, second]) = read() else { return };
    if first.permitted & NET_RAW != 0 && first.effective & NET_RAW == 0 {
        first.effective |= NET_RAW;
        // Refused it changes nothing; the socket then tells what is missing.
        let _ = write([first, second]);
    }
}

fn read() -> Option<[Word; 2]> {
    let mut header = Header { version: VERSION, pid: 0 };
    let mut words = [Word::default(); 2];
    // SAFETY: `header` is valid for reads and writes, `words` for writes of the two words that this version has.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    (done == 0).then_some(words)
}

fn write(words: [Word; 2]) -> bool {
    let mut header = Header { version: VERSION, pid: 0 };
    // SAFETY: `header` is valid for reads and writes, `words` for reads of the two words that this version has.
    unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets the capability of a thread of its own, takes it, and tells what is in force then; `None` where it is not ours to set.
    fn taken(permitted: bool) -> Option<bool> {
        let thread = std::thread::spawn(move || {
            let [mut first, second] = read()?;
            if first.permitted & NET_RAW == 0 {
                return None;
            }
            first.effective &= !NET_RAW;
            if !permitted {
                first.permitted &= !NET_RAW;
                first.inheritable &= !NET_RAW;
            }
            assert!(write([first, second]));
            assert_eq!(read()?.first()?.effective & NET_RAW, 0);
            take_net_raw();
            Some(read()?.first()?.effective & NET_RAW != 0)
        });
        thread.join().unwrap()
    }

    #[test]
    fn what_is_permitted_is_taken_up_and_nothing_else() {
        let (Some(permitted), Some(not)) = (taken(true), taken(false)) else {
            eprintln!("capability: SKIPPED, CAP_NET_RAW is not ours to set (needs root)");
            return;
        };
        assert!(permitted && !not);
    }
}
