//! Tiles: matrices that are shared until somebody changes them. Transposes and slices share their numbers too.

use super::real::{Matrix, Real, product_of};
use crate::rounding::Factors;
use flashpage_codegen::program::{Axis, Dim, TileType};
use std::sync::Arc;

/// A matrix of `rows` by `cols` numbers along the axes of `ty`.
#[derive(Clone, Debug)]
pub(super) struct Tile<T> {
    pub ty: TileType,
    pub rows: usize,
    pub cols: usize,
    /// Row-major, or column-major where `is_transposed`.
    data: Arc<Vec<T>>,
    /// Numbers from one row, or column, to the next: more than there are in one, in a slice.
    stride: usize,
    is_transposed: bool,
}

impl<T: Real> Tile<T> {
    /// `data` is row-major, of `rows * cols` numbers.
    pub(super) fn new(ty: TileType, rows: usize, cols: usize, data: Vec<T>) -> Tile<T> {
        debug_assert_eq!(data.len(), rows * cols);
        Tile { ty, rows, cols, data: Arc::new(data), stride: cols, is_transposed: false }
    }

    pub(super) fn zeros(ty: TileType, extent: impl Fn(Axis) -> usize) -> Tile<T> {
        let (rows, cols) = (extent(ty.rows), extent(ty.cols));
        Tile::new(ty, rows, cols, vec![T::default(); rows * cols])
    }

    /// This tile, with none of its numbers left here.
    pub(super) fn take(&mut self) -> Tile<T> {
        Tile { data: std::mem::take(&mut self.data), ..*self }
    }

    pub(super) fn transposed(self) -> Tile<T> {
        Tile {
            ty: TileType { rows: self.ty.cols, cols: self.ty.rows },
            rows: self.cols,
            cols: self.rows,
            data: self.data,
            stride: self.stride,
            is_transposed: !self.is_transposed,
        }
    }

    /// The first `width` numbers of each row, which lie along `dim`.
    pub(super) fn sliced(self, dim: Dim, width: usize) -> Tile<T> {
        debug_assert!(width <= self.cols, "a slice of {width} columns of {}", self.cols);
        Tile { ty: TileType { cols: Axis::Dim(dim), ..self.ty }, cols: width, ..self }
    }

    /// The product with `other`, whose rows lie along this tile's columns.
    /// `factors` says what they are rounded to, if they are.
    pub(super) fn dot(&self, other: &Tile<T>, factors: Option<Factors>) -> Tile<T> {
        let ty = TileType { rows: self.ty.rows, cols: other.ty.cols };
        let (a, b) = (self.matrix(), other.matrix());
        let is_short = matches!(self.ty.cols, Axis::Dim(_));
        Tile::new(ty, self.rows, other.cols, product_of(factors, a, b, is_short))
    }

    fn matrix(&self) -> Matrix<'_, T> {
        let strides = if self.is_transposed { (1, self.stride) } else { (self.stride, 1) };
        Matrix { data: &self.data, rows: self.rows, cols: self.cols, strides }
    }

    /// The numbers, row-major: this tile's own where nobody shares them, a copy otherwise.
    pub(super) fn into_rows(self) -> Vec<T> {
        if !self.is_transposed && self.stride == self.cols {
            return Arc::try_unwrap(self.data).unwrap_or_else(|shared| shared.to_vec());
        }
        let mut data = Vec::with_capacity(self.rows * self.cols);
        for row in 0..self.rows {
            if self.is_transposed {
                data.extend(self.data.iter().skip(row).step_by(self.stride.max(1)).take(self.cols));
            } else {
                data.extend(&self.data[row * self.stride..][..self.cols]);
            }
        }
        data
    }

    /// The same tile with other numbers: `change` gets them row-major.
    pub(super) fn changed(self, change: impl FnOnce(&mut [T])) -> Tile<T> {
        let (ty, rows, cols) = (self.ty, self.rows, self.cols);
        let mut data = self.into_rows();
        change(&mut data);
        Tile::new(ty, rows, cols, data)
    }
}
