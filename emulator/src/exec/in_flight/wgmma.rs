//! A warp's `wgmma` on their way, and which registers they hold (PTX ISA §9.7.15).
//!
//! Products of a warp land in the order in which they were issued. A product is the warpgroup's: it is complete when all
//! four warps have issued it and it has landed for all of them, so a warp that waits for it knows that of the others'
//! parts too. Until a `wgmma.wait_group` has covered one, its accumulator is not to be touched, and a register that
//! another instruction touched needs a `wgmma.fence` before the next product uses it, as far as the assembler does not see
//! to that ([`super::assembler`]).
//!
//! The registers of the left matrix are read when a product is issued. The ISA does not say so, but the assembler gives
//! whatever is written to them later other registers, and compilers rely on it.

use super::MOST;
use super::assembler::Assembler;
use crate::exec::policy::{AsyncPolicy, Landing};
use crate::exec::unknown::Unknown;
use crate::program::{LeftMatrix, Program, Reg, WarpgroupProduct};
use hashbrown::HashSet;
use std::collections::VecDeque;

/// A warp's rows of A, byte by byte.
pub(crate) type LeftRows = [[u8; WarpgroupProduct::DEEP]; WarpgroupProduct::ROWS];

/// What is not known of the warp's rows of A.
pub(crate) type LeftUnknown = [Unknown; WarpgroupProduct::ROWS];

/// One product on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issued {
    pub pc: u32,
    /// Descriptor of A, where it has one.
    pub a: u64,
    /// Descriptor of B.
    pub b: u64,
    /// Rows of A, where they come from registers.
    pub left: Option<Box<LeftRows>>,
    /// What is not known of them.
    pub unknown: Option<Box<LeftUnknown>>,
    /// Whether D is added to.
    pub accumulate: bool,
    pub landed: bool,
    /// Which product of the warp it is.
    pub number: u64,
}

/// See the file's head.
pub(crate) struct Pipeline {
    landing: Landing,
    pending: VecDeque<Issued>,
    issued: u64,
    /// The last product of each group that may still be waited for, the latest group last.
    ends: VecDeque<u64>,
    /// Under the sanitizer, for each row: how many products hold it, and who else used it.
    held: Vec<u16>,
    used: Vec<Used>,
    /// Fences so far.
    fences: u32,
    /// Products that were issued before the last of them.
    before_fence: u64,
    /// Where products were issued since.
    since: HashSet<u32>,
    assembler: Assembler,
}

/// What instructions other than `wgmma` did with a row.
#[derive(Clone, Copy, Default)]
struct Used {
    /// One more than the number of fences before the last write, and before the last read.
    written: u32,
    read: u32,
    /// Products that were issued before the last write.
    behind: u64,
    /// A product has written it since.
    result: bool,
}

/// Why a product may not be issued.
pub(crate) enum Objection {
    /// No fence came at all.
    First,
    /// One has to come between this register's use and the product.
    Fence(Reg),
    /// The assembler serialises the product, since this register is read where it should not be.
    Serialised(Reg),
}

impl Pipeline {
    pub fn new(policy: AsyncPolicy) -> Pipeline {
        Pipeline {
            landing: Landing::new(policy),
            pending: VecDeque::new(),
            issued: 0,
            ends: VecDeque::new(),
            held: Vec::new(),
            used: Vec::new(),
            fences: 0,
            before_fence: 0,
            since: HashSet::new(),
            assembler: Assembler::default(),
        }
    }

    pub fn seed(&mut self, cluster: u64, warp: u32) {
        self.landing.seed(cluster, !warp);
    }

    /// `rows` is zero where registers are not checked.
    pub fn reset(&mut self, rows: usize) {
        self.pending.clear();
        (self.issued, self.fences) = (0, 0);
        self.ends.clear();
        self.held.clear();
        self.held.resize(rows, 0);
        self.used.clear();
        self.used.resize(rows, Used::default());
        self.before_fence = 0;
        self.since.clear();
    }

    fn keeps(&self) -> bool {
        !self.held.is_empty()
    }

    /// The number that the next product will have.
    pub fn next_number(&self) -> u64 {
        self.issued + 1
    }

    /// Takes a product; gives it back if it lands at once, which none does before those ahead of it.
    pub fn issue(&mut self, issued: Issued, product: &WarpgroupProduct) -> Option<Issued> {
        self.issued += 1;
        let ahead = self.pending.iter().any(|p| !p.landed);
        let landed = self.landing.at_once() && !ahead;
        if !landed || self.keeps() {
            let number = self.issued;
            self.hold(product, 1);
            self.pending.push_back(Issued { landed, number, ..issued.clone() });
        }
        if self.keeps() {
            self.since.insert(issued.pc);
        }
        landed.then_some(issued)
    }

    fn hold(&mut self, product: &WarpgroupProduct, by: i16) {
        if self.keeps() {
            for reg in &product.d {
                let held = &mut self.held[reg.0 as usize];
                *held = held.wrapping_add_signed(by);
                if by > 0 {
                    self.used[reg.0 as usize] = Used { result: true, ..Used::default() };
                }
            }
        }
    }

    pub fn commit(&mut self) {
        self.ends.push_back(self.issued);
        // `wgmma.wait_group` allows seven groups at most.
        if self.ends.len() > 8 {
            self.ends.pop_front();
        }
    }

    /// The last product that must be complete if at most `allowed` groups may be on their way.
    pub fn covered(&self, allowed: u32) -> Option<u64> {
        let at = self.ends.len().checked_sub(1 + allowed as usize)?;
        Some(self.ends[at]).filter(|number| *number != 0)
    }

    /// How many products were issued.
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// What must land for all products up to this one to have landed.
    pub fn land_up_to(&mut self, number: u64) -> Vec<Issued> {
        let due = self.pending.iter_mut().filter(|p| p.number <= number && !p.landed);
        due.map(|p| {
            p.landed = true;
            p.clone()
        })
        .collect()
    }

    /// Products up to this one, which have landed, were waited for: their registers are free.
    pub fn release(&mut self, number: u64, program: &Program) {
        while self.pending.front().is_some_and(|first| first.number <= number)
            && let Some(first) = self.pending.pop_front()
        {
            if let Some(product) = program.warpgroup_product(first.pc) {
                self.hold(product, -1);
            }
        }
    }

    /// What happens to land now, between two turns of the warp.
    pub fn poll(&mut self) -> Vec<Issued> {
        let mut landing = Vec::new();
        // A kernel that never waits must not fill the host's memory: the oldest land after all.
        let over = self.pending.len().saturating_sub(MOST);
        landing.extend(self.pending.drain(..over).filter(|product| !product.landed));
        for at in 0..self.pending.len() {
            if self.pending[at].landed {
                continue;
            }
            if !self.landing.now() {
                break;
            }
            self.pending[at].landed = true;
            landing.push(self.pending[at].clone());
        }
        if !self.keeps() {
            self.pending.retain(|p| !p.landed);
        }
        landing
    }

    /// `wgmma.fence`
    pub fn fence(&mut self) {
        self.fences += 1;
        self.before_fence = self.issued;
        self.since.clear();
    }

    /// An instruction other than `wgmma` uses this row; false if a product holds it.
    pub fn touch(&mut self, row: usize, writes: bool) -> bool {
        let used = &mut self.used[row];
        if writes {
            *used = Used { written: self.fences + 1, behind: self.issued, result: false, ..*used };
        } else {
            used.read = self.fences + 1;
        }
        self.held[row] == 0
    }

    /// Why the product at `pc` may not be issued now, if registers are checked; `adds` says that it adds to what its
    /// accumulator holds.
    pub fn objection(
        &mut self,
        program: &Program,
        (pc, product): (u32, &WarpgroupProduct),
        adds: bool,
    ) -> Option<Objection> {
        if !self.keeps() {
            return None;
        }
        if self.fences == 0 {
            return Some(Objection::First);
        }
        let Pipeline { used, assembler, fences, .. } = self;
        if let LeftMatrix::Registers(left) = &product.a {
            for reg in left {
                let used = used[reg.0 as usize];
                let late = used.written > *fences && used.behind > self.before_fence;
                if late && !assembler.left_was_ready(program, pc, *reg) {
                    return Some(Objection::Fence(*reg));
                }
            }
        }
        let late = |reg: &&Reg| {
            let used = used[reg.0 as usize];
            used.written > *fences || used.read > *fences
        };
        let mut late = product.d.iter().filter(late).peekable();
        if late.peek().is_none() || assembler.needs_no_accumulator(program, pc, product, adds) {
            return None;
        }
        for reg in late {
            let used = used[reg.0 as usize];
            match used {
                // A product's result that others have read by now may be added to, but not in a loop without a fence.
                Used { result: true, .. } if !self.since.contains(&pc) => {}
                Used { result: true, .. } => return Some(Objection::Fence(*reg)),
                Used { written, .. } if written > *fences => {
                    if !assembler.was_ready(program, pc, *reg) {
                        return Some(Objection::Fence(*reg));
                    }
                }
                _ => return Some(Objection::Serialised(*reg)),
            }
        }
        None
    }
}
