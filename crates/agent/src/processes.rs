//! Which processes belong to which pod, by the names of their control groups.
//!
//! *How it fits*: the kernel tells which interface leads to a process; this finds a process of the pod.
//!
//! *Invariants*: total over any text. A uid is only found where a container runtime puts it: behind `pod`, as a whole word.
//!
//! *Limits*: needs the node's PID namespace (`hostPID`); without it only our own processes are seen. [`MAX_PROCESSES`] are
//! looked at.
//!
//! *Spec*: cgroups(7); names of pods' groups: kubelet's `cgroup_manager_linux.go` (`kubepods-burstable-pod<uid>.slice` with
//! underscores for systemd, `kubepods/burstable/pod<uid>` for cgroupfs).

use std::collections::HashMap;
use std::path::Path;

/// Processes of a node that are looked at at most.
const MAX_PROCESSES: usize = 65_536;
/// Length of a uid with its dashes.
const UID: usize = 36;

/// A process of each pod of `uids` that has one. Of several that with the lowest number, which is the pod's oldest: the
/// sandbox, that holds the network namespace.
pub fn of_pods(proc: &Path, uids: &[&str]) -> HashMap<String, u32> {
    let mut found: HashMap<String, u32> = HashMap::new();
    let Ok(entries) = std::fs::read_dir(proc) else { return found };
    for entry in entries.take(MAX_PROCESSES).flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(text) = std::fs::read_to_string(entry.path().join("cgroup")) else { continue };
        let Some(uid) = uids.iter().find(|uid| mentions(&text, uid)) else { continue };
        let oldest = found.entry((*uid).to_owned()).or_insert(pid);
        *oldest = pid.min(*oldest);
    }
    found
}

/// Whether a list of control groups names the pod.
fn mentions(text: &str, uid: &str) -> bool {
    let dashes = uid.len() == UID && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    // Static pods have a hash as their uid.
    let hash = uid.len() == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !dashes && !hash {
        return false;
    }
    let escaped = uid.replace('-', "_");
    [uid, &escaped].into_iter().any(|form| {
        text.match_indices(form).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let behind = text.get(at + form.len()..).unwrap_or_default();
            before.ends_with("pod") && !behind.starts_with(|next: char| next.is_ascii_alphanumeric())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0b7d1c4e-7a55-4b0e-9d49-0c6c1f3b8a11";
    const TWO: &str = "5f0c8a9e-0000-4b0e-9d49-0c6c1f3b8a11";

    #[test]
    fn both_drivers_of_control_groups_are_understood() {
        let systemd = format!(
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-4f1c.scope",
            ONE.replace('-', "_")
        );
        let cgroupfs = format!("12:memory:/kubepods/besteffort/pod{ONE}/4f1c\n0::/kubepods/besteffort/pod{ONE}/4f1c");
        for text in [&systemd, &cgroupfs] {
            assert!(mentions(text, ONE), "{text}");
            assert!(!mentions(text, TWO));
        }
        assert!(mentions("0::/kubepods/pod0123456789abcdef0123456789abcdef/x", "0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn a_uid_elsewhere_or_a_part_of_one_does_not_count() {
        assert!(!mentions(&format!("0::/user.slice/{ONE}"), ONE));
        assert!(!mentions(&format!("0::/kubepods/pod{ONE}0"), ONE));
        assert!(!mentions("0::/kubepods/pod", ""));
        assert!(!mentions("0::/kubepods/podx", "x"));
    }

    #[test]
    fn the_oldest_process_of_each_pod_is_taken() {
        let root = tempfile::tempdir().unwrap();
        for (pid, uid) in [("900", ONE), ("85", ONE), ("7", TWO), ("self", TWO)] {
            let home = root.path().join(pid);
            std::fs::create_dir(&home).unwrap();
            std::fs::write(home.join("cgroup"), format!("0::/kubepods/pod{uid}/c\n")).unwrap();
        }
        let found = of_pods(root.path(), &[ONE, "gone"]);
        assert_eq!(found, HashMap::from([(ONE.to_owned(), 85)]));
        assert!(of_pods(Path::new("/nowhere"), &[ONE]).is_empty());
    }
}
