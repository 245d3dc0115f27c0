//! The attention language on the host.
//!
//! A kernel is an ordinary Rust function over the types of this crate. rustc checks its body against them,
//! so a wrong shape is a type error, and calling the function under [`host::Batch::run`] does on the CPU what
//! the compiled kernel does on a GPU: the kernel's author gets an oracle for free.
//!
//! - **Axes are types.** A [`Tile`] has two of [`Rows`] (query positions), [`Cols`] (key positions),
//!   [`Dim<D>`] (a head dimension) and [`One`]; [`dot`] contracts the axis that its factors share. With [`One`] a tile is a
//!   vector: a [`RowVector`] has a number for each row, a [`ColVector`] for each column.
//! - **Parameters are views.** [`Query`], [`Keys`], [`PagedKeys`], [`BlockTable`], [`Output`] and the others
//!   are `Copy` and borrow what the host driver was given.
//! - **An instance** is one run of the function: one query head of one sequence and a tile of its rows; or, if the function
//!   loops over rows, one KV head and a tile of its columns.
//!   Which one it is lies in a thread-local, because the function's parameters are the same for all.
//!
//! Invariants: tiles are row-major f32, sums over an axis are taken in f64, and nothing is rounded to the
//! tensors' element type on the way. Bad data (a table entry that names no block) does not panic: the driver
//! returns it as a [`host::HostError`]. This crate knows nothing of PTX or of the compiler.

pub mod arithmetic;
mod axis;
mod element;
mod elementwise;
pub mod host;
mod instance;
mod outputs;
mod pages;
mod params;
mod softmax;
pub mod tables;
mod tile;
mod tiles;
pub mod vectors;

pub use axis::{Axis, Cols, Dim, One, Rows};
pub use element::{Element, Scalar, select};
pub use flashpage_device_kernels::fp8::{E4m3, E5m2};
pub use half::{bf16, f16};
pub use outputs::{ColOutput, KeyOutput, Output, RowOutput};
pub use pages::{BlockTable, PagedKeys, PagedValues};
pub use params::{Input, Keys, Query, RowInput, Values};
pub use softmax::OnlineSoftmax;
pub use tables::*;
pub use tile::{At, ColVector, RowVector, Tile, dot};
pub use tiles::{ColTile, ColTiles, RowTile, RowTiles};
pub use vectors::*;
