//! A batch as units of work: a tile of rows of one sequence, and the columns that it sees.
//!
//! A *stretch* is a sequence's query tokens over a range of its columns: a whole sequence, or what follows a shared
//! prefix; or the tokens of all sequences of a prefix over that prefix. A *unit* is a tile of a stretch's rows, for
//! every block of heads alike.

use super::capacity::ClassSetup;
use super::visible::Visible;
use flashpage_codegen::ShapeClass;
use std::ops::Range;

/// Query tokens over a range of columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stretch {
    /// First query token.
    pub q_begin: usize,
    /// Query tokens.
    pub q_len: usize,
    /// Position of the first: below zero where there are more queries than keys.
    pub q_position: i64,
    /// Whose row of the table it is.
    pub sequence: usize,
    /// First key token, of contiguous keys.
    pub kv_begin: usize,
    /// The columns.
    pub cols: Range<usize>,
    /// Where it belongs to a group that shares a prefix.
    pub in_group: Option<InGroup>,
}

/// A stretch's place in a group of sequences that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct InGroup {
    pub group: usize,
    /// Its first row among the group's rows.
    pub row: usize,
    /// Whether it is the prefix itself.
    pub is_prefix: bool,
}

/// A tile of rows of a stretch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unit {
    pub stretch: usize,
    pub row_tile: usize,
    /// Rows of the stretch.
    pub rows: Range<usize>,
    /// The columns that some row sees, from the first of a tile of columns on.
    pub cols: Range<usize>,
    /// Tiles of columns.
    pub tiles: usize,
    /// Items that share them.
    pub parts: usize,
    /// Whether its results are partial.
    pub is_partial: bool,
}

impl Unit {
    /// The columns of each item, none of them empty but where the unit is.
    pub(super) fn part_cols(&self, cols: usize) -> Vec<Range<usize>> {
        let (each, more) = (self.tiles / self.parts, self.tiles % self.parts);
        let mut begin = self.cols.start;
        (0..self.parts)
            .map(|part| {
                let end = (begin + (each + usize::from(part < more)) * cols).min(self.cols.end);
                let own = begin..end;
                begin = end;
                own
            })
            .collect()
    }
}

/// Which class's kernels do a stretch: that of its rows, or the nearest there is.
pub(super) fn class_of(classes: &[ClassSetup], rows: usize) -> usize {
    let class = ShapeClass::for_rows(rows);
    let exact = classes.iter().position(|setup| setup.class == class);
    exact.unwrap_or(if rows <= 64 { 0 } else { classes.len() - 1 })
}

/// The units of a stretch.
pub(super) fn units(
    index: usize,
    stretch: &Stretch,
    setup: &ClassSetup,
    packed: usize,
    visible: &Visible,
) -> Vec<Unit> {
    let rows = stretch.q_len * packed;
    (0..rows.div_ceil(setup.tile_rows))
        .map(|row_tile| {
            let first = row_tile * setup.tile_rows;
            let rows = first..(first + setup.tile_rows).min(rows);
            let position = |row: usize| stretch.q_position + (row / packed) as i64;
            let ends = (position(rows.start), position(rows.end - 1));
            let seen = visible.columns(ends, stretch.sequence, stretch.cols.clone());
            // Tiles are counted from the stretch's first column, which begins a run of every block.
            let into = (seen.start - stretch.cols.start) / setup.cols * setup.cols;
            let cols = stretch.cols.start + into..seen.end.max(stretch.cols.start + into);
            let tiles = cols.len().div_ceil(setup.cols);
            let is_partial = stretch.in_group.is_some();
            Unit { stretch: index, row_tile, rows, cols, tiles, parts: 1, is_partial }
        })
        .collect()
}
