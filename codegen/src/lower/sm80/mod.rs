//! Attention for Ampere: `cp.async` into a ring of swizzled K and V tiles, `ldmatrix`, `mma.sync`.
//!
//! The kernel reads from top to bottom as [`lower`] does: which rows this block owns ([`instance`]), which
//! columns they can see ([`range`]), copies ([`copy`]), then for each tile of columns, right to left:
//! S = Q Kᵀ ([`product`]), maps and masks ([`score`]), online softmax ([`softmax`]), O += P V; at last O and
//! the log-sum-exp are stored ([`epilogue`]).

mod copy;
mod epilogue;
mod product;

use super::instance::{Instance, Work};
use super::kernel::{Kernel, State};
use super::range::{ColumnRange, Ends};
use crate::abi::SHARED_TILES as SHARED;
use crate::analysis::attention::Attention;
use crate::program::Program;
use crate::schedule::{QueryIn, Schedule};
use crate::spec::Spec;
use copy::Ring;
use flashpage_ptx::ast::{Axis, Function, Mod, Name};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Opcode, Special, Type, Word};
use product::Fragments;

/// Lowers to an entry function.
pub(super) fn lower(
    entry: &str,
    program: &Program,
    attention: &Attention,
    schedule: &Schedule,
    spec: &Spec,
) -> Function {
    let mut k = Kernel::new(entry, program, attention, schedule, spec);
    k.parameters();
    k.zero = Some(k.b.mov(Type::F32, "zero", 0.0f32));

    let instance = k.own_instance();
    k.hoist_uniform(&instance);
    let range = k.column_range(&instance);
    k.copy_query(&instance);
    let mut ring = k.ring(&instance, &range);
    k.fill_ring(&mut ring, &range);
    let (mut state, fragments) = k.begin(&instance, &ring);

    k.columns(&instance, &range, &mut ring, &mut state, &fragments);

    // What the epilogue needs of the instance is worked out again: carrying it through the main loop would
    // cost registers there.
    let instance = k.own_instance();
    k.epilogue(&instance, &state);
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
    fn listed_work(&mut self) -> Work {
        let index = self.b.special("r", Special::Ctaid, Some(Axis::X));
        let items = self.items();
        let none = self.b.setp(Word::Ge, Type::U32, "p", &index, &items);
        self.b.guarded(&none, false, |b| b.ret());
        Work::Item(self.item(&index))
    }

    /// The tile of this block's place in the grid.
    fn grid_work(&mut self) -> Work {
        let b = &mut self.b;
        let head_block = b.special("head_block", Special::Ctaid, Some(Axis::Y));
        let sequence = b.special("sequence", Special::Ctaid, Some(Axis::Z));
        // Row tiles further down see more columns under a causal mask: start with the longest.
        let x = b.special("r", Special::Ctaid, Some(Axis::X));
        let last = b.special("r", Special::Nctaid, Some(Axis::X));
        let last = b.sub(Type::U32, "r", &last, 1);
        let row_tile = b.sub(Type::U32, "row_tile", &last, &x);
        Work::Tile { sequence, head_block, row_tile }
    }

    /// Accumulators at zero, softmax at nothing, and Q in registers if it stays there.
    fn begin(&mut self, instance: &Instance, ring: &Ring) -> (State, Fragments) {
        self.b.stage("accumulators and running softmax");
        let state = self.state();
        for register in state.acc.iter().flatten().flatten() {
            self.b.mov(Type::F32, register, 0.0f32);
        }
        let mut fragments = self.fragments(instance, ring);
        if self.schedule.query == QueryIn::Registers {
            self.b.stage("Q is in shared memory: read its fragments once");
            self.cp_async_wait(self.schedule.slots() - 1);
            self.b.bar_warp_sync();
            self.load_query_fragments(&mut fragments);
        }
        (state, fragments)
    }

    /// The main loop in up to three parts, right to left: boundary tiles with masks, inner tiles without,
    /// boundary tiles of a mask that also has a left end.
    fn columns(
        &mut self,
        instance: &Instance,
        range: &ColumnRange,
        ring: &mut Ring,
        state: &mut State,
        fragments: &Fragments,
    ) {
        let tile = ring.tile.clone();
        for (index, phase) in self.phases().into_iter().enumerate() {
            let first = range.at(phase.first).expect("every part has its edge").clone();
            let masked = phase.ends != Ends::None;
            self.b.stage(phase.title);
            // A left boundary comes last: rather than carry rows and lengths through the inner loop, ask again.
            let again = (index > 0 && masked).then(|| self.own_instance());
            let instance = again.as_ref().unwrap_or(instance);
            let masks = self.prepare_scores(instance, phase.ends);
            let (top, done) = (self.b.label("columns"), self.b.label("columns_done"));
            let finished = self.b.setp(Word::Lt, Type::S32, "p", &tile, &first);
            self.b.guarded(&finished, false, |b| b.bra(&done));
            self.b.place(&top);

            let kept = self.conditions(instance, &masks, &tile);
            let keeps_any = self.keeps_any(&kept);
            self.b.comment("wait for K, let V come");
            self.acquire();
            // Only the first part has the tile that can reach past the end. Planned kernels, which carry more, save
            // what it takes to know.
            let may_end = masked && (index == 0 || !self.spec.work.is_planned());
            self.copy_values(ring, range, may_end);
            let nothing_kept = keeps_any.map(|any| self.pass_over(&any, ring, range));
            self.product_scores(state, fragments, ring);
            self.b.comment("wait for V, let the next K come");
            self.acquire();
            self.copy_next_keys(ring, range);
            self.scores(instance, &masks, &kept, state, &tile);
            self.softmax_step(state);
            self.product_output(state, fragments, ring);
            nothing_kept.iter().for_each(|label| self.b.place(label));
            self.next_stage(ring);

            self.b.sub(Type::S32, &tile, &tile, 1);
            let more = self.b.setp(Word::Ge, Type::S32, "p", &tile, &first);
            self.b.guarded(&more, false, |b| b.bra(&top));
            self.b.place(&done);
        }
    }

    /// Where a warp keeps no score of a tile, it takes part in the copies and leaves the rest out, up to the label that this
    /// gives. Besides, nothing moves past a branch that depends on all conditions: ptxas would put off parts of them into
    /// the products, whose registers they were to use before.
    fn pass_over(&mut self, keeps_any: &Reg, ring: &mut Ring, range: &ColumnRange) -> Name {
        let (some, nothing) = (self.b.label("some_kept"), self.b.label("nothing_kept"));
        self.b.guarded(keeps_any, false, |b| b.bra(&some));
        self.b.comment("this warp keeps nothing: wait for V, let the next K come");
        self.acquire();
        self.copy_next_keys(ring, range);
        self.b.bra(&nothing);
        self.b.place(&some);
        nothing
    }

    /// Waits until the oldest slot in flight has arrived, for all warps. The slot before it is free then.
    fn acquire(&mut self) {
        self.cp_async_wait(self.schedule.slots() - 2);
        self.b.bar_sync(0);
    }

    fn cp_async_wait(&mut self, groups: usize) {
        let mods = [Mod::Word(Word::Async), Mod::Word(Word::WaitGroup)];
        self.b.emit(Opcode::Cp, &mods, vec![groups.into()]);
    }

    fn cp_async_commit(&mut self) {
        self.b.emit(Opcode::Cp, &[Mod::Word(Word::Async), Mod::Word(Word::CommitGroup)], vec![]);
    }
}
