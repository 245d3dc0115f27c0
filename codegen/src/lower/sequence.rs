//! What score functions ask of the instance's sequence, known before any of them is evaluated: how many queries and keys it
//! has, and where its numbers lie in vectors and tables.
//!
//! A planned kernel's item covers a part of the columns, so there the length comes of the query's starts, and of the position
//! of its first token.

use super::instance::Extent;
use super::kernel::Kernel;
use super::scalar::Uniforms;
use crate::abi::{BiasAxis, Meaning};
use crate::program::{Along, BinaryOp, Expr, ParamId, ParamKind, Vector};
use crate::work_list;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Type, Word};

/// The numbers that a sequence has of a vector or of a table.
#[derive(Clone)]
pub(super) struct OwnNumbers {
    /// Address of the first.
    pub first: Reg,
    /// How many there are; of a table of bits, in a row. What a bias has, parameters say.
    pub count: Option<Reg>,
    /// Index of the last of those; 0 where there is none.
    pub last: Option<Reg>,
}

/// `kv_len - q_len`, the position of the first query.
pub(super) fn first_query() -> Expr {
    Expr::Binary(BinaryOp::Sub, Box::new(Expr::KvLen), Box::new(Expr::QLen))
}

impl Kernel<'_> {
    /// What `expr` asks of the sequence of an extent.
    pub(super) fn know_sequence(&mut self, expr: &Expr, extent: &Extent, uniforms: &mut Uniforms) {
        if self.program.asks_lens(expr) && uniforms.get(&Expr::QLen).is_none() {
            self.b.comment("the sequence, as score functions know it");
            let q_len = self.q_len(extent);
            let kv_len = match &extent.col_begin {
                None => extent.kv_len.clone(),
                Some(_) => self.b.add(Type::S32, "kv_len", &extent.q_offset, &q_len),
            };
            uniforms.know(Expr::QLen, q_len);
            uniforms.know(Expr::KvLen, kv_len);
            uniforms.know(first_query(), extent.q_offset.clone());
        }
        for param in self.program.own_numbers(expr) {
            if uniforms.own(param).is_none() {
                let own = self.own_numbers(param, extent, uniforms);
                uniforms.know_own(param, own);
            }
        }
    }

    fn q_len(&mut self, extent: &Extent) -> Reg {
        if extent.col_begin.is_none() {
            return self.b.sub(Type::S32, "q_len", &extent.kv_len, &extent.q_offset);
        }
        let starts = self.param(Meaning::Starts(self.attention.q));
        let at = self.b.mad_wide("rd", &extent.sequence, 4, &starts);
        let begin = self.b.ld_constant(Type::S32, "i", &at, 0);
        let end = self.b.ld_constant(Type::S32, "i", &at, 4);
        self.b.sub(Type::S32, "q_len", &end, &begin)
    }

    fn own_numbers(&mut self, param: ParamId, extent: &Extent, uniforms: &Uniforms) -> OwnNumbers {
        let len = |expr| uniforms.get(&expr).expect("lengths are known before numbers").clone();
        let numbers = self.param(Meaning::Pointer(param));
        match self.program.params[param.0].kind {
            ParamKind::Vector(Vector { along: Along::Queries, .. }) => {
                let first = self.b.mad_wide("own", &extent.q_begin, 4, &numbers);
                let count = len(Expr::QLen);
                let last = self.b.sub(Type::S32, "own_last", &count, 1);
                OwnNumbers { first, count: Some(count), last: Some(last) }
            }
            ParamKind::Vector(Vector { along: Along::KvHeads, .. }) => {
                let count = self.param(Meaning::KvHeads);
                let before = self.b.mul_lo(Type::U32, "r", &extent.sequence, &count);
                let first = self.b.mad_wide("own", &before, 4, &numbers);
                let last = self.b.sub(Type::S32, "own_last", &count, 1);
                OwnNumbers { first, count: Some(count), last: Some(last) }
            }
            ParamKind::Bias(_) => {
                let stride = self.param(Meaning::BiasStride(param, BiasAxis::Sequences));
                let sequence = self.b.cvt(&[], Type::U64, Type::U32, "rd", &extent.sequence);
                let first = self.b.mad_lo(Type::U64, "own", &sequence, &stride, &numbers);
                OwnNumbers { first, count: None, last: None }
            }
            ParamKind::BitMask => {
                let widths = self.param(Meaning::Widths(param));
                let at = self.b.mad_wide("rd", &extent.sequence, 4, &widths);
                let width = self.b.ld_constant(Type::S32, "width", &at, 0);
                self.own_from(param, extent, 1, &width)
            }
            _ => self.own_from(param, extent, 4, &len(Expr::KvLen)),
        }
    }

    /// Those of which starts say where they begin, in so many bytes, `count` of them.
    fn own_from(&mut self, param: ParamId, extent: &Extent, bytes: usize, count: &Reg) -> OwnNumbers {
        let (numbers, starts) = (self.param(Meaning::Pointer(param)), self.param(Meaning::Starts(param)));
        let at = self.b.mad_wide("rd", &extent.sequence, 4, &starts);
        let begin = self.b.ld_constant(Type::U32, "r", &at, 0);
        let first = self.b.mad_wide("rd", &begin, bytes, &numbers);
        // A sequence without keys has nothing to read, and some rows. What they read instead decides nothing.
        let is_empty = self.b.setp(Word::Eq, Type::S32, "p", count, 0);
        let first = self.b.selp(Type::B64, "own", &starts, &first, &is_empty);
        let last = self.b.sub(Type::S32, "i", count, 1);
        let last = self.b.max(Type::S32, "own_last", &last, 0);
        OwnNumbers { first, count: Some(count.clone()), last: Some(last) }
    }

    /// Index of the last sequence.
    pub(super) fn last_sequence(&mut self) -> Reg {
        let sequences = if self.spec.work.is_planned() {
            let list = self.param(Meaning::WorkList);
            self.b.ld_constant(Type::U32, "sequences", &list, work_list::SEQUENCES_OFFSET)
        } else {
            self.param(Meaning::Sequences)
        };
        self.b.sub(Type::S32, "i", &sequences, 1)
    }
}
