//! Outputs of a kernel: where an instance stores what it owns. On the host all take f32, unrounded, whatever their element
//! type is.

use crate::axis::{Cols, Dim, One, Rows};
use crate::element::Element;
use crate::host::HostError;
use crate::instance::{self, Instance, Owns};
use crate::tile::Tile;
use std::cell::Cell;
use std::marker::PhantomData;

/// `[tokens, heads, width]`, packed.
#[derive(Clone, Copy, Debug)]
struct Lines<'a> {
    data: &'a [Cell<f32>],
    heads: usize,
}

impl<'a> Lines<'a> {
    fn new(data: &'a mut [f32], heads: usize) -> Lines<'a> {
        Lines { data: Cell::from_mut(data).as_slice_of_cells(), heads }
    }

    /// Writes what the instance owns, `width` numbers a line.
    fn store(self, i: &mut Instance, owns: Owns, width: usize, numbers: &[f32]) {
        i.expect(owns);
        let (first, head) = match owns {
            Owns::Rows => (i.q_start + i.rows.start, i.head),
            Owns::Cols => (i.kv_start + i.cols.start, i.kv_head),
        };
        let stored = self.write(first, head, width, numbers);
        i.check(stored);
    }

    fn write(self, first: usize, head: usize, width: usize, numbers: &[f32]) -> Result<(), HostError> {
        for (token, line) in (first..).zip(numbers.chunks_exact(width.max(1))) {
            let at = (token * self.heads + head) * width;
            let len = self.data.len();
            let to = self.data.get(at..at + width).filter(|_| head < self.heads);
            let to = to.ok_or(HostError::TensorTooShort { token, head, len })?;
            for (to, &from) in to.iter().zip(line) {
                to.set(from);
            }
        }
        Ok(())
    }
}

macro_rules! of_tiles {
    ($Name:ident, $Axis:ident, $what:literal) => {
        impl<'a, T: Element, const D: usize> $Name<'a, T, D> {
            /// A packed tensor of this many heads.
            pub fn new(data: &'a mut [f32], heads: usize) -> Self {
                $Name { lines: Lines::new(data, heads), element: PhantomData }
            }

            #[doc = $what]
            pub fn store(self, tile: Tile<$Axis, Dim<D>>) {
                instance::with(|i| {
                    let grid = tile.get(i);
                    self.lines.store(i, Owns::$Axis, D, &grid.data);
                });
            }
        }
    };
}

macro_rules! of_vectors {
    ($Name:ident, $Axis:ident, $what:literal) => {
        impl<'a> $Name<'a> {
            /// A packed tensor of this many heads.
            pub fn new(data: &'a mut [f32], heads: usize) -> Self {
                $Name(Lines::new(data, heads))
            }

            #[doc = $what]
            pub fn store(self, numbers: Tile<$Axis, One>) {
                instance::with(|i| {
                    let grid = numbers.get(i);
                    self.0.store(i, Owns::$Axis, 1, &grid.data);
                });
            }
        }
    };
}

/// `Output<T, E>`: `[tokens, q_heads, E]`. `T` may be another element type than that of the inputs.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a, T, const D: usize> {
    lines: Lines<'a>,
    element: PhantomData<T>,
}

of_tiles!(Output, Rows, "Stores this instance's rows.");

/// `RowOutput`: `[tokens, q_heads]` f32.
#[derive(Clone, Copy, Debug)]
pub struct RowOutput<'a>(Lines<'a>);

of_vectors!(RowOutput, Rows, "Stores this instance's rows.");

/// `KeyOutput<T, D>`: `[key_tokens, kv_heads, D]`, of a kernel whose instances own columns. `T` may be another element type
/// than that of the inputs.
#[derive(Clone, Copy, Debug)]
pub struct KeyOutput<'a, T, const D: usize> {
    lines: Lines<'a>,
    element: PhantomData<T>,
}

of_tiles!(KeyOutput, Cols, "Stores this instance's columns.");

/// `ColOutput`: `[key_tokens, kv_heads]` f32, of a kernel whose instances own columns.
#[derive(Clone, Copy, Debug)]
pub struct ColOutput<'a>(Lines<'a>);

of_vectors!(ColOutput, Cols, "Stores this instance's columns.");
