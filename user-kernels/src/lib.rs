//! Kernels as users of flashpage write them, each for something that somebody asked for in public: documents, trees, biases,
//! positions, sparse masks, sinks, dropout, temperatures, and what numbers can do. [`KERNELS`] lists them, with the numbers
//! they are tried on; `tests/ladder` holds each against its host run, the f64 reference and the assembler.
//!
//! The crate sees nothing of flashpage but what everybody sees.

pub mod biases;
pub mod calls;
mod list;
pub mod numbers;
pub mod packing;
pub mod positions;
pub mod softmaxes;
pub mod sparse;
pub mod temperatures;
pub mod trees;

pub use list::{Host, KERNELS, Kernel};
