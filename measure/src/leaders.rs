//! What the leaders' main loops cost, to stand beside ours.
//!
//! Their kernels compile without a GPU, so their machine code was read as ours is: the loop's instructions less its
//! matrix products, over the scores of a thread. Assembler `ptxas` 13.0.88, 2026-11-22. FlashAttention-4's package
//! (CuTe DSL) holds FlashAttention-3's design for Hopper and a path for Ampere. `kgen cost FILE.ptx --head-dim N` reads
//! any such kernel again.

use crate::workload::Mask;
use flashpage_codegen::Arch;

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
}

const fn leader(
    who: &'static str,
    arch: Arch,
    head_dim: usize,
    mask: Mask,
    paged: bool,
    per_score: f64,
) -> Leader {
    Leader { who, arch, head_dim, mask, paged, per_score }
}

use Arch::{Sm80, Sm90a};
use Mask::{Causal, Full};

/// All of them.
pub const LEADERS: &[Leader] = &[
    leader("FlashAttention-4's Ampere path", Sm80, 128, Full, false, 11.83),
    leader("FlashAttention-4's Ampere path", Sm80, 64, Causal, false, 9.7),
    leader("Triton 3.6, a plain kernel", Sm80, 64, Full, false, 8.33),
    leader("FlashAttention-4's Hopper path", Sm90a, 128, Full, false, 6.9),
    leader("FlashAttention-4's Hopper path", Sm90a, 128, Causal, false, 7.20),
    leader("FlashAttention-4's Hopper path", Sm90a, 128, Causal, true, 7.23),
    leader("FlashAttention-4's Hopper path", Sm90a, 64, Full, false, 6.38),
    leader("FlashAttention-4's Hopper path", Sm90a, 256, Full, false, 10.2),
    leader("Triton 3.6, a plain kernel", Sm90a, 128, Full, false, 8.52),
];

/// The lowest figure of a leader for this target and head dimension; of the same mask and kind of cache where there is
/// one. Loops inside the mask differ little between masks.
pub fn nearest(arch: Arch, head_dim: usize, mask: Mask, paged: bool) -> Option<&'static Leader> {
    let distance =
        |leader: &Leader| usize::from(leader.mask != mask) + 2 * usize::from(leader.paged != paged);
    LEADERS.iter().filter(|leader| leader.arch == arch && leader.head_dim == head_dim).min_by(|a, b| {
        (distance(a), a.per_score)
            .partial_cmp(&(distance(b), b.per_score))
            .unwrap_or(std::cmp::Ordering::Equal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_one() {
        let per_score =
            |arch, head_dim, mask, paged| nearest(arch, head_dim, mask, paged).map(|leader| leader.per_score);
        assert_eq!(per_score(Sm80, 128, Causal, true), Some(11.83));
        assert_eq!(per_score(Sm80, 64, Full, false), Some(8.33));
        assert_eq!(per_score(Sm80, 64, Causal, true), Some(9.7));
        assert_eq!(per_score(Sm90a, 128, Full, false), Some(6.9));
        assert_eq!(per_score(Sm90a, 128, Causal, true), Some(7.23));
        assert_eq!(per_score(Sm80, 96, Full, false), None);
    }
}
