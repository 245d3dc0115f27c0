//! Maps and masks of a tile, and what is made of two: lines cut into strips, each through the expression.

use super::real::Real;
use super::tile::Tile;
use crate::rounding::Precision;
use crate::scalar::{HostArgument, Place, Sequence, Strip};
use flashpage_codegen::program::Expr;
use std::ops::Range;

/// Elements of a strip: what an expression needs on its way stays in the first cache.
const STRIP: usize = 1024;

/// The logical positions along an axis of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) enum Positions<'a> {
    /// Of queries.
    Rows(&'a [i32]),
    /// Of keys.
    Cols(&'a [i32]),
    /// A head dimension has none.
    None,
}

/// Where the elements of a tile lie, and what expressions over them may ask for.
pub(super) struct Elementwise<'a> {
    pub arguments: &'a [HostArgument],
    pub precision: Precision,
    pub head: i32,
    pub kv_head: i32,
    pub sequence: Sequence,
    /// Along the tile's first axis.
    pub down: Positions<'a>,
    /// Along its second.
    pub across: Positions<'a>,
}

impl Elementwise<'_> {
    /// The tile with `expr` of each element in its place.
    pub(super) fn map<T: Real>(&self, tile: Tile<T>, expr: &Expr) -> Tile<T> {
        self.strips(tile, |place, _, strip| compute(place, expr, strip))
    }

    /// The same of each element and that of `other` which stands for it: where `other` has one number along an axis, that one.
    pub(super) fn zip<T: Real>(&self, tile: Tile<T>, other: Tile<T>, expr: &Expr) -> Tile<T> {
        let (rows, cols) = (other.rows, other.cols);
        let numbers: Vec<f64> = other.into_rows().into_iter().map(T::wide).collect();
        self.strips(tile, |place, (line, across), strip| {
            let line = if rows == 1 { 0 } else { line };
            let numbers = &numbers[line * cols..][..cols];
            let y = if cols == 1 { Strip::One(numbers[0]) } else { Strip::Lent(&numbers[across]) };
            compute(&Place { y, ..place.clone() }, expr, strip);
        })
    }

    /// The tile with minus infinity where `keep` does not hold.
    pub(super) fn mask<T: Real>(&self, tile: Tile<T>, keep: &Expr) -> Tile<T> {
        let masked = T::narrow(f64::NEG_INFINITY);
        self.strips(tile, |place, _, strip| match place.bools(keep).parts() {
            Ok(true) => {}
            Ok(false) => strip.fill(masked),
            Err(keep) => {
                strip.iter_mut().zip(keep).for_each(|(x, keep)| *x = if *keep { *x } else { masked })
            }
        })
    }

    /// `change` is given a strip, and its line and the elements of it.
    fn strips<T: Real>(
        &self,
        tile: Tile<T>,
        change: impl Fn(&Place<'_>, (usize, Range<usize>), &mut [T]),
    ) -> Tile<T> {
        let width = tile.cols.max(1);
        tile.changed(|data| {
            for (line, elements) in data.chunks_exact_mut(width).enumerate() {
                for (turn, strip) in elements.chunks_mut(STRIP).enumerate() {
                    let first = turn * STRIP;
                    let across = first..first + strip.len();
                    change(&self.place(line, across.clone()), (line, across), strip);
                }
            }
        })
    }

    /// Where the elements `across` of a line lie. A position along an axis that the tile does not have is asked
    /// for by no valid program.
    fn place(&self, line: usize, across: Range<usize>) -> Place<'_> {
        let (mut row, mut col) = (Strip::One(0), Strip::One(0));
        match self.down {
            Positions::Rows(positions) => row = Strip::One(positions[line]),
            Positions::Cols(positions) => col = Strip::One(positions[line]),
            Positions::None => {}
        }
        match self.across {
            Positions::Rows(positions) => row = Strip::Lent(&positions[across]),
            Positions::Cols(positions) => col = Strip::Lent(&positions[across]),
            Positions::None => {}
        }
        let Elementwise { arguments, precision, head, kv_head, sequence, .. } = *self;
        Place { arguments, precision, y: Strip::One(f64::NAN), row, col, head, kv_head, sequence }
    }
}

fn compute<T: Real>(place: &Place<'_>, expr: &Expr, strip: &mut [T]) {
    let x = Strip::Each(strip.iter().map(|x| x.wide()).collect());
    match place.floats(expr, &x).parts() {
        Ok(value) => strip.fill(T::narrow(value)),
        Err(values) => strip.iter_mut().zip(values).for_each(|(x, value)| *x = T::narrow(*value)),
    }
}
