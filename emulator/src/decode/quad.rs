//! Values of 128 bits: registers, moves, loads, stores and atomics (PTX ISA §5.2.1, `.b128`).
//!
//! A register of 128 bits is two of 64, the lower one first, so a load is that of a vector of two and a move is two
//! moves; only atomics need more.

use super::memory::{atomic_strength, space_of, strength_of};
use super::{Decoder, Fail, Result, invalid};
use crate::address::Space;
use crate::alu::lanes::{lift1, lift2};
use crate::program::{Access, Address, AtomicQuad, Op, Reg, Touch};
use flashpage_ptx::ast::{Instruction, Operand};
use flashpage_ptx::words::{Opcode, Space as Written, Type, Word};

/// The registers of 64 bits in one of 128.
fn halves(reg: Reg) -> [Reg; 2] {
    [reg, Reg(reg.0 + 2)]
}

/// The access of a 128-bit value: its two halves.
fn of_halves(inst: &Instruction, (space, base): (Space, Address), elements: [(Reg, bool); 2]) -> Box<Access> {
    let (strength, constant) = (strength_of(inst), inst.space() == Some(Written::Const));
    Box::new(Access { space, base, width: 8, signed: false, strength, elements: elements.into(), constant })
}

impl Decoder<'_> {
    fn quad(&mut self, operand: &Operand) -> Result<[Reg; 2]> {
        match self.slot_of(operand)? {
            Some(slot) if slot.ty == Type::B128 => Ok(halves(slot.reg())),
            _ => invalid("a register of 128 bits is needed"),
        }
    }

    fn quad_source(&mut self, operand: &Operand) -> Result<[Reg; 2]> {
        let quad = self.quad(operand)?;
        self.reads.extend(quad.map(Touch::Row));
        Ok(quad)
    }

    fn quad_destination(&mut self, operand: &Operand) -> Result<[Reg; 2]> {
        let quad = self.quad(operand)?;
        self.writes.extend(quad.map(Touch::Row));
        Ok(quad)
    }

    /// `mov.b128`: of a register, from two of 64 bits or four of 32, or to as many.
    pub(super) fn move_quad(&mut self, d: &Operand, a: &Operand) -> Result<()> {
        let sources = match a {
            Operand::Vector(parts) => match &parts[..] {
                [low, high] => [self.source(low, Type::B64)?, self.source(high, Type::B64)?],
                [a, b, c, e] => [self.joined(a, b)?, self.joined(c, e)?],
                _ => return invalid("two registers of 64 bits or four of 32 are needed"),
            },
            a => self.quad_source(a)?,
        };
        self.reads.clear();
        let targets = match d {
            Operand::Vector(parts) => match &parts[..] {
                [low, high] => [self.destination(low, true)?, self.destination(high, true)?],
                [_, _, _, _] => {
                    for (source, parts) in sources.into_iter().zip(parts.chunks_exact(2)) {
                        for (part, kernel) in
                            parts.iter().zip([lift1(|a: u64| a as u32), lift1(|a: u64| (a >> 32) as u32)])
                        {
                            self.reads.push(Touch::Row(source));
                            let d = self.destination(part, false)?;
                            self.emit_kernel(kernel, d, &[source]);
                        }
                    }
                    return Ok(());
                }
                _ => return invalid("two registers of 64 bits or four of 32 are needed"),
            },
            d => self.quad_destination(d)?,
        };
        self.writes.clear();
        for (source, target) in sources.into_iter().zip(targets) {
            self.reads.push(Touch::Row(source));
            // A sink's register is written and never read.
            if target != Reg(0) {
                self.writes.push(Touch::Row(target));
            }
            self.emit_kernel(lift1(|a: u64| a), target, &[source]);
        }
        Ok(())
    }

    /// Two registers of 32 bits as one of 64, by a step of its own.
    fn joined(&mut self, low: &Operand, high: &Operand) -> Result<Reg> {
        let parts = [self.source(low, Type::B32)?, self.source(high, Type::B32)?];
        let both = self.scratch(true);
        self.writes.push(Touch::Row(both));
        self.emit_kernel(lift2(|a: u32, b: u32| a as u64 | (b as u64) << 32), both, &parts);
        Ok(both)
    }

    pub(super) fn load_quad(&mut self, inst: &Instruction) -> Result<()> {
        let [d, address, ..] = &inst.operands[..] else { return invalid("ld takes two operands") };
        let (base, space) = self.address(address, space_of(inst.space())?)?;
        let elements = self.quad_destination(d)?.map(|reg| (reg, true));
        self.emit(Op::Load(of_halves(inst, (space, base), elements)));
        Ok(())
    }

    pub(super) fn store_quad(&mut self, inst: &Instruction) -> Result<()> {
        let [address, a, ..] = &inst.operands[..] else { return invalid("st takes two operands") };
        let (base, space) = self.address(address, space_of(inst.space())?)?;
        let elements = self.quad_source(a)?.map(|reg| (reg, true));
        self.emit(Op::Store(of_halves(inst, (space, base), elements)));
        Ok(())
    }

    pub(super) fn atomic_quad(&mut self, inst: &Instruction) -> Result<()> {
        let [d, address, b, rest @ ..] = &inst.operands[..] else {
            return invalid("atom takes a result, an address and a value");
        };
        if inst.op != Opcode::Atom || !(inst.has(Word::Exch) || inst.has(Word::Cas)) {
            return Err(Fail::Unsupported);
        }
        let (base, space) = self.address(address, space_of(inst.space())?)?;
        let b = self.quad_source(b)?;
        let c = match (inst.has(Word::Cas), rest) {
            (true, [c, ..]) => Some(self.quad_source(c)?),
            (true, []) => return invalid("cas takes two values"),
            (false, _) => None,
        };
        let d = match d {
            Operand::Sink => None,
            d => Some(self.quad_destination(d)?),
        };
        let strength = atomic_strength(inst);
        self.emit(Op::AtomicQuad(Box::new(AtomicQuad { space, strength, base, d, b, c })));
        Ok(())
    }
}
