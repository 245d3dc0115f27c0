//! Parameters of a kernel: views of what the host driver was given.
//!
//! All are `Copy`. Tensors are `[tokens, heads, D]` with sequences laid end to end; strides are in elements. Values and
//! output may have another head dimension than queries and keys. Paged keys and values, and the table, are in `pages.rs`;
//! vectors in `vectors.rs`. What the compiler takes each type for is a row of `codegen/src/program/kind.rs`.

use crate::axis::{Cols, Dim, Rows};
use crate::element::Element;
use crate::host::HostError;
use crate::instance::{self, Grid, Instance};
use crate::softmax::RowVector;
use crate::tile::Tile;
use std::cell::Cell;
use std::marker::PhantomData;
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

/// A stretch of key positions: one iteration of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColTile {
    pub(crate) first: usize,
    pub(crate) len: usize,
}

/// The column tiles of this instance's sequence, from the left.
#[derive(Clone, Debug)]
pub struct ColTiles {
    next: usize,
}

impl ColTiles {
    pub(crate) fn new() -> ColTiles {
        ColTiles { next: 0 }
    }
}

impl Iterator for ColTiles {
    type Item = ColTile;

    fn next(&mut self) -> Option<ColTile> {
        instance::with(|i| {
            let first = self.next;
            let len = i.tile_cols.min(i.kv_len - first);
            self.next += len;
            i.begin_iteration(first..first + len);
            (len > 0).then_some(ColTile { first, len })
        })
    }
}

/// Contiguous keys or values and where each sequence begins.
#[derive(Clone, Copy, Debug)]
struct Sequences<'a, T> {
    tokens: Tokens<'a, T>,
    starts: &'a [usize],
}

impl<T: Element> Sequences<'_, T> {
    fn load<const D: usize>(&self, cols: ColTile) -> Tile<Cols, Dim<D>> {
        instance::with(|i| {
            let mut grid = Grid::zeros(i.col_span(), dim::<D>());
            let read = self.range(i).and_then(|tokens| {
                let end = cols.first + cols.len;
                if end > tokens.len() {
                    return Err(HostError::SequenceTooShort { seq: i.seq, len: tokens.len(), wanted: end });
                }
                self.tokens.read::<D>(tokens.start + cols.first, i.kv_head, &mut grid)
            });
            i.check(read);
            Tile::put(i, grid)
        })
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
            pub fn load(self, cols: ColTile) -> Tile<Cols, Dim<D>> {
                self.0.load(cols)
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

/// `Output<T, E>`: `[tokens, q_heads, E]`. `T` may be another element type than that of the inputs. On the host it takes f32,
/// unrounded, whatever `T` is.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a, T, const D: usize> {
    data: &'a [Cell<f32>],
    heads: usize,
    element: PhantomData<T>,
}

impl<'a, T: Element, const D: usize> Output<'a, T, D> {
    /// A packed tensor of this many heads.
    pub fn new(data: &'a mut [f32], heads: usize) -> Self {
        Output { data: Cell::from_mut(data).as_slice_of_cells(), heads, element: PhantomData }
    }

    /// Stores this instance's rows.
    pub fn store(self, tile: Tile<Rows, Dim<D>>) {
        instance::with(|i| {
            let grid = tile.get(i);
            let stored = store(i, self.data, self.heads, D, &grid.data);
            i.check(stored);
        });
    }
}

/// `RowOutput`: `[tokens, q_heads]` f32.
#[derive(Clone, Copy, Debug)]
pub struct RowOutput<'a> {
    data: &'a [Cell<f32>],
    heads: usize,
}

impl<'a> RowOutput<'a> {
    /// A packed tensor of this many heads.
    pub fn new(data: &'a mut [f32], heads: usize) -> Self {
        RowOutput { data: Cell::from_mut(data).as_slice_of_cells(), heads }
    }

    /// Stores this instance's rows.
    pub fn store(self, rows: RowVector) {
        instance::with(|i| {
            let stored = store(i, self.data, self.heads, 1, &rows.0);
            i.check(stored);
        });
    }
}

/// Writes rows of `width` numbers where this instance's queries lie in `[tokens, heads, width]`.
fn store(
    i: &Instance,
    data: &[Cell<f32>],
    heads: usize,
    width: usize,
    rows: &[f32],
) -> Result<(), HostError> {
    let first = i.q_start + i.rows.start;
    for (token, row) in (first..).zip(rows.chunks_exact(width.max(1))) {
        let at = (token * heads + i.head) * width;
        let to = data.get(at..at + width).filter(|_| i.head < heads).ok_or(HostError::TensorTooShort {
            token,
            head: i.head,
            len: data.len(),
        })?;
        for (to, &from) in to.iter().zip(row) {
            to.set(from);
        }
    }
    Ok(())
}

impl Instance {
    /// Remembers an error for the driver.
    pub(crate) fn check(&mut self, result: Result<(), HostError>) {
        if let Err(error) = result {
            self.fault(error);
        }
    }
}
