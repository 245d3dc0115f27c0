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
//!   nothing of the code generator and trusts none of its types; what it does not run is an error at load, with
//!   its line, never half way through a launch.
//! - **Nothing asynchronous happens at once by construction.** A `cp.async` is queued, and [`AsyncPolicy`] says
//!   when it lands; its source is read then. Correct kernels give the same bits under every policy.
//! - **Out of bounds and misaligned accesses are always faults**; reads of memory that was never written are faults
//!   when [`Options::sanitize`] is set, and so is what depends on a register, or on a thread's own memory, that
//!   never was. Without it such reads give all ones, which is a NaN in every floating-point format.
//! - **Calls may recurse**, as far as a thread's stack of 16 KiB goes; beyond is a fault. A call through a register
//!   reaches every function whose address the module takes. Of the runtime's own functions there are `vprintf`, whose
//!   text is in the [`Report`], and `__assertfail`.
//! - **Deterministic.** The same text, memory, launch and options give the same bits and the same [`Fault`],
//!   whatever the number of host threads, as long as blocks do not race on global memory. `lg2`, `sin`, `cos` and
//!   `tanh` come from the host's library and may differ in the last bit from host to host; nothing else does.
//! - **No panic on any text, launch or memory content.**

mod address;
mod alu;
mod decode;
mod exec;
mod fault;
mod launch;
mod memory;
mod module;
mod profile;
mod program;
mod tensor_map;

pub use exec::asynchrony::AsyncPolicy;
pub use exec::schedule::Schedule;
pub use fault::{Fault, FaultKind, LoadError, Site};
pub use launch::{Launch, Options, Report};
pub use memory::{Memory, MemoryError};
pub use module::{Entry, Module};
pub use profile::{Limit, Line, Profile, Roofline, Target, Totals};
pub use program::Parameter;
pub use tensor_map::{ElementType, Fill, Interleave, L2Promotion, Swizzle, TensorMap, TensorMapError};
