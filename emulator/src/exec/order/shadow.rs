//! What each byte of a block's shared memory remembers of who accessed it.

use super::stamp::Last;

/// What a byte, or a word all of whose bytes were accessed alike, remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// The last ordinary write.
    pub written: Last,
    /// Set of the ordinary reads since.
    pub read: u32,
    /// The last of them.
    pub reader: Last,
    /// Set of the strong accesses since, and of writes that stored what was there.
    pub others: u32,
    /// The last of them.
    pub other: Last,
}

/// What a cell remembers of one more access.
#[derive(Clone, Copy)]
pub(super) enum Memory {
    /// An ordinary write, after which nothing before it matters.
    Write(Last),
    /// An ordinary read: the set of such reads, and the last of them.
    Read(u32, Last),
    /// Any other: likewise.
    Other(u32, Last),
}

impl Cell {
    #[inline]
    pub fn remember(&mut self, memory: Memory) {
        match memory {
            Memory::Write(written) => *self = Cell { written, ..Cell::default() },
            Memory::Read(set, last) => (self.read, self.reader) = (set, last),
            Memory::Other(set, last) => (self.others, self.other) = (set, last),
        }
    }
}

/// Bytes of a word.
pub(super) const WORD: usize = 4;

/// What a block's shared memory remembers. Nearly all accesses are of whole words, so a word is told apart into bytes
/// only where they differ.
pub(super) struct Shadow {
    /// A cell a word, with where its bytes' cells are if they differ, and zero if they do not.
    pub words: Vec<(Cell, u32)>,
    /// Cells of the bytes of words; the first is nobody's.
    bytes: Vec<[Cell; WORD]>,
    /// Those that are in use no longer.
    free: Vec<u32>,
    /// Size of the memory.
    pub len: usize,
}

impl Shadow {
    pub fn new(len: usize) -> Shadow {
        let words = vec![(Cell::default(), 0); len.div_ceil(WORD)];
        Shadow { words, bytes: vec![Default::default()], free: Vec::new(), len }
    }

    /// The cells of a word's bytes.
    pub fn cells(&self, word: usize) -> [Cell; WORD] {
        match self.words[word] {
            (cell, 0) => [cell; WORD],
            (_, bytes) => self.bytes[bytes as usize],
        }
    }

    /// Puts them back.
    pub fn set_cells(&mut self, word: usize, cells: [Cell; WORD]) {
        let (cell, bytes) = &mut self.words[word];
        match (cells == [cells[0]; WORD], *bytes) {
            (true, before) => {
                (*cell, *bytes) = (cells[0], 0);
                self.free.extend((before != 0).then_some(before));
            }
            (false, 0) => {
                *bytes = self.free.pop().unwrap_or_else(|| {
                    self.bytes.push(cells);
                    self.bytes.len() as u32 - 1
                });
                self.bytes[*bytes as usize] = cells;
            }
            (false, bytes) => self.bytes[bytes as usize] = cells,
        }
    }
}
