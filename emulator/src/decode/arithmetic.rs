//! Arithmetic, logic, comparisons, conversions and moves.

use super::{Decoder, Fail, Result, invalid};
use crate::alu::compare::{Comparison, comparison, property};
use crate::alu::convert::{Conversion, conversion};
use crate::alu::float::flush;
use crate::alu::lanes::{self, Kernel, Test, lift1, lift2};
use crate::alu::{self};
use crate::program::{CARRY, Condition, Logic, Op, Reg, TRUE, Touch};
use flashpage_ptx::ast::{Axis, Instruction, Mod, Operand};
use flashpage_ptx::words::{Opcode, Special, Type, Word};

pub(super) fn copy(wide: bool) -> Kernel {
    if wide { lift1(|a: u64| a) } else { lift1(|a: u32| a) }
}

impl Decoder<'_> {
    pub(super) fn arithmetic(&mut self, inst: &Instruction) -> Result<()> {
        let operands = &inst.operands[..];
        match (inst.op, inst.ty(0)) {
            (Opcode::Mov, Some(ty)) => self.mov(inst, ty),
            (Opcode::Setp, _) => self.setp(inst),
            (Opcode::Set, _) => self.set(inst),
            (Opcode::Selp, Some(ty)) => {
                let [d, a, b, p] = operands else { return invalid("selp takes four operands") };
                let wide = ty.bits() == 64;
                let (a, b) = (self.source(a, ty)?, self.source(b, ty)?);
                let p = self.condition(p)?;
                let d = self.destination(d, wide)?;
                self.emit(Op::Select { d, a, b, p, wide });
                Ok(())
            }
            (Opcode::Slct, Some(ty)) => self.slct(inst, ty),
            (Opcode::Testp, Some(ty)) => {
                let [p, a] = operands else { return invalid("testp takes two operands") };
                let test = property(inst).ok_or(Fail::Unsupported)?;
                let a = self.source(a, ty)?;
                let d = self.predicate_or_sink(p)?;
                self.emit(Op::Compare { run: test.run, a, b: a, d, q: None, combine: None });
                Ok(())
            }
            (Opcode::Cvt, _) => self.cvt(inst),
            (Opcode::And | Opcode::Or | Opcode::Xor | Opcode::Not, Some(Type::Pred)) => {
                let logic = match inst.op {
                    Opcode::Or => Logic::Or,
                    Opcode::Xor => Logic::Xor,
                    _ => Logic::And,
                };
                let (a, b) = match operands {
                    [_, a] if inst.op == Opcode::Not => {
                        let a = self.condition(a)?;
                        (
                            Condition { pred: a.pred, negated: !a.negated },
                            Condition { pred: TRUE, negated: false },
                        )
                    }
                    [_, a, b] if inst.op != Opcode::Not => (self.condition(a)?, self.condition(b)?),
                    _ => return invalid("wrong number of operands"),
                };
                let d = self.predicate_or_sink(&operands[0])?;
                self.emit(Op::Predicate { d, a, b, logic });
                Ok(())
            }
            (Opcode::Add | Opcode::Sub, Some(ty)) if inst.has(Word::Cc) => self.carry(inst, ty, false, true),
            (Opcode::Addc | Opcode::Subc, Some(ty)) => self.carry(inst, ty, true, inst.has(Word::Cc)),
            (Opcode::Madc, Some(ty)) => self.multiply_carry(inst, ty),
            (Opcode::Mad, Some(ty)) if inst.has(Word::Cc) => self.multiply_carry(inst, ty),
            (Opcode::Lop3, _) if inst.has(Word::And) || inst.has(Word::Or) => self.lop3_and_test(inst),
            (Opcode::Createpolicy, _) => self.policy(inst),
            _ => self.recipe(inst),
        }
    }

    /// An instruction that is a function of its sources.
    fn recipe(&mut self, inst: &Instruction) -> Result<()> {
        let recipe = alu::recipe(inst).ok_or(Fail::Unsupported)?;
        let arity = recipe.main.ins.iter().take_while(|rows| **rows != 0).count();
        // `lop3.BoolOp` also gives a predicate, and packed forms have other operands: not here.
        let Some((d, sources)) = inst.operands.split_first().filter(|(_, s)| s.len() == arity) else {
            return if inst.operands.len() == arity + 1 {
                Err(Fail::Unsupported)
            } else {
                invalid(format!("{} takes {} operands", inst.op, arity + 1))
            };
        };
        let ty = inst.ty(0).unwrap_or(Type::B32);
        let mut registers = Vec::with_capacity(arity);
        for (source, rows) in sources.iter().zip(recipe.main.ins) {
            // The recipe knows how wide each source is; the type still says how a number is meant.
            let ty = match (rows, ty.bits() == 64) {
                (2, false) => Type::B64,
                (1, true) => Type::B32,
                _ => ty,
            };
            registers.push(self.source(source, ty)?);
        }
        if let Some(before) = recipe.before {
            for reg in &mut registers {
                let flushed = self.scratch(before.out == 2);
                self.writes.push(Touch::Row(flushed));
                self.emit_kernel(before, flushed, &[*reg]);
                *reg = flushed;
            }
            self.reads.extend(registers.iter().map(|r| Touch::Row(*r)));
        }
        let mut kernel = recipe.main;
        for after in recipe.after {
            let step = self.scratch(kernel.out == 2);
            self.writes.push(Touch::Row(step));
            self.emit_kernel(kernel, step, &registers);
            self.reads.push(Touch::Row(step));
            registers = vec![step];
            kernel = after;
        }
        let d = self.destination(d, kernel.out == 2)?;
        self.emit_kernel(kernel, d, &registers);
        Ok(())
    }

    fn mov(&mut self, inst: &Instruction, ty: Type) -> Result<()> {
        let [d, a] = &inst.operands[..] else { return invalid("mov takes two operands") };
        if inst.mods.iter().any(|m| matches!(m, Mod::Word(Word::V2 | Word::V4))) {
            return self.move_special_vector(d, a, ty);
        }
        if ty == Type::B128 {
            return self.move_quad(d, a);
        }
        let wide = ty.bits() == 64;
        match (d, a) {
            (_, Operand::Special(special, _)) if is_clock(*special) => {
                let d = self.destination(d, wide)?;
                self.emit(Op::Clock { d, wide });
            }
            (Operand::Vector(parts), _) => {
                let source = self.source(a, ty)?;
                self.unpack(ty, parts, source)?;
            }
            (_, Operand::Vector(parts)) => self.pack(ty, d, parts)?,
            (_, Operand::Special(Special::IsExplicitCluster, None)) if ty == Type::Pred => {
                let a = self.source(a, Type::U32)?;
                let zero = self.integer(0, false);
                let d = self.predicate_or_sink(d)?;
                let run = lanes::test(|a: u32, b: u32| a != b).run;
                self.emit(Op::Compare { run, a, b: zero, d, q: None, combine: None });
            }
            _ if ty == Type::Pred => {
                let a = self.condition(a)?;
                let d = self.predicate_or_sink(d)?;
                let b = Condition { pred: TRUE, negated: false };
                self.emit(Op::Predicate { d, a, b, logic: Logic::And });
            }
            _ => {
                let a = self.source(a, ty)?;
                let d = self.destination(d, wide)?;
                self.emit_kernel(copy(wide), d, &[a]);
            }
        }
        Ok(())
    }

    /// `mov.v4.u32 {x, y, z, _}, %ctaid`: all the components of a special register, the fourth of which is zero
    /// (PTX ISA §10).
    fn move_special_vector(&mut self, d: &Operand, a: &Operand, ty: Type) -> Result<()> {
        let (Operand::Vector(parts), Operand::Special(special, None), Type::U32 | Type::B32) = (d, a, ty)
        else {
            return Err(Fail::Unsupported);
        };
        if parts.len() != 4 {
            return Err(Fail::Unsupported);
        }
        let axes = [Some(Axis::X), Some(Axis::Y), Some(Axis::Z), None];
        for (part, axis) in parts.iter().zip(axes) {
            let source = match axis {
                Some(_) => self.source(&Operand::Special(*special, axis), ty)?,
                None => self.integer(0, false),
            };
            let d = self.destination(part, false)?;
            self.emit_kernel(copy(false), d, &[source]);
        }
        Ok(())
    }

    /// `mov.b64 d, {a, b}` and its relatives: the first element goes to the low bits.
    fn pack(&mut self, ty: Type, d: &Operand, parts: &[Operand]) -> Result<()> {
        let part = part_of(ty, parts.len())?;
        let sources = parts.iter().map(|p| self.source(p, part)).collect::<Result<Vec<_>>>()?;
        let d = self.destination(d, ty.bits() == 64)?;
        let kernel = match (ty.bits(), parts.len()) {
            (64, 2) => lift2(|a: u32, b: u32| a as u64 | (b as u64) << 32),
            (64, _) => crate::alu::lanes::lift4(|a: u32, b: u32, c: u32, e: u32| {
                let low = a & 0xffff | b << 16;
                let high = c & 0xffff | e << 16;
                low as u64 | (high as u64) << 32
            }),
            (32, 4) => crate::alu::lanes::lift4(|a: u32, b: u32, c: u32, e: u32| {
                u32::from_le_bytes([a as u8, b as u8, c as u8, e as u8])
            }),
            (32, _) => lift2(|a: u32, b: u32| a & 0xffff | b << 16),
            _ => lift2(|a: u32, b: u32| (a & 0xff | b << 8) & 0xffff),
        };
        self.emit_kernel(kernel, d, &sources);
        Ok(())
    }

    fn unpack(&mut self, ty: Type, parts: &[Operand], source: Reg) -> Result<()> {
        let kernels = match (part_of(ty, parts.len())?, ty.bits()) {
            (Type::B32, _) => vec![lift1(|a: u64| a as u32), lift1(|a: u64| (a >> 32) as u32)],
            (Type::B16, 64) => vec![
                lift1(|a: u64| a as u16),
                lift1(|a: u64| (a >> 16) as u16),
                lift1(|a: u64| (a >> 32) as u16),
                lift1(|a: u64| (a >> 48) as u16),
            ],
            (Type::B16, _) => vec![lift1(|a: u32| a & 0xffff), lift1(|a: u32| a >> 16)],
            _ => vec![
                lift1(|a: u32| a as u8),
                lift1(|a: u32| (a >> 8) as u8),
                lift1(|a: u32| (a >> 16) as u8),
                lift1(|a: u32| (a >> 24) as u8),
            ],
        };
        for (part, kernel) in parts.iter().zip(kernels) {
            self.reads.push(Touch::Row(source));
            let d = self.destination(part, false)?;
            self.emit_kernel(kernel, d, &[source]);
        }
        Ok(())
    }

    /// The third operand of a comparison that is combined, `.and.pred` and so on.
    fn combination(&mut self, inst: &Instruction, c: Option<&Operand>) -> Result<Option<(Logic, Condition)>> {
        let logic = inst.mods.iter().find_map(|m| match m {
            Mod::Word(Word::And) => Some(Logic::And),
            Mod::Word(Word::Or) => Some(Logic::Or),
            Mod::Word(Word::Xor) => Some(Logic::Xor),
            _ => None,
        });
        match (logic, c) {
            (None, None) => Ok(None),
            (Some(logic), Some(c)) => Ok(Some((logic, self.condition(c)?))),
            _ => invalid("a boolean operator and its predicate go together"),
        }
    }

    fn setp(&mut self, inst: &Instruction) -> Result<()> {
        let ty = inst.ty(0).ok_or(Fail::Unsupported)?;
        let (d, a, b, c) = match &inst.operands[..] {
            [d, a, b] => (d, a, b, None),
            [d, a, b, c] => (d, a, b, Some(c)),
            _ => return invalid("setp takes three or four operands"),
        };
        let compared = comparison(inst, ty).ok_or(Fail::Unsupported)?;
        let (a, b) = (self.source(a, ty)?, self.source(b, ty)?);
        let combine = self.combination(inst, c)?;
        let pair = match d {
            Operand::Pair(d, q) => Some((&**d, &**q)),
            _ => None,
        };
        match (compared, pair) {
            (Comparison::One(test), pair) => {
                let (d, q) = match pair {
                    Some((d, q)) => (self.predicate_or_sink(d)?, self.predicate_destination(q)?),
                    None => (self.predicate_or_sink(d)?, None),
                };
                self.emit(Op::Compare { run: test.run, a, b, d, q, combine });
            }
            (Comparison::Two(low, high), Some((d, q))) => {
                for (Test { run, .. }, d) in [(low, d), (high, q)] {
                    let d = self.predicate_or_sink(d)?;
                    self.emit(Op::Compare { run, a, b, d, q: None, combine });
                }
            }
            (Comparison::Two(..), None) => return invalid("a packed comparison has two results"),
        }
        Ok(())
    }

    /// `set`: all ones or 1.0 where the comparison holds.
    fn set(&mut self, inst: &Instruction) -> Result<()> {
        let (Some(to), Some(ty)) = (inst.ty(0), inst.ty(1)) else { return Err(Fail::Unsupported) };
        let (d, a, b, c) = match &inst.operands[..] {
            [d, a, b] => (d, a, b, None),
            [d, a, b, c] => (d, a, b, Some(c)),
            _ => return invalid("set takes three or four operands"),
        };
        let one: u32 = match to {
            Type::F32 => 1f32.to_bits(),
            Type::U32 | Type::S32 => u32::MAX,
            Type::F16 => 0x3c00,
            Type::Bf16 => 0x3f80,
            Type::U16 | Type::S16 => 0xffff,
            Type::F16x2 => 0x3c00,
            Type::Bf16x2 => 0x3f80,
            _ => return Err(Fail::Unsupported),
        };
        let compared = comparison(inst, ty).ok_or(Fail::Unsupported)?;
        let (a, b) = (self.source(a, ty)?, self.source(b, ty)?);
        let combine = self.combination(inst, c)?;
        match compared {
            Comparison::One(test) => {
                let d = self.destination(d, false)?;
                self.emit(Op::SetRow { run: test.run, a, b, d, truth: one, combine });
            }
            Comparison::Two(low, high) => {
                let one = if matches!(to, Type::U32 | Type::S32) { 0xffff } else { one };
                let (x, y) = (self.scratch(false), self.scratch(false));
                self.writes.extend([Touch::Row(x), Touch::Row(y)]);
                self.emit(Op::SetRow { run: low.run, a, b, d: x, truth: one, combine });
                self.emit(Op::SetRow { run: high.run, a, b, d: y, truth: one << 16, combine });
                let d = self.destination(d, false)?;
                self.emit_kernel(lift2(|a: u32, b: u32| a | b), d, &[x, y]);
            }
        }
        Ok(())
    }

    /// `slct d, a, b, c`: `a` where `c` is not negative.
    fn slct(&mut self, inst: &Instruction, ty: Type) -> Result<()> {
        let [d, a, b, c] = &inst.operands[..] else { return invalid("slct takes four operands") };
        let (wide, by) = (ty.bits() == 64, inst.ty(1).ok_or(Fail::Unsupported)?);
        let (a, b, c) = (self.source(a, ty)?, self.source(b, ty)?, self.source(c, by)?);
        let d = self.destination(d, wide)?;
        // A NaN selects `b` (§9.7.6.3).
        let kernel = match (wide, by) {
            (false, Type::F32) if inst.has(Word::Ftz) => {
                lanes::lift3(|a: u32, b: u32, c: f32| if flush(c) >= 0.0 { a } else { b })
            }
            (true, Type::F32) if inst.has(Word::Ftz) => {
                lanes::lift3(|a: u64, b: u64, c: f32| if flush(c) >= 0.0 { a } else { b })
            }
            (false, Type::S32) => {
                crate::alu::lanes::lift3(|a: u32, b: u32, c: i32| if c >= 0 { a } else { b })
            }
            (true, Type::S32) => {
                crate::alu::lanes::lift3(|a: u64, b: u64, c: i32| if c >= 0 { a } else { b })
            }
            (false, Type::F32) => {
                crate::alu::lanes::lift3(|a: u32, b: u32, c: f32| if c >= 0.0 { a } else { b })
            }
            (true, Type::F32) => {
                crate::alu::lanes::lift3(|a: u64, b: u64, c: f32| if c >= 0.0 { a } else { b })
            }
            _ => return Err(Fail::Unsupported),
        };
        self.emit_kernel(kernel, d, &[a, b, c]);
        Ok(())
    }

    fn cvt(&mut self, inst: &Instruction) -> Result<()> {
        let from = inst.ty(1).ok_or(Fail::Unsupported)?;
        let to = inst.ty(0).ok_or(Fail::Unsupported)?;
        match (conversion(inst).ok_or(Fail::Unsupported)?, &inst.operands[..]) {
            (Conversion::Pack(kernel), [d, a, b]) => {
                let (a, b) = (self.source(a, from)?, self.source(b, from)?);
                let d = self.destination(d, false)?;
                self.emit_kernel(kernel, d, &[a, b]);
            }
            (Conversion::Integers(kernel, three), [d, a, b, rest @ ..]) if rest.len() == three as usize => {
                let mut sources = vec![self.source(a, Type::S32)?, self.source(b, Type::S32)?];
                for c in rest {
                    sources.push(self.source(c, Type::B32)?);
                }
                let d = self.destination(d, false)?;
                self.emit_kernel(kernel, d, &sources);
            }
            (Conversion::Chain(mut chain), [d, a]) => {
                let mut a =
                    if from.bits() == 64 { self.source(a, from)? } else { self.narrow_source(a, from)? };
                let (d, wide) = self.loose_destination(d, to.bits() == 64)?;
                let Some(last) = chain.last().copied() else { return Err(Fail::Unsupported) };
                // A destination wider than the type is extended as the type says (§9.4.1).
                match (last.out == 2, wide) {
                    (false, true) if to.is_signed() => chain.push(lift1(|a: i32| a as i64)),
                    (false, true) => chain.push(lift1(|a: u32| a as u64)),
                    (true, false) => return invalid("the destination is narrower than its type"),
                    _ => {}
                }
                let writes = std::mem::take(&mut self.writes);
                let steps = chain.len();
                for (i, kernel) in chain.into_iter().enumerate() {
                    if i + 1 == steps {
                        self.writes.extend_from_slice(&writes);
                        self.emit_kernel(kernel, d, &[a]);
                    } else {
                        let step = self.scratch(kernel.out == 2);
                        self.writes.push(Touch::Row(step));
                        self.emit_kernel(kernel, step, &[a]);
                        self.reads.push(Touch::Row(step));
                        a = step;
                    }
                }
            }
            _ => return invalid("cvt has the wrong number of operands"),
        }
        Ok(())
    }

    /// `lop3` with a predicate: whether the result is not zero, combined with another (§9.7.8.6).
    fn lop3_and_test(&mut self, inst: &Instruction) -> Result<()> {
        let [Operand::Pair(d, p), a, b, c, table, q] = &inst.operands[..] else {
            return invalid("lop3 with a boolean operator takes d|p, three sources, a table and a predicate");
        };
        let mut plain = inst.clone();
        plain.mods.retain(|m| matches!(m, Mod::Ty(_)));
        let kernel = alu::recipe(&plain).ok_or(Fail::Unsupported)?.main;
        let mut sources = Vec::new();
        for source in [a, b, c, table] {
            sources.push(self.source(source, Type::B32)?);
        }
        // `_` has a row that nobody reads, but here the result is.
        let result = match &**d {
            Operand::Sink => {
                let scratch = self.scratch(false);
                self.writes.push(Touch::Row(scratch));
                scratch
            }
            d => self.destination(d, false)?,
        };
        // Before the result is written: the predicate is another's business.
        let reads = std::mem::take(&mut self.reads);
        let q = self.condition(q)?;
        let of_q = std::mem::replace(&mut self.reads, reads);
        self.emit_kernel(kernel, result, &sources);
        self.reads = of_q;
        self.reads.push(Touch::Row(result));
        let zero = self.integer(0, false);
        let p = self.predicate_or_sink(p)?;
        let logic = if inst.has(Word::And) { Logic::And } else { Logic::Or };
        let run = lanes::test(|a: u32, b: u32| a != b).run;
        self.emit(Op::Compare { run, a: result, b: zero, d: p, q: None, combine: Some((logic, q)) });
        Ok(())
    }

    /// `mad.cc` and `madc`: half of a product, added with the carry.
    fn multiply_carry(&mut self, inst: &Instruction, ty: Type) -> Result<()> {
        let [d, a, b, c] = &inst.operands[..] else { return invalid("four operands are needed") };
        let wide = ty.bits() == 64;
        if ty.is_float() || ty.bits() < 32 {
            return Err(Fail::Unsupported);
        }
        let mut product = inst.clone();
        product.op = Opcode::Mul;
        product.mods.retain(|m| matches!(m, Mod::Ty(_) | Mod::Word(Word::Hi | Word::Lo)));
        let kernel = alu::recipe(&product).ok_or(Fail::Unsupported)?.main;
        let sources = [self.source(a, ty)?, self.source(b, ty)?];
        let half = self.scratch(wide);
        self.writes.push(Touch::Row(half));
        self.emit_kernel(kernel, half, &sources);
        self.reads.push(Touch::Row(half));
        let c = self.source(c, ty)?;
        self.add_with_carry(d, (half, c), wide, false, (inst.op == Opcode::Madc, inst.has(Word::Cc)))
    }

    fn carry(&mut self, inst: &Instruction, ty: Type, carry_in: bool, carry_out: bool) -> Result<()> {
        let [d, a, b] = &inst.operands[..] else { return invalid("three operands are needed") };
        if ty.is_float() || ty.bits() < 32 {
            return Err(Fail::Unsupported);
        }
        let wide = ty.bits() == 64;
        let (a, b) = (self.source(a, ty)?, self.source(b, ty)?);
        let subtract = matches!(inst.op, Opcode::Sub | Opcode::Subc);
        self.add_with_carry(d, (a, b), wide, subtract, (carry_in, carry_out))
    }

    fn add_with_carry(
        &mut self,
        d: &Operand,
        (a, b): (Reg, Reg),
        wide: bool,
        subtract: bool,
        (carry_in, carry_out): (bool, bool),
    ) -> Result<()> {
        let d = self.destination(d, wide)?;
        if carry_in {
            self.reads.push(Touch::Pred(CARRY));
        }
        if carry_out {
            self.writes.push(Touch::Pred(CARRY));
        }
        self.emit(Op::Carry { d, a, b, wide, subtract, carry_in, carry_out });
        Ok(())
    }
}

/// What each of the parts is that a `mov` takes its register apart into (PTX ISA §9.7.9.5).
fn part_of(ty: Type, parts: usize) -> Result<Type> {
    match (ty.bits(), parts) {
        (16, 2) | (32, 4) => Ok(Type::B8),
        (32, 2) | (64, 4) => Ok(Type::B16),
        (64, 2) => Ok(Type::B32),
        _ => Err(Fail::Unsupported),
    }
}

fn is_clock(special: Special) -> bool {
    matches!(
        special,
        Special::Clock
            | Special::ClockHi
            | Special::Clock64
            | Special::Globaltimer
            | Special::GlobaltimerLo
            | Special::GlobaltimerHi
    )
}
