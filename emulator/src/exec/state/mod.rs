//! What a cluster is between two instructions.
//!
//! A [`Warp`] has its registers, where each of its lanes is, and what it has set going; an [`Env`] has what the warps of a
//! cluster share, and a [`Setting`] what all clusters of a launch do. Here is how these are made, read and written, and
//! nothing of what instructions do with them: that is for the folders of instructions, which take both and change them.
//! This folder uses `order/` and `in_flight/`, whose queues and clocks are part of what a warp and a cluster are.

mod cluster_barrier;
mod counters;
mod env;
mod known;
mod mbarrier;
mod origins;
mod prepare;
mod setting;
mod shared;
mod stacks;
mod warp;
mod warpgroups;

pub(crate) use counters::{Count, Counters};
pub(crate) use env::Env;
pub(crate) use mbarrier::{Asked, Mbarriers};
pub(crate) use prepare::prepare;
pub(crate) use setting::Setting;
pub(crate) use shared::Shared;
pub(crate) use warp::{Sleep, Warp, blend};
