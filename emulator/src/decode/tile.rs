//! Matrix products other than those of 16-bit floats, tf32 and bytes with sixteen rows, and `wmma` as a whole
//! (PTX ISA §9.7.14.4–5).

use super::memory::space_of;
use super::{Decoder, Fail, Result, invalid};
use crate::program::{Layout, Op, Reg, Tile, TileAccess, TileElement, TileProduct, Touch};
use flashpage_ptx::ast::{Instruction, Mod, Operand};
use flashpage_ptx::words::{Type, Word};

/// What a matrix of a product is.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    A,
    B,
    Accumulator,
}

fn element(ty: Option<Type>) -> Result<TileElement> {
    Ok(match ty {
        Some(Type::F16) => TileElement::F16,
        Some(Type::Bf16) => TileElement::Bf16,
        Some(Type::Tf32) => TileElement::Tf32,
        Some(Type::E4m3) => TileElement::E4m3,
        Some(Type::E5m2) => TileElement::E5m2,
        Some(Type::F32) => TileElement::F32,
        Some(Type::F64) => TileElement::F64,
        Some(Type::S32) => TileElement::S32,
        Some(Type::S8) => TileElement::S8,
        Some(Type::U8) => TileElement::U8,
        Some(Type::S4) => TileElement::S4,
        Some(Type::U4) => TileElement::U4,
        Some(Type::B1) => TileElement::B1,
        _ => return Err(Fail::Unsupported),
    })
}

fn shape(inst: &Instruction) -> Result<[u16; 3]> {
    inst.mods
        .iter()
        .find_map(|m| if let Mod::Shape { m, n, k } = m { Some([*m, *n, *k]) } else { None })
        .ok_or(Fail::Unsupported)
}

/// `.row` and `.col` in the order they are written; true for rows.
fn orders(inst: &Instruction) -> Vec<bool> {
    let order = |m: &Mod| match m {
        Mod::Word(Word::Row) => Some(true),
        Mod::Word(Word::Col) => Some(false),
        _ => None,
    };
    inst.mods.iter().filter_map(order).collect()
}

/// Whether two factors can be multiplied into such accumulators.
fn fits(a: TileElement, b: TileElement, c: TileElement, d: TileElement) -> bool {
    use TileElement::*;
    match a {
        F16 => b == F16 && matches!(c, F16 | F32) && matches!(d, F16 | F32),
        Bf16 | Tf32 => b == a && c == F32 && d == F32,
        E4m3 | E5m2 => matches!(b, E4m3 | E5m2) && c == d && matches!(c, F16 | F32),
        F64 => b == F64 && c == F64 && d == F64,
        S8 | U8 => matches!(b, S8 | U8) && c == S32 && d == S32,
        S4 | U4 => matches!(b, S4 | U4) && c == S32 && d == S32,
        B1 => b == B1 && c == S32 && d == S32,
        F32 | S32 => false,
    }
}

impl Decoder<'_> {
    /// The registers of a matrix, of as many as its lanes need.
    fn tile(
        &mut self,
        operand: &Operand,
        (element, layout): (TileElement, Layout),
        (outer, inner): (u16, u16),
        count: usize,
        written: bool,
    ) -> Result<Tile> {
        let list = match operand {
            Operand::Vector(list) => &list[..],
            one => std::slice::from_ref(one),
        };
        if list.len() != count {
            return invalid(format!("a fragment has {} registers where {count} are needed", list.len()));
        }
        let wide = element == TileElement::F64;
        let mut registers: Vec<Reg> = Vec::new();
        for operand in list {
            registers.push(match written {
                true => self.destination(operand, wide)?,
                false => self.source(operand, if wide { Type::B64 } else { Type::B32 })?,
            });
        }
        Ok(Tile { element, layout, outer, inner, registers: registers.into() })
    }

    /// `mma` of the shapes that [`Decoder::collective`] does not take.
    pub(super) fn tile_product(&mut self, inst: &Instruction) -> Result<()> {
        use TileElement::*;
        let [d, a, b, c] = &inst.operands[..] else { return Err(Fail::Unsupported) };
        let [of_d, of_a, of_b, of_c] = [0, 1, 2, 3].map(|n| element(inst.ty(n)));
        let (of_d, of_a, of_b, of_c) = (of_d?, of_a?, of_b?, of_c?);
        let size @ [m, n, k] = shape(inst)?;
        let known = match of_a {
            F16 => size == [8, 8, 4],
            E4m3 | E5m2 => matches!(size, [16, 8, 16 | 32]),
            S8 | U8 => size == [8, 8, 16],
            S4 | U4 => matches!(size, [8, 8, 32] | [16, 8, 32 | 64]),
            B1 => matches!(size, [8, 8, 128] | [16, 8, 128 | 256]),
            F64 => matches!(size, [8, 8, 4] | [16, 8, 4 | 8 | 16]),
            _ => false,
        };
        let [a_rows, b_rows] = orders(inst)[..] else {
            return invalid("mma takes the order of A and that of B");
        };
        let quads = of_a == F16;
        // Only for bits is it told how they combine.
        let combines = inst.has(Word::Popc) && (inst.has(Word::Xor) || inst.has(Word::And));
        if !known
            || !fits(of_a, of_b, of_c, of_d)
            || !(quads || (a_rows && !b_rows))
            || combines != (of_a == B1)
            || (quads && of_d == F16 && of_c == F32)
        {
            return Err(Fail::Unsupported);
        }
        // Products of a quarter of the warp have eight lanes to themselves.
        let lanes = if quads { 8 } else { 32 };
        let registers = |outer: u16, inner: u16, e: TileElement| {
            outer as usize * inner as usize / (lanes * e.per_register())
        };
        let layout = |role: Role, e: TileElement| match (quads, role) {
            (false, Role::Accumulator) => Layout::Pairs,
            (false, _) => Layout::Groups,
            (true, Role::A) => Layout::QuadFactor { by_lane: a_rows },
            (true, Role::B) => Layout::QuadFactor { by_lane: !b_rows },
            (true, Role::Accumulator) if e == F16 => Layout::QuadFactor { by_lane: true },
            (true, Role::Accumulator) => Layout::QuadSum,
        };
        let a = self.tile(a, (of_a, layout(Role::A, of_a)), (m, k), registers(m, k, of_a), false)?;
        let b = self.tile(b, (of_b, layout(Role::B, of_b)), (n, k), registers(n, k, of_b), false)?;
        let c =
            self.tile(c, (of_c, layout(Role::Accumulator, of_c)), (m, n), registers(m, n, of_c), false)?;
        let d = self.tile(d, (of_d, layout(Role::Accumulator, of_d)), (m, n), registers(m, n, of_d), true)?;
        self.emit_product(inst, [a, b, c, d])
    }

    fn emit_product(&mut self, inst: &Instruction, [a, b, c, d]: [Tile; 4]) -> Result<()> {
        let rounding = [(Word::Rz, 'z'), (Word::Rm, 'm'), (Word::Rp, 'p')];
        let rounding = rounding.into_iter().find(|(w, _)| inst.has(*w)).map_or('n', |(_, c)| c);
        let product = TileProduct {
            a,
            b,
            c,
            d,
            rounding,
            saturate: inst.has(Word::Satfinite),
            both: inst.has(Word::And),
        };
        self.emit(Op::TileProduct(Box::new(product)));
        Ok(())
    }

    /// `wmma.load`, `wmma.store`, `wmma.mma`.
    pub(super) fn wmma(&mut self, inst: &Instruction) -> Result<()> {
        if inst.has(Word::Mma) { self.wmma_product(inst) } else { self.wmma_access(inst) }
    }

    fn wmma_product(&mut self, inst: &Instruction) -> Result<()> {
        let [d, a, b, c] = &inst.operands[..] else { return invalid("wmma.mma takes four fragments") };
        let size @ [m, n, k] = shape(inst)?;
        // With two types they are those of D and C, and the factors are halves.
        let types = match inst.ty(2) {
            None => [inst.ty(0), Some(Type::F16), Some(Type::F16), inst.ty(1)],
            Some(_) => [0, 1, 2, 3].map(|n| inst.ty(n)),
        };
        let [of_d, of_a, of_b, of_c] = types.map(element);
        let (of_d, of_a, of_b, of_c) = (of_d?, of_a?, of_b?, of_c?);
        let ordered = orders(inst).len() == 2;
        let combines = inst.has(Word::Popc) && (inst.has(Word::Xor) || inst.has(Word::And));
        if !fits(of_a, of_b, of_c, of_d) || !of_a.in_wmma(size) || !ordered {
            return Err(Fail::Unsupported);
        }
        if combines != (of_a == TileElement::B1) || (of_a != of_b) {
            return Err(Fail::Unsupported);
        }
        let a = self.tile(a, (of_a, Layout::Linear), (m, k), of_a.registers(m, k), false)?;
        let b = self.tile(b, (of_b, Layout::Linear), (n, k), of_b.registers(n, k), false)?;
        let c = self.tile(c, (of_c, Layout::Linear), (m, n), of_c.sum_registers(m, n), false)?;
        let d = self.tile(d, (of_d, Layout::Linear), (m, n), of_d.sum_registers(m, n), true)?;
        self.emit_product(inst, [a, b, c, d])
    }

    fn wmma_access(&mut self, inst: &Instruction) -> Result<()> {
        let loads = inst.has(Word::Load);
        let role = match (loads, inst.has(Word::A), inst.has(Word::B)) {
            (true, true, _) => Role::A,
            (true, _, true) => Role::B,
            (true, ..) if inst.has(Word::C) => Role::Accumulator,
            (false, ..) if inst.has(Word::Store) && inst.has(Word::D) => Role::Accumulator,
            _ => return Err(Fail::Unsupported),
        };
        let (registers, address, stride) = match &inst.operands[..] {
            [registers, address, rest @ ..] if loads && rest.len() < 2 => (registers, address, rest.first()),
            [address, registers, rest @ ..] if !loads && rest.len() < 2 => (registers, address, rest.first()),
            _ => return invalid("a fragment, an address and perhaps a stride are needed"),
        };
        let size @ [m, n, k] = shape(inst)?;
        let of = element(inst.ty(0))?;
        let [by_rows] = orders(inst)[..] else { return invalid("`.row` or `.col` is needed") };
        let (outer, inner, count, along) = match role {
            Role::A => (m, k, of.registers(m, k), by_rows),
            Role::B => (n, k, of.registers(n, k), !by_rows),
            Role::Accumulator => (m, n, of.sum_registers(m, n), by_rows),
        };
        let known = match role {
            // Which depth belongs to which type of sum.
            Role::Accumulator => match of {
                TileElement::F16 => matches!(size, [16, 16, 16] | [32, 8, 16] | [8, 32, 16]),
                TileElement::F32 => matches!(size, [16, 16, 16 | 8] | [32, 8, 16] | [8, 32, 16]),
                TileElement::S32 => {
                    matches!(size, [16, 16, 16] | [32, 8, 16] | [8, 32, 16] | [8, 8, 32 | 128])
                }
                TileElement::F64 => size == [8, 8, 4],
                _ => false,
            },
            _ => of.in_wmma(size),
        };
        // Elements of a part of a byte lie one after another along the depth.
        if !known || (of.bits() < 8 && !along) {
            return Err(Fail::Unsupported);
        }
        let (base, space) = self.address(address, space_of(inst.space())?)?;
        let stride = match stride {
            Some(stride) => self.source(stride, Type::U32)?,
            None => self.integer(if along { inner } else { outer } as u64, false),
        };
        self.reads.push(Touch::Row(stride));
        let tile = self.tile(registers, (of, Layout::Linear), (outer, inner), count, loads)?;
        let access = Box::new(TileAccess { space, base, stride, along, tile });
        self.emit(if loads { Op::LoadTile(access) } else { Op::StoreTile(access) });
        Ok(())
    }
}
