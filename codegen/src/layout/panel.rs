//! Tiles as bulk tensor copies write them and `wgmma` reads them.
//!
//! A row of the head dimension is cut into panels of `span` bytes, and eight rows of a panel are a piece of memory whose
//! 16-byte chunks are permuted so that eight rows at one chunk, and all chunks of a row, touch every bank once. With a
//! span of 128 bytes chunk `c` of row `r` lies at `c ^ (r mod 8)`, with 64 at `c ^ (r / 2 mod 4)`, with 32 at
//! `c ^ (r / 4 mod 2)`: these are bits of the shared-memory address XORed onto others, so such a piece must begin at a
//! multiple of its own size.
//!
//! A tile is made of these pieces in one of two orders:
//!
//! ```text
//! panel by panel          [panel][group of 8 rows]    a box copies many rows of one panel
//! group by group          [group of 8 rows][panel]    a box copies whole rows, in groups of eight
//! ```
//!
//! A descriptor tells `wgmma` where a factor begins and how its groups of eight rows follow each other (PTX ISA
//! §9.7.15.5.1): bits 0–13 the start, 16–29 the *leading* and 32–45 the *stride* offset, all in units of 16
//! bytes, bits 62–63 the swizzle. So either order is one that it can be told of.

use super::fragment::K;
use super::lane::{LANES, LaneMap, field};
use super::swizzle::{CHUNK, PERIOD, phase};

/// A tile of `rows` rows of the head dimension, in panels of `span` bytes of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panels {
    /// Rows of the tile.
    pub rows: usize,
    /// Bytes of a row in one panel: 128, 64 or 32.
    pub span: usize,
    /// Panels.
    pub count: usize,
    /// Which pieces follow each other.
    pub order: Order,
}

/// In which order the pieces of a tile lie, each eight rows of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// All rows of a panel, then the next panel.
    ByPanel,
    /// All panels of eight rows, then the next eight rows.
    ByGroup,
}

impl Panels {
    /// Bytes of the tile.
    pub fn bytes(self) -> usize {
        self.count * self.rows * self.span
    }

    /// Bytes from a panel to the next.
    pub fn panel_stride(self) -> usize {
        match self.order {
            Order::ByPanel => self.rows * self.span,
            Order::ByGroup => self.period_bytes(),
        }
    }

    /// Bytes from eight rows of a panel to the next eight.
    pub fn group_stride(self) -> usize {
        match self.order {
            Order::ByPanel => self.period_bytes(),
            Order::ByGroup => self.count * self.period_bytes(),
        }
    }

    /// Byte offset of a chunk of the first panel.
    pub fn offset(self, row: usize, chunk: usize) -> usize {
        row / PERIOD * self.group_stride() + row % PERIOD * self.span + ((chunk ^ self.phase(row)) * CHUNK)
    }

    /// What is XORed onto the chunks of a row.
    pub fn phase(self, row: usize) -> usize {
        phase(row, self.span)
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
        let swizzle: u32 = match self.span {
            128 => 1,
            64 => 2,
            _ => 3,
        };
        (self.group_stride() / CHUNK) as u32 | swizzle << 30
    }

    /// Lower half, but for the start. As a factor whose depth runs along rows of the head dimension (Q, K) only the
    /// stride counts. As one whose depth runs over rows (V), the leading offset is from one panel to the next.
    pub fn descriptor_low(self) -> u32 {
        ((self.panel_stride() / CHUNK) as u32) << 16
    }

    /// What product step `step` adds to the start of a factor whose depth is the head dimension, in chunks.
    pub fn along_row(self, step: usize) -> usize {
        (step / self.steps() * self.panel_stride() + step % self.steps() * 32) / CHUNK
    }

    /// What product step `step` adds to the start of a factor whose depth is rows, in chunks.
    pub fn along_rows(self, step: usize) -> usize {
        step * K / PERIOD * self.group_stride() / CHUNK
    }
}

/// Rows of a tile that lies panel by panel, copied by the lanes of one warp in passes of 16 bytes a lane and panel. Neighbouring
/// lanes have neighbouring chunks of a row's span, so a row's part of a panel is asked for at once:
///
/// ```text
/// span 128    lanes 0 to 7 row 0, 8 to 15 row 1, …     4 rows a pass
/// span  64    lanes 0 to 3 row 0, 4 to 7 row 1, …      8 rows a pass
/// span  32    lanes 0, 1 row 0, 2, 3 row 1, …         16 rows a pass
/// ```
///
/// Eight lanes write 128 bytes in a row of memory, whatever the span, so they touch every bank once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelCopy {
    /// The tile.
    pub panels: Panels,
}

impl PanelCopy {
    /// The row of a pass that a lane copies.
    pub fn row(self) -> LaneMap {
        const OF_EIGHT: LaneMap = LaneMap(&[field(3, 2, 1)]);
        const OF_FOUR: LaneMap = LaneMap(&[field(2, 3, 1)]);
        const OF_TWO: LaneMap = LaneMap(&[field(1, 4, 1)]);
        match self.panels.span {
            128 => OF_EIGHT,
            64 => OF_FOUR,
            _ => OF_TWO,
        }
    }

    /// The chunk of a row's span that a lane copies.
    pub fn chunk(self) -> LaneMap {
        const OF_EIGHT: LaneMap = LaneMap(&[field(0, 3, 1)]);
        const OF_FOUR: LaneMap = LaneMap(&[field(0, 2, 1)]);
        const OF_TWO: LaneMap = LaneMap(&[field(0, 1, 1)]);
        match self.panels.span {
            128 => OF_EIGHT,
            64 => OF_FOUR,
            _ => OF_TWO,
        }
    }

    /// Neighbouring lanes that copy one row.
    pub fn lanes_of_row(self) -> usize {
        self.panels.span / CHUNK
    }

    /// Rows of a pass.
    pub fn pass_rows(self) -> usize {
        LANES / self.lanes_of_row()
    }

    /// Passes of a tile.
    pub fn passes(self) -> usize {
        self.panels.rows / self.pass_rows()
    }

    /// Byte offset of a lane's chunk in the first panel, in the first pass.
    pub fn place(self, lane: usize) -> usize {
        self.panels.offset(self.row().of(lane), self.chunk().of(lane))
    }

    /// What a pass XORs onto that, and what it adds.
    pub fn step(self, pass: usize) -> (usize, usize) {
        let first = pass * self.pass_rows();
        (self.panels.phase(first) * CHUNK, first * self.panels.span)
    }
}

#[cfg(test)]
mod tests {
    use super::Order::{ByGroup, ByPanel};
    use super::*;

    #[test]
    fn every_chunk_has_its_own_place_and_rows_touch_every_bank_once() {
        let pieces = [(32, 7), (64, 3), (128, 2)];
        let tiles =
            pieces.into_iter().flat_map(|(span, count)| [(span, count, ByPanel), (span, count, ByGroup)]);
        for (span, count, order) in tiles {
            let tile = Panels { rows: 64, span, count, order };
            let chunks = span / CHUNK;
            let mut seen = vec![false; tile.bytes() / CHUNK];
            for panel in 0..count {
                for row in 0..64 {
                    for chunk in 0..chunks {
                        let at = panel * tile.panel_stride() + tile.offset(row, chunk);
                        assert!(!std::mem::replace(&mut seen[at / CHUNK], true));
                        // Walking along a row is one XOR.
                        let (low, step) = (chunk & 1, chunk & !1);
                        assert_eq!(tile.offset(row, low) ^ (step * CHUNK), tile.offset(row, chunk));
                        // The permutation is bits of the address: a piece begins at a multiple of its size.
                        let straight = at / tile.period_bytes() * tile.period_bytes()
                            + row % PERIOD * span
                            + chunk * CHUNK;
                        let (bits, from) = (span / CHUNK - 1, 7);
                        assert_eq!(at, straight ^ ((straight >> from & bits) * CHUNK));
                    }
                }
            }
            for first in (0..64).step_by(PERIOD) {
                for chunk in 0..chunks {
                    let mut banks: Vec<usize> =
                        (first..first + PERIOD).map(|row| tile.offset(row, chunk) / CHUNK % PERIOD).collect();
                    banks.sort_unstable();
                    banks.dedup();
                    assert_eq!(banks.len(), PERIOD, "{tile:?} {first} {chunk}");
                }
            }
        }
    }

    #[test]
    fn lanes_copy_every_chunk_to_its_place_and_touch_every_bank_once() {
        for (span, count) in [(32, 7), (64, 3), (128, 2)] {
            for rows in [16, 48, 80, 128] {
                let panels = Panels { rows, span, count, order: ByPanel };
                let copy = PanelCopy { panels };
                let mut copied = vec![false; rows * span / CHUNK];
                for pass in 0..copy.passes() {
                    let (xor, add) = copy.step(pass);
                    let at: Vec<usize> = (0..LANES).map(|lane| (copy.place(lane) ^ xor) + add).collect();
                    for (lane, at) in at.iter().enumerate() {
                        let row = pass * copy.pass_rows() + copy.row().of(lane);
                        assert_eq!(*at, panels.offset(row, copy.chunk().of(lane)), "{copy:?} {pass} {lane}");
                        assert!(!std::mem::replace(&mut copied[at / CHUNK], true));
                    }
                    for together in at.chunks(PERIOD) {
                        let mut banks: Vec<usize> = together.iter().map(|at| at / CHUNK % PERIOD).collect();
                        banks.sort_unstable();
                        banks.dedup();
                        assert_eq!(banks.len(), PERIOD, "{copy:?} {pass}");
                    }
                }
                assert!(copied.into_iter().all(|copied| copied), "{copy:?}");
            }
        }
    }

    #[test]
    fn descriptors() {
        // Rows, span, panels, order: stride and leading offsets, steps along rows of the head dimension, and the third of
        // those over rows, all in chunks.
        type Row<'a> = ((usize, usize, usize, Order), (u32, u32), &'a [usize], usize);
        let table: [Row; 6] = [
            ((128, 128, 2, ByPanel), (64, 1024), &[0, 2, 4, 6, 1024, 1026, 1028, 1030], 3 * 128),
            ((128, 128, 2, ByGroup), (128, 64), &[0, 2, 4, 6, 64, 66, 68, 70], 3 * 256),
            ((64, 64, 3, ByPanel), (32, 256), &[0, 2, 256, 258, 512, 514], 3 * 64),
            ((64, 64, 3, ByGroup), (96, 32), &[0, 2, 32, 34, 64, 66], 3 * 192),
            ((64, 32, 5, ByPanel), (16, 128), &[0, 128, 256, 384, 512], 3 * 32),
            ((64, 32, 5, ByGroup), (80, 16), &[0, 16, 32, 48, 64], 3 * 160),
        ];
        for ((rows, span, count, order), (stride, leading), along_row, third) in table {
            let tile = Panels { rows, span, count, order };
            let swizzle = [(128, 1), (64, 2), (32, 3)].into_iter().find(|(of, _)| *of == span).unwrap().1;
            assert_eq!(tile.descriptor_high(), stride | swizzle << 30, "{tile:?}");
            assert_eq!(tile.descriptor_low(), leading << 16, "{tile:?}");
            let steps: Vec<usize> = (0..along_row.len()).map(|step| tile.along_row(step)).collect();
            assert_eq!(steps, along_row, "{tile:?}");
            assert_eq!(tile.along_rows(3), third, "{tile:?}");
        }
    }
}
