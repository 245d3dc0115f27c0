//! Instructions that wait for others, or let them go on.
//!
//! The objects that are waited at are states, and a warp that waits for one sleeps; who wakes it is for `turns/` to say.
//! [`Barriers`] of a block are the exception: they wake the warps that they have taken themselves, and belong to who runs
//! the cluster. This folder uses the states, and `memory/` to find an object's bytes.

mod barrier;
pub(crate) mod cluster_barrier;
pub(crate) mod mbarrier;

pub(crate) use barrier::Barriers;
pub(crate) use mbarrier::Outcome;
