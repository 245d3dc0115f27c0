//! SIMT helper kernels in Rust, compiled by rustc for `nvptx64-nvidia-cuda`: appending to the paged cache, copying
//! and gathering its blocks, rotating, merging attention states, updating block tables, finding scales, spreading outliers.
//!
//! What goes here is moved by bytes and indices, which rustc compiles well; what needs tensor cores is emitted by
//! `codegen`.
//!
//! - [`fp8`], [`half`], [`element`]: numbers as bits.
//! - [`rotary`], [`hadamard`], [`merge`], [`survey`]: the arithmetic, which the host builds and tests as well.
//! - `entry/`, only where the target is a GPU: the kernels, each the arithmetic above and where its operands lie.
//! - `PTX`, on the host: what rustc made of them, for compute capability 8.0 and all after it. Their launchers, which check
//!   arguments, are `flashpage_runtime::device_kernels`.
//!
//! Invariants: the PTX is committed, so that no user of it needs a nightly toolchain, and `cargo xtask
//! device-kernels --check` holds it against this source. No kernel uses local or shared memory or an atomic, and each
//! gives the same bits in every run. Addresses are 64 bits throughout: a pool may have more than 2^31 elements.
#![no_std]
#![cfg_attr(target_arch = "nvptx64", feature(abi_ptx, asm_experimental_arch, stdarch_nvptx))]

#[cfg(not(target_arch = "nvptx64"))]
extern crate std;

pub mod element;
#[cfg(target_arch = "nvptx64")]
mod entry;
pub mod fp8;
pub mod hadamard;
pub mod half;
pub mod merge;
pub mod rotary;
pub mod survey;
pub mod transposed;

/// The kernels as PTX text.
#[cfg(not(target_arch = "nvptx64"))]
pub const PTX: &str = include_str!("../ptx/device_kernels.ptx");

/// What every entry begins with.
#[cfg(not(target_arch = "nvptx64"))]
const ENTRY: &str = ".visible .entry ";

/// The text of one kernel as a module of its own: a driver compiles what it is given, and nobody needs all of it at once.
#[cfg(not(target_arch = "nvptx64"))]
pub fn module_of(entry: &str) -> Option<std::string::String> {
    let mut entries = PTX.split(ENTRY);
    let head = entries.next()?;
    let text = entries.find(|text| text.strip_prefix(entry).is_some_and(|rest| rest.starts_with('(')))?;
    Some([head, ENTRY, text].concat())
}

/// Threads of a block that every kernel is good at; none needs a certain number.
pub const THREADS: u32 = 128;

/// Bytes that one access moves where addresses are multiples of it.
pub const ACCESS: u64 = 16;
