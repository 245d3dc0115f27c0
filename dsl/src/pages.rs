//! Paged keys and values, and the table that says where their blocks lie.

use crate::axis::{Cols, Dim};
use crate::element::Element;
use crate::host::{HostError, PoolShape};
use crate::instance::{self, Grid, Instance};
use crate::params::dim;
use crate::tile::Tile;
use crate::tiles::{ColTile, ColTiles};

/// `BlockTable`: per sequence, logical block to physical block. `[sequences, stride]` entries, of which a
/// sequence uses as many as its length needs; the others may hold anything.
#[derive(Clone, Copy, Debug)]
pub struct BlockTable<'a> {
    entries: &'a [i32],
    stride: usize,
}

impl<'a> BlockTable<'a> {
    /// A table with `stride` entries per sequence.
    pub fn new(entries: &'a [i32], stride: usize) -> Self {
        BlockTable { entries, stride }
    }

    /// The column tiles of this instance's sequence.
    pub fn tiles(self) -> ColTiles {
        ColTiles::new()
    }

    /// Where logical block `block` of this instance's sequence lies.
    fn physical(&self, i: &Instance, block: usize, blocks: usize) -> Result<usize, HostError> {
        let row = self.entries.get(i.seq * self.stride..).unwrap_or(&[]);
        let row = &row[..self.stride.min(row.len())];
        let entry = *row.get(block).ok_or(HostError::TableTooShort { seq: i.seq, block })?;
        match usize::try_from(entry) {
            Ok(physical) if physical < blocks => Ok(physical),
            _ => Err(HostError::BlockOutOfRange { seq: i.seq, block, entry, blocks }),
        }
    }
}

/// A pool of physical blocks.
#[derive(Clone, Copy, Debug)]
struct Pool<'a, T> {
    data: &'a [T],
    shape: PoolShape,
}

impl<T: Element> Pool<'_, T> {
    fn gather<const D: usize>(&self, table: BlockTable<'_>) -> Tile<Cols, Dim<D>> {
        instance::with(|i| {
            let mut grid = Grid::zeros(i.col_span(), dim::<D>());
            let read = self.read::<D>(i, table, &mut grid);
            i.check(read);
            Tile::put(i, grid)
        })
    }

    fn read<const D: usize>(
        &self,
        i: &Instance,
        table: BlockTable<'_>,
        grid: &mut Grid,
    ) -> Result<(), HostError> {
        let size = self.shape.block_size.max(1);
        for (position, to) in (i.cols.start..).zip(grid.data.chunks_exact_mut(D.max(1))) {
            let block = table.physical(i, position / size, self.shape.blocks)?;
            let at = self.shape.offset(block, position % size, i.kv_head, D);
            let from = self.data.get(at..at + D).ok_or(HostError::PoolTooShort {
                shape: self.shape,
                head_dim: D,
                len: self.data.len(),
            })?;
            for (to, from) in to.iter_mut().zip(from) {
                *to = from.to_f32();
            }
        }
        Ok(())
    }
}

/// `PagedKeys<T, D>`: the pool of physical blocks of keys.
#[derive(Clone, Copy, Debug)]
pub struct PagedKeys<'a, T, const D: usize>(Pool<'a, T>);

/// `PagedValues<T, E>`: the pool of physical blocks of values.
#[derive(Clone, Copy, Debug)]
pub struct PagedValues<'a, T, const D: usize>(Pool<'a, T>);

macro_rules! paged {
    ($Name:ident) => {
        impl<'a, T: Element, const D: usize> $Name<'a, T, D> {
            /// A packed pool of this shape.
            pub fn new(data: &'a [T], shape: PoolShape) -> Self {
                $Name(Pool { data, shape })
            }

            /// The tokens of a column tile, found through the table: position `i` lies in physical block
            /// `table[i / block_size]` at `i % block_size`.
            pub fn gather(self, table: BlockTable<'_>, _: ColTile) -> Tile<Cols, Dim<D>> {
                self.0.gather(table)
            }
        }
    };
}

paged!(PagedKeys);
paged!(PagedValues);
