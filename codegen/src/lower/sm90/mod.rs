//! Attention for Hopper: warps of two roles around two rings of shared memory.
//!
//! - One warp of the *producer* warpgroup copies Q, K and V tiles by bulk tensor copies ([`producer`]), and K and V of small
//!   blocks by its lanes ([`rows`]). Of f32 all four warps copy all three, and split numbers into factors ([`converter`], [`converted_rows`]).
//! - *Consumer* warpgroups own 64 rows of the tile each and multiply by `wgmma` ([`consumer`], [`product`]):
//!   the next S = Q Kᵀ and the last O += P V are in flight while a tile's softmax is computed.
//! - Of 8 bits two more warps of the producer's warpgroup transpose V ([`transposer`]).
//! - They meet at barriers ([`barrier`]): a slot is *full* when its bytes have come, *empty* when every consumer
//!   warp is done with it.
//! - Blocks walk the list of row tiles ([`work`]); the producer tells consumers what each covers ([`tile_info`]).
//! - Blocks of a planned kernel set up while the grid before still runs, and wait for it before they read anything
//!   ([`Hopper::await_grid`]).
//! - A sequence that ends inside a tile has the rest of its K and V tile zeroed ([`tail`]).
//! - O leaves through swizzled shared memory ([`epilogue`]).

mod barrier;
mod consumer;
mod converted_rows;
mod converter;
mod epilogue;
mod flow;
mod producer;
mod product;
mod rows;
mod tail;
mod tile_info;
mod transposer;
mod work;

use super::kernel::Kernel;
use crate::abi::{Divisor, Meaning, SHARED_TILES as SHARED};
use crate::layout::panel::Panels;
use crate::layout::swizzle::CHUNK;
use crate::plan::attention::QUERY;
use crate::plan::{BufferId, Compute, Function as What, Layout, Named, Plan, Role, Step};
use crate::schedule::Roles;
use flashpage_ptx::ast::{Axis, Function};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Opcode, Space, Special, Type, Word};
use std::ops::{Deref, DerefMut};

/// Lowers to an entry function.
pub(super) fn lower<'a>(kernel: Kernel<'a>, roles: &'a Roles, plan: &'a Plan) -> Function {
    let mut k = Hopper { kernel, roles, plan };
    k.parameters();
    let block = k.set_up();
    let produce = k.b.label("producer");
    let is_producer = k.b.setp(Word::Ge, Type::U32, "p", &block.warp, roles.warps);
    k.b.guarded(&is_producer, false, |b| b.bra(&produce));
    k.consumer(block.clone());
    k.b.ret();
    k.b.place(&produce);
    let producer = k.role("producer");
    k.set_registers_of(producer, Word::Dec);
    let transpose = roles.transposes.then(|| {
        let transpose = k.b.label("transposer");
        let first = roles.first_transposer();
        let is_transposer = k.b.setp(Word::Ge, Type::U32, "p", &block.warp, first);
        k.b.guarded(&is_transposer, false, |b| b.bra(&transpose));
        transpose
    });
    k.producer(block.clone());
    k.b.ret();
    if let Some(transpose) = transpose {
        k.b.place(&transpose);
        k.transposer(block);
        k.b.ret();
    }
    k.kernel.finish()
}

/// A kernel in the making, and how it is made for Hopper.
struct Hopper<'a> {
    kernel: Kernel<'a>,
    roles: &'a Roles,
    plan: &'a Plan,
}

impl<'a> Deref for Hopper<'a> {
    type Target = Kernel<'a>;

    fn deref(&self) -> &Kernel<'a> {
        &self.kernel
    }
}

impl DerefMut for Hopper<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.kernel
    }
}

/// What every thread knows of its block.
#[derive(Clone)]
struct Block {
    thread: Reg,
    lane: Reg,
    /// Of the block, in a register that is known to be the same in all lanes.
    warp: Reg,
    /// Shared address of the tiles.
    shared: Reg,
    /// Shared address of the barriers.
    barriers: Reg,
}

impl<'a> Hopper<'a> {
    /// How a tile lies in shared memory.
    fn panels(&self, buffer: BufferId) -> Panels {
        let panels = self.plan.shared(buffer).layout.and_then(Layout::panels);
        panels.expect("tiles of this family lie in panels")
    }

    /// Panels of a tile that lie in a warp's columns of O.
    fn own_panels(&self, panels: Panels) -> usize {
        2 * self.roles.output_columns() / panels.span
    }

    /// What every thread does before roles part.
    fn set_up(&mut self) -> Block {
        self.b.stage("barriers, and who this thread is");
        let offset = self.plan.barriers_offset();
        let b = &mut self.b;
        let thread = b.special("thread", Special::Tid, Some(Axis::X));
        let lane = b.and(Type::B32, "lane", &thread, 31);
        let warp = b.shr(Type::U32, "warp", &thread, 5);
        let warp = b.shfl(Word::Idx, Type::U32, "warp", &warp, 0);
        let shared = b.shared_address("shared", SHARED);
        let barriers = b.add(Type::U32, "barriers", &shared, offset);
        let block = Block { thread, lane, warp, shared, barriers };
        let plan = self.plan;
        for step in &plan.set_up {
            self.b.comment(plan.line(step));
            match step {
                Step::InitBarriers => self.initialise_barriers(&block),
                Step::Compute(Compute { what: What::ClearSpareRows, .. }) => {
                    self.zero_spare_query_rows(&block);
                }
                Step::FenceProxy => self.fence_proxy_async(),
                Step::Meet(meeting) => {
                    let number = plan.named(Named::Meet(*meeting), 0).number;
                    self.b.bar_sync(number as u32);
                }
                Step::AwaitGrid => self.await_grid(&block),
                other => unreachable!("no thread does before roles part: {other:?}"),
            }
        }
        block
    }

    /// Every thread waits, so that every grid of a step ends after all grids before it. Dependents may begin at once, for they
    /// wait as well.
    fn await_grid(&mut self, block: &Block) {
        let first = self.b.setp(Word::Eq, Type::U32, "p", &block.thread, 0);
        self.prefetch_maps(&first);
        self.b.griddepcontrol_wait();
        self.b.griddepcontrol_launch_dependents();
    }

    /// With heads packed that do not divide the tile, its last rows are never copied. They are multiplied all the same.
    fn zero_spare_query_rows(&mut self, block: &Block) {
        let panels = self.panels(QUERY);
        let used = self.whole_tokens(panels.rows);
        let threads = self.schedule.threads();
        self.zero_rows(&block.thread, threads, panels, &used, &block.shared, "spare_rows");
    }

    /// The most of `rows` rows that are whole tokens.
    fn whole_tokens(&mut self, rows: usize) -> Reg {
        let (packed, by_packed) = (self.param(Meaning::PackedHeads), self.reciprocal(Divisor::PackedHeads));
        let tokens = self.b.quotient("r", rows, &by_packed);
        self.b.mul_lo(Type::U32, "r", &tokens, &packed)
    }

    /// Generic writes to shared memory before reads of it by `wgmma` and bulk copies.
    fn fence_proxy_async(&mut self) {
        self.b.fence_proxy_async_shared();
    }

    /// Zeroes rows from `first` on of the tile at `tile`, by `threads` threads: each a chunk of every panel, then the one
    /// that lies so many threads further on.
    fn zero_rows(
        &mut self,
        thread: &Reg,
        threads: usize,
        panels: Panels,
        first: &Reg,
        tile: &Reg,
        hint: &str,
    ) {
        let b = &mut self.b;
        // What rows take in one panel, where groups of eight rows follow each other at once.
        let (all, group) = (panels.rows * panels.span, panels.period_bytes());
        let start = b.mul_lo(Type::U32, "r", first, panels.span);
        let offset = b.mad_lo(Type::U32, "offset", thread, CHUNK, &start);
        let zero = b.mov(Type::B32, "r", 0);
        let (top, done) = (b.label(hint), b.label(&format!("{hint}_done")));
        b.place(&top);
        let past = b.setp(Word::Ge, Type::U32, "p", &offset, all);
        b.guarded(&past, false, |b| b.bra(&done));
        let mut at = b.add(Type::U32, "r", tile, &offset);
        if panels.group_stride() > group {
            let groups = b.shr(Type::U32, "r", &offset, group.ilog2() as i32);
            at = b.mad_lo(Type::U32, "r", &groups, panels.group_stride() - group, &at);
        }
        for panel in 0..panels.count {
            let along = (panel * panels.panel_stride()) as i64;
            self.move_chunk(Opcode::St, Space::Shared, [&zero; 4], &at, along);
        }
        let b = &mut self.b;
        b.add(Type::U32, &offset, &offset, threads * CHUNK);
        b.bra(&top);
        b.place(&done);
    }

    /// A role of the plan; those of this family are a producer and a consumer.
    fn role(&self, name: &str) -> &'a Role {
        let role = self.plan.roles.iter().find(|role| role.name == name);
        role.expect("a plan with roles has a producer and a consumer")
    }

    /// `setmaxnreg`, as the plan has it.
    fn set_registers_of(&mut self, role: &Role, change: Word) {
        if let Some(registers) = role.registers {
            self.b.setmaxnreg(change, registers);
        }
    }
}
