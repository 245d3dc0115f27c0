//! Running a program: blocks of warps of lanes.
//!
//! [`cluster`] lets the warps of one cluster take turns, as [`schedule`] says; [`warp`] keeps a warp's registers and
//! its diverged parts; [`step`] is the interpreter's loop. What goes on beside the warps is issued and landed in
//! [`engines`] and kept in [`asynchrony`], [`pipeline`] and [`bulk_queue`]. The sanitizer is [`defined`] for values
//! that nobody computed, over [`unknown`], [`depends`] and [`doubt`], and [`watch`] for who touches shared memory, over
//! [`order`], [`race`] and [`stamp`], and global memory while the launch before may be running ([`dependency`]); [`assembler`] tells it what `ptxas` makes of a `wgmma`'s registers. The other files are
//! the instructions that are more than a kernel over registers.

pub(crate) mod access;
pub(crate) mod assembler;
pub(crate) mod asynchrony;
pub(crate) mod barrier;
pub(crate) mod block;
pub(crate) mod bulk;
pub(crate) mod bulk_queue;
pub(crate) mod cluster;
pub(crate) mod cluster_barrier;
pub(crate) mod collective;
pub(crate) mod control;
pub(crate) mod counters;
pub(crate) mod defined;
pub(crate) mod defined_products;
pub(crate) mod dependency;
pub(crate) mod depends;
pub(crate) mod doubt;
pub(crate) mod engines;
pub(crate) mod matrix;
pub(crate) mod mbarrier;
pub(crate) mod objects;
pub(crate) mod order;
pub(crate) mod pipeline;
pub(crate) mod print;
pub(crate) mod product;
#[cfg(target_arch = "x86_64")]
pub(crate) mod product_avx2;
pub(crate) mod quad;
pub(crate) mod race;
pub(crate) mod recursion;
pub(crate) mod schedule;
pub(crate) mod shared;
pub(crate) mod stamp;
pub(crate) mod step;
pub(crate) mod tensor;
pub(crate) mod tile;
pub(crate) mod unknown;
pub(crate) mod warp;
pub(crate) mod warpgroup;
#[cfg(target_arch = "x86_64")]
pub(crate) mod warpgroup_avx2;
pub(crate) mod warpgroup_product;
#[cfg(test)]
mod warpgroup_tests;
pub(crate) mod watch;
pub(crate) mod worker;

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
