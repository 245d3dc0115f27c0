//! What the leaders' main loops cost, to stand beside ours.
//!
//! Their kernels compile without a GPU, so their machine code was read as ours is, by `kgen cost FILE.ptx --head-dim N`,
//! on 2026-11-24 with `ptxas` 13.0.88. FlashAttention-4's package (flash-attn-4 4.0.0b36, CuTe DSL) holds
//! FlashAttention-3's design for Hopper and a path for Ampere; Triton's is the plain kernel of `bench/peers`, in the
//! configuration with fewest instructions. `bench/README.md` says how to get their PTX.

use crate::workload::Mask;
use flashpage_codegen::{Arch, HeadDim};

/// A leader's figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leader {
    /// Whose.
    pub who: &'static str,
    /// For which target.
    pub arch: Arch,
    /// Head dimension.
    pub head_dim: usize,
    /// Which mask its kernel has; the loop is the one without predicates.
    pub mask: Mask,
    /// Whether its keys and values lie in blocks.
    pub paged: bool,
    /// Instructions that are no products, per score; static.
    pub per_score: f64,
    /// Per cent of the exponentials behind the last wait for products, in its worst loop, where that was read too.
    pub late_exponentials: Option<u32>,
}

const fn leader(
    who: &'static str,
    arch: Arch,
    head_dim: usize,
    mask: Mask,
    paged: bool,
    per_score: f64,
) -> Leader {
    Leader { who, arch, head_dim, mask, paged, per_score, late_exponentials: None }
}

impl Leader {
    /// The same, with so many per cent of late exponentials.
    const fn late(self, percent: u32) -> Leader {
        Leader { late_exponentials: Some(percent), ..self }
    }
}

use Arch::{Sm80, Sm90a};
use Mask::{Causal, Full};

const FA4_AMPERE: &str = "FlashAttention-4's Ampere path";
/// It has no loop without predicates under a causal mask.
const FA4_AMPERE_MASKED: &str = "FlashAttention-4's Ampere path, which masks every tile";
const FA4_HOPPER: &str = "FlashAttention-4's Hopper path";
const TRITON: &str = "Triton 3.6, a plain kernel";

/// All of them.
pub const LEADERS: &[Leader] = &[
    leader(FA4_AMPERE, Sm80, 64, Full, false, 7.75),
    leader(FA4_AMPERE_MASKED, Sm80, 64, Causal, false, 9.69),
    leader(FA4_AMPERE, Sm80, 128, Full, false, 11.83),
    leader(FA4_AMPERE_MASKED, Sm80, 128, Causal, false, 16.36),
    leader(TRITON, Sm80, 64, Full, false, 8.05),
    leader(TRITON, Sm80, 64, Causal, false, 8.05),
    leader(TRITON, Sm80, 128, Full, false, 10.48),
    leader(TRITON, Sm80, 128, Causal, false, 10.31),
    leader(FA4_HOPPER, Sm90a, 64, Full, false, 6.34).late(82),
    leader(FA4_HOPPER, Sm90a, 64, Causal, false, 6.56),
    leader(FA4_HOPPER, Sm90a, 64, Full, true, 6.44),
    leader(FA4_HOPPER, Sm90a, 128, Full, false, 6.86).late(85),
    leader(FA4_HOPPER, Sm90a, 128, Causal, false, 7.16).late(91),
    leader(FA4_HOPPER, Sm90a, 128, Full, true, 6.88),
    leader(FA4_HOPPER, Sm90a, 128, Causal, true, 7.17),
    leader(FA4_HOPPER, Sm90a, 256, Full, false, 10.15).late(67),
    leader(FA4_HOPPER, Sm90a, 256, Causal, false, 11.18),
    leader(TRITON, Sm90a, 64, Full, false, 7.70),
    leader(TRITON, Sm90a, 64, Causal, false, 7.69),
    leader(TRITON, Sm90a, 128, Full, false, 8.70),
    leader(TRITON, Sm90a, 128, Causal, false, 8.70),
];

/// The lowest figure of a leader for this target and head dimension; of the same mask and kind of cache where there is
/// one.
pub fn nearest(arch: Arch, head_dim: HeadDim, mask: Mask, paged: bool) -> Option<&'static Leader> {
    let distance =
        |leader: &Leader| usize::from(leader.mask != mask) + 2 * usize::from(leader.paged != paged);
    LEADERS.iter().filter(|leader| leader.arch == arch && HeadDim::from(leader.head_dim) == head_dim).min_by(
        |a, b| {
            (distance(a), a.per_score)
                .partial_cmp(&(distance(b), b.per_score))
                .unwrap_or(std::cmp::Ordering::Equal)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_one() {
        let per_score = |arch, head_dim: usize, mask, paged| {
            nearest(arch, HeadDim::from(head_dim), mask, paged).map(|leader| leader.per_score)
        };
        assert_eq!(per_score(Sm80, 128, Causal, true), Some(10.31));
        assert_eq!(per_score(Sm80, 64, Full, false), Some(7.75));
        assert_eq!(per_score(Sm80, 64, Causal, true), Some(8.05));
        assert_eq!(per_score(Sm90a, 128, Full, false), Some(6.86));
        assert_eq!(per_score(Sm90a, 128, Causal, true), Some(7.17));
        assert_eq!(per_score(Sm90a, 256, Causal, true), Some(11.18));
        assert_eq!(per_score(Sm80, 96, Full, false), None);
    }
}
