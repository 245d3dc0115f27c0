//! What a kernel loops over: tiles of columns of a sequence, or tiles of its rows.

use crate::instance::{self, Owns};

/// A stretch of key positions: one iteration of a loop over columns. Which it is, the instance knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColTile(());

/// A stretch of queries of one head: one iteration of a loop over rows. Which it is, the instance knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowTile(());

/// The column tiles of this instance's sequence, from the left.
#[derive(Clone, Debug)]
pub struct ColTiles {
    next: usize,
}

impl ColTiles {
    pub(crate) fn new() -> ColTiles {
        instance::with(|i| i.expect(Owns::Rows));
        ColTiles { next: 0 }
    }
}

impl Iterator for ColTiles {
    type Item = ColTile;

    fn next(&mut self) -> Option<ColTile> {
        instance::with(|i| {
            let first = self.next;
            let len = i.tile_len.min(i.kv_len.saturating_sub(first));
            self.next += len;
            i.begin_iteration(first..first + len, i.head);
            (len > 0 && i.owns == Owns::Rows).then_some(ColTile(()))
        })
    }
}

/// The row tiles of this instance's sequence, from the first query on: all of one query head, then those of the next that
/// shares the instance's KV head.
#[derive(Clone, Debug)]
pub struct RowTiles {
    /// Among those that share the KV head.
    head: usize,
    next: usize,
}

impl RowTiles {
    pub(crate) fn new() -> RowTiles {
        instance::with(|i| i.expect(Owns::Cols));
        RowTiles { head: 0, next: 0 }
    }
}

impl Iterator for RowTiles {
    type Item = RowTile;

    fn next(&mut self) -> Option<RowTile> {
        instance::with(|i| {
            if self.next == i.q_len {
                (self.head, self.next) = (self.head + 1, 0);
            }
            let (head, first) = (i.kv_head * i.group + self.head, self.next);
            let is_over = i.q_len == 0 || self.head >= i.group || i.owns == Owns::Rows;
            let len = if is_over { 0 } else { i.tile_len.min(i.q_len - first) };
            self.next += len;
            i.begin_iteration(first..first + len, head);
            (len > 0).then_some(RowTile(()))
        })
    }
}
