//! Where control goes after an instruction, within one function: calls come back, and what a `ret` leads to is not said.

use super::{Inst, Op, Program, TRUE, Touch};
use hashbrown::HashSet;

impl Inst {
    /// Calls `each` with every instruction that may come next.
    pub fn successors(&self, pc: u32, mut each: impl FnMut(u32)) {
        let falls = match &self.op {
            Op::Branch { target } => {
                each(*target);
                false
            }
            Op::BranchIndexed { targets, .. } => {
                targets.iter().for_each(|target| each(*target));
                false
            }
            Op::Exit | Op::Trap | Op::Return { .. } => false,
            _ => true,
        };
        if falls || self.guard.pred != TRUE {
            each(pc + 1);
        }
    }
}

impl Program {
    /// What an instruction reads; the predicate of its guard, if it has one, is the last.
    #[inline(always)]
    pub fn reads(&self, inst: &Inst) -> &[Touch] {
        &self.operands[inst.reads.0 as usize..inst.reads.1 as usize]
    }

    /// What an instruction writes.
    #[inline(always)]
    pub fn writes(&self, inst: &Inst) -> &[Touch] {
        &self.operands[inst.writes.0 as usize..inst.writes.1 as usize]
    }

    /// Whether control may get from one instruction to another, or to itself; `steps` are taken off as it is looked for,
    /// and no answer is found once they are spent.
    pub fn reaches(&self, from: u32, to: u32, steps: &mut usize) -> Option<bool> {
        let mut seen: HashSet<u32> = HashSet::from([from]);
        let mut open = vec![from];
        while let Some(pc) = open.pop() {
            if pc == to {
                return Some(true);
            }
            *steps = steps.checked_sub(1)?;
            if let Some(inst) = self.code.get(pc as usize) {
                inst.successors(pc, |next| {
                    if seen.insert(next) {
                        open.push(next);
                    }
                });
            }
        }
        Some(false)
    }
}
