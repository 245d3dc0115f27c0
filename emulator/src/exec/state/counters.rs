//! What instructions do to memory, counted while they run: bytes, sectors, and the passes that shared memory takes.
//!
//! Global memory moves in sectors of 32 bytes: an access of a warp moves every sector that one of its lanes touches,
//! once. Sectors lie in lines of 128 bytes; of each line that it touches a warp's access makes a request of its own, so a
//! line that two accesses share is asked for twice. Shared memory has 32 banks of four bytes: in one pass (a *wavefront*) each bank gives one word, to any
//! number of lanes. Lanes that access eight bytes go in two groups and those with sixteen in four, so that a group
//! fills the banks once; words of one bank that differ within a group cost a pass each.
//!
//! `wgmma` takes its factors from shared memory as core matrices of eight rows of 16 bytes, like eight lanes with
//! sixteen bytes each: a pass for each, if the rows lie in eight different groups of four banks (address / 16 mod 8),
//! else as many as the most crowded group has rows. A warp is charged with its own rows of A, and the first of the four
//! with B, which all of them take together. No descriptor can make rows of a core matrix meet: a test in
//! [`descriptor`](crate::exec::products::descriptor) says why. Bulk copies fill or empty shared memory without gaps, swizzled within lines of 128
//! bytes: each 128 bytes of a run are a pass, and none is lost.

use super::warp::Warp;
use crate::address::{Space, resolve};
use crate::exec::lanes;
use crate::program::{Address, Program};
use hashbrown::HashSet;

/// What one instruction did, over all warps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Executions by lanes.
    pub lanes: u64,
    /// Bytes of global memory that lanes asked for, and sectors that moved for them.
    pub global_bytes: u64,
    pub global_sectors: u64,
    /// Requests for lines of 128 bytes that it took.
    pub global_lines: u64,
    /// Bytes of shared memory that were asked for, passes that took, and the fewest possible.
    pub shared_bytes: u64,
    pub wavefronts: u64,
    pub least_wavefronts: u64,
}

impl Count {
    fn add(&mut self, other: &Count) {
        self.lanes += other.lanes;
        self.global_bytes += other.global_bytes;
        self.global_sectors += other.global_sectors;
        self.global_lines += other.global_lines;
        self.shared_bytes += other.shared_bytes;
        self.wavefronts += other.wavefronts;
        self.least_wavefronts += other.least_wavefronts;
    }
}

/// Counts of a program's instructions.
pub(crate) struct Counters {
    pub counts: Vec<Count>,
    /// Every sector of global memory that was touched.
    pub touched: HashSet<u64>,
}

const SECTOR: u64 = 32;
const LINE: u64 = 128;
const BANKS: u64 = 32;

impl Counters {
    pub fn new(program: &Program) -> Counters {
        Counters { counts: vec![Count::default(); program.code.len()], touched: HashSet::new() }
    }

    /// Adds what another counted of the same program.
    pub fn merge(&mut self, other: &Counters) {
        for (sum, own) in self.counts.iter_mut().zip(&other.counts) {
            sum.add(own);
        }
        self.touched.extend(&other.touched);
    }

    /// Instruction `pc` was executed by these lanes.
    pub fn execute(&mut self, pc: usize, mask: u32) {
        self.counts[pc].lanes += mask.count_ones() as u64;
    }

    /// A run of global memory that a bulk copy moves.
    pub fn bulk(&mut self, pc: u32, from: u64, to: u64) {
        let count = &mut self.counts[pc as usize];
        count.global_bytes += to - from;
        let sectors = from / SECTOR..to.div_ceil(SECTOR);
        count.global_sectors += sectors.end - sectors.start;
        count.global_lines += to.div_ceil(LINE) - from / LINE;
        self.touched.extend(sectors);
    }

    /// A run of shared memory that a bulk copy reads or writes.
    pub fn bulk_shared(&mut self, pc: u32, bytes: u32) {
        let count = &mut self.counts[pc as usize];
        let passes = bytes.div_ceil(4 * BANKS as u32) as u64;
        count.shared_bytes += bytes as u64;
        count.wavefronts += passes;
        count.least_wavefronts += passes;
    }

    /// Lanes of a warp that each access `bytes` bytes from `base`.
    pub fn access(&mut self, warp: &Warp, (space, base): (Space, Address), bytes: u32, mask: u32) {
        let addresses: Vec<u64> = lanes(mask).map(|lane| warp.address(base, lane)).collect();
        self.together(warp.pc, space, &addresses, bytes);
    }

    /// Addresses that lanes of a warp access together, `bytes` bytes each.
    pub fn together(&mut self, pc: u32, space: Space, addresses: &[u64], bytes: u32) {
        let mut global = Vec::new();
        let mut shared = Vec::new();
        for at in addresses.iter().copied() {
            match if space == Space::Generic { resolve(at) } else { (space, at) } {
                (Space::Global, at) => global.push(at),
                (Space::Shared, at) => shared.push(at),
                _ => {}
            }
        }
        self.global(pc, &global, bytes);
        self.shared(pc, &shared, bytes);
    }

    /// Global addresses that lanes of a warp access together, `bytes` bytes each.
    pub fn global(&mut self, pc: u32, addresses: &[u64], bytes: u32) {
        if addresses.is_empty() {
            return;
        }
        let last = |at: &u64| (at + bytes.max(1) as u64 - 1) / SECTOR;
        let mut sectors: Vec<u64> = addresses.iter().flat_map(|at| at / SECTOR..=last(at)).collect();
        sectors.sort_unstable();
        sectors.dedup();
        let count = &mut self.counts[pc as usize];
        count.global_bytes += addresses.len() as u64 * bytes as u64;
        count.global_sectors += sectors.len() as u64;
        count.global_lines +=
            sectors.chunk_by(|a, b| a / (LINE / SECTOR) == b / (LINE / SECTOR)).count() as u64;
        self.touched.extend(sectors);
    }

    /// Shared addresses that lanes of a warp access together, `bytes` bytes each.
    pub fn shared(&mut self, pc: u32, addresses: &[u64], bytes: u32) {
        if addresses.is_empty() {
            return;
        }
        // As many lanes as fill the banks once go together.
        let together = (4 * BANKS as usize / (bytes as usize).clamp(4, 16)).max(1);
        let (mut passes, mut least) = (0, 0);
        for group in addresses.chunks(together) {
            let words = |at: &u64| at / 4..(at + bytes as u64).div_ceil(4);
            let mut words: Vec<u64> = group.iter().flat_map(words).collect();
            words.sort_unstable();
            words.dedup();
            let mut of_bank = [0u64; BANKS as usize];
            words.iter().for_each(|word| of_bank[(word % BANKS) as usize] += 1);
            passes += of_bank.iter().max().copied().unwrap_or(0);
            least += (words.len() as u64).div_ceil(BANKS);
        }
        let count = &mut self.counts[pc as usize];
        count.shared_bytes += addresses.len() as u64 * bytes as u64;
        count.wavefronts += passes;
        count.least_wavefronts += least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lane by lane addresses, bytes of a lane, and what that costs.
    #[test]
    fn passes_and_sectors() {
        let lane = |f: fn(u64) -> u64| (0..32).map(f).collect::<Vec<u64>>();
        type Row = (&'static str, Vec<u64>, u32, (u64, u64), (u64, u64));
        let rows: &[Row] = &[
            ("a word each, in order", lane(|l| 4 * l), 4, (1, 1), (4, 1)),
            ("all the same word", lane(|_| 64), 4, (1, 1), (1, 1)),
            ("every second word", lane(|l| 8 * l), 4, (2, 1), (8, 2)),
            ("a column of a row-major tile of 32 words", lane(|l| 128 * l), 4, (32, 1), (32, 32)),
            ("that, padded by a word", lane(|l| 132 * l), 4, (1, 1), (32, 32)),
            ("eight bytes each", lane(|l| 8 * l), 8, (2, 2), (8, 2)),
            ("sixteen bytes each", lane(|l| 16 * l), 16, (4, 4), (16, 4)),
            ("sixteen, rows of 128 bytes", lane(|l| 128 * l), 16, (32, 4), (32, 32)),
            ("sixteen, rows of 128 bytes, swizzled", lane(|l| 128 * l + 16 * (l % 8)), 16, (4, 4), (32, 32)),
            ("bytes", lane(|l| l), 1, (1, 1), (1, 1)),
        ];
        for (name, addresses, bytes, (passes, least), moved) in rows {
            let mut counters = Counters { counts: vec![Count::default()], touched: HashSet::new() };
            counters.shared(0, addresses, *bytes);
            counters.global(0, addresses, *bytes);
            let count = counters.counts[0];
            assert_eq!((count.wavefronts, count.least_wavefronts), (*passes, *least), "{name}");
            assert_eq!((count.global_sectors, count.global_lines), *moved, "{name}");
        }
    }
}
