//! The running state of a lane: registers of accumulators and of the online softmax, as fragments have them.

use flashpage_ptx::builder::Reg;

/// The running state of a lane: accumulators and softmax.
#[derive(Clone)]
pub(super) struct State {
    /// `[row block of 16][column block of 8][element]`
    pub scores: Vec<Vec<[Reg; 4]>>,
    /// `[row block of 16][head_dim block of 8][element]`
    pub acc: Vec<Vec<[Reg; 4]>>,
    /// The products of a tile, as the accumulators; none where tensor cores add to these.
    pub products: Vec<Vec<[Reg; 4]>>,
    pub softmax: Softmax,
}

/// Running softmax of a lane: one entry per row slot, `2 * row block + upper half`.
#[derive(Clone)]
pub(super) struct Softmax {
    /// Running maximum, scaled.
    pub max: Vec<Reg>,
    /// This lane's part of the sum.
    pub sum: Vec<Reg>,
    /// `scale · log2(e)`
    pub factor: Reg,
}

/// The registers of one row slot in a grid of accumulator blocks.
pub(super) fn row(grid: &[Vec<[Reg; 4]>], slot: usize) -> impl Iterator<Item = &Reg> {
    let half = slot % 2 * 2;
    grid[slot / 2].iter().flat_map(move |block| &block[half..half + 2])
}
