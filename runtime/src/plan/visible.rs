//! Which columns some row of a tile can see: the mask's interval ([`flashpage_codegen::bounds`]) evaluated on the host,
//! as kernels evaluate it, so that work is cut where it is.

use crate::args::Argument;
use crate::scalar::{HostArgument, Place, Precision, Scalar};
use flashpage_codegen::attention::Attention;
use flashpage_codegen::bounds::{Affine, Bound, Interval};
use flashpage_codegen::program::Expr;
use std::ops::Range;

/// The mask of a program with its arguments.
#[derive(Debug)]
pub(super) struct Visible {
    interval: Interval,
    arguments: Vec<HostArgument>,
}

impl Visible {
    pub(super) fn new(attention: &Attention, arguments: &[Argument<'_>]) -> Visible {
        Visible {
            interval: attention.keep.as_ref().map_or(Interval::ALL, Interval::of),
            arguments: arguments.iter().map(HostArgument::of_scalar).collect(),
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

    /// Every row sees every column up to its own position, at least: what lies before all rows is seen whole.
    pub(super) fn sees_all_before(&self) -> bool {
        let Interval { lo, hi, exact } = &self.interval;
        let reaches_itself = match hi {
            None => true,
            Some(Bound::Affine(Affine { row: 1, col: 0, atoms, constant })) => {
                atoms.is_empty() && *constant >= 0
            }
            Some(_) => false,
        };
        *exact && lo.is_none() && reaches_itself
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
        let place = Place {
            arguments: &self.arguments,
            precision: Precision::Exact,
            row: 0,
            col: 0,
            head: 0,
            seq: i32::try_from(sequence).ok()?,
        };
        for (atom, coefficient) in &form.atoms {
            // Elements of tensors are on the device.
            if atom.any(&mut |expr| matches!(expr, Expr::Index(..))) {
                return None;
            }
            let Scalar::Int(value) = place.eval(atom, f64::NAN) else { return None };
            sum = sum.saturating_add(coefficient.saturating_mul(i64::from(value)));
        }
        Some(sum)
    }
}
