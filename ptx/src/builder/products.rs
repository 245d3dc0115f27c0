//! Matrix products and the moves of their factors (PTX ISA §9.7.14 and §9.7.15).

use super::{Builder, Reg, address, space, ty, vector, word};
use crate::ast::{Mod, Operand};
use crate::words::{Opcode, Space, Type, Word};

impl Builder {
    /// `ldmatrix.sync.aligned.m8n8.x4[.trans].shared.b16`: four registers of group `d`.
    pub fn ldmatrix_x4(&mut self, d: &str, at: &Reg, offset: usize, transposed: bool) -> [Reg; 4] {
        let d: [Reg; 4] = std::array::from_fn(|_| self.reg(Type::B32, d));
        let mut mods = vec![word(Word::Sync), word(Word::Aligned), word(Word::M8n8), word(Word::X4)];
        mods.extend(transposed.then_some(word(Word::Trans)));
        mods.extend([space(Space::Shared), ty(Type::B16)]);
        let data = vector(&d.each_ref());
        self.emit(Opcode::Ldmatrix, &mods, vec![data, address(at, offset as i64)]);
        d
    }

    /// `stmatrix.sync.aligned.m8n8.x4.shared.b16`
    pub fn stmatrix_x4(&mut self, to: &Reg, offset: usize, data: [&Reg; 4]) {
        let mods = [
            word(Word::Sync),
            word(Word::Aligned),
            word(Word::M8n8),
            word(Word::X4),
            space(Space::Shared),
            ty(Type::B16),
        ];
        self.emit(Opcode::Stmatrix, &mods, vec![address(to, offset as i64), vector(&data)]);
    }

    /// `mma.sync.aligned.m16n8k16.row.col.f32.T.T.f32`: `d = a b + c`, with factors of type `element`; of tf32 k is 8.
    pub fn mma_m16n8(&mut self, element: Type, d: &[Reg; 4], a: &[Reg; 4], b: [&Reg; 2], c: [&Reg; 4]) {
        let mods = [
            word(Word::Sync),
            word(Word::Aligned),
            Mod::Shape { m: 16, n: 8, k: if element == Type::Tf32 { 8 } else { 16 } },
            word(Word::Row),
            word(Word::Col),
            ty(Type::F32),
            ty(element),
            ty(element),
            ty(Type::F32),
        ];
        let operands = vec![vector(&d.each_ref()), vector(&a.each_ref()), vector(&b), vector(&c)];
        self.emit(Opcode::Mma, &mods, operands);
    }

    /// `wgmma.mma_async.sync.aligned.m64nNkK.f32.T.T`: `d += a b`, or `d = a b` where `add` is false. `a` is a descriptor or
    /// four registers, `b` a descriptor, transposed or not. K is 16 of f16 and bf16, and 32 of the floats of 8 bits, of which each factor has
    /// a type of its own and neither is transposed.
    pub fn wgmma_m64(
        &mut self,
        (n, [of_a, of_b]): (usize, [Type; 2]),
        d: &[&Reg],
        a: WgmmaFactor<'_>,
        (b, b_transposed): (&Reg, bool),
        add: &Reg,
    ) {
        let is_of_bytes = matches!(of_b, Type::E4m3 | Type::E5m2);
        debug_assert!(!(is_of_bytes && b_transposed), "factors of 8 bits are not transposed");
        let mods = [
            word(Word::MmaAsync),
            word(Word::Sync),
            word(Word::Aligned),
            Mod::Shape { m: 64, n: n as u16, k: if is_of_bytes { 32 } else { 16 } },
            ty(Type::F32),
            ty(of_a),
            ty(of_b),
        ];
        let first: Operand = match a {
            WgmmaFactor::Shared(descriptor) => descriptor.into(),
            WgmmaFactor::Registers(registers) => vector(&registers.each_ref()),
        };
        // Both factors as they are, not negated.
        let mut operands = vec![vector(d), first, b.into(), add.into(), 1.into(), 1.into()];
        if !is_of_bytes {
            operands.extend(matches!(a, WgmmaFactor::Shared(_)).then(|| Operand::from(0)));
            operands.push(i32::from(b_transposed).into());
        }
        self.emit(Opcode::Wgmma, &mods, operands);
    }

    /// `wgmma.fence.sync.aligned`
    pub fn wgmma_fence(&mut self) {
        self.emit(Opcode::Wgmma, &[word(Word::Fence), word(Word::Sync), word(Word::Aligned)], vec![]);
    }

    /// `wgmma.commit_group.sync.aligned`
    pub fn wgmma_commit_group(&mut self) {
        self.emit(Opcode::Wgmma, &[word(Word::CommitGroup), word(Word::Sync), word(Word::Aligned)], vec![]);
    }

    /// `wgmma.wait_group.sync.aligned N`
    pub fn wgmma_wait_group(&mut self, groups: usize) {
        let mods = [word(Word::WaitGroup), word(Word::Sync), word(Word::Aligned)];
        self.emit(Opcode::Wgmma, &mods, vec![groups.into()]);
    }
}

/// The first factor of a `wgmma`.
#[derive(Clone, Copy, Debug)]
pub enum WgmmaFactor<'a> {
    /// A descriptor of shared memory, its depth along rows of memory.
    Shared(&'a Reg),
    /// Four registers of a fragment.
    Registers(&'a [Reg; 4]),
}
