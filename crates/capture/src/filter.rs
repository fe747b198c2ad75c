//! The socket filter that lets only watched interfaces into a ring: classic BPF, a search tree over interface indexes.
//!
//! A ring that is not bound to an interface is offered every frame of the host, and the filter is paid for by whoever
//! sends them, so it is a balanced tree: inner nodes compare "at least", leaves compare up to four indexes. An accepted
//! frame goes on to the user's filter if there is one.
//!
//! *Limits*: the kernel takes [`MOST_INSTRUCTIONS`]; that is about 2,000 interfaces.
//!
//! *Spec*: linux/filter.h and Documentation/networking/filter.rst.

use crate::error::CaptureError;

/// One instruction of a classic BPF program, as tcpdump's `-dd` prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// BPF_MAXINSNS.
pub(crate) const MOST_INSTRUCTIONS: usize = 4096;

/// Load the word at an absolute offset.
const LOAD_WORD: u16 = 0x20;
/// Load a constant.
const LOAD_CONSTANT: u16 = 0x00;
/// Jump always, by `k`.
const JUMP: u16 = 0x05;
/// Jump if equal to `k`.
const JUMP_EQUAL: u16 = 0x15;
/// Jump if at least `k`.
const JUMP_AT_LEAST: u16 = 0x35;
/// Return `k`: the number of bytes to keep.
const RETURN: u16 = 0x06;
/// SKF_AD_OFF + SKF_AD_IFINDEX: the "offset" of the interface index.
const INTERFACE_INDEX: u32 = 0xFFFF_F000 + 8;
/// Keep all: more than any frame.
const KEEP_ALL: u32 = 0x0004_0000;
/// Indexes compared one after the other at the end of the search.
const LEAF: usize = 4;

impl Instruction {
    const fn new(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }
}

/// The program for `interfaces` (sorted, no duplicates), followed by `user`'s.
pub(crate) fn interfaces_then(
    interfaces: &[u32],
    user: Option<&[Instruction]>,
) -> Result<Vec<Instruction>, CaptureError> {
    let mut program = vec![Instruction::new(LOAD_WORD, INTERFACE_INDEX)];
    let mut accepts = Vec::new();
    emit(interfaces, &mut program, &mut accepts);
    if let Some(user) = user {
        let start = program.len();
        for accept in accepts {
            if let Some(instruction) = program.get_mut(accept) {
                // Relative to the following instruction.
                *instruction = Instruction::new(JUMP, (start - accept - 1) as u32);
            }
        }
        // Programs may expect the accumulator as the kernel sets it.
        program.push(Instruction::new(LOAD_CONSTANT, 0));
        program.extend_from_slice(user);
    }
    within_limit(program)
}

/// The user's program alone, or nothing.
pub(crate) fn only(user: Option<&[Instruction]>) -> Result<Option<Vec<Instruction>>, CaptureError> {
    user.map(|user| within_limit(user.to_vec())).transpose()
}

fn within_limit(program: Vec<Instruction>) -> Result<Vec<Instruction>, CaptureError> {
    if program.len() > MOST_INSTRUCTIONS {
        return Err(CaptureError::FilterTooLong { instructions: program.len(), most: MOST_INSTRUCTIONS });
    }
    Ok(program)
}

/// Appends the tree over `interfaces`; `accepts` gets the places of its accepting instructions. Recursion is as deep
/// as the tree.
fn emit(interfaces: &[u32], program: &mut Vec<Instruction>, accepts: &mut Vec<usize>) {
    if interfaces.len() <= LEAF {
        return emit_leaf(interfaces, program, accepts);
    }
    let (left, right) = interfaces.split_at(interfaces.len() / 2);
    let Some(&middle) = right.first() else { return };
    let node = program.len();
    // Conditional jumps reach 255 instructions only, so the far side is reached by an unconditional one.
    program.push(Instruction { code: JUMP_AT_LEAST, jt: 0, jf: 1, k: middle });
    program.push(Instruction::new(JUMP, 0));
    let start = program.len();
    emit(left, program, accepts);
    let skip = program.len() - start;
    if let Some(jump) = program.get_mut(node + 1) {
        jump.k = skip as u32;
    }
    emit(right, program, accepts);
}

fn emit_leaf(interfaces: &[u32], program: &mut Vec<Instruction>, accepts: &mut Vec<usize>) {
    for (number, &interface) in interfaces.iter().enumerate() {
        // Over the remaining comparisons and the refusal.
        let jt = (interfaces.len() - number) as u8;
        program.push(Instruction { code: JUMP_EQUAL, jt, jf: 0, k: interface });
    }
    program.push(Instruction::new(RETURN, 0));
    if !interfaces.is_empty() {
        accepts.push(program.len());
        program.push(Instruction::new(RETURN, KEEP_ALL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program for a frame of `interface`; every jump must land inside. Returns result and steps.
    fn run(program: &[Instruction], interface: u32) -> (u32, usize) {
        let (mut at, mut accumulator) = (0usize, 0u32);
        for steps in 1..100 {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                LOAD_WORD => accumulator = if k == INTERFACE_INDEX { interface } else { panic!("load {k:#x}") },
                LOAD_CONSTANT => accumulator = k,
                JUMP => at += k as usize,
                JUMP_EQUAL => at += usize::from(if accumulator == k { jt } else { jf }),
                JUMP_AT_LEAST => at += usize::from(if accumulator >= k { jt } else { jf }),
                RETURN => return (k, steps),
                other => panic!("code {other:#x}"),
            }
        }
        panic!("no end");
    }

    #[test]
    fn exactly_the_listed_interfaces_pass() {
        for count in (0..40).chain([255, 256, 257, 1000, 1600]) {
            let interfaces: Vec<u32> = (0..count).map(|i| i * 3 + 5).collect();
            let program = interfaces_then(&interfaces, None).unwrap();
            for interface in 0..count * 3 + 10 {
                let (kept, steps) = run(&program, interface);
                assert_eq!(kept != 0, interfaces.binary_search(&interface).is_ok(), "{interface} of {count}");
                assert!(steps <= 30, "{steps} steps with {count} interfaces");
            }
            assert_eq!(run(&program, u32::MAX).0, 0);
        }
    }

    #[test]
    fn accepted_frames_go_on_to_the_users_filter() {
        let user = [
            Instruction { code: JUMP_EQUAL, jt: 0, jf: 1, k: 0 },
            Instruction::new(RETURN, 77),
            Instruction::new(RETURN, 0),
        ];
        for count in [0, 1, 4, 5, 300] {
            let interfaces: Vec<u32> = (0..count).map(|i| i * 2).collect();
            let program = interfaces_then(&interfaces, Some(&user)).unwrap();
            for interface in 0..count * 2 + 2 {
                let expected = if interfaces.contains(&interface) { 77 } else { 0 };
                assert_eq!(run(&program, interface).0, expected);
            }
        }
    }

    #[test]
    fn too_many_interfaces_are_refused() {
        let interfaces: Vec<u32> = (0..5000).collect();
        assert!(matches!(interfaces_then(&interfaces, None), Err(CaptureError::FilterTooLong { most: 4096, .. })));
        assert!(only(Some(&vec![Instruction::new(RETURN, 0); 4097])).is_err());
    }
}
