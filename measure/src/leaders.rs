//! What the leaders' main loops cost, to stand beside ours.
//!
//! Their kernels compile without a GPU, so their machine code was read as ours is, by `kgen cost FILE.ptx --head-dim N`,
//! on 2026-11-24 and 2026-11-28 with `ptxas` 13.0.88. FlashAttention-4's package (flash-attn-4 4.0.0b36, CuTe DSL) holds
//! FlashAttention-3's design for Hopper and a path for Ampere; Triton's is the plain kernel of `bench/peers`, in the
//! configuration with fewest instructions, and for latent attention vLLM's.
//!
//! Kernels in C++ come assembled, in the wheels of the engines that ship them (vllm 0.33.0, sglang-kernel 0.4.10, lmdeploy
//! 0.18.0). They were taken out by `cuobjdump -xelf`, disassembled by `nvdisasm -c`, and their loops counted as
//! [`inner_loops`](crate::machine_code::inner_loops) counts ours: scores by the loop's own products, and each once. Where two
//! warpgroups share a tile's rows, and the one multiplies with probabilities that the other has computed, the instructions of
//! both stand over the scores that there are.
//!
//! `bench/README.md` says how to get all of them again.

use crate::workload::Mask;
use flashpage_codegen::choice::LATENT;
use flashpage_codegen::{Arch, HeadDim};

/// A leader's figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leader {
    /// Whose.
    pub who: &'static str,
    /// For which target.
    pub arch: Arch,
    /// Head dimensions.
    pub head_dim: HeadDim,
    /// Which mask its kernel has; the loop is the one without predicates. A decode of one query is causal and full at once,
    /// and stands as causal.
    pub mask: Mask,
    /// Whether its keys and values lie in blocks.
    pub paged: bool,
    /// Instructions that are no products, per score, however many warps compute it; static.
    pub per_score: f64,
    /// Per cent of the exponentials behind the last wait for products, in its worst loop, where that was read too.
    pub late_exponentials: Option<u32>,
}

const fn leader(
    who: &'static str,
    arch: Arch,
    head_dim: HeadDim,
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

const fn both(head_dim: usize) -> HeadDim {
    HeadDim { qk: head_dim, v: head_dim }
}

const PAIR: HeadDim = HeadDim { qk: 192, v: 128 };

use Arch::{Sm80, Sm90a};
use Mask::{Causal, Full};

const FA4_AMPERE: &str = "FlashAttention-4's Ampere path";
/// It has no loop without predicates under a causal mask.
const FA4_AMPERE_MASKED: &str = "FlashAttention-4's Ampere path, which masks every tile";
const FA4_HOPPER: &str = "FlashAttention-4's Hopper path";
/// In C++, of vLLM's wheel, for sequences of any lengths. It takes latent attention as 64 numbers of a key beside 512 that are
/// the value too: one warpgroup computes the scores, and both multiply.
const FA3: &str = "FlashAttention-3";
/// As SGLang's wheel has it, with fast math; vLLM's, without, has 29.80. Each of two warpgroups computes the scores of every
/// other tile, and both multiply with all of them.
const FLASHMLA: &str = "FlashMLA's dense decode";
const TRITON: &str = "Triton 3.6, a plain kernel";
/// `_fwd_grouped_kernel_stage1`, for 128 heads in blocks of 16.
const TRITON_LATENT: &str = "vLLM's Triton kernel, which masks every tile";
/// Of LMDeploy's wheel. It multiplies all 576 numbers of a row with the probabilities.
const TURBOMIND: &str = "TurboMind's decode";

/// All of them.
pub const LEADERS: &[Leader] = &[
    leader(FA4_AMPERE, Sm80, both(64), Full, false, 7.75),
    leader(FA4_AMPERE_MASKED, Sm80, both(64), Causal, false, 9.69),
    leader(FA4_AMPERE, Sm80, both(128), Full, false, 11.83),
    leader(FA4_AMPERE_MASKED, Sm80, both(128), Causal, false, 16.36),
    leader(TRITON, Sm80, both(64), Full, false, 8.05),
    leader(TRITON, Sm80, both(64), Causal, false, 8.05),
    leader(TRITON, Sm80, both(128), Full, false, 10.48),
    leader(TRITON, Sm80, both(128), Causal, false, 10.31),
    leader(FA4_HOPPER, Sm90a, both(64), Full, false, 6.34).late(82),
    leader(FA4_HOPPER, Sm90a, both(64), Causal, false, 6.56),
    leader(FA4_HOPPER, Sm90a, both(64), Full, true, 6.44),
    leader(FA4_HOPPER, Sm90a, both(128), Full, false, 6.86).late(85),
    leader(FA4_HOPPER, Sm90a, both(128), Causal, false, 7.16).late(91),
    leader(FA4_HOPPER, Sm90a, both(128), Full, true, 6.88),
    leader(FA4_HOPPER, Sm90a, both(128), Causal, true, 7.17),
    leader(FA4_HOPPER, Sm90a, both(256), Full, false, 10.15).late(67),
    leader(FA4_HOPPER, Sm90a, both(256), Causal, false, 11.18),
    leader(TRITON, Sm90a, both(64), Full, false, 7.70),
    leader(TRITON, Sm90a, both(64), Causal, false, 7.69),
    leader(TRITON, Sm90a, both(128), Full, false, 8.70),
    leader(TRITON, Sm90a, both(128), Causal, false, 8.70),
    leader(FA4_HOPPER, Sm90a, PAIR, Full, false, 6.77).late(85),
    leader(FA4_HOPPER, Sm90a, PAIR, Causal, false, 7.25).late(85),
    leader(FA3, Sm90a, PAIR, Full, false, 7.08),
    leader(FA3, Sm90a, PAIR, Causal, false, 7.25),
    leader(FA3, Sm90a, LATENT, Full, false, 22.94),
    leader(FA3, Sm90a, LATENT, Causal, false, 20.72),
    leader(FLASHMLA, Sm90a, LATENT, Causal, true, 25.64),
    leader(TURBOMIND, Sm80, LATENT, Causal, true, 100.50),
    leader(TRITON_LATENT, Sm80, LATENT, Causal, true, 221.25),
];

/// The lowest figure of a leader for this target and head dimension; of the same mask and kind of cache where there is
/// one.
pub fn nearest(arch: Arch, head_dim: HeadDim, mask: Mask, paged: bool) -> Option<&'static Leader> {
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
        let table = [
            (Sm80, both(128), Causal, true, Some((TRITON, 10.31))),
            (Sm80, both(64), Full, false, Some((FA4_AMPERE, 7.75))),
            (Sm80, both(64), Causal, true, Some((TRITON, 8.05))),
            (Sm90a, both(128), Full, false, Some((FA4_HOPPER, 6.86))),
            (Sm90a, both(128), Causal, true, Some((FA4_HOPPER, 7.17))),
            (Sm90a, both(256), Causal, true, Some((FA4_HOPPER, 11.18))),
            (Sm80, both(96), Full, false, None),
            // Nobody's other dimension counts as this one.
            (Sm90a, both(192), Full, false, None),
            (Sm90a, PAIR, Full, false, Some((FA4_HOPPER, 6.77))),
            (Sm90a, PAIR, Full, true, Some((FA4_HOPPER, 6.77))),
            // Two are alike: the first, whose late exponentials are known.
            (Sm90a, PAIR, Causal, true, Some((FA4_HOPPER, 7.25))),
            (Sm80, PAIR, Causal, false, None),
            // Of a paged cache the one that is made for it, whatever others need without.
            (Sm90a, LATENT, Causal, true, Some((FLASHMLA, 25.64))),
            (Sm90a, LATENT, Causal, false, Some((FA3, 20.72))),
            (Sm90a, LATENT, Full, false, Some((FA3, 22.94))),
            (Sm80, LATENT, Causal, true, Some((TURBOMIND, 100.50))),
        ];
        for (arch, head_dim, mask, paged, expected) in table {
            let found = nearest(arch, head_dim, mask, paged).map(|leader| (leader.who, leader.per_score));
            assert_eq!(found, expected, "{arch} {head_dim} {mask:?} paged {paged}");
        }
    }
}
