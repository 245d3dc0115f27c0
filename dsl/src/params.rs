//! Parameters of a kernel: views of what the host driver was given.
//!
//! All are `Copy`. Tensors are `[tokens, heads, D]` with sequences laid end to end; strides are in elements. Values and
//! output may have another head dimension than queries and keys. Paged keys and values, and the table, are in `pages.rs`;
//! vectors in `vectors.rs`; outputs in `outputs.rs`. What the compiler takes each type for is a row of `codegen/src/program/kind.rs`.

use crate::axis::{Cols, Dim, Rows};
use crate::element::Element;
use crate::host::HostError;
use crate::instance::{self, Grid, Instance, Owns};
use crate::tile::{RowVector, Tile};
use crate::tiles::{ColTile, ColTiles, RowTile, RowTiles};
use std::ops::Range;

/// A strided `[tokens, heads, D]` tensor.
#[derive(Clone, Copy, Debug)]
struct Tokens<'a, T> {
    data: &'a [T],
    token_stride: usize,
    head_stride: usize,
}

impl<'a, T: Element> Tokens<'a, T> {
    /// Reads `count` tokens of one head from `first` on.
    fn read<const D: usize>(&self, first: usize, head: usize, grid: &mut Grid) -> Result<(), HostError> {
        for (token, to) in (first..).zip(grid.data.chunks_exact_mut(D.max(1))) {
            let at = token * self.token_stride + head * self.head_stride;
            let from = self.data.get(at..at + D).ok_or(HostError::TensorTooShort {
                token,
                head,
                len: self.data.len(),
            })?;
            for (to, from) in to.iter_mut().zip(from) {
                *to = from.to_f32();
            }
        }
        Ok(())
    }
}

/// `Query<T, D>`: queries, `[tokens, q_heads, D]`.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a, T, const D: usize>(Tokens<'a, T>);

impl<'a, T: Element, const D: usize> Query<'a, T, D> {
    /// A packed tensor of this many heads.
    pub fn packed(data: &'a [T], heads: usize) -> Self {
        Self::strided(data, heads * D, D)
    }

    /// Elements from one token to the next, and from one head to the next.
    pub fn strided(data: &'a [T], token_stride: usize, head_stride: usize) -> Self {
        Query(Tokens { data, token_stride, head_stride })
    }

    /// This instance's rows.
    pub fn tile(self) -> Tile<Rows, Dim<D>> {
        instance::with(|i| {
            i.expect(Owns::Rows);
            self.rows(i)
        })
    }

    /// The row tiles of this instance's sequence, of each query head that shares its KV head.
    pub fn tiles(self) -> RowTiles {
        RowTiles::new()
    }

    /// The queries of a row tile.
    pub fn load(self, _: RowTile) -> Tile<Rows, Dim<D>> {
        instance::with(|i| self.rows(i))
    }

    fn rows(self, i: &mut Instance) -> Tile<Rows, Dim<D>> {
        let mut grid = Grid::zeros(i.row_span(), dim::<D>());
        let read = self.0.read::<D>(i.q_start + i.rows.start, i.head, &mut grid);
        i.check(read);
        Tile::put(i, grid)
    }
}

/// `RowInput`: `[tokens, q_heads]` f32, a number for each row, as a [`RowOutput`](crate::RowOutput) holds them.
#[derive(Clone, Copy, Debug)]
pub struct RowInput<'a> {
    data: &'a [f32],
    heads: usize,
}

impl<'a> RowInput<'a> {
    /// A packed tensor of this many heads.
    pub fn new(data: &'a [f32], heads: usize) -> Self {
        RowInput { data, heads }
    }

    /// This instance's rows.
    pub fn tile(self) -> RowVector {
        instance::with(|i| {
            i.expect(Owns::Rows);
            self.rows(i)
        })
    }

    /// Those of a row tile.
    pub fn load(self, _: RowTile) -> RowVector {
        instance::with(|i| self.rows(i))
    }

    fn rows(self, i: &mut Instance) -> RowVector {
        let mut grid = Grid::zeros(i.row_span(), dim::<1>());
        let tokens = Tokens { data: self.data, token_stride: self.heads, head_stride: 1 };
        let read = tokens.read::<1>(i.q_start + i.rows.start, i.head, &mut grid);
        i.check(read);
        Tile::put(i, grid)
    }
}

/// `Input<T, E>`: what an [`Output`](crate::Output) begins as, `[tokens, q_heads, E]`: that of a kernel over other keys.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a, T, const D: usize>(Tokens<'a, T>);

impl<'a, T: Element, const D: usize> Input<'a, T, D> {
    /// A packed tensor of this many heads.
    pub fn new(data: &'a [T], heads: usize) -> Self {
        Input(Tokens { data, token_stride: heads * D, head_stride: D })
    }

    pub(crate) fn rows(self) -> Tile<Rows, Dim<D>> {
        instance::with(|i| {
            i.expect(Owns::Rows);
            let mut grid = Grid::zeros(i.row_span(), dim::<D>());
            let read = self.0.read::<D>(i.q_start + i.rows.start, i.head, &mut grid);
            i.check(read);
            Tile::put(i, grid)
        })
    }
}

pub(crate) fn dim<const D: usize>() -> instance::Span {
    instance::Span { first: 0, len: D }
}

/// Contiguous keys or values and where each sequence begins.
#[derive(Clone, Copy, Debug)]
struct Sequences<'a, T> {
    tokens: Tokens<'a, T>,
    starts: &'a [usize],
}

impl<T: Element> Sequences<'_, T> {
    /// The columns that the instance owns, or those of the current tile.
    fn columns<const D: usize>(&self, i: &mut Instance) -> Tile<Cols, Dim<D>> {
        let mut grid = Grid::zeros(i.col_span(), dim::<D>());
        let read = self.range(i).and_then(|tokens| {
            let Range { start, end } = i.cols;
            if end > tokens.len() {
                return Err(HostError::SequenceTooShort { seq: i.seq, len: tokens.len(), wanted: end });
            }
            self.tokens.read::<D>(tokens.start + start, i.kv_head, &mut grid)
        });
        i.check(read);
        Tile::put(i, grid)
    }

    fn range(&self, i: &Instance) -> Result<Range<usize>, HostError> {
        match self.starts.get(i.seq..i.seq + 2) {
            Some(&[start, end]) => Ok(start..end),
            _ => Err(HostError::NoSuchSequence { seq: i.seq }),
        }
    }
}

/// `Keys<T, D>`: keys, `[tokens, kv_heads, D]`.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a, T, const D: usize>(Sequences<'a, T>);

/// `Values<T, E>`: values, `[tokens, kv_heads, E]`.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a, T, const D: usize>(Sequences<'a, T>);

macro_rules! contiguous {
    ($Name:ident) => {
        impl<'a, T: Element, const D: usize> $Name<'a, T, D> {
            /// A packed tensor of this many heads. Sequence `i` is tokens `starts[i]..starts[i + 1]`.
            pub fn packed(data: &'a [T], heads: usize, starts: &'a [usize]) -> Self {
                Self::strided(data, heads * D, D, starts)
            }

            /// Elements from one token to the next, and from one head to the next.
            pub fn strided(
                data: &'a [T],
                token_stride: usize,
                head_stride: usize,
                starts: &'a [usize],
            ) -> Self {
                $Name(Sequences { tokens: Tokens { data, token_stride, head_stride }, starts })
            }

            /// The tokens of a column tile.
            pub fn load(self, _: ColTile) -> Tile<Cols, Dim<D>> {
                instance::with(|i| self.0.columns(i))
            }

            /// This instance's columns.
            pub fn tile(self) -> Tile<Cols, Dim<D>> {
                instance::with(|i| {
                    i.expect(Owns::Cols);
                    self.0.columns(i)
                })
            }
        }
    };
}

contiguous!(Keys);
contiguous!(Values);

impl<'a, T: Element, const D: usize> Keys<'a, T, D> {
    /// The column tiles of this sequence's keys.
    pub fn tiles(self) -> ColTiles {
        ColTiles::new()
    }
}
