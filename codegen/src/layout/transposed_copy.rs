//! V of 8 bits, transposed in shared memory: `wgmma` reads factors of 8 bits along their depth alone, which is keys. So beside the tile as it
//! was copied, a row for each key, there is one with a row for each number of the head dimension and the keys along it.
//!
//! **Places of keys.** Of sixteen keys key `2t` and `2t + 1` lie at `4t` and `4t + 1`, key `8 + 2t` and `9 + 2t` at `4t + 2` and `4t + 3`:
//!
//! ```text
//! place   0  1  2  3   4  5  6  7   8  9 10 11  12 13 14 15
//! key     0  1  8  9   2  3 10 11   4  5 12 13   6  7 14 15
//! ```
//!
//! A product's first factor has bytes `4t` to `4t + 3` of a row in lane `t` of the row's four, and S has columns `2t`, `2t + 1`, `8 + 2t` and
//! `9 + 2t` there. So probabilities, packed in order, are a factor where they are.
//!
//! **Lanes.** A lane reads a word, four neighbouring numbers, of each of sixteen keys, and writes sixteen keys of each of these four. The lanes
//! of a warp lie along the head dimension:
//!
//! ```text
//! head_dim  64    lanes 0 to 15 sixteen keys, 16 to 31 the next
//! head_dim 128    sixteen keys
//! head_dim 256    one half of sixteen keys; the other is another warp's
//! ```
//!
//! **Banks.** A warp reads 128 bytes of one key, or 64 each of two, of which one lies in the upper half of the banks: upper lanes take the two
//! of a pair of keys in the other order. Eight neighbouring lanes write rows that are four apart, of which every other would lie in the same
//! banks. So a lane begins with another of its four numbers than the lanes beside it: in turn `s` with number `s ^ r`, where `r` is half the
//! lane's number.

use super::lane::{LANES, LaneMap, field};
use super::panel::Panels;
use super::swizzle::{CHUNK, PERIOD};
use crate::spec::HeadDim;

/// Head dimensions of V that there are such copies of.
pub const HEAD_DIMS: [usize; 3] = [64, 128, 256];

/// Whether products of 8 bits are of this head dimension: one of [`HEAD_DIMS`], the same of keys and of values.
pub fn is_multiplied(head_dim: HeadDim) -> bool {
    head_dim.qk == head_dim.v && HEAD_DIMS.contains(&head_dim.v)
}

/// Keys of a chunk.
pub const KEYS_OF_CHUNK: usize = CHUNK;

/// Neighbouring numbers of a key that a lane reads at once: a word.
pub const NUMBERS: usize = 4;

/// Where a key of sixteen lies.
pub const fn place_of_key(key: usize) -> usize {
    key % 8 / 2 * 4 + key / 8 * 2 + key % 2
}

/// Which key of sixteen lies at a place.
pub const fn key_at(place: usize) -> usize {
    place / 4 * 2 + place % 4 / 2 * 8 + place % 2
}

/// How the warps of a role transpose a tile of V, in rounds: in each a lane has one chunk of keys and four numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransposedCopy {
    /// As it was copied: a row for each key.
    pub rows: Panels,
    /// What becomes of it: a row for each number of the head dimension, keys along it.
    pub tile: Panels,
    /// Warps that transpose: two, or four.
    pub warps: usize,
}

impl TransposedCopy {
    /// Whether a warp has two chunks of keys, of which upper lanes take the keys of a pair in the other order.
    pub fn is_interleaved(self) -> bool {
        self.lanes_of_row() < LANES
    }

    /// Byte offset in the rows of the word of a row, of the key `key` of chunk 0, before its phase is XORed onto it; of upper lanes of two
    /// chunks see [`TransposedCopy::other_key`].
    pub fn word_offset(self, word: usize) -> usize {
        let of_span = self.rows.span / NUMBERS;
        word / of_span * self.rows.panel_stride() + word % of_span * NUMBERS
    }

    /// What the phase of a key of a chunk XORs onto its words' offsets, and what then is added.
    pub fn key_step(self, key: usize) -> (usize, usize) {
        let add = key / PERIOD * self.rows.group_stride() + key % PERIOD * self.rows.span;
        (self.rows.phase(key) * CHUNK, add)
    }

    /// Bytes from a chunk of keys to the next.
    pub fn chunk_stride(self) -> usize {
        KEYS_OF_CHUNK / PERIOD * self.rows.group_stride()
    }

    /// Bytes from a key to the other of its pair, which has the same phase.
    pub fn other_key(self, key: usize) -> isize {
        let span = self.rows.span as isize;
        if key.is_multiple_of(2) { span } else { -span }
    }

    /// Lanes along a row of memory.
    pub fn lanes_of_row(self) -> usize {
        (self.tile.rows / NUMBERS).min(LANES)
    }

    /// Warps whose lanes lie along one row of memory.
    pub fn warps_of_row(self) -> usize {
        self.tile.rows / NUMBERS / self.lanes_of_row()
    }

    /// Chunks of keys of a round, all warps together: a power of two.
    pub fn round_chunks(self) -> usize {
        LANES / self.lanes_of_row() * self.warps / self.warps_of_row()
    }

    /// Chunks of keys of a tile.
    pub fn chunks(self) -> usize {
        self.tile.span * self.tile.count / KEYS_OF_CHUNK
    }

    /// Rounds of a tile. The last may have keys for some warps only.
    pub fn rounds(self) -> usize {
        self.chunks().div_ceil(self.round_chunks())
    }

    /// Whether the last round has keys for all warps.
    pub fn is_even(self) -> bool {
        self.chunks().is_multiple_of(self.round_chunks())
    }

    /// Which word of a row a lane reads, among those of its warp.
    pub fn word(self) -> LaneMap {
        const OF_SIXTEEN: LaneMap = LaneMap(&[field(0, 4, 1)]);
        const OF_ALL: LaneMap = LaneMap(&[field(0, 5, 1)]);
        if self.lanes_of_row() == LANES { OF_ALL } else { OF_SIXTEEN }
    }

    /// Which chunk of keys of its warp's a lane has.
    pub fn chunk(self) -> LaneMap {
        const OF_TWO: LaneMap = LaneMap(&[field(4, 1, 1)]);
        const ONE: LaneMap = LaneMap(&[]);
        if self.lanes_of_row() == LANES { ONE } else { OF_TWO }
    }

    /// Which of its four numbers a lane writes first: `r`.
    pub fn turned(self) -> LaneMap {
        const HALF: LaneMap = LaneMap(&[field(1, 2, 1)]);
        HALF
    }

    /// The chunk of keys that a lane has in the first round, and the word of a row that it reads.
    pub fn of(self, warp: usize, lane: usize) -> (usize, usize) {
        let chunks = LANES / self.lanes_of_row();
        let chunk = warp / self.warps_of_row() * chunks + self.chunk().of(lane);
        let word = warp % self.warps_of_row() * self.lanes_of_row() + self.word().of(lane);
        (chunk, word)
    }

    /// Byte offset of the chunk of keys `chunk` of a number.
    pub fn offset(self, number: usize, chunk: usize) -> usize {
        let of_span = self.tile.span / CHUNK;
        chunk / of_span * self.tile.panel_stride() + self.tile.offset(number, chunk % of_span)
    }

    /// What a round XORs onto the places of the first, and what it adds to them: chunks of the first have only lower bits.
    pub fn step(self, round: usize) -> (usize, usize) {
        let (further, of_span) = (round * self.round_chunks(), self.tile.span / CHUNK);
        (further % of_span * CHUNK, further / of_span * self.tile.panel_stride())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::fragment::{FIRST_COL, K_BYTES, QUAD_LANE, slot_col};
    use crate::layout::panel::Order;
    use crate::layout::swizzle::widest_span;

    /// Every word of every key is read once, every chunk of every number written once, and lanes touch every bank once: all of a warp where they
    /// read, eight at a time where they write. A number of a key goes where products look for it.
    #[test]
    fn words_are_read_and_chunks_written_once_and_touch_every_bank_once() {
        for numbers in HEAD_DIMS {
            for keys in (K_BYTES..=256).step_by(K_BYTES) {
                let panels = |rows, columns, order| {
                    let span = widest_span(columns);
                    Panels { rows, span, count: columns / span, order }
                };
                for order in [Order::ByPanel, Order::ByGroup] {
                    let (rows, tile) = (panels(keys, numbers, order), panels(numbers, keys, Order::ByPanel));
                    [2, 4].into_iter().for_each(|warps| check(TransposedCopy { rows, tile, warps }));
                }
            }
        }
    }

    fn banks_are_apart(at: &[usize], unit: usize, copy: TransposedCopy) {
        let mut banks: Vec<usize> = at.iter().map(|at| at / unit % (128 / unit)).collect();
        banks.sort_unstable();
        banks.dedup();
        assert_eq!(banks.len(), at.len(), "{copy:?}");
    }

    fn check(copy: TransposedCopy) {
        let mut written = vec![false; copy.tile.bytes() / CHUNK];
        let mut read = vec![false; copy.rows.bytes() / NUMBERS];
        for (round, warp) in
            (0..copy.rounds()).flat_map(|round| (0..copy.warps).map(move |warp| (round, warp)))
        {
            let of = |lane| {
                let (chunk, word) = copy.of(warp, lane);
                assert!(chunk < copy.round_chunks());
                (chunk + round * copy.round_chunks(), word)
            };
            if of(0).0 >= copy.chunks() {
                assert!(!copy.is_even() && (0..LANES).all(|lane| of(lane).0 >= copy.chunks()), "{copy:?}");
                continue;
            }
            for turn in 0..KEYS_OF_CHUNK {
                let places: Vec<usize> = (0..LANES)
                    .map(|lane| {
                        let (chunk, word) = of(lane);
                        let is_upper = copy.is_interleaved() && lane >= LANES / 2;
                        let key = KEYS_OF_CHUNK * chunk + if is_upper { turn ^ 1 } else { turn };
                        let of_span = copy.rows.span / CHUNK;
                        let at = word / (NUMBERS * of_span) * copy.rows.panel_stride()
                            + copy.rows.offset(key, word / NUMBERS % of_span)
                            + word % NUMBERS * NUMBERS;
                        // As the emitter works it out.
                        let (xor, add) = copy.key_step(turn);
                        let first = copy.word_offset(word) + chunk * copy.chunk_stride();
                        let other = if is_upper { copy.other_key(turn) } else { 0 };
                        assert_eq!(
                            ((first ^ xor) + add).checked_add_signed(other),
                            Some(at),
                            "{copy:?} {turn} {lane}"
                        );
                        assert!(!std::mem::replace(&mut read[at / NUMBERS], true), "{copy:?}");
                        at
                    })
                    .collect();
                banks_are_apart(&places, NUMBERS, copy);
            }
            for turn in 0..NUMBERS {
                let places: Vec<usize> = (0..LANES)
                    .map(|lane| {
                        let (chunk, word) = of(lane);
                        let number = NUMBERS * word + (turn ^ copy.turned().of(lane));
                        let at = copy.offset(number, chunk);
                        // As the emitter works it out.
                        let (first, (xor, add)) =
                            (copy.offset(number, copy.of(warp, lane).0), copy.step(round));
                        assert_eq!((first ^ xor) + add, at, "{copy:?} {round} {warp} {lane}");
                        assert!(!std::mem::replace(&mut written[at / CHUNK], true), "{copy:?}");
                        at
                    })
                    .collect();
                for together in places.chunks(PERIOD) {
                    banks_are_apart(together, CHUNK, copy);
                }
            }
        }
        assert!(written.into_iter().chain(read).all(|done| done), "{copy:?}");
    }

    #[test]
    fn keys_and_places_are_each_others() {
        for key in 0..KEYS_OF_CHUNK {
            assert_eq!(key_at(place_of_key(key)), key);
        }
    }

    /// The columns of sixteen of which a lane has scores, in order, are the bytes of its word of the factor.
    #[test]
    fn scores_are_packed_in_order() {
        for lane in 0..LANES {
            let columns: Vec<usize> = (0..4).map(|n| FIRST_COL.of(lane) + slot_col(n)).collect();
            let places: Vec<usize> = columns.into_iter().map(place_of_key).collect();
            assert_eq!(places, [0, 1, 2, 3].map(|byte| 4 * QUAD_LANE.of(lane) + byte));
        }
    }
}
