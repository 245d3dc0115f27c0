//! A warp: 32 lanes, their registers, and where each of them is.
//!
//! Lanes that are at the same instruction run as one *part*. A warp usually has one. A branch that lanes take
//! differently splits it; the part with the lowest program counter runs, and parts that meet are joined.
//! Since code is laid out callees first and compilers place the join of an `if` after its arms, that is where
//! lanes meet again. A part that needs lanes which are elsewhere is *parked* until they come or nothing else in
//! the warp can run.

use super::stacks::Stacks;
use crate::alu::lanes::{LANES, Row};
use crate::exec::in_flight::{BulkGroups, CopyQueue, Pipeline};
use crate::exec::order::{Behalf, By};
use crate::exec::policy::AsyncPolicy;
use crate::exec::unknown::{Doubt, Pending, Unknowns};
use crate::exec::{FULL, Result};
use crate::fault::FaultKind;
use crate::host;
use crate::memory::Storage;
use crate::program::{Address, Condition, Pred, Program, Reg, TRUE};
use crate::sanitize::Sanitize;

/// Lanes that are together but not running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub pc: u32,
    pub mask: u32,
    /// Needs lanes that are elsewhere.
    parked: bool,
    /// Has had its turn: the others go first.
    resting: bool,
}

/// What a warp sleeps for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// The mbarrier at this address of the cluster's shared memory.
    Mbarrier(u32),
    /// The cluster's barrier.
    Cluster,
    /// Products that other warps of its warpgroup have not issued.
    Warpgroup,
}

/// See the file's head.
pub(crate) struct Warp {
    /// In its block.
    pub index: u32,
    /// Of its block in the cluster.
    pub rank: u32,
    /// In the cluster.
    pub agent: u32,
    /// Warps of its block.
    pub of_block: u32,
    rows: Vec<Row>,
    preds: Vec<u32>,
    /// Lanes of each row, and of each predicate, in which all of it was written; kept only under the sanitizer.
    pub written_rows: Vec<u32>,
    pub written_preds: Vec<u32>,
    /// What is not known of the others, and what the instruction that runs leaves so.
    pub unknowns: Unknowns,
    pub pending: Pending,
    /// Branches by what is not known, whose ways have not met again.
    pub doubts: Vec<Doubt>,
    /// The running part.
    pub pc: u32,
    pub mask: u32,
    /// Where the running part may meet another: it looks when it gets there.
    pub limit: u32,
    parts: Vec<Part>,
    /// Lanes that have not exited.
    pub live: u32,
    /// Each lane's own memory.
    pub local: Vec<Storage>,
    pub stacks: Stacks,
    pub copies: CopyQueue,
    pub products: Pipeline,
    pub bulk: BulkGroups,
    /// Allocation that the last global access went to.
    pub hint: usize,
    /// Warp instructions so far.
    pub count: u64,
    /// How often its lanes have come together, at a warp's or a block's barrier or to tell each other something.
    pub syncs: u32,
    /// Its count when it last asked in vain whether something has happened.
    pub asked: u64,
    /// At a barrier that is not complete.
    pub waiting: bool,
    /// At an instruction that will be tried again.
    pub sleep: Option<Sleep>,
    /// Phase of the cluster's barrier that each lane arrived in.
    pub cluster_phase: [u32; LANES],
}

/// One bit a lane.
const BITS: [u32; LANES] = {
    let mut bits = [0; LANES];
    let mut i = 0;
    while i < LANES {
        bits[i] = 1 << i;
        i += 1;
    }
    bits
};

/// Lanes of `mask` from `value`.
#[inline(always)]
pub(crate) fn blend(row: &mut [u32; LANES], value: &[u32; LANES], mask: u32) {
    for i in 0..LANES {
        row[i] = if mask & BITS[i] != 0 { value[i] } else { row[i] };
    }
}

impl Warp {
    /// Warp `index` of the block of this rank, of `warps` a block, if the host has room for it.
    pub fn new(
        (index, rank, warps): (u32, u32, u32),
        program: &Program,
        policy: AsyncPolicy,
    ) -> Option<Warp> {
        let (rows, preds, local_bytes) = (program.rows, program.preds, program.local_bytes);
        let local = if local_bytes == 0 { 0 } else { LANES };
        Some(Warp {
            index,
            rank,
            agent: rank * warps + index,
            of_block: warps,
            rows: host::filled(Row([0; LANES]), rows as usize)?,
            preds: host::filled(0, preds as usize)?,
            written_rows: Vec::new(),
            written_preds: Vec::new(),
            unknowns: Unknowns::default(),
            pending: Vec::new(),
            doubts: Vec::new(),
            pc: 0,
            mask: FULL,
            limit: u32::MAX,
            parts: Vec::new(),
            live: FULL,
            local: (0..local).map(|_| Storage::new(local_bytes as usize)).collect::<Option<_>>()?,
            stacks: Stacks::default(),
            copies: CopyQueue::new(policy),
            products: Pipeline::new(policy),
            bulk: BulkGroups::default(),
            hint: 0,
            count: 0,
            asked: 0,
            syncs: 0,
            waiting: false,
            sleep: None,
            cluster_phase: [0; LANES],
        })
    }

    /// Ready for another block; registers hold garbage that is the same every time.
    pub fn reset(&mut self, start: u32, lanes: u32, sanitize: Sanitize) {
        self.rows.fill(Row([u32::MAX; LANES]));
        self.preds.fill(0);
        self.preds[TRUE.0 as usize] = FULL;
        for (shadow, length) in
            [(&mut self.written_rows, self.rows.len()), (&mut self.written_preds, self.preds.len())]
        {
            shadow.clear();
            shadow.resize(if sanitize.unwritten { length } else { 0 }, 0);
        }
        self.unknowns.reset();
        self.doubts.clear();
        if sanitize.unwritten {
            self.written_preds[TRUE.0 as usize] = FULL;
            self.written_rows[0] = FULL;
        }
        self.local.iter_mut().for_each(Storage::reset);
        (self.pc, self.mask, self.live, self.limit) = (start, lanes, lanes, u32::MAX);
        self.parts.clear();
        self.stacks.reset();
        self.copies.reset(sanitize.watches());
        self.products.reset(if sanitize.holds_registers() { self.rows.len() } else { 0 });
        self.bulk = BulkGroups::default();
        self.waiting = false;
        self.sleep = None;
        (self.count, self.asked) = (0, 0);
        self.syncs = 0;
    }

    // --- registers: the decoder gave out every index below the length ---

    #[inline(always)]
    pub fn row_ptr(&mut self, reg: Reg) -> *mut Row {
        debug_assert!((reg.0 as usize) < self.rows.len());
        // SAFETY: the decoder numbers rows below `Program::rows`, and a 64-bit register has two.
        unsafe { self.rows.as_mut_ptr().add(reg.0 as usize) }
    }

    #[inline(always)]
    pub fn row(&self, reg: Reg) -> &[u32; LANES] {
        &self.rows[reg.0 as usize].0
    }

    #[inline(always)]
    pub fn row_mut(&mut self, reg: Reg) -> &mut [u32; LANES] {
        &mut self.rows[reg.0 as usize].0
    }

    #[inline(always)]
    pub fn wide(&self, reg: Reg) -> &[u64; LANES] {
        debug_assert!((reg.0 as usize) + 1 < self.rows.len());
        // SAFETY: a 64-bit register has two adjacent rows, aligned to 64 bytes.
        unsafe { &*self.rows.as_ptr().add(reg.0 as usize).cast() }
    }

    #[inline(always)]
    pub fn wide_mut(&mut self, reg: Reg) -> &mut [u64; LANES] {
        debug_assert!((reg.0 as usize) + 1 < self.rows.len());
        // SAFETY: as in `wide`.
        unsafe { &mut *self.rows.as_mut_ptr().add(reg.0 as usize).cast() }
    }

    /// The lane's value of a register of either width.
    #[inline(always)]
    pub fn get(&self, reg: Reg, wide: bool, lane: usize) -> u64 {
        if wide { self.wide(reg)[lane] } else { self.row(reg)[lane] as u64 }
    }

    #[inline(always)]
    pub fn set(&mut self, reg: Reg, wide: bool, lane: usize, value: u64) {
        if wide {
            self.wide_mut(reg)[lane] = value;
        } else {
            self.row_mut(reg)[lane] = value as u32;
        }
    }

    /// The address that a lane computes.
    #[inline(always)]
    pub fn address(&self, base: Address, lane: usize) -> u64 {
        self.get(base.base, base.wide, lane).wrapping_add_signed(base.offset)
    }

    /// Writes the lanes of `mask`.
    #[inline(always)]
    pub fn write_row(&mut self, reg: Reg, value: &[u32; LANES], mask: u32) {
        let row = self.row_mut(reg);
        if mask == FULL {
            *row = *value;
        } else {
            blend(row, value, mask);
        }
    }

    #[inline(always)]
    pub fn write_wide(&mut self, reg: Reg, value: &[u64; LANES], mask: u32) {
        let row = self.wide_mut(reg);
        for i in 0..LANES {
            row[i] = if mask & BITS[i] != 0 { value[i] } else { row[i] };
        }
    }

    #[inline(always)]
    pub fn pred(&self, pred: Pred) -> u32 {
        self.preds[pred.0 as usize]
    }

    #[inline(always)]
    pub fn condition(&self, condition: Condition) -> u32 {
        self.preds[condition.pred.0 as usize] ^ 0u32.wrapping_sub(condition.negated as u32)
    }

    #[inline(always)]
    pub fn write_pred(&mut self, pred: Pred, value: u32, mask: u32) {
        let p = &mut self.preds[pred.0 as usize];
        *p = *p & !mask | value & mask;
    }

    // --- parts ---

    /// To the next instruction.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.pc += 1;
        if self.pc >= self.limit {
            self.choose();
        }
    }

    /// The running part goes on at `pc`.
    #[inline(always)]
    pub fn jump(&mut self, pc: u32) {
        self.pc = pc;
        if !self.parts.is_empty() {
            self.choose();
        }
    }

    /// Lanes leave the running part for `pc`; the rest, if any, goes on where `self.pc` says.
    pub fn split(&mut self, leaving: u32, pc: u32) {
        self.mask &= !leaving;
        self.parts.push(Part { pc, mask: leaving, parked: false, resting: false });
        self.choose();
    }

    /// The running part becomes `staying`, where `self.pc` says, and these groups with their places.
    pub fn scatter(&mut self, staying: u32, leaving: &[(u32, u32)]) {
        self.mask = staying;
        self.parts.extend(leaving.iter().map(|(mask, pc)| Part {
            pc: *pc,
            mask: *mask,
            parked: false,
            resting: false,
        }));
        self.choose();
    }

    /// Whether no lanes are elsewhere.
    pub fn is_whole(&self) -> bool {
        self.parts.is_empty()
    }

    /// Lets lanes that are elsewhere go first: what the running part waits for may be theirs to do.
    pub fn rest(&mut self) {
        if !self.parts.is_empty() && self.mask != 0 {
            let (pc, mask) = (self.pc, self.mask);
            self.parts.push(Part { pc, mask, parked: false, resting: true });
            self.mask = 0;
            self.choose();
        }
    }

    /// Lanes of the running part are done for good.
    pub fn exit(&mut self, lanes: u32) {
        self.mask &= !lanes;
        self.live &= !lanes;
        // A parked part may have waited for just these.
        self.parts.iter_mut().for_each(|p| p.parked = false);
        self.choose();
    }

    /// Joins parts that have met and runs the lowest. With nothing left, the mask is empty.
    pub fn choose(&mut self) {
        if self.mask != 0 {
            self.parts.push(Part { pc: self.pc, mask: self.mask, parked: false, resting: false });
        }
        self.parts.sort_unstable_by_key(|p| p.pc);
        self.parts.dedup_by(|next, first| {
            let met = next.pc == first.pc;
            if met {
                first.mask |= next.mask;
                first.parked = false;
                first.resting &= next.resting;
            }
            met
        });
        self.mask = 0;
        self.limit = u32::MAX;
        let ready = |p: &Part| !p.parked && !p.resting;
        let Some(chosen) = self.parts.iter().position(ready).or_else(|| {
            self.parts.iter_mut().for_each(|p| p.resting = false);
            self.parts.iter().position(ready)
        }) else {
            return;
        };
        let part = self.parts.remove(chosen);
        (self.pc, self.mask) = (part.pc, part.mask);
        self.limit = self.parts.iter().map(|p| p.pc).filter(|pc| *pc > part.pc).min().unwrap_or(u32::MAX);
    }

    /// The running part needs `needed` lanes of those that are left. True if it has them; else it is parked and
    /// another runs.
    ///
    /// # Errors
    /// No other part can run: they will never come.
    pub fn gather(&mut self, needed: u32, what: &'static str) -> Result<bool> {
        let missing = needed & self.live & !self.mask;
        if missing == 0 {
            return Ok(true);
        }
        let (pc, mask) = (self.pc, self.mask);
        self.parts.push(Part { pc, mask, parked: true, resting: false });
        self.mask = 0;
        self.choose();
        if self.mask == 0 {
            (self.pc, self.mask) = (pc, mask);
            return Err(FaultKind::Divergent { missing, what }.into());
        }
        Ok(false)
    }

    /// Every part's place, the running one first.
    pub fn places(&self) -> impl Iterator<Item = (u32, u32)> {
        let running = (self.mask != 0).then_some((self.pc, self.mask));
        running.into_iter().chain(self.parts.iter().map(|p| (p.pc, p.mask)))
    }

    /// What a lane does where the warp is, as the checks are told of it.
    pub fn by(&self, lane: usize, on_behalf: Behalf) -> By {
        By {
            warp: self.agent,
            lane: lane as u32,
            pc: self.pc,
            sync: self.syncs,
            collective: false,
            on_behalf,
        }
    }
}
