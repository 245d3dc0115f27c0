//! Where roles meet: `mbarrier`s for the slots of buffers, named barriers for turns, each where the plan has it.
//!
//! | barriers | arrivals of a phase | completed by |
//! |---|---|---|
//! | full | 1, and the bytes of its copies | the producer, when it says how many bytes come |
//! | full, of rows that lanes copy | 32 | each lane of the producer, once its copies have landed |
//! | empty | consumer warps | each consumer warp, when what it read from the slot has been read |
//!
//! A wait names the parity of the phase that it waits for. Consumers start at 0, the producer at 1: the phase before
//! the first counts as over, so that empty slots are free at once.

use super::{Block, Hopper};
use crate::plan::{BARRIER_BYTES, BufferId, Named, NamedBarrier, Shared};
use flashpage_ptx::ast::Operand;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Type, Word};

/// Byte offset of a slot's full barrier from the slot's pair.
pub(super) const FULL: usize = 0;
/// Byte offset of a slot's empty barrier from the slot's pair.
pub(super) const EMPTY: usize = BARRIER_BYTES;
/// Bytes of a slot's pair of barriers.
pub(super) const PAIR: usize = 2 * BARRIER_BYTES;

/// A place in a ring.
#[derive(Clone)]
pub(super) struct Position {
    /// Slot.
    pub stage: Reg,
    /// Parity of the phase to wait for.
    pub parity: Reg,
}

impl Hopper<'_> {
    /// Byte offset, from the first barrier, of the pair of barriers of a buffer's first slot.
    pub(super) fn first_pair(&self, buffer: BufferId) -> usize {
        let barriers = self.plan.shared(buffer).barriers.expect("what is awaited has barriers");
        barriers.offset - self.plan.barriers_offset()
    }

    /// By the block's first thread; others see it after the block's barrier.
    pub(super) fn initialise_barriers(&mut self, block: &Block) {
        let counts: Vec<usize> = self.plan.mbarriers().into_iter().map(|(.., arrivals)| arrivals).collect();
        let first = self.b.setp(Word::Eq, Type::U32, "p", &block.thread, 0);
        self.b.set_guard(Some(&first));
        for (index, count) in counts.into_iter().enumerate() {
            self.b.mbarrier_init(&block.barriers, index * BARRIER_BYTES, count);
        }
        self.b.fence_mbarrier_init();
        self.b.set_guard(None);
    }

    /// The pair of barriers of a ring's slot.
    pub(super) fn slot_barriers(&mut self, block: &Block, ring: BufferId, at: &Position) -> Reg {
        let first = self.first_pair(ring);
        let pair = self.b.mad_lo(Type::U32, "r", &at.stage, PAIR, &block.barriers);
        self.b.add(Type::U32, "r", &pair, first)
    }

    /// Shared address of a ring's slot.
    pub(super) fn slot_address(&mut self, block: &Block, ring: BufferId, at: &Position) -> Reg {
        let Shared { bytes, offset: first, .. } = *self.plan.shared(ring);
        let slot = self.b.mad_lo(Type::U32, "r", &at.stage, bytes, &block.shared);
        self.b.add(Type::U32, "r", &slot, first)
    }

    /// Waits until the phase of parity `parity` is over.
    pub(super) fn wait(&mut self, barrier: &Reg, offset: usize, parity: &Reg) {
        let again = self.b.label("wait");
        self.b.place(&again);
        let over = self.b.mbarrier_try_wait_parity("p", barrier, offset, parity);
        self.b.guarded(&over, true, |b| b.bra(&again));
    }

    /// One arrival, or `count`, where `who` holds.
    pub(super) fn arrive(&mut self, barrier: &Reg, offset: usize, who: &Reg, count: usize) {
        self.b.set_guard(Some(who));
        self.b.mbarrier_arrive(barrier, offset, count);
        self.b.set_guard(None);
    }

    /// Arrives at a full barrier and says how many bytes come, where `who` holds.
    pub(super) fn expect(&mut self, barrier: &Reg, bytes: impl Into<Operand>, who: &Reg) {
        self.b.set_guard(Some(who));
        self.b.mbarrier_arrive_expect_tx(barrier, FULL, bytes);
        self.b.set_guard(None);
    }

    /// The first slot. The producer waits for the phase before the first.
    pub(super) fn first_position(&mut self, parity: usize) -> Position {
        let stage = self.b.mov(Type::U32, "stage", 0);
        let parity = self.b.mov(Type::U32, "parity", parity);
        Position { stage, parity }
    }

    /// Moves on to the next slot, around the ring.
    pub(super) fn advance(&mut self, at: &Position) {
        let stages = self.schedule.stages;
        let b = &mut self.b;
        let Position { stage, parity } = at;
        match stages {
            1 => {
                b.xor(Type::B32, parity, parity, 1);
            }
            2 => {
                // From slot 1 on to slot 0 of the next phase.
                b.xor(Type::B32, parity, parity, stage);
                b.xor(Type::B32, stage, stage, 1);
            }
            _ => {
                b.add(Type::U32, stage, stage, 1);
                let wraps = b.setp(Word::Eq, Type::U32, "p", stage, stages);
                b.selp(Type::U32, stage, 0, stage, &wraps);
                let flipped = b.xor(Type::B32, "r", parity, 1);
                b.selp(Type::B32, parity, &flipped, parity, &wraps);
            }
        }
    }

    /// The slot before, around the ring.
    pub(super) fn before(&mut self, at: &Position) -> Position {
        let stages = self.schedule.stages;
        let b = &mut self.b;
        let Position { stage, parity } = at;
        match stages {
            1 => Position { stage: stage.clone(), parity: b.xor(Type::B32, "r", parity, 1) },
            2 => {
                let before = b.xor(Type::B32, "r", stage, 1);
                Position { parity: b.xor(Type::B32, "r", parity, &before), stage: before }
            }
            _ => {
                let wraps = b.setp(Word::Eq, Type::U32, "p", stage, 0);
                let before = b.sub(Type::U32, "r", stage, 1);
                let before = b.selp(Type::U32, "r", stages - 1, &before, &wraps);
                let flipped = b.xor(Type::B32, "r", parity, 1);
                Position { stage: before, parity: b.selp(Type::B32, "r", &flipped, parity, &wraps) }
            }
        }
    }

    /// The barrier of a consumer's turn, and of the one that comes after it.
    pub(super) fn turns(&mut self, warpgroup: &Reg) -> Option<Turns> {
        if !self.roles.take_turns() {
            return None;
        }
        let consumers = self.roles.consumers();
        let NamedBarrier { number: first, threads, .. } = *self.plan.named(Named::Turn, 0);
        let b = &mut self.b;
        let mine = b.add(Type::U32, "turn", warpgroup, first);
        let is_last = b.setp(Word::Eq, Type::U32, "p", warpgroup, consumers - 1);
        let next = b.add(Type::U32, "r", &mine, 1);
        let next = b.selp(Type::U32, "turn", first, &next, &is_last);
        // The first turn is the first warpgroup's.
        b.guarded(&is_last, false, |b| b.named_arrive(first, threads));
        Some(Turns { mine, next, threads })
    }

    /// Waits for this warpgroup's turn to issue products.
    pub(super) fn take_turn(&mut self, turns: &Option<Turns>) {
        if let Some(turns) = turns {
            self.b.named_sync(&turns.mine, turns.threads);
        }
    }

    /// Lets the next warpgroup issue its products.
    pub(super) fn pass_turn(&mut self, turns: &Option<Turns>) {
        if let Some(turns) = turns {
            self.b.named_arrive(&turns.next, turns.threads);
        }
    }

    /// A barrier of `threads` threads.
    pub(super) fn meet(&mut self, barrier: impl Into<Operand>, threads: usize) {
        self.b.named_sync(barrier, threads);
    }
}

/// Named barriers for turns.
pub(super) struct Turns {
    mine: Reg,
    next: Reg,
    /// That make a phase: who waits, and who had the turn before.
    threads: usize,
}
