//! What the lanes of a warp, or the warps of a block, do together.

use super::{Decoder, Fail, Result, invalid};
use crate::address::Space;
use crate::program::{Barrier, BarrierKind, Element, MatrixAccess, MatrixProduct, Op, Reg, Shuffle, Vote};
use flashpage_ptx::ast::{Instruction, Mod, Operand};
use flashpage_ptx::words::{Opcode, Space as Written, Type, Word};

impl Decoder<'_> {
    pub(super) fn collective(&mut self, inst: &Instruction) -> Result<()> {
        match inst.op {
            Opcode::Shfl => self.shuffle(inst),
            Opcode::Vote => self.vote(inst),
            Opcode::Match => self.matching(inst),
            Opcode::Redux => self.redux(inst),
            Opcode::Activemask => {
                let [d] = &inst.operands[..] else { return invalid("activemask takes one operand") };
                let d = self.destination(d, false)?;
                self.emit(Op::ActiveMask { d });
                Ok(())
            }
            Opcode::Elect => {
                let [Operand::Pair(d, p), members] = &inst.operands[..] else {
                    return invalid("elect.sync takes d|p and a mask");
                };
                let members = self.word(members)?;
                let d = match &**d {
                    Operand::Sink => None,
                    d => Some(self.destination(d, false)?),
                };
                let p = self.predicate_or_sink(p)?;
                self.emit(Op::Elect { d, p, members });
                Ok(())
            }
            Opcode::Bar | Opcode::Barrier => self.barrier(inst),
            Opcode::Ldmatrix | Opcode::Stmatrix => self.matrix_access(inst),
            Opcode::Movmatrix => {
                let [d, a] = &inst.operands[..] else { return invalid("movmatrix takes two operands") };
                let a = self.word(a)?;
                let d = self.destination(d, false)?;
                self.emit(Op::MoveMatrix { d, a });
                Ok(())
            }
            // The frequent shapes first; what they do not take may be one of the others.
            _ => match self.matrix_product(inst) {
                Err(Fail::Unsupported) => self.tile_product(inst),
                done => done,
            },
        }
    }

    fn shuffle(&mut self, inst: &Instruction) -> Result<()> {
        let (d, a, b, c, members) = match &inst.operands[..] {
            [d, a, b, c, members] if inst.has(Word::Sync) => (d, a, b, c, Some(members)),
            [d, a, b, c] if !inst.has(Word::Sync) => (d, a, b, c, None),
            _ => return invalid("wrong number of operands of shfl"),
        };
        let mode = if inst.has(Word::Up) {
            Shuffle::Up
        } else if inst.has(Word::Down) {
            Shuffle::Down
        } else if inst.has(Word::Bfly) {
            Shuffle::Butterfly
        } else if inst.has(Word::Idx) {
            Shuffle::Index
        } else {
            return Err(Fail::Unsupported);
        };
        let (a, b, c) = (self.word(a)?, self.word(b)?, self.word(c)?);
        let members = self.members(members)?;
        let (d, p) = match d {
            Operand::Pair(d, p) => (self.destination(d, false)?, self.predicate_destination(p)?),
            d => (self.destination(d, false)?, None),
        };
        self.emit(Op::Shuffle { mode, d, p, a, b, c, members });
        Ok(())
    }

    fn members(&mut self, operand: Option<&Operand>) -> Result<Reg> {
        match operand {
            Some(members) => self.word(members),
            None => Ok(self.integer(u32::MAX as u64, false)),
        }
    }

    fn vote(&mut self, inst: &Instruction) -> Result<()> {
        let (d, a, members) = match &inst.operands[..] {
            [d, a, members] if inst.has(Word::Sync) => (d, a, Some(members)),
            [d, a] if !inst.has(Word::Sync) => (d, a, None),
            _ => return invalid("wrong number of operands of vote"),
        };
        let a = self.condition(a)?;
        let members = self.members(members)?;
        if inst.has(Word::Ballot) {
            let d = self.destination(d, false)?;
            self.emit(Op::Ballot { d, a, members });
            return Ok(());
        }
        let mode = if inst.has(Word::All) {
            Vote::All
        } else if inst.has(Word::Any) {
            Vote::Any
        } else if inst.has(Word::Uni) {
            Vote::Uni
        } else {
            return Err(Fail::Unsupported);
        };
        let d = self.predicate_or_sink(d)?;
        self.emit(Op::Vote { mode, d, a, members });
        Ok(())
    }

    fn matching(&mut self, inst: &Instruction) -> Result<()> {
        let [d, a, members] = &inst.operands[..] else { return invalid("match takes three operands") };
        let ty = inst.ty(0).ok_or(Fail::Unsupported)?;
        let a = self.source(a, ty)?;
        let members = self.word(members)?;
        let (d, p) = match d {
            Operand::Pair(d, p) => (self.destination(d, false)?, self.predicate_destination(p)?),
            d => (self.destination(d, false)?, None),
        };
        let all = inst.has(Word::All).then_some(p);
        self.emit(Op::Match { d, all, a, wide: ty.bits() == 64, members });
        Ok(())
    }

    fn redux(&mut self, inst: &Instruction) -> Result<()> {
        let [d, a, members] = &inst.operands[..] else { return invalid("redux takes three operands") };
        let fold: fn(u32, u32) -> u32 = match (inst.mods.get(1), inst.ty(0)) {
            (Some(Mod::Word(Word::Add)), Some(Type::U32 | Type::S32)) => |a, b| a.wrapping_add(b),
            (Some(Mod::Word(Word::Min)), Some(Type::U32)) => |a, b| a.min(b),
            (Some(Mod::Word(Word::Max)), Some(Type::U32)) => |a, b| a.max(b),
            (Some(Mod::Word(Word::Min)), Some(Type::S32)) => |a, b| (a as i32).min(b as i32) as u32,
            (Some(Mod::Word(Word::Max)), Some(Type::S32)) => |a, b| (a as i32).max(b as i32) as u32,
            (Some(Mod::Word(Word::And)), _) => |a, b| a & b,
            (Some(Mod::Word(Word::Or)), _) => |a, b| a | b,
            (Some(Mod::Word(Word::Xor)), _) => |a, b| a ^ b,
            _ => return Err(Fail::Unsupported),
        };
        let (a, members) = (self.word(a)?, self.word(members)?);
        let d = self.destination(d, false)?;
        self.emit(Op::Redux { d, a, fold, members });
        Ok(())
    }

    fn barrier(&mut self, inst: &Instruction) -> Result<()> {
        let operands = &inst.operands[..];
        if inst.mods.contains(&Mod::Word(Word::Cluster)) {
            return Err(Fail::Unsupported);
        }
        if inst.has(Word::Warp) {
            let [members] = operands else { return invalid("bar.warp.sync takes a mask") };
            let members = self.word(members)?;
            self.emit(Op::WarpSync { members });
            return Ok(());
        }
        let reduces = inst.has(Word::Red);
        let (d, operands, predicate) = match operands {
            [d, rest @ .., p] if reduces => (Some(d), rest, Some(p)),
            rest if !reduces => (None, rest, None),
            _ => return invalid("wrong number of operands of a barrier"),
        };
        let (id, count) = match operands {
            [id] => (id, None),
            [id, count] => (id, Some(count)),
            _ => return invalid("wrong number of operands of a barrier"),
        };
        let id = self.word(id)?;
        let count = count.map(|c| self.word(c)).transpose()?;
        let kind = match (d, predicate) {
            (Some(d), Some(p)) => {
                let p = self.condition(p)?;
                if inst.has(Word::Popc) {
                    BarrierKind::Popc(self.destination(d, false)?, p)
                } else if inst.has(Word::And) {
                    BarrierKind::All(self.predicate_or_sink(d)?, p)
                } else {
                    BarrierKind::Any(self.predicate_or_sink(d)?, p)
                }
            }
            _ if inst.has(Word::Arrive) => BarrierKind::Arrive,
            _ if inst.has(Word::Sync) => BarrierKind::Sync,
            _ => return Err(Fail::Unsupported),
        };
        if matches!(kind, BarrierKind::Arrive) && count.is_none() {
            return invalid("an arrival needs the number of threads");
        }
        self.emit(Op::Barrier(Box::new(Barrier { id, count, kind })));
        Ok(())
    }

    fn matrix_access(&mut self, inst: &Instruction) -> Result<()> {
        if !inst.has(Word::M8n8) || inst.ty(0) != Some(Type::B16) {
            return Err(Fail::Unsupported);
        }
        let loads = inst.op == Opcode::Ldmatrix;
        let (registers, address) = match &inst.operands[..] {
            [d, address] if loads => (d, address),
            [address, a] => (a, address),
            _ => return invalid("a matrix access takes two operands"),
        };
        let space = match inst.space() {
            None => Space::Generic,
            Some(Written::Shared | Written::SharedCta) => Space::Shared,
            Some(_) => return Err(Fail::Unsupported),
        };
        let count = [(Word::X1, 1), (Word::X2, 2), (Word::X4, 4)].into_iter().find(|(w, _)| inst.has(*w));
        let (base, space) = self.address(address, space)?;
        let list = match registers {
            Operand::Vector(list) => &list[..],
            one => std::slice::from_ref(one),
        };
        if count.is_none_or(|(_, n)| n != list.len()) {
            return invalid("the number of registers is not that of the matrices");
        }
        let mut rows = Vec::new();
        for register in list {
            rows.push(if loads { self.destination(register, false)? } else { self.word(register)? });
        }
        let access =
            Box::new(MatrixAccess { space, base, registers: rows.into(), transposed: inst.has(Word::Trans) });
        self.emit(if loads { Op::LoadMatrix(access) } else { Op::StoreMatrix(access) });
        Ok(())
    }

    fn matrix_product(&mut self, inst: &Instruction) -> Result<()> {
        let [d, a, b, c] = &inst.operands[..] else { return Err(Fail::Unsupported) };
        let shape = inst.mods.iter().find_map(|m| match m {
            Mod::Shape { m, n, k } => Some((*m, *n, *k)),
            _ => None,
        });
        let element = |ty| match ty {
            Some(Type::F16) => Some(Element::F16),
            Some(Type::Bf16) => Some(Element::Bf16),
            Some(Type::Tf32) => Some(Element::Tf32),
            Some(Type::S8) => Some(Element::S8),
            Some(Type::U8) => Some(Element::U8),
            _ => None,
        };
        let (Some(a_type), Some(b_type)) = (element(inst.ty(1)), element(inst.ty(2))) else {
            return Err(Fail::Unsupported);
        };
        let integer = |e| matches!(e, Element::S8 | Element::U8);
        let k = match (shape, a_type) {
            (Some((16, 8, k @ (8 | 16))), Element::F16 | Element::Bf16) => k,
            (Some((16, 8, k @ (4 | 8))), Element::Tf32) => k,
            (Some((16, 8, k @ (16 | 32))), Element::S8 | Element::U8) => k,
            _ => return Err(Fail::Unsupported),
        };
        let accumulators_fit = match (inst.ty(0), inst.ty(3)) {
            (Some(Type::S32), Some(Type::S32)) => integer(a_type) && integer(b_type),
            (Some(Type::F32 | Type::F16), Some(Type::F32 | Type::F16)) => {
                a_type == b_type
                    && (a_type == Element::F16
                        || (inst.ty(0), inst.ty(3)) == (Some(Type::F32), Some(Type::F32)))
            }
            _ => false,
        };
        if !accumulators_fit || !inst.has(Word::Row) || !inst.has(Word::Col) || inst.has(Word::Popc) {
            return Err(Fail::Unsupported);
        }
        let (half_d, half_c) = (inst.ty(0) == Some(Type::F16), inst.ty(3) == Some(Type::F16));
        // Elements in a register times the four lanes that share a row give the depth of one register of A.
        let per_register = match a_type {
            Element::F16 | Element::Bf16 => 2,
            Element::Tf32 => 1,
            Element::S8 | Element::U8 | Element::E4m3 | Element::E5m2 | Element::B1 => 4,
        };
        let deep = (k / (4 * per_register)) as usize;
        let mut product = MatrixProduct {
            k: k as u8,
            a_type,
            b_type,
            half_c,
            half_d,
            saturate: inst.has(Word::Satfinite),
            a: [Reg(0); 4],
            b: [Reg(0); 2],
            c: [Reg(0); 4],
            d: [Reg(0); 4],
        };
        self.fragment(a, 2 * deep, &mut product.a)?;
        self.fragment(b, deep, &mut product.b)?;
        self.fragment(c, if half_c { 2 } else { 4 }, &mut product.c)?;
        let Operand::Vector(list) = d else { return invalid("a fragment is a vector") };
        if list.len() != if half_d { 2 } else { 4 } {
            return invalid("the result has the wrong number of registers");
        }
        for (reg, operand) in product.d.iter_mut().zip(list) {
            *reg = self.destination(operand, false)?;
        }
        self.emit(Op::MatrixProduct(Box::new(product)));
        Ok(())
    }

    fn fragment(&mut self, operand: &Operand, count: usize, into: &mut [Reg]) -> Result<()> {
        let list = match operand {
            Operand::Vector(list) => &list[..],
            one => std::slice::from_ref(one),
        };
        if list.len() != count {
            return invalid(format!("a fragment has {} registers where {count} are needed", list.len()));
        }
        for (reg, operand) in into.iter_mut().zip(list) {
            *reg = self.word(operand)?;
        }
        Ok(())
    }
}
