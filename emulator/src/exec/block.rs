//! What a warp sees: its launch, its cluster, and the registers that are filled before its first instruction.

use super::asynchrony::AsyncPolicy;
use super::bulk_queue::Tasks;
use super::cluster_barrier::ClusterBarrier;
use super::counters::Counters;
use super::mbarrier::Mbarriers;
use super::pipeline::Warpgroups;
use super::schedule::Schedule;
use super::shared::Shared;
use super::unknown::Origins;
use super::warp::Warp;
use super::watch::Watch;
use super::{FULL, Result};
use crate::address::RANK_SHIFT;
use crate::alu::lanes::{LANES, Row, wide_vectors};
use crate::fault::{Place, Trouble};
use crate::findings::Found;
use crate::host;
use crate::memory::{Memory, Storage};
use crate::program::{Constant, Program, Reg};
use crate::sanitize::Sanitize;
use flashpage_ptx::ast::Axis;
use flashpage_ptx::words::Special;
use std::cell::RefCell;

/// What is the same for every block of a launch.
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
    pub schedule: Schedule,
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

/// What a warp sees of its cluster.
pub(crate) struct Env<'l> {
    pub program: &'l Program,
    pub memory: &'l Memory,
    pub params: &'l Storage,
    pub shared: Shared,
    pub mbarriers: Mbarriers,
    pub tasks: Tasks,
    pub warpgroups: Warpgroups,
    /// The cluster's barrier: phases that are over, and lanes that arrived in this one.
    pub cluster_barrier: ClusterBarrier,
    pub sanitize: Sanitize,
    /// Whether instructions are looked at before they run.
    pub checks_registers: bool,
    /// Rows that begin a register of 64 bits, if what is not known is followed.
    wide_rows: Vec<bool>,
    /// Where the grid's barrier lies, in a cooperative launch.
    pub workspace: Option<u64>,
    /// The checks for races, missing waits and fences, if they run.
    pub watch: Option<Box<Watch>>,
    pub wide_vectors: bool,
    /// Where what is not known in shared memory came from.
    pub origins: Origins,
    /// What was found, if the run goes on after that.
    pub found: Option<RefCell<Found>>,
    /// How often each instruction ran, for a whole warp at a time.
    pub executed: Vec<u64>,
    /// What instructions did, if that is asked for.
    pub counters: Option<Box<Counters>>,
    /// What the cluster has printed.
    pub printed: String,
}

impl<'l> Env<'l> {
    /// Room for one cluster, if the host has it.
    pub fn new(setting: &Setting<'l>) -> Option<Env<'l>> {
        Some(Env {
            program: setting.program,
            memory: setting.memory,
            params: setting.params,
            shared: Shared::new(setting.blocks(), setting.shared_bytes)?,
            mbarriers: Mbarriers::default(),
            tasks: Tasks::new(setting.policy),
            warpgroups: Warpgroups::default(),
            cluster_barrier: ClusterBarrier::default(),
            sanitize: setting.sanitize,
            checks_registers: setting.sanitize.unwritten || setting.sanitize.holds_registers(),
            wide_rows: if setting.sanitize.unwritten { wide_rows(setting.program) } else { Vec::new() },
            workspace: setting.workspace,
            watch: None,
            origins: Origins::default(),
            found: setting.keep_going.then(RefCell::default),
            wide_vectors: wide_vectors(),
            executed: host::filled(0, setting.program.code.len())?,
            counters: setting.profile.then(|| Box::new(Counters::new(setting.program))),
            printed: String::new(),
        })
    }

    /// Whether a register has 64 bits.
    pub fn is_wide(&self, reg: Reg) -> bool {
        self.wide_rows.get(reg.0 as usize).is_some_and(|wide| *wide)
    }

    /// Takes what the sanitizer says of what `warp` does, and goes on, if it is to.
    ///
    /// # Errors
    /// It is not, or this is a fault always.
    #[inline(always)]
    pub fn note(&self, warp: &Warp, outcome: Result<()>) -> Result<()> {
        match outcome {
            Ok(()) => Ok(()),
            Err(trouble) => {
                let lane = trouble.lane;
                self.found_at(Place { pc: warp.pc, warp: warp.agent, lane }, trouble)
            }
        }
    }

    /// The same of what was found somewhere else.
    #[cold]
    pub fn found_at(&self, place: Place, trouble: Box<Trouble>) -> Result<()> {
        match &self.found {
            Some(found) => found.borrow_mut().take(trouble, place),
            None => Err(trouble),
        }
    }

    /// Ready for the cluster of this index.
    pub fn reset(&mut self, setting: &Setting, cluster: u64) {
        self.shared.reset();
        self.origins.reset();
        self.mbarriers.reset();
        self.tasks.reset(cluster);
        self.warpgroups.reset(setting.blocks() * setting.warps());
        self.cluster_barrier = ClusterBarrier::default();
        let watch = || {
            let (blocks, warps) = (setting.blocks(), setting.warps());
            let mut watch = Watch::new(blocks, warps, setting.shared_bytes, setting.sanitize);
            if setting.programmatic && setting.sanitize.waits {
                watch.has_prerequisites();
            }
            Box::new(watch)
        };
        self.watch = setting.sanitize.watches().then(watch);
    }
}

fn wide_rows(program: &Program) -> Vec<bool> {
    let mut rows = vec![false; program.rows as usize];
    let constants = program.constants.iter().map(|(reg, _, wide)| (*reg, *wide));
    let specials = program.specials.iter().map(|(reg, .., wide)| (*reg, *wide));
    for (reg, wide) in program.registers.iter().copied().chain(constants).chain(specials) {
        rows[reg.0 as usize] = wide;
    }
    rows
}

/// Fills a warp's constants and special registers, of the cluster whose first block is at `origin`.
pub(crate) fn prepare(warp: &mut Warp, setting: &Setting, cluster: u64, origin: [u32; 3]) {
    let lanes = (setting.threads() - warp.index * LANES as u32).min(LANES as u32);
    let mask = if lanes == LANES as u32 { FULL } else { (1 << lanes) - 1 };
    warp.reset(setting.program.start, mask, setting.sanitize);
    warp.copies.seed(cluster, warp.agent);
    warp.products.seed(cluster, warp.agent);
    fill_constants(warp, setting);
    fill_specials(warp, setting, setting.block_at(origin, warp.rank));
}

fn fill_constants(warp: &mut Warp, setting: &Setting) {
    // A block's own shared memory lies at its rank.
    let own = (warp.rank as u64) << RANK_SHIFT;
    for (reg, constant, wide) in &setting.program.constants {
        let value = match *constant {
            Constant::Value(value) => value,
            Constant::Global(index, offset) => setting.globals[index].wrapping_add_signed(offset),
            Constant::Shared(at) => at as u64 | own,
            Constant::DynamicShared(offset) => {
                (setting.program.dynamic_shared as u64).wrapping_add_signed(offset) | own
            }
        };
        fill(warp, *reg, *wide, |_| value);
    }
}

/// Sets every lane of a register that instructions only read.
fn fill(warp: &mut Warp, reg: Reg, wide: bool, value: impl Fn(u32) -> u64) {
    if wide {
        *warp.wide_mut(reg) = std::array::from_fn(|l| value(l as u32));
    } else {
        // SAFETY: `row_ptr` is in bounds.
        unsafe { *warp.row_ptr(reg) = Row(std::array::from_fn(|l| value(l as u32) as u32)) };
    }
    if !warp.written_rows.is_empty() {
        warp.written_rows[reg.0 as usize] = FULL;
    }
}

fn fill_specials(warp: &mut Warp, setting: &Setting, at: [u32; 3]) {
    use Special::*;
    let [bx, by, _] = setting.block;
    let first = warp.index * LANES as u32;
    let warps = setting.warps();
    let rank_of = |i: usize| at[i] % setting.cluster[i];
    let rank = warp.rank;
    for (reg, special, axis, wide) in &setting.program.specials {
        let i = axis.map_or(0, |a| a as usize);
        let three = |v: [u32; 3]| if matches!(axis, Some(Axis::W)) { 0 } else { v[i] as u64 };
        let value = |lane: u32| -> u64 {
            let thread = first + lane;
            let mask = 1u64 << lane;
            match special {
                Tid => three([thread % bx, thread / bx % by, thread / (bx * by)]),
                Ntid => three(setting.block),
                Ctaid => three(at),
                Nctaid => three(setting.grid),
                Clusterid => three([0, 1, 2].map(|i| at[i] / setting.cluster[i])),
                Nclusterid => three([0, 1, 2].map(|i| setting.grid[i].div_ceil(setting.cluster[i]))),
                ClusterCtaid => three([0, 1, 2].map(rank_of)),
                ClusterNctaid => three(setting.cluster),
                ClusterCtarank => rank as u64,
                ClusterNctarank => setting.blocks() as u64,
                IsExplicitCluster => (setting.blocks() > 1) as u64,
                Laneid => lane as u64,
                Warpid => warp.index as u64,
                Nwarpid => warps as u64,
                Nsmid => 1,
                LanemaskEq => mask,
                LanemaskLt => mask - 1,
                LanemaskLe => mask | (mask - 1),
                LanemaskGt => u32::MAX as u64 & !(mask | (mask - 1)),
                LanemaskGe => u32::MAX as u64 & !(mask - 1),
                DynamicSmemSize => setting.dynamic_shared_bytes as u64,
                TotalSmemSize | AggrSmemSize => setting.shared_bytes as u64,
                _ => 0,
            }
        };
        let row: [u64; LANES] = std::array::from_fn(|l| value(l as u32));
        fill(warp, *reg, *wide, |l| row[l as usize]);
    }
}
