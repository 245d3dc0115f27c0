//! What sets work going beside a warp, lands it and waits for it.
//!
//! Work is checked and put into its queue of `in_flight/` when it is issued; it lands when the queue says that it is due.
//! Whoever is to know of it is told here: mbarriers, the clocks, the counters. It uses `memory/`, `products/`, `sync/`
//! and `defined/`, and knows nothing of turns.

pub(crate) mod bulk;
pub(crate) mod copies;
pub(crate) mod wgmma;

use crate::fault::{Place, Trouble};

/// Trouble with what an instruction set going earlier.
fn placed(mut trouble: Box<Trouble>, warp: u32, pc: u32, lane: u32) -> Box<Trouble> {
    trouble.place = Some(Place { pc, warp, lane: Some(lane) });
    trouble
}
