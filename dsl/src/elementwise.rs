//! What is computed of tiles element by element: of one, of one and a number, and of two.

use crate::axis::sealed::{Counts, Extent};
use crate::axis::{Axis, Cols, Dim, One, Rows};
use crate::instance::{self, Grid, Instance, Span};
use crate::tile::{At, Tile};
use std::ops::{Add, Div, Mul, Sub};

impl<R: Axis, C: Axis> Tile<R, C> {
    /// Each element `x` at `at` becomes `f(x, at)`.
    pub fn map(self, f: impl Fn(f32, At) -> f32) -> Self {
        let (mut grid, place) = instance::with(|i| (self.get(i), At::of(i)));
        // No instance is borrowed here, so the closure may do what it likes.
        for (r, line) in grid.data.chunks_exact_mut(grid.cols.len.max(1)).enumerate() {
            for (c, x) in line.iter_mut().enumerate() {
                let position = |counts| along::<R, C>(counts, (grid.rows, r), (grid.cols, c));
                *x = f(*x, place.at(position(Counts::Rows), position(Counts::Cols)));
            }
        }
        instance::with(|i| Self::put(i, grid))
    }

    /// Elements where `keep` is false become minus infinity.
    pub fn mask(self, keep: impl Fn(At) -> bool) -> Self {
        self.map(|x, at| if keep(at) { x } else { f32::NEG_INFINITY })
    }

    /// Each element `x` at `at`, with `y` of the other tile at the same place, becomes `f(x, y, at)`.
    pub fn zip(self, other: Self, f: impl Fn(f32, f32, At) -> f32) -> Self {
        let other = instance::with(|i| other.get(i));
        // `map` goes through a tile in order, once.
        let at = std::cell::Cell::new(0);
        self.map(|x, place| {
            let y = other.data.get(at.replace(at.get() + 1)).copied().unwrap_or(f32::NAN);
            f(x, y, place)
        })
    }

    /// Of each row the sum along the second axis, in f64.
    pub fn sum(self) -> Tile<R, One> {
        instance::with(|i| {
            let grid = self.get(i);
            let of_row = |row: &[f32]| row.iter().map(|x| f64::from(*x)).sum::<f64>() as f32;
            let mut sums = Grid::zeros(grid.rows, Span { first: 0, len: 1 });
            for (sum, row) in sums.data.iter_mut().zip(grid.data.chunks_exact(grid.cols.len.max(1))) {
                *sum = of_row(row);
            }
            Tile::put(i, sums)
        })
    }

    /// This tile with `f` of each element and that of `other` which stands for it: where `other` has one number along an axis,
    /// that one.
    fn spread<S: Axis, D: Axis>(self, other: Tile<S, D>, f: impl Fn(f32, f32) -> f32) -> Self {
        instance::with(|i| {
            let (mut grid, other) = (self.get(i), other.get(i));
            let width = grid.cols.len.max(1);
            let fits = |own: Span, of: Span| of.len == own.len || of.len == 1;
            if !fits(grid.rows, other.rows) || !fits(grid.cols, other.cols) {
                i.fault(crate::host::HostError::StaleTile);
                return Self::put(i, grid);
            }
            for (index, x) in grid.data.iter_mut().enumerate() {
                let row = if other.rows.len == 1 { 0 } else { index / width };
                let col = if other.cols.len == 1 { 0 } else { index % width };
                *x = f(*x, other.data[row * other.cols.len + col]);
            }
            Self::put(i, grid)
        })
    }
}

impl At {
    /// A random number from 0 to below 1 of this element: the same for the same seed, row, column, head and sequence, here and on
    /// a device, however the batch is cut into tiles. Dropout is `p.map(|p, at| select(at.random(seed) < keep, p / keep, 0.0))`.
    /// How it is made is said at `random` in the compiler's `program`.
    pub fn random(self, seed: i32) -> f32 {
        const ROUND: [(usize, usize, usize); 4] = [(0, 1, 3), (1, 2, 0), (2, 0, 1), (3, 1, 2)];
        let of_sequence = self.seq.wrapping_mul(0x9E37_79B9_u32 as i32);
        let names = [self.row, self.col, self.head, seed.wrapping_add(of_sequence)];
        let mut words = names.map(|name| name.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        for round in 0..2 {
            for (sum, a, b) in ROUND {
                words[sum] = words[sum].wrapping_add(words[a].wrapping_mul(words[b]));
            }
            if round == 0 {
                words = words.map(|word| word ^ (word as u32 >> 16) as i32);
            }
        }
        (words[3] as u32 >> 8) as f32 * (0.5f32).powi(24)
    }

    /// What all elements of an instance's tiles have.
    pub(crate) fn of(instance: &Instance) -> At {
        let Instance { head, kv_head, seq, q_len, kv_len, .. } = *instance;
        let [head, kv_head, seq, q_len, kv_len] =
            [head, kv_head, seq, q_len, kv_len].map(|number| number as i32);
        At { row: 0, col: 0, head, kv_head, seq, query: 0, q_len, kv_len }
    }

    /// The element at these positions; 0 where its tile has no such axis.
    pub(crate) fn at(self, row: Option<i32>, col: Option<i32>) -> At {
        let first = self.kv_len.wrapping_sub(self.q_len);
        let query = row.map_or(0, |row| row.wrapping_sub(first));
        At { row: row.unwrap_or(0), col: col.unwrap_or(0), query, ..self }
    }
}

/// The position along what `counts` says, of an element that lies there in its tile, if the tile has such an axis.
fn along<R: Extent, C: Extent>(
    counts: Counts,
    (rows, r): (Span, usize),
    (cols, c): (Span, usize),
) -> Option<i32> {
    match () {
        () if R::COUNTS == counts => Some(rows.first.wrapping_add(r as i32)),
        () if C::COUNTS == counts => Some(cols.first.wrapping_add(c as i32)),
        () => None,
    }
}

macro_rules! operators {
    ($($Trait:ident $method:ident: $number:literal, $same:literal, $column:literal, $row:literal;)*) => { $(
        #[doc = $number]
        impl<R: Axis, C: Axis> $Trait<f32> for Tile<R, C> {
            type Output = Self;

            fn $method(self, number: f32) -> Self {
                self.map(|x, _| x.$method(number))
            }
        }

        #[doc = $same]
        impl<R: Axis, C: Axis> $Trait for Tile<R, C> {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                self.spread(other, |x, y| x.$method(y))
            }
        }

        along_a_vector!($Trait $method: $column, $row, Rows, Cols);
        along_a_vector!($Trait $method: $column, $row, Cols, Rows);

        #[doc = $column]
        impl<R: Axis, const D: usize> $Trait<Tile<R, One>> for Tile<R, Dim<D>> {
            type Output = Self;

            fn $method(self, other: Tile<R, One>) -> Self {
                self.spread(other, |x, y| x.$method(y))
            }
        }

        #[doc = $row]
        impl<C: Axis, const D: usize> $Trait<Tile<One, C>> for Tile<Dim<D>, C> {
            type Output = Self;

            fn $method(self, other: Tile<One, C>) -> Self {
                self.spread(other, |x, y| x.$method(y))
            }
        }
    )* };
}

/// Of a tile whose first, or second, axis is `$Axis`: not for all axes at once, for `One` of them is the tile itself.
macro_rules! along_a_vector {
    ($Trait:ident $method:ident: $column:literal, $row:literal, $Axis:ident, $Other:ident) => {
        #[doc = $column]
        impl<R: Axis> $Trait<Tile<R, One>> for Tile<R, $Axis> {
            type Output = Self;

            fn $method(self, other: Tile<R, One>) -> Self {
                self.spread(other, |x, y| x.$method(y))
            }
        }

        #[doc = $row]
        impl<C: Axis> $Trait<Tile<One, C>> for Tile<$Axis, C> {
            type Output = Self;

            fn $method(self, other: Tile<One, C>) -> Self {
                self.spread(other, |x, y| x.$method(y))
            }
        }
    };
}

operators! {
    Mul mul: "`scores * scale`", "`p * ds`, element by element", "`acc * factors`: each row by its number",
        "each column by its number";
    Add add: "`scores + number`", "`a + b`", "`s + vector`: to each row its number", "to each column its number";
    Sub sub: "`scores - number`", "`a - b`", "`s - lse`: from each row its number", "from each column its number";
    Div div: "`scores / number`", "`a / b`, element by element", "`acc / sums`: each row by its number",
        "each column by its number";
}

/// `scale * scores`
impl<R: Axis, C: Axis> Mul<Tile<R, C>> for f32 {
    type Output = Tile<R, C>;

    fn mul(self, tile: Tile<R, C>) -> Tile<R, C> {
        tile.map(|x, _| self * x)
    }
}
