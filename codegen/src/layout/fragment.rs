//! How `mma.sync.m16n8k16` spreads its operands over the 32 lanes of a warp (PTX ISA §9.7.14.5).
//!
//! ```text
//! accumulator 16×8, four f32 a lane            A 16×16, four registers of two halves a lane
//!         cols 2q, 2q+1                                 k 2q,2q+1    k 8+2q, 8+2q+1
//! row  g    e0 e1          g = lane / 4        row g       a0            a2
//! row g+8   e2 e3          q = lane % 4        row g+8     a1            a3
//!
//! B 16×8, two registers of two halves a lane:  b0 holds k 2q, 2q+1 and b1 k 8+2q, 8+2q+1, of column g
//! ```
//!
//! An accumulator's two halves of eight columns, rounded in pairs, are therefore the A operand of the next
//! product as they stand. `ldmatrix.x4` gives lane `l` its part of four 8×8 matrices whose rows the lanes'
//! addresses name, eight lanes a matrix.

use super::lane::{LaneMap, field};

/// Rows of an accumulator tile.
pub const M: usize = 16;
/// Columns of an accumulator tile.
pub const N: usize = 8;
/// Depth of one product.
pub const K: usize = 16;
/// Depth of one product of 8 bits: the same bytes of either factor, twice as many numbers.
pub const K_BYTES: usize = 32;
/// Depth of one product of tf32: the same bytes of either factor, half as many numbers.
pub const K_TF32: usize = 8;

/// The four lanes of a row of an accumulator: which of them a lane is.
pub const QUAD_LANE: LaneMap = LaneMap(&[field(0, 2, 1)]);
/// Row of a lane's first accumulator element.
pub const FIRST_ROW: LaneMap = LaneMap(&[field(2, 3, 1)]);
/// Column of a lane's first accumulator element.
pub const FIRST_COL: LaneMap = LaneMap(&[field(0, 2, 2)]);

/// Row slots of a lane in an accumulator, each with two elements.
pub const SLOTS: usize = 2;

/// Rows from a lane's first to that of row slot `slot`, in accumulators one below the other.
pub const fn slot_row(slot: usize) -> usize {
    slot * M / SLOTS
}

/// Columns from a lane's first to that of a row slot's element `n`, in accumulators side by side.
pub const fn slot_col(n: usize) -> usize {
    n / 2 * N + n % 2
}

/// Where in a 16-row, two-chunk block a lane addresses: a row and a 16-byte chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// The row.
    pub row: LaneMap,
    /// The chunk.
    pub chunk: LaneMap,
}

/// So that `ldmatrix.x4` gives r0: rows 0–7 chunk 0, r1: rows 8–15 chunk 0, r2: rows 0–7 chunk 1, r3: rows 8–15 chunk 1.
///
/// Of Q (rows are m, chunks are k) these are `a0..a3`. Of V read with `.trans` (rows are k, chunks are n) they
/// are (b0, b1) of two column blocks, [`B_PAIRS`].
///
/// The row is cut at eight, as the swizzle is: written as four bits, with the swizzle's three apart, ptxas spilled 84 bytes
/// of a prefill that leaves no register free.
pub const ROWS_FIRST: Addressed =
    Addressed { row: LaneMap(&[field(0, 3, 1), field(3, 1, 8)]), chunk: LaneMap(&[field(4, 1, 1)]) };

/// The same with r1 and r2 exchanged. Of K (rows are n, chunks are k) these are (b0, b1) of two column blocks,
/// [`B_PAIRS`].
pub const CHUNKS_FIRST: Addressed =
    Addressed { row: LaneMap(&[field(0, 3, 1), field(4, 1, 8)]), chunk: LaneMap(&[field(3, 1, 1)]) };

/// Registers (b0, b1) of the two blocks of eight columns that one `ldmatrix.x4` brings. A product takes its B
/// operand from an aligned pair of registers: any other pairing costs two moves a block.
pub const B_PAIRS: [(usize, usize); 2] = [(0, 1), (2, 3)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accumulator_covers_the_tile_once() {
        let mut seen = [[false; N]; M];
        for lane in 0..32 {
            for e in 0..4 {
                let (row, col) = (FIRST_ROW.of(lane) + slot_row(e / 2), FIRST_COL.of(lane) + slot_col(e % 2));
                // The lanes of a row are neighbours.
                assert_eq!(QUAD_LANE.of(lane), lane - lane / 4 * 4);
                let cell = &mut seen[row][col];
                assert!(!std::mem::replace(cell, true));
            }
        }
    }

    #[test]
    fn ldmatrix_sources_name_four_matrices() {
        for Addressed { row, chunk } in [ROWS_FIRST, CHUNKS_FIRST] {
            let source = |lane| (row.of(lane), chunk.of(lane));
            let mut seen = [[false; 2]; 16];
            for lane in 0..32 {
                let (row, chunk) = source(lane);
                assert!(!std::mem::replace(&mut seen[row][chunk], true));
                // Eight lanes name the eight rows of one matrix.
                assert_eq!(
                    (row % 8, (row / 8, chunk)),
                    (lane % 8, {
                        let (r, c) = source(lane / 8 * 8);
                        (r / 8, c)
                    })
                );
            }
        }
    }

    /// Register r holds what lanes 8r..8r+8 address.
    #[test]
    fn register_pairs_are_b_operands() {
        let [rows_first, chunks_first] = [ROWS_FIRST, CHUNKS_FIRST]
            .map(|Addressed { row, chunk }| move |lane| (row.of(lane), chunk.of(lane)));
        for (first, second) in B_PAIRS {
            let (k, k_next) = (chunks_first(first * 8), chunks_first(second * 8));
            assert_eq!((k.0, k.1 + 1), k_next, "K: the same keys, the next eight of k");
            let (v, v_next) = (rows_first(first * 8), rows_first(second * 8));
            assert_eq!((v.0 + 8, v.1), v_next, "V: the next eight keys, the same columns");
        }
    }
}
