//! How much a planner is made for, and what follows from it: which kernels, how long their lists are, and where each
//! lies in the workspace.
//!
//! Nothing here depends on a batch. Grids, addresses and parameters are fixed by a [`Capacity`], so that a captured
//! CUDA graph can be replayed on any batch within it: only the words of the workspace change.

use super::error::PlanError;
use flashpage_codegen::ShapeClass;
use flashpage_codegen::work_list::{HEADER_WORDS, ITEM_WORDS};
use std::ops::Range;

/// The largest batch that a planner takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Query tokens of all sequences together.
    pub q_tokens: usize,
    /// Sequences.
    pub sequences: usize,
    /// Query tokens of one sequence: 1 for a batch that only decodes, which then needs no other kernels.
    pub q_len: usize,
    /// Most parts into which the keys of one row are cut; 1 never cuts.
    pub splits: usize,
    /// Items of one kernel that leave partial results; by default four times as many as run at once, twice as
    /// many of prompts.
    pub split_items: Option<usize>,
    /// Rows of partial results; by default as many as that many items can have.
    pub partial_rows: Option<usize>,
    /// Whether shared prefixes may be computed once for all their sequences, which takes kernels for many rows.
    pub cascade: bool,
}

impl Capacity {
    /// Room for `q_tokens` query tokens of `sequences` sequences, cut into up to 64 parts; no shared prefixes.
    pub fn new(q_tokens: usize, sequences: usize) -> Capacity {
        Capacity {
            q_tokens,
            sequences,
            q_len: q_tokens,
            splits: 64,
            split_items: None,
            partial_rows: None,
            cascade: false,
        }
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        let fields = [
            ("q_tokens", self.q_tokens),
            ("sequences", self.sequences),
            ("q_len", self.q_len),
            ("splits", self.splits),
            ("split_items", self.split_items.unwrap_or(1).max(1)),
        ];
        for (field, value) in fields {
            if value == 0 || value > MOST {
                let takes = "it must be from 1 to 2^24";
                return Err(PlanError::Capacity { field, value, takes });
            }
        }
        Ok(())
    }
}

/// Most of anything that is counted: sums and products of a few of them fit in 64 bits, and positions in 32.
pub(super) const MOST: usize = 1 << 24;

/// What planning needs to know of the kernels of one shape class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClassSetup {
    pub class: ShapeClass,
    /// Rows of a tile that are used.
    pub tile_rows: usize,
    /// Columns of a tile.
    pub cols: usize,
    /// Blocks that run at once.
    pub slots: usize,
    /// Whether blocks walk the list, in rounds of as many as run at once.
    pub walks: bool,
    /// Most items that write outputs; 0 where the class only serves shared prefixes.
    pub whole_items: usize,
    /// Most items that leave partial results; 0 where the program cannot be cut.
    pub split_items: usize,
    /// Where their lists lie, in words.
    pub whole_list: usize,
    pub split_list: usize,
}

/// Rows of the classes: least and most.
fn rows_of(class: ShapeClass) -> (usize, usize) {
    match class {
        ShapeClass::Decode => (1, 16),
        ShapeClass::Append => (17, 64),
        ShapeClass::Prefill => (65, usize::MAX),
    }
}

impl ClassSetup {
    /// The classes that a capacity needs, shortest rows first.
    pub(super) fn classes(capacity: &Capacity, packed: usize) -> Vec<ShapeClass> {
        let own = capacity.q_len.min(capacity.q_tokens) * packed;
        let most = if capacity.cascade { capacity.q_tokens * packed } else { own };
        let mut classes = ShapeClass::ALL.to_vec();
        classes.reverse();
        classes.retain(|class| rows_of(*class).0 <= most && packed <= rows_of(*class).1);
        classes
    }

    /// Items with partial results that there is room for where nobody says: enough that parts of uneven numbers of units
    /// balance. Prompts, which have many rows and seldom too few tiles, get less.
    pub(super) fn default_split_items(class: ShapeClass, slots: usize) -> usize {
        if class == ShapeClass::Prefill { 2 * slots } else { 4 * slots }
    }

    /// Most rows of partial results that its items leave.
    pub(super) fn most_partial_rows(&self) -> usize {
        self.split_items.saturating_mul(self.tile_rows.min(rows_of(self.class).1))
    }

    /// Most items that write outputs, of sequences of this class.
    pub(super) fn most_items(
        class: ShapeClass,
        capacity: &Capacity,
        packed: usize,
        tile_rows: usize,
        head_blocks: usize,
    ) -> usize {
        let (least, most) = rows_of(class);
        let all_rows = capacity.q_tokens * packed;
        let longest = (capacity.q_len.min(capacity.q_tokens) * packed).min(most);
        if longest < least {
            return 0;
        }
        let sequences = capacity.sequences.min(capacity.q_tokens).min(all_rows / least);
        let tiles = (all_rows / tile_rows + sequences).min(sequences * longest.div_ceil(tile_rows));
        tiles * head_blocks
    }
}

/// The merge list and the whole workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MergeSetup {
    /// Most rows merged.
    pub rows: usize,
    /// Most rows of partial results.
    pub partial_rows: usize,
    /// Where the count of rows in use lies, in words.
    pub count: usize,
    /// Where the first of its four arrays lies; the others follow.
    pub arrays: usize,
    /// Words of the workspace.
    pub words: usize,
}

impl MergeSetup {
    /// Words of one of the arrays `first`, `parts`, `stride` and `out_row`.
    pub(super) fn array(&self, index: usize) -> Range<usize> {
        let first = self.arrays + index * self.rows;
        first..first + self.rows
    }
}

/// Lays out the workspace: for each class its two lists, then the merge list. Everything begins at a multiple of four
/// words.
pub(super) fn lay_out(classes: &mut [ClassSetup], merged_rows: usize, partial_rows: usize) -> MergeSetup {
    let mut words = 0;
    let list = |items: usize| HEADER_WORDS + ITEM_WORDS * items;
    for class in classes {
        class.whole_list = words;
        words += list(class.whole_items);
        class.split_list = words;
        words += list(class.split_items);
    }
    let count = words;
    let arrays = count + HEADER_WORDS;
    // As many rows as a whole number of quads, so that every array begins at one.
    let rows = merged_rows.next_multiple_of(4);
    MergeSetup { rows, partial_rows, count, arrays, words: arrays + 4 * rows }
}
