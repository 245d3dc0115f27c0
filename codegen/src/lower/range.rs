//! Which tiles of columns a row tile needs, and which of them need masks.
//!
//! The mask's interval ([`crate::analysis::bounds`]) is evaluated at the first and last row of the tile. Ends are
//! computed in 64 bits, so a window of `i32::MAX` cannot wrap, and clamped to the sequence.

use super::instance::Extent;
use super::kernel::Kernel;
use super::scalar::Uniforms;
use crate::abi::Divisor;
use crate::analysis::bounds::{Affine, Bound, Interval};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Type, Word};

/// Tiles of columns, by index; a tile is `schedule.cols` wide, and the first begins where the extent's columns do.
pub(super) struct ColumnRange {
    /// The leftmost tile.
    pub first: Reg,
    /// One past the rightmost tile.
    pub end: Reg,
    /// The leftmost tile right of those that every row sees whole, where the mask lets that be known.
    inner_end: Option<Reg>,
    /// The leftmost tile that every row sees whole, where the mask has a left end.
    inner_first: Option<Reg>,
}

impl ColumnRange {
    /// The tile at an edge; `None` where no part ends there.
    pub fn at(&self, edge: Edge) -> Option<&Reg> {
        match edge {
            Edge::First => Some(&self.first),
            Edge::InnerEnd => self.inner_end.as_ref(),
            Edge::InnerFirst => self.inner_first.as_ref(),
        }
    }
}

/// Where a part of the main loop ends, going left.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Edge {
    /// At the leftmost tile.
    First,
    /// Where tiles begin that every row sees whole.
    InnerEnd,
    /// Where they end.
    InnerFirst,
}

/// A part of the main loop with one kind of body.
pub(super) struct Phase {
    /// A comment line.
    pub title: &'static str,
    /// Its leftmost tile.
    pub first: Edge,
    /// Which ends of what the mask keeps may lie in its tiles.
    pub ends: Ends,
}

/// Ends of the columns that a mask keeps of a row, or of a sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ends {
    /// Every row sees the tiles whole.
    None,
    /// Any.
    Both,
    /// The left end alone: the tiles lie left of those on the right boundary.
    Left,
}

/// Which row of a range makes a bound extreme.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Extreme {
    Least,
    Greatest,
}

/// The row positions over which a bound ranges, as s64.
pub(super) struct Rows {
    pub first: Reg,
    pub last: Reg,
}

impl Kernel<'_> {
    pub(super) fn column_range(&mut self, extent: &Extent, uniforms: &mut Uniforms) -> ColumnRange {
        let interval = &self.attention.seen;
        let cols = self.schedule.cols;
        self.b.stage("columns that some row of the tile can see, in tiles; right to left");
        let ends = [&interval.lo, &interval.hi];
        let rows = ends.into_iter().flatten().any(Bound::uses_row).then(|| self.tile_rows(extent));
        let last_col = self.b.sub(Type::S32, "r", &extent.kv_len, 1);

        let hi = self.right_end(extent, rows.as_ref(), interval, Extreme::Greatest, &last_col, uniforms);
        let hi = self.relative_to_begin(extent, hi, -1);
        let hi = self.b.add(Type::S32, "r", &hi, cols);
        let end = self.b.div(Type::U32, "tiles_end", &hi, cols);
        let first = match self.left_end(extent, rows.as_ref(), interval, Extreme::Least, uniforms) {
            Some(lo) => {
                let lo = self.relative_to_begin(extent, lo, 0);
                self.b.div(Type::U32, "tiles_first", &lo, cols)
            }
            None => self.b.mov(Type::U32, "tiles_first", 0),
        };
        let mut range = ColumnRange { first, end, inner_end: None, inner_first: None };
        if interval.exact {
            self.b.comment("tiles that every row sees whole");
            let hi = self.right_end(extent, rows.as_ref(), interval, Extreme::Least, &last_col, uniforms);
            let hi = self.relative_to_begin(extent, hi, -1);
            let hi = self.b.add(Type::S32, "r", &hi, 1);
            let inner_end = self.b.div(Type::U32, "inner_end", &hi, cols);
            self.b.max(Type::S32, &inner_end, &inner_end, &range.first);
            if let Some(lo) = self.left_end(extent, rows.as_ref(), interval, Extreme::Greatest, uniforms) {
                let lo = self.relative_to_begin(extent, lo, 0);
                let lo = self.b.add(Type::S32, "r", &lo, cols - 1);
                let inner_first = self.b.div(Type::U32, "inner_first", &lo, cols);
                self.b.max(Type::S32, &inner_first, &inner_first, &range.first);
                self.b.min(Type::S32, &inner_first, &inner_first, &inner_end);
                range.inner_first = Some(inner_first);
            }
            range.inner_end = Some(inner_end);
        }
        range
    }

    /// The parts of the main loop, right to left.
    pub(super) fn phases(&self) -> Vec<Phase> {
        let interval = &self.attention.seen;
        let phase = |title, first, ends| Phase { title, first, ends };
        if !interval.exact {
            return vec![phase(
                "all tiles: the mask is evaluated element by element",
                Edge::First,
                Ends::Both,
            )];
        }
        let has_left_end = interval.lo.is_some();
        let inner_first = if has_left_end { Edge::InnerFirst } else { Edge::First };
        let mut phases = vec![
            phase("tiles on the right boundary, masked", Edge::InnerEnd, Ends::Both),
            phase("tiles inside, no masks", inner_first, Ends::None),
        ];
        if has_left_end {
            phases.push(phase("tiles on the left boundary, masked", Edge::First, Ends::Left));
        }
        phases
    }

    /// A column counted from where the leftmost tile begins, at least `least`.
    fn relative_to_begin(&mut self, extent: &Extent, col: Reg, least: i64) -> Reg {
        let Some(begin) = &extent.col_begin else { return col };
        let col = self.b.sub(Type::S32, "r", &col, begin);
        self.b.max(Type::S32, "r", &col, least)
    }

    /// Positions of the tile's first and last row, as s64.
    fn tile_rows(&mut self, extent: &Extent) -> Rows {
        let packed = self.reciprocal(Divisor::PackedHeads);
        let b = &mut self.b;
        let past = b.add(Type::U32, "r", &extent.row0, self.schedule.rows);
        let past = b.min(Type::U32, "r", &past, &extent.end);
        let last = b.sub(Type::U32, "r", &past, 1);
        let mut position = |row: &Reg, group: &str| {
            let token = b.quotient("r", row, &packed);
            let position = b.add(Type::S32, "r", &token, &extent.q_offset);
            b.cvt(&[], Type::S64, Type::S32, group, &position)
        };
        Rows { first: position(&extent.row0, "row_first"), last: position(&last, "row_last") }
    }

    /// The rightmost column, at least -1, at most the sequence's last.
    pub(super) fn right_end(
        &mut self,
        extent: &Extent,
        rows: Option<&Rows>,
        interval: &Interval,
        extreme: Extreme,
        last_col: &Reg,
        uniforms: &mut Uniforms,
    ) -> Reg {
        let Some(bound) = &interval.hi else { return last_col.clone() };
        let wide = self.bound(extent, rows, bound, extreme, uniforms);
        let last = self.b.cvt(&[], Type::S64, Type::S32, "rd", last_col);
        let wide = self.b.min(Type::S64, "rd", &wide, &last);
        let wide = self.b.max(Type::S64, "rd", &wide, -1);
        self.b.cvt(&[], Type::S32, Type::S64, "r", &wide)
    }

    /// The leftmost column, at least 0, at most the sequence's length; `None` if the mask has no left end.
    pub(super) fn left_end(
        &mut self,
        extent: &Extent,
        rows: Option<&Rows>,
        interval: &Interval,
        extreme: Extreme,
        uniforms: &mut Uniforms,
    ) -> Option<Reg> {
        let wide = self.bound(extent, rows, interval.lo.as_ref()?, extreme, uniforms);
        let len = self.b.cvt(&[], Type::S64, Type::U32, "rd", &extent.kv_len);
        let wide = self.b.min(Type::S64, "rd", &wide, &len);
        let wide = self.b.max(Type::S64, "rd", &wide, 0);
        Some(self.b.cvt(&[], Type::S32, Type::S64, "r", &wide))
    }

    /// A bound over a range of rows, as s64. The extreme of a minimum or maximum is taken part by part, which
    /// is never tighter than the truth for the hull, nor looser for the inside.
    fn bound(
        &mut self,
        extent: &Extent,
        rows: Option<&Rows>,
        bound: &Bound,
        extreme: Extreme,
        uniforms: &mut Uniforms,
    ) -> Reg {
        let (parts, least) = match bound {
            Bound::Affine(form) => return self.affine(extent, rows, form, extreme, uniforms),
            Bound::Min(parts) => (parts, true),
            Bound::Max(parts) => (parts, false),
        };
        let mut values = Vec::new();
        for part in parts {
            values.push(self.bound(extent, rows, part, extreme, uniforms));
        }
        let join = |b: &mut flashpage_ptx::builder::Builder, x: Reg, y: &Reg| {
            if least { b.min(Type::S64, "rd", &x, y) } else { b.max(Type::S64, "rd", &x, y) }
        };
        let mut values = values.into_iter();
        let first = values.next().expect("a joined bound has two parts");
        values.fold(first, |x, y| join(&mut self.b, x, &y))
    }

    fn affine(
        &mut self,
        extent: &Extent,
        rows: Option<&Rows>,
        form: &Affine,
        extreme: Extreme,
        uniforms: &mut Uniforms,
    ) -> Reg {
        let mut terms = Vec::new();
        if let (true, Some(rows)) = (form.row != 0, rows) {
            let at_last = (form.row > 0) == (extreme == Extreme::Greatest);
            let row = if at_last { &rows.last } else { &rows.first };
            terms.push((row.clone(), form.row));
        }
        for (atom, coefficient) in &form.atoms {
            let value = self.uniform_value(atom, extent, uniforms);
            terms.push((self.b.cvt(&[], Type::S64, Type::S32, "rd", value), *coefficient));
        }
        // What is added comes first, so that the rest can be taken from it.
        terms.sort_by_key(|(_, coefficient)| *coefficient < 0);
        let mut sum: Option<Reg> = None;
        for (value, coefficient) in &terms {
            sum = Some(match (sum, *coefficient) {
                (None, 1) => value.clone(),
                (None, coefficient) => self.b.mul_lo(Type::S64, "rd", value, coefficient),
                (Some(sum), 1) => self.b.add(Type::S64, "rd", &sum, value),
                (Some(sum), -1) => self.b.sub(Type::S64, "rd", &sum, value),
                (Some(sum), coefficient) => {
                    let term = self.b.mul_lo(Type::S64, "rd", value, coefficient);
                    self.b.add(Type::S64, "rd", &sum, &term)
                }
            });
        }
        match sum {
            None => self.b.mov(Type::S64, "rd", form.constant),
            Some(sum) if form.constant == 0 => sum,
            Some(sum) => self.b.add(Type::S64, "rd", &sum, form.constant),
        }
    }

    /// Whether tile `index` (s32) is at or right of the leftmost tile.
    pub(super) fn in_range(&mut self, index: &Reg, range: &ColumnRange) -> Reg {
        self.b.setp(Word::Ge, Type::S32, "p", index, &range.first)
    }
}
