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

/// Rows of an accumulator tile.
pub const M: usize = 16;
/// Columns of an accumulator tile.
pub const N: usize = 8;
/// Depth of one product.
pub const K: usize = 16;

/// Row of accumulator element `e` of a lane.
pub fn accumulator_row(lane: usize, e: usize) -> usize {
    lane / 4 + e / 2 * 8
}

/// Column of accumulator element `e` of a lane.
pub fn accumulator_col(lane: usize, e: usize) -> usize {
    lane % 4 * 2 + e % 2
}

/// The row and 16-byte chunk that a lane addresses so that `ldmatrix.x4` on a 16-row, two-chunk block gives
/// r0: rows 0–7 chunk 0, r1: rows 8–15 chunk 0, r2: rows 0–7 chunk 1, r3: rows 8–15 chunk 1.
///
/// Of Q (rows are m, chunks are k) these are `a0..a3`. Of V read with `.trans` (rows are k, chunks are n) they
/// are (b0, b1) of two column blocks, [`B_PAIRS`].
pub fn rows_first(lane: usize) -> (usize, usize) {
    (lane % 16, lane / 16)
}

/// The same with r1 and r2 exchanged. Of K (rows are n, chunks are k) these are (b0, b1) of two column blocks,
/// [`B_PAIRS`].
pub fn chunks_first(lane: usize) -> (usize, usize) {
    (lane % 8 + lane / 16 * 8, lane / 8 % 2)
}

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
                let cell = &mut seen[accumulator_row(lane, e)][accumulator_col(lane, e)];
                assert!(!std::mem::replace(cell, true));
            }
        }
    }

    #[test]
    fn ldmatrix_sources_name_four_matrices() {
        for source in [rows_first, chunks_first] {
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
        for (first, second) in B_PAIRS {
            let (k, k_next) = (chunks_first(first * 8), chunks_first(second * 8));
            assert_eq!((k.0, k.1 + 1), k_next, "K: the same keys, the next eight of k");
            let (v, v_next) = (rows_first(first * 8), rows_first(second * 8));
            assert_eq!((v.0 + 8, v.1), v_next, "V: the next eight keys, the same columns");
        }
    }
}
