//! Attention for Ampere, and of f32 for every target: `cp.async` into a ring of swizzled K and V tiles, `ldmatrix`, `mma.sync`.
//!
//! What a block does in which order is its plan's ([`crate::plan::ring`]): [`flow`] walks it. The instructions of its steps are
//! in [`copy`] (Q, and the ring of K and V), [`convert`] (tiles of f32, and of 8 bits), [`product`] and [`epilogue`]; ranges, maps, masks and the softmax are those of both
//! targets.

mod convert;
mod copy;
mod epilogue;
mod flow;
mod product;

use super::instance::{Assignment, Instance};
use super::kernel::Kernel;
use crate::abi::SHARED_TILES as SHARED;
use crate::plan::Plan;
use crate::plan::attention::QUERY;
use crate::schedule::Ring;
use flashpage_ptx::ast::{Axis, Function};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Special, Type, Word};
use flow::Flow;
use std::ops::{Deref, DerefMut};

/// Lowers to an entry function.
pub(super) fn lower<'a>(mut kernel: Kernel<'a>, ring: &'a Ring, plan: &'a Plan) -> Function {
    kernel.parameters();
    let zero = kernel.b.mov(Type::F32, "zero", 0.0f32);
    let mut k = Ampere { kernel, ring, plan, zero };
    let mut flow = Flow::new();
    for role in &plan.roles {
        k.walk(&mut flow, &role.body);
    }
    k.b.ret();
    k.kernel.finish()
}

/// A kernel in the making, and how it is made for Ampere.
struct Ampere<'a> {
    kernel: Kernel<'a>,
    ring: &'a Ring,
    plan: &'a Plan,
    /// A register that holds +0.0: the C operand of a product that starts from nothing.
    zero: Reg,
}

impl<'a> Deref for Ampere<'a> {
    type Target = Kernel<'a>;

    fn deref(&self) -> &Kernel<'a> {
        &self.kernel
    }
}

impl DerefMut for Ampere<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.kernel
    }
}

impl Ampere<'_> {
    /// Bytes from a warp's first row of Q, and of O, to that of a warp one row further on: either may be the wider.
    fn row_pitch(&self) -> usize {
        self.plan.shared(QUERY).stride / self.ring.rows
    }

    /// The instance of this block. A block past its sequence's end, or past the list's, returns.
    fn own_instance(&mut self) -> Instance {
        self.b.stage("which sequence, heads and rows this block owns");
        let lanes = self.lanes();
        let work = if self.spec.work.is_planned() { self.listed_work() } else { self.grid_work() };
        let extent = self.extent(work, |b| b.ret());
        self.instance(lanes, extent)
    }

    /// The item of this block.
    fn listed_work(&mut self) -> Assignment {
        let index = self.b.special("r", Special::Ctaid, Some(Axis::X));
        let items = self.items();
        let none = self.b.setp(Word::Ge, Type::U32, "p", &index, &items);
        self.b.guarded(&none, false, |b| b.ret());
        Assignment::Item(self.item(&index))
    }

    /// The tile of this block's place in the grid.
    fn grid_work(&mut self) -> Assignment {
        let b = &mut self.b;
        let head_block = b.special("head_block", Special::Ctaid, Some(Axis::Y));
        let sequence = b.special("sequence", Special::Ctaid, Some(Axis::Z));
        // Row tiles further down see more columns under a causal mask: start with the longest.
        let x = b.special("r", Special::Ctaid, Some(Axis::X));
        let last = b.special("r", Special::Nctaid, Some(Axis::X));
        let last = b.sub(Type::U32, "r", &last, 1);
        let row_tile = b.sub(Type::U32, "row_tile", &last, &x);
        Assignment::Tile { sequence, head_block, row_tile }
    }
}
