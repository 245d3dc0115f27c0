//! The XOR swizzle of shared-memory tiles, whose rows follow each other without a gap.
//!
//! A row is cut into *spans* of 128, 64 or 32 bytes, the widest that divides it, and a span into chunks of 16 bytes. The low
//! bits of a chunk's index, those that tell chunks of a span apart, are XORed with its row's *phase*:
//!
//! ```text
//! span 128, phase r mod 8        row 0:  0 1 2 3 4 5 6 7      row 1:  1 0 3 2 5 4 7 6      row 2:  2 3 0 1 6 7 4 5   …
//! span  64, phase r / 2 mod 4    rows 0, 1:  0 1 2 3          rows 2, 3:  1 0 3 2          rows 4, 5:  2 3 0 1       …
//! span  32, phase r / 4 mod 2    rows 0 to 3:  0 1            rows 4 to 7:  1 0
//! ```
//!
//! Rows that share a phase lie in different banks by themselves: a row of an odd number of spans of 64 bytes begins half a
//! line of banks after the one before it, and one of an odd number of spans of 32 bytes one or three quarters of a line. So
//! whatever the head dimension, eight rows at one chunk (what a phase of `ldmatrix` reads) touch all 32 banks once, and no
//! row is padded. Two facts carry every address computation:
//!
//! - whole spans, and rows in steps of eight, are plain additions: instruction offsets;
//! - within a span a chunk `c | d` of disjoint bits lies at `offset(c) ^ (d << 4)`, so walking along a row is one XOR.

use super::lane::{LaneMap, field};

/// Bytes of a chunk: the unit of `cp.async.cg`, `ldmatrix` rows and vector accesses.
pub const CHUNK: usize = 16;

/// Rows after which the pattern repeats, and chunks over which it runs.
pub const PERIOD: usize = 8;

/// The widest span that divides a row, of which the bytes are a multiple of 32.
pub const fn widest_span(row_bytes: usize) -> usize {
    match row_bytes % 128 {
        0 => 128,
        64 => 64,
        _ => 32,
    }
}

/// Rows that share what is XORed onto their chunks, where the pattern is bits of the address and a piece has `span` bytes of
/// a row: 128, 64 or 32.
pub const fn rows_per_phase(span: usize) -> usize {
    PERIOD * CHUNK / span
}

/// What is XORed onto the chunks of a row.
pub const fn phase(row: usize, span: usize) -> usize {
    row % PERIOD / rows_per_phase(span)
}

/// A swizzled tile of rows of `row_bytes`, a multiple of 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swizzle {
    /// Bytes of one row.
    pub row_bytes: usize,
}

impl Swizzle {
    /// Bytes of a row within which chunks are exchanged.
    pub fn span(self) -> usize {
        widest_span(self.row_bytes)
    }

    /// Spans of a row.
    pub fn spans(self) -> usize {
        self.row_bytes / self.span()
    }

    /// Byte offset of a chunk in the tile.
    pub fn offset(self, row: usize, chunk: usize) -> usize {
        row * self.row_bytes + ((chunk ^ phase(row, self.span())) * CHUNK)
    }

    /// Chunks of a row.
    pub fn chunks(self) -> usize {
        self.row_bytes / CHUNK
    }

    /// How to step from chunk `c` of the first span to chunk `c + step`, where their bits are disjoint: what to XOR into
    /// the address, and what to add to it.
    pub fn step(self, step: usize) -> (usize, usize) {
        let along = step * CHUNK;
        (along % self.span(), along / self.span() * self.span())
    }
}

/// Lanes that copy neighbouring chunks of one row: 64 bytes of it, two whole sectors.
///
/// Eight would ask for a line of 128 bytes once and not twice, but give a lane two rows of eight, each with an address of
/// 64 bits. Tried at head_dim 128: 0.2 instructions a score more for a prefill and 1.3 for a decode, as many sectors, and
/// two stock kernels of a prefill, which have no register free, spilled 72 and 244 bytes.
pub const COPY_LANES: usize = 4;

/// What each of these lanes copies of half a segment, at the end of a row of an odd number of spans of 32 bytes: bytes.
pub const HALF_CHUNK: usize = CHUNK / 2;

/// The first chunk that a lane copies of its row.
pub const COPY_CHUNK: LaneMap = LaneMap(&[field(0, 2, 1)]);

/// The row, of eight, that a lane copies, in a tile of this span.
///
/// A warp copies eight rows at a time and walks along them, so that an address is worked out once for a row
/// and not for every chunk. Neighbouring groups of lanes are so many rows apart that their chunks lie in different halves of
/// the banks: four where the swizzle sees to it, one where rows begin half a line apart, two where they begin a quarter apart.
pub const fn copy_row(span: usize) -> LaneMap {
    const FOUR_APART: LaneMap = LaneMap(&[field(3, 2, 1), field(2, 1, 4)]);
    const ONE_APART: LaneMap = LaneMap(&[field(2, 3, 1)]);
    const TWO_APART: LaneMap = LaneMap(&[field(3, 1, 1), field(2, 1, 2), field(4, 1, 4)]);
    match span {
        128 => FOUR_APART,
        64 => ONE_APART,
        _ => TWO_APART,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of every head dimension.
    fn tiles() -> impl Iterator<Item = Swizzle> {
        (64..=512).step_by(32).map(|row_bytes| Swizzle { row_bytes })
    }

    #[test]
    fn copies_touch_every_bank_once() {
        for tile in tiles() {
            let copy_row = copy_row(tile.span());
            let whole = tile.chunks() / COPY_LANES * COPY_LANES;
            for first_chunk in (0..whole).step_by(COPY_LANES) {
                for quarter in 0..4 {
                    let lanes = 8 * quarter..8 * quarter + 8;
                    let at = |lane| tile.offset(copy_row.of(lane), first_chunk + COPY_CHUNK.of(lane));
                    assert_eq!(banks(lanes.map(at)), 8, "{tile:?} {first_chunk} {quarter}");
                }
            }
            // What is left of a row: half a warp at a time, half a chunk a lane.
            let left = tile.chunks() - whole;
            for lanes in [0..16, 16..32].into_iter().filter(|_| left > 0) {
                assert_eq!((tile.span(), left), (32, 2));
                let mut banks: Vec<usize> = lanes
                    .map(|lane| {
                        let (row, piece) = (copy_row.of(lane), COPY_CHUNK.of(lane));
                        let at = tile.offset(row, whole + piece / 2) + piece % 2 * HALF_CHUNK;
                        // As the emitter works it out.
                        let of_row = row * tile.row_bytes + whole * CHUNK;
                        assert_eq!(at, of_row + (piece ^ (phase(row, 32) << 1)) * HALF_CHUNK);
                        at / HALF_CHUNK % 16
                    })
                    .collect();
                banks.sort_unstable();
                banks.dedup();
                assert_eq!(banks.len(), 16, "{tile:?}");
            }
            let mut rows: Vec<usize> = (0..32).map(|lane| copy_row.of(lane)).collect();
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), PERIOD);
        }
    }

    fn banks(offsets: impl Iterator<Item = usize>) -> usize {
        let mut chunks: Vec<usize> = offsets.map(|o| o / CHUNK % PERIOD).collect();
        chunks.sort_unstable();
        chunks.dedup();
        chunks.len()
    }

    #[test]
    fn eight_rows_touch_every_bank_once() {
        for tile in tiles() {
            for start in 0..4 {
                for chunk in 0..tile.chunks() {
                    assert_eq!(banks((0..8).map(|r| tile.offset(8 * start + r, chunk))), 8, "{tile:?}");
                }
            }
        }
    }

    #[test]
    fn every_chunk_has_its_own_place_and_steps_reach_it() {
        for tile in tiles() {
            let mut seen = vec![false; 64 * tile.chunks()];
            for row in 0..64 {
                for chunk in 0..tile.chunks() {
                    let offset = tile.offset(row, chunk);
                    assert!(!std::mem::replace(&mut seen[offset / CHUNK], true));
                    let (low, step) = (chunk & 1, chunk & !1);
                    let (xor, add) = tile.step(step);
                    assert_eq!((tile.offset(row, low) ^ xor) + add, offset);
                }
            }
        }
    }
}
