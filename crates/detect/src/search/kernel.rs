//! The filter's inner loops, one per instruction set, and the choice among them at run time.
//!
//! A kernel walks the haystack and calls [`Candidates::at`] wherever the four bytes at a position pass its tables:
//! for each of the four, two look-ups (low and high part of the byte) give a mask of buckets; a bit that survives the
//! AND of all eight is a candidate. The whole loop with its tail and the candidates' handling is one function compiled
//! for the instruction set.
//!
//! *Contract of every kernel*: `at` is called, in ascending order, for at least every position in `from..=len - 4`
//! whose bytes pass for a bucket that is still alive. When `at` stops the scan, the kernel returns the first position
//! it has not asked about.

use std::sync::OnceLock;

use super::choice::Masks;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod vbmi;

/// An implementation of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// AVX-512 with VBMI: 64 positions per step.
    Vbmi,
    /// AVX2: 32 positions per step.
    Avx2,
    /// AArch64: 16 positions per step.
    Neon,
    /// No vector instructions: the hashed bitmap at every position.
    Scalar,
}

impl Kernel {
    /// Fastest first.
    pub const ALL: [Self; 4] = [Self::Vbmi, Self::Avx2, Self::Neon, Self::Scalar];

    /// Environment variable that forces a kernel by [`name`](Self::name).
    pub const ENV: &'static str = "TAPIR_SEARCH_KERNEL";

    /// The fastest kernel of this machine, or the one named by [`Kernel::ENV`] if the machine has it. Decided once.
    pub fn detect() -> Self {
        static DETECTED: OnceLock<Kernel> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let forced = std::env::var(Self::ENV).ok();
            let mut usable = Self::ALL.into_iter().filter(|kernel| kernel.is_available());
            let fastest = usable.clone().next().unwrap_or(Self::Scalar);
            usable.find(|kernel| forced.as_deref() == Some(kernel.name())).unwrap_or(fastest)
        })
    }

    /// Can this machine run it?
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi => vbmi::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::is_available(),
            Self::Scalar => true,
            #[allow(unreachable_patterns, reason = "which kernels are left depends on the architecture")]
            _ => false,
        }
    }

    /// Name in status output and in [`Kernel::ENV`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Vbmi => "vbmi",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Scalar => "scalar",
        }
    }
}

/// Whether a scan goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Go on with the next position.
    Continue,
    /// Nothing more is wanted, or too much was spent.
    Stop,
}

/// Takes the positions that pass the filter.
pub(super) trait Candidates {
    /// Looks closer at `position`.
    fn at(&mut self, position: usize) -> Flow;
    /// Buckets whose candidates are still wanted.
    fn alive(&self) -> u16;
}

/// The filter's tables for one set, made for one kernel.
///
/// Tables for a vector kernel exist only on machines that can run it, so having them is the proof that it may be run.
pub(super) enum Filter {
    #[cfg(target_arch = "x86_64")]
    Vbmi(Box<vbmi::Tables>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Box<avx2::Tables>),
    #[cfg(target_arch = "aarch64")]
    Neon(Box<neon::Tables>),
    Scalar,
}

impl Filter {
    /// For `kernel`, or scalar where the machine does not have it.
    pub(super) fn new(kernel: Kernel, masks: &Masks) -> Self {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Vbmi => vbmi::Tables::new(masks).map_or(Self::Scalar, |tables| Self::Vbmi(Box::new(tables))),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => avx2::Tables::new(masks).map_or(Self::Scalar, |tables| Self::Avx2(Box::new(tables))),
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => neon::Tables::new(masks).map_or(Self::Scalar, |tables| Self::Neon(Box::new(tables))),
            _ => Self::Scalar,
        }
    }

    /// Runs the kernel over `haystack[from..]`. Returns the first position not asked about if it was stopped.
    #[inline]
    pub(super) fn scan<C: Candidates>(&self, haystack: &[u8], from: usize, candidates: &mut C) -> Option<usize> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi(tables) => tables.scan(haystack, from, candidates),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(tables) => tables.scan(haystack, from, candidates),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(tables) => tables.scan(haystack, from, candidates),
            Self::Scalar => scalar::scan(haystack, from, candidates),
        }
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi(tables) => size_of_val(&**tables),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(tables) => size_of_val(&**tables),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(tables) => size_of_val(&**tables),
            Self::Scalar => 0,
        }
    }
}
