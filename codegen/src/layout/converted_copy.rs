//! Rows on their way from device memory to the factors that `wgmma` reads: f32, each number split into two of bf16, `x = h + l`; or
//! of 8 bits, each widened to 16.
//!
//! A tile of factors is in panels ([`Panels`]), as bulk copies would have written it. Split, it is two of bf16: first all panels of
//! `h`, then as many of `l`. So a row takes as many bytes as it has in f32, and a descriptor of `l` is one of `h` further on.
//!
//! A lane asks for sixteen bytes. Of f32, four numbers, it leaves eight bytes of `h` and eight of `l`; of 8 bits, sixteen numbers, two
//! chunks that lie together but for the order of chunks. Neighbouring lanes have neighbouring numbers, so memory is asked for line by
//! line, or by halves of one:
//!
//! ```text
//!             split                                       widened
//! span 128    lanes 0 to 15 row 0, 16 to 31 row 1         lanes 0 to 3 row 0, 4 to 7 row 1, …
//! span  64    lanes 0 to 7 row 0, 8 to 15 row 1, …        lanes 0 and 1 row 0, 2 and 3 row 1, …
//! span  32    lanes 0 to 3 row 0, 4 to 7 row 1, …         lane 0 row 0, lane 1 row 1, …
//! ```
//!
//! Sixteen lanes write 128 bytes of `h` that lie together, chunks apart from their order, and eight lanes one chunk each of as many
//! places in a line of banks: every bank is touched once.

use super::lane::{LANES, LaneMap, field};
use super::panel::Panels;
use super::swizzle::CHUNK;

/// Words that a lane asks for at once: sixteen bytes.
pub const WORDS: usize = CHUNK / 4;

/// What is made of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Of f32 two of bf16.
    Split,
    /// Of 8 bits 16.
    Widen,
}

impl Conversion {
    /// Bytes that sixteen become in one part of the tile.
    pub const fn part_bytes(self) -> usize {
        match self {
            Conversion::Split => CHUNK / 2,
            Conversion::Widen => 2 * CHUNK,
        }
    }

    /// Parts of a tile.
    pub const fn parts(self) -> usize {
        match self {
            Conversion::Split => 2,
            Conversion::Widen => 1,
        }
    }
}

/// How the warps of a role copy the rows of a tile, in rounds: in each every warp has some rows, and a lane sixteen bytes of each
/// panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvertedCopy {
    /// The tile, with the panels of all parts.
    pub panels: Panels,
    /// Warps that copy.
    pub warps: usize,
    /// What is made of numbers.
    pub how: Conversion,
}

impl ConvertedCopy {
    /// Panels of one part.
    pub fn panels_of_part(self) -> usize {
        self.panels.count / self.how.parts()
    }

    /// Bytes from a number's place in the first part to that in the second.
    pub fn part_stride(self) -> usize {
        self.panels_of_part() * self.panels.panel_stride()
    }

    /// Neighbouring lanes that copy one row.
    pub fn lanes_of_row(self) -> usize {
        self.panels.span / self.how.part_bytes()
    }

    /// Rows of a warp in a round.
    pub fn warp_rows(self) -> usize {
        LANES / self.lanes_of_row()
    }

    /// Rows of a round: a multiple of eight, so a lane's chunks are permuted alike in all rounds.
    pub fn round_rows(self) -> usize {
        self.warps * self.warp_rows()
    }

    /// Rounds of a tile. The last may have rows for some lanes only.
    pub fn rounds(self) -> usize {
        self.panels.rows.div_ceil(self.round_rows())
    }

    /// Whether the last round has rows for all lanes.
    pub fn is_even(self) -> bool {
        self.panels.rows.is_multiple_of(self.round_rows())
    }

    /// Bytes that a lane skips in a row of a tensor from one panel's numbers to the next panel's.
    pub fn panel_bytes(self) -> usize {
        self.lanes_of_row() * CHUNK
    }

    /// The row of its warp's that a lane copies.
    pub fn row(self) -> LaneMap {
        const OF_SIXTEEN: LaneMap = LaneMap(&[field(4, 1, 1)]);
        const OF_EIGHT: LaneMap = LaneMap(&[field(3, 2, 1)]);
        const OF_FOUR: LaneMap = LaneMap(&[field(2, 3, 1)]);
        const OF_TWO: LaneMap = LaneMap(&[field(1, 4, 1)]);
        const OF_ONE: LaneMap = LaneMap(&[field(0, 5, 1)]);
        match self.lanes_of_row() {
            16 => OF_SIXTEEN,
            8 => OF_EIGHT,
            4 => OF_FOUR,
            2 => OF_TWO,
            _ => OF_ONE,
        }
    }

    /// The chunk of a part's span that a lane writes, the first of two or half of it.
    pub fn chunk(self) -> LaneMap {
        const HALF_OF_SIXTEEN: LaneMap = LaneMap(&[field(1, 3, 1)]);
        const HALF_OF_EIGHT: LaneMap = LaneMap(&[field(1, 2, 1)]);
        const HALF_OF_FOUR: LaneMap = LaneMap(&[field(1, 1, 1)]);
        const TWO_OF_FOUR: LaneMap = LaneMap(&[field(0, 2, 2)]);
        const TWO_OF_TWO: LaneMap = LaneMap(&[field(0, 1, 2)]);
        const FIRST: LaneMap = LaneMap(&[]);
        match (self.how, self.lanes_of_row()) {
            (Conversion::Split, 16) => HALF_OF_SIXTEEN,
            (Conversion::Split, 8) => HALF_OF_EIGHT,
            (Conversion::Split, _) => HALF_OF_FOUR,
            (Conversion::Widen, 4) => TWO_OF_FOUR,
            (Conversion::Widen, 2) => TWO_OF_TWO,
            (Conversion::Widen, _) => FIRST,
        }
    }

    /// Which half of it.
    pub fn half(self) -> LaneMap {
        const LOWEST: LaneMap = LaneMap(&[field(0, 1, 1)]);
        const FIRST: LaneMap = LaneMap(&[]);
        match self.how {
            Conversion::Split => LOWEST,
            Conversion::Widen => FIRST,
        }
    }

    /// Where what a lane makes of its numbers of the first panel begins in the first part, in the first round. The second chunk of two
    /// is at this place with the bit of a chunk turned.
    pub fn place(self, warp: usize, lane: usize) -> usize {
        let row = warp * self.warp_rows() + self.row().of(lane);
        self.panels.offset(row, self.chunk().of(lane)) + self.half().of(lane) * CHUNK / 2
    }

    /// Bytes from a round's places to the next round's.
    pub fn round_stride(self) -> usize {
        self.round_rows() * self.panels.span
    }

    /// Chunks of sixteen bytes that a lane copies of a tile.
    pub fn chunks(self) -> usize {
        self.rounds() * self.panels_of_part()
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

    /// Every number of a tile has one place in each part, which is that of 16 bits in panels; lanes that write at once touch every
    /// bank once.
    #[test]
    fn numbers_have_places_and_touch_every_bank_once() {
        for how in [Conversion::Split, Conversion::Widen] {
            for head_dim in (32..=256).step_by(16) {
                let span = Swizzle { row_bytes: 2 * head_dim }.span();
                for rows in [16, 32, 48, 80, 128, 144] {
                    let count = how.parts() * 2 * head_dim / span;
                    let panels = Panels { rows, span, count, order: Order::ByPanel };
                    check(ConvertedCopy { panels, warps: 4, how });
                }
            }
        }
    }

    fn check(copy: ConvertedCopy) {
        let ConvertedCopy { panels, how, .. } = copy;
        assert_eq!(copy.round_rows() % PERIOD, 0, "{copy:?}");
        // What a lane stores at once: half a chunk, or one.
        let (unit, numbers) = match how {
            Conversion::Split => (CHUNK / 2, 4),
            Conversion::Widen => (CHUNK, 8),
        };
        let stores = how.part_bytes() / unit;
        let mut seen = vec![false; panels.bytes() / unit];
        for (round, warp) in
            (0..copy.rounds()).flat_map(|round| (0..copy.warps).map(move |warp| (round, warp)))
        {
            let first = round * copy.round_rows() + warp * copy.warp_rows();
            for store in 0..stores {
                let at = |lane| (copy.place(warp, lane) ^ (store * CHUNK)) + round * copy.round_stride();
                let lanes: Vec<usize> =
                    (0..LANES).filter(|lane| first + copy.row().of(*lane) < panels.rows).collect();
                assert!(lanes.len() == LANES || !copy.is_even() && round + 1 == copy.rounds(), "{copy:?}");
                for lane in &lanes {
                    let row = first + copy.row().of(*lane);
                    let number = lane % copy.lanes_of_row() * stores * numbers + store * numbers;
                    for panel in 0..copy.panels_of_part() {
                        let at = at(*lane) + panel * panels.panel_stride();
                        let bytes = 2 * number;
                        let expected =
                            panel * panels.panel_stride() + panels.offset(row, bytes / CHUNK) + bytes % CHUNK;
                        assert_eq!(at, expected, "{copy:?} {round} {warp} {lane}");
                        for part in 0..how.parts() {
                            let at = at + part * copy.part_stride();
                            assert!(!std::mem::replace(&mut seen[at / unit], true));
                        }
                    }
                }
                for together in lanes.chunks(128 / unit) {
                    let mut banks: Vec<usize> =
                        together.iter().map(|lane| at(*lane) / unit % (128 / unit)).collect();
                    banks.sort_unstable();
                    banks.dedup();
                    assert_eq!(banks.len(), together.len(), "{copy:?} {round} {warp}");
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
