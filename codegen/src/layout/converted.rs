//! Rows of f32, or of 8 bits, in shared memory, made into factors of products where they lie.
//!
//! Two chunks are a *group*: eight numbers of f32, or sixteen of 8 bits, which are copied to the first chunk of their group. One lane
//! converts a group, so nothing but the group's own place is needed:
//!
//! ```text
//! as copied    x0      x1      x2      x3     | x4      x5      x6      x7
//! tf32         x0      x1      x2      x3     | x4      x5      x6      x7        each rounded
//! bf16x3       h0 h1   h2 h3   h4 h5   h6 h7  | l0 l1   l2 l3   l4 l5   l6 l7     x = h + l, of bf16 both
//!
//! as copied    x0..x3  x4..x7  x8..11 x12..15 |                                   8 bits each
//! widened      x0 x1   x2 x3   x4 x5   x6 x7  | x8 x9  x10 11  x12 13  x14 15     16 bits each
//! ```
//!
//! Split, a tile is therefore two of bf16, chunk by chunk in turn, and both are read as tiles of 16 bits are, `ldmatrix` and its
//! transposition included. Rounded, it is read by `ldmatrix` along its rows, of which each lane gets one number of 32 bits in
//! place of two of 16; over them no `ldmatrix` goes, and lanes load number by number ([`KEY_PAIR`]).

use super::fragment::N;
use super::lane::{LaneMap, field};
use super::swizzle::{CHUNK, rows_per_phase};

/// Bytes of a number.
pub const NUMBER: usize = 4;

/// Chunks of a group.
pub const GROUP_CHUNKS: usize = 2;

/// Lanes that convert neighbouring groups of one row.
pub const GROUP_LANES: usize = 4;

/// Bytes of a row that these convert at once.
pub const GROUPS: usize = GROUP_LANES * GROUP_CHUNKS * CHUNK;

/// The first chunk of the group that a lane converts of its row.
pub const GROUP_CHUNK: LaneMap = LaneMap(&[field(0, 2, GROUP_CHUNKS)]);

/// The row, of eight, in which a lane converts, in a tile of this span.
///
/// Four lanes of a row leave every other chunk of a line of banks to four lanes of another: rows whose phases differ by one.
pub const fn group_row(span: usize) -> LaneMap {
    const ONE_APART: LaneMap = LaneMap(&[field(2, 3, 1)]);
    const TWO_APART: LaneMap = LaneMap(&[field(3, 1, 1), field(2, 1, 2), field(4, 1, 4)]);
    const FOUR_APART: LaneMap = LaneMap(&[field(3, 2, 1), field(2, 1, 4)]);
    match rows_per_phase(span) {
        1 => ONE_APART,
        2 => TWO_APART,
        _ => FOUR_APART,
    }
}

/// The first of two neighbouring keys, of eight, of which a lane reads V number by number. Scores `2t` and `2t+1` of a row are
/// one lane's, and the sum over keys may go in any order: in a product of depth eight key `2t` is at depth `t`, key `2t+1` at
/// `t+4`, and probabilities are factors where they are.
pub const KEY_PAIR: LaneMap = LaneMap(&[field(0, 2, 2)]);

/// Where in a block of [`N`] numbers a lane reads them: the chunk, and the number in it.
pub const NUMBER_OF: (LaneMap, LaneMap) = (LaneMap(&[field(4, 1, 1)]), LaneMap(&[field(2, 2, 1)]));

/// Chunks that [`N`] numbers take.
pub const N_CHUNKS: usize = N * NUMBER / CHUNK;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::fragment::FIRST_COL;
    use crate::layout::swizzle::{PERIOD, Swizzle, phase};

    /// Rows of every head dimension, of f32 and of 16 bits.
    fn tiles() -> impl Iterator<Item = Swizzle> {
        let numbers = || (32..=256).step_by(16).chain([512, 576]);
        let of = |bytes: usize| numbers().map(move |numbers| Swizzle { row_bytes: bytes * numbers });
        of(NUMBER).chain(of(2))
    }

    #[test]
    fn groups_are_converted_once_and_touch_every_bank_once() {
        for tile in tiles() {
            let row = group_row(tile.span());
            let mut seen = vec![0; PERIOD * tile.chunks()];
            for along in (0..tile.row_bytes).step_by(GROUPS) {
                let left = (tile.row_bytes - along) / (GROUP_CHUNKS * CHUNK);
                for half in 0..GROUP_CHUNKS {
                    // Eight lanes at a time access sixteen bytes each.
                    for eight in 0..4 {
                        let lanes = (8 * eight..8 * eight + 8).filter(|lane| lane % GROUP_LANES < left);
                        let mut banks: Vec<usize> = lanes
                            .map(|lane| {
                                let (row, first) = (row.of(lane), GROUP_CHUNK.of(lane));
                                let at = tile.offset(row, along / CHUNK + first + half);
                                // As the emitter works it out.
                                let of_lane =
                                    row * tile.row_bytes + (first ^ phase(row, tile.span())) * CHUNK;
                                assert_eq!(at, (of_lane ^ (half * CHUNK)) + along, "{tile:?} {lane}");
                                seen[row * tile.chunks() + along / CHUNK + first + half] += 1;
                                at / CHUNK % PERIOD
                            })
                            .collect();
                        let lanes = banks.len();
                        banks.sort_unstable();
                        banks.dedup();
                        assert_eq!(banks.len(), lanes, "{tile:?} {along} {half} {eight}");
                    }
                }
            }
            assert!(seen.iter().all(|times| *times == 1), "{tile:?}");
        }
    }

    /// How often a warp's load comes to the fullest bank: once where spans are of 128 bytes, twice where of 64, of which even
    /// rows all begin in the same half of the banks.
    #[test]
    fn keys_are_read_in_pairs() {
        let (chunk, number) = NUMBER_OF;
        for tile in tiles() {
            for block in 0..tile.row_bytes / (N * NUMBER) {
                for which in 0..2 {
                    let mut banks = [0; 32];
                    for lane in 0..32 {
                        let (row, chunk) = (KEY_PAIR.of(lane) + which, N_CHUNKS * block + chunk.of(lane));
                        let at = tile.offset(row, chunk) + NUMBER * number.of(lane);
                        banks[at / NUMBER % 32] += 1;
                        // As the emitter works it out: the second key from the first.
                        let first = tile.offset(row - which, chunk) + NUMBER * number.of(lane);
                        let other = (first % tile.row_bytes) ^ (which * phase(1, tile.span()) * CHUNK);
                        assert_eq!(at, first - first % tile.row_bytes + other + which * tile.row_bytes);
                    }
                    let passes = if tile.span() == 128 { 1 } else { 2 };
                    assert_eq!(banks.iter().max(), Some(&passes), "{tile:?} {block} {which}");
                }
            }
        }
        // The keys that a lane has scores of, and the columns that it has of O.
        (0..32).for_each(|lane| assert_eq!(KEY_PAIR.of(lane), FIRST_COL.of(lane)));
        (0..32).for_each(|lane| assert_eq!(4 * chunk.of(lane) + number.of(lane), lane / 4));
    }
}
