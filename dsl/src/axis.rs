//! The axes of tiles, as types.

use crate::instance::{Instance, Span};
use sealed::Counts;

/// An axis of a [`Tile`](crate::Tile): [`Rows`], [`Cols`], [`Dim`] or [`One`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an axis of a tile",
    note = "an axis is `Rows` (query positions), `Cols` (key positions), `Dim<D>` (a head dimension) or `One` (of a vector)"
)]
pub trait Axis: sealed::Extent + Copy + 'static {}

/// Query positions: those of this instance, or of the current row tile where instances own columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows;

/// Key positions: of the current column tile, or those of this instance where instances own columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cols;

/// A head dimension: `D` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim<const D: usize>;

/// One number: the axis of a vector that is not the one it goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct One;

impl Axis for One {}
impl Axis for Rows {}
impl Axis for Cols {}
impl<const D: usize> Axis for Dim<D> {}

pub(crate) mod sealed {
    use super::{Instance, Span};

    /// What an axis counts.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Counts {
        /// Query positions.
        Rows,
        /// Key positions.
        Cols,
        /// Nothing that has a position.
        Numbers,
    }

    /// How far the axis goes in an instance. Out of reach of users, so that [`super::Axis`] is closed.
    pub trait Extent {
        #[allow(missing_docs)]
        const COUNTS: Counts;

        #[allow(missing_docs)]
        fn span(instance: &Instance) -> Span;
    }
}

impl sealed::Extent for Rows {
    const COUNTS: Counts = Counts::Rows;

    fn span(instance: &Instance) -> Span {
        instance.row_span()
    }
}

impl sealed::Extent for Cols {
    const COUNTS: Counts = Counts::Cols;

    fn span(instance: &Instance) -> Span {
        instance.col_span()
    }
}

impl sealed::Extent for One {
    const COUNTS: Counts = Counts::Numbers;

    fn span(_: &Instance) -> Span {
        Span { first: 0, len: 1 }
    }
}

impl<const D: usize> sealed::Extent for Dim<D> {
    const COUNTS: Counts = Counts::Numbers;

    fn span(_: &Instance) -> Span {
        Span { first: 0, len: D }
    }
}
