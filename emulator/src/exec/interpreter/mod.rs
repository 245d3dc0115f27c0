//! The loop over a warp's instructions.
//!
//! [`step`] has one match for each instruction of a warp; what is more than a kernel over registers is in the folders that
//! it calls, but for carries and what a kernel prints. It runs one warp until its turn is over or it waits, and says why it
//! stopped; what that means for other warps is for `turns/` to say.

mod carry;
mod count;
pub(crate) mod print;
pub(crate) mod step;
