//! What a warp sees of its cluster.

use super::cluster_barrier::ClusterBarrier;
use super::counters::Counters;
use super::mbarrier::Mbarriers;
use super::origins::Origins;
use super::setting::Setting;
use super::shared::Shared;
use super::warp::Warp;
use super::warpgroups::Warpgroups;
use crate::alu::lanes::wide_vectors;
use crate::exec::Result;
use crate::exec::in_flight::Tasks;
use crate::exec::order::Watch;
use crate::exec::policy::ProductSums;
use crate::fault::{Place, Trouble};
use crate::findings::Found;
use crate::host;
use crate::memory::{Memory, Storage};
use crate::program::{Program, Reg};
use crate::sanitize::Sanitize;
use std::cell::RefCell;

/// See the file's head.
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
    pub product_sums: ProductSums,
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
            product_sums: setting.product_sums,
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
