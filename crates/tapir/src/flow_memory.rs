//! How much memory an agent lets conversations have: what was said, or what fits into the limit of its container.
//!
//! *Invariants*: what was said holds, even where it is unwise; then that is told.

use crate::message::Messages;

/// Unless said otherwise, in MiB.
const USUAL: u32 = 512;
const MIB: u64 = 1 << 20;

/// In bytes, of `--flow-mib` and the memory limit of the control group. Tells what the user would not expect.
pub fn bytes(said: Option<u32>, limit: Option<u64>, messages: &Messages) -> usize {
    let (bytes, told) = choose(said, limit);
    match told {
        Some(Told::Less(text)) => messages.info(&text),
        Some(Told::TooMuch(text)) => messages.warning(&text),
        None => {}
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Less(String),
    TooMuch(String),
}

/// Half of a limit is left for rules (two sets of them while they change), names, and events on their way.
fn choose(said: Option<u32>, limit: Option<u64>) -> (u64, Option<Told>) {
    let asked = u64::from(said.unwrap_or(USUAL)) * MIB;
    let Some(limit) = limit else { return (asked, None) };
    let half = (limit / 2).max(MIB);
    let of = |bytes: u64| bytes / MIB;
    if said.is_none() && half < asked {
        let text = format!(
            "the memory limit is {} MiB: conversations may hold {} MiB of it (--flow-mib)",
            of(limit),
            of(half)
        );
        return (half, Some(Told::Less(text)));
    }
    let too_much = (said.is_some() && limit <= asked).then(|| {
        Told::TooMuch(format!(
            "--flow-mib {}: the memory limit is {} MiB, and who outgrows that is killed; lower the one or raise the other",
            of(asked),
            of(limit)
        ))
    });
    (asked, too_much)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_it_is_what_was_said_or_the_usual() {
        assert_eq!(choose(None, None), (512 * MIB, None));
        assert_eq!(choose(Some(7), None), (7 * MIB, None));
    }

    #[test]
    fn half_of_a_small_limit_is_for_conversations_unless_said_otherwise() {
        assert_eq!(choose(None, Some(1 << 30)), (512 * MIB, None), "the operator's own limit");
        let (bytes, told) = choose(None, Some(256 * MIB));
        assert_eq!(bytes, 128 * MIB);
        assert!(matches!(told, Some(Told::Less(text)) if text.contains("256 MiB") && text.contains("128 MiB")));
        assert_eq!(choose(Some(200), Some(256 * MIB)), (200 * MIB, None));
        assert_eq!(choose(None, Some(0)).0, MIB, "never nothing");
    }

    #[test]
    fn more_than_the_limit_holds_and_is_told() {
        let (bytes, told) = choose(Some(512), Some(256 * MIB));
        assert_eq!(bytes, 512 * MIB);
        assert!(
            matches!(told, Some(Told::TooMuch(text)) if text.contains("--flow-mib 512") && text.contains("256 MiB"))
        );
    }
}
