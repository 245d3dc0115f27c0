//! What is asked of a run: which rows, and how far it is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a program stores of one position: a query of a query head; or, of a program whose instances own columns, a key of a
/// KV head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The sequence.
    pub sequence: usize,
    /// The query head, or the KV head.
    pub head: usize,
    /// The query's number in its sequence, or the key's.
    pub index: usize,
}

/// How far an evaluation is, for another thread to see.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    all: AtomicU64,
}

impl Progress {
    /// Scores of the latest evaluation that are done, and all its scores: pairs of a row and a column, and one more for each row.
    pub fn scores(&self) -> (u64, u64) {
        (self.done.load(Relaxed), self.all.load(Relaxed))
    }

    pub(crate) fn begin(&self, all: u64) {
        self.done.store(0, Relaxed);
        self.all.store(all, Relaxed);
    }

    pub(crate) fn advance(&self, scores: u64) {
        self.done.fetch_add(scores, Relaxed);
    }
}
