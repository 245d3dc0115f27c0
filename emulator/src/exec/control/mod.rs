//! Where the lanes of a warp go, and what they tell each other.
//!
//! Plain branches are the interpreter's own; here are those that lanes take to many places, calls that recurse, and
//! instructions that lanes execute together. A warp's parts are split and joined by the warp itself. This folder uses the
//! states alone.

pub(crate) mod branch;
pub(crate) mod collective;
pub(crate) mod recursion;
