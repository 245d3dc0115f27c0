//! The attention language on the host.
//!
//! A kernel is an ordinary Rust function over the types of this crate. rustc checks its body against them,
//! so a wrong shape is a type error, and calling the function under [`host::Batch::run`] does on the CPU what
//! the compiled kernel does on a GPU: the kernel's author gets an oracle for free.
//!
//! - **Axes are types.** A [`Tile`] has two of [`Rows`] (query positions), [`Cols`] (key positions) and
//!   [`Dim<D>`] (a head dimension); [`dot`] contracts the axis that its factors share.
//! - **Parameters are views.** [`Query`], [`Keys`], [`PagedKeys`], [`BlockTable`], [`Output`] and the others
//!   are `Copy` and borrow what the host driver was given.
//! - **An instance** is one run of the function: one query head of one sequence and a tile of its rows.
//!   Which one it is lies in a thread-local, because the function's parameters are the same for all.
//!
//! Invariants: tiles are row-major f32, sums over an axis are taken in f64, and nothing is rounded to the
//! tensors' element type on the way. Bad data (a table entry that names no block) does not panic: the driver
//! returns it as a [`host::HostError`]. This crate knows nothing of PTX or of the compiler.

mod axis;
mod element;
pub mod host;
mod instance;
mod pages;
mod params;
mod softmax;
mod tile;
pub mod vectors;

pub use axis::{Axis, Cols, Dim, Rows};
pub use element::{Element, Scalar, select};
pub use half::{bf16, f16};
pub use pages::{BlockTable, PagedKeys, PagedValues};
pub use params::{ColTile, ColTiles, Keys, Output, Query, RowOutput, Values};
pub use softmax::{OnlineSoftmax, RowVector};
pub use tile::{At, Tile, dot};
pub use vectors::*;
