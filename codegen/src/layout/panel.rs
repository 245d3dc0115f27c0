//! Tiles as bulk tensor copies write them and `wgmma` reads them.
//!
//! A tile of rows of `head_dim` elements is cut into panels, each `[row][span bytes]`, and within a panel the 16-byte
//! chunks of eight rows are permuted so that eight rows at one chunk, and all chunks of a row, touch every bank
//! once. With a span of 128 bytes chunk `c` of row `r` lies at `c ^ (r mod 8)`, with 64 at `c ^ (r / 2 mod 4)`: both
//! are bits of the shared-memory address XORed onto others, so a panel must begin at a multiple of 1024.
//!
//! A descriptor tells `wgmma` where a factor begins and how its groups of eight rows follow each other (PTX ISA
//! §9.7.15.5.1): bits 0–13 the start, 16–29 the *leading* and 32–45 the *stride* offset, all in units of 16
//! bytes, bits 62–63 the swizzle.

use super::swizzle::{CHUNK, PERIOD};

/// A tile of `rows` rows, in panels of `span` bytes of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panels {
    /// Rows of the tile.
    pub rows: usize,
    /// Bytes of a row in one panel: 64 or 128.
    pub span: usize,
}

impl Panels {
    /// Bytes of a panel.
    pub fn panel_bytes(self) -> usize {
        self.rows * self.span
    }

    /// Byte offset of a chunk within its panel.
    pub fn offset(self, row: usize, chunk: usize) -> usize {
        row * self.span + ((chunk ^ self.phase(row)) * CHUNK)
    }

    /// What is XORed onto the chunks of a row.
    pub fn phase(self, row: usize) -> usize {
        row % PERIOD / (128 / self.span)
    }

    /// Bytes of eight rows.
    pub fn period_bytes(self) -> usize {
        PERIOD * self.span
    }

    /// How many products of depth 16 one panel's span of the head dimension serves.
    pub fn steps(self) -> usize {
        self.span / 32
    }

    /// Upper half of the descriptor: stride between groups of eight rows, and the swizzle.
    pub fn descriptor_high(self) -> u32 {
        let swizzle: u32 = if self.span == 128 { 1 } else { 2 };
        (self.period_bytes() / CHUNK) as u32 | swizzle << 30
    }

    /// Lower half, but for the start. As a factor whose depth runs along rows of the head dimension (Q, K) only the
    /// stride counts. As one whose depth runs over rows (V), the leading offset is from one panel to the next.
    pub fn descriptor_low(self) -> u32 {
        ((self.panel_bytes() / CHUNK) as u32) << 16
    }

    /// What product step `step` adds to the start of a factor whose depth is the head dimension, in chunks.
    pub fn along_row(self, step: usize) -> usize {
        (step / self.steps() * self.panel_bytes() + step % self.steps() * 32) / CHUNK
    }

    /// What product step `step` adds to the start of a factor whose depth is rows, in chunks.
    pub fn along_rows(self, step: usize) -> usize {
        16 * step * self.span / CHUNK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_has_its_own_place_and_rows_touch_every_bank_once() {
        for span in [64, 128] {
            let tile = Panels { rows: 64, span };
            let chunks = span / CHUNK;
            let mut seen = vec![false; tile.panel_bytes() / CHUNK];
            for row in 0..64 {
                for chunk in 0..chunks {
                    assert!(!std::mem::replace(&mut seen[tile.offset(row, chunk) / CHUNK], true));
                    // Walking along a row is one XOR.
                    let (low, step) = (chunk & 1, chunk & !1);
                    assert_eq!(tile.offset(row, low) ^ (step * CHUNK), tile.offset(row, chunk));
                }
            }
            for first in (0..64).step_by(PERIOD) {
                for chunk in 0..chunks {
                    let mut banks: Vec<usize> =
                        (first..first + PERIOD).map(|row| tile.offset(row, chunk) / CHUNK % PERIOD).collect();
                    banks.sort_unstable();
                    banks.dedup();
                    assert_eq!(banks.len(), PERIOD, "{span} {first} {chunk}");
                }
            }
        }
    }

    #[test]
    fn descriptors() {
        let keys = Panels { rows: 128, span: 128 };
        assert_eq!((keys.descriptor_high(), keys.descriptor_low()), (64 | 1 << 30, 1024 << 16));
        assert_eq!(
            (0..8).map(|s| keys.along_row(s)).collect::<Vec<_>>(),
            [0, 2, 4, 6, 1024, 1026, 1028, 1030]
        );
        assert_eq!(keys.along_rows(3), 3 * 16 * 128 / 16);
        let narrow = Panels { rows: 64, span: 64 };
        assert_eq!((narrow.descriptor_high(), narrow.descriptor_low()), (32 | 2 << 30, 256 << 16));
        assert_eq!((0..4).map(|s| narrow.along_row(s)).collect::<Vec<_>>(), [0, 2, 256, 258]);
    }
}
