//! A virtual GPU: runs PTX text on the CPU, and says by name what is wrong with it.
//!
//! ```
//! use flashpage_emulator::{Launch, Memory, Module, Options};
//!
//! let module = Module::load(
//!     ".version 7.0
//!      .target sm_80
//!      .address_size 64
//!      .entry twice(.param .u64 p) {
//!          .reg .b64 %rd<3>;
//!          .reg .b32 %r<3>;
//!          ld.param.u64 %rd1, [p];
//!          mov.u32 %r1, %tid.x;
//!          mul.wide.u32 %rd2, %r1, 4;
//!          add.u64 %rd1, %rd1, %rd2;
//!          ld.global.u32 %r2, [%rd1];
//!          shl.b32 %r2, %r2, 1;
//!          st.global.u32 [%rd1], %r2;
//!          ret;
//!      }",
//! )?;
//! let mut memory = Memory::new();
//! let address = memory.alloc(128, 4)?;
//! memory.write(address, &[3; 128])?;
//! let launch = Launch { params: vec![address.to_le_bytes().to_vec()], ..Launch::default() };
//! module.launch(&mut memory, "twice", &launch, &Options::default())?;
//! let mut out = [0; 128];
//! memory.read(address, &mut out)?;
//! assert_eq!(out, [6; 128]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! - **It starts from text.** [`Module::load`] is the only way in, whoever wrote the text. This crate knows
//!   nothing of the code generator and trusts none of its types; what it does not run is an error, with its line, before
//!   anything runs, never half way through a launch. It is refused by entry: what one entry has in it, or in what it calls or
//!   has the address of, keeps no other from being launched. A module of which no entry runs is refused at load.
//! - **Asynchronous work lands when [`AsyncPolicy`] says.** `cp.async`, bulk and tensor copies, `st.async`, `red.async`
//!   and `wgmma` are queued when they are issued, and read their sources when they land: at once, only when somebody
//!   waits, or at a time drawn from a seed. [`WarpOrder`] does the same for the turns that warps and blocks take. Correct
//!   kernels give the same bits under every policy and order.
//! - **`wgmma` adds as [`Options::product_sums`] says**: one product after the other in single precision, or all of an instruction at
//!   once in the fixed point that Hopper has, which of 8-bit floats keeps 14 bits ([`ProductSums::Hopper`], with its source).
//! - **Out of bounds and misaligned accesses are always faults**, and so are deadlocks, barriers and mbarriers that are
//!   misused, `.aligned` instructions that lanes execute apart, bad descriptors and tensor maps, and tensor copies whose rows
//!   begin off a multiple of 16 bytes (the ISA does not say so; an H100 takes them for illegal instructions).
//! - **With [`Options::sanitize`]**, as far as [`Sanitize`] names them, so are races on shared memory, between
//!   warps and between the lanes of one; uses of what a copy or a `wgmma` may still be writing; what is done with an
//!   mbarrier, a barrier or another block's memory before something tells that it is there and its last use over; registers
//!   that a `wgmma` uses while the assembler does not take them as ordered; and a missing `fence.proxy.async` between
//!   ordinary stores to shared memory and a bulk copy or a `wgmma` that reads what they wrote or writes over it (between an
//!   mbarrier's making and a write in its place none is asked for: compilers leave it out). Races on global memory are not
//!   looked for. What is found does not hang on who comes first: it is told by vector clocks, of warps. So a flag that one
//!   lane sets tells what the whole warp did before, which is more than it does on hardware with no `bar.warp.sync` before.
//! - **A launch that may begin early** ([`Launch::programmatic`]: programmatic dependent launch) must not touch global memory
//!   before `griddepcontrol.wait`: under [`Sanitize::waits`] that is a finding, whether the launch before writes there or
//!   not. A wait counts for its thread, and for whoever is behind it by a barrier or another synchronisation, since it makes
//!   what the prerequisite grids wrote visible to the whole grid. Constants, parameters and prefetches are free. Elsewhere
//!   `griddepcontrol` does nothing, and launches never really overlap.
//! - **What nobody wrote is named where it is used**, with the load that it came from: in an address, in a branch, vote or
//!   guard that decides more than which values are computed, in an atomic, in a store to global memory. From memory and
//!   registers that were never written it is followed bit by bit through registers, shared memory, copies and, row by row
//!   and column by column, products of matrices. So padding that is loaded and not used, rows past an end that are
//!   multiplied and then selected away, and halves of registers that are cut off are all silent. Without the check, memory
//!   that was never written reads as all ones, which is a NaN in every floating-point format.
//! - **With [`Options::keep_going`]**, what these checks find is listed in [`Report::findings`], one of each kind and place
//!   with a count, and the launch goes on.
//! - **The blocks of a cluster run together**, and see one another's shared memory. Other blocks take turns if one waits
//!   for another, as many as the host's memory allows.
//! - **Calls may recurse**, as far as a thread's stack of 16 KiB goes; beyond is a fault. A call through a register
//!   reaches every function whose address the module takes. Of the runtime's own functions there are `vprintf`, whose
//!   text is in the [`Report`] and in a [`Fault`], and `__assertfail`.
//! - **Counting changes nothing.** With [`Options::profile`] every instruction is counted by line, with the sectors,
//!   bank conflicts and tensor operations that it costs; [`Roofline`] sets them against a [`Target`]. The counters know
//!   no caches and no time.
//! - **Deterministic.** The same text, memory, launch and options give the same bits and the same [`Fault`],
//!   whatever the number of host threads, as long as blocks do not race on global memory. `lg2`, `sin`, `cos` and
//!   `tanh` come from the host's library and may differ in the last bit from host to host; nothing else does.
//! - **Every launch ends.** After 2^30 instructions of a cluster, or [`Options::instruction_budget`] of the launch, it is
//!   given up, with where every warp stands; a [`Monitor`] interrupts it before, and tells how far it is.
//! - **No panic on any text, launch or memory content**, and no abort: what a text or a launch asks for comes out of the limit
//!   of a [`Memory`], three quarters of the host's where nothing else is said, and loading takes time in proportion to the
//!   text.
//! - **Cooperative launches** ([`Launch::cooperative`]) have all their blocks under way, with the barrier that `grid.sync()`
//!   of cooperative groups finds by `%envreg1` and `%envreg2`; more blocks than an H200 can have at once are refused, as far
//!   as threads and shared memory tell, for registers are not known before assembly. Elsewhere reading these is a fault.
//!
//! # What is refused
//!
//! Before anything runs, with the line:
//!
//! - textures, surfaces, `multimem`, `tcgen05` and what else came with targets after `sm_90a` and is not arithmetic;
//! - sparse matrix products (`mma.sp`, `wgmma….sp`), whose metadata the ISA shows in pictures only;
//! - `cvt.rs`, `fma.oob` and `vshl.sat`, whose results it does not tell to the bit;
//! - tensor copies by im2col, gather and scatter, and matrix descriptors with a base offset (a fault when they are used).

mod address;
mod alu;
mod cooperative;
mod decode;
mod exec;
mod fault;
mod findings;
mod host;
mod launch;
mod ledger;
mod memory;
mod module;
mod monitor;
mod profile;
mod program;
mod sanitize;
mod tensor_map;
mod text;

pub use exec::policy::{AsyncPolicy, ProductSums, WarpOrder};
pub use exec::products::hopper_sums::product_of_eight_bits;
pub use fault::{Fault, FaultKind, LoadError, Site};
pub use findings::Finding;
pub use launch::{Launch, Options, Report};
pub use memory::{Memory, MemoryError};
pub use module::{Entry, Module};
pub use monitor::Monitor;
pub use profile::{Limit, Line, Profile, Roofline, Target, Totals};
pub use program::Parameter;
pub use sanitize::Sanitize;
pub use tensor_map::{ElementType, Fill, Interleave, L2Promotion, Swizzle, TensorMap, TensorMapError};
