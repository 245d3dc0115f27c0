//! What blocks of a cluster, and warpgroups, do together: barriers, whose shared memory an address is in, registers
//! handed from one to the other.

use super::{Decoder, Result, invalid};
use crate::address::{RANK_SHIFT, Space, resolve};
use crate::alu::lanes::test;
use crate::program::{ClusterBarrier, Op};
use flashpage_ptx::ast::{Instruction, Operand};
use flashpage_ptx::words::{Special, Type, Word};

impl Decoder<'_> {
    /// `isspacep.shared::cta`: an address in the shared memory of this block, not of another in its cluster.
    pub(super) fn is_own_shared(&mut self, inst: &Instruction) -> Result<()> {
        let [d, a] = &inst.operands[..] else { return invalid("isspacep takes two operands") };
        let own = test(|a: u64, rank: u64| {
            let (space, at) = resolve(a);
            space == Space::Shared && at >> RANK_SHIFT == rank
        });
        let a = self.source(a, Type::U64)?;
        let b = self.source(&Operand::Special(Special::ClusterCtarank, None), Type::U64)?;
        let d = self.predicate_or_sink(d)?;
        self.emit(Op::Compare { run: own.run, a, b, d, q: None, combine: None });
        Ok(())
    }

    /// `barrier.cluster.arrive` and `.wait`
    pub(super) fn cluster_barrier(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        if !inst.operands.is_empty() {
            return invalid("barrier.cluster takes no operands");
        }
        let arrives = match (has(Word::Arrive), has(Word::Wait)) {
            (true, false) => true,
            (false, true) => false,
            _ => return invalid("barrier.cluster is .arrive or .wait"),
        };
        let fits = if arrives { !has(Word::Acquire) } else { !has(Word::Release) && !has(Word::Relaxed) };
        if !fits {
            return invalid("an arrival is .release or .relaxed, a wait is .acquire");
        }
        self.emit(Op::ClusterBarrier(ClusterBarrier { arrives, ordered: !has(Word::Relaxed) }));
        Ok(())
    }

    /// `setmaxnreg`: registers are never short here, but what it asks for must be possible.
    pub(super) fn set_max_registers(&mut self, inst: &Instruction) -> Result<()> {
        let [Operand::Int(count)] = inst.operands[..] else {
            return invalid("setmaxnreg takes a number, a multiple of 8 from 24 to 256");
        };
        if !(24..=256).contains(&count) || count % 8 != 0 {
            return invalid(format!("setmaxnreg takes a multiple of 8 from 24 to 256, not {count}"));
        }
        if inst.has(Word::Inc) == inst.has(Word::Dec) {
            return invalid("setmaxnreg is .inc or .dec");
        }
        self.emit(Op::Nothing);
        Ok(())
    }
}
