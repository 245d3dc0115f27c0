//! SIMT helper kernels in Rust, compiled by rustc for `nvptx64-nvidia-cuda`: appending to the paged cache,
//! copying blocks, merging attention states.
//!
//! What goes here is moved by bytes and indices, which rustc compiles well; what needs tensor cores is emitted by
//! `codegen`.
//!
//! Invariant: the PTX made from this crate is committed, so that no user of it needs a nightly toolchain.
#![no_std]

pub mod fp8;
pub mod half;
