//! What the assembler makes of registers that other instructions write around a `wgmma`.
//!
//! PTX asks for a `wgmma.fence` between an access to a register of a `wgmma` and that `wgmma` (§9.7.15.7). `ptxas` takes
//! more than that, and compilers leave it code that relies on it: it sees constants and copies through, so what stands
//! between the fence and the product in the text does not stand there in the machine's code. Tried with ptxas 13.0.88 for
//! `sm_90a` on 2026-11-27; `F` is the fence, `M` a product, `W` its commit and wait, D its accumulator, A its left matrix
//! in registers:
//!
//! | what stands there | ptxas | here |
//! |---|---|---|
//! | D loaded, computed, converted, F, M | takes it | silent |
//! | D loaded, M with no F before it | C7519: it adds a fence | needs a fence |
//! | F, all of D set to +0.0 (by `mov`, through other registers), M | takes it: a zero is part of the instruction | silent |
//! | D is +0.0 on each of several ways to M, before or after F | takes it | silent |
//! | F, one register of D set to 0, or to -0.0, or all to 1.0 | C7519 | needs a fence |
//! | F, D set to 0 on one way and loaded on the other, M | C7519 | needs a fence |
//! | F, D set to 0, then a loop of M without F | C7519 | needs a fence |
//! | F, D copied from registers that were ready before F and are not used again, M | takes it: no copy is left | silent |
//! | the same, and they are used again, or two get one's value, or D changes places with itself | C7519 | needs a fence |
//! | F, D computed, selected, loaded (shared or global), written under a guard, M | C7519 | needs a fence |
//! | F, D written in any way, M with a `scale-d` that is constantly false | takes it | silent |
//! | the same, where `scale-d` is known only as it runs | C7519 | needs a fence |
//! | M, W, D of that scaled or added to, M | C7519 | needs a fence |
//! | M, W, D of that read, M | takes it | silent |
//! | the same in a loop that has no F | C7519 | needs a fence |
//! | F, D that is not a product's result read, M | C7514: it serialises | serialised |
//! | F, A written in any way, M | takes it | silent |
//! | F, M, A of the next product computed or loaded, M | C7519 | needs a fence |
//! | F, M, A of the next product set to constants, or copied as above, M | takes it | silent |
//! | A read, or written after the product that uses it was issued | takes it: others' registers | silent |
//! | D in flight read or computed with, before its W | C7517: it adds a wait | may still be running |
//! | D in flight set to what does not come of it | takes it | may still be running: PTX leaves it undefined |
//!
//! "Needs a fence" is what PTX leaves undefined and the assembler repairs; where it serialises, the result is right and
//! slow. Questions are asked of the text, once for each product, and only when something would be objected to.

use crate::program::{Constant, Inst, Op, Program, Reg, TRUE, Touch, WarpgroupProduct};
use flashpage_ptx::words::Opcode;
use hashbrown::{HashMap, HashSet};

/// Instructions that are looked at for one question; then the answer is no.
const STEPS: usize = 1 << 16;

/// Copies that are followed one after another.
const COPIES: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Question {
    /// It is +0.0 whichever way control came.
    Zero(Reg),
    /// It is a constant, not the same for every way perhaps.
    Constant(Reg),
    /// It is a copy of what was ready at the last fence, and the copy goes away.
    Ready(Reg),
    /// The product does not add to its accumulator.
    NotAdded,
}

/// What was asked before, and its answers.
#[derive(Default)]
pub(crate) struct Assembler {
    known: HashMap<(u32, Question), bool>,
    /// Where control may come from, instruction by instruction.
    before: Vec<Vec<u32>>,
}

/// Where a value comes from.
struct Origin {
    /// Instructions that write it.
    by: Vec<u32>,
    /// Some way leads to the last fence before it leads to one of them.
    fenced: bool,
}

impl Assembler {
    /// Whether all of the product's accumulator is zero and thus part of the instruction, or is never added to; `adds`
    /// says that it is now.
    pub fn needs_no_accumulator(
        &mut self,
        program: &Program,
        pc: u32,
        product: &WarpgroupProduct,
        adds: bool,
    ) -> bool {
        (!adds && self.ask(program, pc, Question::NotAdded))
            || product.d.iter().all(|reg| self.ask(program, pc, Question::Zero(*reg)))
    }

    /// Whether this register of the accumulator was ready at the last fence.
    pub fn was_ready(&mut self, program: &Program, pc: u32, reg: Reg) -> bool {
        self.ask(program, pc, Question::Ready(reg))
    }

    /// Whether this register of the left matrix was, or is a constant.
    pub fn left_was_ready(&mut self, program: &Program, pc: u32, reg: Reg) -> bool {
        self.ask(program, pc, Question::Constant(reg)) || self.ask(program, pc, Question::Ready(reg))
    }

    fn ask(&mut self, program: &Program, pc: u32, question: Question) -> bool {
        if let Some(answer) = self.known.get(&(pc, question)) {
            return *answer;
        }
        if self.before.is_empty() {
            self.before = vec![Vec::new(); program.code.len() + 1];
            for (at, inst) in program.code.iter().enumerate() {
                inst.successors(at as u32, |next| {
                    if let Some(before) = self.before.get_mut(next as usize) {
                        before.push(at as u32);
                    }
                });
            }
        }
        let mut steps = STEPS;
        let text = Text { program, before: &self.before };
        let answer = match question {
            Question::Zero(reg) => text.is_constant(pc, reg, Some(0), COPIES, &mut steps),
            Question::Constant(reg) => text.is_constant(pc, reg, None, COPIES, &mut steps),
            Question::Ready(reg) => text.was_ready(pc, reg, COPIES, &mut steps),
            Question::NotAdded => text.is_not_added(pc, &mut steps),
        };
        self.known.insert((pc, question), answer);
        answer
    }
}

/// A program, to be read backwards.
struct Text<'p> {
    program: &'p Program,
    before: &'p [Vec<u32>],
}

impl Text<'_> {
    fn inst(&self, pc: u32) -> &Inst {
        &self.program.code[pc as usize]
    }

    fn writes(&self, pc: u32, what: Touch) -> bool {
        self.program.writes(self.inst(pc)).contains(&what)
    }

    /// What `what` holds at `pc` comes from; nothing if that is not known. With `fences` it is not looked for beyond one.
    fn origin(&self, pc: u32, what: Touch, fences: bool, steps: &mut usize) -> Option<Origin> {
        let mut origin = Origin { by: Vec::new(), fenced: false };
        let mut seen = HashSet::new();
        let mut open = vec![pc];
        while let Some(at) = open.pop() {
            if self.before[at as usize].is_empty() {
                return None;
            }
            for from in &self.before[at as usize] {
                if !seen.insert(*from) {
                    continue;
                }
                *steps = steps.checked_sub(1)?;
                let inst = self.inst(*from);
                let writes = self.writes(*from, what);
                if writes {
                    origin.by.push(*from);
                }
                match inst.op {
                    _ if writes && inst.guard.pred == TRUE => {}
                    Op::WarpgroupFence if fences => origin.fenced = true,
                    Op::Call(_) | Op::Recurse(_) | Op::Results(_) | Op::Unwind(_) => return None,
                    _ => open.push(*from),
                }
            }
        }
        Some(origin)
    }

    /// The register that an instruction only copies.
    fn copied(&self, pc: u32) -> Option<Reg> {
        let inst = self.inst(pc);
        match inst.op {
            Op::Alu { a, wide: false, .. }
                if inst.opcode == Some(Opcode::Mov) && self.program.writes(inst).len() == 1 =>
            {
                Some(a)
            }
            _ => None,
        }
    }

    fn constant(&self, reg: Reg) -> Option<Constant> {
        self.program.constants.iter().find(|(row, ..)| *row == reg).map(|(_, constant, _)| *constant)
    }

    /// Whether `reg` is a constant at `pc`, this one if one is given.
    fn is_constant(&self, pc: u32, reg: Reg, value: Option<u32>, copies: u32, steps: &mut usize) -> bool {
        if copies == 0 {
            return false;
        }
        let Some(origin) = self.origin(pc, Touch::Row(reg), false, steps) else { return false };
        origin.by.iter().all(|by| match self.copied(*by) {
            Some(source) => match self.constant(source) {
                Some(Constant::Value(bits)) => value.is_none_or(|value| bits as u32 == value),
                Some(_) => value.is_none(),
                None => self.is_constant(*by, source, value, copies - 1, steps),
            },
            None => false,
        })
    }

    /// Whether `reg` at `pc` holds what was in some register at the last fence, whichever way control came.
    fn was_ready(&self, pc: u32, reg: Reg, copies: u32, steps: &mut usize) -> bool {
        if copies == 0 {
            return false;
        }
        let Some(origin) = self.origin(pc, Touch::Row(reg), true, steps) else { return false };
        origin.by.iter().all(|by| {
            let Some(source) = self.copied(*by).filter(|_| self.inst(*by).guard.pred == TRUE) else {
                return false;
            };
            let moves = self.constant(source).is_some() || self.is_product_register(source);
            !moves && self.is_last_use(*by, source, steps) && self.was_ready(*by, source, copies - 1, steps)
        })
    }

    /// Registers of products have their places: between two of them a copy stays one.
    fn is_product_register(&self, reg: Reg) -> bool {
        let holds = |inst: &Inst| match &inst.op {
            Op::WarpgroupProduct(product) => product.registers().any(|held| held == reg),
            _ => false,
        };
        self.program.code.iter().any(holds)
    }

    /// Whether nothing reads what `reg` holds after the instruction at `pc`.
    fn is_last_use(&self, pc: u32, reg: Reg, steps: &mut usize) -> bool {
        let what = Touch::Row(reg);
        let mut seen = HashSet::new();
        let mut open = Vec::new();
        self.inst(pc).successors(pc, |next| open.push(next));
        while let Some(at) = open.pop() {
            let Some(inst) = self.program.code.get(at as usize) else { continue };
            if !seen.insert(at) {
                continue;
            }
            match steps.checked_sub(1) {
                Some(left) => *steps = left,
                None => return false,
            }
            if self.program.reads(inst).contains(&what) {
                return false;
            }
            if !(self.writes(at, what) && inst.guard.pred == TRUE) {
                inst.successors(at, |next| open.push(next));
            }
        }
        true
    }

    /// Whether `scale-d` of the product at `pc`, which does not hold, is a constant.
    fn is_not_added(&self, pc: u32, steps: &mut usize) -> bool {
        let Some(product) = self.program.warpgroup_product(pc) else { return false };
        let scale = product.accumulate;
        if scale.pred == TRUE {
            return scale.negated;
        }
        let Some(origin) = self.origin(pc, Touch::Pred(scale.pred), false, steps) else { return false };
        let [by] = origin.by[..] else { return false };
        match self.inst(by) {
            Inst { op: Op::Compare { a, b, combine: None, .. }, guard, .. } if guard.pred == TRUE => [a, b]
                .into_iter()
                .all(|reg| self.constant(*reg).is_some() || self.is_constant(by, *reg, None, COPIES, steps)),
            _ => false,
        }
    }
}
