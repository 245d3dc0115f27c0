//! Which warp and which cluster is next.
//!
//! A [`Worker`] is a thread of the host and runs clusters; a cluster lets its warps take turns in the order that
//! [`picks`] draws, lands what is due between them, wakes who may go on, and tells a deadlock from a wait. It uses
//! `interpreter/` for a turn and `engines/` for what is due, and knows of instructions only that one is a barrier.

mod cluster;
mod picks;
mod worker;

pub(crate) use worker::{Listener, Worker};
