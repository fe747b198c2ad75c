//! How the C library's allocator divides the heap.
//!
//! *How it fits*: glibc gives each thread an arena of its own, and what a thread has freed stays there for that thread. In the manager the
//! threads that read the store (SQLite asks the C library for its memory) take turns with large answers, so each arena grows to the
//! largest: 269 MiB after two visits of the page to a store of three million events, 145 MiB with one arena.
//! *Limits*: for programs that allocate in bursts. The packet path allocates nothing in steady state, and keeps its arenas.
//! *Spec*: mallopt(3), M_ARENA_MAX.
#![allow(unsafe_code, reason = "one call of the C library, before threads exist")]

/// All threads share one arena from now on. Called before threads are started; other C libraries have nothing to set.
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes two integers and no pointer; a value that it does not know is refused, and changes nothing.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}
