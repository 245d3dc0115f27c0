//! `wgmma` (PTX ISA §9.7.15).

use super::{Decoder, Fail, Result, invalid};
use crate::program::{Element, LeftMatrix, Op, Reg, TRUE, Touch, WarpgroupProduct};
use flashpage_ptx::ast::{Instruction, Mod, Operand};
use flashpage_ptx::words::{Type, Word};

/// Types of A and B that go together, and the depth of their product.
fn elements(a: Type, b: Type) -> Option<(Element, Element, u16)> {
    let byte = |ty| match ty {
        Type::E4m3 => Some((Element::E4m3, true)),
        Type::E5m2 => Some((Element::E5m2, true)),
        Type::S8 => Some((Element::S8, false)),
        Type::U8 => Some((Element::U8, false)),
        _ => None,
    };
    match (a, b) {
        (Type::F16, Type::F16) => Some((Element::F16, Element::F16, 16)),
        (Type::Bf16, Type::Bf16) => Some((Element::Bf16, Element::Bf16, 16)),
        (Type::B1, Type::B1) => Some((Element::B1, Element::B1, 256)),
        (Type::Tf32, Type::Tf32) => Some((Element::Tf32, Element::Tf32, 8)),
        _ => {
            let ((a, a_float), (b, b_float)) = (byte(a)?, byte(b)?);
            (a_float == b_float).then_some((a, b, 32))
        }
    }
}

/// Columns that a product may have: multiples of eight, or of sixteen beyond 32 for integers.
fn columns_fit(n: u16, integer: bool) -> bool {
    (8..=256).contains(&n) && n.is_multiple_of(if integer && n > 32 { 16 } else { 8 })
}

impl Decoder<'_> {
    /// `wgmma.*`
    pub(super) fn warpgroup(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        if !has(Word::Sync) || !has(Word::Aligned) {
            return invalid("wgmma is always .sync.aligned");
        }
        if has(Word::MmaAsync) {
            return self.warpgroup_product(inst);
        }
        let op = match &inst.operands[..] {
            [] if has(Word::Fence) => Op::WarpgroupFence,
            [] if has(Word::CommitGroup) => Op::WarpgroupCommit,
            [Operand::Int(pending @ 0..=7)] if has(Word::WaitGroup) => {
                Op::WarpgroupWait { pending: *pending as u32 }
            }
            _ if has(Word::WaitGroup) => return invalid("wgmma.wait_group takes a number from 0 to 7"),
            _ => return invalid("wgmma.fence and wgmma.commit_group take no operands"),
        };
        self.emit(op);
        Ok(())
    }

    fn warpgroup_product(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        if has(Word::Sp) || has(Word::SpOrderedMetadata) {
            return Err(Fail::Unsupported);
        }
        let shape = inst.mods.iter().find_map(|m| match m {
            Mod::Shape { m, n, k } => Some((*m, *n, *k)),
            _ => None,
        });
        let (Some((m, n, k)), Some(d_type), Some(a_type), Some(b_type)) =
            (shape, inst.ty(0), inst.ty(1), inst.ty(2))
        else {
            return invalid("wgmma.mma_async has a shape and three types");
        };
        let Some((a_type, b_type, depth)) = elements(a_type, b_type) else {
            return invalid(format!("there is no product of .{a_type} and .{b_type}"));
        };
        let bits = a_type == Element::B1;
        if bits != has(Word::Popc) || bits != has(Word::And) {
            return invalid("products of .b1, and no others, are .and.popc");
        }
        let integer = bits || matches!(a_type, Element::S8 | Element::U8);
        if m != 64 || k != depth || !columns_fit(n, integer) {
            let step = if integer { "8 to 32, then of 16" } else { "8" };
            return invalid(format!(
                "there is no m{m}n{n}k{k} of these types: m is 64, n a multiple of {step} up to 256, k {depth}"
            ));
        }
        let half_d = d_type == Type::F16;
        let fits = match d_type {
            Type::S32 => integer,
            Type::F16 => matches!(a_type, Element::F16 | Element::E4m3 | Element::E5m2),
            Type::F32 => !integer,
            _ => false,
        };
        if !fits {
            return invalid(format!("products of these types are not summed up as .{d_type}"));
        }
        if has(Word::Satfinite) && (bits || !integer) {
            return invalid("only integer sums are clamped by .satfinite, and not those of .b1");
        }
        let [d, a, b, accumulate, immediates @ ..] = &inst.operands[..] else {
            return invalid("wgmma.mma_async takes an accumulator, two matrices and a predicate");
        };
        let in_registers = matches!(a, Operand::Vector(_));
        let transposable = matches!(a_type, Element::F16 | Element::Bf16);
        let wanted = match (integer, transposable, in_registers) {
            (true, ..) => 0,
            (_, false, _) => 2,
            (_, true, true) => 3,
            (_, true, false) => 4,
        };
        let mut numbers = Vec::new();
        for operand in immediates {
            match operand {
                Operand::Int(value) => numbers.push(*value),
                _ => return invalid("what follows the predicate are numbers"),
            }
        }
        if numbers.len() != wanted {
            return invalid(format!(
                "{} numbers follow the predicate; these types take {wanted}",
                numbers.len()
            ));
        }
        if let Some(scale) = numbers.iter().take(2).find(|scale| !matches!(scale, 1 | -1)) {
            return invalid(format!("a matrix is scaled by 1 or -1, not {scale}"));
        }
        if let Some(order) = numbers.iter().skip(2).find(|order| !matches!(order, 0 | 1)) {
            return invalid(format!("a matrix is transposed (1) or not (0), not {order}"));
        }
        let negative = |i: usize| numbers.get(i) == Some(&-1);
        let transposed = |i: usize| numbers.get(i) == Some(&1);
        let (transpose_a, transpose_b) =
            if in_registers { (false, transposed(2)) } else { (transposed(2), transposed(3)) };

        let a = match a {
            Operand::Vector(list) => {
                let [r0, r1, r2, r3] = &list[..] else {
                    return invalid(format!("A is {} registers where 4 are needed", list.len()));
                };
                LeftMatrix::Registers([self.word(r0)?, self.word(r1)?, self.word(r2)?, self.word(r3)?])
            }
            descriptor => LeftMatrix::Shared(self.source(descriptor, Type::B64)?),
        };
        let b = self.source(b, Type::B64)?;
        let accumulate = self.condition(accumulate)?;
        let Operand::Vector(list) = d else { return invalid("the accumulator is a vector of registers") };
        let count = (n / if half_d { 4 } else { 2 }) as usize;
        if list.len() != count {
            return invalid(format!("the accumulator is {} registers where {count} are needed", list.len()));
        }
        let mut rows: Vec<Reg> = Vec::with_capacity(count);
        for operand in list {
            if matches!(operand, Operand::Sink) {
                return invalid("every part of the accumulator needs a register");
            }
            rows.push(self.destination(operand, false)?);
        }
        // Where the predicate is a register, what it says decides whether these are read.
        if accumulate.pred == TRUE && !accumulate.negated {
            self.reads.extend(rows.iter().map(|reg| Touch::Row(*reg)));
        }
        self.emit(Op::WarpgroupProduct(Box::new(WarpgroupProduct {
            n,
            k,
            a_type,
            b_type,
            half_d,
            saturate: has(Word::Satfinite),
            d: rows.into(),
            a,
            b,
            accumulate,
            negate_a: negative(0),
            negate_b: negative(1),
            transpose_a,
            transpose_b,
        })));
        Ok(())
    }
}
