//! The stacks of a warp's lanes: registers that calls put away, and how far each lane's memory is in use.

use crate::alu::lanes::LANES;

/// The stacks of a warp's lanes.
#[derive(Default)]
pub(crate) struct Stacks {
    /// Registers put away, region after region.
    pub saved: Vec<Vec<u32>>,
    /// Where each lane's memory is free; zero before it was ever asked.
    pub top: [u32; LANES],
}

impl Stacks {
    pub fn reset(&mut self) {
        self.saved.iter_mut().for_each(Vec::clear);
        self.top = [0; LANES];
    }

    /// Where a lane's memory is free, if the stack begins at `start`.
    pub fn top(&self, start: u32, lane: usize) -> u32 {
        self.top[lane].max(start)
    }
}
