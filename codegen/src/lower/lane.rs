//! Layouts as instructions: what a lane works out of its own number, and where a swizzle puts a chunk.

use super::kernel::Kernel;
use crate::layout::lane::{Field, LANE_BITS, LaneMap};
use crate::layout::swizzle::rows_per_phase;
use flashpage_ptx::builder::{Builder, Reg};
use flashpage_ptx::words::Type;

/// A lane's number, and what has been cut out of it: each piece is cut once.
pub(super) struct Lane {
    lane: Reg,
    /// By first bit and number of bits.
    pieces: Vec<((u32, u32), Reg)>,
}

impl Lane {
    pub(super) fn new(lane: &Reg) -> Lane {
        Lane { lane: lane.clone(), pieces: Vec::new() }
    }

    /// The number that a map gives this lane.
    pub(super) fn number(&mut self, b: &mut Builder, group: &str, map: LaneMap) -> Reg {
        self.sum(b, group, map.0.iter().copied())
    }

    /// What is left of that number by eight.
    pub(super) fn modulo_eight(&mut self, b: &mut Builder, group: &str, map: LaneMap) -> Reg {
        self.sum(b, group, map.modulo_eight())
    }

    fn sum(&mut self, b: &mut Builder, group: &str, fields: impl Iterator<Item = Field>) -> Reg {
        let mut sum: Option<Reg> = None;
        for Field { from, bits, times } in fields {
            let piece = self.piece(b, if times == 1 { group } else { "r" }, (from, bits));
            sum = Some(match sum {
                None if times == 1 => piece,
                None => b.shl(Type::B32, group, &piece, times.ilog2() as i32),
                Some(sum) if times == 1 => b.add(Type::U32, group, &piece, &sum),
                Some(sum) => b.mad_lo(Type::U32, group, &piece, times, &sum),
            });
        }
        // A map without fields gives every lane 0.
        sum.unwrap_or_else(|| b.mov(Type::U32, group, 0))
    }

    fn piece(&mut self, b: &mut Builder, group: &str, (from, bits): (u32, u32)) -> Reg {
        if let Some((_, piece)) = self.pieces.iter().find(|(of, _)| *of == (from, bits)) {
            return piece.clone();
        }
        let piece = match (from, LANE_BITS - from) {
            (0, _) => b.and(Type::B32, group, &self.lane, (1 << bits) - 1),
            (_, all) if all == bits => b.shr(Type::U32, group, &self.lane, from as i32),
            (_, all) => {
                let rest = self.piece(b, "r", (from, all));
                b.and(Type::B32, group, &rest, (1 << bits) - 1)
            }
        };
        self.pieces.push(((from, bits), piece.clone()));
        piece
    }
}

impl Kernel<'_> {
    /// The number that a map gives a lane.
    pub(super) fn of_lane(&mut self, group: &str, lane: &Reg, map: LaneMap) -> Reg {
        Lane::new(lane).number(&mut self.b, group, map)
    }

    /// What a swizzle XORs onto the chunks of a row that is so much above a multiple of eight, in pieces of `span` bytes of
    /// a row.
    pub(super) fn phase_of(&mut self, row: Reg, span: usize) -> Reg {
        phase_of(&mut self.b, row, span)
    }
}

/// What a swizzle XORs onto the chunks of a row that is so much above a multiple of eight.
pub(super) fn phase_of(b: &mut Builder, row: Reg, span: usize) -> Reg {
    match rows_per_phase(span) {
        1 => row,
        rows => b.shr(Type::U32, "r", &row, rows.ilog2() as i32),
    }
}
