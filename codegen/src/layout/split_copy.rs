//! Rows of f32 on their way from device memory to the factors that `wgmma` reads: each number split into two of bf16, `x = h + l`.
//!
//! A tile of factors is two tiles of bf16 in panels ([`Panels`]), as bulk copies would have written them: first all panels of `h`,
//! then as many of `l`. So a row takes as many bytes as it has in f32, and a descriptor of `l` is one of `h` further on.
//!
//! A lane asks for sixteen bytes, four numbers, and leaves eight bytes of `h` and eight of `l`. Neighbouring lanes have neighbouring
//! numbers, so memory is asked for line by line:
//!
//! ```text
//! span 128    lanes 0 to 15 row 0, 16 to 31 row 1         2 rows a warp and panel
//! span  64    lanes 0 to 7 row 0, 8 to 15 row 1, …        4 rows
//! span  32    lanes 0 to 3 row 0, 4 to 7 row 1, …         8 rows
//! ```
//!
//! Sixteen lanes write 128 bytes that lie together, chunks apart from their order, so they touch every bank once.

use super::lane::{LANES, LaneMap, field};
use super::panel::Panels;
use super::swizzle::CHUNK;

/// Numbers that a lane asks for at once: sixteen bytes of f32.
pub const NUMBERS: usize = 4;

/// Bytes that they take in one part of the tile.
pub const PART_BYTES: usize = 2 * NUMBERS;

/// How the warps of a role copy the rows of a tile, in rounds: in each every warp has some rows, and a lane four numbers of each
/// panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitCopy {
    /// The tile, with the panels of both parts.
    pub panels: Panels,
    /// Warps that copy.
    pub warps: usize,
}

impl SplitCopy {
    /// Panels of one part.
    pub fn panels_of_part(self) -> usize {
        self.panels.count / 2
    }

    /// Bytes from a number's place in the first part to that in the second.
    pub fn part_stride(self) -> usize {
        self.panels_of_part() * self.panels.panel_stride()
    }

    /// Neighbouring lanes that copy one row.
    pub fn lanes_of_row(self) -> usize {
        self.panels.span / PART_BYTES
    }

    /// Rows of a warp in a round.
    pub fn warp_rows(self) -> usize {
        LANES / self.lanes_of_row()
    }

    /// Rows of a round: a multiple of eight, so a lane's chunks are permuted alike in all rounds.
    pub fn round_rows(self) -> usize {
        self.warps * self.warp_rows()
    }

    /// Rounds of a tile. The last may have rows for some warps only.
    pub fn rounds(self) -> usize {
        self.panels.rows.div_ceil(self.round_rows())
    }

    /// Whether the last round has rows for all warps.
    pub fn is_even(self) -> bool {
        self.panels.rows.is_multiple_of(self.round_rows())
    }

    /// Bytes that a lane skips in a row of a tensor from one panel's numbers to the next panel's.
    pub fn panel_bytes(self) -> usize {
        2 * self.panels.span
    }

    /// The row of its warp's that a lane copies.
    pub fn row(self) -> LaneMap {
        const OF_SIXTEEN: LaneMap = LaneMap(&[field(4, 1, 1)]);
        const OF_EIGHT: LaneMap = LaneMap(&[field(3, 2, 1)]);
        const OF_FOUR: LaneMap = LaneMap(&[field(2, 3, 1)]);
        match self.panels.span {
            128 => OF_SIXTEEN,
            64 => OF_EIGHT,
            _ => OF_FOUR,
        }
    }

    /// The chunk of a part's span that a lane writes half of.
    pub fn chunk(self) -> LaneMap {
        const OF_SIXTEEN: LaneMap = LaneMap(&[field(1, 3, 1)]);
        const OF_EIGHT: LaneMap = LaneMap(&[field(1, 2, 1)]);
        const OF_FOUR: LaneMap = LaneMap(&[field(1, 1, 1)]);
        match self.panels.span {
            128 => OF_SIXTEEN,
            64 => OF_EIGHT,
            _ => OF_FOUR,
        }
    }

    /// Which half of it.
    pub fn half(self) -> LaneMap {
        const LOWEST: LaneMap = LaneMap(&[field(0, 1, 1)]);
        LOWEST
    }

    /// Where a lane's four numbers of the first panel lie in the first part, in the first round.
    pub fn place(self, warp: usize, lane: usize) -> usize {
        let row = warp * self.warp_rows() + self.row().of(lane);
        self.panels.offset(row, self.chunk().of(lane)) + self.half().of(lane) * CHUNK / 2
    }

    /// Bytes from a round's places to the next round's.
    pub fn round_stride(self) -> usize {
        self.round_rows() * self.panels.span
    }

    /// In how many equal pieces a lane does the rounds of a tile, if it has registers for so many chunks of sixteen bytes: those of a
    /// piece are all on their way at once.
    pub fn pieces(self, chunks: usize) -> usize {
        let rounds = self.rounds();
        let fits = |pieces: &usize| {
            rounds.is_multiple_of(*pieces) && rounds / pieces * self.panels_of_part() <= chunks
        };
        (1..=rounds).find(fits).unwrap_or(rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::panel::Order;
    use crate::layout::swizzle::{PERIOD, Swizzle};

    /// Every number of a tile has one place in each part, which is that of a bf16 in panels; sixteen lanes touch every bank once.
    #[test]
    fn numbers_have_places_and_touch_every_bank_once() {
        for head_dim in (32..=256).step_by(16) {
            let span = Swizzle { row_bytes: 2 * head_dim }.span();
            for rows in [16, 32, 48, 80, 128] {
                let panels = Panels { rows, span, count: 4 * head_dim / span, order: Order::ByPanel };
                let copy = SplitCopy { panels, warps: 4 };
                assert_eq!(copy.round_rows() % PERIOD, 0, "{copy:?}");
                let mut seen = vec![false; panels.bytes() / PART_BYTES];
                for round in 0..copy.rounds() {
                    for warp in 0..4 {
                        let first = round * copy.round_rows() + warp * copy.warp_rows();
                        if first >= rows {
                            assert!(!copy.is_even() && round + 1 == copy.rounds(), "{copy:?}");
                            continue;
                        }
                        let at: Vec<usize> = (0..LANES)
                            .map(|lane| copy.place(warp, lane) + round * copy.round_stride())
                            .collect();
                        for (lane, at) in at.iter().enumerate() {
                            let row = first + copy.row().of(lane);
                            let number = lane % copy.lanes_of_row() * NUMBERS;
                            for panel in 0..copy.panels_of_part() {
                                let at = at + panel * panels.panel_stride();
                                let bytes = 2 * number;
                                let expected = panel * panels.panel_stride()
                                    + panels.offset(row, bytes / CHUNK)
                                    + bytes % CHUNK;
                                assert_eq!(at, expected, "{copy:?} {round} {warp} {lane}");
                                for part in [0, copy.part_stride()] {
                                    assert!(!std::mem::replace(&mut seen[(at + part) / PART_BYTES], true));
                                }
                            }
                        }
                        for together in at.chunks(LANES / 2) {
                            let mut banks: Vec<usize> =
                                together.iter().map(|at| at / PART_BYTES % (LANES / 2)).collect();
                            banks.sort_unstable();
                            banks.dedup();
                            assert_eq!(banks.len(), LANES / 2, "{copy:?} {round} {warp}");
                        }
                    }
                }
                assert!(seen.into_iter().all(|seen| seen), "{copy:?}");
                for chunks in [6, 12, 16] {
                    let pieces = copy.pieces(chunks);
                    let each = copy.rounds() / pieces;
                    assert_eq!(each * pieces, copy.rounds(), "{copy:?}");
                    assert!(each * copy.panels_of_part() <= chunks || each == 1, "{copy:?}");
                }
            }
        }
    }
}
