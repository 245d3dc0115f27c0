//! Running a program: blocks of warps of lanes.
//!
//! Each folder uses only those above it in this table, so what a cluster *is* knows nothing of what moves it on:
//!
//! | folder | what it has |
//! |---|---|
//! | `order/` | who has seen what, and the races that follow from it |
//! | `in_flight/` | work that warps have set going and that has not come to its end |
//! | `state/` | what a cluster is between two instructions: warps, shared memory, mbarriers, and all of them together |
//! | `memory/` | instructions that access memory, and what a copy would move |
//! | `control/` | where lanes go, and what they tell each other |
//! | `products/` | products of matrices |
//! | `defined/` | the check that follows values which nobody computed |
//! | `sync/` | instructions that wait for others, or let them go on |
//! | `engines/` | what sets work going beside a warp, lands it and waits for it |
//! | `interpreter/` | the loop over a warp's instructions |
//! | `turns/` | which warp and which cluster is next |
//!
//! What has one name in PTX has it in each folder: `wgmma` is a queue in `in_flight/`, arithmetic in `products/`, and issued
//! and waited for in `engines/`; an mbarrier is a state, and its instructions are in `sync/`.
//!
//! The three files beside the folders are words that all of them use: what a launch leaves open ([`policy`]), what a lane
//! is about to touch ([`request`]), and what is not known of a value ([`unknown`]).

pub(crate) mod control;
pub(crate) mod defined;
pub(crate) mod engines;
pub(crate) mod in_flight;
pub(crate) mod interpreter;
pub(crate) mod memory;
pub(crate) mod order;
pub(crate) mod policy;
pub(crate) mod products;
pub(crate) mod request;
pub(crate) mod state;
pub(crate) mod sync;
pub(crate) mod turns;
pub(crate) mod unknown;

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
