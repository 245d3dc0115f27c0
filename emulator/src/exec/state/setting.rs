//! What is the same for every block of a launch.

use crate::alu::lanes::LANES;
use crate::exec::policy::{AsyncPolicy, ProductSums, WarpOrder};
use crate::memory::{Memory, Storage};
use crate::program::Program;
use crate::sanitize::Sanitize;

/// See the file's head.
pub(crate) struct Setting<'l> {
    pub program: &'l Program,
    pub memory: &'l Memory,
    pub params: &'l Storage,
    /// Addresses of the module's variables.
    pub globals: &'l [u64],
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub cluster: [u32; 3],
    pub shared_bytes: u32,
    pub dynamic_shared_bytes: u32,
    pub policy: AsyncPolicy,
    pub warp_order: WarpOrder,
    pub product_sums: ProductSums,
    pub sanitize: Sanitize,
    /// Whether the launch before may still be running.
    pub programmatic: bool,
    pub keep_going: bool,
    pub profile: bool,
    /// Where the grid's barrier lies, in a cooperative launch.
    pub workspace: Option<u64>,
}

impl Setting<'_> {
    /// Bytes of the host that a cluster takes, about.
    pub fn cost(&self) -> u64 {
        let program = self.program;
        let shadow = if self.sanitize.unwritten { 4 } else { 0 };
        let registers = program.rows as u64 * (128 + shadow) + program.preds as u64 * (4 + shadow);
        let local = program.local_bytes as u64 * LANES as u64 * Storage::COST;
        let counts = program.code.len() as u64 * if self.profile { 64 } else { 8 };
        let block = self.warps() as u64 * (registers + local + 4096) + self.shared_bytes as u64 * 16;
        self.blocks() as u64 * block + counts
    }

    /// Blocks of a cluster.
    pub fn blocks(&self) -> u32 {
        self.cluster.iter().product()
    }

    /// Threads of a block.
    pub fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    /// Warps of a block.
    pub fn warps(&self) -> u32 {
        self.threads().div_ceil(LANES as u32)
    }

    /// `%ctaid` of the block of this rank in the cluster whose first block is at `origin`.
    pub fn block_at(&self, origin: [u32; 3], rank: u32) -> [u32; 3] {
        let [cx, cy, _] = self.cluster;
        let inside = [rank % cx, rank / cx % cy, rank / (cx * cy)];
        [0, 1, 2].map(|i| origin[i] + inside[i])
    }
}
