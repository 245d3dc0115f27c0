//! flashpage: tiled attention written as an ordinary Rust function, compiled to PTX for Ampere (`sm_80`) and
//! Hopper (`sm_90a`), and run on a GPU or on an emulator of one. No nvcc, no Python, no nightly toolchain and
//! no GPU is needed to build it, to test it or to read what it emits.
//!
//! ```
//! use flashpage::prelude::*;
//!
//! /// Causal attention with scores capped at ±50.
//! #[attention_kernel]
//! pub fn capped<T: Element, const D: usize>(
//!     q: Query<T, D>,
//!     k: Keys<T, D>,
//!     v: Values<T, D>,
//!     o: Output<T, D>,
//!     scale: f32,
//! ) {
//!     let q = q.tile();
//!     let mut softmax = OnlineSoftmax::new();
//!     let mut acc = Tile::zeros();
//!     for cols in k.tiles() {
//!         let s = dot(q, k.load(cols).t()) * scale;
//!         let s = s.map(|x, _| (x / 50.0).tanh() * 50.0);
//!         let s = s.mask(|at| at.col <= at.row);
//!         let p = softmax.step(s, &mut acc);
//!         acc += dot(p, v.load(cols));
//!     }
//!     o.store(softmax.finish(acc));
//! }
//! # fn main() { println!("{}", capped::program()); }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`dsl`] | the language: the types that a kernel body is written in, which also run it on the host |
//! | [`kernels`] | stock kernels, written in it |
//! | [`cache`] | blocks, sequences, the prefix tree: the bookkeeping of a paged KV cache
//! | [`codegen`] | front end, tile program, schedules, lowering |
//! | [`runtime`] | devices, tensors, launches, the paged KV cache, the checker |
//! | `measure` | what kernels cost and how fast they run; with the feature `cli` |
//! | [`emulator`] | a GPU in software, with sanitizers |
//! | [`ptx`] | PTX as data |
//!
//! Invariant: this crate only gathers the others. Logic lives in them.

extern crate self as flashpage;

pub use flashpage_cache as cache;
pub use flashpage_codegen as codegen;
pub use flashpage_dsl as dsl;
pub use flashpage_emulator as emulator;
#[cfg(feature = "cli")]
pub use flashpage_measure as measure;
pub use flashpage_ptx as ptx;
pub use flashpage_runtime as runtime;

pub use __macro_support::HostRunError;
pub use flashpage_macros::{attention_kernel, score_function};

#[doc(hidden)]
pub mod __macro_support;
pub mod kernels;

/// What a file of kernels needs, and what launching them needs.
///
/// `BlockTable` is the language's: the one that lies on a device is [`DeviceBlockTable`](prelude::DeviceBlockTable)
/// here, and [`runtime::BlockTable`] elsewhere.
pub mod prelude {
    pub use crate::dsl::tables::*;
    pub use crate::dsl::vectors::*;
    pub use crate::dsl::{
        At, BlockTable, ColOutput, ColVector, Cols, Dim, E4m3, E5m2, Element, Input, KeyOutput, Keys, One,
        OnlineSoftmax, Output, PagedKeys, PagedValues, Query, RowInput, RowOutput, RowVector, Rows, Tile,
        Values, bf16, dot, f16, select,
    };
    pub use crate::runtime::args::BlockTable as DeviceBlockTable;
    pub use crate::runtime::{
        DType, Device, HeadDim, HostElement, LaunchError, LaunchOptions, LaunchReport, Pool, PoolLayout,
        Ragged, Starts, Tensor, ValueLayout,
    };
    pub use crate::{attention_kernel, score_function};
}
