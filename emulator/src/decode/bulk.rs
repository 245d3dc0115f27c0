//! Bulk copies, with and without a tensor map, `st.async`, `red.async`, and changes of tensor maps (PTX ISA §9.7.9).

use super::{Decoder, Fail, Result, invalid};
use crate::address::Space;
use crate::alu::reduction;
use crate::program::{
    Address, AsyncStore, BulkCopy, Completion, Op, ReductionWord, TensorCopy, TensorDirection, TensorMapField,
};
use crate::tensor_map::Field;
use flashpage_ptx::ast::{Instruction, Mod, Operand};
use flashpage_ptx::words::{Space as Written, Type, Word};

/// The state spaces that an instruction names, in order.
fn spaces(inst: &Instruction) -> Vec<Written> {
    inst.mods.iter().filter_map(|m| if let Mod::Space(s) = m { Some(*s) } else { None }).collect()
}

/// The operation that an instruction reduces with.
fn reduction_word(inst: &Instruction) -> Result<ReductionWord> {
    const WORDS: [(Word, ReductionWord); 8] = [
        (Word::Add, ReductionWord::Add),
        (Word::Min, ReductionWord::Min),
        (Word::Max, ReductionWord::Max),
        (Word::Inc, ReductionWord::Inc),
        (Word::Dec, ReductionWord::Dec),
        (Word::And, ReductionWord::And),
        (Word::Or, ReductionWord::Or),
        (Word::Xor, ReductionWord::Xor),
    ];
    match WORDS.iter().find(|(word, _)| inst.has(*word)) {
        Some((_, word)) => Ok(*word),
        None => invalid("a reduction is .add, .min, .max, .inc, .dec, .and, .or or .xor"),
    }
}

/// What is left of the operands after a cache policy, which means nothing here, is taken off their end.
fn without_policy<'o>(
    decoder: &mut Decoder,
    inst: &Instruction,
    operands: &'o [Operand],
) -> Result<&'o [Operand]> {
    if !inst.has(Word::L2CacheHint) {
        return Ok(operands);
    }
    let Some((policy, rest)) = operands.split_last() else { return invalid("a cache policy is needed") };
    decoder.source(policy, Type::B64)?;
    Ok(rest)
}

impl Decoder<'_> {
    /// `cp.async.bulk*` and `cp.reduce.async.bulk*`
    pub(super) fn bulk(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        if has(Word::CommitGroup) {
            if !inst.operands.is_empty() {
                return invalid("cp.async.bulk.commit_group takes no operands");
            }
            self.emit(Op::BulkCommit);
            return Ok(());
        }
        if has(Word::WaitGroup) {
            let [Operand::Int(pending)] = inst.operands[..] else {
                return invalid("cp.async.bulk.wait_group takes a number");
            };
            let Ok(pending) = u32::try_from(pending) else {
                return invalid(format!("{pending} groups cannot be pending"));
            };
            self.emit(Op::BulkWait { pending, read: has(Word::Read) });
            return Ok(());
        }
        let refused = [
            Word::Im2col,
            Word::Im2colW,
            Word::ImmOffs,
            Word::TileGather4,
            Word::TileScatter4,
            Word::IgnoreOob,
        ];
        if refused.into_iter().any(has) {
            return Err(Fail::Unsupported);
        }
        if has(Word::Tensor) {
            return self.tensor_copy(inst);
        }
        if has(Word::Prefetch) {
            return self.bulk_prefetch(inst);
        }
        self.bulk_copy(inst)
    }

    /// `cp.async.bulk.prefetch.L2`: nothing to do, but its operands are read.
    fn bulk_prefetch(&mut self, inst: &Instruction) -> Result<()> {
        let [from, bytes] = without_policy(self, inst, &inst.operands)? else {
            return invalid("cp.async.bulk.prefetch takes an address and a size");
        };
        if spaces(inst) != [Written::Global] {
            return invalid("only global memory is prefetched");
        }
        if let Operand::Int(n) = bytes
            && (*n < 0 || n % 16 != 0)
        {
            return invalid(format!("bulk copies are of multiples of 16 bytes, not {n}"));
        }
        self.address(from, Space::Global)?;
        self.word(bytes)?;
        self.emit(Op::Nothing);
        Ok(())
    }

    fn bulk_copy(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        let (to_space, from_space) = match spaces(inst)[..] {
            [Written::SharedCluster | Written::SharedCta, Written::Global] => (Space::Shared, Space::Global),
            [Written::SharedCluster, Written::SharedCta] => (Space::Shared, Space::Shared),
            [Written::Global, Written::SharedCta] => (Space::Global, Space::Shared),
            _ => {
                return invalid(
                    "bulk copies go from .global to .shared::cluster or .shared::cta, from .shared::cta to \
                     .shared::cluster, or from .shared::cta to .global",
                );
            }
        };
        let to_shared = to_space == Space::Shared;
        if has(if to_shared { Word::BulkGroup } else { Word::MbarrierCompleteTxBytes })
            || !has(if to_shared { Word::MbarrierCompleteTxBytes } else { Word::BulkGroup })
        {
            return invalid(
                "copies to shared memory complete by .mbarrier::complete_tx::bytes, copies to global memory by \
                 .bulk_group",
            );
        }
        let multicasts = has(Word::MulticastCluster);
        if multicasts && (from_space, spaces(inst)[0]) != (Space::Global, Written::SharedCluster) {
            return invalid("only copies from .global to .shared::cluster are multicast");
        }
        if has(Word::CpMask) && to_shared {
            return invalid(".cp_mask is for copies to global memory");
        }
        let [to, from, bytes, rest @ ..] = &inst.operands[..] else {
            return invalid("a bulk copy takes two addresses and a size");
        };
        // The mask comes after the cache policy, everything else before it.
        let (rest, mask) = match (has(Word::CpMask), rest.split_last()) {
            (false, _) => (rest, None),
            (true, Some((mask, rest))) => (rest, Some(mask)),
            (true, None) => return invalid(".cp_mask needs a mask"),
        };
        let rest = without_policy(self, inst, rest)?;
        let (mbarrier, ranks) = match (rest, to_shared, multicasts) {
            ([], false, _) => (None, None),
            ([mbarrier], true, false) => (Some(mbarrier), None),
            ([mbarrier, ranks], true, true) => (Some(mbarrier), Some(ranks)),
            _ => return invalid("wrong number of operands of a bulk copy"),
        };
        if let Operand::Int(n) = bytes
            && (*n < 0 || n % 16 != 0)
        {
            return invalid(format!("bulk copies are of multiples of 16 bytes, not {n}"));
        }
        let reduction =
            if has(Word::Reduce) { Some(self.bulk_reduction(inst, from_space, to_space)?) } else { None };
        let (to, _) = self.address(to, to_space)?;
        let (from, _) = self.address(from, from_space)?;
        let bytes = self.word(bytes)?;
        let completion = match mbarrier {
            Some(mbarrier) => Completion::Mbarrier(self.address(mbarrier, Space::Shared)?.0),
            None => Completion::Group,
        };
        let multicast = ranks.map(|ranks| self.source(ranks, Type::B16)).transpose()?;
        let byte_mask = mask.map(|mask| self.source(mask, Type::B16)).transpose()?;
        self.emit(Op::BulkCopy(Box::new(BulkCopy {
            to,
            to_space,
            from,
            from_space,
            bytes,
            completion,
            multicast,
            reduction,
            byte_mask,
        })));
        Ok(())
    }

    /// What `cp.reduce.async.bulk` may do depends on where to.
    fn bulk_reduction(
        &self,
        inst: &Instruction,
        from: Space,
        to: Space,
    ) -> Result<crate::program::Reduction> {
        use ReductionWord::*;
        let word = reduction_word(inst)?;
        let Some(ty) = inst.ty(0) else { return invalid("a reduction has a type") };
        if from == Space::Global || inst.has(Word::CpMask) {
            return invalid("reductions go from .shared::cta to .shared::cluster or .global");
        }
        let global = to == Space::Global;
        let allowed: &[Type] = match (word, global) {
            (Add, true) => &[Type::U32, Type::S32, Type::U64, Type::F32, Type::F64, Type::F16, Type::Bf16],
            (Add, false) => &[Type::U32, Type::S32, Type::U64],
            (Min | Max, true) => &[Type::U32, Type::S32, Type::U64, Type::S64, Type::F16, Type::Bf16],
            (Min | Max, false) => &[Type::U32, Type::S32],
            (Inc | Dec, _) => &[Type::U32],
            (And | Or | Xor, true) => &[Type::B32, Type::B64],
            (And | Or | Xor, false) => &[Type::B32],
        };
        let needs_noftz = word == Add && matches!(ty, Type::F16 | Type::Bf16);
        if needs_noftz != inst.has(Word::Noftz) {
            return invalid(".noftz goes with .add of .f16 or .bf16, and only with it");
        }
        match reduction::function(word, ty) {
            Some(reduction) if allowed.contains(&ty) => Ok(reduction),
            _ => invalid(format!("there is no such reduction of .{ty} in this memory")),
        }
    }

    /// The tensor map's generic address and the coordinates, from `[map, {c0, c1}]`.
    fn map_and_coordinates(
        &mut self,
        operand: &Operand,
        rank: usize,
    ) -> Result<(Address, Box<[crate::program::Reg]>)> {
        let Operand::AddressList(list) = operand else {
            return invalid("a tensor map with coordinates, `[map, {c0, c1}]`, is needed");
        };
        let [map, Operand::Vector(coordinates)] = &list[..] else {
            return invalid("a tensor map with coordinates, `[map, {c0, c1}]`, is needed");
        };
        if coordinates.len() != rank {
            return invalid(format!("{} coordinates where {rank} are needed", coordinates.len()));
        }
        let (base, more) = match map {
            Operand::Address { base, offset } => (&**base, *offset),
            base => (base, 0),
        };
        let map = match base {
            Operand::Symbol { name, offset, .. } => {
                let constant = self.symbol(name, offset.wrapping_add(more), true)?;
                Address { base: self.constant(constant, true), wide: true, offset: 0 }
            }
            base => {
                let (base, wide) = self.loose_source(base, Type::U64)?;
                Address { base, wide, offset: more }
            }
        };
        let coordinates =
            coordinates.iter().map(|c| self.source(c, Type::S32)).collect::<Result<Vec<_>>>()?;
        Ok((map, coordinates.into()))
    }

    fn tensor_copy(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        let dims = [(Word::D1, 1), (Word::D2, 2), (Word::D3, 3), (Word::D4, 4), (Word::D5, 5)];
        let Some((_, rank)) = dims.into_iter().find(|(word, _)| has(*word)) else {
            return invalid("a tensor copy has .1d to .5d");
        };
        let prefetches = has(Word::Prefetch);
        let (direction, to_cluster) = match spaces(inst)[..] {
            [Written::Global] if prefetches => (TensorDirection::Prefetch, false),
            [Written::SharedCluster, Written::Global] if !prefetches => (TensorDirection::Load, true),
            [Written::SharedCta, Written::Global] if !prefetches => (TensorDirection::Load, false),
            [Written::Global, Written::SharedCta] if !prefetches => (TensorDirection::Store, false),
            _ => {
                return invalid(
                    "tensor copies go from .global to .shared::cluster or .shared::cta, or from .shared::cta to \
                     .global",
                );
            }
        };
        let reduces = has(Word::Reduce);
        if reduces && direction != TensorDirection::Store {
            return invalid("tensor reductions go from .shared::cta to .global");
        }
        let multicasts = has(Word::MulticastCluster);
        if multicasts && !to_cluster {
            return invalid("only copies from .global to .shared::cluster are multicast");
        }
        let completes = (has(Word::MbarrierCompleteTxBytes), has(Word::BulkGroup));
        let expected = (direction == TensorDirection::Load, direction == TensorDirection::Store);
        if completes != expected {
            return invalid(
                "loads complete by .mbarrier::complete_tx::bytes, stores by .bulk_group, prefetches by neither",
            );
        }
        let operands = without_policy(self, inst, &inst.operands)?;
        let (tensor, shared, mbarrier, ranks) = match (direction, operands) {
            (TensorDirection::Load, [shared, tensor, mbarrier]) if !multicasts => {
                (tensor, Some(shared), Some(mbarrier), None)
            }
            (TensorDirection::Load, [shared, tensor, mbarrier, ranks]) if multicasts => {
                (tensor, Some(shared), Some(mbarrier), Some(ranks))
            }
            (TensorDirection::Store, [tensor, shared]) => (tensor, Some(shared), None, None),
            (TensorDirection::Prefetch, [tensor]) => (tensor, None, None, None),
            _ => return invalid("wrong number of operands of a tensor copy"),
        };
        let (map, coordinates) = self.map_and_coordinates(tensor, rank)?;
        let shared = match shared {
            Some(shared) => self.address(shared, Space::Shared)?.0,
            None => Address { base: self.integer(0, true), wide: true, offset: 0 },
        };
        let completion = match mbarrier {
            Some(mbarrier) => Completion::Mbarrier(self.address(mbarrier, Space::Shared)?.0),
            None => Completion::Group,
        };
        let multicast = ranks.map(|ranks| self.source(ranks, Type::B16)).transpose()?;
        let reduction = if reduces { Some(reduction_word(inst)?) } else { None };
        self.emit(Op::TensorCopy(Box::new(TensorCopy {
            direction,
            map,
            coordinates,
            shared,
            completion,
            multicast,
            reduction,
        })));
        Ok(())
    }

    /// `st.async` and `red.async`
    pub(super) fn async_store(&mut self, inst: &Instruction, reduces: bool) -> Result<()> {
        let has = |word| inst.has(word);
        match spaces(inst)[..] {
            [] | [Written::SharedCluster] => {}
            _ => return Err(Fail::Unsupported),
        }
        if !has(Word::MbarrierCompleteTxBytes) {
            return invalid("this completes by .mbarrier::complete_tx::bytes");
        }
        let Some(ty) = inst.ty(0) else { return invalid("a type is needed") };
        let reduction = if reduces {
            use ReductionWord::*;
            let word = reduction_word(inst)?;
            let fits = match word {
                Add => matches!(ty, Type::U32 | Type::S32 | Type::U64 | Type::S64),
                Min | Max => matches!(ty, Type::U32 | Type::S32),
                Inc | Dec => ty == Type::U32,
                And | Or | Xor => ty == Type::B32,
            };
            match reduction::function(word, ty) {
                Some(reduction) if fits => Some(reduction),
                _ => return invalid(format!("there is no such red.async of .{ty}")),
            }
        } else {
            None
        };
        if !matches!(ty.bits(), 32 | 64) || matches!(ty, Type::F16x2 | Type::Bf16x2 | Type::Tf32) {
            return invalid(format!("there is no such instruction of .{ty}"));
        }
        let [to, value, mbarrier] = &inst.operands[..] else {
            return invalid("this takes an address, a value and the address of an mbarrier");
        };
        let count = [(Word::V2, 2), (Word::V4, 4)].into_iter().find(|(w, _)| has(*w)).map_or(1, |(_, n)| n);
        let list = match value {
            Operand::Vector(list) => &list[..],
            one => std::slice::from_ref(one),
        };
        if list.len() != count || (reduces && count != 1) {
            return invalid(format!("{} registers for {count} elements", list.len()));
        }
        let wide = ty.bits() == 64;
        let mut elements = Vec::new();
        for operand in list {
            elements.push((self.source(operand, ty)?, wide));
        }
        let (to, _) = self.address(to, Space::Shared)?;
        let (mbarrier, _) = self.address(mbarrier, Space::Shared)?;
        self.emit(Op::AsyncStore(Box::new(AsyncStore {
            to,
            width: ty.bytes() as u8,
            elements: elements.into(),
            mbarrier,
            reduction,
        })));
        Ok(())
    }

    /// `tensormap.*`
    pub(super) fn tensor_map(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        if has(Word::CpFenceprox) {
            let [to, from, Operand::Int(bytes)] = &inst.operands[..] else {
                return invalid("tensormap.cp_fenceproxy takes two addresses and a size");
            };
            if *bytes != 128 || spaces(inst) != [Written::Global, Written::SharedCta] {
                return invalid("tensormap.cp_fenceproxy copies 128 bytes from .shared::cta to .global");
            }
            let (to, _) = self.address(to, Space::Global)?;
            let (from, _) = self.address(from, Space::Shared)?;
            self.emit(Op::TensorMapCopy { to, from, bytes: 128 });
            return Ok(());
        }
        if !has(Word::Replace) || !has(Word::Tile) {
            return Err(Fail::Unsupported);
        }
        let space = match spaces(inst)[..] {
            [] => Space::Generic,
            [Written::Global] => Space::Global,
            [Written::SharedCta] => Space::Shared,
            _ => return invalid("a tensor map is changed in .global or .shared::cta memory"),
        };
        let (at, ordinal, value) = match &inst.operands[..] {
            [at, value] => (at, None, value),
            [at, Operand::Int(ordinal @ 0..=4), value] => (at, Some(*ordinal as u8), value),
            _ => {
                return invalid(
                    "tensormap.replace takes an address, which of the fields (0 to 4), and a value",
                );
            }
        };
        let (field, wide) = match ordinal {
            None if has(Word::GlobalAddress) => (Field::GlobalAddress, true),
            None if has(Word::Rank) => (Field::Rank, false),
            None if has(Word::Elemtype) => (Field::Elemtype, false),
            None if has(Word::InterleaveLayout) => (Field::InterleaveLayout, false),
            None if has(Word::SwizzleMode) => (Field::SwizzleMode, false),
            None if has(Word::FillMode) => (Field::FillMode, false),
            Some(i) if has(Word::BoxDim) => (Field::BoxDim(i), false),
            Some(i) if has(Word::GlobalDim) => (Field::GlobalDim(i), false),
            Some(i @ 0..=3) if has(Word::GlobalStride) => (Field::GlobalStride(i), true),
            Some(i) if has(Word::ElementStride) => (Field::ElementStride(i), false),
            _ => return invalid("this field is not replaced with these operands"),
        };
        let ty = inst.mods.iter().rev().find_map(|m| if let Mod::Ty(ty) = m { Some(*ty) } else { None });
        let Some(ty @ (Type::B32 | Type::B64)) = ty else { return invalid("the value is .b32 or .b64") };
        if (ty == Type::B64) != wide {
            return invalid(format!("the value of this field is .b{}", if wide { 64 } else { 32 }));
        }
        let (at, space) = self.address(at, space)?;
        let value = self.source(value, ty)?;
        self.emit(Op::TensorMapField(Box::new(TensorMapField { space, at, field, value, wide })));
        Ok(())
    }
}
