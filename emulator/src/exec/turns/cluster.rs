//! One cluster of blocks: its warps take turns until all have exited.
//!
//! A launch without clusters has one block in each. Every block has its own barriers and its own shared memory; the
//! order of turns is [`super::picks`]'s, and what goes on beside the warps is polled between them. When no warp can
//! go on, work that was left for later is made to land; when there is none either, that is a deadlock.

use super::picks::Picks;
use crate::exec::engines::{bulk, copies, wgmma};
use crate::exec::interpreter::step::{self, Stop};
use crate::exec::state::{Counters, Env, Setting, Sleep, Warp, prepare};
use crate::exec::sync::Barriers;
use crate::exec::{Result, defined};
use crate::fault::{Fault, FaultKind, Place, Site, Trouble};
use crate::findings::Key;
use crate::ledger::Ledger;
use crate::program::Op;

/// Turns in a row that came to nothing, for each warp, after which a cluster is said to be stuck.
const PATIENCE: u64 = 2000;

/// Instructions that a loop around a question has at most; a warp that executes more has other things to do.
const QUESTION: u64 = 64;

/// Places that are told apart when it is said where warps stand.
const MOST_GROUPS: usize = 32;

/// How far a cluster came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All its warps have exited.
    Done,
    /// It has had its share for now.
    More,
}

/// See the file's head.
pub(crate) struct Cluster<'l> {
    setting: &'l Setting<'l>,
    env: Env<'l>,
    warps: Vec<Warp>,
    barriers: Vec<Barriers>,
    picks: Picks,
    /// Which cluster it is, and where its first block is.
    pub index: u64,
    origin: [u32; 3],
    /// Warps that have not exited, block by block.
    live: Vec<u32>,
    /// Turns in a row that came to nothing.
    idle: u64,
    /// Instructions of its warps so far.
    pub spent: u64,
}

impl<'l> Cluster<'l> {
    /// Room for one cluster after another, if the host has it.
    pub fn new(setting: &'l Setting<'l>) -> Option<Cluster<'l>> {
        let (blocks, warps) = (setting.blocks(), setting.warps());
        let all = (0..blocks).flat_map(|rank| (0..warps).map(move |w| (w, rank)));
        Some(Cluster {
            setting,
            env: Env::new(setting)?,
            warps: all
                .map(|(w, rank)| Warp::new((w, rank, warps), setting.program, setting.policy))
                .collect::<Option<_>>()?,
            barriers: (0..blocks).map(|_| Barriers::default()).collect(),
            picks: Picks::new(setting.warp_order),
            index: 0,
            origin: [0; 3],
            live: Vec::new(),
            idle: 0,
            spent: 0,
        })
    }

    /// How often each instruction ran.
    pub fn executed(&self) -> &[u64] {
        &self.env.executed
    }

    /// What instructions did, if that was asked for.
    pub fn counters(&self) -> Option<&Counters> {
        self.env.counters.as_deref()
    }

    /// What it printed, if it printed anything.
    pub fn printed(&mut self) -> Option<String> {
        (!self.env.printed.is_empty()).then(|| std::mem::take(&mut self.env.printed))
    }

    /// What was found on the way, if it went on after that.
    pub fn findings(&mut self) -> Vec<(Key, Fault, u64)> {
        let Some(found) = &mut self.env.found else { return Vec::new() };
        let found = std::mem::take(found.get_mut());
        found.all.into_iter().map(|(key, trouble, count)| (key, self.fault(0, trouble), count)).collect()
    }

    /// Ready to run the cluster of this index, whose first block is at `origin`.
    pub fn start(&mut self, index: u64, origin: [u32; 3]) {
        let setting = self.setting;
        (self.index, self.origin, self.idle, self.spent) = (index, origin, 0, 0);
        self.env.reset(setting, index);
        self.barriers.iter_mut().for_each(Barriers::reset);
        self.picks.reset(index, self.warps.len());
        self.live = vec![setting.warps(); self.barriers.len()];
        for warp in &mut self.warps {
            prepare(warp, setting, index, origin);
        }
    }

    /// Runs about `share` instructions, and never more than the ledger has for one cluster.
    pub fn run(&mut self, share: u64, ledger: &Ledger) -> Result<Progress, Fault> {
        let mut left = share;
        let most = ledger.of_cluster();
        while self.live.iter().any(|n| *n != 0) {
            if left == 0 {
                return Ok(Progress::More);
            }
            if self.spent >= most {
                return Err(self.stopped(|stand| FaultKind::Budget { budget: most, state: stand }));
            }
            let Some((w, turns)) = self.picks.next(&mut self.warps) else {
                if !self.force().map_err(|(w, trouble)| self.fault(w, *trouble))? {
                    return Err(self.deadlock());
                }
                continue;
            };
            let turns = turns.min(u32::try_from(most - self.spent).unwrap_or(u32::MAX));
            let before = self.warps[w].count;
            let stop = self.turn(w, turns).map_err(|trouble| self.fault(w, *trouble))?;
            let ran = self.warps[w].count - before;
            left = left.saturating_sub(ran);
            self.spent += ran;
            ledger.spend(ran);
            self.after(w, stop).map_err(|trouble| self.fault(w, *trouble))?;
            self.wake();
            self.judge(w, stop).map_err(|(w, trouble)| self.fault(w, *trouble))?;
            if self.idle > PATIENCE * self.warps.len() as u64 {
                return Err(self.deadlock());
            }
        }
        self.finish().map_err(|(w, trouble)| self.fault(w, *trouble))?;
        Ok(Progress::Done)
    }

    /// Counts turns that come to nothing: those in which a warp asks in vain for something to have happened, and those
    /// that are cut off between two such questions.
    fn judge(&mut self, w: usize, stop: Stop) -> Result<(), (usize, Box<Trouble>)> {
        let warp = &mut self.warps[w];
        match stop {
            Stop::Idle => {
                warp.asked = warp.count;
                self.idle += 1;
                if self.idle.is_multiple_of(2 * self.warps.len() as u64) && self.force()? {
                    self.idle = 0;
                }
            }
            Stop::Pause => {}
            Stop::Turn if warp.asked != 0 && warp.count - warp.asked < QUESTION => {}
            _ => self.idle = 0,
        }
        Ok(())
    }

    /// Lets warp `w` go on for a while.
    fn turn(&mut self, w: usize, turns: u32) -> Result<Stop> {
        for task in self.env.tasks.poll() {
            bulk::land_task(&mut self.env, &task)?;
        }
        let warp = &mut self.warps[w];
        let due = warp.copies.poll();
        copies::settle_copies(&mut self.env, warp, due)?;
        let due = warp.products.poll();
        wgmma::settle_products(&mut self.env, warp, due)?;
        let stop = step::run(&mut self.env, warp, turns)?;
        if stop == Stop::Turn {
            // Lanes that are elsewhere may have what these spin for.
            warp.rest();
        }
        Ok(stop)
    }

    /// What a warp's stop means for the others.
    fn after(&mut self, w: usize, stop: Stop) -> Result<()> {
        let (rank, index) = (self.warps[w].rank as usize, self.warps[w].index as usize);
        let first = w - index;
        let block = first..first + self.setting.warps() as usize;
        match stop {
            Stop::Exited => {
                let warp = &self.warps[w];
                self.env.note(warp, bulk::abandoned(&self.env, warp))?;
                self.env.warpgroups.exit(&self.warps[w]);
                self.live[rank] -= 1;
                if self.live[rank] == 0
                    && self.live.len() > 1
                    && let Some(watch) = &mut self.env.watch
                {
                    let outcome = watch.exit(rank as u32);
                    self.env.note(&self.warps[w], outcome)?;
                }
                let order = self.env.watch.as_mut().map(|watch| &mut watch.order);
                self.barriers[rank].warp_exited(&mut self.warps[block], self.live[rank], order);
            }
            Stop::Products(number) => {
                let begin = index - index % 4;
                let end = (begin + 4).min(self.setting.warps() as usize);
                let group = &mut self.warps[first + begin..first + end];
                wgmma::wait_products(&mut self.env, group, index - begin, number)?;
                self.warps[w].advance();
            }
            Stop::Barrier => {
                let inst = &self.env.program.code[self.warps[w].pc as usize];
                if let Op::Barrier(barrier) = &inst.op {
                    let mask = self.warps[w].mask;
                    if self.env.sanitize.unwritten {
                        defined::after(&self.env, &mut self.warps[w], inst, mask, false);
                    }
                    let order = self.env.watch.as_mut().map(|watch| &mut watch.order);
                    let warps = &mut self.warps[block];
                    self.barriers[rank].arrive(warps, index, barrier, mask, self.live[rank], order)?;
                }
            }
            _ => {}
        }
        if self.env.cluster_barrier.arrived() != 0 {
            let live = self.warps.iter().map(|w| w.live.count_ones()).sum();
            self.env.cluster_barrier.settle(live);
        }
        Ok(())
    }

    /// Wakes the warps whose instruction may succeed now.
    fn wake(&mut self) {
        let Env { mbarriers, cluster_barrier, warpgroups, .. } = &self.env;
        if mbarriers.ended.is_empty() && !cluster_barrier.ended && !warpgroups.moved {
            return;
        }
        for warp in &mut self.warps {
            let wakes = match warp.sleep {
                Some(Sleep::Mbarrier(at)) => self.env.mbarriers.ended.contains(&at),
                Some(Sleep::Cluster) => self.env.cluster_barrier.ended,
                Some(Sleep::Warpgroup) => self.env.warpgroups.moved,
                None => false,
            };
            if wakes {
                warp.sleep = None;
            }
        }
        self.env.mbarriers.ended.clear();
        self.env.cluster_barrier.ended = false;
        self.env.warpgroups.moved = false;
        self.idle = 0;
    }

    /// Lands something that was left for later; false if there is nothing.
    fn force(&mut self) -> Result<bool, (usize, Box<Trouble>)> {
        let mut landed = false;
        if let Some(task) = self.env.tasks.force() {
            let warp = task.warp as usize;
            bulk::land_task(&mut self.env, &task).map_err(|trouble| (warp, trouble))?;
            landed = true;
        } else {
            for w in 0..self.warps.len() {
                let due = self.warps[w].copies.force();
                landed |= !due.is_empty();
                let settled = copies::settle_copies(&mut self.env, &mut self.warps[w], due);
                settled.map_err(|trouble| (w, trouble))?;
                if landed {
                    break;
                }
            }
        }
        self.wake();
        Ok(landed)
    }

    /// Everything has exited: what is on its way to global memory still comes there.
    fn finish(&mut self) -> Result<(), (usize, Box<Trouble>)> {
        for task in self.env.tasks.drain() {
            let warp = task.warp as usize;
            bulk::land_task(&mut self.env, &task).map_err(|trouble| (warp, trouble))?;
        }
        Ok(())
    }

    fn site(&self, place: Place, address: Option<u64>) -> Box<Site> {
        let (line, nth) = self.env.program.code.get(place.pc as usize).map_or((0, 0), |i| (i.line, i.nth));
        let warp = &self.warps[place.warp as usize];
        Box::new(Site {
            instruction: String::new(),
            line,
            nth,
            block: self.setting.block_at(self.origin, warp.rank),
            warp: warp.index,
            lane: place.lane,
            address,
        })
    }

    fn fault(&self, w: usize, trouble: Trouble) -> Fault {
        let Trouble { kind, lane, address, place, other } = trouble;
        let here = Place { pc: self.warps[w].pc, warp: w as u32, lane };
        let site = self.site(place.unwrap_or(here), address);
        let other = other.map(|place| self.site(place, None));
        Fault { kind, site: Some(site), other, printed: String::new(), findings: Vec::new() }
    }

    /// A fault of no warp in particular: at the first of those that have not exited.
    #[cold]
    pub fn stopped(&self, kind: impl FnOnce(String) -> FaultKind) -> Fault {
        let first = self.warps.iter().position(|warp| warp.live != 0);
        self.fault(first.unwrap_or(0), *Box::<Trouble>::from(kind(self.standing())))
    }

    /// Which block it is, or which blocks they are.
    pub fn blocks(&self) -> String {
        let [x, y, z] = self.origin;
        match self.barriers.len() {
            1 => format!("block ({x}, {y}, {z})"),
            blocks => format!("the {blocks} blocks from ({x}, {y}, {z})"),
        }
    }

    /// Where every warp stands that has not exited: "warps 0 to 3 at line 7, warp 4 at line 9".
    #[cold]
    pub fn standing(&self) -> String {
        let mut at: Vec<(String, u32, Vec<u32>)> = Vec::new();
        for warp in self.warps.iter().filter(|warp| warp.live != 0) {
            let of = if self.barriers.len() > 1 { format!(" of block {}", warp.rank) } else { String::new() };
            for (pc, _) in warp.places() {
                let line = self.env.program.code.get(pc as usize).map_or(0, |inst| inst.line);
                match at.iter_mut().find(|(block, other, _)| (&of, line) == (block, *other)) {
                    Some((.., warps)) => warps.push(warp.index),
                    None => at.push((of.clone(), line, vec![warp.index])),
                }
            }
        }
        let groups = at.iter().map(|(of, line, warps)| format!("{}{of} at line {line}", ranges(warps)));
        let mut texts: Vec<String> = groups.take(MOST_GROUPS).collect();
        if at.len() > MOST_GROUPS {
            texts.push(format!("others at {} more places", at.len() - MOST_GROUPS));
        }
        texts.join(", ")
    }

    #[cold]
    fn deadlock(&self) -> Fault {
        let mut lines = Vec::new();
        let mut first = None;
        for (w, warp) in self.warps.iter().enumerate().filter(|(_, warp)| warp.live != 0) {
            let rank = warp.rank as usize;
            for (pc, _) in warp.places() {
                let line = self.env.program.code[pc as usize].line;
                first = first.or(Some(w));
                let progress = match warp.sleep {
                    Some(Sleep::Mbarrier(at)) => {
                        self.env.mbarriers.find(at).map_or(String::new(), |object| {
                            format!(" (mbarrier {at:#x}: {})", object.progress())
                        })
                    }
                    Some(Sleep::Cluster) => " (the cluster's barrier)".to_string(),
                    Some(Sleep::Warpgroup) => " (a wgmma that its warpgroup has not issued)".to_string(),
                    None => self.barriers[rank]
                        .progress(warp.index as usize, self.live[rank])
                        .map_or(String::new(), |(id, arrived, all)| {
                            format!(" (barrier {id}, {arrived} of {all} warps)")
                        }),
                };
                let of = if self.barriers.len() > 1 { format!(" of block {rank}") } else { String::new() };
                lines.push(format!("warp {}{of} waits at line {line}{progress}", warp.index));
            }
        }
        self.fault(first.unwrap_or(0), *Box::<Trouble>::from(FaultKind::Deadlock(lines.join(", "))))
    }
}

/// Numbers that ascend in words, runs of them as such: "warps 0 to 3, 7".
fn ranges(warps: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for warp in warps {
        match runs.last_mut() {
            Some((_, last)) if *warp <= *last + 1 => *last = *warp,
            _ => runs.push((*warp, *warp)),
        }
    }
    let text = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let texts: Vec<String> = runs.iter().map(text).collect();
    // A warp whose lanes are apart may be there twice.
    let several = warps.first() != warps.last();
    format!("warp{} {}", if several { "s" } else { "" }, texts.join(", "))
}
