//! Running a program: blocks of warps of lanes.
//!
//! [`block`] schedules the warps of one block, [`warp`] keeps a warp's registers and its diverged parts,
//! [`step`] is the interpreter's loop, and the other files are the instructions that are more than a kernel
//! over registers.

pub(crate) mod access;
pub(crate) mod asynchrony;
pub(crate) mod barrier;
pub(crate) mod block;
pub(crate) mod collective;
pub(crate) mod control;
pub(crate) mod defined;
pub(crate) mod matrix;
pub(crate) mod print;
pub(crate) mod product;
#[cfg(target_arch = "x86_64")]
pub(crate) mod product_avx2;
pub(crate) mod quad;
pub(crate) mod recursion;
pub(crate) mod shared;
pub(crate) mod step;
pub(crate) mod tile;
pub(crate) mod warp;

/// All lanes.
pub(crate) const FULL: u32 = u32::MAX;

/// The lanes of a mask, lowest first.
#[inline(always)]
pub(crate) fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let lane = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        Some(lane)
    })
}

type Result<T, E = Box<crate::fault::Trouble>> = std::result::Result<T, E>;
