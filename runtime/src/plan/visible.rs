//! Which columns some row of a tile can see: the mask's interval ([`flashpage_codegen::analysis::bounds`]) evaluated on the host,
//! as kernels evaluate it, so that work is cut where it is.

use crate::args::Argument;
use crate::scalar::{HostArgument, Place, Scalar, Sequence};
use flashpage_codegen::analysis::attention::{Attention, ScoreOp};
use flashpage_codegen::analysis::bounds::{Affine, Bound, Interval, conjuncts};
use flashpage_codegen::program::Expr;
use std::ops::Range;

/// The mask of a program with its arguments.
#[derive(Debug)]
pub(super) struct Visible {
    interval: Interval,
    /// All conditions that have to hold, one after the other.
    conditions: Vec<Condition>,
    arguments: Vec<HostArgument>,
    sequences: Vec<Sequence>,
}

/// A part of a mask.
#[derive(Debug)]
enum Condition {
    /// It holds for these columns of a row.
    Within(Interval),
    /// It does not ask for the row.
    OfColumn,
    /// It is evaluated for every element.
    Opaque,
}

impl Condition {
    fn of(condition: &Expr) -> Condition {
        let interval = Interval::of(condition);
        if interval.exact {
            return Condition::Within(interval);
        }
        let asks_row = condition.any(&mut |leaf| matches!(leaf, Expr::Row | Expr::Query));
        if asks_row { Condition::Opaque } else { Condition::OfColumn }
    }
}

impl Visible {
    /// Of a batch whose sequences have these numbers of queries and keys.
    pub(super) fn new(attention: &Attention, arguments: &[Argument<'_>], lens: &[(usize, usize)]) -> Visible {
        let sequence = |(index, (q_len, kv_len)): (usize, &(usize, usize))| {
            let [index, q_len, kv_len] = [index, *q_len, *kv_len].map(|number| number as i32);
            Sequence { index, q_len, kv_len }
        };
        let before_maps = attention.scores.iter().filter_map(|op| match op {
            ScoreOp::Mask(keep) => Some(keep),
            ScoreOp::Map(_) => None,
        });
        let masks = before_maps.chain(&attention.keep);
        Visible {
            conditions: masks.flat_map(conjuncts).map(Condition::of).collect(),
            interval: attention.seen.clone(),
            arguments: arguments.iter().map(HostArgument::of_scalar).collect(),
            sequences: lens.iter().enumerate().map(sequence).collect(),
        }
    }

    /// Of the columns in `limit`, those between the first and the last that rows at positions `rows` (both ends
    /// included) may see. Never too few; what is not known on the host bounds nothing.
    pub(super) fn columns(&self, rows: (i64, i64), sequence: usize, limit: Range<usize>) -> Range<usize> {
        let end = |bound: &Option<Bound>, greatest: bool| {
            bound.as_ref().and_then(|bound| self.bound(bound, rows, sequence, greatest))
        };
        let clamp = |value: i64| {
            usize::try_from(value.max(0)).unwrap_or(usize::MAX).clamp(limit.start, limit.end.max(limit.start))
        };
        let first = end(&self.interval.lo, false).map_or(limit.start, clamp);
        let past = end(&self.interval.hi, true).map_or(limit.end, |last| clamp(last.saturating_add(1)));
        first..past.max(first)
    }

    /// Whether rows at positions `rows` (both ends included) see the same of the first `tokens` columns wherever they are among
    /// them: all that is bounded by the row is kept.
    pub(super) fn sees_alike(&self, tokens: usize, rows: (i64, i64), sequence: usize) -> bool {
        self.conditions.iter().all(|condition| match condition {
            Condition::OfColumn => true,
            Condition::Opaque => false,
            Condition::Within(Interval { lo, hi, .. }) => {
                let end = |bound: &Bound, greatest| self.bound(bound, rows, sequence, greatest);
                let begins = lo.as_ref().is_none_or(|lo| end(lo, true).is_some_and(|lo| lo <= 0));
                let reaches = |hi: &Bound| end(hi, false).is_some_and(|hi| hi >= tokens as i64 - 1);
                begins && hi.as_ref().is_none_or(reaches)
            }
        })
    }

    /// Whether no row can see alike, whatever the batch: some condition has to be evaluated for every element.
    pub(super) fn is_opaque(&self) -> bool {
        self.conditions.iter().any(|condition| matches!(condition, Condition::Opaque))
    }

    fn bound(&self, bound: &Bound, rows: (i64, i64), sequence: usize, greatest: bool) -> Option<i64> {
        let parts = match bound {
            Bound::Affine(form) => return self.affine(form, rows, sequence, greatest),
            Bound::Min(parts) | Bound::Max(parts) => parts,
        };
        let values: Option<Vec<i64>> =
            parts.iter().map(|part| self.bound(part, rows, sequence, greatest)).collect();
        let values = values?.into_iter();
        if matches!(bound, Bound::Min(_)) { values.min() } else { values.max() }
    }

    fn affine(&self, form: &Affine, rows: (i64, i64), sequence: usize, greatest: bool) -> Option<i64> {
        let row = if (form.row > 0) == greatest { rows.1 } else { rows.0 };
        let mut sum = form.constant.saturating_add(form.row.saturating_mul(row));
        let place = Place::of_sequence(&self.arguments, *self.sequences.get(sequence)?);
        for (atom, coefficient) in &form.atoms {
            // Elements of tensors are on the device.
            if atom.any(&mut |expr| matches!(expr, Expr::Index(..))) {
                return None;
            }
            let Scalar::Int(value) = place.scalar(atom) else { return None };
            sum = sum.saturating_add(coefficient.saturating_mul(i64::from(value)));
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kernels::edited;
    use flashpage_codegen::analysis::attention::recognise;

    /// A mask, rows (first and last position), columns: those seen of them; and whether these rows see alike of the first three.
    #[test]
    fn columns_are_those_that_some_row_sees() {
        type Case<'a> = (&'a str, (i64, i64), Range<usize>, Range<usize>, bool);
        let table: [Case; 20] = [
            ("true", (5, 9), 0..100, 0..100, true),
            ("at.col <= at.row", (5, 9), 0..100, 0..10, true),
            ("at.col <= at.row", (5, 9), 8..100, 8..10, true),
            ("at.col <= at.row", (5, 9), 40..100, 40..40, true),
            ("at.col <= at.row", (-9, -2), 0..100, 0..0, false),
            ("at.col <= at.row", (1, 9), 0..100, 0..10, false),
            ("at.col <= at.row", (2, 9), 0..100, 0..10, true),
            ("at.col < at.row", (5, 9), 0..100, 0..9, true),
            ("at.col <= at.row && at.row - at.col < w", (50, 59), 0..100, 44..60, false),
            ("at.col <= at.row && at.row - at.col < w", (50, 59), 0..52, 44..52, false),
            ("at.col <= at.row && at.row - at.col < w", (3, 6), 0..52, 0..7, true),
            ("at.col <= at.row && at.row - at.col < w", (3, 7), 0..52, 0..8, false),
            ("at.col <= at.row && at.col % 2 == 0 && at.row - at.col < i32::MAX", (3, 7), 0..52, 0..8, true),
            ("at.col <= at.row && at.row - at.col < w", (500, 509), 0..100, 100..100, false),
            ("at.col <= at.row || at.col < w + at.seq", (2, 3), 0..100, 0..10, true),
            ("at.col >= w", (0, 0), 0..100, 7..100, false),
            ("at.col <= at.query", (5, 9), 0..100, 0..6, false),
            ("at.col < at.kv_len - w", (5, 9), 0..100, 0..3, true),
            ("at.col != at.row", (5, 9), 0..100, 0..100, false),
            ("at.col / 16 == at.row / 16", (50, 59), 3..100, 3..100, false),
        ];
        for (mask, rows, limit, expected, alike) in table {
            let step = "softmax.step(dot(q, k.load(cols).t())";
            let masked = format!("softmax.step(dot(q, k.load(cols).t()).mask(|at| {mask})");
            let program = edited(&[(step, &masked), ("lse: RowOutput", "lse: RowOutput, w: i32")]);
            let attention = recognise(&program, true).unwrap();
            let mut arguments = vec![Argument::I32(0); program.params.len() - 1];
            arguments.push(Argument::I32(7));
            let visible = Visible::new(&attention, &arguments, &[(6, 10); 4]);
            assert_eq!(visible.columns(rows, 3, limit), expected, "{mask} of {rows:?}");
            assert_eq!(visible.sees_alike(3, rows, 3), alike, "{mask} of {rows:?}");
        }
    }
}
