//! What of K and V comes from device memory, and what the L2 cache has kept: a model of a prefill.
//!
//! Blocks are in step: in every round each reads one tile of K and one of V, from the right end of its columns to the
//! left, and whoever is done takes the next row tile of the list. The cache holds so many tiles and forgets the one that
//! was used least recently. A tile that is not there comes from memory, once for all blocks that ask for it in a round.
//! Q and O pass through once each and are taken to displace nothing: [`USABLE`] leaves them room.
//!
//! What this leaves out: blocks drift apart, sets and slices of the cache fill unevenly, and its two halves may hold a
//! line twice. [`USABLE`] stands for all of these; it was not measured. Memory moves at least what is said here if that
//! much of the cache is of use.

use std::ops::Range;

/// What part of the cache K and V can count on. A launch makes its sections of tiles for five eighths of it
/// ([`flashpage_runtime::launch::section`]).
pub const USABLE: f64 = 0.64;

/// A tile of rows, by what its block reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowTile {
    /// Whose K and V: a number for each pair of a sequence and a KV head.
    pub pair: usize,
    /// The tiles of columns that it sees.
    pub columns: Range<usize>,
}

/// A cache that forgets what was used least recently. What is next to it in age is a list through `older` and `newer`.
struct Lru {
    capacity: usize,
    held: usize,
    /// By tile: its neighbours in the order of use, if it is held.
    older: Vec<usize>,
    newer: Vec<usize>,
    oldest: usize,
    newest: usize,
}

/// No tile.
const NONE: usize = usize::MAX;

impl Lru {
    fn new(capacity: usize, tiles: usize) -> Lru {
        let (older, newer) = (vec![NONE; tiles], vec![NONE; tiles]);
        Lru { capacity, held: 0, older, newer, oldest: NONE, newest: NONE }
    }

    fn holds(&self, tile: usize) -> bool {
        self.newest == tile || self.newer[tile] != NONE
    }

    fn take_out(&mut self, tile: usize) {
        let (older, newer) = (self.older[tile], self.newer[tile]);
        match newer {
            NONE => self.newest = older,
            newer => self.older[newer] = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.newer[older] = newer,
        }
        (self.older[tile], self.newer[tile]) = (NONE, NONE);
        self.held -= 1;
    }

    /// Uses a tile, and says whether it was there.
    fn use_tile(&mut self, tile: usize) -> bool {
        let was_there = self.holds(tile);
        if was_there {
            self.take_out(tile);
        } else if self.held >= self.capacity && self.held > 0 {
            self.take_out(self.oldest);
        }
        self.older[tile] = self.newest;
        match self.newest {
            NONE => self.oldest = tile,
            newest => self.newer[newest] = tile,
        }
        self.newest = tile;
        self.held += 1;
        was_there
    }
}

/// How many tiles of K and of V come from memory while `blocks` blocks in step work through a list of row tiles, with a
/// cache that holds `capacity` tiles.
pub fn misses(list: &[RowTile], blocks: usize, capacity: usize) -> usize {
    let width = list.iter().map(|tile| tile.columns.end).max().unwrap_or(0);
    let pairs = list.iter().map(|tile| tile.pair + 1).max().unwrap_or(0);
    let mut cache = Lru::new(capacity, 2 * pairs * width);
    let mut waiting = list.iter().cloned();
    let mut under_way: Vec<RowTile> = waiting.by_ref().take(blocks).collect();
    let mut missed = 0;
    while !under_way.is_empty() {
        // Those who ask for the same tile in a round are next to each other, and the second finds it.
        for block in &mut under_way {
            while block.columns.is_empty() {
                let Some(next) = waiting.next() else { break };
                *block = next;
            }
            if let Some(column) = block.columns.next_back() {
                let keys = 2 * (block.pair * width + column);
                missed += usize::from(!cache.use_tile(keys)) + usize::from(!cache.use_tile(keys + 1));
            }
        }
        if waiting.len() == 0 {
            under_way.retain(|block| !block.columns.is_empty());
        }
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row tiles of 8 pairs, each 4 tiles of rows over 4 of columns: pairs next to each other in sections of so many.
    fn sections_of(pairs: usize) -> Vec<RowTile> {
        let sections = (0..8).step_by(pairs);
        sections
            .flat_map(|first| (0..4).flat_map(move |_| first..first + pairs))
            .map(|pair| RowTile { pair, columns: 0..4 })
            .collect()
    }

    #[test]
    fn sections_that_fit_are_read_once() {
        // All there is to read, and what would be read if nothing were kept.
        const ONCE: usize = 8 * 4 * 2;
        const ALWAYS: usize = 4 * ONCE;
        // Pairs of a section, blocks, tiles that the cache holds: what comes from memory. A pair has 8 tiles.
        let table = [
            (8, 8, 64, ONCE),
            // All pairs take turns, and one tile too few is as bad as none: what is needed next was just forgotten.
            (8, 8, 63, ALWAYS),
            (8, 8, 16, ALWAYS),
            (2, 2, 16, ONCE),
            (2, 2, 15, ALWAYS),
            (1, 1, 8, ONCE),
            // More blocks than pairs ask for the same tile in one round.
            (1, 4, 2, ONCE),
            (2, 8, 4, ONCE),
            // Without a cache they find only what is still on its way.
            (8, 8, 0, ALWAYS),
        ];
        for (pairs, blocks, capacity, expected) in table {
            let found = misses(&sections_of(pairs), blocks, capacity);
            assert_eq!(found, expected, "sections of {pairs}, {blocks} blocks, {capacity} tiles");
        }
    }

    #[test]
    fn lists_that_read_nothing_end() {
        let nothing = RowTile { pair: 0, columns: 3..3 };
        let some = RowTile { pair: 1, columns: 1..4 };
        let table = [
            (vec![], 4, 0),
            (vec![nothing.clone(); 3], 2, 0),
            (vec![nothing.clone(), some.clone(), nothing.clone()], 1, 6),
            (vec![some, nothing], 0, 0),
        ];
        for (list, blocks, expected) in table {
            assert_eq!(misses(&list, blocks, 100), expected, "{list:?} by {blocks}");
        }
    }
}
