//! Capabilities of the calling thread: which are kept, under which names.
//!
//! *Invariants*: sets only shrink. What the program's file gives is allowed and not yet in force until somebody takes it up
//! (`capture`), so that what is kept is kept as it was.
//!
//! *Spec*: capabilities(7): a new thread has those of the one that starts it; threads of a process may differ.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities,
};

/// Gives up all but `kept`, and whatever a program that is started would be given.
pub(crate) fn keep(kept: CapabilitySet) -> Result<(), String> {
    let failed = |error| format!("capabilities cannot be dropped: {error}");
    // Kernels before 4.3 have no ambient set, and then nothing in it.
    let _ = clear_ambient_capability_set();
    let now = capabilities(None).map_err(failed)?;
    let sets = CapabilitySets {
        effective: now.effective & kept,
        permitted: now.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(failed)
}

/// Lets no program that is started have more than `kept`, where we may say so (SETPCAP). Where not, no_new_privs says the same.
pub(crate) fn bound(kept: CapabilitySet) {
    for one in CapabilitySet::all().difference(kept).iter() {
        let _ = remove_capability_from_bounding_set(one);
    }
}

/// What the calling thread may use, as capabilities(7) calls it without `CAP_`.
pub(crate) fn names() -> Vec<String> {
    let permitted = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    permitted.iter_names().map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_gone_for_this_thread_alone() {
        let before = names();
        if !before.contains(&"NET_RAW".to_owned()) {
            eprintln!("capabilities: SKIPPED, there is none to drop (needs root)");
            return;
        }
        let thread = std::thread::spawn(|| {
            keep(CapabilitySet::NET_RAW).unwrap();
            assert_eq!(names(), ["NET_RAW"]);
            let inherited = std::thread::spawn(names).join().unwrap();
            assert_eq!(inherited, ["NET_RAW"]);
            keep(CapabilitySet::all()).unwrap();
            assert_eq!(names(), ["NET_RAW"], "nothing comes back");
            keep(CapabilitySet::empty()).unwrap();
            assert_eq!(names(), [""; 0]);
        });
        thread.join().unwrap();
        assert_eq!(names(), before);
    }
}
