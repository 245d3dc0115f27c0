//! The helper kernels of `device-kernels/`, launched: each with its arguments by name, checked before anything runs.
//!
//! | call | moves |
//! |---|---|
//! | [`append_kv`] | new keys and values into pools, rotated and made 8 bits wide where asked |
//! | [`rotate_queries`] | rotary embedding of queries, in place |
//! | [`hadamard`] | nothing: turns queries and keys in place, so that outliers are spread before they become 8 bits wide |
//! | [`copy_blocks`], [`stage_blocks`], [`unstage_blocks`] | whole blocks of many pools |
//! | [`gather_kv`] | sequences out of a pool |
//! | [`merge_states`] | partial results of attention into whole ones |
//! | [`scatter_i32`] | single entries of a block table |
//! | [`find_scales`], [`count_saturated`] | nothing: what numbers that become 8 bits wide are to be divided by, and how many that loses |
//!
//! Shapes, types and sizes are checked here. What integer arrays on the device hold is not read back: it must be as
//! each call says, and a slot or block outside its pool is an address outside it. Where the host has the numbers at
//! hand, it gives them, and they are checked. Work of size zero launches nothing. Sizes of grids follow from what is
//! given here and from no number on the device, so that a launch can be recorded and replayed.
//!
//! Where a device has programmatic launches, kernels are loaded with a wait for the launch before them (`dependent.rs`).

mod append;
mod arguments;
mod blocks;
mod dependent;
mod error;
mod gather;
mod hadamard;
mod merge;
mod rotary;
mod scatter;
mod survey;

pub use append::{AppendKv, KvScales, QuantScales, append_kv};
pub use arguments::DeviceArray;
pub use blocks::{PoolTable, copy_blocks, stage_blocks, unstage_blocks};
pub(crate) use dependent::dependent;
pub use error::MoveError;
pub use gather::{GatherKv, gather_kv};
pub use hadamard::{Hadamard, hadamard};
pub(crate) use merge::merge_launch;
pub use merge::{MergeStates, merge_states};
pub use rotary::{Rotary, RotaryStyle, RotateQueries, rotate_queries};
pub use scatter::{ScatterI32, scatter_i32};
pub use survey::{CountSaturated, FindScales, ScalePer, count_saturated, find_scales};
