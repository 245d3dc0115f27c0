//! Which columns some row of a tile can see: the mask's interval ([`flashpage_codegen::analysis::bounds`]) evaluated on the host,
//! as kernels evaluate it, so that work is cut where it is.

use crate::args::Argument;
use crate::scalar::{HostArgument, Place, Scalar, Sequence};
use flashpage_codegen::analysis::attention::Attention;
use flashpage_codegen::analysis::bounds::{Affine, Bound, Interval};
use flashpage_codegen::program::Expr;
use std::ops::Range;

/// The mask of a program with its arguments.
#[derive(Debug)]
pub(super) struct Visible {
    interval: Interval,
    arguments: Vec<HostArgument>,
    sequences: Vec<Sequence>,
}

impl Visible {
    /// Of a batch whose sequences have these numbers of queries and keys.
    pub(super) fn new(attention: &Attention, arguments: &[Argument<'_>], lens: &[(usize, usize)]) -> Visible {
        let sequence = |(index, (q_len, kv_len)): (usize, &(usize, usize))| {
            let [index, q_len, kv_len] = [index, *q_len, *kv_len].map(|number| number as i32);
            Sequence { index, q_len, kv_len }
        };
        Visible {
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

    /// Every row sees every column before its own position, at least: what lies before all rows is seen whole.
    pub(super) fn sees_all_before(&self) -> bool {
        let Interval { lo, hi, exact } = &self.interval;
        let reaches_before_itself = match hi {
            None => true,
            Some(Bound::Affine(Affine { row: 1, col: 0, atoms, constant })) => {
                atoms.is_empty() && *constant >= -1
            }
            Some(_) => false,
        };
        *exact && lo.is_none() && reaches_before_itself
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

    /// A mask, rows (first and last position), columns: those seen of them; and whether every row sees all before it.
    #[test]
    fn columns_are_those_that_some_row_sees() {
        type Case<'a> = (&'a str, (i64, i64), Range<usize>, Range<usize>, bool);
        let table: [Case; 14] = [
            ("true", (5, 9), 0..100, 0..100, true),
            ("at.col <= at.row", (5, 9), 0..100, 0..10, true),
            ("at.col <= at.row", (5, 9), 8..100, 8..10, true),
            ("at.col <= at.row", (5, 9), 40..100, 40..40, true),
            ("at.col <= at.row", (-9, -2), 0..100, 0..0, true),
            ("at.col < at.row", (5, 9), 0..100, 0..9, true),
            ("at.col <= at.row && at.row - at.col < w", (50, 59), 0..100, 44..60, false),
            ("at.col <= at.row && at.row - at.col < w", (50, 59), 0..52, 44..52, false),
            ("at.col <= at.row && at.row - at.col < w", (500, 509), 0..100, 100..100, false),
            ("at.col <= at.row || at.col < w + at.seq", (2, 3), 0..100, 0..10, false),
            ("at.col >= w", (0, 0), 0..100, 7..100, false),
            ("at.col <= at.query", (5, 9), 0..100, 0..6, false),
            ("at.col < at.kv_len - w", (5, 9), 0..100, 0..3, false),
            ("at.col / 16 == at.row / 16", (50, 59), 3..100, 3..100, false),
        ];
        for (mask, rows, limit, expected, sees_all_before) in table {
            let step = "softmax.step(dot(q, k.load(cols).t())";
            let masked = format!("softmax.step(dot(q, k.load(cols).t()).mask(|at| {mask})");
            let program = edited(&[(step, &masked), ("lse: RowOutput", "lse: RowOutput, w: i32")]);
            let attention = recognise(&program, true).unwrap();
            let mut arguments = vec![Argument::I32(0); program.params.len() - 1];
            arguments.push(Argument::I32(7));
            let visible = Visible::new(&attention, &arguments, &[(6, 10); 4]);
            assert_eq!(visible.columns(rows, 3, limit), expected, "{mask} of {rows:?}");
            assert_eq!(visible.sees_all_before(), sees_all_before, "{mask}");
        }
    }
}
