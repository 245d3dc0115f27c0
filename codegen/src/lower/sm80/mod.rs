//! Attention for Ampere: `cp.async` into a ring of swizzled K and V tiles, `ldmatrix`, `mma.sync`.
//!
//! What a block does in which order is its plan's ([`crate::plan::ring`]): [`flow`] walks it. The instructions of its steps are
//! in [`copy`] (Q, and the ring of K and V), [`product`] and [`epilogue`]; ranges, maps, masks and the softmax are those of both
//! targets.

mod copy;
mod epilogue;
mod flow;
mod product;

use super::instance::{Assignment, Instance};
use super::kernel::Kernel;
use crate::abi::SHARED_TILES as SHARED;
use crate::analysis::attention::Attention;
use crate::plan::Plan;
use crate::program::Program;
use crate::schedule::Schedule;
use crate::spec::Spec;
use flashpage_ptx::ast::{Axis, Function};
use flashpage_ptx::words::{Special, Type, Word};
use flow::Flow;

/// Lowers to an entry function.
pub(super) fn lower(
    entry: &str,
    program: &Program,
    attention: &Attention,
    schedule: &Schedule,
    spec: &Spec,
    plan: &Plan,
) -> Function {
    let mut k = Kernel::new(entry, program, attention, schedule, spec);
    k.parameters();
    k.zero = Some(k.b.mov(Type::F32, "zero", 0.0f32));

    let mut flow = Flow::new(plan);
    for role in &plan.roles {
        k.walk(&mut flow, &role.body);
    }
    k.b.ret();
    k.finish()
}

impl Kernel<'_> {
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
