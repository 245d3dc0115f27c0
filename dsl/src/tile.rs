//! Tiles: values with two axes, and what can be computed of them as matrices. `elementwise.rs` has the rest.

use crate::axis::{Axis, Cols, Dim, One, Rows};
use crate::element::Element;
use crate::host::HostError;
use crate::instance::{self, Grid, Instance};
use crate::params::{Input, dim};
use std::fmt;
use std::marker::PhantomData;
use std::ops::AddAssign;

/// A tile of numbers with axes `R` (down) and `C` (across).
///
/// A tile is a `Copy` handle with value semantics: `acc += x` gives `acc` a new value and leaves copies of
/// the old one as they were.
#[must_use = "a tile is a value: nothing happens unless it is used"]
pub struct Tile<R, C> {
    id: u64,
    // Handles mean something on one thread only.
    axes: PhantomData<(R, C, *const ())>,
}

impl<R, C> Clone for Tile<R, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, C> Copy for Tile<R, C> {}

impl<R, C> fmt::Debug for Tile<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |name: &'static str| name.rsplit("::").next().unwrap_or(name);
        write!(
            f,
            "Tile<{}, {}>#{}",
            short(std::any::type_name::<R>()),
            short(std::any::type_name::<C>()),
            self.id
        )
    }
}

/// A number for each row: what [`OnlineSoftmax::lse`](crate::OnlineSoftmax::lse) gives, a [`RowInput`](crate::RowInput) holds
/// and a [`RowOutput`](crate::RowOutput) stores.
pub type RowVector = Tile<Rows, One>;

/// A number for each column.
pub type ColVector = Tile<Cols, One>;

/// Where an element of a tile lies. What its tile has no axis for is 0 on the host, and an error of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The query's position in its sequence, `kv_len - q_len + query index`: equal positions line up with
    /// [`At::col`], so causal attention is `at.col <= at.row`.
    pub row: i32,
    /// The key's position in its sequence.
    pub col: i32,
    /// The query head.
    pub head: i32,
    /// The KV head, which the query heads of a group share.
    pub kv_head: i32,
    /// The sequence in the batch.
    pub seq: i32,
    /// The query's number in its sequence, from 0: `at.row - (at.kv_len - at.q_len)`.
    pub query: i32,
    /// Queries of the sequence.
    pub q_len: i32,
    /// Keys of the sequence.
    pub kv_len: i32,
}

impl<const D: usize> Tile<Rows, Dim<D>> {
    /// Where an accumulator begins that goes on from another kernel's output: beside a softmax that begins with its log-sum-exp,
    /// [`OnlineSoftmax::resume`](crate::OnlineSoftmax::resume), or by itself without a softmax.
    pub fn resume<T: Element>(o: Input<'_, T, D>) -> Self {
        o.rows()
    }
}

impl<R: Axis, C: Axis> Tile<R, C> {
    /// A tile of zeros: where an accumulator begins.
    pub fn zeros() -> Self {
        instance::with(|i| {
            let (rows, cols) = (R::span(i), C::span(i));
            Self::put(i, Grid::zeros(rows, cols))
        })
    }

    /// The transpose.
    pub fn t(self) -> Tile<C, R> {
        instance::with(|i| {
            let from = self.get(i);
            let mut to = Grid::zeros(from.cols, from.rows);
            for (r, row) in from.data.chunks_exact(from.cols.len.max(1)).enumerate() {
                for (c, &x) in row.iter().enumerate() {
                    to.data[c * from.rows.len + r] = x;
                }
            }
            Tile::put(i, to)
        })
    }

    pub(crate) fn put(instance: &mut Instance, grid: Grid) -> Self {
        Tile { id: instance.put(grid), axes: PhantomData }
    }

    pub(crate) fn get(self, instance: &mut Instance) -> Grid {
        let (rows, cols) = (R::span(instance), C::span(instance));
        instance.get(self.id, rows, cols)
    }

    /// Gives the variable a new value.
    pub(crate) fn replace(&mut self, instance: &mut Instance, grid: Grid) {
        let new = instance.put(grid);
        instance.keep(self.id, new);
        self.id = new;
    }
}

/// The matrix product: `a`'s second axis is `b`'s first. Sums are taken in f64.
pub fn dot<R: Axis, K: Axis, C: Axis>(a: Tile<R, K>, b: Tile<K, C>) -> Tile<R, C> {
    instance::with(|i| {
        let (a, b) = (a.get(i), b.get(i));
        let mut out = Grid::zeros(a.rows, b.cols);
        if a.cols.len != b.rows.len {
            i.fault(HostError::StaleTile);
            return Tile::put(i, out);
        }
        let (inner, across) = (a.cols.len, b.cols.len);
        let mut sums = vec![0.0f64; across];
        for r in 0..a.rows.len {
            sums.fill(0.0);
            for (k, &x) in a.data[r * inner..][..inner].iter().enumerate() {
                for (sum, &y) in sums.iter_mut().zip(&b.data[k * across..][..across]) {
                    *sum += f64::from(x) * f64::from(y);
                }
            }
            for (to, &sum) in out.data[r * across..][..across].iter_mut().zip(&sums) {
                *to = sum as f32;
            }
        }
        Tile::put(i, out)
    })
}

impl<R: Axis, const D: usize> Tile<R, Dim<D>> {
    /// The first `E` numbers of each row. There are so many, or rustc refuses:
    ///
    /// ```compile_fail,E0080
    /// # use flashpage_dsl::*;
    /// fn cut(tile: Tile<Cols, Dim<32>>) -> Tile<Cols, Dim<64>> {
    ///     tile.slice::<64>()
    /// }
    /// # let _: fn(_) -> _ = cut;
    /// ```
    pub fn slice<const E: usize>(self) -> Tile<R, Dim<E>> {
        const { assert!(E <= D, "a slice is no larger than the rows that it is cut from") }
        instance::with(|i| {
            let from = self.get(i);
            let data = from.data.chunks_exact(D.max(1)).flat_map(|row| &row[..E]).copied().collect();
            Tile::put(i, Grid { rows: from.rows, cols: dim::<E>(), data })
        })
    }
}

impl<R: Axis, C: Axis> AddAssign for Tile<R, C> {
    fn add_assign(&mut self, other: Self) {
        instance::with(|i| {
            let (mut sum, other) = (self.get(i), other.get(i));
            for (x, y) in sum.data.iter_mut().zip(&other.data) {
                *x = (f64::from(*x) + f64::from(*y)) as f32;
            }
            self.replace(i, sum);
        });
    }
}
