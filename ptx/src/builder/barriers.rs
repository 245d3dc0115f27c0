//! Barriers in shared memory and by name, and fences (PTX ISA §9.7.13).

use super::{Builder, Reg, address, space, ty, word};
use crate::ast::Operand;
use crate::words::{Opcode, Space, Type, Word};

impl Builder {
    /// `mbarrier.init.shared.b64`
    pub fn mbarrier_init(&mut self, at: &Reg, offset: usize, arrivals: usize) {
        let mods = [word(Word::Init), space(Space::Shared), ty(Type::B64)];
        self.emit(Opcode::Mbarrier, &mods, vec![address(at, offset as i64), arrivals.into()]);
    }

    /// `mbarrier.try_wait.parity.shared.b64`: whether the phase of this parity is over.
    pub fn mbarrier_try_wait_parity(&mut self, d: &str, at: &Reg, offset: usize, parity: &Reg) -> Reg {
        let mods = [word(Word::TryWait), word(Word::Parity), space(Space::Shared), ty(Type::B64)];
        let from = vec![address(at, offset as i64), parity.into()];
        self.op(Opcode::Mbarrier, &mods, Type::Pred, d, from)
    }

    /// `mbarrier.arrive.shared.b64`, so many times.
    pub fn mbarrier_arrive(&mut self, at: &Reg, offset: usize, count: usize) {
        let mods = [word(Word::Arrive), space(Space::Shared), ty(Type::B64)];
        let mut from = vec![address(at, offset as i64)];
        from.extend((count > 1).then(|| Operand::from(count)));
        self.op(Opcode::Mbarrier, &mods, Type::B64, "arrival", from);
    }

    /// `mbarrier.arrive.expect_tx.shared.b64`: arrives, and says how many bytes come.
    pub fn mbarrier_arrive_expect_tx(&mut self, at: &Reg, offset: usize, bytes: impl Into<Operand>) {
        let mods = [word(Word::Arrive), word(Word::ExpectTx), space(Space::Shared), ty(Type::B64)];
        let from = vec![address(at, offset as i64), bytes.into()];
        self.op(Opcode::Mbarrier, &mods, Type::B64, "arrival", from);
    }

    /// `cp.async.mbarrier.arrive.noinc.shared.b64`: arrives once all copies that this thread began (`cp.async`) have landed.
    pub fn cp_async_mbarrier_arrive(&mut self, at: &Reg, offset: usize) {
        let mods = [
            word(Word::Async),
            word(Word::Mbarrier),
            word(Word::Arrive),
            word(Word::Noinc),
            space(Space::Shared),
            ty(Type::B64),
        ];
        self.emit(Opcode::Cp, &mods, vec![address(at, offset as i64)]);
    }

    /// `bar.sync` of so many threads at a named barrier.
    pub fn named_sync(&mut self, barrier: impl Into<Operand>, threads: usize) {
        self.emit(Opcode::Bar, &[word(Word::Sync)], vec![barrier.into(), threads.into()]);
    }

    /// `bar.arrive` of so many threads at a named barrier.
    pub fn named_arrive(&mut self, barrier: impl Into<Operand>, threads: usize) {
        self.emit(Opcode::Bar, &[word(Word::Arrive)], vec![barrier.into(), threads.into()]);
    }

    /// `fence.proxy.async.shared::cta`
    pub fn fence_proxy_async_shared(&mut self) {
        self.emit(Opcode::Fence, &[word(Word::Proxy), word(Word::Async), space(Space::SharedCta)], vec![]);
    }

    /// `fence.mbarrier_init.release.cluster`
    pub fn fence_mbarrier_init(&mut self) {
        self.emit(
            Opcode::Fence,
            &[word(Word::MbarrierInit), word(Word::Release), word(Word::Cluster)],
            vec![],
        );
    }

    /// `vote.sync.any.pred` of a whole warp.
    pub fn vote_any(&mut self, d: &str, predicate: &Reg) -> Reg {
        let mods = [word(Word::Sync), word(Word::Any), ty(Type::Pred)];
        self.op(Opcode::Vote, &mods, Type::Pred, d, vec![predicate.into(), Operand::Int(-1)])
    }

    /// `setmaxnreg.{inc,dec}.sync.aligned.u32`
    pub fn setmaxnreg(&mut self, change: Word, registers: u32) {
        let mods = [word(change), word(Word::Sync), word(Word::Aligned), ty(Type::U32)];
        self.emit(Opcode::Setmaxnreg, &mods, vec![registers.into()]);
    }
}
