//! A warp's `wgmma` on their way, and which registers they hold (PTX ISA §9.7.15).
//!
//! Products of a warp land in the order in which they were issued. Until a `wgmma.wait_group` has covered one, its
//! accumulator and the registers of its left matrix are not to be touched; and a register that another instruction
//! touched needs a `wgmma.fence` before the next product uses it.

use super::asynchrony::{AsyncPolicy, Landing};
use crate::program::{Inst, LeftMatrix, Op, Reg, WarpgroupProduct};
use std::collections::VecDeque;

/// One product on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issued {
    pub pc: u32,
    /// Descriptor of A, where it has one.
    pub a: u64,
    /// Descriptor of B.
    pub b: u64,
    /// Whether D is added to.
    pub accumulate: bool,
    landed: bool,
    group: u32,
    /// Which product of the warp it is.
    number: u64,
}

/// See the file's head.
pub(crate) struct Pipeline {
    landing: Landing,
    pending: VecDeque<Issued>,
    committed: u32,
    issued: u64,
    /// Under the sanitizer, for each row: how many products hold it, and after which fence it was last touched.
    held: Vec<u16>,
    touched: Vec<u32>,
    /// Fences so far.
    fences: u32,
}

impl Pipeline {
    pub fn new(policy: AsyncPolicy) -> Pipeline {
        Pipeline {
            landing: Landing::new(policy),
            pending: VecDeque::new(),
            committed: 0,
            issued: 0,
            held: Vec::new(),
            touched: Vec::new(),
            fences: 0,
        }
    }

    pub fn seed(&mut self, cluster: u64, warp: u32) {
        self.landing.seed(cluster, !warp);
    }

    /// `rows` is zero where registers are not checked.
    pub fn reset(&mut self, rows: usize) {
        self.pending.clear();
        (self.committed, self.issued, self.fences) = (0, 0, 0);
        self.held.clear();
        self.held.resize(rows, 0);
        self.touched.clear();
        self.touched.resize(rows, 0);
    }

    fn keeps(&self) -> bool {
        !self.held.is_empty()
    }

    /// The number that the next product will have.
    pub fn next_number(&self) -> u64 {
        self.issued + 1
    }

    /// Takes a product; says whether it lands at once, which none does before those ahead of it.
    pub fn issue(
        &mut self,
        pc: u32,
        (a, b): (u64, u64),
        accumulate: bool,
        product: &WarpgroupProduct,
    ) -> bool {
        self.issued += 1;
        let ahead = self.pending.iter().any(|p| !p.landed);
        let landed = self.landing.at_once() && !ahead;
        if !landed || self.keeps() {
            let (group, number) = (self.committed, self.issued);
            self.pending.push_back(Issued { pc, a, b, accumulate, landed, group, number });
            self.hold(product, 1);
        }
        landed
    }

    fn hold(&mut self, product: &WarpgroupProduct, by: i16) {
        if self.keeps() {
            for reg in registers(product) {
                let held = &mut self.held[reg.0 as usize];
                *held = held.wrapping_add_signed(by);
            }
        }
    }

    pub fn commit(&mut self) {
        self.committed += 1;
    }

    /// What must land if at most `allowed` groups may be on their way; it is waited for then.
    pub fn wait(&mut self, allowed: u32, code: &[Inst]) -> Vec<Issued> {
        let mut landing = Vec::new();
        while let Some(first) = self.pending.front().copied()
            && first.group as u64 + (allowed as u64) < self.committed as u64
        {
            self.pending.pop_front();
            if let Some(product) = product_at(code, first.pc) {
                self.hold(product, -1);
            }
            if !first.landed {
                landing.push(first);
            }
        }
        landing
    }

    /// The last product such that it and all before it were waited for.
    pub fn complete(&self) -> u64 {
        self.pending.front().map_or(self.issued, |first| first.number - 1)
    }

    /// What happens to land now, between two turns of the warp.
    pub fn poll(&mut self) -> Vec<Issued> {
        let mut landing = Vec::new();
        for at in 0..self.pending.len() {
            if self.pending[at].landed {
                continue;
            }
            if !self.landing.now() {
                break;
            }
            self.pending[at].landed = true;
            landing.push(self.pending[at]);
        }
        if !self.keeps() {
            self.pending.retain(|p| !p.landed);
        }
        landing
    }

    /// `wgmma.fence`
    pub fn fence(&mut self) {
        self.fences += 1;
    }

    /// An instruction other than `wgmma` uses this row; false if a product holds it.
    pub fn touch(&mut self, row: usize) -> bool {
        self.touched[row] = self.fences + 1;
        self.held[row] == 0
    }

    /// Why a product may not be issued now, if registers are checked.
    pub fn objection(&self, product: &WarpgroupProduct) -> Option<(Option<Reg>, &'static str)> {
        if !self.keeps() {
            return None;
        }
        if self.fences == 0 {
            return Some((None, "no `wgmma.fence` was executed before this first wgmma"));
        }
        registers(product)
            .find(|reg| self.touched[reg.0 as usize] > self.fences)
            .map(|reg| (Some(reg), "was used by another instruction since the last fence"))
    }
}

/// The product at this place of a program.
pub(crate) fn product_at(code: &[Inst], pc: u32) -> Option<&WarpgroupProduct> {
    match &code.get(pc as usize)?.op {
        Op::WarpgroupProduct(product) => Some(product),
        _ => None,
    }
}

/// Registers that a product holds.
pub(crate) fn registers(product: &WarpgroupProduct) -> impl Iterator<Item = Reg> {
    let left = match &product.a {
        LeftMatrix::Registers(a) => &a[..],
        LeftMatrix::Shared(_) => &[],
    };
    product.d.iter().chain(left).copied()
}
