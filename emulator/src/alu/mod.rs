//! Arithmetic: from an instruction's words to the kernels that compute it.
//!
//! An instruction becomes a [`Recipe`]: a kernel over its sources, with steps that apply to every source
//! before (flushing, widening) and to the result after (saturating, narrowing). The frequent ones have a
//! kernel to themselves; the rest are put together from steps.

pub mod compare;
pub mod convert;
pub mod eight;
pub mod exact;
pub mod float;
pub mod halves;
pub mod integer;
pub mod lanes;
pub mod packed;
pub mod reduction;
pub mod special;
pub mod video;

use flashpage_ptx::ast::Instruction;
use lanes::Kernel;

/// How to compute one instruction.
pub struct Recipe {
    /// Applied to each source of `main`.
    pub before: Option<Kernel>,
    /// The function itself.
    pub main: Kernel,
    /// Applied to the result, in order.
    pub after: Vec<Kernel>,
}

impl From<Kernel> for Recipe {
    fn from(main: Kernel) -> Self {
        Recipe { before: None, main, after: Vec::new() }
    }
}

/// The recipe of an arithmetic, logic or conversion instruction; `None` if these words mean nothing here.
pub fn recipe(inst: &Instruction) -> Option<Recipe> {
    if let Some(recipe) = packed::recipe(inst) {
        Some(recipe)
    } else if inst.ty(0)?.is_float() {
        float::recipe(inst).or_else(|| special::recipe(inst))
    } else {
        integer::kernel(inst).map(Recipe::from)
    }
}
