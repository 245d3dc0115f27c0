//! The 128-byte XOR swizzle of shared-memory tiles.
//!
//! A row is cut into 16-byte chunks; the low three bits of a chunk's index are XORed with those of its row:
//!
//! ```text
//! row 0:  0 1 2 3 4 5 6 7      row 1:  1 0 3 2 5 4 7 6      row 2:  2 3 0 1 6 7 4 5   …
//! ```
//!
//! Eight rows at one chunk (what a phase of `ldmatrix` reads) and eight chunks of one row (what a quarter
//! warp copies) both touch all 32 banks once. Two facts carry every address computation:
//!
//! - chunk bits above the third, and rows in steps of eight, are plain additions: instruction offsets;
//! - a chunk `c | d` of disjoint bits lies at `offset(c) ^ (d << 4)`, so walking along a row is one XOR.

use super::lane::{LaneMap, field};

/// Bytes of a chunk: the unit of `cp.async.cg`, `ldmatrix` rows and vector accesses.
pub const CHUNK: usize = 16;

/// Rows after which the pattern repeats, and chunks over which it runs.
pub const PERIOD: usize = 8;

/// Rows that share what is XORed onto their chunks, where the pattern is bits of the address and a piece has `span` bytes of
/// a row: 128 or 64.
pub const fn rows_per_phase(span: usize) -> usize {
    PERIOD * CHUNK / span
}

/// What is XORed onto the chunks of a row.
pub const fn phase(row: usize, span: usize) -> usize {
    row % PERIOD / rows_per_phase(span)
}

/// A swizzled tile of rows of `row_bytes`, a multiple of 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swizzle {
    /// Bytes of one row.
    pub row_bytes: usize,
}

impl Swizzle {
    /// Byte offset of a chunk in the tile.
    pub fn offset(self, row: usize, chunk: usize) -> usize {
        row * self.row_bytes + ((chunk ^ phase(row, PERIOD * CHUNK)) * CHUNK)
    }

    /// Chunks of a row.
    pub fn chunks(self) -> usize {
        self.row_bytes / CHUNK
    }

    /// How to step from chunk `c` to chunk `c + step`, where their bits are disjoint: what to XOR into the
    /// address, and what to add to it.
    pub fn step(step: usize) -> (usize, usize) {
        (step % PERIOD * CHUNK, step / PERIOD * PERIOD * CHUNK)
    }
}

/// Lanes that copy neighbouring chunks of one row: 64 bytes of it, two whole sectors.
///
/// Eight would ask for a line of 128 bytes once and not twice, but give a lane two rows of eight, each with an address of
/// 64 bits. Tried at head_dim 128: 0.2 instructions a score more for a prefill and 1.3 for a decode, as many sectors, and
/// two stock kernels of a prefill, which have no register free, spilled 72 and 244 bytes.
pub const COPY_LANES: usize = 4;

/// The first chunk that a lane copies of its row.
pub const COPY_CHUNK: LaneMap = LaneMap(&[field(0, 2, 1)]);

/// The row, of eight, that a lane copies.
///
/// A warp copies eight rows at a time and walks along them, so that an address is worked out once for a row
/// and not for every chunk. Neighbouring groups of lanes are four rows apart: the swizzle puts their chunks
/// into different halves of the banks.
pub const COPY_ROW: LaneMap = LaneMap(&[field(3, 2, 1), field(2, 1, 4)]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_touch_every_bank_once() {
        for row_bytes in [128, 256, 384, 512] {
            let tile = Swizzle { row_bytes };
            for first_chunk in (0..tile.chunks()).step_by(COPY_LANES) {
                for quarter in 0..4 {
                    let lanes = 8 * quarter..8 * quarter + 8;
                    let at = |lane| tile.offset(COPY_ROW.of(lane), first_chunk + COPY_CHUNK.of(lane));
                    assert_eq!(banks(lanes.map(at)), 8, "{row_bytes} {first_chunk} {quarter}");
                }
            }
        }
        let mut rows: Vec<usize> = (0..32).map(|lane| COPY_ROW.of(lane)).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), PERIOD);
    }

    fn banks(offsets: impl Iterator<Item = usize>) -> usize {
        let mut chunks: Vec<usize> = offsets.map(|o| o / CHUNK % PERIOD).collect();
        chunks.sort_unstable();
        chunks.dedup();
        chunks.len()
    }

    #[test]
    fn rows_and_columns_of_chunks_touch_every_bank_once() {
        for row_bytes in [128, 256, 384, 512] {
            let tile = Swizzle { row_bytes };
            for start in 0..4 {
                for chunk in 0..tile.chunks() {
                    assert_eq!(banks((0..8).map(|r| tile.offset(8 * start + r, chunk))), 8);
                }
                for row in 0..64 {
                    let chunks = (0..8).map(|c| tile.offset(row, 8 * (start % (row_bytes / 128)) + c));
                    assert_eq!(banks(chunks), 8);
                }
            }
        }
    }

    #[test]
    fn every_chunk_has_its_own_place_and_steps_reach_it() {
        for row_bytes in [128, 256, 384, 512] {
            let tile = Swizzle { row_bytes };
            let mut seen = vec![false; 64 * tile.chunks()];
            for row in 0..64 {
                for chunk in 0..tile.chunks() {
                    let offset = tile.offset(row, chunk);
                    assert!(!std::mem::replace(&mut seen[offset / CHUNK], true));
                    let (low, step) = (chunk & 1, chunk & !1);
                    let (xor, add) = Swizzle::step(step);
                    assert_eq!((tile.offset(row, low) ^ xor) + add, offset);
                }
            }
        }
    }
}
