//! One block: its warps take turns until all have exited.

use super::asynchrony::{AsyncPolicy, CopyQueue};
use super::barrier::Barriers;
use super::shared::Shared;
use super::step::{self, Stop};
use super::warp::Warp;
use super::{FULL, access};
use crate::alu::lanes::{LANES, Row, wide_vectors};
use crate::fault::{Fault, FaultKind, Site, Trouble};
use crate::memory::{Memory, Storage};
use crate::program::{Constant, Op, Program};
use flashpage_ptx::ast::Axis;
use flashpage_ptx::words::Special;

/// Instructions that a warp runs before another has its turn.
const TURN: u32 = 2048;

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
    pub sanitize: bool,
}

/// What a warp sees of its block.
pub(crate) struct Env<'l> {
    pub program: &'l Program,
    pub memory: &'l Memory,
    pub params: &'l Storage,
    pub shared: Shared,
    pub sanitize: bool,
    pub wide_vectors: bool,
    /// How often each instruction ran, for a whole warp at a time.
    pub executed: Vec<u64>,
    /// What the block that is running has printed.
    pub printed: String,
}

/// Room to run blocks in, one after another.
pub(crate) struct Worker<'l> {
    setting: &'l Setting<'l>,
    env: Env<'l>,
    warps: Vec<Warp>,
    barriers: Barriers,
    schedule: Schedule,
}

/// Which warp is next: the one place that decides how warps interleave.
#[derive(Default)]
struct Schedule {
    last: usize,
}

impl Schedule {
    /// The next warp that can run, in turn.
    fn next(&mut self, warps: &[Warp]) -> Option<usize> {
        let n = warps.len();
        let found =
            (1..=n).map(|i| (self.last + i) % n).find(|w| warps[*w].live != 0 && !warps[*w].waiting)?;
        self.last = found;
        Some(found)
    }

    fn reset(&mut self, warps: usize) {
        self.last = warps.saturating_sub(1);
    }
}

impl<'l> Worker<'l> {
    pub fn new(setting: &'l Setting<'l>) -> Worker<'l> {
        let program = setting.program;
        let threads: u32 = setting.block.iter().product();
        let warps = (0..threads.div_ceil(LANES as u32))
            .map(|w| {
                let copies = CopyQueue::new(setting.policy);
                Warp::new(w, program.rows, program.preds, program.local_bytes, copies)
            })
            .collect();
        let env = Env {
            program,
            memory: setting.memory,
            params: setting.params,
            shared: Shared::new(setting.shared_bytes),
            sanitize: setting.sanitize,
            wide_vectors: wide_vectors(),
            executed: vec![0; program.code.len()],
            printed: String::new(),
        };
        Worker { setting, env, warps, barriers: Barriers::default(), schedule: Schedule::default() }
    }

    /// How often each instruction ran.
    pub fn executed(self) -> Vec<u64> {
        self.env.executed
    }

    /// What the block that ran last has printed.
    pub fn printed(&mut self) -> String {
        std::mem::take(&mut self.env.printed)
    }

    fn prepare(&mut self, index: u64, at: [u32; 3]) {
        let setting = self.setting;
        let threads: u32 = setting.block.iter().product();
        self.env.shared.reset();
        self.barriers.reset();
        self.schedule.reset(self.warps.len());
        for warp in &mut self.warps {
            let lanes = (threads - warp.index * LANES as u32).min(LANES as u32);
            let mask = if lanes == LANES as u32 { FULL } else { (1 << lanes) - 1 };
            warp.reset(setting.program.start, mask, setting.sanitize);
            warp.copies.seed(index, warp.index);
            fill_constants(warp, setting);
            fill_specials(warp, setting, at);
        }
    }

    /// Runs the block of this linear index at `at`; `spend` takes instructions off the launch's budget.
    pub fn run(&mut self, index: u64, at: [u32; 3], spend: &dyn Fn(u64) -> Option<u64>) -> Result<(), Fault> {
        self.prepare(index, at);
        let mut live = self.warps.len() as u32;
        while live != 0 {
            let Some(w) = self.schedule.next(&self.warps) else { return Err(self.deadlock(at, live)) };
            let before = self.warps[w].count;
            let result = self.turn(w, live);
            let stop = match result {
                Ok(stop) => stop,
                Err(trouble) => return Err(self.fault(at, w, *trouble)),
            };
            if let Some(budget) = spend(self.warps[w].count - before) {
                return Err(self.fault(at, w, *Box::<Trouble>::from(FaultKind::Budget(budget))));
            }
            if stop == Stop::Exited {
                live -= 1;
                self.barriers.warp_exited(&mut self.warps, live);
            }
        }
        Ok(())
    }

    fn turn(&mut self, w: usize, live: u32) -> super::Result<Stop> {
        for copy in self.warps[w].copies.poll() {
            access::land(&self.env, &mut self.warps[w], &copy)?;
        }
        let stop = step::run(&mut self.env, &mut self.warps[w], TURN)?;
        if stop == Stop::Barrier {
            let inst = &self.env.program.code[self.warps[w].pc as usize];
            if let Op::Barrier(barrier) = &inst.op {
                let mask = self.warps[w].mask;
                if self.env.sanitize {
                    super::defined::after(&self.env, &mut self.warps[w], inst, mask);
                }
                self.barriers.arrive(&mut self.warps, w, barrier, mask, live)?;
            }
        }
        Ok(stop)
    }

    fn fault(&self, at: [u32; 3], w: usize, trouble: Trouble) -> Fault {
        let (line, nth) =
            self.env.program.code.get(self.warps[w].pc as usize).map_or((0, 0), |i| (i.line, i.nth));
        let Trouble { kind, lane, address } = trouble;
        let site = Site { instruction: String::new(), line, nth, block: at, warp: w as u32, lane, address };
        Fault { kind, site: Some(Box::new(site)) }
    }

    #[cold]
    fn deadlock(&self, at: [u32; 3], live: u32) -> Fault {
        let mut lines = Vec::new();
        let mut first = None;
        for (w, warp) in self.warps.iter().enumerate().filter(|(_, warp)| warp.live != 0) {
            for (pc, _) in warp.places() {
                let line = self.env.program.code[pc as usize].line;
                first = first.or(Some(w));
                let progress = self.barriers.progress(w, live).map_or(String::new(), |(id, arrived, all)| {
                    format!(" (barrier {id}, {arrived} of {all} warps)")
                });
                lines.push(format!("warp {w} waits at line {line}{progress}"));
            }
        }
        self.fault(at, first.unwrap_or(0), *Box::<Trouble>::from(FaultKind::Deadlock(lines.join(", "))))
    }
}

fn fill_constants(warp: &mut Warp, setting: &Setting) {
    for (reg, constant, wide) in &setting.program.constants {
        let value = match *constant {
            Constant::Value(value) => value,
            Constant::Global(index, offset) => setting.globals[index].wrapping_add_signed(offset),
            Constant::Shared(at) => at as u64,
            Constant::DynamicShared(offset) => {
                (setting.program.dynamic_shared as u64).wrapping_add_signed(offset)
            }
        };
        fill(warp, *reg, *wide, |_| value);
    }
}

/// Sets every lane of a register that instructions only read.
fn fill(warp: &mut Warp, reg: crate::program::Reg, wide: bool, value: impl Fn(u32) -> u64) {
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
    let warps = setting.block.iter().product::<u32>().div_ceil(LANES as u32);
    let rank_of = |i: usize| at[i] % setting.cluster[i];
    let [cx, cy, cz] = setting.cluster;
    let rank = (rank_of(2) * cy + rank_of(1)) * cx + rank_of(0);
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
                ClusterNctarank => (cx * cy * cz) as u64,
                IsExplicitCluster => (cx * cy * cz > 1) as u64,
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
