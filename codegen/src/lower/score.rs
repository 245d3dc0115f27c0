//! Maps and masks of the scores of one tile.
//!
//! A mask that is an interval of columns costs one comparison an element: the lane's limits are moved by the
//! tile's first column, so that each element compares with a constant. Any other mask is evaluated as written.

use super::instance::Instance;
use super::kernel::{Kernel, State};
use super::range::{Extreme, Rows, uses_row};
use super::scalar::Place;
use crate::attention::ScoreOp;
use crate::bounds::Interval;
use crate::program::Expr;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Type, Word};

/// What one part of the main loop needs to treat scores, computed before it.
pub(super) struct Masks {
    /// Whether boundaries are masked in this part.
    masked: bool,
    /// Position of each row slot, if anything asks for it.
    rows: Vec<Reg>,
    /// Query head of each row slot, if anything asks for it.
    heads: Vec<Reg>,
    /// Last column that each row slot keeps.
    hi: Vec<Reg>,
    /// First column that each row slot keeps, if the mask has a left end.
    lo: Vec<Reg>,
    /// Row-only subexpressions, per row slot.
    known: Vec<Vec<(Expr, Reg)>>,
}

impl Kernel<'_> {
    /// Emits what does not change from tile to tile.
    pub(super) fn prepare_scores(&mut self, instance: &Instance, masked: bool) -> Masks {
        let attention = self.attention;
        let slots = 2 * self.row_blocks();
        let interval = attention.keep.as_ref().map_or(Interval::ALL, Interval::of);
        let opaque = attention.keep.as_ref().filter(|_| masked && !interval.exact);
        let evaluated: Vec<&Expr> = attention.scores.iter().map(ScoreOp::expr).chain(opaque).collect();
        let asks = |leaf: Expr| evaluated.iter().any(|expr| expr.any(&mut |e| *e == leaf));
        let limits =
            masked && interval.exact && [&interval.lo, &interval.hi].into_iter().flatten().any(uses_row);
        let (mut rows, mut heads) = (Vec::new(), Vec::new());
        if limits || asks(Expr::Row) || asks(Expr::Head) {
            for source in self.slot_rows(instance) {
                let token = self.of_row("r", &instance.lane_token, &source);
                rows.push(self.b.add(Type::S32, "row", &token, &instance.q_offset));
                if asks(Expr::Head) {
                    heads.push(self.of_row("head", &instance.lane_head, &source));
                }
            }
        }
        let (mut hi, mut lo) = (Vec::new(), Vec::new());
        if masked {
            let last_col = self.b.sub(Type::S32, "last_col", &instance.kv_len, 1);
            for slot in 0..slots {
                let range = rows.get(slot).filter(|_| limits).map(|row| {
                    let wide = self.b.cvt(&[], Type::S64, Type::S32, "rd", row);
                    Rows { first: wide.clone(), last: wide }
                });
                if !interval.exact {
                    hi.push(last_col.clone());
                    continue;
                }
                hi.push(self.right_end(instance, range.as_ref(), &interval, Extreme::Greatest, &last_col));
                lo.extend(self.left_end(instance, range.as_ref(), &interval, Extreme::Least));
            }
        }
        let mut known = Vec::new();
        for slot in 0..slots {
            let mut found = Vec::new();
            for expr in &evaluated {
                expr.maximal(
                    &|e| e.is_row_only() && !e.is_uniform() && !matches!(e, Expr::Row | Expr::Head),
                    &mut found,
                );
            }
            let place = self.slot_place(instance, &rows, &heads, slot);
            let values: Vec<(Expr, Reg)> = found
                .into_iter()
                .map(|e| {
                    let reg = self.evaluate(&e, &place);
                    (e, reg)
                })
                .collect();
            known.push(values);
        }
        Masks { masked, rows, heads, hi, lo, known }
    }

    fn slot_place<'p>(
        &self,
        instance: &'p Instance,
        rows: &'p [Reg],
        heads: &'p [Reg],
        slot: usize,
    ) -> Place<'p> {
        Place {
            sequence: Some(&instance.sequence),
            row: rows.get(slot),
            head: heads.get(slot),
            ..Place::default()
        }
    }

    /// Applies maps and masks to the scores of tile `tile`.
    pub(super) fn scores(&mut self, instance: &Instance, masks: &Masks, state: &mut State, tile: &Reg) {
        let attention = self.attention;
        let opaque = attention.keep.as_ref().filter(|keep| masks.masked && !Interval::of(keep).exact);
        if attention.scores.is_empty() && !masks.masked {
            return;
        }
        self.b.comment(if masks.masked { "maps and masks" } else { "maps" });
        let col0 = self.b.mad_lo(Type::S32, "r", tile, self.schedule.cols, &instance.first_col);
        let asks_col = |expr: &Expr| expr.any(&mut |e| *e == Expr::Col);
        let cols_needed =
            attention.scores.iter().any(|op| asks_col(op.expr())) || opaque.is_some_and(asks_col);
        let cols: Vec<Reg> = (0..if cols_needed { self.schedule.cols / 4 } else { 0 })
            .map(|n| self.b.add(Type::S32, "col", &col0, element_col(n)))
            .collect();

        for slot in 0..2 * self.row_blocks() {
            let base = self.slot_place(instance, &masks.rows, &masks.heads, slot);
            let relative =
                |k: &mut Self, limit: &[Reg]| limit.get(slot).map(|l| k.b.sub(Type::S32, "r", l, &col0));
            let (hi, lo) = (relative(self, &masks.hi), relative(self, &masks.lo));
            for n in 0..self.schedule.cols / 4 {
                let (block, element) = (n / 2, slot % 2 * 2 + n % 2);
                let mut score = state.scores[slot / 2][block][element].clone();
                for op in &attention.scores {
                    let known = &masks.known[slot];
                    let place = Place { x: Some(&score), col: cols.get(n), known, ..base };
                    score = match op {
                        // The softmax works in place: a value that elements share must not be its register.
                        ScoreOp::Map(expr) if expr.is_row_only() => {
                            let shared = self.evaluate(expr, &place);
                            self.b.mov(Type::F32, "f", &shared)
                        }
                        ScoreOp::Map(expr) => self.evaluate(expr, &place),
                        ScoreOp::Mask(keep) => {
                            let keep = self.evaluate(keep, &place);
                            self.b.selp(Type::F32, "f", &score, f32::NEG_INFINITY, &keep)
                        }
                    };
                }
                let mut keep =
                    hi.as_ref().map(|hi| self.b.setp(Word::Ge, Type::S32, "p", hi, element_col(n)));
                if let (Some(lo), Some(below)) = (&lo, &keep) {
                    keep = Some(self.b.setp_and(Word::Le, Type::S32, "p", lo, element_col(n), below));
                }
                if let (Some(condition), Some(inside)) = (opaque, &keep) {
                    let place = Place { col: cols.get(n), known: &masks.known[slot], ..base };
                    let condition = self.evaluate(condition, &place);
                    keep = Some(self.b.and(Type::Pred, "p", &condition, inside));
                }
                if let Some(keep) = &keep {
                    score = self.b.selp(Type::F32, "f", &score, f32::NEG_INFINITY, keep);
                }
                state.scores[slot / 2][block][element] = score;
            }
        }
    }
}

/// Column of a lane's `n`th element of a row within the tile, less the lane's first column.
fn element_col(n: usize) -> usize {
    n / 2 * 8 + n % 2
}
