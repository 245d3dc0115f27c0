//! Numbers that a lane works out of its own number, as data: tests enumerate them, and the emitter makes instructions of
//! them.

/// A sum of fields of the lane's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneMap(pub &'static [Field]);

/// Some bits of the lane's number, as a number, so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The lowest of them.
    pub from: u32,
    /// How many.
    pub bits: u32,
    /// What the number is multiplied by: a power of two.
    pub times: usize,
}

/// Bits of a lane's number.
pub const LANE_BITS: u32 = 5;

/// Lanes of a warp.
pub const LANES: usize = 1 << LANE_BITS;

impl LaneMap {
    /// The number of a lane.
    pub fn of(self, lane: usize) -> usize {
        let field = |field: &Field| (lane >> field.from & ((1 << field.bits) - 1)) * field.times;
        self.0.iter().map(field).sum()
    }

    /// What is left of the number by eight: the rest of rows that a swizzle goes by.
    pub fn modulo_eight(self) -> impl Iterator<Item = Field> {
        let below = |field: &Field| match field.times {
            times if times % 8 == 0 => None,
            times => Some(Field { bits: field.bits.min(3 - times.ilog2()), ..*field }),
        };
        self.0.iter().filter_map(below)
    }
}

/// A field.
pub const fn field(from: u32, bits: u32, times: usize) -> Field {
    Field { from, bits, times }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::converted_copy::{Conversion, ConvertedCopy};
    use crate::layout::fragment::{CHUNKS_FIRST, FIRST_COL, FIRST_ROW, QUAD_LANE, ROWS_FIRST};
    use crate::layout::panel::{Order, PanelCopy, Panels};
    use crate::layout::swizzle::{COPY_CHUNK, copy_row};

    /// Every map of the layouts: its fields lie in a lane's number, and what is left of it by eight is what its numbers leave.
    #[test]
    fn maps_are_of_lanes() {
        let addressed = [ROWS_FIRST, CHUNKS_FIRST].map(|at| [at.row, at.chunk]).concat();
        let others = [QUAD_LANE, FIRST_ROW, FIRST_COL, COPY_CHUNK];
        let copied = [128, 64, 32].map(copy_row);
        let to_panels = [128, 64, 32].map(|span| {
            let copy = PanelCopy { panels: Panels { rows: 16, span, count: 1, order: Order::ByPanel } };
            let [split, widened] = [Conversion::Split, Conversion::Widen].map(|how| ConvertedCopy {
                panels: copy.panels,
                warps: 1,
                how,
            });
            let of = |copy: ConvertedCopy| [copy.row(), copy.chunk(), copy.half()];
            [vec![copy.row(), copy.chunk()], of(split).to_vec(), of(widened).to_vec()].concat()
        });
        let all = addressed.into_iter().chain(others).chain(copied);
        for map in all.chain(to_panels.into_iter().flatten()) {
            for Field { from, bits, times } in map.0 {
                assert!(*bits > 0 && from + bits <= LANE_BITS && times.is_power_of_two(), "{map:?}");
            }
            let rest: Vec<Field> = map.modulo_eight().collect();
            for lane in 0..32 {
                let of = |field: &Field| (lane >> field.from & ((1 << field.bits) - 1)) * field.times;
                assert_eq!(rest.iter().map(of).sum::<usize>(), map.of(lane) % 8, "lane {lane} of {map:?}");
            }
        }
    }
}
