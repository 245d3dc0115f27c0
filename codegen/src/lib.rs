//! From a kernel function to PTX, in one direction:
//!
//! ```text
//! tokens ─ frontend ─▶ program ─ analysis ─▶ schedule ─▶ plan ─ lower ─▶ flashpage_ptx::ast::Module
//! ```
//!
//! - [`frontend`]: Rust syntax to a program, with its own checks of axes and types.
//! - [`program`]: the tile IR and its meaning.
//! - [`analysis`]: what a program is found to be; what its mask says of loops.
//! - [`spec`], [`tuning`]: what a program is specialised to, and what is asked of it by hand.
//! - [`schedule`]: how it runs, as numbers for a family of plans; [`choice`]: the tables that those come from.
//! - [`plan`]: a kernel as data, step by step.
//! - `lower`: to the entry of a target, `sm80` or `sm90` (for `sm_90a`), both made of the same ranges, masks and softmax.
//! - [`layout`]: where elements lie in shared memory and in registers.
//! - [`abi`]: the entry's parameters; [`work_list`]: the list that planned kernels take their tiles from.
//!
//! `FLASHPAGE_DUMP=program,schedule,plan,ptx` prints these stages of every compilation.
//!
//! Invariants: no device is touched here; PTX is built as data, never by pasting strings; nothing panics on
//! a program or a spec that a user can write.

pub mod abi;
pub mod analysis;
pub mod choice;
mod dump;
pub mod frontend;
pub mod layout;
mod lower;
pub mod plan;
pub mod program;
pub mod schedule;
pub mod spec;
pub mod tuning;
pub mod work_list;

pub use lower::{CompileError, Compiled, compile};
pub use program::Program;
pub use spec::{Arch, HeadDim, ShapeClass, Spec, ValueLayout, Work};
