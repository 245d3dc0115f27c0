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
    /// What the number is multiplied by.
    pub times: usize,
}

/// Bits of a lane's number.
pub const LANE_BITS: u32 = 5;

impl LaneMap {
    /// The number of a lane.
    pub fn of(self, lane: usize) -> usize {
        let field = |field: &Field| (lane >> field.from & ((1 << field.bits) - 1)) * field.times;
        self.0.iter().map(field).sum()
    }
}

impl LaneMap {
    /// What is left of the number by eight: the rest of rows that a swizzle goes by.
    pub fn modulo_eight(self) -> impl Iterator<Item = Field> {
        let below = |field: &Field| match field.times {
            times if times % 8 == 0 => None,
            times => Some(Field { bits: field.bits.min(3 - times.ilog2()), ..*field }),
        };
        self.0.iter().filter_map(below)
    }
}

/// A field, `times` 1 unless a sum of fields says otherwise.
pub const fn field(from: u32, bits: u32, times: usize) -> Field {
    Field { from, bits, times }
}
