//! What a cache has begun and not ended: the step that room is reserved for, and swaps.

use crate::id::SequenceId;
use crate::slot::BlockMove;
use std::collections::HashMap;

/// What a step will do to one sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub place: u32,
    pub count: u32,
    /// Whether the tokens go into the last block, which nobody shares.
    pub fits: bool,
    /// Whether the last block is replaced by a copy.
    pub copies: bool,
    /// New blocks after that.
    pub grows: u32,
}

/// A step under way; kept from step to step, so that a step allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub entries: Vec<Entry>,
    pub blocks: Vec<u32>,
    pub copies: Vec<BlockMove>,
    pub saves: Vec<BlockMove>,
    pub serial: u32,
}

impl Pending {
    pub fn clear(&mut self) {
        self.entries.clear();
        self.blocks.clear();
        self.copies.clear();
        self.saves.clear();
    }

    /// Blocks are handed out in the order of the sequences, to each the copy first.
    pub fn assign_copies(&mut self) {
        let (mut next, mut copies) = (0, self.copies.iter_mut());
        for entry in self.entries.iter().filter(|entry| !entry.fits) {
            if entry.copies
                && let Some(copy) = copies.next()
            {
                copy.to = self.blocks[next];
                next += 1;
            }
            next += entry.grows as usize;
        }
    }
}

/// Where a swap goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Out,
    In,
}

/// Sequences that are being moved.
#[derive(Debug)]
pub(crate) struct Swap {
    pub sequences: Vec<SequenceId>,
    pub moves: Vec<BlockMove>,
    pub direction: Direction,
}

/// The swaps under way.
#[derive(Debug, Default)]
pub(crate) struct Swaps {
    pub under_way: HashMap<u64, Swap>,
    pub serial: u64,
}
