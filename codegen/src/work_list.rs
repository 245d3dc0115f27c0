//! The list of tiles that a planned kernel works through: a header, then items one after the other, all i32 words in
//! device memory.
//!
//! A grid kernel finds its tile by its place in the grid and by the lengths of the batch, so its grid changes with
//! them. A planned kernel ([`crate::spec::Work::List`], [`crate::spec::Work::Partials`]) is told: block `b` of an
//! `sm_80` kernel does item `b`, and none where the list is shorter; a block of an `sm_90a` kernel does the items `b`,
//! `b + blocks`, `b + 2 · blocks`, … An item names a range of columns too, so that several may share the keys of one
//! tile of rows. Whoever makes a list has checked it: a kernel takes every word as it is.
//!
//! The header is [`HEADER_WORDS`] words: the number of items, that of sequences, then zeros. An item is [`ITEM_WORDS`] words:
//!
//! | word | what | |
//! |---|---|---|
//! | 0 | `q_begin` | first query token |
//! | 1 | `q_len` | query tokens of the sequence, or of sequences taken together |
//! | 2 | `q_position` | logical position of the first query token: `kv_len - q_len`, whatever part of the keys is seen |
//! | 3 | `sequence` | row of the block table, and `at.seq` |
//! | 4 | `kv_begin` | first key token of the sequence; contiguous keys only |
//! | 5 | `col_begin` | first logical column of the item |
//! | 6 | `col_end` | one past its last column |
//! | 7 | `head_block` | which of the groups of packed heads |
//! | 8 | `row_tile` | which tile of the sequence's rows |
//! | 9 | `part` | row of the partial results to which the tile's first row goes; partial kernels only |
//! | 10 | `has_sinks` | 1 where the rows' sinks are counted: in one of the items that share a row; else 0 |
//! | 11 | | zero |
//!
//! Tiles of columns are counted from `col_begin` on, so only an item's last one can be cut short. A paged kernel walks
//! its blocks in runs that start at multiples of [`Sizes::column_run`](crate::schedule::Sizes::column_run), and so must `col_begin`.
//!
//! Partial results are `o_part`, f32 `[partial rows, head_dim]`, divided by the row's sum, and `lse_part`, f32
//! `[partial rows]`, in natural log; a row that sees no column of its item has O = 0 and LSE = -inf. Where scores may be huge it is
//! `[partial rows, 2]`: the maximum, which is -inf of such a row, and the logarithm of the sum relative to it.

/// Words of the header.
pub const HEADER_WORDS: usize = 4;

/// The header of a list of so many items, of a batch of so many sequences.
pub fn header(items: i32, sequences: i32) -> [i32; HEADER_WORDS] {
    [items, sequences, 0, 0]
}

/// Bytes from a list's first to the number of sequences.
pub(crate) const SEQUENCES_OFFSET: i64 = 4;

/// Words of an item.
pub const ITEM_WORDS: usize = 12;

/// One item of a work list: see [the layout](self).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkItem {
    /// First query token.
    pub q_begin: i32,
    /// Query tokens of the sequence.
    pub q_len: i32,
    /// Logical position of the first query token.
    pub q_position: i32,
    /// Row of the block table, and `at.seq`.
    pub sequence: i32,
    /// First key token of the sequence; contiguous keys only.
    pub kv_begin: i32,
    /// First logical column.
    pub col_begin: i32,
    /// One past the last column.
    pub col_end: i32,
    /// Which of the groups of packed heads.
    pub head_block: i32,
    /// Which tile of the sequence's rows.
    pub row_tile: i32,
    /// Row of the partial results to which the tile's first row goes.
    pub part: i32,
    /// Whether the rows' sinks are counted in this item: 1 in one of the items that share a row.
    pub has_sinks: i32,
}

impl WorkItem {
    /// The words, in order.
    pub fn words(&self) -> [i32; ITEM_WORDS] {
        let WorkItem { q_begin, q_len, q_position, sequence, kv_begin, col_begin, col_end, .. } = *self;
        let WorkItem { head_block, row_tile, part, has_sinks, .. } = *self;
        let columns = [q_begin, q_len, q_position, sequence, kv_begin, col_begin, col_end, head_block];
        let mut words = [0; ITEM_WORDS];
        words
            .iter_mut()
            .zip(columns.into_iter().chain([row_tile, part, has_sinks]))
            .for_each(|(to, word)| *to = word);
        words
    }
}

/// A word of an item, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    QBegin,
    QLen,
    QPosition,
    Sequence,
    KvBegin,
    ColBegin,
    ColEnd,
    HeadBlock,
    RowTile,
    Part,
    HasSinks,
}

impl Word {
    /// Bytes from the item's first.
    pub(crate) fn offset(self) -> i64 {
        4 * self as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_where_kernels_read_them() {
        let item = WorkItem {
            q_begin: 10,
            q_len: 11,
            q_position: 12,
            sequence: 13,
            kv_begin: 14,
            col_begin: 15,
            col_end: 16,
            head_block: 17,
            row_tile: 18,
            part: 19,
            has_sinks: 20,
        };
        use Word::*;
        let order = [
            QBegin, QLen, QPosition, Sequence, KvBegin, ColBegin, ColEnd, HeadBlock, RowTile, Part, HasSinks,
        ];
        for (value, word) in (10..).zip(order) {
            assert_eq!(item.words()[word.offset() as usize / 4], value, "{word:?}");
        }
        assert_eq!(item.words()[order.len()..], [0]);
    }
}
