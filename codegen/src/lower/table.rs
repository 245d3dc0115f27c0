//! Elements of tables in score functions: of a bias, `bias.at(head, row, column)`, and of a mask of bits, `tree.at(row, column)`.
//!
//! What goes before the column is the same along a row, and is worked out once for each row that a lane has: the address of the
//! row in a bias, and the number of its first bit in a mask. An index may lie outside, and is then clamped to what there is, but
//! for those that the launch has been checked for: `at.head`, `at.query`, and `at.col` where no column is past the last.

use super::kernel::Kernel;
use super::scalar::{KNOWN, Place, Typed, Value};
use super::sequence::OwnNumbers;
use crate::Arch;
use crate::abi::{BiasAxis, Meaning};
use crate::program::{DType, Expr, ParamId, ParamKind, ScalarType};
use flashpage_ptx::ast::Operand;
use flashpage_ptx::builder::{Reg, address, space, ty, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

impl Kernel<'_> {
    pub(super) fn element(&mut self, param: ParamId, indices: &[Expr], place: &Place) -> Typed {
        let (column, row) = indices.split_last().expect("a table has a column");
        let known = place
            .known
            .iter()
            .find(|(expr, _)| matches!(expr, Expr::At(known, indices) if *known == param && indices == row));
        let row = match known {
            Some((_, reg)) => reg.clone(),
            None => self.row_of_table(param, row, place),
        };
        let mut at = self.evaluate(column, place);
        if !place.is_inside(column) {
            let last = match self.program.params[param.0].kind {
                ParamKind::Bias(_) => self.param(Meaning::BiasLast(param, BiasAxis::Cols)),
                _ => own(param, place).last.expect(KNOWN),
            };
            at = self.clamped(column, at, &last);
        }
        match self.program.params[param.0].kind {
            ParamKind::Bias(_) => (Value::Register(self.number(param, &row, &at)), ScalarType::F32),
            _ => (Value::Register(self.bit(param, &row, &at, place)), ScalarType::Bool),
        }
    }

    /// What an element's row is known by: its address, or the number of its first bit.
    pub(super) fn row_of_table(&mut self, param: ParamId, indices: &[Expr], place: &Place) -> Reg {
        match (self.program.params[param.0].kind, indices) {
            (ParamKind::Bias(_), [head, row]) => {
                let heads = self.along_bias(param, BiasAxis::Heads, head, place, own(param, place).first);
                self.along_bias(param, BiasAxis::Rows, row, place, heads)
            }
            (_, [row]) => {
                let mut at = self.evaluate(row, place);
                if *row != Expr::Query {
                    let uniforms = place.uniforms.expect(KNOWN);
                    let rows = uniforms.get(&Expr::QLen).expect(KNOWN);
                    let last = self.b.sub(Type::S32, "i", rows, 1);
                    at = self.clamped(row, at, &last);
                }
                let width = own(param, place).count.expect(KNOWN);
                self.b.mul_lo(Type::U32, "row_bit", &at, &width)
            }
            _ => unreachable!("a valid program gives a table its indices"),
        }
    }

    /// An address so many heads or rows of a bias further.
    fn along_bias(&mut self, param: ParamId, axis: BiasAxis, index: &Expr, place: &Place, from: Reg) -> Reg {
        let mut at = self.evaluate(index, place);
        if !matches!((axis, index), (BiasAxis::Heads, Expr::Head) | (BiasAxis::Rows, Expr::Query)) {
            let last = self.param(Meaning::BiasLast(param, axis));
            at = self.clamped(index, at, &last);
        }
        let at = self.b.cvt(&[], Type::U64, Type::U32, "rd", &at);
        let stride = self.param(Meaning::BiasStride(param, axis));
        self.b.mad_lo(Type::U64, "bias_row", &at, &stride, &from)
    }

    /// The number in a column of a row of a bias.
    fn number(&mut self, param: ParamId, row: &Reg, column: &Reg) -> Reg {
        let dtype = self.program.bias_type(param, self.spec.dtype);
        let at = self.b.mad_wide("rd", column, dtype.bytes(), row);
        if dtype == DType::F32 {
            return self.b.ld_constant(Type::F32, "f", &at, 0);
        }
        if let DType::E4m3 | DType::E5m2 = dtype {
            return self.number_of_eight_bits(dtype, &at);
        }
        let half = self.b.ld_constant(Type::B16, "h", &at, 0);
        if dtype == DType::F16 {
            return self.b.cvt(&[], Type::F32, Type::F16, "f", &half);
        }
        // A bf16 is the upper half of an f32.
        let wide = self.b.cvt(&[], Type::U32, Type::U16, "r", &half);
        let wide = self.b.shl(Type::B32, "r", &wide, 16);
        self.b.op(Opcode::Mov, &[ty(Type::B32)], Type::F32, "f", vec![Operand::from(&wide)])
    }

    /// A number of 8 bits. What converts such takes a pair, of which the other is a zero here, and is not for Ampere, where an
    /// e5m2 is the upper byte of an f16, and the fields of an e4m3 moved to those of an f32 are the number times 2^-120.
    fn number_of_eight_bits(&mut self, dtype: DType, at: &Reg) -> Reg {
        let mods = [space(Space::Global), word(Word::Nc), ty(Type::U8)];
        let is_sm80 = self.spec.arch == Arch::Sm80;
        if is_sm80 && dtype == DType::E4m3 {
            let byte = self.b.op(Opcode::Ld, &mods, Type::U32, "byte", vec![address(at, 0)]);
            return self.number_of_e4m3(&byte);
        }
        let byte = self.b.op(Opcode::Ld, &mods, Type::B16, "h", vec![address(at, 0)]);
        let half = if is_sm80 {
            self.b.shl(Type::B16, "h", &byte, 8)
        } else {
            let from = if dtype == DType::E4m3 { Type::E4m3x2 } else { Type::E5m2x2 };
            let mods = [word(Word::Rn), ty(Type::F16x2), ty(from)];
            let pair = self.b.op(Opcode::Cvt, &mods, Type::B32, "x", vec![(&byte).into()]);
            self.b.cvt(&[], Type::U16, Type::U32, "h", &pair)
        };
        self.b.cvt(&[], Type::F32, Type::F16, "f", &half)
    }

    /// Subnormals are multiplied as they are; NaN is the one whose bits below the sign are all set.
    fn number_of_e4m3(&mut self, byte: &Reg) -> Reg {
        let b = &mut self.b;
        let magnitude = b.and(Type::B32, "r", byte, 0x7f);
        let is_nan = b.setp(Word::Eq, Type::U32, "p", &magnitude, 0x7f);
        let fields = b.shl(Type::B32, "r", &magnitude, 20);
        let sign = b.shl(Type::B32, "r", byte, 24);
        let sign = b.and(Type::B32, "r", &sign, 0x8000_0000_i64);
        let bits = b.or(Type::B32, "r", &fields, &sign);
        let moved = b.op(Opcode::Mov, &[ty(Type::B32)], Type::F32, "f", vec![Operand::from(&bits)]);
        let number = b.mul(Type::F32, "f", &moved, 2f32.powi(120));
        b.selp(Type::F32, "f", f32::NAN, &number, &is_nan)
    }

    /// The bit in a column of a row whose first bit is `row_bit`.
    fn bit(&mut self, param: ParamId, row_bit: &Reg, column: &Reg, place: &Place) -> Reg {
        let first = own(param, place).first;
        let bit = self.b.add(Type::U32, "r", row_bit, column);
        let byte = self.b.shr(Type::U32, "r", &bit, 3);
        let at = self.b.mad_wide("rd", &byte, 1, &first);
        let mods = [space(Space::Global), word(Word::Nc), ty(Type::U8)];
        let byte = self.b.op(Opcode::Ld, &mods, Type::U32, "byte", vec![address(&at, 0)]);
        let within = self.b.and(Type::B32, "r", &bit, 7);
        let shifted = self.b.shr(Type::U32, "r", &byte, &within);
        let bit = self.b.and(Type::B32, "r", &shifted, 1);
        self.b.setp(Word::Ne, Type::S32, "p", &bit, 0)
    }
}

/// What the sequence has of a table.
fn own(param: ParamId, place: &Place) -> OwnNumbers {
    place.uniforms.and_then(|uniforms| uniforms.own(param)).cloned().expect(KNOWN)
}

impl Expr {
    /// Collects the rows of tables of which elements are asked that differ along a row: tables, and what goes before the
    /// column, each once.
    pub(super) fn rows_of_tables(&self, found: &mut Vec<(ParamId, Vec<Expr>)>) {
        self.any(&mut |expr| {
            if let Expr::At(param, indices) = expr
                && let [row @ .., column] = &indices[..]
                && !column.is_row_only()
                && row.iter().all(Expr::is_row_only)
                && !found.iter().any(|(table, known)| table == param && known == row)
            {
                found.push((*param, row.to_vec()));
            }
            false
        });
    }
}
