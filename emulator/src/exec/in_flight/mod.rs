//! Work that warps have set going and that has not come to its end: `cp.async`, `wgmma`, bulk copies.
//!
//! A queue keeps what was issued, in order and by groups, and says what is due: what lands at once, what happens to land,
//! what a wait forces. It moves no byte and knows no warp: `engines/` lands what is due, and tells the checks of it. This
//! folder uses the clocks of `order/`, which an arrival carries with it, and nothing else.

mod assembler;
mod bulk;
mod copies;
mod transfer;
mod wgmma;

pub(crate) use bulk::{BulkGroups, Store, Task, Tasks, Tells, Work};
pub(crate) use copies::{Arrival, Copy, CopyQueue, Due};
pub(crate) use transfer::{Piece, Transfer, at_rank};
pub(crate) use wgmma::{Issued, LeftRows, LeftUnknown, Objection, Pipeline};

/// Pieces of work of one kind, of one warp or of a cluster, that may be on their way or not waited for; it is far more
/// than hardware has.
const MOST: usize = 1 << 12;
