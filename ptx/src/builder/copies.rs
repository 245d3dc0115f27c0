//! Asynchronous copies: of lanes (`cp.async`, PTX ISA §9.7.9.25.3) and in bulk (`cp.async.bulk.tensor`, §9.7.9.25.5).

use super::{Builder, Reg, address, space, ty, vector, word};
use crate::ast::Operand;
use crate::words::{Opcode, Space, Type, Word};

impl Builder {
    /// `cp.async.cg.shared.global.L2::128B`: 16 bytes past L1, of which `size` are read and the rest is zero, where it is
    /// given, under a cache policy where one is given. L2 fetches the whole line of 128 bytes.
    pub fn cp_async_16(
        &mut self,
        to: (&Reg, usize),
        from: (&Reg, usize),
        size: Option<&Reg>,
        policy: Option<&Reg>,
    ) {
        self.cp_async((Word::Cg, 16), to, from, (size, policy));
    }

    /// `cp.async.ca.shared.global.L2::128B`: 8 bytes, which go through L1, else as [`Builder::cp_async_16`].
    pub fn cp_async_8(&mut self, to: (&Reg, usize), from: (&Reg, usize), size: Option<&Reg>) {
        self.cp_async((Word::Ca, 8), to, from, (size, None));
    }

    fn cp_async(
        &mut self,
        (cached, bytes): (Word, usize),
        to: (&Reg, usize),
        from: (&Reg, usize),
        (size, policy): (Option<&Reg>, Option<&Reg>),
    ) {
        let mut mods = vec![word(Word::Async), word(cached), space(Space::Shared), space(Space::Global)];
        mods.extend(policy.map(|_| word(Word::L2CacheHint)));
        mods.push(word(Word::L2128B));
        let mut operands = vec![address(to.0, to.1 as i64), address(from.0, from.1 as i64), bytes.into()];
        operands.extend(size.into_iter().chain(policy).map(Operand::from));
        self.emit(Opcode::Cp, &mods, operands);
    }

    /// `cp.async.commit_group`
    pub fn cp_async_commit_group(&mut self) {
        self.emit(Opcode::Cp, &[word(Word::Async), word(Word::CommitGroup)], vec![]);
    }

    /// `cp.async.wait_group N`
    pub fn cp_async_wait_group(&mut self, groups: usize) {
        self.emit(Opcode::Cp, &[word(Word::Async), word(Word::WaitGroup)], vec![groups.into()]);
    }

    /// `cp.async.wait_all`
    pub fn cp_async_wait_all(&mut self) {
        self.emit(Opcode::Cp, &[word(Word::Async), word(Word::WaitAll)], vec![]);
    }

    /// `cp.async.bulk.tensor.{3,5}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes`: a box of the tensor that `map`
    /// describes, whose bytes are counted at `barrier`, under a cache policy where one is given.
    pub fn bulk_tensor_load(
        &mut self,
        to: &Reg,
        (map, coordinates): (&Reg, &[&Reg]),
        (barrier, offset): (&Reg, usize),
        policy: Option<&Reg>,
    ) {
        let mut mods = vec![
            word(Word::Async),
            word(Word::Bulk),
            word(Word::Tensor),
            word(if coordinates.len() == 3 { Word::D3 } else { Word::D5 }),
            space(Space::SharedCluster),
            space(Space::Global),
            word(Word::Tile),
            word(Word::MbarrierCompleteTxBytes),
        ];
        mods.extend(policy.map(|_| word(Word::L2CacheHint)));
        let from = Operand::AddressList(vec![map.into(), vector(coordinates)]);
        let mut operands = vec![address(to, 0), from, address(barrier, offset as i64)];
        operands.extend(policy.map(Operand::from));
        self.emit(Opcode::Cp, &mods, operands);
    }

    /// `cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group`: a box to the tensor that `map` describes.
    pub fn bulk_tensor_store_3d(&mut self, (map, coordinates): (&Reg, [&Reg; 3]), from: &Reg, offset: usize) {
        let mods = [
            word(Word::Async),
            word(Word::Bulk),
            word(Word::Tensor),
            word(Word::D3),
            space(Space::Global),
            space(Space::SharedCta),
            word(Word::Tile),
            word(Word::BulkGroup),
        ];
        let to = Operand::AddressList(vec![map.into(), vector(&coordinates)]);
        self.emit(Opcode::Cp, &mods, vec![to, address(from, offset as i64)]);
    }

    /// `cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes[.L2::cache_hint]`: so many bytes, a multiple of 16, between
    /// addresses that are multiples of 16.
    pub fn bulk_load(
        &mut self,
        to: &Reg,
        from: &Reg,
        bytes: impl Into<Operand>,
        (barrier, offset): (&Reg, usize),
        policy: Option<&Reg>,
    ) {
        let mut mods = vec![
            word(Word::Async),
            word(Word::Bulk),
            space(Space::SharedCluster),
            space(Space::Global),
            word(Word::MbarrierCompleteTxBytes),
        ];
        mods.extend(policy.map(|_| word(Word::L2CacheHint)));
        let mut operands =
            vec![address(to, 0), address(from, 0), bytes.into(), address(barrier, offset as i64)];
        operands.extend(policy.map(Operand::from));
        self.emit(Opcode::Cp, &mods, operands);
    }

    /// `cp.async.bulk.commit_group`
    pub fn bulk_commit_group(&mut self) {
        self.emit(Opcode::Cp, &[word(Word::Async), word(Word::Bulk), word(Word::CommitGroup)], vec![]);
    }

    /// `cp.async.bulk.wait_group.read N`: but for so many groups, bulk copies have read what they store.
    pub fn bulk_wait_group_read(&mut self, groups: usize) {
        let mods = [word(Word::Async), word(Word::Bulk), word(Word::WaitGroup), word(Word::Read)];
        self.emit(Opcode::Cp, &mods, vec![groups.into()]);
    }

    /// `prefetch.tensormap`
    pub fn prefetch_tensormap(&mut self, map: &Reg) {
        self.emit(Opcode::Prefetch, &[word(Word::Tensormap)], vec![address(map, 0)]);
    }

    /// `createpolicy.fractional.PRIORITY.b64`, of all that is accessed.
    pub fn createpolicy(&mut self, d: &str, priority: Word) -> Reg {
        let mods = [word(Word::Fractional), word(priority), ty(Type::B64)];
        self.op(Opcode::Createpolicy, &mods, Type::B64, d, vec![1.0f32.into()])
    }
}
