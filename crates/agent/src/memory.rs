//! What memory this process holds, and how much its control group lets it have.
//!
//! *How it fits*: a container that outgrows its limit is killed, and what it inspected is blind until it is back. So what is
//! not said otherwise is made to fit into the limit.
//!
//! *Spec*: proc(5); the kernel's `admin-guide/cgroup-v2.rst` (`memory.max`: bytes or `max`; each group above limits, too) and
//! `cgroup-v1/memory.rst` (`memory.limit_in_bytes`; without a limit a number near 2^63).

use std::path::Path;

/// Where the kernel shows control groups.
const GROUPS: &str = "/sys/fs/cgroup";
/// What version 1 says where there is no limit is above this.
const NO_LIMIT: u64 = 1 << 60;

/// Resident memory of the process, from `/proc/self/statm`: the second field, in pages of 4 KiB.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(4096)
}

/// Bytes that the process may have with all others of its control group; `None`: as much as there is.
pub fn limit() -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_of(&own, Path::new(GROUPS))
}

/// The lowest limit of the groups that `own` (`/proc/PID/cgroup`) names and those above them.
fn limit_of(own: &str, groups: &Path) -> Option<u64> {
    own.lines()
        .filter_map(|line| {
            let (_, line) = line.split_once(':')?;
            let (controllers, path) = line.split_once(':')?;
            match controllers {
                "" => lowest(groups, path, "memory.max"),
                _ if controllers.split(',').any(|name| name == "memory") => {
                    lowest(&groups.join("memory"), path, "memory.limit_in_bytes")
                }
                _ => None,
            }
        })
        .min()
}

/// Of `path` and all above it up to `root`. In a container `root` often is the group itself while `path` has its name outside
/// of it, so that only `root` is there.
fn lowest(root: &Path, path: &str, file: &str) -> Option<u64> {
    let read = |group: &Path| {
        let text = std::fs::read_to_string(root.join(group).join(file)).ok()?;
        text.trim().parse::<u64>().ok().filter(|bytes| *bytes < NO_LIMIT)
    };
    let path = Path::new(path.trim_start_matches('/'));
    // A group outside of our namespace of groups: `/../other`.
    let above = path.components().any(|part| part == std::path::Component::ParentDir);
    let path = if above { Path::new("") } else { path };
    path.ancestors().filter_map(read).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_lowest_limit_of_a_group_and_those_above_it_holds() {
        let root = groups(&[
            ("kubepods/memory.max", "8589934592\n"),
            ("kubepods/pod1/memory.max", "max\n"),
            ("kubepods/pod1/c/memory.max", "max\n"),
        ]);
        assert_eq!(limit_of("0::/kubepods/pod1/c\n", root.path()), Some(8 << 30));
        std::fs::write(root.path().join("kubepods/pod1/c/memory.max"), "268435456\n").unwrap();
        assert_eq!(limit_of("0::/kubepods/pod1/c\n", root.path()), Some(256 << 20));
    }

    #[test]
    fn a_container_that_sees_only_its_own_group_finds_its_limit() {
        let root = groups(&[("memory.max", "268435456\n")]);
        for own in ["0::/\n", "0::/kubepods/pod1/c\n", "0::/../../system.slice\n"] {
            assert_eq!(limit_of(own, root.path()), Some(256 << 20), "{own}");
        }
    }

    #[test]
    fn version_1_is_read_and_its_number_for_no_limit_known() {
        let root = groups(&[("memory/memory.limit_in_bytes", "9223372036854771712\n")]);
        let own = "11:cpu,cpuacct:/docker/1\n9:memory:/docker/1\n0::/docker/1\n";
        assert_eq!(limit_of(own, root.path()), None);
        std::fs::write(root.path().join("memory/memory.limit_in_bytes"), "1073741824\n").unwrap();
        assert_eq!(limit_of(own, root.path()), Some(1 << 30));
    }

    #[test]
    fn without_a_limit_or_with_any_text_there_is_none() {
        let root = groups(&[("memory.max", "max\n"), ("odd/memory.max", "a lot")]);
        for own in ["0::/\n", "0::/odd\n", "", "0", "0:", "::", "no groups at all", "5:memory"] {
            assert_eq!(limit_of(own, root.path()), None, "{own}");
        }
    }
}
