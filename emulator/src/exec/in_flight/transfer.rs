//! A bulk copy that was checked: which runs of bytes it moves from where to where, and whom it tells (PTX ISA §9.7.9.25).

use crate::address::{RANK_SHIFT, Space};
use crate::fault::Place;
use crate::program::Reduction;

/// Bytes of a run that stay together in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where to.
    pub to: u64,
    /// Where from; `None` for bytes that are filled.
    pub from: Option<u64>,
    /// How many.
    pub bytes: u32,
}

/// A copy that was checked.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub pieces: Vec<Piece>,
    pub to_space: Space,
    pub from_space: Space,
    /// Blocks that get it at the same addresses, for a multicast.
    pub ranks: Vec<u32>,
    /// Eight bytes of what is filled with.
    pub fill: u64,
    pub reduction: Option<Reduction>,
    /// Which bytes of every sixteen are written.
    pub byte_mask: u16,
    /// The mbarriers to count off, each with its bytes; none if the thread's bulk group tells.
    pub mbarriers: Vec<(u32, u32)>,
    /// Who issued it, and the lane.
    pub place: Place,
    pub lane: usize,
}

impl Transfer {
    /// Runs of shared memory that are written, as long as they come.
    pub fn shared_writes(&self) -> Vec<(u32, u32)> {
        if self.to_space != Space::Shared {
            return Vec::new();
        }
        let runs = joined(self.pieces.iter().map(|p| (p.to as u32, p.bytes)));
        if self.ranks.is_empty() {
            return runs;
        }
        let everywhere =
            |rank: &u32| runs.iter().map(|run| (at_rank(run.0, *rank), run.1)).collect::<Vec<_>>();
        self.ranks.iter().flat_map(everywhere).collect()
    }

    /// Likewise, read.
    pub fn shared_reads(&self) -> Vec<(u32, u32)> {
        if self.from_space != Space::Shared {
            return Vec::new();
        }
        joined(self.pieces.iter().filter_map(|p| Some((p.from? as u32, p.bytes))))
    }

    /// Runs of global memory that are read or written, as long as they come, for counting.
    pub fn global_runs(&self) -> Vec<(u64, u64)> {
        let (reads, writes) = (self.from_space == Space::Global, self.to_space == Space::Global);
        let mut runs: Vec<(u64, u64)> = self
            .pieces
            .iter()
            .flat_map(|p| [p.from.filter(|_| reads), writes.then_some(p.to)].map(|at| (at, p.bytes)))
            .filter_map(|(at, bytes)| at.map(|at| (at, at + bytes as u64)))
            .collect();
        runs.sort_unstable();
        runs.dedup_by(|next, first| {
            let touches = next.0 == first.1;
            if touches {
                first.1 = next.1;
            }
            touches
        });
        runs
    }

    /// The blocks' copies of an address.
    pub fn targets(&self, to: u64) -> impl Iterator<Item = u64> {
        let own = self.ranks.is_empty().then_some(to);
        own.into_iter().chain(self.ranks.iter().map(move |rank| at_rank(to as u32, *rank) as u64))
    }
}

/// A shared address in the block of another rank.
pub(crate) fn at_rank(address: u32, rank: u32) -> u32 {
    address & ((1 << RANK_SHIFT) - 1) | rank << RANK_SHIFT
}

/// Runs that touch made one.
fn joined(runs: impl Iterator<Item = (u32, u32)>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = runs.collect();
    runs.sort_unstable();
    runs.dedup_by(|next, first| {
        let touches = next.0 <= first.0 + first.1;
        if touches {
            first.1 = first.1.max(next.0 + next.1 - first.0);
        }
        touches
    });
    runs
}
