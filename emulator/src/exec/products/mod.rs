//! Products of matrices, and where their elements lie in registers and shared memory.
//!
//! [`mma`] and [`wgmma`] have the shapes that attention spends its time in, each with a twin for AVX2 that gives the same
//! bits; [`hopper_sums`] has the hardware's own sums of `wgmma`, for who asks for them; [`tile`] has every other shape, and the loads and stores of `wmma`. [`descriptor`] says where `wgmma` finds its
//! matrices, and [`operand`] reads them. A product is computed at once: when that of a `wgmma` is, is for `engines/` to say.
//! This folder uses the states, and `memory/` for the tiles that `wmma` loads and stores.

pub(crate) mod descriptor;
pub(crate) mod hopper_sums;
pub(crate) mod mma;
#[cfg(target_arch = "x86_64")]
mod mma_avx2;
pub(crate) mod operand;
pub(crate) mod tile;
pub(crate) mod wgmma;
#[cfg(target_arch = "x86_64")]
mod wgmma_avx2;
#[cfg(test)]
mod wgmma_tests;
