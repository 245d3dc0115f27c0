//! The axes of tiles, as types.

use crate::instance::{Instance, Span};

/// An axis of a [`Tile`](crate::Tile): [`Rows`], [`Cols`] or [`Dim`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an axis of a tile",
    note = "an axis is `Rows` (query positions), `Cols` (key positions) or `Dim<D>` (a head dimension)"
)]
pub trait Axis: sealed::Extent + Copy + 'static {}

/// Query positions of this instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows;

/// Key positions of the current column tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cols;

/// A head dimension: `D` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim<const D: usize>;

impl Axis for Rows {}
impl Axis for Cols {}
impl<const D: usize> Axis for Dim<D> {}

pub(crate) mod sealed {
    use super::{Instance, Span};

    /// How far the axis goes in an instance. Out of reach of users, so that [`super::Axis`] is closed.
    pub trait Extent {
        #[allow(missing_docs)]
        fn span(instance: &Instance) -> Span;
    }
}

impl sealed::Extent for Rows {
    fn span(instance: &Instance) -> Span {
        instance.row_span()
    }
}

impl sealed::Extent for Cols {
    fn span(instance: &Instance) -> Span {
        instance.col_span()
    }
}

impl<const D: usize> sealed::Extent for Dim<D> {
    fn span(_: &Instance) -> Span {
        Span { first: 0, len: D }
    }
}
